"""One connection through a network: two sockets, and what is under way between them."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Protocol

# What one direction holds, in a delay or a silence, before its sender is made to wait: what
# 100 Mbit/s bring in 300 ms, so that a delay narrows nothing that a town sends.
_HELD_MAX_BYTES = 4 * 1024 * 1024
# SO_LINGER without time: closing sends a RST, as a network that lost the connection does.
_LINGER_NONE = struct.pack("ii", 1, 0)


class Medium(Protocol):
    """What a connection asks of the network that it goes through."""

    delay_ms: float

    @property
    def silent(self) -> bool: ...

    def moved(self, upwards: bool, length_bytes: int) -> None:
        """So much was delivered."""
        ...

    def forget(self, pair: Pair) -> None:
        """Both sides of `pair` are gone."""
        ...


class Side(asyncio.Protocol):
    """One socket. The near one, when accepted, calls `accepted` to get into its pair."""

    def __init__(self, accepted: Callable[[Side], None] | None = None) -> None:
        self._accepted = accepted
        self._transport: asyncio.Transport | None = None
        self.pair: Pair | None = None
        self.writable = False
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a relay wants a stream")
        self._transport = transport
        self.writable = True
        if self._accepted is not None:
            self._accepted(self)
        if self.pair is not None:
            self.pair.drain()

    def data_received(self, data: bytes) -> None:
        if self.pair is not None:
            self.pair.way_from(self).put(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # however it ended, the other end hears of it in its turn
        self.gone = True
        self.writable = False
        if self.pair is not None:
            self.pair.lost(self)

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        if self.pair is not None:
            self.pair.drain()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def hold_reading(self, hold: bool) -> None:
        if self._transport is not None:
            if hold:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def close(self) -> None:
        """Close once what was written has gone."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Close at once, with a RST."""
        if self._transport is None:
            self.gone = True
            return
        opened = self._transport.get_extra_info("socket")
        if not self.gone and opened is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        self._transport.abort()


class Direction:
    """What goes one way, each piece due at its time and never before the one ahead of it."""

    def __init__(self, medium: Medium, source: Side, destination: Side, *, upwards: bool) -> None:
        self._medium = medium
        self._source = source
        self._destination = destination
        self._upwards = upwards
        self._held: deque[tuple[float, bytes | None]] = deque()
        self._held_bytes = 0
        self._last_due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def put(self, data: bytes | None) -> None:
        """Take `data` to be delivered; None is the end of the connection."""
        now_s = asyncio.get_running_loop().time()
        self._last_due_s = max(self._last_due_s, now_s + self._medium.delay_ms / 1000)
        self._held.append((self._last_due_s, data))
        self._held_bytes += len(data or b"")
        if self._held_bytes > _HELD_MAX_BYTES:
            self._source.hold_reading(True)
        self.drain()

    def drain(self) -> None:
        """Deliver what is due, as far as the network and the destination take it."""
        loop = asyncio.get_running_loop()
        while self._held and self._destination.writable and not self._medium.silent:
            due_s, data = self._held[0]
            if due_s > loop.time():
                if self._timer is None:
                    self._timer = loop.call_at(due_s, self._on_timer)
                return
            self._held.popleft()
            if data is None:
                self._destination.close()
            else:
                self._deliver(data)

    def _on_timer(self) -> None:
        self._timer = None
        self.drain()

    def _deliver(self, data: bytes) -> None:
        self._destination.write(data)
        self._medium.moved(self._upwards, len(data))
        was_full = self._held_bytes > _HELD_MAX_BYTES // 2
        self._held_bytes -= len(data)
        if was_full and self._held_bytes <= _HELD_MAX_BYTES // 2:
            self._source.hold_reading(False)


class Pair:
    """The two sides of one connection. `dialled` is set once the far one is being opened."""

    def __init__(self, medium: Medium, near: Side) -> None:
        self._medium = medium
        self.near = near
        self.far = Side()
        self.near.pair = self.far.pair = self
        self.dialled = False
        self._up = Direction(medium, near, self.far, upwards=True)
        self._down = Direction(medium, self.far, near, upwards=False)

    def way_from(self, side: Side) -> Direction:
        """Return the direction in which `side` sends."""
        return self._up if side is self.near else self._down

    def drain(self) -> None:
        """Deliver what can be delivered, both ways."""
        self._up.drain()
        self._down.drain()

    def lost(self, side: Side) -> None:
        """`side` is gone: the other is closed when that news has travelled."""
        if self.near.gone and (self.far.gone or not self.dialled):
            self._medium.forget(self)
        else:
            self.way_from(side).put(None)

    def reset(self) -> None:
        """Tear both down at once."""
        self.near.reset()
        self.far.reset()
