"""Milliseconds that never go back: the ticks of an ESP32 go round after 12.4 days."""

import time


class Clock:
    """Counts on from `start_ms`; right as long as it is asked once in six days."""

    def __init__(self, start_ms: int):
        self._now_ms = start_ms
        self._ticks = time.ticks_ms()

    def now_ms(self) -> int:
        ticks = time.ticks_ms()
        self._now_ms += time.ticks_diff(ticks, self._ticks)
        self._ticks = ticks
        return self._now_ms
