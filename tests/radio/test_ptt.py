"""The PTT line, on gpiozero's mock pins."""

import pytest
from gpiozero import Device, PinFixedPull
from gpiozero.pins.mock import MockFactory, MockPin

from vigibip.radio.contract import RadioState
from vigibip.radio.errors import PttError
from vigibip.radio.ptt import GpioPtt


@pytest.mark.parametrize(("active_high", "keyed", "rest"), [(True, 1, 0), (False, 0, 1)])
def test_the_line_rests_until_it_is_asserted(
    pins: MockFactory, active_high: bool, keyed: int, rest: int
) -> None:
    ptt = GpioPtt(27, active_high=active_high)
    assert ptt.health.state is RadioState.UNKNOWN
    ptt.take()
    assert ptt.health.state is RadioState.READY
    pin = pins.pin(27)
    assert (pin.function, pin.state) == ("output", rest)
    ptt.assert_line()
    assert pin.state == keyed
    ptt.release()
    assert pin.state == rest
    ptt.assert_line()
    ptt.close()
    assert pin.function == "input"
    ptt.close()
    ptt.release()


def test_a_line_that_cannot_be_driven_is_told_and_taken_anew(
    pins: MockFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    ptt = GpioPtt(27, active_high=True)
    ptt.take()

    def broken(*_: object) -> None:
        raise PinFixedPull("broken")

    with monkeypatch.context() as patch:
        patch.setattr(MockPin, "_set_state", broken)
        with pytest.raises(PttError, match="GPIO27"):
            ptt.assert_line()
    assert ptt.health.state is RadioState.FAULTY
    ptt.assert_line()
    assert ptt.health.state is RadioState.READY
    assert pins.pin(27).state == 1


def test_a_line_in_other_hands_is_told(pins: MockFactory) -> None:
    other = GpioPtt(27, active_high=True)
    other.take()
    with pytest.raises(PttError):
        GpioPtt(27, active_high=True).take()
    other.close()


def test_no_pin_factory_is_told(pins: MockFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    Device.pin_factory = None
    monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "nonexistent")
    with pytest.raises(PttError):
        GpioPtt(27, active_high=True).take()
