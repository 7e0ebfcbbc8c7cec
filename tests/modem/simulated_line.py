"""What the tests of the simulated modem share: a computer's side in driven time, a network."""

import random
from collections.abc import Callable

from vigibip.base.clock import DrivenClock
from vigibip.modem.simulated import (
    SIM7600,
    Behaviour,
    InProcessPort,
    Model,
    NetworkRefusedError,
    Noise,
    SimulatedModem,
    Subscriber,
)

# From +33639980102, "Test"; to the same number, "Test"; its status report 64: received.
DELIVER = bytes.fromhex(
    "0791333699080 0F0040B9133369908 01F20000621122812100 4004D4F29C0E".replace(" ", "")
)
SUBMIT = bytes.fromhex("0021000B913336990801F2000004D4F29C0E")
REPORT = bytes.fromhex(
    "0791333699080 0F006400B9133369908 01F2621122812100406211228121304000".replace(" ", "")
)


class Network:
    """A RadioNetwork that keeps what it is told."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.attached: list[Subscriber] = []
        self.refuses: int | None = None
        self.on_room: Callable[[Subscriber], None] = lambda _modem: None

    def attach(self, modem: Subscriber) -> None:
        if modem not in self.attached:
            self.attached.append(modem)

    def detach(self, modem: Subscriber) -> None:
        if modem in self.attached:
            self.attached.remove(modem)

    def memory_available(self, modem: Subscriber) -> None:
        self.on_room(modem)

    def submit(self, modem: Subscriber, tpdu: bytes) -> int:
        if self.refuses is not None:
            raise NetworkRefusedError(self.refuses)
        self.sent.append(tpdu)
        return len(self.sent) - 1


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
        self.network = Network()
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
