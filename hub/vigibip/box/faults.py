"""What is wrong with the box now: each fault with its code, its beginning and its words."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from vigibip.base.clock import Clock

_log = logging.getLogger(__name__)

# Faults about devices and alerts; those about the box itself always find room beside them in the
# 32 that a status can tell.
SUBJECTS_MAX = 15
# Of one code: parked alerts stand until somebody mends them, and must not hide other faults.
_OF_ONE_CODE_MAX = 12
# How long something that happened once, and does not end by itself, goes on being told.
EVENT_LASTS_S = 24 * 3600.0


class FaultCode(StrEnum):
    """Every fault that a box tells; the words for people are in `fault_words`."""

    RECEIVER = "receiver"
    JAM = "jam"
    MOVED = "moved"
    STORAGE = "storage"
    DATA = "data"
    POST_SILENT = "post-silent"
    CLOCK_UNSURE = "clock-unsure"
    REFUSED = "refused"
    LATE_PRESS = "late-press"
    COUNTER_REUSED = "counter-reused"
    BIP_FIRMWARE = "bip-firmware"
    BIP_MISSING = "bip-missing"
    BIP_BATTERY = "bip-battery"
    BIP_BUTTON = "bip-button"
    BIP_CRASHES = "bip-crashes"
    BIP_REVOKED = "bip-revoked"
    FRAME_VERSION = "frame-version"
    FORGED_MESSAGE = "forged-message"
    FORGED_SMS = "forged-sms"
    POST_MESSAGE = "post-message"
    MODEM = "modem"
    SMS_UNPROVEN = "sms-unproven"
    OFFICER_CODES = "officer-codes"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong."""

    code: FaultCode
    subject: str
    """The id of the device or alert that it is about; empty: the box itself."""
    since_utc: datetime
    detail: str
    """For a technician; not translated, may quote an operating system's words."""
    until_s: float | None
    """Monotonic time at which it is forgotten; None: only once it is cleared."""

    def __str__(self) -> str:
        return f"{self.code}:{self.subject}" if self.subject else self.code.value


class Faults:
    """The faults that stand. Raising one that stands keeps its beginning."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._faults: dict[tuple[FaultCode, str], Fault] = {}
        self.changed: Callable[[], None] = lambda: None
        """Called when a fault begins or ends, never while one merely stands."""

    def begin(self, code: FaultCode, detail: str, subject: str = "") -> None:
        """A condition began, or still stands; it ends by `clear`."""
        self._put(code, subject, detail, None)

    def tell(self, code: FaultCode, detail: str, subject: str = "") -> None:
        """Something happened that a person must know of; it is told for a day."""
        self._put(code, subject, detail, self._clock.monotonic_s() + EVENT_LASTS_S)

    def clear(self, code: FaultCode, subject: str = "") -> None:
        """The condition is over; nothing happens when it did not stand."""
        fault = self._faults.pop((code, subject), None)
        if fault is not None:
            _log.info("fault over: %s", fault)
            self.changed()

    def standing(self) -> list[Fault]:
        """Return the faults that stand, oldest first."""
        now_s = self._clock.monotonic_s()
        for key, fault in list(self._faults.items()):
            if fault.until_s is not None and fault.until_s <= now_s:
                del self._faults[key]
        return sorted(self._faults.values(), key=lambda fault: fault.since_utc)

    def codes(self) -> set[FaultCode]:
        """Return the codes of the faults that stand."""
        return {fault.code for fault in self.standing()}

    def _has_room(self, code: FaultCode) -> bool:
        # What the disk refuses has a few fixed subjects, and people must know all of them.
        if code is FaultCode.STORAGE:
            return True
        about = [fault.code for fault in self.standing() if fault.subject]
        return len(about) < SUBJECTS_MAX and about.count(code) < _OF_ONE_CODE_MAX

    def _put(self, code: FaultCode, subject: str, detail: str, until_s: float | None) -> None:
        standing = self._faults.get((code, subject))
        if standing is None and subject and not self._has_room(code):
            _log.error("fault not kept, too many stand: %s %s: %s", code, subject, detail)
            return
        since_utc = self._clock.utc() if standing is None else standing.since_utc
        fault = Fault(code, subject, since_utc, detail, until_s)
        self._faults[code, subject] = fault
        if standing is None:
            _log.warning("fault: %s: %s", fault, detail)
            self.changed()
