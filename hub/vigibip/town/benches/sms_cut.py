"""The town-wide data cut of the `sms` bench, in driven time: twenty boxes, two modems at the post.

Everybody presses within a minute; officers answer; an hour passes. What is counted is what the
operator was handed, message by message.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vigibip.post.cards import new_card
from vigibip.sms.pdu import Submit
from vigibip.town.benches.report import Figure
from vigibip.town.books import PostBook
from vigibip.town.driven.town import DrivenTown
from vigibip.town.errors import TownError
from vigibip.town.mobile import MobilePlan, about
from vigibip.town.network import Cut
from vigibip.town.operator import OperatorWeather

BOXES = 20
_POST_MODEMS = 2
_RATE_PER_MIN = 20.0
_PRESSED_WITHIN_S = 60.0
_STEP_S = 5.0
_WHILE_S = 3_600.0
_SEED = 3
# Ages are told in whole seconds.
_TOLD_APART = timedelta(seconds=1)
_NEVER = datetime.max.replace(tzinfo=UTC)


async def cut_figures(boxes: int = BOXES) -> dict[str, Figure]:
    """Return the figures of one town-wide cut, as `town_cut_...`. Raises VigibipError."""
    directory = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="vigibip-bench-"))
    plan = MobilePlan(
        post_modems=_POST_MODEMS,
        weather=OperatorWeather(delay_s=3.0),
        rate_per_min=_RATE_PER_MIN,
        probe_soon_s=600.0,
    )
    try:
        async with DrivenTown(directory, shops=boxes, mobile=plan, seed=_SEED) as town:
            return await _run(town)
    finally:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


async def _run(town: DrivenTown) -> dict[str, Figure]:
    mobile, post = town.mobile, town.post
    if mobile is None or post is None:
        raise TownError("this town has no second path")
    await town.advance(120)
    sent: Counter[str] = Counter()
    probes = 0

    def submitted(_sender: str, submit: Submit) -> None:
        nonlocal probes
        kind, alerts = about(submit.data.text or "")
        probes += not kind
        sent.update(alerts)

    mobile.operator.submitted.append(submitted)
    codes: list[str] = []
    for callsign in ("Patrouille 1", "Patrouille 2"):
        card = await new_card(post.store, callsign, town.post_settings.answers)
        codes += card.codes
    for shop in town.shops:
        await shop.network.cut(Cut.REFUSED)
    await town.advance(1)
    chance = random.Random(_SEED)
    moments_s = sorted(chance.uniform(0.0, _PRESSED_WITHIN_S) for _ in town.shops)
    began_s = town.clock.monotonic_s()
    pressed: dict[str, datetime] = {}
    for shop, moment_s in zip(town.shops, moments_s, strict=True):
        await town.advance(max(0.0, began_s + moment_s - town.clock.monotonic_s()))
        pressed_at = town.clock.utc()
        shop.bips[0].press()
        await town.advance(0)
        pressed[shop.bips[0].alert_ids[-1]] = pressed_at
    await _answer_all(town, codes)
    return _judge(town, pressed, sent) | {"town_cut_probes": probes}


async def _answer_all(town: DrivenTown, codes: list[str]) -> None:
    """Let officers answer each incident once they have heard it, and let the hour pass."""
    answered: set[int] = set()
    end_s = town.clock.monotonic_s() + _WHILE_S
    while town.clock.monotonic_s() < end_s:
        await town.advance(_STEP_S)
        for said in town.radio.spoken:
            number = said.announcement.number
            if number not in answered:
                answered.add(number)
                town.radio.key(number, codes.pop(0))
    for shop in town.shops:
        await shop.network.restore()
    await town.advance(120)


def _judge(town: DrivenTown, pressed: dict[str, datetime], sent: Counter[str]) -> dict[str, Figure]:
    book = PostBook(town.post_settings.store_path)
    held = book.alert_ids()
    told = {alert: at or _NEVER for alert, at in book.pressed_at().items()}
    wrong_by_s = [abs((at - pressed[alert]).total_seconds()) for alert, at in told.items()]
    taken_s = {
        stage: [
            entry.at_s - _opened_s(town, entry.subject)
            for entry in town.journal
            if entry.stage == stage
        ]
        for stage in ("post.committed", "box.receipt")
    }
    return {
        "town_cut_boxes": len(town.shops),
        "town_cut_post_modems": _POST_MODEMS,
        "town_cut_alerts": len(pressed),
        "town_cut_alerts_missing": len(pressed.keys() - held.keys()),
        "town_cut_alerts_twice": sum(count - 1 for count in held.values()),
        "town_cut_pairs_out_of_order": sum(
            told[one] > told[other]
            for one, other in itertools.combinations(pressed, 2)
            if pressed[other] - pressed[one] > _TOLD_APART and one in told and other in told
        ),
        "town_cut_press_time_wrong_by_max_s": round(max(wrong_by_s, default=0.0), 1),
        "town_cut_sms_an_alert_max": max(sent.values(), default=0),
        "town_cut_sms_all": sum(sent.values()),
        "town_cut_press_to_post_max_s": round(max(taken_s["post.committed"]), 1),
        "town_cut_press_to_receipt_max_s": round(max(taken_s["box.receipt"]), 1),
        "town_cut_felt_coming": sum(
            any(felt.name == "coming" for felt in shop.bips[0].felt) for shop in town.shops
        ),
    }


def _opened_s(town: DrivenTown, alert: str) -> float:
    return next(
        entry.at_s
        for entry in town.journal
        if entry.stage == "box.opened" and entry.subject == alert
    )
