"""The box's configuration file: one frozen object, every mistake told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vigibip.base.config import Settings
from vigibip.box.sms_settings import SmsSettings

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class PlanSettings(Settings):
    """What the shopkeeper is told, and when."""

    not_reached_after_s: Seconds = 30.0
    """Heard, and no receipt for so long: "call 17 if you can". The box goes on trying."""
    unanswered_after_s: Seconds = 180.0
    """Delivered, and no officer's answer for so long."""
    officer_sms_after_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 90.0
    """No receipt by any way for so long: an SMS straight to the officer's phone. 0: never."""


class QueueSettings(Settings):
    """How alerts leave after an outage."""

    fresh_below_s: Seconds = 120.0
    """Alerts younger than this go before the backlog, without a bound of their own."""
    backlog_in_flight: Annotated[int, Field(ge=1, le=12)] = 8
    """Backlog alerts that await their receipt at one time; a broker allows some 20 in all."""
    receipt_wait_s: Seconds = 5.0
    """No receipt for so long: the alert is sent again. Doubles up to `receipt_wait_max_s`."""
    receipt_wait_max_s: Seconds = 60.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.receipt_wait_max_s < self.receipt_wait_s:
            raise ValueError("receipt_wait_max_s is below receipt_wait_s")
        return self


class DataSettings(Settings):
    """The `data` carrier: MQTT over the mobile or the shop's network."""

    keepalive_s: Annotated[int, Field(ge=5, le=300)] = 20
    """An idle link that died is noticed within twice this time."""
    publish_ack_wait_s: Seconds = 6.0
    """A published message that the broker did not acknowledge for so long: the link is dead."""
    connect_timeout_s: Seconds = 10.0
    reconnect_first_s: Seconds = 0.5
    """Pause before the first new attempt; it doubles, with jitter, up to `reconnect_max_s`."""
    reconnect_max_s: Seconds = 30.0
    via: Literal["box-modem", "other"] | None = None
    """What the data goes through: the modem of `[sms]` too, or something else. None: not told."""
    operator: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    """The network that the data uses, by its number ("208-01"): `vigibip box commission` compares
    it with that of the modem. Names tell nothing, for one operator has many."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.reconnect_max_s < self.reconnect_first_s:
            raise ValueError("reconnect_max_s is below reconnect_first_s")
        return self


class BoxSettings(Settings):
    """Everything that a box is told by its configuration file."""

    data_dir: Path
    """Holds box.sqlite, enrolment.json, update.img and the control socket; for the box alone."""
    receiver_port: Annotated[str, Field(pattern=r"^/[^\x00-\x1f]+$", max_length=255)]
    """The receiver's serial device, best by its stable name under /dev/serial/by-id/."""
    second_receiver_port: (
        Annotated[str, Field(pattern=r"^/[^\x00-\x1f]+$", max_length=255)] | None
    ) = None
    """Of a second receiver, in a shop that one does not reach. None: there is one."""
    receiver_baud: Annotated[int, Field(ge=9_600, le=3_000_000)] = 115_200
    radio_channel: Annotated[int, Field(ge=1, le=13)] = 6
    has_rtc: bool = False
    """The machine has a clock with a battery. Without it ages are not known over a power cut
    until a time server has answered."""
    status_interval_s: Seconds = 60.0
    """How often the post is told that this box lives."""
    device_poll_s: Seconds = 5.0
    """How often the box looks for devices that another process paired or revoked."""
    bip_missing_after: Annotated[int, Field(ge=2, le=48)] = 3
    """A bip that let so many of its statuses be missed is told as missing."""
    bip_battery: Literal["lipo-450", "cr123a"] = "lipo-450"
    """What the bips run on, as hardware/power_profile.toml names it."""
    plan: PlanSettings = PlanSettings()
    queue: QueueSettings = QueueSettings()
    data: DataSettings = DataSettings()
    sms: SmsSettings | None = None
    """The second path; None: this box has none."""

    @model_validator(mode="after")
    def _two_ports(self) -> Self:
        if self.second_receiver_port == self.receiver_port:
            raise ValueError("second_receiver_port is receiver_port")
        return self

    @property
    def store_path(self) -> Path:
        return self.data_dir / "box.sqlite"

    @property
    def update_path(self) -> Path:
        return self.data_dir / "update.img"

    @property
    def enrolment_path(self) -> Path:
        return self.data_dir / "enrolment.json"

    @property
    def control_path(self) -> Path:
        return self.data_dir / "box.sock"
