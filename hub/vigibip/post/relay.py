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
from typing import Any

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.trace import Trace
from vigibip.base.waiting import within
from vigibip.post.alarm import Alarm
from vigibip.post.config import RelaySettings
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.lane import Lane, merged
from vigibip.post.store import Store
from vigibip.post.store.records import RoundTask
from vigibip.post.store.rounds import FAILED, SENT
from vigibip.radio.contract import Radio

_log = logging.getLogger(__name__)

# A radio that fails is tried again soon: somebody may be plugging it in.
_RETRY_FAILED_S = 5.0
_RETRY_STORE_S = 1.0
# A round that the store should have given back by now, and has not, comes from memory.
_STORE_PATIENCE_S = 2.0
# By so much the clocks of two workers may differ.
_CLOCKS_DIFFER_S = 5.0


@dataclass(slots=True, eq=False)
class _Rest:
    """A round that is over, until the next: from the store once `recorded`, or from here."""

    task: RoundTask
    sent: bool
    recorded: bool = False


class Relay:
    """One worker. Each radio says one thing at a time, and waits for no other."""

    def __init__(
        self,
        store: Store,
        radios: Sequence[Radio],
        settings: RelaySettings,
        clock: Clock,
        faults: Faults,
        trace: Trace,
        ended: Callable[[asyncio.Task[None]], object],
    ) -> None:
        """`ended` is called with each task that ends by a mistake of ours."""
        self._ended = ended
        self._store = store
        self._settings = settings
        self._clock = clock
        self._faults = faults
        self._lanes = [
            Lane(radio, settings, clock, faults, trace, self._round_ended) for radio in radios
        ]
        self._resting: dict[str, _Rest] = {}
        self._said: dict[str, int] = {}
        """The last round of each incident that a radio had on the air."""
        self._unstored: set[str] = set()
        self._unnumbered: set[str] = set()
        self._order = 0
        self._leasing_since_s: float | None = None
        self._lease_fails = False
        self._lease_alarm = Alarm(clock)
        self._held_alarm = Alarm(clock)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """True while something that does not wait for time is under way, transmissions apart."""
        choosing = any(lane.busy for lane in self._lanes)
        return bool(self._tasks) and (choosing or self._lease_alarm.pending)

    @property
    def held(self) -> int:
        """How many incidents wait in this worker's hands or are on the air."""
        return len(self._held())

    def failed_on(self, radio: str) -> bool:
        """Tell whether this radio's last announcement did not go out."""
        return any(lane.failed for lane in self._lanes if lane.name == radio)

    async def start(self) -> None:
        """Serve the radios; `take_up` first."""
        for lane in self._lanes:
            self._own(lane.run())
        self._own(self._lease())
        self._own(self._renew())

    async def take_up(self) -> None:
        """Take up again what this worker held in the store when it last ended.

        Raises StorageError; until it works, leases run out by themselves.
        """
        await self._store.release_leases(self._settings.worker)
        self.wake()

    async def stop(self) -> None:
        """Give up at once, also in the middle of an announcement: its lease will expire."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def push(self, task: RoundTask) -> None:
        """Announce this as soon as its turn comes; it is committed and leased to this worker."""
        rest = self._resting.get(task.incident_id)
        if rest is not None:
            if rest.sent and task.stored and rest.task.round_no >= task.round_no:
                return  # it was said; only the store has not heard of it yet
            del self._resting[task.incident_id]
            if not (rest.sent or rest.recorded):
                task = merged(rest.task, task)
        self._give(task)

    def wake(self) -> None:
        """Look into the store: something may be due that was not."""
        self._lease_alarm.ring()

    def settle(self, incident_id: str) -> None:
        """Somebody answered, or it is closed: what waits is not announced any more."""
        for lane in self._lanes:
            lane.drop(lambda task, _: task.incident_id == incident_id)
        self._resting.pop(incident_id, None)
        self._said.pop(incident_id, None)
        self._unstored.discard(incident_id)
        self._numbered(incident_id)

    async def refresh(self) -> None:
        """Take over what another process has committed."""
        read_from = self._order
        resting = dict(self._resting)
        try:
            undone = await self._store.undone_rounds()
        except StorageError:
            return

        def over(task: RoundTask, order: int) -> bool:
            # What was pushed after the reading began may be missing from it.
            known = task.stored and order <= read_from
            return known and undone.get(task.incident_id, 0) < task.round_no

        for lane in self._lanes:
            lane.drop(over)
        for incident_id, rest in resting.items():
            if over(rest.task, read_from) and self._resting.get(incident_id) is rest:
                del self._resting[incident_id]
        live = undone.keys() | self._held() | self._resting.keys()
        for lane in self._lanes:
            lane.forget_all_but(live)
        self._said = {key: number for key, number in self._said.items() if key in live}
        for incident_id in self._unnumbered - live:
            self._numbered(incident_id)
        self.wake()

    def _give(self, task: RoundTask) -> None:
        self._order += 1
        if self._said.get(task.incident_id, 0) >= task.round_no:
            del self._said[task.incident_id]  # once more, from memory
        if not task.stored:
            self._unstored.add(task.incident_id)
        if task.number is None and task.stored:
            self._unnumbered.add(task.incident_id)
            self._faults.raise_fault(FaultKind.NUMBERS_EXHAUSTED)
        else:
            self._numbered(task.incident_id)
        for lane in self._lanes:
            lane.push(task, self._order)
        if not self._lanes:
            self._round_ended(task, False)
        self._held_alarm.ring()

    def _numbered(self, incident_id: str) -> None:
        """This one lacks no number any more; when none does, there are enough."""
        self._unnumbered.discard(incident_id)
        if not self._unnumbered:
            self._faults.clear_fault(FaultKind.NUMBERS_EXHAUSTED)

    def _held(self) -> set[str]:
        return {incident_id for lane in self._lanes for incident_id in lane.held}

    # Leases

    async def _lease(self) -> None:
        longest_s = max(self._settings.round_interval_s, self._settings.digest_gather_s)
        while True:
            delay_s: float | None = None
            self._leasing_since_s = self._clock.monotonic_s()
            try:
                tasks, next_at = await self._store.lease_due(
                    worker=self._settings.worker,
                    lease_s=self._settings.lease_s,
                    furthest_s=longest_s + _CLOCKS_DIFFER_S,
                    overdue_after_s=self._settings.overdue_after_s,
                )
                for task in tasks:
                    self.push(task)
                if next_at is not None:
                    delay_s = max(0.05, (next_at - self._clock.utc()).total_seconds())
                self._lease_fails = False
            except StorageError:
                self._lease_fails = True
                delay_s = _RETRY_STORE_S
            self._leasing_since_s = None
            await self._lease_alarm.wait(delay_s)

    def _store_fails(self) -> bool:
        """True while the store gives no rounds back: it refuses, or does not answer."""
        since_s = self._leasing_since_s
        hangs = since_s is not None and since_s <= self._clock.monotonic_s() - _STORE_PATIENCE_S
        return self._lease_fails or hangs

    async def _renew(self) -> None:
        """Keep the leases of what is held, also through a long announcement."""
        while True:
            if not self.held:
                await self._held_alarm.wait(None)
            await self._clock.sleep(self._settings.lease_s / 3)
            held = self._held()
            if not held:
                continue
            with contextlib.suppress(StorageError):
                await self._store.renew_leases(
                    worker=self._settings.worker,
                    incidents_held=held,
                    lease_s=self._settings.lease_s,
                )

    # What is over

    def _round_ended(self, task: RoundTask, sent: bool) -> None:
        """A radio has said this, or failed to. The first that has it ends the round."""
        if self._said.get(task.incident_id, 0) >= task.round_no:
            return
        self._resting[task.incident_id] = rest = _Rest(task, sent)
        if sent:
            self._said[task.incident_id] = task.round_no
        elif task.incident_id in self._held():
            # Another radio has it still, for who knows how long: this one is tried meanwhile.
            self._own(self._again(rest, _RETRY_FAILED_S))
            return
        self._own(self._finish(rest))

    async def _finish(self, rest: _Rest) -> None:
        """Record the round; the next comes from the store, or from memory while that fails."""
        task = rest.task
        interval_s = self._settings.round_interval_s
        # Without any radio there is nothing to be tried sooner.
        soon = not rest.sent and bool(self._lanes)
        next_in_s = min(_RETRY_FAILED_S, interval_s) if soon else interval_s
        if task.stored:
            more = await self._record(rest, next_in_s)
            if more is not None:
                self.wake()
                await self._watch_over(rest, next_in_s, more)
                return
        await self._again(rest, next_in_s)

    async def _record(self, rest: _Rest, next_in_s: float) -> bool | None:
        """Tell the store; whether another round is to come, None if it did not take it in time."""
        recording = asyncio.ensure_future(
            self._store.finish_rounds(
                rest.task.incident_id,
                rest.task.round_no,
                outcome=SENT if rest.sent else FAILED,
                next_in_s=next_in_s,
            )
        )
        try:
            if await within(self._clock, _STORE_PATIENCE_S, recording):
                more = recording.result()
                rest.recorded = True
                self._faults.clear_fault(FaultKind.STORE_FAILED)
                return more
            reason = "the disk does not answer"
        except StorageError as error:
            reason = str(error)
        finally:
            # It is written all the same, when the disk answers.
            recording.cancel()
        self._faults.raise_fault(FaultKind.STORE_FAILED, "", reason)
        return None

    async def _watch_over(self, rest: _Rest, next_in_s: float, more: bool) -> None:
        """The store holds the next round: say it from memory only if it is not given back."""
        incident_id = rest.task.incident_id
        if not more:
            self._forget(rest)
        elif self._resting.get(incident_id) is rest:
            await self._clock.sleep(next_in_s + _STORE_PATIENCE_S)
            if self._store_fails():
                await self._again(rest, 0)
            else:
                self._forget(rest)

    async def _again(self, rest: _Rest, delay_s: float) -> None:
        """Say it again from memory, unless it was settled or taken over meanwhile."""
        await self._clock.sleep(delay_s)
        task = rest.task
        if not self._forget(rest):
            return
        if task.stored or task.incident_id in self._unstored:
            self._give(replace(task, first=False, joined=False) if rest.sent else task)

    def _forget(self, rest: _Rest) -> bool:
        """True if this was what its incident's next round was to come from."""
        if self._resting.get(rest.task.incident_id) is not rest:
            return False
        del self._resting[rest.task.incident_id]
        return True

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._let_go)

    def _let_go(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._ended(task)
