"""What is silent or broken at the post, told to people through the store.

Faults are kept in memory first, so that a fault of the store itself can be raised too.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from enum import StrEnum

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.post.alarm import Alarm
from vigibip.post.store import Store
from vigibip.post.store.records import FaultChange

_log = logging.getLogger(__name__)

# A flood of the same fault becomes one row's count, written so often.
_WRITE_EACH_S = 1.0
_MEMORY_MAX = 1000


class FaultKind(StrEnum):
    """Every kind, with what it is about in parentheses. README.md says what to do."""

    STORE_FAILED = "store-failed"
    BROKER_LOST = "broker-lost"
    MESSAGE_REFUSED = "message-refused"  # (box)
    MESSAGE_FORGED = "message-forged"  # (box in whose name)
    BOX_UNKNOWN = "box-unknown"  # (box)
    BOX_FLOODS = "box-floods"  # (box)
    PRESS_LATE = "press-late"  # (box)
    VERSION_NEWER = "version-newer"  # (box)
    CODE_GUESSING = "code-guessing"  # (radio)
    RADIO_ABSENT = "radio-absent"  # (radio)
    RADIO_FAILED = "radio-failed"  # (radio)
    RADIO_DEGRADED = "radio-degraded"  # (radio)
    NO_RADIO = "no-radio"
    NUMBERS_EXHAUSTED = "numbers-exhausted"


# These tell of something that happened, not of something that lasts: they end by themselves.
_EVENTS = frozenset(
    {
        FaultKind.MESSAGE_REFUSED.value,
        FaultKind.MESSAGE_FORGED.value,
        FaultKind.BOX_UNKNOWN.value,
        FaultKind.BOX_FLOODS.value,
        FaultKind.PRESS_LATE.value,
        FaultKind.VERSION_NEWER.value,
        FaultKind.CODE_GUESSING.value,
    }
)
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
        self._stopped = False
        self._alarm = Alarm(clock)

    @property
    def present(self) -> dict[tuple[str, str], str]:
        """(kind, subject) -> detail."""
        return dict(self._present)

    async def start(self) -> None:
        """Take over what was wrong when the post last ran: it may be right by now."""
        held = await self._store.faults()
        self._present = {(fault.kind, fault.subject): fault.detail for fault in held}
        self._last_at = {(fault.kind, fault.subject): fault.last_at for fault in held}

    async def stop(self) -> None:
        """Write what is not written yet, if the store takes it."""
        self._stopped = True
        if self._writing is not None:
            self._alarm.ring()
            await self._writing
        await self._write()

    def raise_fault(self, kind: FaultKind, subject: str = "", detail: str = "") -> None:
        key = (kind.value, subject)
        if key not in self._present:
            _log.warning("fault %s %s", kind.value, subject)
            if len(self._present) >= _MEMORY_MAX:
                self._drop(next(iter(self._present)))
        self._present[key] = detail
        self._last_at[key] = self._clock.utc()
        before = self._unwritten.get(key)
        count = before.count + 1 if before is not None and before.detail is not None else 1
        self._note(key, FaultChange(kind.value, subject, detail, count))

    def clear_fault(self, kind: FaultKind, subject: str = "") -> None:
        self._clear((kind.value, subject))

    def forget_old_events(self) -> None:
        """End what happened a day ago and never since."""
        before = self._clock.utc() - _EVENT_SHOWN_FOR
        for key, last_at in list(self._last_at.items()):
            if key[0] in _EVENTS and last_at < before:
                self._clear(key)

    def _clear(self, key: tuple[str, str]) -> None:
        if key in self._present:
            _log.info("fault %s %s is over", *key)
            self._drop(key)
            self._note(key, FaultChange(*key, None))

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
