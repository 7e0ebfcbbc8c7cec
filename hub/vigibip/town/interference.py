"""Who else is on the air: a jammer, and Wi-Fi that is loaded to its end. Simulated, both.

A radio that has a frame to send waits until the channel is free. Beside a jammer that is when the
pulse ends; beside Wi-Fi when it wins its turn.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

# The longest that a station may keep the air with one frame (aPPDUMaxTime, IEEE 802.11).
WIFI_FRAME_MAX_S = 0.005484


@dataclass(frozen=True, slots=True, kw_only=True)
class Jammer:
    """Keeps the channel from `start_s` to `end_s`, in pulses of `on_s` with `off_s` between.

    Whatever is sent meanwhile is lost, and whoever listens before he sends waits.
    """

    on_s: float = math.inf
    off_s: float = 0.0
    start_s: float = 0.0
    end_s: float = math.inf

    def taken(self, at_s: float) -> bool:
        return self.free_at_s(at_s) > at_s

    def free_at_s(self, at_s: float) -> float:
        """Return when the channel is free, `at_s` if it is then; infinite: never again."""
        if not self.start_s <= at_s < self.end_s:
            return at_s
        if math.isinf(self.on_s):
            return self.end_s
        period_s = self.on_s + self.off_s
        into_s = (at_s - self.start_s) % period_s
        return at_s if into_s >= self.on_s else min(self.end_s, at_s + self.on_s - into_s)

    def next_edge_s(self, at_s: float) -> float:
        """Return when it next begins or ends to keep the channel; infinite: never again."""
        if at_s < self.start_s:
            return self.start_s
        if self.taken(at_s):
            return self.free_at_s(at_s)
        if at_s >= self.end_s:
            return math.inf
        period_s = self.on_s + self.off_s
        turn_s = self.start_s + period_s * (1 + (at_s - self.start_s) // period_s)
        return turn_s if turn_s < self.end_s else math.inf


class HeavyWifi:
    """`stations` that always have something to send, each frame as long as `frame_s`.

    Who sends next is drawn evenly among all that wait, ourselves included (DCF without collisions:
    each frame of theirs that comes first costs us its whole length).
    """

    def __init__(self, stations: int, frame_s: float = WIFI_FRAME_MAX_S, seed: int = 0) -> None:
        self._stations = stations
        self._frame_s = frame_s
        self._random = random.Random(seed)

    def free_at_s(self, at_s: float) -> float:
        """Return when a frame that is ready at `at_s` has its turn."""
        wait_s = self._random.random() * self._frame_s
        while self._random.random() * (self._stations + 1) >= 1:
            wait_s += self._frame_s
        return at_s + wait_s
