"""`press`: from the button to the PTT, stage by stage, through real processes and interpreters.

Each press meets an idle channel: a transmission ends once its PTT and first audio are stamped, and
the incident is answered and closed before its shop presses again. The interpreters of the bips are
parked in deep sleep before the clock runs; an ESP32's own wake and air time are not in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from vigibip.town.air import CALM, Weather
from vigibip.town.benches import Progress
from vigibip.town.benches.mqtt_peer import bare_messages_ms
from vigibip.town.benches.one_press import SLEEP_DEADLINE_S, answer_and_close, press_asleep
from vigibip.town.benches.report import (
    Figure,
    Report,
    machine_figures,
    median_figures,
    percentile,
)
from vigibip.town.demo import reach
from vigibip.town.errors import TownError
from vigibip.town.real import Town, TownPlan
from vigibip.town.running_shop import Shop
from vigibip.town.shop import Bip
from vigibip.town.timeline import (
    AUDIO,
    DELIVERED,
    PRESS,
    PTT,
    PUBLISHED,
    RECEIVED,
    STAGES,
)

PRESSES = 500
RUNS = 3
_SHOPS = 8
_HOP_DEADLINE_S = 20.0
_LOOK_S = 0.005
# A first press of each bip warms caches that a town's first press would meet cold; not counted.
_WARM_UP = 2 * _SHOPS

_CALM = TownPlan(shops=_SHOPS, cut_short=True, ptt_lead_ms=0, weather=CALM)
_ROUGH = TownPlan(
    shops=_SHOPS,
    cut_short=True,
    ptt_lead_ms=0,
    network_delay_ms=60,
    weather=Weather(loss_up=0.1, loss_down=0.1),
)
_TARGETS = {
    "calm_button_to_radio_ptt_p50_ms": 50,
    "calm_button_to_radio_ptt_p99_ms": 200,
    "rough_button_to_radio_ptt_p50_ms": 110,
    "rough_button_to_radio_ptt_p99_ms": 400,
}
# What follows the officer's answer has no place here: he is no part of the path.
_MEASURED = [stage for stage in STAGES if stage != PRESS][:12]


async def measure(progress: Progress) -> Report:
    """Run the bench; raises VigibipError when the town does not carry its presses."""
    figures: dict[str, Figure] = {"presses_a_run": PRESSES, "runs": RUNS}
    for name, plan in (("calm", _CALM), ("rough", _ROUGH)):
        runs = []
        for run in range(1, RUNS + 1):
            progress(f"press: {name}, run {run} of {RUNS}")
            runs.append(await _one_run(name, plan, progress))
        figures |= median_figures(runs)
    figures |= {"esp32_wake_ms": None, "esp32_air_time_ms": None}
    return Report("press", figures | machine_figures(), dict(_TARGETS))


async def _one_run(name: str, plan: TownPlan, progress: Progress) -> dict[str, float]:
    async with Town(plan, progress) as town:
        await press_one_after_the_other(town, _WARM_UP, progress)
        pressed = await press_one_after_the_other(town, PRESSES, progress)
        bare_ms = await bare_messages_ms(town.children, town.place.make("peer"), PRESSES)
    figures = stage_figures(name, pressed)
    hops = [(stamps[RECEIVED] - stamps[PUBLISHED]) / 1e6 for stamps in pressed]
    for key, share in (("p50", 0.50), ("p99", 0.99)):
        hop, bare = percentile(hops, share), percentile(bare_ms, share)
        figures |= {
            f"{name}_box_published_to_post_received_{key}_ms": hop,
            f"{name}_peer_bare_mqtt_{key}_ms": bare,
            f"{name}_button_to_radio_ptt_{key}_of_peer_ratio": (
                figures[f"{name}_button_to_radio_ptt_{key}_ms"] / bare
            ),
        }
    return figures


def stage_figures(prefix: str, pressed: Sequence[Mapping[str, int]]) -> dict[str, float]:
    """Return p50 and p99 of each stage's milliseconds after the button went down."""
    figures = {}
    for stage in _MEASURED:
        # A palm that the first reply did not reach feels "delivered" without "heard".
        values = [(stamps[stage] - stamps[PRESS]) / 1e6 for stamps in pressed if stage in stamps]
        key = f"{prefix}_button_to_{stage.replace('.', '_')}"
        figures[f"{key}_p50_ms"] = percentile(values, 0.50)
        figures[f"{key}_p99_ms"] = percentile(values, 0.99)
    return figures


async def press_one_after_the_other(
    town: Town, count: int, progress: Progress
) -> list[dict[str, int]]:
    """Press `count` times, shop after shop; return the stamps of each press.

    Raises TownError when a press does not reach every stage.
    """
    free = {shop.number: asyncio.Event() for shop in town.shops}
    for event in free.values():
        event.set()
    await town.load_store()
    pressed: list[str] = []
    closing: list[asyncio.Task[None]] = []
    try:
        for number in range(count):
            shop = town.shops[number % len(town.shops)]
            bip = shop.bips[number // len(town.shops) % len(shop.bips)]
            async with asyncio.timeout(SLEEP_DEADLINE_S):
                await free[shop.number].wait()
            free[shop.number].clear()
            alert_id = await _press(town, bip)
            pressed.append(alert_id)
            for task in [task for task in closing if task.done()]:
                closing.remove(task)
                task.result()
            end = _close(town, shop, alert_id, free[shop.number])
            closing.append(asyncio.create_task(end))
            if number % 100 == 99:
                progress(f"press: {number + 1} of {count}")
        await asyncio.gather(*closing)
    except TimeoutError as error:
        raise TownError("a press or its incident did not come to its end in time") from error
    finally:
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)
    return [town.stamps.of(alert_id) for alert_id in pressed]


async def _press(town: Town, bip: Bip) -> str:
    alert_id = await press_asleep(bip, _HOP_DEADLINE_S)
    for stage in (PTT, AUDIO):
        await reach(town, alert_id, stage, _HOP_DEADLINE_S)
    # The next press meets an idle channel.
    async with asyncio.timeout(_HOP_DEADLINE_S):
        while town.channel.on_air:  # noqa: ASYNC110 - the channel tells its beginning only
            await asyncio.sleep(_LOOK_S)
    return alert_id


async def _close(town: Town, shop: Shop, alert_id: str, free: asyncio.Event) -> None:
    await reach(town, alert_id, DELIVERED, _HOP_DEADLINE_S)
    await answer_and_close(town, shop, alert_id, _HOP_DEADLINE_S)
    free.set()
