"""What the gesture of a press says (`wire.frame`): a severity, and a mark."""

from __future__ import annotations

from vigibip.alert.messages import Mark
from vigibip.wire import frame


def merged(before: int, said: int) -> int:
    """Return what stands when `said` comes after `before`: nothing that was said is taken back."""
    severity = max(before & frame.SEVERITY, said & frame.SEVERITY)
    marks = (before | said) & (frame.WITHDRAWN | frame.DURESS)
    return int(marks | severity)


def severity_of(gesture: int) -> int:
    return int(gesture & frame.SEVERITY)


def mark_of(gesture: int) -> Mark | None:
    """Return the mark; of both the duress, which a withdrawal must never hide."""
    if gesture & frame.DURESS:
        return "duress"
    return "withdrawn" if gesture & frame.WITHDRAWN else None
