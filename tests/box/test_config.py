"""The configuration: what it takes, and every mistake told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from vigibip.base.config import load_settings
from vigibip.base.errors import ConfigurationError
from vigibip.box.config import BoxSettings
from vigibip.cli.main import main


def test_two_lines_are_enough(tmp_path: Path) -> None:
    config = tmp_path / "box.toml"
    config.write_text('data_dir = "/var/lib/vigibip"\nreceiver_port = "/dev/ttyACM0"\n')
    settings = load_settings(BoxSettings, config)
    assert (settings.receiver_baud, settings.radio_channel) == (115_200, 6)
    assert (settings.plan.not_reached_after_s, settings.plan.unanswered_after_s) == (30, 180)
    assert settings.store_path == Path("/var/lib/vigibip/box.sqlite")


def test_every_mistake_is_told_at_once_with_file_and_key_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "box.toml"
    config.write_text(
        """
        receiver_port = "ttyACM0"
        radio_channel = 14
        receiver_baud = "fast"
        colour = "blue"
        [plan]
        not_reached_after_s = 0
        unanswered_after_s = nan
        [queue]
        backlog_in_flight = 1000
        [data]
        keepalive_s = 0
        """
    )
    assert main(["box", "check", "--config", str(config)]) == 2
    told = capsys.readouterr().err
    keys = (
        "data_dir receiver_port radio_channel receiver_baud colour plan.not_reached_after_s "
        "plan.unanswered_after_s queue.backlog_in_flight data.keepalive_s"
    )
    for key in keys.split():
        assert f"{config}: {key}: " in told
    assert len(told.strip().splitlines()) == len(keys.split())


@pytest.mark.parametrize(
    ("room", "smaller", "larger"),
    [
        ("queue", "receipt_wait_max_s", "receipt_wait_s"),
        ("data", "reconnect_max_s", "reconnect_first_s"),
    ],
)
def test_a_limit_below_its_beginning_is_a_mistake(
    tmp_path: Path, room: str, smaller: str, larger: str
) -> None:
    config = tmp_path / "box.toml"
    config.write_text(
        f'data_dir = "/d"\nreceiver_port = "/t"\n[{room}]\n{smaller} = 1\n{larger} = 2\n'
    )
    with pytest.raises(ConfigurationError, match=smaller):
        load_settings(BoxSettings, config)


def test_a_box_that_is_not_enrolled_or_has_no_directory_does_not_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "box.toml"
    config.write_text(f'data_dir = "{tmp_path}/none"\nreceiver_port = "/t"\n')
    assert main(["box", "check", "--config", str(config)]) == 2
    assert f"{config}: data_dir: " in capsys.readouterr().err
    (tmp_path / "none").mkdir()
    assert main(["box", "check", "--config", str(config)]) == 2
    assert "enrolment.json" in capsys.readouterr().err
