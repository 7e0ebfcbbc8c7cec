"""Stand-in for time, whose ticks on an ESP32 go round after 2**30 ms, 12.4 days."""

import utime
from utime import sleep, sleep_ms, time, time_ns  # noqa: F401

_ROUND = 1 << 30

# A test lets days go by: ticks of an ESP32 in one millisecond.
pace = 1


def ticks_ms() -> int:
    return utime.ticks_ms() * pace & _ROUND - 1


def ticks_add(ticks: int, delta: int) -> int:
    return ticks + delta & _ROUND - 1


def ticks_diff(end: int, start: int) -> int:
    return (end - start + _ROUND // 2 & _ROUND - 1) - _ROUND // 2
