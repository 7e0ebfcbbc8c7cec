"""Callbacks at a later time, on the injected clock, by one task."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable

from vigibip.base.clock import Clock

_log = logging.getLogger(__name__)


class Timer:
    """One callback to come."""

    __slots__ = ("callback", "due_s")

    def __init__(self, due_s: float, callback: Callable[[], None]) -> None:
        self.due_s = due_s
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """The callback will not be called; nothing happens when it was."""
        self.callback = None


class Timers:
    """Calls back when time has come; nothing is called before `run` runs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._earlier = asyncio.Event()

    def call_in(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` in `delay_s` seconds, from the event loop."""
        timer = Timer(self._clock.monotonic_s() + delay_s, callback)
        if not self._heap or timer.due_s < self._heap[0][0]:
            self._earlier.set()
        heapq.heappush(self._heap, (timer.due_s, next(self._order), timer))
        return timer

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            self._earlier.clear()
            self._call_due()
            await self._sleep()

    def _call_due(self) -> None:
        now_s = self._clock.monotonic_s()
        while self._heap and (self._heap[0][2].callback is None or self._heap[0][0] <= now_s):
            timer = heapq.heappop(self._heap)[2]
            callback, timer.callback = timer.callback, None
            if callback is None:
                continue
            try:
                callback()
            except Exception:  # noqa: BLE001 - one mistake must not stop the others' time
                _log.exception("a timer's callback failed")

    async def _sleep(self) -> None:
        if not self._heap:
            await self._earlier.wait()
            return
        pause_s = self._heap[0][0] - self._clock.monotonic_s()
        sleeping = asyncio.ensure_future(self._clock.sleep(pause_s))
        waking = asyncio.ensure_future(self._earlier.wait())
        try:
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
