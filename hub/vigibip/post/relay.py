"""Puts incidents on the radios, round after round, until somebody answers.

What is due comes from two sides: pushed by the intake, which has leased it in the very transaction
that committed the alert, and from the store, where rounds wait for their time, for a worker that
died, or for this one to start again. The store records every round; if it fails, the relay goes on
from memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.trace import Trace
from vigibip.post.alarm import Alarm
from vigibip.post.config import RelaySettings
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.program import Plan, Waiting, choose
from vigibip.post.store import Store
from vigibip.post.store.records import RoundTask
from vigibip.post.store.rounds import FAILED, SENT
from vigibip.radio.contract import Announcement, Radio, RelayOutcome, RelayResult

_log = logging.getLogger(__name__)

# A radio that fails is tried again soon: somebody may be plugging it in.
_RETRY_FAILED_S = 5.0
_RETRY_STORE_S = 1.0
# By so much the clocks of two workers may differ.
_CLOCKS_DIFFER_S = 5.0


@dataclass(slots=True)
class _Held:
    """An incident whose rounds this worker holds in memory."""

    task: RoundTask
    order: int
    since_s: float


class _Airing:
    """What the radios have been given. Until one has its PTT, it can be taken back.

    A radio may let a repetition wait while an officer keys.
    """

    def __init__(self, plan: Plan) -> None:
        self.first = any(task.first for task in plan.covers)
        self.keyed = False
        self.taken_back = asyncio.Event()


class Relay:
    """One worker: one announcement at a time, on all radios at once."""

    def __init__(
        self,
        store: Store,
        radios: Sequence[Radio],
        settings: RelaySettings,
        clock: Clock,
        faults: Faults,
        trace: Trace,
        ended: Callable[[asyncio.Task[None]], object] = lambda _: None,
    ) -> None:
        """`ended` is called with each task that ends by a mistake of ours."""
        self._ended = ended
        self._store = store
        self._radios = radios
        self._settings = settings
        self._clock = clock
        self._faults = faults
        self._trace = trace
        self._waiting: dict[str, _Held] = {}
        self._on_air: dict[str, _Held] = {}
        self._airing: _Airing | None = None
        self._unstored: set[str] = set()
        self._said_s: dict[str, float] = {}
        self._last_end_s = float("-inf")
        self._summary_s = float("-inf")
        self._order = 0
        self._speaking = False
        self._program_alarm = Alarm(clock)
        self._lease_alarm = Alarm(clock)
        self._held_alarm = Alarm(clock)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """True while something that does not wait for time is under way, transmissions apart."""
        # What is rung for during a transmission waits for its end.
        choosing = self._program_alarm.pending and not self._speaking
        return bool(self._tasks) and (choosing or self._lease_alarm.pending)

    @property
    def held(self) -> int:
        """How many incidents wait in this worker's hands or are on the air."""
        return len(self._waiting.keys() | self._on_air.keys())

    async def start(self) -> None:
        """Take up again what this worker held when it last ended, and serve."""
        try:
            await self._store.release_leases(self._settings.worker)
        except StorageError as error:
            # They run out by themselves.
            self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))
        self._own(self._serve())
        self._own(self._lease())
        self._own(self._renew())

    async def stop(self) -> None:
        """Give up at once, also in the middle of an announcement: its lease will expire."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def push(self, task: RoundTask) -> None:
        """Announce this as soon as its turn comes; it is committed and leased to this worker."""
        self._order += 1
        held = self._waiting.get(task.incident_id)
        since_s = self._clock.monotonic_s()
        if held is not None:
            task, since_s = _merged(held.task, task), held.since_s
        elif _covers(self._on_air.get(task.incident_id), task):
            return
        elif task.first and self._airing is not None and not self._airing.first:
            self._airing.taken_back.set()
        if not task.stored:
            self._unstored.add(task.incident_id)
        self._waiting[task.incident_id] = _Held(task, self._order, since_s)
        self._program_alarm.ring()
        self._held_alarm.ring()

    def wake(self) -> None:
        """Look into the store: something may be due that was not."""
        self._lease_alarm.ring()

    def settle(self, incident_id: str) -> None:
        """Somebody answered, or it is closed: what waits is not announced any more."""
        self._waiting.pop(incident_id, None)
        self._take_off_air(incident_id)
        self._unstored.discard(incident_id)
        self._program_alarm.ring()

    async def refresh(self) -> None:
        """Take over what another process has committed."""
        read_from = self._order
        try:
            undone = await self._store.undone_rounds()
        except StorageError:
            return
        for incident_id, held in list(self._waiting.items()):
            # What was pushed after the reading began may be missing from it.
            known = held.task.stored and held.order <= read_from
            if known and undone.get(incident_id, 0) < held.task.round_no:
                del self._waiting[incident_id]
        for incident_id, held in list(self._on_air.items()):
            known = held.task.stored and held.order <= read_from
            if known and undone.get(incident_id, 0) < held.task.round_no:
                self._take_off_air(incident_id)
        live = undone.keys() | self._waiting.keys() | self._on_air.keys()
        self._said_s = {key: at_s for key, at_s in self._said_s.items() if key in live}
        self.wake()

    def _take_off_air(self, incident_id: str) -> None:
        """Not to be announced any more: if it has not begun yet, it does not."""
        if self._airing is not None and not self._airing.keyed and incident_id in self._on_air:
            del self._on_air[incident_id]
            self._airing.taken_back.set()

    # Leases

    async def _lease(self) -> None:
        longest_s = max(self._settings.round_interval_s, self._settings.digest_gather_s)
        while True:
            delay_s: float | None = None
            try:
                tasks, next_at = await self._store.lease_due(
                    worker=self._settings.worker,
                    lease_s=self._settings.lease_s,
                    furthest_s=longest_s + _CLOCKS_DIFFER_S,
                )
                for task in tasks:
                    self.push(task)
                if next_at is not None:
                    delay_s = max(0.05, (next_at - self._clock.utc()).total_seconds())
            except StorageError:
                delay_s = _RETRY_STORE_S
            await self._lease_alarm.wait(delay_s)

    async def _renew(self) -> None:
        """Keep the leases of what is held, also through a long announcement."""
        while True:
            if not self.held:
                await self._held_alarm.wait(None)
            await self._clock.sleep(self._settings.lease_s / 3)
            held = self._waiting.keys() | self._on_air.keys()
            if not held:
                continue
            with contextlib.suppress(StorageError):
                await self._store.renew_leases(
                    worker=self._settings.worker,
                    incidents_held=held,
                    lease_s=self._settings.lease_s,
                )

    # The air

    async def _serve(self) -> None:
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
                await self._program_alarm.wait(plan.look_again_in_s)
                continue
            await self._put_on_air(plan, plan.announcement)

    async def _put_on_air(self, plan: Plan, announcement: Announcement) -> None:
        for task in plan.covers:
            self._on_air[task.incident_id] = self._waiting.pop(task.incident_id)
        self._speaking = True
        self._airing = airing = _Airing(plan)
        try:
            sent = await self._announce(announcement, plan.alert_id, airing)
        finally:
            self._speaking = False
            self._airing = None
            given = [self._on_air.pop(task.incident_id, None) for task in plan.covers]
        if sent is None:
            for held in given:
                if held is not None:
                    self._wait_again(held)
            return
        now_s = self._clock.monotonic_s()
        self._last_end_s = now_s
        if plan.summary:
            self._summary_s = now_s
        for task in plan.covers:
            self._said_s[task.incident_id] = now_s
            self._own(self._finish(task, sent))

    def _wait_again(self, held: _Held) -> None:
        later = self._waiting.get(held.task.incident_id)
        if later is not None:
            held = replace(held, task=_merged(held.task, later.task), order=later.order)
        self._waiting[held.task.incident_id] = held

    async def _announce(
        self, announcement: Announcement, alert_id: str, airing: _Airing
    ) -> bool | None:
        """Put one announcement on every radio; True when at least one had it on the air.

        None: it was taken back before any radio had its PTT.
        """
        stamped: set[str] = set()

        def on_stage(stage: str) -> None:
            airing.keyed = True
            if stage not in stamped:
                stamped.add(stage)
                self._trace.stamp(f"radio.{stage}", alert_id)

        outcomes = await asyncio.gather(
            *(self._announce_on(radio, announcement, on_stage, airing) for radio in self._radios)
        )
        ended = [outcome for outcome in outcomes if outcome is not None]
        if outcomes and not ended:
            return None
        return any(outcome.result is not RelayResult.FAILED for outcome in ended)

    async def _announce_on(
        self,
        radio: Radio,
        announcement: Announcement,
        on_stage: Callable[[str], None],
        airing: _Airing,
    ) -> RelayOutcome | None:
        loop = asyncio.get_running_loop()
        speaking = loop.create_task(radio.announce(announcement, on_stage))
        limit = loop.create_task(self._clock.sleep(self._settings.transmission_limit_s))
        back = loop.create_task(airing.taken_back.wait())
        try:
            await asyncio.wait({speaking, limit, back}, return_when=asyncio.FIRST_COMPLETED)
            if back.done() and not (airing.keyed or speaking.done()):
                return None
            await asyncio.wait({speaking, limit}, return_when=asyncio.FIRST_COMPLETED)
            if speaking.done():
                outcome = speaking.result()
            else:
                outcome = RelayOutcome(result=RelayResult.FAILED, reason="it did not end")
        except Exception as error:  # noqa: BLE001 - one radio's bug must not end the relay
            _log.error("radio %s", radio.name, exc_info=error)
            outcome = RelayOutcome(result=RelayResult.FAILED, reason=type(error).__name__)
        finally:
            for task in (speaking, limit, back):
                task.cancel()
            await asyncio.gather(speaking, limit, back, return_exceptions=True)
        self._judge(radio.name, outcome)
        return outcome

    def _judge(self, radio: str, outcome: RelayOutcome) -> None:
        if outcome.result is RelayResult.FAILED:
            self._faults.raise_fault(FaultKind.RADIO_FAILED, radio, outcome.reason or "")
        else:
            self._faults.clear_fault(FaultKind.RADIO_FAILED, radio)
        if outcome.faults:
            self._faults.raise_fault(FaultKind.RADIO_DEGRADED, radio, ", ".join(outcome.faults))
        elif outcome.result is RelayResult.SENT:
            self._faults.clear_fault(FaultKind.RADIO_DEGRADED, radio)

    async def _finish(self, task: RoundTask, sent: bool) -> None:
        """Record the round; if that fails, go on with the next from memory."""
        interval_s = self._settings.round_interval_s
        # Without any radio there is nothing to be tried sooner.
        next_in_s = interval_s if sent or not self._radios else min(_RETRY_FAILED_S, interval_s)
        if task.stored:
            try:
                await self._store.finish_rounds(
                    task.incident_id,
                    task.round_no,
                    outcome=SENT if sent else FAILED,
                    next_in_s=next_in_s,
                )
            except StorageError as error:
                self._faults.raise_fault(FaultKind.STORE_FAILED, "", str(error))
                await self._again(task, sent, next_in_s)
            else:
                self._faults.clear_fault(FaultKind.STORE_FAILED)
            self.wake()
        else:
            await self._again(task, sent, next_in_s)

    async def _again(self, task: RoundTask, sent: bool, delay_s: float) -> None:
        await self._clock.sleep(delay_s)
        if task.stored or task.incident_id in self._unstored:
            self.push(replace(task, first=False, joined=False) if sent else task)

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._let_go)

    def _let_go(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._ended(task)


def _covers(on_air: _Held | None, task: RoundTask) -> bool:
    return on_air is not None and on_air.task.round_no >= task.round_no


def _merged(before: RoundTask, after: RoundTask) -> RoundTask:
    """One announcement for both; whatever makes it urgent in either stays."""
    first = before.first or after.first
    told = before if first or before.round_no > after.round_no else after
    return replace(
        told,
        first=first,
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
