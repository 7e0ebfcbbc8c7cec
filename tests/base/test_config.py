"""Configuration: one frozen object, or every mistake at once, with file and key, without values."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest
from pydantic import Field, SecretStr, ValidationError, field_validator

from vigibip.base.config import Settings, load_settings, parse_settings
from vigibip.base.errors import ConfigurationError, VigibipError

SECRET = "hunter2-and-more"


class Broker(Settings):
    host: str = "localhost"
    port: int = Field(8883, ge=1, le=65535)


class Example(Settings):
    data_dir: Path
    broker: Broker = Broker()
    channels: tuple[int, ...] = (1, 6, 11)
    word: SecretStr = SecretStr("")

    @field_validator("channels")
    @classmethod
    def _legal(cls, channels: tuple[int, ...]) -> tuple[int, ...]:
        if not all(1 <= channel <= 13 for channel in channels):
            raise ValueError("a radio channel is 1 to 13")
        return channels


def _file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "box.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _mistakes(path: Path) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as told:
        load_settings(Example, path)
    # Neither its text nor anything that a log would print with it repeats what was put in.
    everything = "".join(traceback.format_exception(told.value))
    assert SECRET not in everything
    lines = str(told.value).splitlines()
    assert len(lines) == len(told.value.mistakes)
    assert all(line.startswith(f"{path}: ") for line in lines)
    return dict(told.value.mistakes)


def test_a_good_file_becomes_one_frozen_object(tmp_path: Path) -> None:
    path = _file(tmp_path, 'data_dir = "/var/lib/vigibip"\n[broker]\nport = 1883\n')
    settings = load_settings(Example, path)
    assert settings == Example(data_dir=Path("/var/lib/vigibip"), broker=Broker(port=1883))
    with pytest.raises(ValidationError, match="frozen"):
        settings.data_dir = Path("/")
    with pytest.raises(ValidationError, match="frozen"):
        settings.broker.port = 1


def test_every_mistake_is_told_at_once_with_its_key(tmp_path: Path) -> None:
    mistakes = _mistakes(
        _file(
            tmp_path,
            f"""
            typo = "{SECRET}"
            word = 17
            channels = [1, "{SECRET}", 99]
            [broker]
            host = ["{SECRET}"]
            port = 70000
            user = "{SECRET}"
            """,
        )
    )
    assert set(mistakes) == {
        "data_dir",
        "typo",
        "word",
        "channels.1",
        "broker.host",
        "broker.port",
        "broker.user",
    }
    assert mistakes["data_dir"] == "ce réglage manque"
    assert mistakes["typo"] == "aucun réglage ne porte ce nom ici"
    assert "65535" in mistakes["broker.port"]


def test_a_rooms_own_rule_speaks_in_its_own_words(tmp_path: Path) -> None:
    mistakes = _mistakes(_file(tmp_path, 'data_dir = "/"\nchannels = [99]\n'))
    assert mistakes == {"channels": "Value error, a radio channel is 1 to 13"}


@pytest.mark.parametrize(
    "text",
    [
        f"{SECRET}",
        f'data_dir = "{SECRET}',
        "data_dir = 1\ndata_dir = 2",
        b"data_dir = '\xff\xfe'",
        "number = " + "9" * 5000,
        "deep = " + "[" * 5000,
        "[broker\n",
        "\0",
    ],
)
def test_what_is_no_toml_is_told_with_the_file(tmp_path: Path, text: str | bytes) -> None:
    mistakes = _mistakes(_file(tmp_path, text))
    assert list(mistakes) == [""]
    assert mistakes[""].startswith("not valid TOML: ")


def test_a_file_that_is_not_there_or_no_file(tmp_path: Path) -> None:
    assert _mistakes(tmp_path / "none.toml") == {
        "": "ce fichier manque ; écrivez-le, ou nommez-en un autre (--config)"
    }
    assert _mistakes(tmp_path) == {"": os.strerror(21)}


def test_data_of_another_source_is_judged_alike() -> None:
    assert parse_settings(Example, {"data_dir": "/"}, "test") == Example(data_dir=Path("/"))
    with pytest.raises(ConfigurationError, match=r"^test: data_dir: ce réglage manque$") as told:
        parse_settings(Example, {}, "test")
    assert told.value.source == "test"
    assert isinstance(told.value, VigibipError)
    assert isinstance(told.value, ValueError)
