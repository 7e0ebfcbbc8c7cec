"""The settings of a modem: what is a mistake is told, and the PIN is not."""

from __future__ import annotations

import pytest

from vigibip.base.config import parse_settings
from vigibip.base.errors import ConfigurationError
from vigibip.modem.profiles import choose
from vigibip.modem.settings import ModemSettings


def settings(**given: object) -> ModemSettings:
    return parse_settings(ModemSettings, {"port": "/dev/ttyUSB2", **given}, "box.toml")


def test_a_port_is_enough() -> None:
    assert settings().profile == "auto"
    assert settings().pin is None


@pytest.mark.parametrize(
    "mistake",
    [
        {"port": "ttyUSB2"},
        {"baud": 12345},
        {"profile": "nokia"},
        {"pin": "12"},
        {"pin": "12a4"},
        {"pin": "123456789"},
        {"pwrkey_gpio": 28},
        {"pwrkey_gpio": 17, "power_gpio": 17},
        {"pwr_gpio": 17},
    ],
)
def test_a_mistake_is_told(mistake: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError) as told:
        settings(**mistake)
    assert "12a4" not in str(told.value)


def test_a_pin_is_not_shown() -> None:
    assert "4711" not in repr(settings(pin="4711"))


@pytest.mark.parametrize(
    ("model", "profile"),
    [
        ("SIMCOM INCORPORATED SIMCOM_SIM7600G-H", "sim7600"),
        ("Quectel EC25", "quectel"),
        ("EG25", "quectel"),
        ("huawei E1750", "generic"),
        ("", "generic"),
    ],
)
def test_the_profile_fits_the_model(model: str, profile: str) -> None:
    assert choose("auto", model).key == profile
    assert choose("generic", model).key == "generic"
