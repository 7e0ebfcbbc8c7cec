"""The post's tables. A change here is a change of every installed post: it brings a migration.

Classes are used as typed tables, with Core statements on a Connection; there is no session and no
object cache. Times are UTC. Names, addresses, callsigns and phone numbers live in `shop`, `box`,
`officer_card`, `officer_phone`, `answer` and the `_by` columns of `incident` alone, so that they
can be erased and what happened stays.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

HEAD_REVISION = "0002"
"""The newest migration: a store that stands there is opened without Alembic. A test holds it."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time; naive in the database, whose columns all mean UTC."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone does not go into the store")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime, bytes: LargeBinary}


class Shop(Base):
    """Where the box stands, and how it is said on the air."""

    __tablename__ = "shop"

    id: Mapped[str] = mapped_column(String(21), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    spoken: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]


class Box(Base):
    """A base box. It has no keys until it is enrolled; once revoked it is refused for ever."""

    __tablename__ = "box"
    # An index, not a constraint: SQLite would have to copy a table that others refer to.
    __table_args__ = (Index("uq_box_phone", "phone", unique=True),)

    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    shop: Mapped[str] = mapped_column(ForeignKey("shop.id"), index=True)
    up_key: Mapped[bytes | None]
    down_key: Mapped[bytes | None]
    certificate_serial: Mapped[str | None] = mapped_column(String(42))
    enrolled_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_sequence: Mapped[int] = mapped_column(default=0)
    """Of its messages: the sequence given last, never given again."""
    phone: Mapped[str | None] = mapped_column(String(16))
    """Its SIM's number in E.164: SMS from there are looked at; None: it has no SMS path."""


class BoxPath(Base):
    """What is remembered of a box's two ways here; a box without a row has none of it."""

    __tablename__ = "box_path"

    box: Mapped[str] = mapped_column(ForeignKey("box.id"), primary_key=True)
    up_highest: Mapped[int] = mapped_column(BigInteger, default=-1)
    """The replay window over its SMS (`wire.window`): the highest sequence that was taken."""
    up_bits: Mapped[str] = mapped_column(String(16), default="0")
    """The window's 64 bits in hexadecimal: SQLite has no unsigned integers of that size."""
    down_reserved: Mapped[int] = mapped_column(BigInteger, default=1)
    """Sequences below were given to SMS for it, or may have been."""
    expected_since: Mapped[datetime | None]
    """When its number was set: its SMS path is expected to be proven from then on."""
    proven_at: Mapped[datetime | None]
    """When an SMS of it was last authenticated."""
    alert_at: Mapped[datetime | None]
    """When an alert of it last came by SMS."""
    heard_at: Mapped[datetime | None]
    """When it last spoke over data, some minutes at most behind the truth."""


class SmsContacts(Base):
    """One row: the edition of what boxes are told of SMS, and the modems' numbers told with it."""

    __tablename__ = "sms_contacts"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    edition: Mapped[int] = mapped_column(BigInteger)
    post_numbers: Mapped[list[str]] = mapped_column(JSON)


class SmsModem(Base):
    """What the daemon last knew of one modem, for the commands and the console."""

    __tablename__ = "sms_modem"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    detail: Mapped[str] = mapped_column(String(200))
    advice: Mapped[str] = mapped_column(String(400))
    operator: Mapped[str] = mapped_column(String(40))
    technology: Mapped[str] = mapped_column(String(10))
    signal_dbm: Mapped[int | None]
    rate_per_min: Mapped[float] = mapped_column(Float)
    waiting: Mapped[int]
    minutes_to_empty: Mapped[float] = mapped_column(Float)
    seen_at: Mapped[datetime]


class EnrolmentToken(Base):
    """A one-time token handed out for a box; kept with its answer until it expires."""

    __tablename__ = "enrolment_token"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    box: Mapped[str] = mapped_column(ForeignKey("box.id"), index=True)
    proof_key: Mapped[bytes]
    expires_at: Mapped[datetime]
    claimed_key: Mapped[bytes | None]
    certificate_pem: Mapped[str | None]


class Incident(Base):
    """One shop's situation. At most one open incident a shop, one open incident a number."""

    __tablename__ = "incident"
    __table_args__ = (
        Index(
            "uq_incident_open_shop",
            "shop",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index(
            "uq_incident_open_number",
            "number",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_incident_closed_at", "closed_at"),
        Index("ix_incident_last_press_at", "last_press_at"),
        Index("ix_incident_opened_at", "opened_at"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    shop: Mapped[str] = mapped_column(ForeignKey("shop.id"))
    number: Mapped[int | None]
    """1-99, then 100-999; None when all of them are open: then it is told in summaries only."""
    state: Mapped[str] = mapped_column(String(10))
    opened_at: Mapped[datetime]
    last_press_at: Mapped[datetime]
    presses: Mapped[int]
    coming_since: Mapped[datetime | None]
    """When the answer in force came; None again once it is overdue."""
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None] = mapped_column(String(80))
    on_scene_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None] = mapped_column(String(80))
    outcome: Mapped[str | None] = mapped_column(String(20))


class Alert(Base):
    """One press, as its box vouches for it: another box's claim to the same id is another row."""

    __tablename__ = "alert"

    box: Mapped[str] = mapped_column(ForeignKey("box.id"), primary_key=True)
    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    incident: Mapped[str] = mapped_column(ForeignKey("incident.id"), index=True)
    received_at: Mapped[datetime]
    pressed_at: Mapped[datetime | None]
    late: Mapped[bool]
    version: Mapped[int]
    battery_mv: Mapped[int | None]
    rssi_dbm: Mapped[int | None]
    told: Mapped[str | None] = mapped_column(String(10))
    """What its box was last told of it: "coming", "unanswered"."""


class RelayRound(Base):
    """One announcement that is due, under way (leased) or done."""

    __tablename__ = "relay_round"
    __table_args__ = (
        Index(
            "ix_relay_round_undone",
            "due_at",
            sqlite_where=text("done_at IS NULL"),
            postgresql_where=text("done_at IS NULL"),
        ),
    )

    incident: Mapped[str] = mapped_column(ForeignKey("incident.id"), primary_key=True)
    round_no: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bool]
    """True: old when it came, told together with the others of its kind."""
    caused_by: Mapped[str | None] = mapped_column(String(16))
    """The alert that caused it; None for a reminder."""
    due_at: Mapped[datetime]
    leased_by: Mapped[str | None] = mapped_column(String(40))
    lease_until: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(40))


class Answer(Base):
    """What an officer or a dispatcher said of an incident, proven or not."""

    __tablename__ = "answer"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    incident: Mapped[str | None] = mapped_column(ForeignKey("incident.id"), index=True)
    """None: no open incident had the number that was keyed."""
    at: Mapped[datetime] = mapped_column(index=True)
    by: Mapped[str] = mapped_column(String(80))
    via: Mapped[str] = mapped_column(String(20))
    proven: Mapped[bool]
    reason: Mapped[str] = mapped_column(String(40))


class BoxMessage(Base):
    """What a box must be told, kept until it acknowledges it."""

    __tablename__ = "box_message"
    __table_args__ = (
        Index(
            "ix_box_message_outstanding",
            "box",
            sqlite_where=text("settled_at IS NULL"),
            postgresql_where=text("settled_at IS NULL"),
        ),
    )

    box: Mapped[str] = mapped_column(ForeignKey("box.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    alerts: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    acknowledged: Mapped[bool] = mapped_column(default=False)
    """Settled without it: a later message says more."""


class OfficerCard(Base):
    """A printed card of one-time codes. Printing another one voids the officer's former card."""

    __tablename__ = "officer_card"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    callsign: Mapped[str] = mapped_column(String(40), index=True)
    salt: Mapped[bytes]
    created_at: Mapped[datetime]
    voided_at: Mapped[datetime | None]


class OfficerCode(Base):
    """One code of a card, as a slow salted hash."""

    __tablename__ = "officer_code"
    __table_args__ = (UniqueConstraint("card", "digest"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    card: Mapped[int] = mapped_column(ForeignKey("officer_card.id"))
    digest: Mapped[bytes] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    used_for: Mapped[str | None] = mapped_column(ForeignKey("incident.id"))


class OfficerPhone(Base):
    """An officer whom boxes may call by SMS. The one whose card was made last is called."""

    __tablename__ = "officer_phone"

    callsign: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[str] = mapped_column(String(16))
    salt: Mapped[bytes]
    made_at: Mapped[datetime]


class OfficerPhoneCode(Base):
    """One code of his SMS card, as a slow salted hash that boxes hold too. No code of the radio."""

    __tablename__ = "officer_phone_code"
    __table_args__ = (UniqueConstraint("callsign", "digest"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    callsign: Mapped[str] = mapped_column(ForeignKey("officer_phone.callsign"))
    digest: Mapped[bytes] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    used_for: Mapped[str | None] = mapped_column(ForeignKey("incident.id"))


class ParkedMessage(Base):
    """A message that was refused, for a technician. Bounded: the oldest go."""

    __tablename__ = "parked_message"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    topic: Mapped[str] = mapped_column(String(120))
    reason: Mapped[str] = mapped_column(String(200))
    payload: Mapped[bytes]


class Fault(Base):
    """Something silent or broken, until it is cleared."""

    __tablename__ = "fault"

    kind: Mapped[str] = mapped_column(String(40), primary_key=True)
    subject: Mapped[str] = mapped_column(String(80), primary_key=True)
    since: Mapped[datetime]
    last_at: Mapped[datetime]
    count: Mapped[int]
    detail: Mapped[str] = mapped_column(String(200))
    cleared_at: Mapped[datetime | None]
