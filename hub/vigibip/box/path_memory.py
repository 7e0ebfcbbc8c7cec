"""What the SMS path must remember over a restart: in memory, and behind it one row on the disk.

Up sequences are reserved in blocks before they are used. The row serves one pair of keys: a new
enrolment has new ones and begins again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import ValidationError

from vigibip.alert.ids import AlertId
from vigibip.alert.messages import Contacts
from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.waiting import within
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.store import LeftRecord, PathRecord, SecondPathContents, Store
from vigibip.box.timers import Timers
from vigibip.box.trust import ClockTrust
from vigibip.wire import window

_log = logging.getLogger(__name__)

# Reserved ahead, and again when half are used: with a disk that refuses there is enough for days.
UP_BLOCK = 64
# What hangs longer is not waited for: neither alerts nor what comes by SMS stand behind a disk.
DISK_ANSWERS_WITHIN_S = 5.0
_RETRY_S = 30.0
# Never to be moved: the sequences of all boxes count on from it.
_SEQUENCES_SINCE_UTC = datetime(2026, 1, 1, tzinfo=UTC)
# A clock that shows more than this (the year 2094) would leave too few sequences.
_CLOCK_FLOOR_MAX = 2**31
# A clock that is so much further on than its own seconds tell has been set meanwhile.
_CLOCK_SET_S = 60.0
_SUBJECT = "sms"

T = TypeVar("T")


async def answered_by_disk(writing: asyncio.Task[T], clock: Clock) -> T | None:
    """Return what `writing` returns, None when the disk hangs: it goes on by itself then.

    Raises what `writing` raises.
    """
    return writing.result() if await within(clock, DISK_ANSWERS_WITHIN_S, writing) else None


class PathMemory:
    """The up sequence, the window over the post's, its contacts, and the last proof."""

    def __init__(
        self,
        *,
        clock: Clock,
        up_key: bytes,
        down_key: bytes,
        store: Store,
        timers: Timers,
        faults: Faults,
        trust: ClockTrust,
    ) -> None:
        self._clock = clock
        self._store = store
        self._timers = timers
        self._faults = faults
        self._trust = trust
        # Names the keys and tells nothing of them.
        name = hashlib.sha256(b"VigiBip SMS path\n" + up_key + down_key).digest()[:16]
        self._record = PathRecord(keys=name)
        self._contacts: Contacts | None = None
        self._next = 1
        self._reserved = 1
        self._clock_ahead_s = -math.inf
        """How far the clock's floor was ahead of the monotonic clock when it was last looked at."""
        self._ready = False
        self._on_disk: PathRecord | None = None
        self._under_way: asyncio.Task[bool] | None = None
        self._following: asyncio.Task[bool] | None = None
        """Waits for the one under way, and writes what there is by then."""
        self._retry_set = False
        self._left: dict[AlertId, LeftRecord] = {}
        self._keeping: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()
        self.changed: Callable[[], None] = lambda: None
        """Called when `ready` or `contacts` changed."""

    def load(self, contents: SecondPathContents) -> None:
        """Take in what the disk holds, and reserve the first block; call it in the event loop."""
        record = contents.paths.get(self._record.keys, self._record)
        self._contacts = _read_contacts(record.contacts)
        self._left = dict(contents.left)
        self._next = record.up_reserved
        self._rise_to_clock()
        self._reserved = self._next
        self._record = replace(record, up_reserved=self._next + UP_BLOCK)
        self.write().add_done_callback(lambda _: self._become_ready())
        self._timers.call_in(DISK_ANSWERS_WITHIN_S, self._become_ready)

    @property
    def ready(self) -> bool:
        """False until the disk has answered, or should have."""
        return self._ready

    @property
    def writing(self) -> bool:
        return self._under_way is not None or bool(self._keeping)

    @property
    def contacts(self) -> Contacts | None:
        return self._contacts

    def knows(self, number: str) -> bool:
        """Tell whether an SMS from `number` is looked at."""
        contacts = self._contacts
        if contacts is None:
            return False
        officer = contacts.officer
        return number in contacts.post_numbers or (officer is not None and number == officer.number)

    @property
    def proven_utc(self) -> datetime | None:
        return self._record.proven_utc

    def take_sequence(self) -> int:
        """Return a sequence that was never given under this key.

        With a disk that refuses it goes on from memory: the alert must go.
        """
        self._rise_to_clock()
        sequence = self._next
        self._next += 1
        if sequence >= self._reserved:
            self.counts["unreserved"] += 1
        if self._record.up_reserved - self._next < UP_BLOCK // 2:
            self._record = replace(self._record, up_reserved=self._next + UP_BLOCK)
            self.write()
        return sequence

    def judge(self, sequence: int) -> int:
        """Return NEW, SEEN or OUTSIDE of wire.window for a sequence of the post."""
        return int(window.judge(self._record.down_highest, self._record.down_bits, sequence))

    def accept(self, sequence: int) -> None:
        """Mark a sequence of the post as seen; `written` has it on the disk."""
        highest, bits = window.accept(self._record.down_highest, self._record.down_bits, sequence)
        self._record = replace(self._record, down_highest=highest, down_bits=bits)

    def proven(self) -> None:
        """An authenticated word of the post came by SMS just now; an unsure clock dates nothing."""
        utc = self._trust.utc_if_sure()
        if utc is not None:
            self._record = replace(self._record, proven_utc=utc)

    def left_before(self, alert_id: AlertId) -> tuple[int, float] | None:
        """Return how often the alert left by SMS, and how many seconds ago; None: nobody knows."""
        left, utc = self._left.get(alert_id), self._trust.utc_if_sure()
        if left is None or utc is None or utc < left.last_utc:
            return None
        return left.count, (utc - left.last_utc).total_seconds()

    def has_left(self, alert_id: AlertId) -> None:
        """The network took the alert's SMS just now: a restart is no reason to repeat it."""
        utc = self._trust.utc_if_sure()
        if utc is None:
            return
        before = self._left.get(alert_id)
        left = LeftRecord(count=1 if before is None else before.count + 1, last_utc=utc)
        self._left[alert_id] = left
        task = asyncio.create_task(self._keep_left(alert_id, left))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    def waits_no_more(self, alert_id: AlertId) -> None:
        self._left.pop(alert_id, None)

    async def _keep_left(self, alert_id: AlertId, left: LeftRecord) -> None:
        try:
            await self._store.write_left(alert_id, left)
        except StorageError as error:
            _log.warning("that an alert left by SMS was not written: %s", error)

    def take_contacts(self, contacts: Contacts) -> None:
        """Keep a newer edition; an older one is a copy of what was said before."""
        held = self._contacts.edition if self._contacts is not None else 0
        if contacts.edition <= held:
            self.counts["old_contacts"] += 1
            return
        _log.info("contacts, edition %d", contacts.edition)
        self._contacts = contacts
        self._record = replace(self._record, contacts=contacts.model_dump_json())
        self.write()
        self.changed()

    def write(self) -> asyncio.Task[bool]:
        """Write what there is now; the task tells whether it worked. It is tried again if not.

        One is under way and one follows it at most, so that nothing piles up behind a disk that
        hangs.
        """
        if self._following is not None:
            return self._following
        task = asyncio.create_task(self._write_after(self._under_way))
        if self._under_way is None:
            self._under_way = task
        else:
            self._following = task
        task.add_done_callback(self._over)
        return task

    async def written(self) -> None:
        """Return once the disk has what there is now, or refused, or hangs; a fault tells which."""
        # A flood of copies must not wear the card out.
        if self._record != self._on_disk:
            await answered_by_disk(self.write(), self._clock)

    def _over(self, _task: asyncio.Task[bool]) -> None:
        self._under_way, self._following = self._following, None

    async def _write_after(self, earlier: asyncio.Task[bool] | None) -> bool:
        if earlier is not None:
            await asyncio.wait({earlier})
        return await self._write()

    async def _write(self) -> bool:
        record = self._record
        try:
            await self._store.write_path(record)
        except StorageError as error:
            self._faults.begin(FaultCode.STORAGE, str(error), _SUBJECT)
            if not self._retry_set:
                self._retry_set = True
                self._timers.call_in(_RETRY_S, self._retry)
            return False
        self._on_disk = record
        self._reserved = max(self._reserved, record.up_reserved)
        self._faults.clear(FaultCode.STORAGE, _SUBJECT)
        return True

    def _retry(self) -> None:
        self._retry_set = False
        self.write()

    def _become_ready(self) -> None:
        if not self._ready:
            self._ready = True
            self.changed()

    def _rise_to_clock(self) -> None:
        """Go on no lower than the clock, at a start and each time that it was set.

        A store that could not be written before, or that came from a copy, may lag behind what was
        given: no box gives a sequence a second, so a clock that is right is ahead of them all. A
        machine without one starts too low and learns the time later. While the clock only goes on
        the reserved ones are used, which a power cut cannot take back.
        """
        utc = self._trust.utc_if_sure()
        if utc is None:
            return
        floor = int((utc - _SEQUENCES_SINCE_UTC).total_seconds())
        ahead_s = floor - self._clock.monotonic_s()
        if floor >= _CLOCK_FLOOR_MAX or ahead_s < self._clock_ahead_s + _CLOCK_SET_S:
            return
        self._clock_ahead_s = ahead_s
        self._next = max(self._next, floor)


def _read_contacts(text: str | None) -> Contacts | None:
    if text is None:
        return None
    try:
        return Contacts.model_validate_json(text)
    except ValidationError:
        # Written by another version: the status tells edition 0, and the post sends them again.
        _log.warning("the contacts on the disk are not understood")
        return None
