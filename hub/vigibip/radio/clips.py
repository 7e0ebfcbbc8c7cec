"""The spoken clips on disk: rendered before they are needed, never while an alert waits.

One WAV file a clip, named by its key, with a fingerprint of words, voice and rate in a chunk of
its own: a clip is rendered again only when one of these changes. Keys hold a box's id, never a
name or an address.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from vigibip.radio.contract import SHOP_CLIP_PATTERN
from vigibip.radio.errors import ClipError, SynthesisError
from vigibip.radio.speech import PHRASES, shop_sentence
from vigibip.radio.synthesis import MAX_PCM_BYTES, render, voice_version
from vigibip.radio.tones import wav_bytes

_log = logging.getLogger(__name__)

_SHOP_PREFIX = "shop-"
_COMMON_PREFIX = "common-"
_FINGERPRINT_CHUNK = b"vbfp"
_FINGERPRINT_BYTES = 16
_MAX_FILE_BYTES = MAX_PCM_BYTES + 1024
_CHUNK_HEADER = struct.Struct("<4sI")
_CHUNK_BYTES = _CHUNK_HEADER.size + 2 * _FINGERPRINT_BYTES
_WAV_HEADER_BYTES = 44

Renderer = Callable[[Sequence[str], int], AsyncIterator[bytes]]
"""Sentences and a sample rate in, each sentence's PCM out; raises SynthesisError."""


def shop_clip_key(box_id: str) -> str:
    """The key of the clip of the shop where this box stands. Raises ClipError."""
    return _checked(_SHOP_PREFIX + box_id)


def _checked(key: str) -> str:
    if not SHOP_CLIP_PATTERN.fullmatch(key):
        raise ClipError("a clip's key is made of a-z, 0-9 and -, 64 at most")
    return key


class ClipStore:
    """The clips in one directory, all at one sample rate. Several processes may share it."""

    def __init__(
        self,
        directory: Path,
        sample_rate_hz: int = 8000,
        *,
        renderer: Renderer = render,
    ) -> None:
        self._directory = directory
        self.sample_rate_hz = sample_rate_hz
        self._renderer = renderer
        self._common: dict[str, bytes] = {}

    async def load(self) -> int:
        """Read the common clips into memory; return how many are missing or stale."""
        self._common = await asyncio.to_thread(self._read_common)
        return len(PHRASES) - len(self._common)

    def common(self, key: str) -> bytes | None:
        """A common clip's PCM from memory, or None."""
        return self._common.get(key)

    async def shop(self, key: str) -> bytes:
        """A shop's PCM from disk. Raises ClipError if there is none that can be played."""
        return await asyncio.to_thread(self._read_pcm, self._path(key))

    async def prepare_common(self) -> int:
        """Render what is missing or stale of numbers and phrases; return how many were.

        Raises SynthesisError or OSError; what was rendered until then stays.
        """
        jobs = {_COMMON_PREFIX + key: text for key, text in PHRASES.items()}
        count = await self._prepare(jobs)
        await self.load()
        return count

    async def prepare_shop(self, key: str, *, spoken_name: str, address: str) -> bool:
        """Render a shop's clip if its words or the voice changed; tell whether they had.

        Raises ValueError if the words cannot be spoken, SynthesisError, ClipError or OSError.
        """
        return await self._prepare({_checked(key): shop_sentence(spoken_name, address)}) == 1

    def forget(self, key: str) -> None:
        """Delete a shop's clip: its name and address are in it. Harmless if there is none."""
        self._path(key).unlink(missing_ok=True)

    async def _prepare(self, jobs: Mapping[str, str]) -> int:
        stale = await asyncio.to_thread(self._stale, jobs)
        if not stale:
            return 0
        rendered = 0
        async for pcm in self._renderer([jobs[key] for key in stale], self.sample_rate_hz):
            key = stale[rendered]
            fingerprint = self._fingerprint(jobs[key])
            await asyncio.to_thread(self._write, self._path(key), pcm, fingerprint)
            rendered += 1
        if rendered != len(stale):
            raise SynthesisError("the voice left sentences out")
        _log.info("rendered %d clips", rendered)
        return rendered

    def _stale(self, jobs: Mapping[str, str]) -> list[str]:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        stale = []
        for key, text in jobs.items():
            try:
                fresh = self._read(self._path(key))[1] == self._fingerprint(text)
            except ClipError:
                fresh = False
            if not fresh:
                stale.append(key)
        return stale

    def _fingerprint(self, text: str) -> bytes:
        words = f"{voice_version()}\n{self.sample_rate_hz}\n{text}"
        return hashlib.sha256(words.encode()).digest()[:_FINGERPRINT_BYTES]

    def _path(self, key: str) -> Path:
        return self._directory / f"{_checked(key)}.wav"

    def _read_common(self) -> dict[str, bytes]:
        clips = {}
        for key, text in PHRASES.items():
            try:
                pcm, fingerprint = self._read(self._path(_COMMON_PREFIX + key))
            except ClipError:
                continue
            # A number spoken wrongly would send officers to the wrong shop: only today's words.
            if fingerprint == self._fingerprint(text):
                clips[key] = pcm
        return clips

    def _read_pcm(self, path: Path) -> bytes:
        return self._read(path)[0]

    def _read(self, path: Path) -> tuple[bytes, bytes]:
        """The PCM and the fingerprint of one file. Raises ClipError."""
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_FILE_BYTES)
        except OSError as error:
            raise ClipError(f"no clip {path.name}: {error.strerror}") from error
        return parse_clip(data, self.sample_rate_hz)

    def _write(self, path: Path, pcm: bytes, fingerprint: bytes) -> None:
        """Put a clip in place whole or not at all, across a power cut too."""
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".clip-", delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(_clip_file(pcm, self.sample_rate_hz, fingerprint))
                file.flush()
                os.fsync(file.fileno())
                temporary.replace(path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def parse_clip(data: bytes, sample_rate_hz: int) -> tuple[bytes, bytes]:
    """The PCM and the fingerprint in a clip's file. Raises ClipError if it is not whole.

    Whatever is not, byte for byte, as this room writes it is refused.
    """
    pcm = data[_WAV_HEADER_BYTES:-_CHUNK_BYTES]
    fingerprint = data[-2 * _FINGERPRINT_BYTES : -_FINGERPRINT_BYTES]
    odd = not pcm or len(pcm) % 2
    if odd or data != _clip_file(pcm, sample_rate_hz, fingerprint):
        raise ClipError("a clip's file is damaged, or not one of ours")
    return pcm, fingerprint


def _clip_file(pcm: bytes, sample_rate_hz: int, fingerprint: bytes) -> bytes:
    """A WAV file and a chunk of our own: the words' fingerprint, then the audio's digest.

    A number with a hole in it would send officers to another shop.
    """
    wav = wav_bytes(pcm, sample_rate_hz)
    marks = fingerprint + hashlib.sha256(pcm).digest()[:_FINGERPRINT_BYTES]
    chunk = _CHUNK_HEADER.pack(_FINGERPRINT_CHUNK, len(marks)) + marks
    size = len(wav) - _CHUNK_HEADER.size + len(chunk)
    return _CHUNK_HEADER.pack(b"RIFF", size) + wav[_CHUNK_HEADER.size :] + chunk
