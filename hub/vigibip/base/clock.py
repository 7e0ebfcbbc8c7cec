"""Time comes in through one object: the machine's clock, or one that a test drives."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable, Sized
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What a room may ask about time."""

    def monotonic_s(self) -> float:
        """Seconds on a clock that never jumps; for durations."""
        ...

    def utc(self) -> datetime:
        """The time of day, aware, in UTC; for records."""
        ...

    async def sleep(self, duration_s: float) -> None:
        """Return after `duration_s`; at once, but after other tasks, when it is <= 0."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    def utc(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, duration_s: float) -> None:
        await asyncio.sleep(max(0.0, duration_s))


# A task that never waits for time or I/O would otherwise hold the clock for ever.
_TURNS_MAX = 100_000


class DrivenClock:
    """A clock that stands still until `advance` moves it.

    `settle` is awaited before the first and after every step: it returns once everything that
    does not wait for time has run its course (disk, sockets), so that such work takes no time at
    all on this clock.
    """

    def __init__(
        self,
        start_utc: datetime = datetime(2026, 1, 5, 9, 0, tzinfo=UTC),
        settle: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._start_utc = start_utc
        self._now_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self.settle: Callable[[], Awaitable[None]] = settle or self.run_ready

    def monotonic_s(self) -> float:
        return self._now_s

    def utc(self) -> datetime:
        return self._start_utc + timedelta(seconds=self._now_s)

    async def sleep(self, duration_s: float) -> None:
        if duration_s <= 0:
            await asyncio.sleep(0)
            return
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = (self._now_s + duration_s, next(self._order), wake)
        heapq.heappush(self._sleepers, sleeper)
        try:
            await wake
        except asyncio.CancelledError:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)
            raise

    @staticmethod
    async def run_ready() -> None:
        """Return once no task is ready to run; enough where nothing leaves the event loop.

        Raises RuntimeError when tasks keep each other busy without end.
        """
        # The loop has no public way to ask; without it a long chain of tasks would be cut short.
        ready: Sized = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        for _ in range(_TURNS_MAX):
            await asyncio.sleep(0)
            if not ready:
                return
        raise RuntimeError("the tasks never come to rest")

    async def advance(self, duration_s: float) -> None:
        """Move the clock by `duration_s`, waking every sleeper in its order, at its moment.

        Raises ValueError when it is negative.
        """
        if duration_s < 0:
            raise ValueError("time does not go back")
        end_s = self._now_s + duration_s
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            self._now_s, _, wake = heapq.heappop(self._sleepers)
            if not wake.done():
                wake.set_result(None)
                await self.settle()
        self._now_s = end_s
        await self.settle()
