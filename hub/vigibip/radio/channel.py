"""A simulated analog channel: it records what the post transmits and lets an officer key back.

The other end of link.py's framing: over a UNIX socket, or within one process where time is
driven. For the demo, the tests and the benches; no radio is near.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
from array import array
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vigibip.base.clock import Clock
from vigibip.radio.contract import Health, RadioState
from vigibip.radio.errors import AudioError
from vigibip.radio.link import (
    BLOCK_S,
    MAX_PAYLOAD_BYTES,
    FrameReader,
    FrameType,
    PacedPort,
    frame,
    number_in,
    numbered,
)
from vigibip.radio.tones import FULL_SCALE, dtmf, silence, wav_bytes

_log = logging.getLogger(__name__)

_MAX_TRANSMISSION_S = 200
"""Beyond what settings allow a post; longer audio is not recorded."""
_KEPT_TRANSMISSIONS = 1000
_CARRIER_S = 0.2
"""An officer presses his own PTT this long before his first key and after his last."""


@dataclass(frozen=True, slots=True)
class Transmission:
    """One transmission of the post, numbered from 1. `first_audio_s` None: a silent carrier."""

    number: int
    ptt_on_s: float
    first_audio_s: float | None
    ptt_off_s: float
    cut_short: bool
    wav: Path | None


class Station(Protocol):
    """Whoever is on the channel, as the channel reaches it."""

    def hear(self, kind: FrameType, payload: bytes) -> None: ...


@dataclass(slots=True)
class _OnAir:
    station: Station
    mark: int
    ptt_on_s: float
    pcm: bytearray
    first_audio_s: float | None = None
    cut_short: bool = False


class SimulatedChannel:
    """One half-duplex channel with one post on it and any number of officers.

    `noise_dbfs` is the mean power of white noise under all that officers send. `cut_short` ends
    each transmission once its PTT and its first audio are stamped. `record_dir` None records
    nothing.
    """

    def __init__(
        self,
        clock: Clock,
        record_dir: Path | None = None,
        sample_rate_hz: int = 8000,
        *,
        noise_dbfs: float | None = None,
        cut_short: bool = False,
        seed: int = 0,
    ) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._clock = clock
        self._record_dir = record_dir
        self._noise_dbfs = noise_dbfs
        self._cut_short = cut_short
        self._random = random.Random(seed)
        self._max_bytes = 2 * sample_rate_hz * _MAX_TRANSMISSION_S
        self._station: Station | None = None
        self._on_air: _OnAir | None = None
        self._count = 0
        self._saving: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self.transmissions: deque[Transmission] = deque(maxlen=_KEPT_TRANSMISSIONS)

    @property
    def on_air(self) -> bool:
        """Whether the post transmits now."""
        return self._on_air is not None

    @property
    def busy(self) -> bool:
        """Whether a recording is being written: what ends without the clock's time passing."""
        return bool(self._saving)

    def port(self) -> ChannelPort:
        """A post's audio port on this channel, within this process."""
        return ChannelPort(self, self._clock)

    def join(self, station: Station) -> None:
        """Put a post on the channel, in the place of the one before."""
        if self._station is not None:
            self.leave(self._station)
        self._station = station

    def leave(self, station: Station) -> None:
        """Take a post off the channel; its transmission ends."""
        if self._on_air is not None and self._on_air.station is station:
            self._end()
        if self._station is station:
            self._station = None

    def say(self, station: Station, kind: FrameType, payload: bytes) -> None:
        """What a post sends. Raises AudioError if that makes no sense."""
        if kind is FrameType.PTT_ON:
            mark = number_in(payload)
            if self._on_air is not None:
                self._end()
            self._on_air = _OnAir(station, mark, self._clock.monotonic_s(), bytearray())
            self._notify()
        elif kind is FrameType.PTT_OFF:
            if self._on_air is not None:
                self._end()
        elif kind is FrameType.PCM:
            self._take_audio(payload)
        else:
            raise AudioError(f"a post does not say {kind.name}")

    def _take_audio(self, pcm: bytes) -> None:
        on_air = self._on_air
        if on_air is None:
            return  # Audio without PTT reaches nobody.
        if on_air.first_audio_s is None:
            on_air.first_audio_s = self._clock.monotonic_s()
            if self._cut_short:
                on_air.cut_short = True
                on_air.station.hear(FrameType.CUT_SHORT, numbered(on_air.mark))
        if len(on_air.pcm) + len(pcm) <= self._max_bytes:
            on_air.pcm += pcm

    def _end(self) -> None:
        on_air, self._on_air = self._on_air, None
        if on_air is None:
            return
        self._count += 1
        wav = None
        if self._record_dir is not None:
            wav = self._record_dir / f"transmission-{self._count:04}.wav"
        done = Transmission(
            self._count,
            on_air.ptt_on_s,
            on_air.first_audio_s,
            self._clock.monotonic_s(),
            on_air.cut_short,
            wav,
        )
        if wav is None:
            self._finished(done)
            return
        # Lead-in and pauses are part of what was heard: silence from PTT to the first audio.
        audio_s = done.ptt_off_s if done.first_audio_s is None else done.first_audio_s
        lead_s = audio_s - done.ptt_on_s
        pcm = silence(1000 * lead_s, self.sample_rate_hz) + bytes(on_air.pcm)
        task = asyncio.create_task(self._save(wav, pcm, done))
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    async def _save(self, wav: Path, pcm: bytes, done: Transmission) -> None:
        await asyncio.to_thread(self._write, wav, wav_bytes(pcm, self.sample_rate_hz))
        self._finished(done)

    @staticmethod
    def _write(wav: Path, data: bytes) -> None:
        wav.parent.mkdir(parents=True, exist_ok=True)
        wav.write_bytes(data)

    def _finished(self, done: Transmission) -> None:
        self.transmissions.append(done)
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_on_air(self) -> None:
        """Return once the post transmits."""
        while self._on_air is None:
            await self._changed.wait()

    async def wait_transmission(self, number: int) -> Transmission:
        """Return the `number`-th transmission, from 1, once it has ended and is recorded."""
        while True:
            for done in self.transmissions:
                if done.number == number:
                    return done
            await self._changed.wait()

    async def key_answer(
        self, number: int, code: str, *, tone_ms: float = 100, pause_ms: float = 100
    ) -> bool:
        """An officer keys number, `*`, code, `#`; see `key_digits`."""
        keys = f"{number:02}*{code}#"
        return await self.key_digits(keys, tone_ms=tone_ms, pause_ms=pause_ms)

    async def key_digits(
        self,
        keys: str,
        *,
        tone_ms: float = 100,
        pause_ms: float = 100,
        level_dbfs: float = -15.0,
    ) -> bool:
        """An officer keys `keys` as soon as the channel is free; see `play`."""
        return await self.play(
            dtmf(
                keys,
                self.sample_rate_hz,
                tone_ms=tone_ms,
                pause_ms=pause_ms,
                level_dbfs=level_dbfs,
            )
        )

    async def play(self, pcm: bytes) -> bool:
        """Send audio to the post as an officer's radio would, once the channel is free.

        Returns whether the post could hear it all: it hears nothing while it transmits.
        """
        while self._on_air is not None:
            await self._clock.sleep(BLOCK_S)
        carrier = silence(1000 * _CARRIER_S, self.sample_rate_hz)
        said_bytes = len(carrier) + len(pcm.rstrip(b"\0"))
        audio = self._with_noise(carrier + pcm + carrier)
        block = 2 * round(BLOCK_S * self.sample_rate_hz)
        next_s = self._clock.monotonic_s()
        heard = True
        for start in range(0, len(audio), block):
            heard &= self._reach(audio[start : start + block]) or start >= said_bytes
            next_s += BLOCK_S
            await self._clock.sleep(next_s - self._clock.monotonic_s())
        return heard

    def _reach(self, pcm: bytes) -> bool:
        if self._on_air is not None or self._station is None:
            return False
        self._station.hear(FrameType.PCM, pcm)
        return True

    def _with_noise(self, pcm: bytes) -> bytes:
        if self._noise_dbfs is None:
            return pcm
        deviation = FULL_SCALE / math.sqrt(2) * 10 ** (self._noise_dbfs / 20)
        samples = array("h")
        samples.frombytes(pcm)
        noisy = (round(sample + self._random.gauss(0, deviation)) for sample in samples)
        return array("h", [max(-FULL_SCALE, min(FULL_SCALE, value)) for value in noisy]).tobytes()

    async def close(self) -> None:
        """End what is on the air and wait until all is recorded."""
        self._end()
        if self._saving:
            await asyncio.wait(self._saving)


class ChannelPort(PacedPort):
    """A post's audio port within the channel's own process."""

    def __init__(self, channel: SimulatedChannel, clock: Clock) -> None:
        super().__init__(clock, channel.sample_rate_hz)
        self._channel = channel

    async def start(self) -> None:
        self._channel.join(self)
        self.health = Health(RadioState.READY)

    async def close(self) -> None:
        self._channel.leave(self)
        self.health = Health(RadioState.ABSENT, "left the channel")

    def hear(self, kind: FrameType, payload: bytes) -> None:
        """The channel's side."""
        self.take(kind, payload)

    def _send(self, kind: FrameType, payload: bytes = b"") -> None:
        if self.health.state is not RadioState.READY:
            raise AudioError("the channel is not there")
        self._channel.say(self, kind, payload)


class _SocketStation:
    """A post behind a socket."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def hear(self, kind: FrameType, payload: bytes) -> None:
        self._writer.write(frame(kind, payload))


class ChannelServer:
    """The channel's end of the UNIX socket."""

    def __init__(self, channel: SimulatedChannel, path: Path) -> None:
        self._channel = channel
        self._path = path
        self._server: asyncio.Server | None = None
        self._links: dict[asyncio.StreamWriter, asyncio.Event] = {}

    async def start(self) -> None:
        """Listen; a socket left over from an earlier run is replaced. Raises AudioError."""
        try:
            self._path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._accept, str(self._path))
        except OSError as error:
            raise AudioError(f"cannot listen on {self._path}: {error.strerror}") from error

    async def close(self) -> None:
        """Hang up, end what is on the air, wait until all is recorded."""
        if self._server is not None:
            self._server.close()
        for writer, ended in list(self._links.items()):
            writer.transport.abort()
            await ended.wait()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        await self._channel.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended = self._links[writer] = asyncio.Event()
        station = _SocketStation(writer)
        self._channel.join(station)
        frames = FrameReader()
        try:
            while data := await reader.read(MAX_PAYLOAD_BYTES):
                for kind, payload in frames.feed(data):
                    self._channel.say(station, kind, payload)
        except (AudioError, OSError) as error:
            _log.warning("a post's link ended: %s", error)
        finally:
            self._channel.leave(station)
            writer.close()
            del self._links[writer]
            ended.set()
