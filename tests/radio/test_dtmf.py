"""The DTMF decoder against the limits of ITU-T Q.24, noise, distortion, speech and garbage."""

import math
import random
from array import array
from collections.abc import Iterable
from itertools import pairwise

import pytest

from vigibip.radio.answer_grammar import AnswerGrammar
from vigibip.radio.dtmf import SAMPLE_RATES_HZ, SLOT_S, Criteria, DtmfDecoder
from vigibip.radio.tones import FULL_SCALE, dtmf, dtmf_frequencies_hz, silence, tone

KEYS = "0123456789ABCD*#"
RATE_HZ = 8000


def decoded(pcm: bytes, rate_hz: int = RATE_HZ, criteria: Criteria | None = None) -> str:
    return "".join(digit.key for digit in DtmfDecoder(rate_hz, criteria).feed(pcm))


def keyed(keys: str, rate_hz: int = RATE_HZ, **how: float) -> bytes:
    return silence(50, rate_hz) + dtmf(keys, rate_hz, **how) + silence(50, rate_hz)


def pair(key: str, *, row: float = 1.0, column: float = 1.0, tone_ms: float = 40) -> bytes:
    """One key with its frequencies multiplied."""
    row_hz, column_hz = dtmf_frequencies_hz(key)
    sound = tone([(row_hz * row, -12), (column_hz * column, -12)], tone_ms, RATE_HZ)
    return silence(30, RATE_HZ) + sound + silence(60, RATE_HZ)


def pcm_of(samples: Iterable[float]) -> bytes:
    return array(
        "h", [max(-FULL_SCALE, min(FULL_SCALE, round(value))) for value in samples]
    ).tobytes()


def white_noise(seconds: float, dbfs: float, rng: random.Random) -> list[float]:
    deviation = FULL_SCALE / math.sqrt(2) * 10 ** (dbfs / 20)
    return [rng.gauss(0, deviation) for _ in range(round(seconds * RATE_HZ))]


def with_noise(pcm: bytes, dbfs: float, rng: random.Random) -> bytes:
    samples = array("h", pcm)
    noise = white_noise(len(samples) / RATE_HZ, dbfs, rng)
    return pcm_of(map(sum, zip(samples, noise, strict=True)))


@pytest.mark.parametrize("rate_hz", SAMPLE_RATES_HZ)
@pytest.mark.parametrize("length_ms", [40, 43, 50, 57, 100, 300])
def test_every_key_from_40_ms(rate_hz: int, length_ms: int) -> None:
    keys = KEYS + KEYS[::-1]
    assert decoded(keyed(keys, rate_hz, tone_ms=length_ms, pause_ms=40), rate_hz) == keys


def test_wherever_a_tone_begins_within_a_slot() -> None:
    for shift in range(64):
        assert decoded(bytes(2 * shift) + keyed("7#", tone_ms=40, pause_ms=40)) == "7#"


@pytest.mark.parametrize("length_ms", [5, 10, 15, 20, 22])
def test_a_tone_of_22_ms_is_none(length_ms: int) -> None:
    for shift in range(0, 64, 7):
        pcm = bytes(2 * shift) + keyed(KEYS * 2, tone_ms=length_ms, pause_ms=60)
        assert decoded(pcm) == ""


def test_a_fade_of_10_ms_does_not_double_a_digit() -> None:
    for pause_ms in (2, 5, 10):
        assert decoded(keyed("55555", tone_ms=60, pause_ms=pause_ms)) == "5"


@pytest.mark.parametrize("pause_ms", [40, 45, 60, 200])
def test_a_pause_of_40_ms_parts_equal_digits(pause_ms: int) -> None:
    for shift in range(0, 64, 5):
        pcm = bytes(2 * shift) + keyed("5555", tone_ms=50, pause_ms=pause_ms)
        assert decoded(pcm) == "5555"


@pytest.mark.parametrize("error", [-0.015, -0.01, 0.01, 0.015])
@pytest.mark.parametrize("key", KEYS)
def test_frequencies_within_1_5_percent_are_accepted(key: str, error: float) -> None:
    off = 1 + error
    for row, column in ((off, 1), (1, off), (off, off), (off, 2 - off)):
        assert decoded(pair(key, row=row, column=column)) == key


@pytest.mark.parametrize("error", [-0.05, -0.035, 0.035, 0.045])
@pytest.mark.parametrize("key", KEYS)
def test_frequencies_3_5_percent_off_are_refused(key: str, error: float) -> None:
    off = 1 + error
    for row, column in ((off, 1), (1, off), (off, off)):
        assert decoded(pair(key, row=row, column=column, tone_ms=100)) == ""


@pytest.mark.parametrize("twist_db", [-8, -6, -3, 3, 4])
def test_twist_within_q24_is_accepted(twist_db: float) -> None:
    assert decoded(keyed(KEYS, tone_ms=40, pause_ms=40, level_dbfs=-15, twist_db=twist_db)) == KEYS


@pytest.mark.parametrize("twist_db", [-20, -12, 8, 12, 20])
def test_wrong_twist_is_refused(twist_db: float) -> None:
    assert decoded(keyed(KEYS, level_dbfs=-27, twist_db=twist_db)) == ""


@pytest.mark.parametrize(
    ("level_dbfs", "heard"), [(-6.1, KEYS), (-30, KEYS), (-42, KEYS), (-52, "")]
)
def test_level(level_dbfs: float, heard: str) -> None:
    assert decoded(keyed(KEYS, tone_ms=50, pause_ms=50, level_dbfs=level_dbfs)) == heard


@pytest.mark.parametrize(
    ("tone_ms", "snr_db"),
    [(40, 20), (40, 12), (40, 8), (60, 8), (60, 6), (100, 20), (100, 10), (100, 6), (100, 4)],
)
def test_digits_in_white_noise(tone_ms: int, snr_db: float) -> None:
    """SNR: both tones' power against the noise's, in 0-4 kHz."""
    rng = random.Random(snr_db)
    keys = "".join(rng.choices(KEYS, k=60))
    clean = keyed(keys, tone_ms=tone_ms, pause_ms=tone_ms, level_dbfs=-18)
    assert decoded(with_noise(clean, -15 - snr_db, rng)) == keys


def test_too_much_noise_loses_digits_and_makes_none_up() -> None:
    rng = random.Random(11)
    keys = "159D" * 15
    heard = decoded(with_noise(keyed(keys, tone_ms=60, pause_ms=60, level_dbfs=-18), -15, rng))
    assert len(heard) < len(keys)
    rest = iter(keys)
    assert all(digit in rest for digit in heard)


def test_a_limiter_that_clips_by_6_db_is_borne() -> None:
    pcm = array("h", keyed(KEYS, level_dbfs=-8))
    ceiling = max(map(abs, pcm)) / 2
    assert decoded(pcm_of(max(-ceiling, min(ceiling, value)) for value in pcm)) == KEYS


def test_hum_ctcss_and_an_offset_are_borne() -> None:
    pcm = array("h", keyed(KEYS, level_dbfs=-15))
    under = (
        2000
        + 600 * math.sin(2 * math.pi * 50 * index / RATE_HZ)
        + 1500 * math.sin(2 * math.pi * 123 * index / RATE_HZ)
        for index in range(len(pcm))
    )
    assert decoded(pcm_of(map(sum, zip(pcm, under, strict=True)))) == KEYS


@pytest.mark.parametrize(("harmonic_db", "heard"), [(-7, False), (-20, True)])
@pytest.mark.parametrize("key", KEYS)
def test_second_harmonics_betray_a_voice(key: str, harmonic_db: float, heard: bool) -> None:
    row_hz, column_hz = dtmf_frequencies_hz(key)
    parts = [(row_hz, -18.0), (column_hz, -18.0)]
    parts += [(2 * hz, -18 + harmonic_db) for hz in (row_hz, column_hz)]
    pcm = silence(40, RATE_HZ) + tone(parts, 100, RATE_HZ) + silence(40, RATE_HZ)
    assert decoded(pcm) == (key if heard else "")


def test_one_tone_or_three_are_no_digit() -> None:
    for hz in (697, 770, 852, 941, 1209, 1336, 1477, 1633):
        assert decoded(tone([(hz, -10)], 500, RATE_HZ)) == ""
    assert decoded(tone([(697, -12), (770, -12), (1209, -12)], 500, RATE_HZ)) == ""
    assert decoded(tone([(852, -12), (1209, -12), (1336, -12)], 500, RATE_HZ)) == ""


def test_white_noise_is_no_digit() -> None:
    rng = random.Random(3)
    for dbfs in (-10, -20, -38):
        assert decoded(pcm_of(white_noise(20, dbfs, rng))) == ""


def test_music_is_no_digit() -> None:
    """Chords of the tempered scale, with harmonics, in all sorts of pairs."""
    rng = random.Random(4)
    parts = []
    for _ in range(300):
        roots = rng.sample([220 * 2 ** (step / 12) for step in range(37)], rng.choice((1, 2, 3)))
        sound = [
            (root * harmonic, -26.0 - 6 * harmonic)
            for root in roots
            for harmonic in (1, 2, 3, 4)
            if root * harmonic < 3900
        ]
        parts.append(tone(sound, rng.choice((60, 120, 250)), RATE_HZ))
    assert decoded(b"".join(parts)) == ""


def test_a_sweep_is_no_digit() -> None:
    phase = 0.0
    samples = []
    for index in range(10 * RATE_HZ):
        phase += 2 * math.pi * (300 + 0.034 * index) / RATE_HZ
        samples.append(9000 * math.sin(phase))
    assert decoded(pcm_of(samples)) == ""


def test_speech_gives_no_digit(speech: bytes) -> None:
    """A minute and more of French; a lenient decoder does fall for it, so that it is a trial."""
    assert len(speech) > 2 * RATE_HZ * 60
    assert decoded(speech) == ""
    lenient = Criteria(min_tone_share=0.2, hits=1, min_group_lead_db=3, max_second_harmonic_db=20)
    assert decoded(speech, criteria=lenient) != ""


def test_speech_never_answers_even_for_a_lenient_decoder(speech: bytes) -> None:
    lenient = Criteria(min_tone_share=0.3, hits=2, max_second_harmonic_db=20)
    grammar = AnswerGrammar()
    for digit in DtmfDecoder(RATE_HZ, lenient).feed(speech):
        assert grammar.feed(digit.key, digit.known_s) is None


def test_digits_are_heard_beside_speech(speech: bytes) -> None:
    """An officer who keys as he stops talking."""
    second = 2 * RATE_HZ
    for start in (3, 17, 40):
        before = speech[start * second : (start + 3) * second]
        assert decoded(before + keyed("23*4711#", tone_ms=60, pause_ms=60)) == "23*4711#"


@pytest.mark.parametrize("rate_hz", SAMPLE_RATES_HZ)
def test_pieces_of_any_size_give_the_same_digits(rate_hz: int) -> None:
    pcm = keyed("23*4711#0A", rate_hz, tone_ms=50, pause_ms=45)
    whole = DtmfDecoder(rate_hz).feed(pcm)
    rng = random.Random(9)
    for largest in (1, 3, 200, 5000):
        decoder = DtmfDecoder(rate_hz)
        heard, start = [], 0
        while start < len(pcm):
            end = start + rng.randint(0, largest)
            heard += decoder.feed(pcm[start:end])
            start = end
        assert heard == whole


def test_digits_tell_their_time() -> None:
    pcm = silence(300, RATE_HZ) + dtmf("58", RATE_HZ, tone_ms=80, pause_ms=120)
    for digit, begins_s in zip(DtmfDecoder(RATE_HZ).feed(pcm), (0.3, 0.5), strict=True):
        assert digit.start_s == pytest.approx(begins_s, abs=2 * SLOT_S)
        assert begins_s + 0.024 <= digit.known_s <= begins_s + 0.05


def test_a_digit_is_known_while_it_still_sounds() -> None:
    decoder = DtmfDecoder(RATE_HZ)
    half = dtmf("5", RATE_HZ, tone_ms=50, pause_ms=0)
    assert [digit.key for digit in decoder.feed(half)] == ["5"]


def test_after_a_reset_the_stream_is_new() -> None:
    decoder = DtmfDecoder(RATE_HZ)
    decoder.feed(dtmf("5", RATE_HZ, tone_ms=60, pause_ms=0)[:-1])
    decoder.reset()
    heard = decoder.feed(dtmf("5", RATE_HZ, tone_ms=60, pause_ms=0))
    assert [digit.key for digit in heard] == ["5"]


def test_other_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="44100"):
        DtmfDecoder(44100)


def test_20000_garbage_blocks_make_no_answer_and_no_crash() -> None:
    rng = random.Random(20)
    decoder, grammar = DtmfDecoder(RATE_HZ), AnswerGrammar()
    extremes = (b"\xff\x7f", b"\x00\x80", b"\x00\x00", b"\xff\xff")
    last_s = 0.0
    for round_no in range(20_000):
        kind = round_no % 4
        if kind == 0:
            block = rng.randbytes(rng.randrange(70))
        elif kind == 1:
            block = rng.choice(extremes) * rng.randrange(40)
        elif kind == 2:
            block = bytes(rng.randrange(3))
        else:
            block = rng.randbytes(2) * rng.randrange(33)
        for digit in decoder.feed(block):
            assert digit.key in KEYS
            assert digit.known_s > last_s
            last_s = digit.known_s
            assert grammar.feed(digit.key, digit.known_s) is None


def test_times_only_grow() -> None:
    digits = DtmfDecoder(RATE_HZ).feed(keyed(KEYS))
    assert all(one.start_s < one.known_s <= two.start_s for one, two in pairwise(digits))
