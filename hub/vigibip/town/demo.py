"""One press through everything, as the demonstration and its scripted run both do it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vigibip.radio.speech import announcement_text
from vigibip.town.errors import HopError, TownError
from vigibip.town.mobile import MobilePlan
from vigibip.town.network import Cut
from vigibip.town.real import Town, TownPlan
from vigibip.town.running_shop import Shop
from vigibip.town.shop import Press
from vigibip.town.timeline import (
    COMING,
    DELIVERED,
    HEARD,
    KEYED,
    PTT,
    STAGES,
    Stage,
    timeline,
)

if TYPE_CHECKING:
    from vigibip.post.store.records import IncidentView

# Far above what a loaded machine needs for one hop; a hop that takes longer did not happen.
_HOP_DEADLINE_S = 20.0
# "Coming" is polled for by the bip, and an officer keys only while the channel is free.
_ANSWER_DEADLINE_S = 60.0
# Modem and operator take up to eight seconds each way.
_SMS_HOP_DEADLINE_S = 60.0
_POLL_S = 0.05
# As a radio's keypad sends a stored number.
_TONE_MS = 80
_PAUSE_MS = 60


@dataclass(frozen=True, slots=True)
class OnceResult:
    """What the scripted run prints."""

    stages: list[Stage]
    felt: bool
    """True when the officer's answer was felt on the bip."""
    total_s: float
    """From the command's start to its end."""
    ready_s: float
    """From the command's start to the running town."""
    failed_stage: str | None = None
    message: str = ""

    def to_text(self) -> str:
        """Return the timeline as lines for people."""
        lines = [
            f"{stage.ms:>10.1f} ms  {STAGES.get(stage.stage, stage.stage)}" for stage in self.stages
        ]
        lines.append(self.message or "la réponse de l'agent a été sentie dans la paume")
        lines.append(f"ville prête en {self.ready_s:.1f} s, tout en {self.total_s:.1f} s")
        return "\n".join(lines)

    def to_json(self) -> str:
        return json.dumps(
            {
                "felt": self.felt,
                "stages": [{"stage": stage.stage, "ms": stage.ms} for stage in self.stages],
                "failed_stage": self.failed_stage,
                "message": self.message,
                "ready_s": round(self.ready_s, 2),
                "total_s": round(self.total_s, 2),
            },
            ensure_ascii=False,
            indent=2,
        )


async def run_once(
    progress: Callable[[str], None],
    *,
    shops: int,
    data_cut: bool = False,
    started_s: float | None = None,
) -> OnceResult:
    """Build a town, press one bip, answer as the officer would, wait until the palm feels it.

    `data_cut`: the boxes lose their network before the press, and SMS carry it. `started_s`: when
    the command began, on CLOCK_MONOTONIC. Raises TownError when the town does
    not start; a hop that does not happen is told in the result.
    """
    started_s = time.monotonic() if started_s is None else started_s
    failed: HopError | None = None
    # Said once: nobody can answer over an announcement, and whoever waits here has no radio.
    plan = TownPlan(shops=shops, sayings=1, mobile=MobilePlan() if data_cut else None)
    async with Town(plan, progress) as town:
        if data_cut:
            await cut_data(town)
            progress("les données sont coupées : tout passe par SMS")
        ready_s = time.monotonic() - started_s
        press = town.press(1)
        try:
            await follow(town, press, progress, _SMS_HOP_DEADLINE_S if data_cut else None)
        except HopError as error:
            failed = error
            for tail in town.log_tails():
                progress(tail)
        stages = timeline(town.stamps.of(press.alert_id)) if press.alert_id else []
    return OnceResult(
        stages=stages,
        felt=failed is None,
        total_s=time.monotonic() - started_s,
        ready_s=ready_s,
        failed_stage=failed.stage if failed else None,
        message=str(failed or ""),
    )


async def cut_data(town: Town) -> None:
    """Cut every box's network; return once each box knows. Raises TownError."""
    for shop in town.shops:
        await shop.network.cut(Cut.REFUSED)
    for shop in town.shops:
        await shop.wait_data_down()


async def follow(
    town: Town,
    press: Press,
    progress: Callable[[str], None],
    hop_deadline_s: float | None = None,
) -> None:
    """Go with one press to its end. Raises HopError with the stage that was not reached."""
    hop_deadline_s = hop_deadline_s or _HOP_DEADLINE_S
    alert_id = await press.bip.alert_id(press, _HOP_DEADLINE_S)
    # "Delivered" implies "heard": with a slow disk the post's receipt may be felt first.
    await reach(town, alert_id, HEARD, _HOP_DEADLINE_S, or_stage=DELIVERED)
    for stage in (PTT, DELIVERED):
        await reach(town, alert_id, stage, hop_deadline_s)
        progress(STAGES[stage])
    await answer(town, alert_id)
    progress(STAGES[KEYED])
    await reach(town, alert_id, COMING, _ANSWER_DEADLINE_S)
    progress(STAGES[COMING])


async def reach(
    town: Town, alert_id: str, stage: str, deadline_s: float, *, or_stage: str | None = None
) -> None:
    """Return once `alert_id` has reached `stage`, or `or_stage`. Raises HopError."""
    try:
        await town.stamps.wait_any(alert_id, {stage, or_stage or stage}, deadline_s)
    except TimeoutError as error:
        text = f"l'étape « {STAGES[stage]} » ({stage}) n'est pas venue en {deadline_s:.0f} s"
        raise HopError(stage, text) from error


async def answer(town: Town, alert_id: str) -> IncidentView:
    """Key the officer's answer to this alert's incident on the radio channel.

    Raises HopError when the channel stays taken or the post was never listening.
    """
    await town.load_store()
    incident = await incident_of(town, alert_id)
    if incident is None or incident.number is None:
        raise TownError("l'alerte n'a pas d'intervention numérotée")
    code = await town.next_code()
    try:
        async with asyncio.timeout(_ANSWER_DEADLINE_S):
            heard = False
            while not heard:
                while town.channel.on_air:
                    await town.clock.sleep(_POLL_S)
                town.stamps.record(KEYED, alert_id)
                # What overlaps with a transmission is not heard: the officer keys again.
                heard = await town.channel.key_answer(
                    incident.number, code, tone_ms=_TONE_MS, pause_ms=_PAUSE_MS
                )
    except TimeoutError as error:
        raise HopError(KEYED, "le canal radio n'a pas laissé répondre") from error
    return incident


async def incident_of(town: Town, alert_id: str) -> IncidentView | None:
    """Return the incident that holds this alert, None while there is none."""
    for incident in await town.store.incidents(limit=100):
        if any(alert.id == alert_id for alert in incident.alerts):
            return incident
    return None


def spoken(shop: Shop, incident: IncidentView) -> str:
    """Return the sentence that the radio speaks for this incident's first round."""
    return announcement_text(
        spoken_name=shop.plan.spoken, address=shop.plan.address, number=incident.number or 0
    )
