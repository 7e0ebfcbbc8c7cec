"""What lies on a simulated device is what lies in the checkout."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from vigibip.town import device_tree
from vigibip.town.errors import TownError

ROOT = Path(__file__).resolve().parents[2]
BOARDS = sorted(path.stem for path in (ROOT / "firmware" / "boards").glob("*.py"))


@pytest.mark.requires_program("mpy-cross")
@pytest.mark.parametrize("role", ["bip", "receiver"])
def test_it_is_the_checkout_as_bytecode_and_no_other_file(
    role: device_tree.Role, tmp_path: Path
) -> None:
    flash = tmp_path / "flash"
    flash.mkdir()
    (flash / "left_over.py").touch()
    device_tree.stage(role, flash)
    staged = {str(path.relative_to(flash)): path.read_bytes() for path in flash.rglob("*.*py")}
    for name, content in staged.items():
        if name in ("main.py", "boot.py"):
            # MicroPython starts these two from their source alone.
            assert content == (ROOT / "firmware" / role / name).read_bytes()
            continue
        source = name.removesuffix(".mpy") + ".py"
        folders = [
            *(ROOT / "firmware" / folder for folder in (role, "shared")),
            ROOT / "hub" / "vigibip",
        ]
        if name == "board.mpy":
            found = ROOT / "firmware" / "boards" / "esp32_c3.py"
        else:
            found = next(folder / source for folder in folders if (folder / source).is_file())
        target = tmp_path / "expected.mpy"
        command = ["mpy-cross", "-s", source, "-o", str(target), str(found)]
        subprocess.run(command, check=True, timeout=30)
        assert content == target.read_bytes()
    own = {path.stem for path in (ROOT / "firmware" / role).glob("*.py")} - {"manifest"}
    assert own <= {Path(name).stem for name in staged}, "a file that its manifest forgot"
    assert "left_over.py" not in staged


def test_a_receiver_has_nothing_that_opens_a_seal() -> None:
    names = device_tree.sources("receiver")
    assert not {"wire/ccm.py", "wire/frame.py"} & set(names)


@pytest.mark.requires_program("mpy-cross")
@pytest.mark.parametrize("role", ["bip", "receiver"])
def test_every_file_compiles_to_bytecode_for_any_chip(
    role: device_tree.Role, tmp_path: Path
) -> None:
    for number, source in enumerate(device_tree.sources(role).values()):
        target = tmp_path / f"{number}.mpy"
        subprocess.run(["mpy-cross", "-o", str(target), str(source)], check=True, timeout=30)
        # Version 6, and no native code: the third byte would say for which chip.
        assert target.read_bytes()[:3] == b"M\x06\x00"


def test_an_unknown_board_is_told() -> None:
    with pytest.raises(TownError, match="no_such_board"):
        device_tree.sources("bip", "no_such_board")
    with pytest.raises(TownError, match="no_such_board"):
        device_tree.board_pins("no_such_board")


def test_loading_leaves_no_module_of_the_device_behind() -> None:
    for role, name in (("bip", "sender"), ("receiver", "carrier")):
        device_tree.load(role, name)  # type: ignore[arg-type]
    assert not {"wire", "wire.frame", "press", "aim", "sender", "carrier"} & set(sys.modules)


@pytest.mark.parametrize("board", BOARDS)
def test_the_pins_are_those_of_the_one_list(board: str) -> None:
    listed = tomllib.loads((ROOT / "hardware" / "pins.toml").read_text())["bip"]
    pins = device_tree.board_pins(board)
    expected = {name.upper(): pin["gpio"] for name, pin in listed[board.replace("_", "-")].items()}
    assert pins == expected


def test_every_board_of_the_list_has_its_file() -> None:
    listed = tomllib.loads((ROOT / "hardware" / "pins.toml").read_text())["bip"]
    assert sorted(name.replace("-", "_") for name in listed) == BOARDS
