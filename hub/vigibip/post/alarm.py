"""Waiting for time to pass or for somebody to ring, whichever comes first."""

from __future__ import annotations

import asyncio

from vigibip.base.clock import Clock
from vigibip.base.waiting import woken


class Alarm:
    """For one waiting loop. A ring while nobody waits is not lost."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    @property
    def pending(self) -> bool:
        """True when it was rung and the loop has not come round yet."""
        return self._rung.is_set()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, duration_s: float | None) -> None:
        """Return after `duration_s` (None: never) or once rung, and silence it."""
        if not self._rung.is_set():
            if duration_s is None:
                await self._rung.wait()
            else:
                await woken(self._clock, duration_s, self._rung)
        self._rung.clear()
