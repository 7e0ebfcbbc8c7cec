"""Lanes: what waits to leave, the most urgent first."""

from __future__ import annotations

from enum import IntEnum


class Lane(IntEnum):
    """How urgent an SMS is; smaller goes first."""

    ALERT = 0
    ANSWER = 1
    """Receipts and answers."""
    OTHER = 2
    PROBE = 3
    """Proves the path; last, and lost first."""
