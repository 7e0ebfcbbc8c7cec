"""Where audio goes to and comes from: the ports' contract, the WAV directory, the sound card."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Protocol

from vigibip.base.clock import Clock
from vigibip.radio.contract import Health, RadioState
from vigibip.radio.errors import AudioError
from vigibip.radio.tones import wav_bytes

_log = logging.getLogger(__name__)

_READ_S = 0.04
_RETRY_FIRST_S = 1.0
_RETRY_LAST_S = 30.0
_TOLD_CHARS = 200
_LAST_WORDS_S = 1.0
"""For a program that closed its pipe to say why and end."""
_SILENT_S = 5.0
"""A recorder that gives nothing for so long hangs: even silence comes as samples."""


class AudioSink(Protocol):
    """A way out to the air. Between `key(True)` and `key(False)` lies one transmission."""

    @property
    def health(self) -> Health: ...

    async def start(self) -> None:
        """Begin to serve; what is absent is tried again in the background."""
        ...

    def key(self, on: bool) -> None:
        """Learn, at that instant, that the PTT is asserted or released; what was not heard yet

        at the release is dropped. Never waits. `key(True)` raises AudioError if nothing is there;
        `key(False)` never raises.
        """
        ...

    async def begin(self) -> None:
        """Make ready for the transmission's audio. Raises AudioError."""
        ...

    async def write(self, pcm: bytes) -> None:
        """Take more audio, waiting so as not to run far ahead of the ear.

        Raises AudioError, or CutShortError if the channel ended the transmission.
        """
        ...

    async def finish(self) -> None:
        """Return once all that was written has been heard. Raises as `write` does."""
        ...

    async def close(self) -> None: ...


class AudioSource(Protocol):
    """A way in from the air."""

    @property
    def health(self) -> Health: ...

    async def start(self) -> None: ...

    async def read(self) -> bytes:
        """Wait for audio, as long as it takes: an absent source is tried again inside."""
        ...

    async def close(self) -> None: ...


class WavSink:
    """Each transmission becomes one WAV file. A file has no pace: it takes no time."""

    def __init__(self, directory: Path, sample_rate_hz: int) -> None:
        self._directory = directory
        self._rate_hz = sample_rate_hz
        self._pcm = bytearray()
        self._count = 0
        self.health = Health(RadioState.UNKNOWN)

    async def start(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.health = Health(RadioState.FAULTY, error.strerror)
        else:
            self.health = Health(RadioState.READY)

    def key(self, on: bool) -> None:  # noqa: ARG002 - a file has no PTT
        self._pcm.clear()

    async def begin(self) -> None:
        """Nothing to make ready."""

    async def write(self, pcm: bytes) -> None:
        self._pcm += pcm

    async def finish(self) -> None:
        data = wav_bytes(bytes(self._pcm), self._rate_hz)
        try:
            await asyncio.to_thread(self._save, data)
        except OSError as error:
            self.health = Health(RadioState.FAULTY, error.strerror)
            raise AudioError(f"cannot write the transmission: {error.strerror}") from error
        self.health = Health(RadioState.READY)

    def _save(self, data: bytes) -> None:
        path = self._next_path()
        temporary = path.with_suffix(".part")
        temporary.write_bytes(data)
        temporary.replace(path)

    def _next_path(self) -> Path:
        while True:
            self._count += 1
            path = self._directory / f"transmission-{self._count:06}.wav"
            if not path.exists():
                return path

    async def close(self) -> None:
        """Nothing is held."""


class AlsaSink:
    """The sound card, through one `aplay` a transmission: its end is the audio's end."""

    def __init__(self, device: str, sample_rate_hz: int, program: str = "aplay") -> None:
        self._command = (program, *_alsa_arguments(device, sample_rate_hz))
        self._process: asyncio.subprocess.Process | None = None
        self.health = Health(RadioState.UNKNOWN)

    async def start(self) -> None:
        """Nothing runs between transmissions."""

    def key(self, on: bool) -> None:  # noqa: ARG002 - whatever still plays is stale either way
        _kill(self._process)

    async def begin(self) -> None:
        await self.close()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            self.health = Health(RadioState.ABSENT, f"{self._command[0]}: {error.strerror}")
            raise AudioError(f"{self._command[0]}: {error.strerror}") from error

    async def write(self, pcm: bytes) -> None:
        process = self._running()
        if process.stdin is None:
            raise AudioError("aplay has no pipe")
        try:
            process.stdin.write(pcm)
            await process.stdin.drain()
        except ConnectionError as error:
            raise await self._failed(process) from error

    async def finish(self) -> None:
        process = self._running()
        if process.stdin is not None:
            process.stdin.close()
        if await process.wait() != 0:
            raise await self._failed(process)
        self._process = None
        self.health = Health(RadioState.READY)

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise AudioError("audio outside a transmission")
        return self._process

    async def _failed(self, process: asyncio.subprocess.Process) -> AudioError:
        self.health = Health(RadioState.FAULTY, await _last_words(process))
        self._process = None
        return AudioError(self.health.reason)

    async def close(self) -> None:
        process, self._process = self._process, None
        await _end(process)


class AlsaSource:
    """The sound card's input, through one `arecord` that is started again when it ends."""

    def __init__(
        self, device: str, sample_rate_hz: int, clock: Clock, program: str = "arecord"
    ) -> None:
        self._command = (program, *_alsa_arguments(device, sample_rate_hz))
        self._block_bytes = 2 * round(_READ_S * sample_rate_hz)
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._retry_s = _RETRY_FIRST_S
        self.health = Health(RadioState.UNKNOWN)

    async def start(self) -> None:
        """The first `read` starts the recording."""

    async def read(self) -> bytes:
        while True:
            try:
                pcm = await self._read_once()
            except AudioError as error:
                _log.warning("deaf: %s", error)
                await self._clock.sleep(self._retry_s)
                self._retry_s = min(2 * self._retry_s, _RETRY_LAST_S)
                continue
            self._retry_s = _RETRY_FIRST_S
            self.health = Health(RadioState.READY)
            return pcm

    async def _read_once(self) -> bytes:
        if self._process is None:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    # Its overruns go to our own log: a pipe that nobody reads would stop it.
                    stderr=None,
                )
            except OSError as error:
                self.health = Health(RadioState.ABSENT, f"{self._command[0]}: {error.strerror}")
                raise AudioError(self.health.reason) from error
        process = self._process
        if process.stdout is None:
            raise AudioError("arecord has no pipe")
        cause: Exception
        try:
            async with asyncio.timeout(_SILENT_S):
                return await process.stdout.readexactly(self._block_bytes)
        except asyncio.IncompleteReadError as error:
            reason, cause = "the recorder ended", error
        except TimeoutError as error:
            reason, cause = "the recorder hangs", error
        await self.close()
        self.health = Health(RadioState.FAULTY, reason)
        raise AudioError(reason) from cause

    async def close(self) -> None:
        process, self._process = self._process, None
        await _end(process)


def _alsa_arguments(device: str, sample_rate_hz: int) -> tuple[str, ...]:
    form = ("-q", "-t", "raw", "-f", "S16_LE", "-c", "1")
    return (*form, "-r", str(sample_rate_hz), "-D", device)


def _kill(process: asyncio.subprocess.Process | None) -> None:
    if process is not None and process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


async def _end(process: asyncio.subprocess.Process | None) -> None:
    _kill(process)
    if process is not None:
        # Its pipes are read out: asyncio waits for their end, which a full pipe would hide.
        await process.communicate()


async def _last_words(process: asyncio.subprocess.Process) -> str:
    """What a program said as it ended, in printable characters, one line."""
    try:
        async with asyncio.timeout(_LAST_WORDS_S):
            _, said = await process.communicate()
    except TimeoutError:
        await _end(process)
        said = b""
    text = "".join(c if c.isprintable() else " " for c in said.decode("utf-8", "replace"))
    return f"{text[:_TOLD_CHARS].strip() or 'the audio program ended'} ({process.returncode})"
