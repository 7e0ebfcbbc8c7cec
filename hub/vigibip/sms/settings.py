"""What the installation says of SMS through a modem."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from vigibip.base.config import Settings
from vigibip.modem.settings import ModemSettings


class SmsModemSettings(Settings):
    """One modem as an SMS provider.

    `rate_per_min`: what its SIM may send; alerts do not wait for it. Modems manage 10-30 a minute.
    `country`: the country code of national numbers, as this SIM's network writes them.
    """

    modem: ModemSettings
    rate_per_min: Annotated[float, Field(ge=1, le=60)] = 20
    country: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,2}$")] = "33"
