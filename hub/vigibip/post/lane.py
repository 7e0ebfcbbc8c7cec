"""One radio's share of the relay: what waits for it, what it says next, how that ended.

Each radio has its own, so that a slow one holds back no other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime

from vigibip.base.clock import Clock
from vigibip.base.trace import Trace
from vigibip.post.alarm import Alarm
from vigibip.post.config import RelaySettings
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.program import Plan, Waiting, choose
from vigibip.post.store.records import RoundTask
from vigibip.radio.contract import Announcement, Radio, RelayOutcome, RelayResult

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Held:
    """An incident whose rounds are held in memory; `order` of the last that was pushed."""

    task: RoundTask
    order: int
    since_s: float


class _Airing:
    """What the radio has been given. Until it has its PTT, it can be taken back.

    A radio may let a repetition wait while an officer keys.
    """

    def __init__(self, plan: Plan) -> None:
        self.first = any(task.first for task in plan.covers)
        self.keyed = False
        self.taken_back = asyncio.Event()


class Lane:
    """Says one thing at a time on its radio; `ended` hears of each round that it was given."""

    def __init__(
        self,
        radio: Radio,
        settings: RelaySettings,
        clock: Clock,
        faults: Faults,
        trace: Trace,
        ended: Callable[[RoundTask, bool], None],
    ) -> None:
        self._radio = radio
        self._settings = settings
        self._clock = clock
        self._faults = faults
        self._trace = trace
        self._ended = ended
        self._waiting: dict[str, Held] = {}
        self._on_air: dict[str, Held] = {}
        self._airing: _Airing | None = None
        self._said_s: dict[str, float] = {}
        self._last_end_s = float("-inf")
        self._summary_s = float("-inf")
        self._alarm = Alarm(clock)
        self.failed = False
        """The last announcement did not go out."""

    @property
    def name(self) -> str:
        return self._radio.name

    @property
    def busy(self) -> bool:
        """True while it is to choose; what is rung for during a transmission waits for its end."""
        return self._alarm.pending and self._airing is None

    @property
    def held(self) -> set[str]:
        """The incidents that wait here or are on the air."""
        return self._waiting.keys() | self._on_air.keys()

    def push(self, task: RoundTask, order: int) -> None:
        """Say this as soon as its turn comes."""
        held = self._waiting.get(task.incident_id)
        on_air = self._on_air.get(task.incident_id)
        since_s = self._clock.monotonic_s()
        if held is not None:
            task, since_s = merged(held.task, task), held.since_s
        elif on_air is not None and on_air.task.round_no >= task.round_no:
            return
        elif task.first and self._airing is not None and not self._airing.first:
            self._airing.taken_back.set()
        self._waiting[task.incident_id] = Held(task, order, since_s)
        self._alarm.ring()

    def drop(self, over: Callable[[RoundTask, int], bool]) -> None:
        """Say no more of the rounds of which `over` is true, which is given their order too.

        What has begun goes on to its end, of which nobody hears.
        """
        for incident_id, held in list(self._waiting.items()):
            if over(held.task, held.order):
                del self._waiting[incident_id]
        for incident_id, held in list(self._on_air.items()):
            if over(held.task, held.order):
                del self._on_air[incident_id]
                if self._airing is not None and not self._airing.keyed:
                    self._airing.taken_back.set()
        self._alarm.ring()

    def forget_all_but(self, incidents: Collection[str]) -> None:
        """Of no other it need be known when it was last said."""
        live = self.held.union(incidents)
        self._said_s = {key: at_s for key, at_s in self._said_s.items() if key in live}

    async def run(self) -> None:
        """Serve the radio, for ever."""
        while True:
            plan = choose(
                [
                    Waiting(held.task, held.since_s, self._said_s.get(incident_id))
                    for incident_id, held in self._waiting.items()
                ],
                now_s=self._clock.monotonic_s(),
                now=self._clock.utc(),
                last_end_s=self._last_end_s,
                summary_s=self._summary_s,
                settings=self._settings,
            )
            if plan.announcement is None:
                await self._alarm.wait(plan.look_again_in_s)
                continue
            await self._put_on_air(plan, plan.announcement)

    async def _put_on_air(self, plan: Plan, announcement: Announcement) -> None:
        for task in plan.covers:
            self._on_air[task.incident_id] = self._waiting.pop(task.incident_id)
        self._airing = airing = _Airing(plan)
        try:
            outcome = await self._announce(announcement, plan.alert_id, airing)
        finally:
            self._airing = None
            given = [self._on_air.pop(task.incident_id, None) for task in plan.covers]
        if outcome is None:
            for held in given:
                if held is not None:
                    self._wait_again(held)
            return
        self._judge(outcome)
        now_s = self._clock.monotonic_s()
        self._last_end_s = now_s
        if plan.summary:
            self._summary_s = now_s
        for task, held in zip(plan.covers, given, strict=True):
            self._said_s[task.incident_id] = now_s
            if held is not None:
                self._ended(task, not self.failed)

    def _wait_again(self, held: Held) -> None:
        later = self._waiting.get(held.task.incident_id)
        if later is not None:
            held = replace(held, task=merged(held.task, later.task), order=later.order)
        self._waiting[held.task.incident_id] = held

    async def _announce(
        self, announcement: Announcement, alert_id: str, airing: _Airing
    ) -> RelayOutcome | None:
        """Put it on the air; None: it was taken back before the radio had its PTT."""
        stamped: set[str] = set()

        def on_stage(stage: str) -> None:
            airing.keyed = True
            if stage not in stamped:
                stamped.add(stage)
                self._trace.stamp(f"radio.{stage}", alert_id)

        loop = asyncio.get_running_loop()
        speaking = loop.create_task(self._radio.announce(announcement, on_stage))
        limit = loop.create_task(self._clock.sleep(self._settings.transmission_limit_s))
        back = loop.create_task(airing.taken_back.wait())
        try:
            await asyncio.wait({speaking, limit, back}, return_when=asyncio.FIRST_COMPLETED)
            if back.done() and not (airing.keyed or speaking.done()):
                return None
            await asyncio.wait({speaking, limit}, return_when=asyncio.FIRST_COMPLETED)
            if speaking.done():
                return speaking.result()
            return RelayOutcome(result=RelayResult.FAILED, reason="it did not end")
        except Exception as error:  # noqa: BLE001 - one radio's bug must not end the relay
            _log.error("radio %s", self.name, exc_info=error)
            return RelayOutcome(result=RelayResult.FAILED, reason=type(error).__name__)
        finally:
            for task in (speaking, limit, back):
                task.cancel()
            await asyncio.gather(speaking, limit, back, return_exceptions=True)

    def _judge(self, outcome: RelayOutcome) -> None:
        self.failed = outcome.result is RelayResult.FAILED
        if self.failed:
            self._faults.raise_fault(FaultKind.RADIO_FAILED, self.name, outcome.reason or "")
        else:
            self._faults.clear_fault(FaultKind.RADIO_FAILED, self.name)
        if outcome.faults:
            self._faults.raise_fault(FaultKind.RADIO_DEGRADED, self.name, ", ".join(outcome.faults))
        elif outcome.result is RelayResult.SENT:
            self._faults.clear_fault(FaultKind.RADIO_DEGRADED, self.name)


def merged(before: RoundTask, after: RoundTask) -> RoundTask:
    """One announcement for both; whatever makes it urgent in either stays."""
    first = before.first or after.first
    told = before if first or before.round_no > after.round_no else after
    return replace(
        told,
        first=first,
        number=after.number or before.number,
        round_no=max(before.round_no, after.round_no),
        joined=before.joined or after.joined,
        presses=max(before.presses, after.presses),
        digest=before.digest and after.digest,
        pressed_at=_newest(before.pressed_at, after.pressed_at),
    )


def _newest(before: datetime | None, after: datetime | None) -> datetime | None:
    """The newest press's time: a fresh one must not wait as its shop's old one does."""
    # Of a time that nobody knows, the press may be the newest.
    return None if before is None or after is None else max(before, after)
