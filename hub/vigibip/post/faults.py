"""What is silent or broken at the post, told to people through the store.

Faults are kept in memory first, so that a fault of the store itself can be raised too.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.post.alarm import Alarm
from vigibip.post.fault_kinds import EVENTS, FaultKind
from vigibip.post.store import Store
from vigibip.post.store.records import FaultChange

__all__ = ["OTHERS", "FaultKind", "Faults"]

_log = logging.getLogger(__name__)

# A flood of the same fault becomes one row's count, written so often.
_WRITE_EACH_S = 1.0
_MEMORY_MAX = 1000


# Whoever reaches the broker, or pays for a sender's number, can raise these in any box's name: so
# many names, then OTHERS.
_OF_STRANGERS = frozenset(
    {
        FaultKind.MESSAGE_FORGED,
        FaultKind.BOX_UNKNOWN,
        FaultKind.BOX_FLOODS,
        FaultKind.SMS_UNVERIFIED,
    }
)
_STRANGERS_MAX = 20
OTHERS = "*"
"""The subject of what is told of too many to be named."""
_EVENT_SHOWN_FOR = timedelta(hours=24)


class Faults:
    """The post's present faults. `raise_fault` and `clear_fault` never fail and never wait."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._present: dict[tuple[str, str], str] = {}
        self._last_at: dict[tuple[str, str], datetime] = {}
        self._unwritten: dict[tuple[str, str], FaultChange] = {}
        self._writing: asyncio.Task[None] | None = None
        self._started = False
        self._stopped = False
        self._alarm = Alarm(clock)

    @property
    def present(self) -> dict[tuple[str, str], str]:
        """(kind, subject) -> detail."""
        return dict(self._present)

    async def start(self) -> None:
        """Take over what was wrong when the post last ran: it may be right by now.

        What was raised or cleared before is newer. Raises StorageError.
        """
        for fault in await self._store.faults():
            key = (fault.kind, fault.subject)
            if key not in self._unwritten:
                self._present.setdefault(key, fault.detail)
                self._last_at.setdefault(key, fault.last_at)
        self._started = True

    async def stop(self) -> None:
        """Write what is not written yet, if the store takes it."""
        self._stopped = True
        if self._writing is not None:
            self._alarm.ring()
            await self._writing
        await self._write()

    def stands(self, kind: FaultKind, subject: str = "") -> bool:
        return (kind.value, subject) in self._present

    async def try_store(self) -> None:
        """Write the store's own fault once more: if that works, it is over."""
        kind = FaultKind.STORE_FAILED
        detail = self._present.get((kind.value, ""), "")
        try:
            await self._store.record_faults([FaultChange(kind.value, "", detail)])
        except StorageError:
            return
        self.clear_fault(kind)

    def raise_fault(self, kind: FaultKind, subject: str = "", detail: str = "") -> None:
        key = (kind.value, subject)
        if kind in _OF_STRANGERS and key not in self._present:
            named = sum(1 for of_kind, _ in self._present if of_kind == kind)
            if named >= _STRANGERS_MAX:
                key = (kind.value, OTHERS)
        if key not in self._present:
            _log.warning("fault %s %s", *key)
            if len(self._present) >= _MEMORY_MAX:
                dropped = self._oldest()
                self._drop(dropped)
                self._note(dropped, FaultChange(*dropped, None))
        self._present[key] = detail
        self._last_at[key] = self._clock.utc()
        before = self._unwritten.get(key)
        count = before.count + 1 if before is not None and before.detail is not None else 1
        self._note(key, FaultChange(*key, detail, count))

    def clear_fault(self, kind: FaultKind, subject: str = "") -> None:
        self._clear((kind.value, subject))

    def forget_old_events(self) -> None:
        """End what happened a day ago and never since."""
        before = self._clock.utc() - _EVENT_SHOWN_FOR
        for key, last_at in list(self._last_at.items()):
            if key[0] in EVENTS and last_at < before:
                self._clear(key)

    def _clear(self, key: tuple[str, str]) -> None:
        if key in self._present:
            _log.info("fault %s %s is over", *key)
        elif self._started:
            return
        # What the store told before the start is not known yet: this one is not to come back.
        self._drop(key)
        self._note(key, FaultChange(*key, None))

    def _oldest(self) -> tuple[str, str]:
        """What happened makes room before what lasts."""
        events = (key for key in self._present if key[0] in EVENTS)
        return next(events, None) or next(iter(self._present))

    def _drop(self, key: tuple[str, str]) -> None:
        self._present.pop(key, None)
        self._last_at.pop(key, None)

    def _note(self, key: tuple[str, str], change: FaultChange) -> None:
        self._unwritten[key] = change
        if self._writing is None and not self._stopped:
            self._writing = asyncio.get_running_loop().create_task(self._write_all())

    async def _write_all(self) -> None:
        while self._unwritten and not self._stopped:
            await self._write()
            if not self._stopped:
                await self._alarm.wait(_WRITE_EACH_S)
        self._writing = None

    async def _write(self) -> None:
        changes, self._unwritten = self._unwritten, {}
        if not changes:
            return
        try:
            await self._store.record_faults(list(changes.values()))
        except StorageError:
            # Whoever found the store failing has said so; these wait for better times.
            self._unwritten = changes | self._unwritten
        except Exception as error:  # noqa: BLE001 - these cannot be written; later ones may
            _log.error("%d faults cannot be written: %s", len(changes), type(error).__name__)
