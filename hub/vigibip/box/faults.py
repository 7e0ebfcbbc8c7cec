"""What is wrong with the box now: each fault with its code, its beginning and its words."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from vigibip.base.clock import Clock

_log = logging.getLogger(__name__)

# A box tells the post at most so many; a flood of subjects must not fill the memory either.
FAULTS_MAX = 32
# How long something that happened once, and does not end by itself, goes on being told.
EVENT_LASTS_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. `code` is stable and for machines, `text` for people."""

    code: str
    since_utc: datetime
    text: str
    until_s: float | None
    """Monotonic time at which it is forgotten; None: only once it is cleared."""


class Faults:
    """The faults that stand. Raising one that stands keeps its beginning."""

    def __init__(self, clock: Clock, changed: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._faults: dict[str, Fault] = {}
        self.changed = changed
        """Called when a fault begins or ends, never while one merely stands."""

    def set(self, code: str, text: str) -> None:
        """A condition began, or still stands; it ends by `clear`."""
        self._put(code, text, None)

    def tell(self, code: str, text: str) -> None:
        """Something happened that a person must know of; it is told for a day."""
        self._put(code, text, self._clock.monotonic_s() + EVENT_LASTS_S)

    def clear(self, code: str) -> None:
        """The condition is over; nothing happens when it did not stand."""
        if self._faults.pop(code, None) is not None:
            _log.info("fault over: %s", code)
            self.changed()

    def standing(self) -> list[Fault]:
        """Return the faults that stand, oldest first."""
        now_s = self._clock.monotonic_s()
        for code, fault in list(self._faults.items()):
            if fault.until_s is not None and fault.until_s <= now_s:
                del self._faults[code]
        return sorted(self._faults.values(), key=lambda fault: fault.since_utc)

    def __contains__(self, code: str) -> bool:
        return code in self._faults

    def _put(self, code: str, text: str, until_s: float | None) -> None:
        standing = self._faults.get(code)
        if standing is None:
            if len(self._faults) >= FAULTS_MAX and len(self.standing()) >= FAULTS_MAX:
                _log.error("fault not kept, too many stand: %s: %s", code, text)
                return
            _log.warning("fault: %s: %s", code, text)
        since_utc = self._clock.utc() if standing is None else standing.since_utc
        self._faults[code] = Fault(code, since_utc, text, until_s)
        if standing is None:
            self.changed()
