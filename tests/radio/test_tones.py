"""Tones are what the standards say, and never clip or click."""

from array import array
from math import log10

import pytest

from vigibip.radio import tones
from vigibip.radio.tones import FIVE_TONE, FULL_SCALE, ToneStandard


def samples(pcm: bytes) -> list[int]:
    return array("h", pcm).tolist()


@pytest.mark.parametrize(
    ("digits", "sent"),
    [
        ("12345", "12345"),
        ("12344", "1234E"),
        ("11111", "1E1E1"),
        ("11222", "1E2E2"),
        ("0", "0"),
        ("00", "0E"),
        ("1221", "12E1"),
    ],
)
def test_a_repeated_digit_is_sent_as_the_repeat_tone(digits: str, sent: str) -> None:
    assert tones.with_repeat_tones(digits) == sent


@pytest.mark.parametrize("digits", ["", "12a4", "1E2", "²3", "١٢"])
def test_a_call_is_made_of_digits(digits: str) -> None:
    with pytest.raises(ValueError, match="digits"):
        tones.with_repeat_tones(digits)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize("standard", ToneStandard)
def test_a_call_lasts_its_tones(standard: ToneStandard, rate_hz: int) -> None:
    pcm = tones.selective_call("12344", standard, rate_hz)
    assert len(pcm) == 2 * 5 * FIVE_TONE[standard].tone_ms * rate_hz // 1000


def test_all_tones_fit_the_lowest_rate() -> None:
    for plan in FIVE_TONE.values():
        assert max(*plan.digits_hz, plan.repeat_hz) < 4000
        assert len(set(plan.digits_hz) | {plan.repeat_hz}) == 11


@pytest.mark.parametrize("level_dbfs", [-3.0, -6.0, -20.0])
def test_a_level_is_a_sine_s_peak(level_dbfs: float) -> None:
    peak = max(map(abs, samples(tones.tone([(1000.7, level_dbfs)], 200, 8000))))
    assert 20 * log10(peak / FULL_SCALE) == pytest.approx(level_dbfs, abs=0.05)


def test_a_tone_begins_and_ends_softly() -> None:
    one = samples(tones.tone([(2000, -6)], 100, 8000))
    top = tones.amplitude(-6)
    assert abs(one[0]) < 0.01 * top
    assert abs(one[-1]) < 0.03 * top
    assert abs(one[3]) < 0.3 * top


def test_what_would_clip_is_refused() -> None:
    with pytest.raises(ValueError, match="clip"):
        tones.tone([(1000, -6), (1500, -5)], 10, 8000)
    with pytest.raises(ValueError, match="clip"):
        tones.amplitude(0.1)


@pytest.mark.parametrize(
    ("key", "pair"),
    [("1", (697, 1209)), ("0", (941, 1336)), ("#", (941, 1477)), ("D", (941, 1633))],
)
def test_dtmf_keys_have_their_pairs(key: str, pair: tuple[int, int]) -> None:
    assert tones.dtmf_frequencies_hz(key) == pair


@pytest.mark.parametrize("key", ["", "12", "E", "x", "a"])
def test_other_keys_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="DTMF"):
        tones.dtmf_frequencies_hz(key)
