"""hardware/pins.toml agrees with the chips, with the firmware and with the hub's defaults."""

import ast
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from vigibip.box.config import BoxSettings
from vigibip.post.config import PostSettings

ROOT = Path(__file__).resolve().parents[2]
PINS: dict[str, Any] = tomllib.loads((ROOT / "hardware" / "pins.toml").read_text())
ESP32_UNITS = [(unit, board) for unit in ("bip", "receiver") for board in PINS[unit]]
UNITS = [*ESP32_UNITS, ("box", "raspberry-pi"), ("post", "raspberry-pi")]
ROLES = {"wake", "adc", "output", "input", "usb", "i2c", "spi", "power"}
# What a role needs of the chip; the others can be on any pin.
CAPABLE = {"wake": "wake", "adc": "adc", "usb": "usb", "i2c": "i2c", "spi": "spi"}


def chip_of(board: str) -> dict[str, Any]:
    described = PINS["board"].get(board, {"chip": board})
    chip: dict[str, Any] = PINS["chip"][described["chip"]]
    return chip


def mistakes(pins: dict[str, dict[str, Any]], board: str) -> list[str]:
    """Return what `board` cannot do of what `pins` asks of it."""
    chip = chip_of(board)
    found = []
    for name, pin in pins.items():
        gpio, role = pin["gpio"], pin["role"]
        if not chip["gpio"]["first"] <= gpio <= chip["gpio"]["last"]:
            found.append(f"{name}: the chip has no GPIO {gpio}")
        if role not in ROLES:
            found.append(f"{name}: no role {role}")
        if role in CAPABLE and gpio not in chip[CAPABLE[role]]:
            found.append(f"{name}: GPIO {gpio} cannot be {role}")
        if gpio in chip.get("strapping", []):
            found.append(f"{name}: GPIO {gpio} decides how the chip starts")
        if gpio in chip.get("flash", []):
            found.append(f"{name}: GPIO {gpio} is the flash memory's")
        if role != "usb" and gpio in chip.get("usb", []):
            found.append(f"{name}: GPIO {gpio} is USB's")
        exposed = PINS["board"].get(board, {}).get("exposed")
        if exposed is not None and gpio not in exposed:
            found.append(f"{name}: {board} does not bring GPIO {gpio} out")
    counts = Counter(pin["gpio"] for pin in pins.values())
    found += [f"GPIO {gpio} is taken {count} times" for gpio, count in counts.items() if count > 1]
    return found


@pytest.mark.parametrize(("unit", "board"), UNITS, ids="-".join)
def test_every_pin_can_do_what_it_is_asked(unit: str, board: str) -> None:
    assert mistakes(PINS[unit][board], board) == []


@pytest.mark.parametrize("board", PINS["bip"])
def test_a_button_ends_the_deep_sleep(board: str) -> None:
    assert PINS["bip"][board]["button"]["role"] == "wake"


@pytest.mark.parametrize(
    ("pin", "told"),
    [
        ({"gpio": 6, "role": "wake"}, "cannot be wake"),
        ({"gpio": 9, "role": "output"}, "decides how the chip starts"),
        ({"gpio": 18, "role": "output"}, "is USB's"),
        ({"gpio": 5, "role": "adc"}, "cannot be adc"),
        ({"gpio": 12, "role": "output"}, "flash memory's"),
        ({"gpio": 22, "role": "output"}, "has no GPIO 22"),
        ({"gpio": 1, "role": "output"}, "does not bring GPIO 1 out"),
        ({"gpio": 10, "role": "motor"}, "no role motor"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_pin_is_seen(pin: dict[str, Any], told: str) -> None:
    assert any(told in line for line in mistakes({"x": pin}, "xiao-c3"))


def test_a_pin_taken_twice_is_seen() -> None:
    pins = {"a": {"gpio": 7, "role": "output"}, "b": {"gpio": 7, "role": "input"}}
    assert mistakes(pins, "esp32-c3") == ["GPIO 7 is taken 2 times"]


# ---- what is written elsewhere


def constants(path: Path) -> dict[str, int]:
    """Return what a board's file says; it is read, never run: some boards' chips are not here."""
    tree = ast.parse(path.read_text())
    return {
        target.id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def board_file(board: str) -> Path:
    return ROOT / "firmware" / "boards" / f"{board.replace('-', '_')}.py"


@pytest.mark.parametrize("board", PINS["bip"])
def test_the_firmware_uses_these_pins(board: str) -> None:
    listed = {name.upper(): pin["gpio"] for name, pin in PINS["bip"][board].items()}
    assert constants(board_file(board)) == listed


def test_every_board_of_the_firmware_is_listed() -> None:
    boards = set((ROOT / "firmware" / "boards").glob("*.py"))
    assert boards == {board_file(board) for board in PINS["bip"]}


def gpio_defaults(model: type[BaseModel]) -> dict[str, int]:
    """Return the default of every field named `…_gpio`, in `model` and the models within.

    None is no default pin: it is wired only where the settings say so.
    """
    found: dict[str, int] = {}
    for name, field in model.model_fields.items():
        if name.endswith("_gpio") and field.default is not None:
            found[name.removesuffix("_gpio")] = field.default
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= gpio_defaults(part)
    return found


@pytest.mark.parametrize(("unit", "model"), [("box", BoxSettings), ("post", PostSettings)])
def test_the_defaults_are_these_pins(unit: str, model: type[BaseModel]) -> None:
    """Both ways: a default that is not listed, and a pin said to be built that nothing uses."""
    built = {
        name: pin["gpio"]
        for name, pin in PINS[unit]["raspberry-pi"].items()
        if pin.get("built", True)
    }
    assert gpio_defaults(model) == built
