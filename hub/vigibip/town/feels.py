"""Tells the bip's vibration patterns apart by the edges of its motor's pin, as a palm would."""

from __future__ import annotations

from enum import StrEnum

from vigibip.town import device_tree


class Feel(StrEnum):
    """What a palm is told."""

    HEARD = "heard"
    DELIVERED = "delivered"
    COMING = "coming"
    NOT_SENT = "not_sent"
    NOT_REACHED = "not_reached"
    UNANSWERED = "unanswered"
    NOTED = "noted"
    BATTERY_LOW = "battery_low"


class FeelReader:
    """Edges in, feels out. A pulse that is neither short nor long belongs to no pattern."""

    def __init__(self) -> None:
        table = device_tree.load("bip", "feel")
        self._short_ms: int = table.SHORT_MS
        self._long_ms: int = table.LONG_MS
        # Halfway between a gap within a pattern and the rest before the next.
        self._gap_max_ms: int = (table.GAP_MS + table.REST_MS) // 2
        self._patterns = {
            tuple(pulse == self._long_ms for pulse in pulses): Feel(name)
            for name, pulses in table.PATTERNS.items()
        }
        self._pulses: list[bool | None] = []
        self._on_ms: int | None = None
        self._off_ms = 0
        self._began_s = 0.0

    def edge(self, on: bool, at_ms: int, monotonic_s: float) -> tuple[Feel, float] | None:
        """Take an edge, `at_ms` by the device's clock and `monotonic_s` by the host's.

        Return the feel that it completes, and the monotonic_s of that feel's first edge.
        """
        if on:
            if not self._pulses or at_ms - self._off_ms > self._gap_max_ms:
                self._pulses = []
                self._began_s = monotonic_s
            self._on_ms = at_ms
            return None
        if self._on_ms is None:
            return None
        self._pulses.append(self._is_long(at_ms - self._on_ms))
        self._on_ms = None
        self._off_ms = at_ms
        feel = self._patterns.get(tuple(bool(pulse) for pulse in self._pulses))
        if feel is None or None in self._pulses:
            return None
        self._pulses = []
        return feel, self._began_s

    def _is_long(self, length_ms: int) -> bool | None:
        # Half as much again for an interpreter that was not scheduled in time.
        between_ms = (self._short_ms + self._long_ms) // 2
        if self._short_ms // 2 <= length_ms < between_ms:
            return False
        if between_ms <= length_ms <= 2 * self._long_ms:
            return True
        return None
