"""What a simulated modem says, as a line would bring it: in pieces, late, URCs in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from vigibip.base.clock import Clock
from vigibip.modem.simulated.settings import Noise

_HELD_AT_MOST_S = 2.0
# A computer that does not read for long loses what a modem's own buffer cannot hold.
_QUEUE_MAX_BYTES = 65_536


class Output:
    """Keeps the order of what is said; `on_output` gets every piece as one read would bring it."""

    def __init__(self, clock: Clock, chance: random.Random, noise: Noise) -> None:
        self.on_output: Callable[[bytes], None] = lambda _piece: None
        self.garbled = False
        """As with a wrong baud rate: as many bytes, and none of them right."""
        self._clock = clock
        self._chance = chance
        self._noise = noise
        self._held: list[bytes] = []
        self._queue: list[bytes] = []
        self._pump: asyncio.Task[None] | None = None
        self._flush: asyncio.Task[None] | None = None

    def say(self, data: bytes) -> None:
        """Say `data`, with the URCs that wait for it somewhere inside."""
        if self._held and len(data) > 1:
            at = self._chance.randrange(1, len(data))
            data = data[:at] + b"".join(self._held) + data[at:]
            self._held.clear()
        self._send(data)

    def urc(self, text: str) -> None:
        """Say a URC, now or inside what is said next."""
        data = f"\r\n{text}\r\n".encode("ascii", "replace")
        if self._chance.random() < self._noise.urc_inside:
            self._held.append(data)
            if self._flush is None or self._flush.done():
                self._flush = asyncio.get_running_loop().create_task(self._flush_held())
        else:
            self._send(data)

    def stop(self) -> None:
        """Forget what has not been said yet."""
        for task in (self._pump, self._flush):
            if task is not None:
                task.cancel()
        self._pump = self._flush = None
        self._held.clear()
        self._queue.clear()

    async def _flush_held(self) -> None:
        await self._clock.sleep(_HELD_AT_MOST_S)
        held = b"".join(self._held)
        self._held.clear()
        if held:
            self._send(held)

    def _send(self, data: bytes) -> None:
        if self.garbled:
            data = self._chance.randbytes(len(data))
        pieces = self._pieces(data)
        if self._noise.gap_s <= 0:
            for piece in pieces:
                self.on_output(piece)
            return
        for piece in pieces:
            if sum(map(len, self._queue)) + len(piece) <= _QUEUE_MAX_BYTES:
                self._queue.append(piece)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.get_running_loop().create_task(self._run())

    def _pieces(self, data: bytes) -> list[bytes]:
        if len(data) < 2 or self._chance.random() >= self._noise.split:
            return [data]
        count = self._chance.randint(1, min(4, len(data) - 1))
        cuts = sorted(self._chance.sample(range(1, len(data)), count))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    async def _run(self) -> None:
        while self._queue:
            self.on_output(self._queue.pop(0))
            await self._clock.sleep(self._chance.uniform(0, self._noise.gap_s))
