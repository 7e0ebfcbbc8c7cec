"""What is silent or broken at the post, told to people through the store.

Faults are kept in memory first, so that a fault of the store itself can be raised too.
"""

from __future__ import annotations

import asyncio
import logging
from enum import StrEnum

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
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
    RADIO_FAILED = "radio-failed"  # (radio)
    RADIO_DEGRADED = "radio-degraded"  # (radio)
    NO_RADIO = "no-radio"
    NUMBERS_EXHAUSTED = "numbers-exhausted"


class Faults:
    """The post's present faults. `raise_fault` and `clear_fault` never fail and never wait."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._present: dict[tuple[str, str], str] = {}
        self._unwritten: dict[tuple[str, str], FaultChange] = {}
        self._writing: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def present(self) -> dict[tuple[str, str], str]:
        """(kind, subject) -> detail."""
        return dict(self._present)

    async def start(self) -> None:
        """Take over what was wrong when the post last ran: it may be right by now."""
        self._present = {(f.kind, f.subject): f.detail for f in await self._store.faults()}

    async def stop(self) -> None:
        """Write what is not written yet, if the store takes it."""
        self._stopped = True
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._write()

    def raise_fault(self, kind: FaultKind, subject: str = "", detail: str = "") -> None:
        key = (kind.value, subject)
        if key not in self._present:
            _log.warning("fault %s %s", kind.value, subject)
            if len(self._present) >= _MEMORY_MAX:
                self._present.pop(next(iter(self._present)))
        self._present[key] = detail
        before = self._unwritten.get(key)
        count = before.count + 1 if before is not None and before.detail is not None else 1
        self._note(key, FaultChange(kind.value, subject, detail, count))

    def clear_fault(self, kind: FaultKind, subject: str = "") -> None:
        key = (kind.value, subject)
        if self._present.pop(key, None) is not None:
            _log.info("fault %s %s is over", kind.value, subject)
            self._note(key, FaultChange(kind.value, subject, None))

    def _note(self, key: tuple[str, str], change: FaultChange) -> None:
        self._unwritten[key] = change
        if self._writing is None and not self._stopped:
            self._writing = asyncio.get_running_loop().create_task(self._write_all())

    async def _write_all(self) -> None:
        while self._unwritten:
            await self._write()
            await self._clock.sleep(_WRITE_EACH_S)
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
