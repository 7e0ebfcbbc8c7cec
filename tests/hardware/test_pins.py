"""hardware/pins.toml agrees with the chips, with the firmware and with the hub's defaults."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

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
