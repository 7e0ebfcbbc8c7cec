"""A SerialModem on a simulated modem in driven time, and what both were told."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.modem.paper import PaperNetwork, Told
from vigibip.base.clock import DrivenClock
from vigibip.modem.contract import ModemState
from vigibip.modem.lines import ResetLines
from vigibip.modem.serial_modem import SerialModem
from vigibip.modem.settings import ModemSettings
from vigibip.modem.simulated.models import SIM7600, Model
from vigibip.modem.simulated.modem import SimulatedModem
from vigibip.modem.simulated.port import InProcessPort, SimulatedLines


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
