"""Signalling tones as PCM: 5-tone selective calls and DTMF. Pure functions, s16le mono.

DTMF after ITU-T Q.23; the 5-tone tables are held against multimon-ng.
Levels are dBFS of one sine's peak against full scale.
"""

from __future__ import annotations

import io
import math
import wave
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

FULL_SCALE = 32767
_RAMP_MS = 2
"""Raised-cosine edge of each tone: short against the shortest tone (40 ms), long enough that the
edge's splatter stays inside the channel."""

DTMF_ROWS_HZ = (697, 770, 852, 941)
DTMF_COLUMNS_HZ = (1209, 1336, 1477, 1633)
DTMF_KEYS = ("123A", "456B", "789C", "*0#D")

_CCIR_HZ = (1981, 1124, 1197, 1275, 1358, 1446, 1540, 1640, 1747, 1860)
_ZVEI1_HZ = (2400, 1060, 1160, 1270, 1400, 1530, 1670, 1830, 2000, 2200)


class ToneStandard(Enum):
    """A 5-tone standard. CCIR and EEA share their tones: only the length tells them apart."""

    CCIR = "CCIR"
    EEA = "EEA"
    ZVEI1 = "ZVEI1"


@dataclass(frozen=True, slots=True)
class FiveTone:
    """The tones of one standard: digits 0-9, the repeat tone, and each tone's length."""

    digits_hz: tuple[int, ...]
    repeat_hz: int
    tone_ms: int


FIVE_TONE = {
    ToneStandard.CCIR: FiveTone(_CCIR_HZ, 2110, 100),
    ToneStandard.EEA: FiveTone(_CCIR_HZ, 2110, 40),
    ToneStandard.ZVEI1: FiveTone(_ZVEI1_HZ, 2600, 70),
}


def amplitude(level_dbfs: float) -> float:
    """Peak of a sine at `level_dbfs` (at most 0), in sample steps."""
    if level_dbfs > 0:
        raise ValueError("a level above full scale would clip")
    return float(FULL_SCALE * 10 ** (level_dbfs / 20))


def samples_of(duration_ms: float, sample_rate_hz: int) -> int:
    """How many samples `duration_ms` lasts, rounded to the nearest."""
    return round(duration_ms * sample_rate_hz / 1000)


def silence(duration_ms: float, sample_rate_hz: int) -> bytes:
    """`duration_ms` of nothing."""
    return bytes(2 * samples_of(duration_ms, sample_rate_hz))


def tone(
    components: Sequence[tuple[float, float]], duration_ms: float, sample_rate_hz: int
) -> bytes:
    """Sum of sines, each (frequency in Hz, level in dBFS), with soft edges.

    Raises ValueError if the sum could clip.
    """
    parts = [
        (2 * math.pi * frequency_hz / sample_rate_hz, amplitude(level_dbfs))
        for frequency_hz, level_dbfs in components
    ]
    if sum(peak for _, peak in parts) > FULL_SCALE:
        raise ValueError("the tones' sum would clip")
    count = samples_of(duration_ms, sample_rate_hz)
    ramp = min(samples_of(_RAMP_MS, sample_rate_hz), count // 2)
    pcm = array("h", bytes(2 * count))
    for index in range(count):
        value = sum(peak * math.sin(step * index) for step, peak in parts)
        edge = min(index, count - 1 - index)
        if edge < ramp:
            value *= 0.5 - 0.5 * math.cos(math.pi * edge / ramp)
        pcm[index] = round(value)
    return pcm.tobytes()


def with_repeat_tones(digits: str) -> str:
    """Replace each digit that follows itself by the repeat tone, E: 12344 is sent as 1234E.

    A third equal digit is the plain one again, so that no tone ever follows itself.
    """
    if not digits or not (digits.isascii() and digits.isdigit()):
        raise ValueError("a selective call is made of digits")
    sent = digits[0]
    for previous, digit in pairwise(digits):
        sent += "E" if digit == previous and sent[-1] != "E" else digit
    return sent


def selective_call(
    digits: str,
    standard: ToneStandard,
    sample_rate_hz: int,
    *,
    level_dbfs: float = -6.0,
) -> bytes:
    """The 5-tone call of `digits` (any length from 1), without a pause between its tones."""
    plan = FIVE_TONE[standard]
    frequencies_hz = [
        plan.repeat_hz if symbol == "E" else plan.digits_hz[int(symbol)]
        for symbol in with_repeat_tones(digits)
    ]
    return b"".join(
        tone([(frequency_hz, level_dbfs)], plan.tone_ms, sample_rate_hz)
        for frequency_hz in frequencies_hz
    )


def dtmf_frequencies_hz(key: str) -> tuple[int, int]:
    """The row's and the column's frequency of one key of 0-9, A-D, * and #."""
    if len(key) == 1:
        for row_hz, keys in zip(DTMF_ROWS_HZ, DTMF_KEYS, strict=True):
            if key in keys:
                return row_hz, DTMF_COLUMNS_HZ[keys.index(key)]
    raise ValueError(f"{key!r} is not a DTMF key")


def dtmf(
    keys: str,
    sample_rate_hz: int,
    *,
    tone_ms: float = 100,
    pause_ms: float = 100,
    level_dbfs: float = -10.0,
    twist_db: float = 0.0,
) -> bytes:
    """The tones of `keys`, each followed by its pause.

    `level_dbfs` is the row tone's; the column tone is `twist_db` above it (standard twist).
    """
    pause = silence(pause_ms, sample_rate_hz)
    parts = []
    for key in keys:
        row_hz, column_hz = dtmf_frequencies_hz(key)
        levels = [(row_hz, level_dbfs), (column_hz, level_dbfs + twist_db)]
        parts.append(tone(levels, tone_ms, sample_rate_hz) + pause)
    return b"".join(parts)


def wav_bytes(pcm: bytes, sample_rate_hz: int) -> bytes:
    """`pcm` as a WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(pcm)
    return out.getvalue()
