"""What is remembered of each box's ways here, and of the modems. Functions of one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as insert_or

from vigibip.base.errors import UsageError
from vigibip.post.errors import CopiedSmsError, OldSmsError, UnknownBoxError
from vigibip.post.store import contacts
from vigibip.post.store.boxes import window_of
from vigibip.post.store.schema import Alert, Box, BoxPath, SmsModem
from vigibip.wire import window

_WINDOW = select(BoxPath.up_highest, BoxPath.up_bits).where(BoxPath.box == bindparam("box_id"))
_HEARD = (
    update(BoxPath).where(BoxPath.box == bindparam("of")).values(heard_at=bindparam("heard_at"))
)


@dataclass(frozen=True, slots=True)
class PathView:
    """A box's two ways, as far as the store knows; every time None when there was none."""

    box_id: str
    phone: str | None
    expected_since: datetime | None
    proven_at: datetime | None
    alert_at: datetime | None
    heard_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModemView:
    """A modem as the daemon last told of it."""

    name: str
    state: str
    detail: str
    advice: str
    operator: str
    technology: str
    signal_dbm: int | None
    rate_per_min: float
    waiting: int
    minutes_to_empty: float
    seen_at: datetime


def take_sms(
    connection: Connection, box_id: str, sequence: int, now: datetime, *, alert: bool
) -> None:
    """Mark an authenticated SMS of the box as taken, for ever; it proves the path.

    Raises CopiedSmsError when it was before, OldSmsError when it is too old for its window.
    """
    row = connection.execute(_WINDOW, {"box_id": box_id}).first()
    highest, bits = window_of(*(row or (None, None)))
    judged = window.judge(highest, bits, sequence)
    if judged == window.SEEN:
        raise CopiedSmsError("an SMS that was taken before")
    if judged == window.OUTSIDE:
        raise OldSmsError("an SMS that is older than its box's window")
    highest, bits = window.accept(highest, bits, sequence)
    values = {"up_highest": highest, "up_bits": f"{bits:x}", "proven_at": now}
    if alert:
        values["alert_at"] = now
    _put(connection, box_id, values)


def reserve_sequences(connection: Connection, box_id: str, count: int, floor: int) -> int:
    """Return the first of `count` sequences that were never given to this box's SMS.

    `floor`: it is at least that much, in case this store is an old copy.
    """
    reserved = connection.execute(
        select(BoxPath.down_reserved).where(BoxPath.box == box_id)
    ).scalar_one_or_none()
    first = max(reserved or 1, floor)
    _put(connection, box_id, {"down_reserved": first + count})
    return first


def set_phone(connection: Connection, box_id: str, phone: str | None, now: datetime) -> None:
    """Set, change or remove the number that the box's SMS come from.

    Raises UnknownBoxError, and UsageError for a number that another box has.
    """
    holder = None
    if phone is not None:
        holder = connection.execute(select(Box.id).where(Box.phone == phone)).scalar_one_or_none()
        if holder not in (None, box_id):
            raise UsageError(f"ce numéro est déjà celui de {holder}")
    done = connection.execute(
        update(Box).where(Box.id == box_id, Box.revoked_at.is_(None)).values(phone=phone)
    )
    if done.rowcount != 1:
        raise UnknownBoxError(f"le poste n'attend pas de boîtier {box_id}")
    if holder is None:
        since = None if phone is None else now
        _put(connection, box_id, {"expected_since": since, "proven_at": None})
    contacts.renew(connection, now)


def paths(connection: Connection) -> list[PathView]:
    """Return the ways of every box that is enrolled and not revoked."""
    rows = connection.execute(
        select(
            Box.id,
            Box.phone,
            BoxPath.expected_since,
            BoxPath.proven_at,
            BoxPath.alert_at,
            BoxPath.heard_at,
        )
        .join_from(Box, BoxPath, BoxPath.box == Box.id, isouter=True)
        .where(Box.revoked_at.is_(None), Box.up_key.is_not(None))
        .order_by(Box.id)
    )
    return [PathView(*row) for row in rows]


def record_heard(connection: Connection, heard: Mapping[str, datetime]) -> None:
    """Record when these boxes last spoke over data; those that this store lacks are left out."""
    there = list(connection.execute(select(Box.id).where(Box.id.in_(heard))).scalars())
    if not there:
        return
    connection.execute(
        insert_or(BoxPath).on_conflict_do_nothing(), [{"box": one, **_FRESH} for one in there]
    )
    connection.execute(_HEARD, [{"of": one, "heard_at": heard[one]} for one in there])


def pressed_since(connection: Connection, since: Mapping[str, datetime]) -> set[str]:
    """Return which of these boxes a press came from, each since its own moment."""
    if not since:
        return set()
    last = connection.execute(
        select(Alert.box, func.max(Alert.received_at))
        .where(Alert.received_at >= min(since.values()))
        .group_by(Alert.box)
    )
    return {box_id for box_id, at in last if box_id in since and at >= since[box_id]}


def record_modems(connection: Connection, modems: Iterable[ModemView]) -> None:
    """Keep what is known of these modems now, and of no others."""
    connection.execute(delete(SmsModem))
    for one in modems:
        connection.execute(
            insert(SmsModem).values(
                name=one.name[:40],
                state=one.state[:20],
                detail=one.detail[:200],
                advice=one.advice[:400],
                operator=one.operator[:40],
                technology=one.technology[:10],
                signal_dbm=one.signal_dbm,
                rate_per_min=one.rate_per_min,
                waiting=one.waiting,
                minutes_to_empty=one.minutes_to_empty,
                seen_at=one.seen_at,
            )
        )


def modems(connection: Connection) -> list[ModemView]:
    rows = connection.execute(select(SmsModem.__table__).order_by(SmsModem.name))
    return [ModemView(**row._mapping) for row in rows]


_FRESH: dict[str, object] = {"up_highest": -1, "up_bits": "0", "down_reserved": 1}


def _put(connection: Connection, box_id: str, values: Mapping[str, object]) -> None:
    connection.execute(
        insert_or(BoxPath)
        .values(box=box_id, **(_FRESH | dict(values)))
        .on_conflict_do_update(index_elements=[BoxPath.box], set_=dict(values))
    )
