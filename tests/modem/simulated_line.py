"""What the tests of the simulated modem share: a computer's side in driven time, a network."""

import random

from tests.modem.paper import PaperNetwork
from vigibip.base.clock import DrivenClock
from vigibip.modem.simulated import (
    SIM7600,
    Behaviour,
    InProcessPort,
    Model,
    Noise,
    SimulatedModem,
)

# To +33639980102, "Test", with the SIM's own service centre.
SUBMIT = bytes.fromhex("0021000B913336990801F2000004D4F29C0E")


class Line:
    """One modem with one computer on it."""

    def __init__(
        self,
        model: Model = SIM7600,
        behaviour: Behaviour | None = None,
        seed: int = 1,
        **what: object,
    ) -> None:
        self.clock = DrivenClock()
        self.network = PaperNetwork()
        self.modem = SimulatedModem(
            self.clock,
            self.network,
            model,
            chance=random.Random(seed),
            behaviour=behaviour or Behaviour(),
            **what,  # type: ignore[arg-type]
        )
        self.pieces: list[bytes] = []
        self.lost: list[str] = []
        self.port = InProcessPort(self.modem)
        self.open()

    def open(self) -> None:
        self.opened = self.port.open(self.pieces.append, self.lost.append)

    @property
    def heard(self) -> bytes:
        return b"".join(self.pieces)

    def take(self) -> bytes:
        """What was heard since the last time."""
        heard = self.heard
        self.pieces.clear()
        return heard

    async def send(self, data: bytes, wait_s: float = 0.0) -> bytes:
        """Send, let `wait_s` pass, and return what was heard since the last time."""
        self.opened.write(data)
        await self.clock.advance(wait_s)
        return self.take()

    async def at(self, command: str, wait_s: float = 0.0) -> list[str]:
        """Send one command without echo; return the lines that came."""
        heard = await self.send(command.encode() + b"\r", wait_s)
        return [line for line in heard.decode("latin-1").split("\r\n") if line]


async def ready(model: Model = SIM7600, **what: object) -> Line:
    """A modem that is up and registered, without echo."""
    line = Line(model, **what)  # type: ignore[arg-type]
    line.modem.start(booted=True)
    assert await line.at("ATE0") == ["ATE0\r", "OK"]
    return line


CALM = Behaviour(noise=Noise(boot_garbage=False))
