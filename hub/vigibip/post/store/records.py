"""What goes in and out of the store: frozen records, every time aware and in UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from vigibip.alert.life import IncidentState


class IncidentOutcome(StrEnum):
    """How an incident ended, as whoever closed it saw it."""

    REAL = "real"
    FALSE_ALARM = "false_alarm"
    NOBODY = "nobody"  # nothing and nobody was found
    OTHER = "other"


class Told(StrEnum):
    """What a box was last told of an alert."""

    COMING = "coming"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopView:
    """A shop and its box, which has keys once it is enrolled. `phone`: of the box's SIM."""

    shop_id: str
    box_id: str
    name: str
    spoken: str
    address: str
    enrolled_at: datetime | None
    revoked_at: datetime | None
    phone: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class KnownBox:
    """A box that is served: its two HMAC keys, how its shop is said, the number that its SMS come
    from (None: it has no SMS path), the window over these. Never shown by repr."""

    up_key: bytes
    down_key: bytes
    spoken: str
    address: str
    phone: str | None = None
    sms_window: tuple[int, int] = field(default=(-1, 0), compare=False)
    """(highest, bits) of `wire.window`, when this was read; no part of what a box is."""


@dataclass(frozen=True, slots=True, repr=False)
class TokenRow:
    """One enrolment token."""

    token_id: str
    box_id: str
    proof_key: bytes
    expires_utc: datetime
    claimed_key: bytes | None
    certificate_pem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTask:
    """One announcement to make: all that the relay needs, so that it reads nothing first.

    It stands for every undone round of the incident up to `round_no`; `first` when none was ever
    put on the air. `alert_id` is the alert that it tells, `joined` when that one joined an
    incident which was there. `number` None: all numbers are in use. `pressed_at` None: the press's
    time is unknown. `stored` False: it is in memory alone, because the store failed.
    """

    incident_id: str
    round_no: int
    first: bool
    number: int | None
    box_id: str
    spoken: str
    address: str
    digest: bool
    alert_id: str
    joined: bool
    pressed_at: datetime | None
    presses: int
    stored: bool = True


@dataclass(frozen=True, slots=True)
class BoxMessageView:
    """What a box must be told, until it acknowledges it."""

    box_id: str
    sequence: int
    state: Told
    alerts: tuple[str, ...]
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """An alert is committed. `fresh` False: it was already, and nothing is to be done.

    `round` None for a fresh one: it waits for the digest. `messages`: what its box must be told
    at once, because somebody is coming already; also of a known one that it repeats.
    """

    incident_id: str
    fresh: bool
    round: RoundTask | None
    messages: tuple[BoxMessageView, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertView:
    id: str
    box_id: str
    pressed_at: datetime | None
    received_at: datetime
    late: bool
    battery_mv: int | None
    rssi_dbm: int | None
    told: Told | None


@dataclass(frozen=True, slots=True)
class AnswerView:
    """`proven` False: shown and marked, and it stopped nothing; `reason` says why."""

    by: str
    via: str
    proven: bool
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """One incident with its alerts and answers, oldest first."""

    id: str
    number: int | None
    shop_name: str
    shop_address: str
    state: IncidentState
    opened_at: datetime
    last_press_at: datetime
    presses: int
    answered_at: datetime | None
    answered_by: str | None
    on_scene_at: datetime | None
    closed_at: datetime | None
    closed_by: str | None
    outcome: IncidentOutcome | None
    rounds: int
    last_round_at: datetime | None
    alerts: tuple[AlertView, ...]
    answers: tuple[AnswerView, ...]


@dataclass(frozen=True, slots=True)
class FaultView:
    kind: str
    subject: str
    since: datetime
    last_at: datetime
    count: int
    detail: str


@dataclass(frozen=True, slots=True)
class FaultChange:
    """A fault that appeared `count` times again, or, `detail` None, that is gone."""

    kind: str
    subject: str
    detail: str | None
    count: int = 1
