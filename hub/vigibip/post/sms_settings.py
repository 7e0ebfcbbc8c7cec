"""The `[sms]` of `post.toml`: the modems through which boxes reach the post without data."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from vigibip.alert.messages import PhoneNumber
from vigibip.base.config import Settings
from vigibip.modem.settings import ModemSettings

_Seconds = Annotated[float, Field(gt=0, le=604_800, allow_inf_nan=False)]
MODEMS_MAX = 8


class PostModemSettings(ModemSettings):
    """One `[[sms.modems]]`: its line, as any modem's, and the SIM in it."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")]
    """For people and records; another for each modem."""
    number: PhoneNumber
    """Of its SIM, in E.164: boxes are told it, in the order of the modems."""
    rate_per_min: Annotated[float, Field(ge=1, le=60, allow_inf_nan=False)] = 20
    country: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,2}$")] = "33"
    """The country code of national numbers, as its network writes them."""


class SmsSettings(Settings):
    """The post's SMS path; without a modem there is none, and nothing is missing."""

    modems: Annotated[tuple[PostModemSettings, ...], Field(max_length=MODEMS_MAX)] = ()
    tell_unanswered: bool = False
    """Tell "unanswered" by SMS too. It is one SMS more an alert, and says that nothing is new."""
    unproven_after_s: _Seconds = 108_000
    """A box's daily probe comes 20 to 28 h after the last: 30 h without a proof is one missed."""

    @model_validator(mode="after")
    def _each_its_own(self) -> Self:
        twice = [
            f"{what} {value!r}"
            for what, values in (
                ("name", [one.name for one in self.modems]),
                ("port", [one.port for one in self.modems]),
                ("number", [one.number for one in self.modems]),
                ("GPIO", [line for one in self.modems for line in _lines(one)]),
            )
            for value, times in Counter(values).items()
            if times > 1
        ]
        if twice:
            raise ValueError("two modems with the same " + ", ".join(twice))
        return self


def _lines(modem: PostModemSettings) -> list[int]:
    return [line for line in (modem.pwrkey_gpio, modem.power_gpio) if line is not None]
