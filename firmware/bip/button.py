"""The button: counts when it went down, while awake; what woke the bip is the runner's to judge."""

import time

from machine import Pin

# A contact bounces for a few milliseconds; no finger presses twice in so short a time.
_BOUNCE_MS = 25


class Button:
    """A button to ground. `down_at_start`: it was down before any edge was counted."""

    def __init__(self, gpio: int):
        self.pin = Pin(gpio, Pin.IN, Pin.PULL_UP)
        self._edge_ms = time.ticks_add(time.ticks_ms(), -_BOUNCE_MS)
        self._downs = 0
        self.pin.irq(self._edge, Pin.IRQ_FALLING | Pin.IRQ_RISING)
        # Looked at once edges are counted, so that none falls between; counted once all the same.
        self.down_at_start = self.is_down()
        if self.down_at_start:
            self._downs = 0

    def is_down(self) -> bool:
        return self.pin.value() == 0

    def take(self) -> int:
        """Return how often it went down since the last call."""
        downs = self._downs
        self._downs -= downs
        return downs

    def _edge(self, pin: Pin) -> None:
        now_ms = time.ticks_ms()
        # Down after a quiet spell: a press. Down at once after an edge: the bounce of a release.
        if pin.value() == 0 and time.ticks_diff(now_ms, self._edge_ms) >= _BOUNCE_MS:
            self._downs += 1
        self._edge_ms = now_ms
