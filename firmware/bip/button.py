"""The button: counts when it went down, until it is told that the press is on storage."""

import time

from machine import Pin

# A contact bounces for a few milliseconds; no finger presses twice in so short a time.
_BOUNCE_MS = 25
# No finger lets go sooner. Flash and radio hold the program up for longer than that, and an
# interrupt with it: then a tap is two edges that are both over when the first is looked at. In a
# shorter time the same is a disturbance on the wire.
_TAP_MS = 40
# More edges than a hand makes between two looks: then gestures are none, and presses all count.
_EDGES_MAX = 32


class Button:
    """A button to ground. `down_at_start`: it was down before any edge was counted."""

    def __init__(self, gpio: int):
        self.pin = Pin(gpio, Pin.IN, Pin.PULL_UP)
        now_ms = time.ticks_ms()
        self._edge_ms = time.ticks_add(now_ms, -_BOUNCE_MS)
        self._looked_ms = now_ms
        self._was_down = False
        self._counted = False  # that it is down now
        self._downs = 0
        self._edges: list = []  # (is it down, ticks), of presses and releases alone
        self.pin.irq(self._edge, Pin.IRQ_FALLING | Pin.IRQ_RISING)
        # Looked at once edges are counted, so that none falls between; counted once all the same.
        self.down_at_start = self.is_down()
        if self.down_at_start:
            self._was_down = self._counted = True
            self._downs = 0
            self._note(True, now_ms)

    def is_down(self) -> bool:
        return self.pin.value() == 0

    def pending(self) -> int:
        """Return how many presses were seen and not told."""
        down = self.is_down()
        self._looked_ms = time.ticks_ms()
        quiet_ms = time.ticks_diff(self._looked_ms, self._edge_ms)
        if down and not self._counted and quiet_ms >= _BOUNCE_MS:
            # Its edge was taken for a bounce of the release before, which was looked at late.
            self._counted = True
            self._downs += 1
            self._note(True, self._edge_ms)
        elif not down and self._counted and quiet_ms >= _BOUNCE_MS:
            # Its release was taken for a bounce of the press.
            self._counted = False
            self._note(False, self._edge_ms)
        return self._downs

    def take_edges(self):
        """Return when it went down and up since the last call, as (is it down, ticks)."""
        edges = self._edges
        self._edges = []
        return edges

    def count(self) -> None:
        """Count a press that was seen by other means than an edge."""
        self._downs += 1

    def told(self) -> None:
        """One of them is safe."""
        self._downs -= 1

    def _edge(self, pin: Pin) -> None:
        now_ms = time.ticks_ms()
        down = pin.value() == 0
        # Down after a quiet spell: a press. Down at once after an edge: the bounce of a release.
        if time.ticks_diff(now_ms, self._edge_ms) >= _BOUNCE_MS:
            blind_ms = time.ticks_diff(now_ms, self._looked_ms)
            if down or (not self._was_down and blind_ms >= _TAP_MS):
                self._downs += 1
                self._note(True, now_ms)
            if not down:
                self._note(False, now_ms)
            self._counted = down
        self._was_down = down
        self._edge_ms = self._looked_ms = now_ms

    def _note(self, down, at_ms):
        if len(self._edges) < _EDGES_MAX:
            self._edges.append((down, at_ms))
