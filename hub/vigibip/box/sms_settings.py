"""The `[sms]` of the box's configuration: no such table, no SMS path, and nothing is missing."""

from __future__ import annotations

import itertools
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from vigibip.base.config import Settings, TimeZoneName
from vigibip.sms.settings import SmsModemSettings

_Step = Annotated[float, Field(ge=10, le=86_400, allow_inf_nan=False)]


class ProbeSettings(Settings):
    """How the path is proven while nobody needs it."""

    every_s: Annotated[float, Field(ge=3_600, le=604_800, allow_inf_nan=False)] = 86_400.0
    """A sixth more or less, so that the boxes of a town do not all speak at one hour."""
    reply_within_s: Annotated[float, Field(ge=30, le=3_600, allow_inf_nan=False)] = 300.0
    """For the post's reply; then the next number is tried."""
    soon_s: Annotated[float, Field(ge=1, le=7_200, allow_inf_nan=False)] = 600.0
    """After data fell, and after a start without a proof: at a moment within this time."""


class SmsSettings(SmsModemSettings):
    """The `sms` carrier: a modem beside the data, and when it is used."""

    start_after_s: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = 3.0
    """No receipt for so long: an SMS goes. At once while data is known to be down."""
    retry_at_s: Annotated[tuple[_Step, ...], Field(min_length=1, max_length=8)] = (
        60.0,
        300.0,
        900.0,
    )
    """When the next SMS go while there is no receipt, counted from the first one."""
    retry_every_s: _Step = 1_800.0
    """Then on and on."""
    time_zone: TimeZoneName = "Europe/Paris"
    """Of the hours that the SMS tell, whatever the machine's own is set to."""
    probe: ProbeSettings = ProbeSettings()

    @model_validator(mode="after")
    def _growing(self) -> Self:
        if any(pause_s <= 0 for pause_s in self.retry_pauses_s):
            raise ValueError("retry_at_s must grow")
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def retry_pauses_s(self) -> tuple[float, ...]:
        """The pauses between one SMS and the next; the last one goes on for ever."""
        moments_s = (0.0, *self.retry_at_s)
        pauses_s = [after - before for before, after in itertools.pairwise(moments_s)]
        return (*pauses_s, self.retry_every_s)
