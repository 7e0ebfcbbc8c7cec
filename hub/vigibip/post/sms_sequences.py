"""The sequences of the SMS that go to boxes: each given once, whatever happens to this process."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from vigibip.base.clock import Clock
from vigibip.post.patience import in_time
from vigibip.post.store.second_path import SecondPathStore

_BLOCK = 32
_FROM = datetime(2026, 1, 1, tzinfo=UTC)
# A clock that shows more (the year 2094) would leave too few.
_FLOOR_MAX = 2**31


class Sequences:
    """For every box its own, reserved in blocks on the disk before the first of them is used."""

    def __init__(self, store: SecondPathStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._left: dict[str, range] = {}
        self._reserving: dict[str, asyncio.Task[None]] = {}

    async def take(self, box_id: str) -> int:
        """Return a sequence that no SMS to this box ever had.

        Raises StorageError, also when the disk does not answer in time; what it was asked for is
        there when it does.
        """
        while not self._left.get(box_id):
            reserving = self._reserving.get(box_id)
            if reserving is None:
                reserving = asyncio.ensure_future(self._reserve(box_id))
                self._reserving[box_id] = reserving
            await in_time(reserving, self._clock)
        left = self._left[box_id]
        self._left[box_id] = left[1:]
        return left[0]

    async def _reserve(self, box_id: str) -> None:
        # No box is sent an SMS a second: the clock is ahead of whatever a lost store gave.
        seconds = int((self._clock.utc() - _FROM).total_seconds())
        floor = seconds if 0 < seconds < _FLOOR_MAX else 1
        try:
            first = await self._store.reserve_sequences(box_id, _BLOCK, floor)
            self._left[box_id] = range(first, first + _BLOCK)
        finally:
            # Here, not in a callback: whoever asks in between would wait for what is over.
            del self._reserving[box_id]
