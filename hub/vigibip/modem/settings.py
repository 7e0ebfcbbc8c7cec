"""What a modem is told about the installation."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from vigibip.base.config import Settings

_Gpio = Annotated[int, Field(ge=0, le=27)]


class ModemSettings(Settings):
    """One modem: its port, its model's profile, its SIM's PIN and its reset lines.

    `port`: a path that names the device for ever, such as /dev/serial/by-id/... `profile` "auto"
    chooses by the model that the modem tells. `pin` None: the SIM asks for none. The GPIOs are
    BCM numbers; None where the line is not wired.
    """

    port: Annotated[str, Field(pattern=r"^/.+$")]
    baud: Literal[9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600] = 115200
    profile: Literal["auto", "sim7600", "quectel", "generic"] = "auto"
    pin: SecretStr | None = None
    pwrkey_gpio: _Gpio | None = None
    power_gpio: _Gpio | None = None

    @field_validator("pin")
    @classmethod
    def _is_a_pin(cls, pin: SecretStr | None) -> SecretStr | None:
        if pin is not None and not re.fullmatch(r"[0-9]{4,8}", pin.get_secret_value()):
            raise ValueError("4 to 8 digits")
        return pin

    @model_validator(mode="after")
    def _two_lines(self) -> Self:
        if self.pwrkey_gpio is not None and self.pwrkey_gpio == self.power_gpio:
            raise ValueError("pwrkey_gpio and power_gpio are the same line")
        return self
