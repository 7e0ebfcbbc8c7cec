"""What a hand may say beyond that it presses, as one table. No gesture ever stops an alert.

Each time the button goes down is an alert at once, whatever stands here. Two things may be added,
each only when it is allowed: pressing again within ten seconds raises the severity, and a rhythm of
four presses marks the last of them. The rhythms are slow and uneven, with quiet before and
after: no fist, no fall and no tremble makes them.
"""

from wire import frame

# What settings allow (bits of one byte); as wire.parcel's MAY_*.
RAISE = 0x01
WITHDRAW = 0x02
DURESS = 0x04

# How long each press of a rhythm is held: S at most 500 ms, L from 1 to 3 s.
_RHYTHMS = (
    ("LSLS", WITHDRAW, frame.WITHDRAWN),
    ("LSLL", DURESS, frame.DURESS),
)
_SHORT_MAX_MS = 500
_LONG_MS = (1000, 3000)
# Between two presses of a rhythm.
_GAP_MS = (150, 1500)
# Before a rhythm and after it nothing is pressed for so long.
_QUIET_MS = 3000

_AGAIN_MS = 10000
_SEVERITY_MAX = 3

_NEVER = -1


class Gestures:
    """Follows one button. Times are milliseconds, at least 0; one that leaps breaks a rhythm."""

    def __init__(self, allowed: int):
        self._allowed = allowed
        self._pressed_ms = _NEVER  # the last press
        self._severity = 0
        self._down_ms = _NEVER  # since when it is down, while it is
        self._up_ms = _NEVER  # when it went up last
        self._holds = ""  # of the rhythm that may be under way
        self._broken = False  # it is none; only quiet lets another begin

    def pressed(self, at_ms: int) -> int:
        """The button went down: return the severity of this press, 0 for one as any other."""
        if self._pressed_ms != _NEVER and 0 <= at_ms - self._pressed_ms <= _AGAIN_MS:
            self._severity = min(self._severity + 1, _SEVERITY_MAX)
        else:
            self._severity = 0
        self._pressed_ms = at_ms
        return self._severity if self._allowed & RAISE else 0

    def edge(self, is_down: bool, at_ms: int) -> None:
        """The button went down, or up again."""
        if is_down:
            gap_ms = at_ms - self._up_ms
            if self._up_ms == _NEVER or gap_ms >= _QUIET_MS:
                self._holds = ""
                self._broken = False
            elif not _GAP_MS[0] <= gap_ms <= _GAP_MS[1]:
                self._broken = True
            if self._down_ms != _NEVER:
                self._broken = True  # it never went up: an edge was lost
            self._down_ms = at_ms
            return
        if self._down_ms == _NEVER:
            self._broken = True
        else:
            self._hold(at_ms - self._down_ms)
        self._down_ms = _NEVER
        self._up_ms = at_ms

    def is_pending(self) -> bool:
        """Whether a rhythm is complete but for the quiet after it: stay awake for that."""
        return bool(self._mark())

    def mark(self, now_ms: int) -> int:
        """Return the mark that a rhythm has made by now, once; 0 for none."""
        mark: int = self._mark()
        if not mark or now_ms - self._up_ms < _QUIET_MS:
            return 0
        self._broken = True
        return mark

    def _hold(self, held_ms: int) -> None:
        if 0 <= held_ms <= _SHORT_MAX_MS:
            self._holds += "S"
        elif _LONG_MS[0] <= held_ms <= _LONG_MS[1]:
            self._holds += "L"
        else:
            self._broken = True
        if len(self._holds) > len(_RHYTHMS[0][0]):
            self._broken = True

    def _mark(self) -> int:
        if self._broken or self._down_ms != _NEVER:
            return 0
        for holds, allowed_by, mark in _RHYTHMS:
            if self._holds == holds and self._allowed & allowed_by:
                return mark
        return 0
