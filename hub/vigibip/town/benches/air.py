"""`air`: presses through a bad air, each heard and none twice; sixteen bips pressed at once.

Driven time, nobody sleeps: the bips are the firmware's own sender, run by CPython, the box is the
box's own daemon over its own store. The post answers each alert at once. Simulated is the air:
one frame at a time on a channel, each of its real length at 1 Mbit/s, stations that back off and
collide, and besides the weather's loss each way and its doubles. What an ESP32's radio does by
itself against loss, its own repetitions, is left out. The receiver is its
firmware's waiting places and a serial line each way at the box's speed.

The last part runs the whole firmware in the real interpreter, in real time.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

from vigibip.base.clock import DrivenClock
from vigibip.base.trace import Trace
from vigibip.box.daemon import BoxDaemon
from vigibip.box.pairing import pair_device
from vigibip.town.benches import Progress
from vigibip.town.benches.air_box import (
    HEARD,
    WEATHER,
    Ledger,
    PromptPost,
    box_settings,
    memory,
)
from vigibip.town.benches.air_real import press_real
from vigibip.town.benches.report import Figure, Report, machine_figures, percentile
from vigibip.town.benches.shared_air import LineReceiver, SharedAir
from vigibip.town.driven.bip import DrivenBip
from vigibip.town.errors import TownError
from vigibip.town.places import Place
from vigibip.town.plans import RADIO_CHANNEL

_PRESSES = 100_000
_ROUNDS = 500
_REAL_PRESSES = 2_000

_BIPS = 64
_AT_ONCE = 16
_AT_ONCE_WITHIN_S = 0.05
_AT_ONCE_HEARD_WITHIN_S = 2.0
_SEED = 17

# Between two presses of one bip; one in twenty follows before anything was heard of the last.
_PAUSE_S = (5.0, 115.0)
_HASTE_SHARE = 0.05
_HASTE_S = (0.02, 2.0)
# The longest pause between two efforts of a bip is 5 minutes and an eighth.
_LAST_EFFORTS_S = 3600.0
_ROUND_S = 60.0
_STEP_S = 60.0

_SETTLE_DEADLINE_S = 20.0

_TARGETS: dict[str, float | int] = {
    "lost": 0,
    "doubled": 0,
    "falsely_heard": 0,
    "at_once_lost": 0,
    "at_once_doubled": 0,
    "at_once_rounds_over_2_s": 0,
    "interpreter_lost": 0,
    "interpreter_doubled": 0,
}


@dataclass(slots=True)
class _Press:
    bip: DrivenBip
    at_s: float
    alert_id: str
    felt_before: int
    felt_until: int | None = None

    def heard_s(self) -> float | None:
        """When the palm first felt that the box has it; None when the next press came before."""
        felt = self.bip.felt[self.felt_before : self.felt_until]
        return next((one.at_s for one in felt if one.name in HEARD), None)


class DrivenAir:
    """One box, its bips and the air between them, on a clock of their own."""

    def __init__(self, place: Place, name: str, *, bips: int, seed: int) -> None:
        self.clock = DrivenClock(settle=self._settle)
        self.air = SharedAir(self.clock, WEATHER, seed)
        self.ledger = Ledger(self.clock)
        self.presses: list[_Press] = []
        self.chance = random.Random(seed)
        self._last: dict[int, _Press] = {}
        mac = bytes((0x02, 0x56, 0x42, 0, 0, 0))
        self.bips = [
            DrivenBip(
                self.clock,
                self.air,
                mac[:5] + bytes((index,)),
                channel=RADIO_CHANNEL,
                seed=seed * 1000 + index,
            )
            for index in range(1, bips + 1)
        ]
        settings = box_settings(place.make(name))
        for bip in self.bips:
            pair_device(settings, f"{bip.device_id:08x}", "bip", bip.key.hex(), self.clock)
        self._box = BoxDaemon(
            settings,
            clock=self.clock,
            link=LineReceiver(self.clock, self.air, mac),
            carriers=[PromptPost(self.clock)],
            trace=Trace(self.ledger.write),
            chance=self.chance,
        )

    async def __aenter__(self) -> DrivenAir:
        await self._box.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for bip in self.bips:
            bip.close()
        await self._box.stop()
        await self.air.close()

    def press(self, bip: DrivenBip) -> _Press:
        """Push a button. Raises TownError when no frame with a new alert id leaves at once."""
        before = len(bip.alert_ids)
        felt = len(bip.felt)
        bip.press()
        if len(bip.alert_ids) != before + 1:
            raise TownError("a press did not make one alert id")
        press = _Press(bip, self.clock.monotonic_s(), bip.alert_ids[-1], felt)
        last = self._last.get(bip.device_id)
        if last is not None:
            last.felt_until = felt
        self._last[bip.device_id] = press
        self.presses.append(press)
        self.ledger.pressed.add(press.alert_id)
        return press

    def falsely_heard(self) -> int:
        """Count palms that were told before the box had committed, or without it."""
        told = [(press, at_s) for press in self.presses if (at_s := press.heard_s()) is not None]
        return sum(
            self.ledger.stored_s.get(press.alert_id, at_s + 1) > at_s for press, at_s in told
        )

    async def _settle(self) -> None:
        await DrivenClock.run_ready()
        deadline_s = time.monotonic() + _SETTLE_DEADLINE_S
        while self._box.busy:
            # The store's thread is at work.
            await asyncio.sleep(0)
            if time.monotonic() > deadline_s:
                raise TownError("driven time stands still: the box never comes to rest")
        await DrivenClock.run_ready()


async def measure(progress: Progress) -> Report:
    """Run the bench; raises VigibipError when it cannot."""
    return await measure_with(
        progress, presses=_PRESSES, rounds=_ROUNDS, real_presses=_REAL_PRESSES
    )


async def measure_with(
    progress: Progress, *, presses: int, rounds: int, real_presses: int
) -> Report:
    """Measure with so many of each; no `real_presses`: not measured."""
    figures: dict[str, Figure] = {
        "air": "simulated: CSMA and collisions, 30 % loss each way, 5 % doubles",
        "store": "in memory: its fsyncs cost nothing" if memory() else "on the disk",
    }
    place = Place(memory())
    try:
        figures |= await _one_by_one(place, presses, progress)
        figures |= await _at_once(place, rounds, progress)
        if real_presses:
            figures |= await press_real(place, real_presses, progress)
    finally:
        place.leave()
    return Report("air", figures | machine_figures(), dict(_TARGETS))


async def _one_by_one(place: Place, count: int, progress: Progress) -> dict[str, Figure]:
    began_s = time.monotonic()
    async with DrivenAir(place, "one-by-one", bips=_BIPS, seed=_SEED) as town:
        shares = [count // _BIPS + (index < count % _BIPS) for index in range(_BIPS)]
        hands = [
            asyncio.create_task(_hand(town, bip, share))
            for bip, share in zip(town.bips, shares, strict=True)
        ]
        told = 0
        try:
            while not all(hand.done() for hand in hands):
                await town.clock.advance(_STEP_S)
                if len(town.presses) >= told + 10_000:
                    told = len(town.presses)
                    progress(f"air: {told} of {count} presses")
            await asyncio.gather(*hands)
        finally:
            for hand in hands:
                hand.cancel()
        await town.clock.advance(_LAST_EFFORTS_S)
        waits_s = [
            at_s - press.at_s for press in town.presses if (at_s := press.heard_s()) is not None
        ]
        frames = town.air.counts
        return {
            "presses": len(town.presses),
            "lost": town.ledger.lost,
            "doubled": town.ledger.doubled,
            "falsely_heard": town.falsely_heard(),
            "pressed_again_before_heard": len(town.presses) - len(waits_s),
            "press_to_heard_p50_ms": round(percentile(waits_s, 0.50) * 1000, 1),
            "press_to_heard_p99_ms": round(percentile(waits_s, 0.99) * 1000, 1),
            "press_to_heard_max_s": round(max(waits_s), 2),
            "frames_sent": frames.up.sent + frames.down.sent,
            "frames_lost": frames.up.lost + frames.down.lost,
            "frames_doubled": frames.up.duplicated + frames.down.duplicated,
            "frames_collided": town.air.collided,
            "driven_hours": round(town.clock.monotonic_s() / 3600, 1),
            "took_s": round(time.monotonic() - began_s, 1),
        }


async def _hand(town: DrivenAir, bip: DrivenBip, count: int) -> None:
    chance = random.Random(f"{_SEED} {bip.device_id}")
    for _ in range(count):
        hasty = chance.random() < _HASTE_SHARE
        await town.clock.sleep(chance.uniform(*(_HASTE_S if hasty else _PAUSE_S)))
        town.press(bip)


async def _at_once(place: Place, rounds: int, progress: Progress) -> dict[str, Figure]:
    began_s = time.monotonic()
    rounds_s: list[float] = []
    stored_s: list[float] = []
    async with DrivenAir(place, "at-once", bips=_BIPS, seed=_SEED + 1) as town:
        for number in range(rounds):
            first_s = town.clock.monotonic_s()
            chosen = town.chance.sample(town.bips, _AT_ONCE)
            hands = [
                asyncio.create_task(_press_in(town, bip, town.chance.random() * _AT_ONCE_WITHIN_S))
                for bip in chosen
            ]
            await town.clock.advance(_ROUND_S)
            presses = await asyncio.gather(*hands)
            heard = [press.heard_s() for press in presses]
            if None in heard:
                # It goes on at its next wakes; the round is no shorter than it has lasted.
                heard.append(town.clock.monotonic_s())
            rounds_s.append(max(at_s for at_s in heard if at_s is not None) - first_s)
            ends = [town.ledger.stored_s.get(press.alert_id) for press in presses]
            stored_s.append(max(town.clock.monotonic_s() if at is None else at for at in ends))
            stored_s[-1] -= first_s
            if number % 100 == 99:
                progress(f"air: {number + 1} of {rounds} times sixteen at once")
        await town.clock.advance(_LAST_EFFORTS_S)
        return {
            "at_once_rounds": rounds,
            "at_once_lost": town.ledger.lost,
            "at_once_doubled": town.ledger.doubled,
            "at_once_all_heard_p50_s": round(percentile(rounds_s, 0.50), 3),
            "at_once_all_heard_p99_s": round(percentile(rounds_s, 0.99), 3),
            "at_once_all_heard_max_s": round(max(rounds_s), 3),
            "at_once_all_stored_p50_s": round(percentile(stored_s, 0.50), 3),
            "at_once_all_stored_p99_s": round(percentile(stored_s, 0.99), 3),
            "at_once_all_stored_max_s": round(max(stored_s), 3),
            "at_once_rounds_over_2_s": sum(one > _AT_ONCE_HEARD_WITHIN_S for one in rounds_s),
            "at_once_frames_collided": town.air.collided,
            "at_once_took_s": round(time.monotonic() - began_s, 1),
        }


async def _press_in(town: DrivenAir, bip: DrivenBip, wait_s: float) -> _Press:
    await town.clock.sleep(wait_s)
    return town.press(bip)
