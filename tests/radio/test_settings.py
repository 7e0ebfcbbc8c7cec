"""Mistakes in the voice radio's settings are all told at once."""

import pytest

from vigibip.base.config import parse_settings
from vigibip.base.errors import ConfigurationError
from vigibip.radio.settings import VoiceSettings
from vigibip.radio.tones import ToneStandard


def test_defaults_are_those_of_a_real_radio() -> None:
    settings = parse_settings(VoiceSettings, {"audio_out": "alsa:plughw:1,0"}, "post.toml")
    assert (settings.ptt_gpio, settings.ptt_lead_ms, settings.sample_rate_hz) == (27, 250, 8000)
    assert settings.tone_standard is ToneStandard.CCIR


def test_every_mistake_is_told() -> None:
    wrong = {
        "audio_out": "mp3:somewhere",
        "audio_in": "wav:/tmp",
        "ptt_gpio": 99,
        "ptt_lead_ms": -1,
        "selcall": "12E44",
        "tone_standard": "ZVEI3",
        "max_transmission_s": 1,
        "sample_rate_hz": 44100,
        "colour": "blue",
    }
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(VoiceSettings, wrong, "post.toml")
    assert {key for key, _ in caught.value.mistakes} == set(wrong)


def test_a_unix_link_is_one_link() -> None:
    with pytest.raises(ConfigurationError, match="both ways"):
        parse_settings(VoiceSettings, {"audio_out": "unix:/a", "audio_in": "unix:/b"}, "post.toml")
