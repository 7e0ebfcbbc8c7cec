"""The link to a simulated channel: its framing, and the post's end of it.

A frame is `[type u8][length u16, little-endian][payload]`. Post to channel: PTT on (the payload
numbers the transmission, u32), PTT off, PCM. Channel to post: PCM from off the air, and "cut
short" (with the number), by which the channel ends a transmission.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
from collections import deque
from enum import IntEnum
from pathlib import Path

from vigibip.base.clock import Clock
from vigibip.radio.contract import Health, RadioState
from vigibip.radio.errors import AudioError, CutShortError

_log = logging.getLogger(__name__)

MAX_PAYLOAD_BYTES = 8192
"""A quarter of a second at the highest rate; more in one frame is not ours."""
BLOCK_S = 0.02
_HEADER = struct.Struct("<BH")
_NUMBER = struct.Struct("<I")
_AHEAD_S = 0.1
"""How far audio may run ahead of the ear: what a cut, or an end, comes late at worst."""
_QUEUED_BLOCKS = 256
_UNSENT_BYTES = 65536
"""A channel that leaves this much unread hangs: two seconds of audio and more."""
_RETRY_FIRST_S = 0.1
_RETRY_LAST_S = 5.0


class FrameType(IntEnum):
    """The first byte of a frame."""

    PTT_ON = 1
    PTT_OFF = 2
    PCM = 3
    CUT_SHORT = 4


_KINDS = frozenset(int(kind) for kind in FrameType)


def frame(kind: FrameType, payload: bytes = b"") -> bytes:
    """One frame. Raises ValueError if the payload is too long."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError("payload too long")
    return _HEADER.pack(kind, len(payload)) + payload


def numbered(number: int) -> bytes:
    """A transmission's number as a payload."""
    return _NUMBER.pack(number & 0xFFFFFFFF)


def number_in(payload: bytes) -> int:
    """The number that a payload holds. Raises AudioError."""
    if len(payload) != _NUMBER.size:
        raise AudioError("a transmission's number is four bytes")
    return int(_NUMBER.unpack(payload)[0])


class FrameReader:
    """Feed bytes, take frames. Raises AudioError on what is not a frame of ours: the link then

    has to be made anew, for a stream without marks cannot be found again.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[FrameType, bytes]]:
        """Return the frames that `data` completes."""
        self._buffer += data
        frames = []
        start = 0
        while len(self._buffer) - start >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._buffer, start)
            if kind not in _KINDS or length > MAX_PAYLOAD_BYTES:
                raise AudioError("not a frame of the channel's link")
            end = start + _HEADER.size + length
            if end > len(self._buffer):
                break
            frames.append((FrameType(kind), bytes(self._buffer[start + _HEADER.size : end])))
            start = end
        del self._buffer[:start]
        return frames


class PacedPort:
    """Both ways to a simulated channel, paced by the clock; `_send` carries the frames."""

    def __init__(self, clock: Clock, sample_rate_hz: int) -> None:
        self._clock = clock
        self._bytes_per_s = 2 * sample_rate_hz
        self._block_bytes = round(BLOCK_S * sample_rate_hz) * 2
        self._number = 0
        self._cut = False
        self._heard_until_s = 0.0
        self._received: deque[bytes] = deque(maxlen=_QUEUED_BLOCKS)
        self._arrived = asyncio.Event()
        self.health = Health(RadioState.UNKNOWN)

    def _send(self, kind: FrameType, payload: bytes = b"") -> None:
        raise NotImplementedError

    def key(self, on: bool) -> None:
        if on:
            self._number += 1
            self._cut = False
            self._heard_until_s = 0.0
            self._send(FrameType.PTT_ON, numbered(self._number))
            return
        with contextlib.suppress(AudioError):
            self._send(FrameType.PTT_OFF)

    async def begin(self) -> None:
        """Nothing to make ready."""

    async def write(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), self._block_bytes):
            block = pcm[start : start + self._block_bytes]
            self._check()
            self._send(FrameType.PCM, block)
            now_s = self._clock.monotonic_s()
            self._heard_until_s = max(self._heard_until_s, now_s) + len(block) / self._bytes_per_s
            await self._wait_until(self._heard_until_s - _AHEAD_S)

    async def finish(self) -> None:
        self._check()
        while self._heard_until_s > (now_s := self._clock.monotonic_s()):
            await self._wait_until(min(self._heard_until_s, now_s + BLOCK_S))
            self._check()

    async def _wait_until(self, moment_s: float) -> None:
        wait_s = moment_s - self._clock.monotonic_s()
        if wait_s > 0:
            await self._clock.sleep(wait_s)

    def _check(self) -> None:
        if self._cut:
            raise CutShortError("the channel ended the transmission")

    async def read(self) -> bytes:
        while not self._received:
            self._arrived.clear()
            await self._arrived.wait()
        return self._received.popleft()

    def take(self, kind: FrameType, payload: bytes) -> None:
        """What the channel says. Raises AudioError if that makes no sense."""
        if kind is FrameType.PCM:
            self._received.append(payload)
            self._arrived.set()
        elif kind is FrameType.CUT_SHORT:
            # A cut that comes too late is the last transmission's, not this one's.
            if number_in(payload) == self._number:
                self._cut = True
        else:
            raise AudioError(f"a channel does not say {kind.name}")


class UnixLink(PacedPort):
    """The post's end of a UNIX stream socket; made anew for ever when it breaks."""

    def __init__(self, path: Path, clock: Clock, sample_rate_hz: int) -> None:
        super().__init__(clock, sample_rate_hz)
        self._path = path
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()

    async def start(self) -> None:
        """Return after the first attempt, whatever came of it."""
        self._task = asyncio.create_task(self._serve())
        await self._tried.wait()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    def _send(self, kind: FrameType, payload: bytes = b"") -> None:
        writer = self._writer
        if writer is None:
            raise AudioError(f"the channel is not there: {self.health.reason}")
        writer.write(frame(kind, payload))
        if writer.transport.get_write_buffer_size() > _UNSENT_BYTES:
            writer.transport.abort()
            raise AudioError("the channel takes nothing any more")

    async def _serve(self) -> None:
        retry_s = _RETRY_FIRST_S
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path))
            except OSError as error:
                self.health = Health(RadioState.ABSENT, error.strerror or str(error))
            else:
                retry_s = _RETRY_FIRST_S
                self._writer = writer
                self.health = Health(RadioState.READY)
                self._tried.set()
                try:
                    self.health = await self._read(reader)
                finally:
                    self._writer = None
                    # A transmission under way has lost its channel.
                    self._cut = False
                    writer.close()
                _log.warning("radio channel lost: %s", self.health.reason)
            self._tried.set()
            await self._clock.sleep(retry_s)
            retry_s = min(2 * retry_s, _RETRY_LAST_S)

    async def _read(self, reader: asyncio.StreamReader) -> Health:
        frames = FrameReader()
        try:
            while data := await reader.read(MAX_PAYLOAD_BYTES):
                for kind, payload in frames.feed(data):
                    self.take(kind, payload)
        except AudioError as error:
            return Health(RadioState.FAULTY, str(error))
        except OSError as error:
            return Health(RadioState.ABSENT, error.strerror or str(error))
        return Health(RadioState.ABSENT, "the channel closed the link")
