"""The door for an officer's codes: slow hashes, one at a time, closed after five wrong ones.

A number can be forged, so that whoever does must not try codes in a row; a power cut between two
of them opens nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from enum import Enum

from vigibip.alert.messages import OfficerContact
from vigibip.alert.officer_codes import code_digest
from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.path_memory import answered_by_disk
from vigibip.box.store import SecondPathContents, Store

_log = logging.getLogger(__name__)

_WRONG_MAX = 5
_CLOSED_S = 600.0


class Wrong(Enum):
    """Why a code does not count."""

    UNKNOWN = "wrong_code"
    USED = "used_code"


class CodeDoor:
    """Knows which codes were used here, and how many wrong ones came in a row."""

    def __init__(self, *, store: Store, clock: Clock, faults: Faults) -> None:
        self._store = store
        self._clock = clock
        self._faults = faults
        self._used: set[bytes] = set()
        self._wrong = 0
        self._closed_until_s = 0.0

    def load(self, contents: SecondPathContents) -> None:
        self._used |= contents.used_codes
        self._wrong = contents.wrong_codes
        if self._wrong >= _WRONG_MAX:
            # For how long it was closed nobody knows after a power cut.
            self._closed_until_s = self._clock.monotonic_s() + _CLOSED_S

    def is_closed(self) -> bool:
        return self._wrong >= _WRONG_MAX and self._clock.monotonic_s() < self._closed_until_s

    async def judge(self, officer: OfficerContact, code: str) -> bytes | Wrong:
        """Return the digest of a code that counts, else why it does not; not while it is closed."""
        digest = await asyncio.to_thread(code_digest, code, bytes.fromhex(officer.salt))
        known = [hmac.compare_digest(digest, bytes.fromhex(one)) for one in officer.digests]
        if any(known) and digest not in self._used:
            return digest
        await self._count_wrong()
        return Wrong.USED if any(known) else Wrong.UNKNOWN

    def use(self, digest: bytes) -> None:
        """The code was right, and the disk has it as used, with the end of the row."""
        self._used.add(digest)
        self._wrong = 0

    async def _count_wrong(self) -> None:
        # What stood at the limit was closed, and its time is over.
        wrong = 1 if self._wrong >= _WRONG_MAX else self._wrong + 1
        if wrong >= _WRONG_MAX:
            self._closed_until_s = self._clock.monotonic_s() + _CLOSED_S
            self._faults.tell(FaultCode.OFFICER_CODES, f"{_WRONG_MAX} wrong codes in a row")
        self._wrong = wrong
        await answered_by_disk(asyncio.create_task(self._keep_wrong(wrong)), self._clock)

    async def _keep_wrong(self, wrong: int) -> None:
        try:
            await self._store.write_wrong_codes(wrong)
        except StorageError as error:
            # It counts all the same until the next power cut.
            _log.warning("the count of wrong codes was not written: %s", error)
