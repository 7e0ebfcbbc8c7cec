"""Ten ways to hang, ten times each: every modem is back within 90 s, and no SMS waits for it.

Driven time, against the simulated modem; the seconds are the simulated ones.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.modem.paper import TPDU
from tests.modem.rig import Rig, running
from vigibip.modem.contract import SUBMIT_MAX_S, ModemError, SubmitResult
from vigibip.modem.simulated.hangs import Hang, HangKind, Rung
from vigibip.modem.simulated.models import EC25, EG25, GENERIC, SIM7600

MODELS = (SIM7600, EC25, EG25, GENERIC)
BACK_WITHIN_S = 90.0
TRY_EVERY_S = 10.0


Try = tuple[SubmitResult | ModemError, float]
"""What became of a submit, and the seconds that it took."""


async def timed(rig: Rig, *, urgent: bool) -> Try:
    begun_s = rig.clock.monotonic_s()
    try:
        result: SubmitResult | ModemError = await rig.modem.submit(TPDU, urgent=urgent)
    except ModemError as error:
        result = error
    return result, rig.clock.monotonic_s() - begun_s


async def tried_until_one_goes(rig: Rig) -> list[asyncio.Task[Try]]:
    """Submit alerts until the network has taken one, which must be soon; return the attempts."""
    hung_s = rig.clock.monotonic_s()
    tries: list[asyncio.Task[Try]] = []
    while not any(one.done() and isinstance(one.result()[0], SubmitResult) for one in tries):
        taken_s = rig.clock.monotonic_s() - hung_s
        assert taken_s <= BACK_WITHIN_S, (rig.modem.health.describe(), rig.told.states)
        if len(tries) <= taken_s / TRY_EVERY_S:
            tries.append(asyncio.create_task(timed(rig, urgent=True)))
        await rig.clock.advance(0.5)
    return tries


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("kind", HangKind, ids=lambda kind: kind.value.replace(" ", "-"))
async def test_a_hung_modem_is_back_in_time_and_holds_nobody(kind: HangKind, seed: int) -> None:
    chance = random.Random(f"{kind.value} {seed}")
    async with running(seed=seed, model=MODELS[seed % len(MODELS)]) as rig:
        await rig.until_ready()
        await rig.clock.advance(chance.uniform(0.0, 30.0))
        # Half of them hang while an SMS is under way, at any moment of it.
        under_way = asyncio.create_task(timed(rig, urgent=False)) if seed % 2 else None
        await rig.clock.advance(chance.uniform(0.0, 4.0))
        rig.sim.begin_hang(Hang.of(kind))
        tries = await tried_until_one_goes(rig)

        assert rig.sim.hang is None
        await rig.clock.advance(SUBMIT_MAX_S)
        results = [await one for one in [*tries, *([under_way] if under_way else [])]]
        assert max(taken_s for _, taken_s in results) <= SUBMIT_MAX_S
        await rig.until_ready()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("wired", ["pwrkey", "power", "both"])
async def test_refusals_that_only_a_wired_line_ends_end_in_time(wired: str, seed: int) -> None:
    """Each attempt tells whether a rung helped, and they come 10 s apart."""
    chance = random.Random(seed)
    lines = {"has_pwrkey": wired != "power", "has_power": wired != "pwrkey"}
    async with running(seed=seed, model=MODELS[seed % len(MODELS)], **lines) as rig:
        await rig.until_ready()
        await rig.clock.advance(chance.uniform(0.0, 30.0))
        ends_by = Rung.PWRKEY if wired == "pwrkey" else Rung.POWER
        rig.sim.begin_hang(Hang.of(HangKind.PDU_REFUSED, ends_by=ends_by))
        tries = await tried_until_one_goes(rig)
        await rig.clock.advance(SUBMIT_MAX_S)
        await asyncio.gather(*tries)
