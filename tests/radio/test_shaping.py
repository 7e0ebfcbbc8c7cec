"""A voice made fit for a radio."""

import math
from array import array

import pytest

from vigibip.radio.shaping import SPEECH_DBFS, for_radio
from vigibip.radio.tones import FULL_SCALE, silence, tone


def level_dbfs(pcm: bytes) -> float:
    samples = array("h", pcm)
    middle = samples[len(samples) // 4 : 3 * len(samples) // 4]
    power = sum(value * value for value in middle) / len(middle)
    return 10 * math.log10(max(power, 1e-9) / (FULL_SCALE**2 / 2))


def share_db(hz: float) -> float:
    """How a tone comes through beside 1000 Hz of the same level, which sets the level."""
    both = for_radio(tone([(1000, -12), (hz, -12)], 600, 16000), 16000, 8000)
    samples = array("h", both)
    count = len(samples)

    def power(frequency_hz: float) -> float:
        step = 2 * math.pi * frequency_hz / 8000
        real = sum(value * math.cos(step * n) for n, value in enumerate(samples))
        imaginary = sum(value * math.sin(step * n) for n, value in enumerate(samples))
        return (real * real + imaginary * imaginary) / count**2

    heard_hz = hz if hz < 4000 else 8000 - hz
    return 10 * math.log10(power(heard_hz) / power(1000))


@pytest.mark.parametrize("hz", [450, 700, 1500, 2500])
def test_speech_passes(hz: float) -> None:
    assert share_db(hz) == pytest.approx(0, abs=1.5)


@pytest.mark.parametrize(("hz", "most_db"), [(60, -40), (100, -30), (150, -20), (5000, -20)])
def test_what_a_radio_does_not_carry_is_gone(hz: float, most_db: float) -> None:
    """5000 Hz would come back as 3000 Hz."""
    assert share_db(hz) < most_db


@pytest.mark.parametrize("loudness_dbfs", [-3, -20, -40])
def test_the_level_is_even(loudness_dbfs: float) -> None:
    shaped = for_radio(tone([(1000, loudness_dbfs)], 500, 16000), 16000, 8000)
    assert level_dbfs(shaped) == pytest.approx(SPEECH_DBFS, abs=0.5)


def test_peaks_stay_below_full_scale() -> None:
    """A click in soft speech: the level has to give way."""
    sharp = tone([(1000, -40)], 400, 8000) + tone([(1000, -0.5)], 4, 8000)
    shaped = array("h", for_radio(sharp + tone([(1000, -40)], 400, 8000), 8000, 8000))
    assert max(map(abs, shaped)) <= FULL_SCALE * 10 ** (-1 / 20) + 1


def test_silence_around_is_cut_and_within_is_kept() -> None:
    word = tone([(1000, -10)], 200, 16000)
    pcm = silence(700, 16000) + word + silence(150, 16000) + word + silence(900, 16000)
    shaped_ms = len(for_radio(pcm, 16000, 8000)) / 16
    assert 550 <= shaped_ms <= 550 + 4 * 20 + 20


def test_nothing_but_silence_is_told() -> None:
    for pcm in (b"", silence(500, 16000), tone([(20, -30)], 500, 16000)[:2] * 1000):
        with pytest.raises(ValueError, match="nothing"):
            for_radio(pcm, 16000, 8000)


@pytest.mark.parametrize(("voice_hz", "rate_hz"), [(16000, 11025), (8000, 16000), (44100, 8000)])
def test_other_rates_are_refused(voice_hz: int, rate_hz: int) -> None:
    with pytest.raises(ValueError, match="cannot bring"):
        for_radio(tone([(1000, -10)], 50, 8000), voice_hz, rate_hz)
