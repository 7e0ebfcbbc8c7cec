"""A SerialModem on a simulated modem in driven time, and what both were told."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.modem.contract import Modem, ModemState
from vigibip.modem.lines import ResetLines
from vigibip.modem.serial_modem import SerialModem
from vigibip.modem.settings import ModemSettings
from vigibip.modem.simulated.models import SIM7600, Model
from vigibip.modem.simulated.modem import SimulatedModem
from vigibip.modem.simulated.network import NetworkRefusedError, Subscriber
from vigibip.modem.simulated.port import InProcessPort, SimulatedLines

# A SMS-SUBMIT of one word to a fictional number, without a service centre.
TPDU = bytes.fromhex("31000B913336990801F20000A704D4F29C0E")
# A SMS-DELIVER of one word from a fictional number, with its service centre.
DELIVER = bytes.fromhex("07913336990800F0040B913336990801F200006211228121004004D4F29C0E")
REPORT = bytes.fromhex("07913336990800F006400B913336990801F2621122812100406211228121304000")


class PaperNetwork:
    """A RadioNetwork that keeps what it is given and refuses what it is told to."""

    def __init__(self) -> None:
        self.attached: list[Subscriber] = []
        self.submitted: list[bytes] = []
        self.refusals: list[int] = []

    def attach(self, modem: Subscriber) -> None:
        if modem not in self.attached:
            self.attached.append(modem)

    def detach(self, modem: Subscriber) -> None:
        if modem in self.attached:
            self.attached.remove(modem)

    def memory_available(self, modem: Subscriber) -> None:
        """Nothing waits here."""

    def submit(self, modem: Subscriber, tpdu: bytes) -> int:
        if self.refusals:
            raise NetworkRefusedError(self.refusals.pop(0))
        self.submitted.append(tpdu)
        return len(self.submitted) % 256


class Told:
    """ModemEvents that keeps all it is told; `refuse` makes the disk full."""

    def __init__(self) -> None:
        self.states: list[ModemState] = []
        self.received_pdus: list[bytes] = []
        self.refuse = False

    def modem_changed(self, modem: Modem) -> None:
        if not self.states or self.states[-1] is not modem.health.state:
            self.states.append(modem.health.state)

    async def received(self, modem: Modem, pdu: bytes) -> None:
        if self.refuse:
            raise StorageError("the disk is full")
        self.received_pdus.append(pdu)


class Rig:
    def __init__(
        self,
        seed: int = 1,
        model: Model = SIM7600,
        *,
        pin: str | None = None,
        lines: ResetLines | None = None,
        has_pwrkey: bool = True,
        has_power: bool = True,
        **simulated: Any,
    ) -> None:
        self.clock = DrivenClock()
        self.network = PaperNetwork()
        self.sim = SimulatedModem(
            self.clock, self.network, model, chance=random.Random(seed), **simulated
        )
        self.port = InProcessPort(self.sim)
        self.told = Told()
        self.modem = SerialModem(
            ModemSettings.model_validate({"port": "/dev/null", "pin": pin}),
            clock=self.clock,
            chance=random.Random(seed),
            open_port=self.port.open,
            lines=lines or SimulatedLines(self.sim, has_pwrkey=has_pwrkey, has_power=has_power),
        )

    @property
    def state(self) -> ModemState:
        return self.modem.health.state

    async def until(
        self, states: Sequence[ModemState], limit_s: float, step_s: float = 0.5
    ) -> float:
        """Drive time until the modem is in one of `states`; return the seconds it took."""
        begun_s = self.clock.monotonic_s()
        while self.state not in states:
            taken_s = self.clock.monotonic_s() - begun_s
            assert taken_s <= limit_s, (self.modem.health.describe(), dict(self.modem.counts))
            await self.clock.advance(step_s)
        return self.clock.monotonic_s() - begun_s

    async def until_ready(self, limit_s: float = 60.0) -> float:
        return await self.until([ModemState.READY], limit_s)


@asynccontextmanager
async def running(*, booted: bool = True, **given: Any) -> AsyncIterator[Rig]:
    """Yield a rig whose modem is on; with `booted` it is registered already."""
    rig = Rig(**given)
    rig.sim.start(booted=booted)
    rig.modem.start(rig.told)
    try:
        yield rig
    finally:
        await rig.modem.close()
        rig.sim.close()
