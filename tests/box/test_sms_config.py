"""`[sms]`: nothing of it is needed, and every mistake in it is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from vigibip.base.config import load_settings
from vigibip.base.errors import ConfigurationError
from vigibip.box.config import BoxSettings

BASE = 'data_dir = "/tmp/box"\nreceiver_port = "/dev/ttyUSB0"\n'


def load(tmp_path: Path, text: str) -> BoxSettings:
    path = tmp_path / "box.toml"
    path.write_text(BASE + text)
    return load_settings(BoxSettings, path)


def test_without_it_there_is_no_second_path(tmp_path: Path) -> None:
    settings = load(tmp_path, "")
    assert settings.sms is None
    assert settings.plan.officer_sms_after_s == 90


def test_a_port_is_all_that_it_needs(tmp_path: Path) -> None:
    sms = load(tmp_path, '[sms.modem]\nport = "/dev/serial/by-id/modem"\n').sms
    assert sms is not None
    assert sms.start_after_s == 3.0
    assert sms.retry_pauses_s == (60.0, 240.0, 600.0, 1800.0)
    assert sms.zone.key == "Europe/Paris"


def test_every_mistake_is_told_at_once_and_no_pin_is_repeated(tmp_path: Path) -> None:
    wrong = (
        '[plan]\nofficer_sms_after_s = -1\n[data]\nvia = "pigeon"\n'
        "[sms]\nstart_after_s = -1\nretry_at_s = [60, 1]\nnonsense = 1\n"
        '[sms.modem]\npin = "12x456"\n[sms.probe]\nevery_s = 1\n'
    )
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, wrong)
    keys = {key for key, _ in raised.value.mistakes}
    assert keys == {
        "plan.officer_sms_after_s",
        "data.via",
        "sms.start_after_s",
        "sms.retry_at_s.1",
        "sms.nonsense",
        "sms.modem.port",
        "sms.modem.pin",
        "sms.probe.every_s",
    }
    assert "12x456" not in str(raised.value)


@pytest.mark.parametrize("name", ["Europe/Atlantis", "Europe", "../../etc/passwd", ""])
def test_a_time_zone_that_the_machine_does_not_know_is_a_mistake(tmp_path: Path, name: str) -> None:
    text = f'[sms]\ntime_zone = "{name}"\n[sms.modem]\nport = "/dev/modem"\n'
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, text)
    assert [key for key, _ in raised.value.mistakes] == ["sms.time_zone"]


@pytest.mark.parametrize("moments", ["[60, 60]", "[300, 60]", "[]"])
def test_the_steps_grow(tmp_path: Path, moments: str) -> None:
    text = f'[sms]\nretry_at_s = {moments}\n[sms.modem]\nport = "/dev/modem"\n'
    with pytest.raises(ConfigurationError):
        load(tmp_path, text)
