"""`vigibip workshop key|image`: from a new key to an image that its public key opens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vigibip.cli.main import main
from vigibip.workshop import program_image, signing

pytestmark = pytest.mark.requires_program("mpy-cross")


@pytest.fixture
def key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "town.key"
    assert main(["workshop", "key", "new", str(path), "--small"]) == 0
    assert capsys.readouterr().out == path.with_name("town.key.pub").read_text()
    return path


def test_a_key_tells_what_it_has_left(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    signing.sign(key, b"x")
    assert main(["workshop", "key", "show", str(key), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["signatures_left"] == 31
    assert main(["workshop", "key", "show", f"{key}.pub", "--json"]) == 0
    public = json.loads(capsys.readouterr().out)
    assert (public["public_key"], public["signatures_left"]) == (told["public_key"], None)
    assert main(["workshop", "key", "new", str(key)]) == 2
    assert "never overwritten" in capsys.readouterr().err


def test_an_image_is_built_signed_and_shown(
    key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, signed, at_once = (tmp_path / name for name in ("plain", "signed", "at_once"))
    build = ["workshop", "image", "build", "bip", "--edition", "3", "-o"]
    assert main([*build, str(plain)]) == 0
    name = capsys.readouterr().out.strip()
    assert (
        main(["workshop", "image", "sign", str(plain), "--key", str(key), "-o", str(signed)]) == 0
    )
    assert main([*build, str(at_once), "--key", str(key)]) == 0
    assert capsys.readouterr().out.split() == [name, name]
    public_key = signing.public_key_of(key)
    for path in (signed, at_once):
        assert program_image.opened(path, "bip", public_key).name == name
        show = ["workshop", "image", "show", str(path), "--key", f"{key}.pub", "--json"]
        assert main(show) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["name"], told["edition"], told["signed"]) == (name, 3, True)
        assert "sender.mpy" in told["files"]
    assert main(["workshop", "image", "show", str(plain)]) == 0
    assert "sender.mpy" in capsys.readouterr().out


def test_what_cannot_be_is_told(key: Path, tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    assert main(["workshop", "image", "show", absent]) == 2
    assert main(["workshop", "image", "build", "box", "--edition", "1", "-o", absent]) == 2
    assert main(["workshop", "image", "sign", str(key), "--key", str(key), "-o", absent]) == 2
    assert main(["workshop", "key", "show", absent]) == 2
