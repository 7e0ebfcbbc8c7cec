"""The part of `air` with the whole firmware, in the real interpreter and in real time.

Losses and doubles are the weather's; the air takes no time here, and the receiver is a stand-in.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from vigibip.base.clock import Clock, SystemClock
from vigibip.base.trace import Trace
from vigibip.box.daemon import BoxDaemon
from vigibip.box.pairing import pair_device
from vigibip.town.air import Air
from vigibip.town.benches import Progress
from vigibip.town.benches.air_box import HEARD, WEATHER, Ledger, PromptPost, box_settings
from vigibip.town.benches.one_press import fall_asleep
from vigibip.town.benches.report import Figure, percentile
from vigibip.town.driven.shop import DrivenReceiver
from vigibip.town.errors import TownError
from vigibip.town.feels import Feel
from vigibip.town.places import Place
from vigibip.town.shop import Bip
from vigibip.town.stamps import Stamps

_SEED = 17
_AT_A_TIME = 2
# Longer than any bip pauses between two efforts.
_DEADLINE_S = 600.0


async def press_real(place: Place, count: int, progress: Progress) -> dict[str, Figure]:
    """Press so often in all, two bips side by side; each wake is a fresh interpreter."""
    began_s = time.monotonic()
    clock = SystemClock()
    ledger = Ledger(clock)
    waits_s: list[float] = []
    async with _real_bips(place, clock, ledger) as bips:
        shares = [count // len(bips) + (index < count % len(bips)) for index in range(len(bips))]
        pressing = [
            asyncio.create_task(_press(bip, share, ledger, waits_s, progress))
            for bip, share in zip(bips, shares, strict=True)
        ]
        try:
            await asyncio.gather(*pressing)
        finally:
            for task in pressing:
                task.cancel()
        unexplained = [line for bip in bips for line in bip.unexplained]
    if unexplained:
        raise TownError("; ".join(unexplained[:5]))
    return {
        "interpreter_presses": len(ledger.pressed),
        "interpreter_lost": ledger.lost,
        "interpreter_doubled": ledger.doubled,
        "interpreter_not_felt": len(ledger.pressed) - len(waits_s),
        "interpreter_press_to_heard_p50_ms": round(percentile(waits_s, 0.50) * 1000, 1),
        "interpreter_press_to_heard_p99_ms": round(percentile(waits_s, 0.99) * 1000, 1),
        "interpreter_took_s": round(time.monotonic() - began_s, 1),
    }


@asynccontextmanager
async def _real_bips(place: Place, clock: Clock, ledger: Ledger) -> AsyncIterator[Sequence[Bip]]:
    air = Air(clock, WEATHER, _SEED)
    stamps = Stamps()
    mac = bytes((0x02, 0x56, 0x42, 1, 0, 0))
    bips = [
        Bip(
            air,
            stamps,
            place.make(f"bip-{index}"),
            name=f"bip {index}",
            mac=mac[:5] + bytes((index,)),
        )
        for index in range(1, _AT_A_TIME + 1)
    ]
    settings = box_settings(place.make("real"))
    for bip in bips:
        pair_device(settings, f"{bip.device_id:08x}", "bip", bip.key.hex(), clock)
    box = BoxDaemon(
        settings,
        clock=clock,
        link=DrivenReceiver(air, mac),
        carriers=[PromptPost(clock)],
        trace=Trace(ledger.write),
    )
    await box.start()
    try:
        await asyncio.gather(*(bip.start() for bip in bips))
        yield bips
    finally:
        for bip in bips:
            await bip.close()
        await box.stop()
        await air.close()


async def _press(
    bip: Bip, count: int, ledger: Ledger, waits_s: list[float], progress: Progress
) -> None:
    for _ in range(count):
        await fall_asleep(bip)
        press = bip.press()
        ledger.pressed.add(await bip.alert_id(press, _DEADLINE_S))
        heard = asyncio.Event()

        def note(felt_for: object, feel: Feel, _at_ns: int, mine: object = press) -> None:
            if felt_for is mine and feel.value in HEARD:
                heard.set()  # noqa: B023 - taken out of the list before the next one is made

        bip.felt_listeners.append(note)
        try:
            async with asyncio.timeout(_DEADLINE_S):
                if not any(feel.value in HEARD for feel, _ in press.felt):
                    await heard.wait()
        except TimeoutError:
            continue  # the ledger tells whether it is lost
        finally:
            bip.felt_listeners.remove(note)
        felt_ns = next(at_ns for feel, at_ns in press.felt if feel.value in HEARD)
        waits_s.append((felt_ns - press.pressed_ns) / 1e9)
        if len(ledger.pressed) % 200 == 0:
            progress(f"air: {len(ledger.pressed)} presses in the interpreter")
