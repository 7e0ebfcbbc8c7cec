"""The French voice, in a process of its own.

Pico holds the interpreter's lock for as long as it speaks: in the post's process it would stand
in an alert's way. `python -m vigibip.radio.synthesis` reads one JSON line a sentence on stdin
({"text", "sample_rate_hz"}) and answers each on stdout: a length (u32, little-endian), then s16le
mono PCM shaped for the radio; length 0 means that it could not be spoken. Sentences travel by
pipe, never as arguments, which every user of the machine can read.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import sys
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import version
from pathlib import Path

from vigibip.radio.errors import SynthesisError
from vigibip.radio.shaping import for_radio

VOICE = "fr-FR"
VOICE_RATE_HZ = 16000
MAX_PCM_BYTES = 2 * 16000 * 60
"""A minute at the highest rate: no sentence of ours comes near."""
_SHAPING_VERSION = 1
"""Raised when shaping.py changes what it makes, so that clips are rendered again."""
_NICENESS = 10
_SENTENCE_TIMEOUT_S = 30.0
"""Some hundred times what the slowest Raspberry Pi needs for the longest sentence."""
_LENGTH = struct.Struct("<I")


def voice_version() -> str:
    """Changes whenever the same words would be rendered differently."""
    return f"py-nanotts {version('py-nanotts')} {VOICE} {_SHAPING_VERSION}"


async def render(sentences: Sequence[str], sample_rate_hz: int) -> AsyncIterator[bytes]:
    """Yield each sentence's PCM, in order. Raises SynthesisError.

    The subprocess ends with the iteration, however that ends.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __spec__.name,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": _package_path()},
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise SynthesisError("the voice has no pipes")
        for sentence in sentences:
            line = json.dumps({"text": sentence, "sample_rate_hz": sample_rate_hz})
            try:
                process.stdin.write(line.encode() + b"\n")
                async with asyncio.timeout(_SENTENCE_TIMEOUT_S):
                    await process.stdin.drain()
                    header = await process.stdout.readexactly(_LENGTH.size)
                    (size,) = _LENGTH.unpack(header)
                    if not 0 < size <= MAX_PCM_BYTES:
                        raise SynthesisError("a sentence could not be spoken")
                    pcm = await process.stdout.readexactly(size)
            except TimeoutError as error:
                raise SynthesisError("the voice hangs") from error
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise SynthesisError("the voice's process ended early") from error
            yield pcm
    finally:
        if process.returncode is None:
            process.kill()
        # Reads its pipes out: asyncio waits for their end, which a full pipe would hide.
        await process.communicate()


def _package_path() -> str:
    """PYTHONPATH that lets the subprocess find this very package, installed or not."""
    here = str(Path(__file__).resolve().parents[2])
    inherited = os.environ.get("PYTHONPATH")
    return f"{here}{os.pathsep}{inherited}" if inherited else here


def main() -> None:
    """Serve sentences until stdin ends."""
    import py_nanotts

    os.nice(_NICENESS)
    voice = py_nanotts.NanoTTS()
    out = sys.stdout.buffer
    for line in sys.stdin:
        job = json.loads(line)
        try:
            spoken = voice.speak(job["text"], voice=VOICE)
            pcm = for_radio(spoken, VOICE_RATE_HZ, job["sample_rate_hz"])
        except (RuntimeError, ValueError):
            pcm = b""
        out.write(_LENGTH.pack(len(pcm)) + pcm)
        out.flush()


if __name__ == "__main__":
    main()
