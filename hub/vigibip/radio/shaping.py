"""Makes a voice fit for a radio: 300-3000 Hz, an even level, no silence around. Pure functions."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from operator import mul

from vigibip.radio.tones import FULL_SCALE

LOW_HZ = 300
HIGH_HZ = 3000
SPEECH_DBFS = -17.0
"""Mean power of what is spoken: some 8 dB under the calls' tones, as a limiter likes it."""
_PEAK_DBFS = -1.0
_FRAME_S = 0.02
_ACTIVE_DB = 30.0
"""A frame this far under the loudest one is silence."""
_MARGIN_FRAMES = 2
# Butterworth sections: sixth order above, where it is the anti-alias filter too; fourth below.
_HIGH_QUALITIES = (0.51763809, 0.70710678, 1.93185165)
_LOW_QUALITIES = (0.54119610, 1.30656296)


def _section(
    samples: Sequence[float], cutoff_hz: float, quality: float, rate_hz: int, *, high_pass: bool
) -> list[float]:
    """One second-order section (Audio EQ Cookbook), transposed direct form II."""
    step = 2 * math.pi * cutoff_hz / rate_hz
    scale = 1 + math.sin(step) / (2 * quality)
    cosine = math.cos(step)
    outer = ((1 + cosine) if high_pass else (1 - cosine)) / 2 / scale
    middle = -2 * outer if high_pass else 2 * outer
    a1 = -2 * cosine / scale
    a2 = (2 - scale) / scale
    first = second = 0.0
    shaped: list[float] = []
    append = shaped.append
    for sample in samples:
        edge = outer * sample
        value = edge + first
        first = middle * sample - a1 * value + second
        second = edge - a2 * value
        append(value)
    return shaped


def _frame_powers(samples: Sequence[float], frame: int) -> list[float]:
    return [
        sum(map(mul, samples[start : start + frame], samples[start : start + frame])) / frame
        for start in range(0, len(samples), frame)
    ]


def _active_frames(powers: Sequence[float]) -> list[int]:
    floor = max(powers, default=0.0) / 10 ** (_ACTIVE_DB / 10)
    return [index for index, power in enumerate(powers) if power >= max(floor, 1.0)]


def for_radio(pcm: bytes, voice_rate_hz: int, sample_rate_hz: int) -> bytes:
    """Trim, band-limit, bring to `sample_rate_hz` and level s16le mono speech.

    `voice_rate_hz` is `sample_rate_hz` or its double. Raises ValueError for other rates, and if
    there is nothing but silence.
    """
    step, remainder = divmod(voice_rate_hz, sample_rate_hz)
    if remainder or step not in (1, 2):
        raise ValueError(f"cannot bring {voice_rate_hz} Hz to {sample_rate_hz} Hz")
    raw = array("h")
    raw.frombytes(pcm)
    frame = round(_FRAME_S * voice_rate_hz)
    active = _active_frames(_frame_powers(raw, frame))
    if not active:
        raise ValueError("the voice rendered nothing but silence")
    first = max(0, active[0] - _MARGIN_FRAMES) * frame
    samples: Sequence[float] = raw[first : (active[-1] + 1 + _MARGIN_FRAMES) * frame]
    for quality in _HIGH_QUALITIES:
        samples = _section(samples, HIGH_HZ, quality, voice_rate_hz, high_pass=False)
    samples = samples[::step]
    for quality in _LOW_QUALITIES:
        samples = _section(samples, LOW_HZ, quality, sample_rate_hz, high_pass=True)
    powers = _frame_powers(samples, frame // step)
    active = _active_frames(powers)
    if not active:
        raise ValueError("the voice rendered nothing that a radio carries")
    mean_power = sum(powers[index] for index in active) / len(active)
    # Power against a full-scale sine's, as everywhere in this room.
    wanted = FULL_SCALE * 10 ** (SPEECH_DBFS / 20) / math.sqrt(2)
    ceiling = FULL_SCALE * 10 ** (_PEAK_DBFS / 20)
    gain = min(wanted / math.sqrt(mean_power), ceiling / max(map(abs, samples)))
    return array("h", [round(gain * sample) for sample in samples]).tobytes()
