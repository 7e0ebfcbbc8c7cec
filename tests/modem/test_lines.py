"""The reset lines through gpiozero's mock pins."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory

from vigibip.modem.lines import GpioLines, LineError, NoLines


@pytest.fixture
def pins(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    factory = MockFactory()
    monkeypatch.setattr(Device, "pin_factory", factory)
    yield factory
    factory.reset()


def test_nothing_is_driven_until_it_is_needed(pins: MockFactory) -> None:
    lines = GpioLines(17, 27)
    assert (lines.has_pwrkey, lines.has_power) == (True, True)
    assert pins.pins == {}
    lines.close()


def test_the_pwrkey_is_high_while_it_is_pressed(pins: MockFactory) -> None:
    lines = GpioLines(17, None)
    lines.pwrkey(True)
    assert pins.pin(17).state
    lines.pwrkey(False)
    assert not pins.pin(17).state
    lines.pwrkey(True)
    lines.close()
    assert pins.pin(17).function == "input"


def test_the_first_word_to_the_power_line_does_not_flicker(pins: MockFactory) -> None:
    lines = GpioLines(None, 27)
    lines.power(False)
    assert pins.pin(27).function == "output"
    assert not pins.pin(27).state
    lines.power(True)
    assert pins.pin(27).state
    lines.close()


def test_a_pin_that_cannot_be_had_is_a_line_error(
    pins: MockFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_args: object, **_given: object) -> None:
        raise RuntimeError("GPIO busy")

    monkeypatch.setattr(pins, "pin", taken)
    with pytest.raises(LineError, match="GPIO17"):
        GpioLines(17, None).pwrkey(True)


def test_a_line_that_is_not_wired_says_so() -> None:
    for lines in (NoLines(), GpioLines(None, None)):
        assert not lines.has_pwrkey
        assert not lines.has_power
        with pytest.raises(LineError):
            lines.pwrkey(True)
        with pytest.raises(LineError):
            lines.power(False)
        lines.close()
