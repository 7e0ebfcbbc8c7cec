"""multimon-ng hears what we send, and hears what our own decoder hears."""

import asyncio
import random
import subprocess
import wave
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest

from vigibip.base.clock import SystemClock
from vigibip.radio.clips import ClipStore
from vigibip.radio.contract import Announcement, RelayResult
from vigibip.radio.dtmf import DtmfDecoder
from vigibip.radio.settings import VoiceSettings
from vigibip.radio.tones import (
    FIVE_TONE,
    ToneStandard,
    dtmf,
    selective_call,
    silence,
    wav_bytes,
    with_repeat_tones,
)
from vigibip.radio.voice import VoiceRadio

pytestmark = pytest.mark.requires_program("multimon-ng", "sox")

KEYS = "0123456789ABCD*#"
Hears = Callable[[bytes, str], str]


@pytest.fixture
def hears(tmp_path: Path) -> Hears:
    """What multimon-ng makes of PCM at 8000 Hz with one of its demodulators."""

    def hears(pcm: bytes, demodulator: str, sample_rate_hz: int = 8000) -> str:
        path = tmp_path / "said.wav"
        path.write_bytes(wav_bytes(pcm, sample_rate_hz))
        command = ["multimon-ng", "-q", "-c", "-m", "-t", "wav", "-a", demodulator, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return "".join(
            line.removeprefix(f"{demodulator}:").strip() for line in done.stdout.splitlines()
        )

    return hears


def around(pcm: bytes, sample_rate_hz: int = 8000) -> bytes:
    return silence(200, sample_rate_hz) + pcm + silence(300, sample_rate_hz)


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize("digits", ["12345", "12344", "98700", "11111", "67890", "5", "0011223344"])
@pytest.mark.parametrize("standard", ToneStandard)
def test_our_calls_are_understood(
    hears: Callable[..., str], standard: ToneStandard, digits: str, rate_hz: int
) -> None:
    pcm = around(selective_call(digits, standard, rate_hz), rate_hz)
    assert hears(pcm, standard.value, rate_hz) == with_repeat_tones(digits)


@pytest.mark.parametrize("level_dbfs", [-1.0, -12.0, -30.0])
def test_at_any_level(hears: Hears, level_dbfs: float) -> None:
    call = selective_call("12344", ToneStandard.CCIR, 8000, level_dbfs=level_dbfs)
    assert hears(around(call), "CCIR") == "1234E"


def test_ccir_and_eea_are_told_apart_by_length_alone(hears: Hears) -> None:
    """Their tones are the same, so each demodulator hears the other's call too."""
    for sent in (ToneStandard.CCIR, ToneStandard.EEA):
        pcm = selective_call("12345", sent, 8000)
        for demodulator in ("CCIR", "EEA"):
            assert hears(around(pcm), demodulator) == "12345"
        assert len(pcm) / 16 == 5 * FIVE_TONE[sent].tone_ms
    assert FIVE_TONE[ToneStandard.CCIR].tone_ms != FIVE_TONE[ToneStandard.EEA].tone_ms


def test_zvei1_is_another_language(hears: Hears) -> None:
    pcm = around(selective_call("12345", ToneStandard.ZVEI1, 8000))
    assert "12345" not in (hears(pcm, "CCIR"), hears(pcm, "EEA"))
    pcm = around(selective_call("12345", ToneStandard.CCIR, 8000))
    assert hears(pcm, "ZVEI1") != "12345"


def ours(pcm: bytes) -> str:
    return "".join(digit.key for digit in DtmfDecoder(8000).feed(pcm))


@pytest.mark.parametrize(("tone_ms", "pause_ms"), [(100, 100), (80, 60), (200, 50)])
def test_both_hear_the_same_keys(hears: Hears, tone_ms: int, pause_ms: int) -> None:
    rng = random.Random(tone_ms)
    keys = KEYS + "".join(rng.choices(KEYS, k=40))
    pcm = around(dtmf(keys, 8000, tone_ms=tone_ms, pause_ms=pause_ms))
    assert hears(pcm, "DTMF") == keys
    assert ours(pcm) == keys


@pytest.mark.parametrize("snr_db", [20, 15])
def test_both_hear_through_noise(hears: Hears, snr_db: float) -> None:
    rng = random.Random(snr_db)
    keys = "".join(rng.choices(KEYS, k=40))
    samples = array("h", around(dtmf(keys, 8000, level_dbfs=-15)))
    deviation = 32767 / 2**0.5 * 10 ** ((-12 - snr_db) / 20)
    noisy = array("h", [round(value + rng.gauss(0, deviation)) for value in samples]).tobytes()
    assert hears(noisy, "DTMF") == keys
    assert ours(noisy) == keys


def test_the_transmission_of_an_announcement_opens_with_its_call(
    hears: Hears, tmp_path: Path
) -> None:
    """From the radio itself: the recording of one whole transmission."""

    async def announce() -> None:
        settings = VoiceSettings(
            audio_out=f"wav:{tmp_path / 'out'}", ptt_gpio=None, ptt_lead_ms=0, selcall="12344"
        )
        clips = ClipStore(tmp_path / "clips")
        await clips.prepare_shop("shop-one", spoken_name="Tabac de la Gare", address="2 rue Zola")
        radio = VoiceRadio(settings, clips, SystemClock())
        await radio.start()
        sent = Announcement(incident_id="i", number=23, shop_clip="shop-one", text="Alerte.")
        assert (await radio.announce(sent, lambda _: None)).result is RelayResult.SENT
        await radio.close()

    asyncio.run(announce())
    with wave.open(str(tmp_path / "out" / "transmission-000001.wav")) as file:
        pcm = file.readframes(file.getnframes())
    assert hears(around(pcm), "CCIR").startswith("1234E")
    assert ours(pcm) == ""
