"""`sms`: a press without data, from the button to the receipt on the box, through real processes.

Boxes, post, broker and the bips' firmware are processes; their modems are simulated on
pseudo-terminals, and the operator in the town's process: 3 s a message, each +CMGS 2 to 5 s. What
these really took is stamped where they took it, and what is left of the way is our own share.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from vigibip.town.benches import Progress
from vigibip.town.benches.one_press import answer_and_close, fall_asleep, press_asleep
from vigibip.town.benches.report import Figure, Report, machine_figures, percentile
from vigibip.town.benches.sms_cut import BOXES, cut_figures
from vigibip.town.demo import cut_data, reach
from vigibip.town.mobile import MobilePlan
from vigibip.town.network import Cut
from vigibip.town.operator import OperatorWeather
from vigibip.town.real import Town, TownPlan
from vigibip.town.running_shop import Shop
from vigibip.town.shop import Bip
from vigibip.town.timeline import (
    ALERT_ARRIVED,
    ALERT_HANDED,
    ALERT_TAKEN,
    ANSWERED,
    COMING,
    PRESS,
    PTT,
    RECEIPT,
    RECEIPT_ARRIVED,
    RECEIPT_HANDED,
    RECEIPT_TAKEN,
)
from vigibip.town.together import together

PressOnce = Callable[[Town, Shop, Bip], Awaitable[str]]
"""Presses once, sees it through, and returns the alert's id."""

KNOWN_DOWN = 100
UNNOTICED = 20
# Side by side: in each one press at a time, so that none waits for another one's modem.
_TOWNS = 4
_APART_S = 3.0
_OPERATOR_DELAY_S = 3.0
_SUBMIT_S = (2.0, 5.0)
_HOP_DEADLINE_S = 60.0
_PLAN = TownPlan(
    shops=1,
    cut_short=True,
    ptt_lead_ms=0,
    mobile=MobilePlan(
        weather=OperatorWeather(delay_s=_OPERATOR_DELAY_S),
        submit_s=_SUBMIT_S,
    ),
)
_TARGETS: dict[str, float | int] = {
    "known_down_press_to_receipt_p50_s": 14,
    "known_down_press_to_receipt_p99_s": 17,
    "known_down_own_share_p99_ms": 300,
    # Three seconds more.
    "unnoticed_press_to_receipt_p50_s": 17,
    "unnoticed_press_to_receipt_p99_s": 20,
    "town_cut_alerts_missing": 0,
    "town_cut_alerts_twice": 0,
    "town_cut_pairs_out_of_order": 0,
    "town_cut_press_time_wrong_by_max_s": 2,
    "town_cut_sms_an_alert_max": 3,
}


async def measure(progress: Progress) -> Report:
    """Run the bench; raises VigibipError when a press does not come to its end."""
    return await measure_with(progress, known_down=KNOWN_DOWN, unnoticed=UNNOTICED)


async def measure_with(progress: Progress, *, known_down: int, unnoticed: int) -> Report:
    """Run it with so many presses, shared out among the towns."""
    figures: dict[str, Figure] = {
        "operator_delay_s": _OPERATOR_DELAY_S,
        "cmgs_s": f"{_SUBMIT_S[0]:g}-{_SUBMIT_S[1]:g}",
    }
    async with AsyncExitStack() as towns_end:
        towns = []
        for seed in range(_TOWNS):
            town = Town(replace(_PLAN, seed=seed), progress)
            towns.append(await towns_end.enter_async_context(town))
        await Town.load_store()
        progress("sms: data fallen unnoticed")
        pressed = await _in_all(towns, unnoticed, _press_unnoticed)
        figures |= _figures("unnoticed", pressed)
        for town in towns:
            await cut_data(town)
        progress("sms: data known to be down")
        pressed = await _in_all(towns, known_down, _press_known_down)
        figures |= _figures("known_down", pressed)
    progress(f"sms: {BOXES} boxes without data, in driven time")
    figures |= await cut_figures()
    return Report("sms", figures | machine_figures(), dict(_TARGETS))


def own_share_ms(stamps: Mapping[str, int]) -> float:
    """Return what of a press's way to its receipt neither operator nor modem took."""
    ours_ns = (
        stamps[ALERT_HANDED]
        - stamps[PRESS]
        + stamps[RECEIPT_HANDED]
        - stamps[ALERT_ARRIVED]
        + stamps[RECEIPT]
        - stamps[RECEIPT_ARRIVED]
    )
    return ours_ns / 1e6


def _figures(name: str, pressed: Sequence[Mapping[str, int]]) -> dict[str, Figure]:
    whole_s = [(stamps[RECEIPT] - stamps[PRESS]) / 1e9 for stamps in pressed]
    own_ms = [own_share_ms(stamps) for stamps in pressed]
    modems_s = [
        (
            stamps[ALERT_TAKEN]
            - stamps[ALERT_HANDED]
            + stamps[RECEIPT_TAKEN]
            - stamps[RECEIPT_HANDED]
        )
        / 1e9
        for stamps in pressed
    ]
    radio_s = [(stamps[PTT] - stamps[PRESS]) / 1e9 for stamps in pressed]
    coming_s = [(stamps[COMING] - stamps[ANSWERED]) / 1e9 for stamps in pressed]
    figures: dict[str, Figure] = {f"{name}_presses": len(pressed)}
    for key, share in (("p50", 0.50), ("p99", 0.99)):
        figures[f"{name}_press_to_receipt_{key}_s"] = round(percentile(whole_s, share), 2)
        figures[f"{name}_press_to_radio_ptt_{key}_s"] = round(percentile(radio_s, share), 2)
        figures[f"{name}_answer_to_palm_{key}_s"] = round(percentile(coming_s, share), 2)
        figures[f"{name}_both_modems_took_{key}_s"] = round(percentile(modems_s, share), 2)
        figures[f"{name}_own_share_{key}_ms"] = round(percentile(own_ms, share), 1)
    return figures


async def _in_all(towns: Sequence[Town], count: int, press: PressOnce) -> list[dict[str, int]]:
    """Press `count` times, in each town one after the other; return the stamps of each press."""
    stamps: list[dict[str, int]] = []

    async def in_one(town: Town, presses: int) -> None:
        (shop,) = town.shops
        # They share one machine, which two buttons at once would double the work of.
        await town.clock.sleep(town.plan.seed * _APART_S)
        for number in range(presses):
            alert_id = await press(town, shop, shop.bips[number % len(shop.bips)])
            stamps.append(town.stamps.of(alert_id))

    shares = [len(range(index, count, len(towns))) for index in range(len(towns))]
    await together(*(in_one(town, share) for town, share in zip(towns, shares, strict=True)))
    return stamps


async def _press_known_down(town: Town, shop: Shop, bip: Bip) -> str:
    alert_id = await press_asleep(bip, _HOP_DEADLINE_S)
    await reach(town, alert_id, RECEIPT, _HOP_DEADLINE_S)
    await _end(town, shop, alert_id)
    return alert_id


async def _press_unnoticed(town: Town, shop: Shop, bip: Bip) -> str:
    await fall_asleep(bip)
    await shop.wait_connected()
    await shop.network.cut(Cut.SILENT)
    alert_id = await press_asleep(bip, _HOP_DEADLINE_S)
    await reach(town, alert_id, RECEIPT, _HOP_DEADLINE_S)
    await shop.network.restore()
    await _end(town, shop, alert_id)
    return alert_id


async def _end(town: Town, shop: Shop, alert_id: str) -> None:
    await reach(town, alert_id, PTT, _HOP_DEADLINE_S)
    await answer_and_close(town, shop, alert_id, _HOP_DEADLINE_S)
