"""Faults and refused messages: what people are shown of what went wrong. Both are bounded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from vigibip.post.fault_kinds import EVENTS
from vigibip.post.store.records import FaultChange, FaultView
from vigibip.post.store.schema import Fault, ParkedMessage

# A technician reads the last few; whoever sends garbage must not fill the disk with it.
PARKED_MAX = 500
_PAYLOAD_KEPT = 4096
# Subjects come from the outside in part (a topic's box id): they are bounded as well.
FAULTS_MAX = 1000


def record_faults(connection: Connection, changes: Iterable[FaultChange], now: datetime) -> None:
    """Record what went wrong, again or anew, and what is right again."""
    for change in changes:
        if change.detail is None:
            connection.execute(
                update(Fault).where(*_is(change), Fault.cleared_at.is_(None)).values(cleared_at=now)
            )
        else:
            _raise(connection, change, change.detail, now)


def _is(change: FaultChange) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Fault.kind == change.kind[:40], Fault.subject == change.subject[:80]


def _raise(connection: Connection, change: FaultChange, detail: str, now: datetime) -> None:
    row = connection.execute(select(Fault.count, Fault.cleared_at).where(*_is(change))).first()
    values = {"last_at": now, "count": change.count, "detail": detail[:200]}
    if row is None:
        _make_room(connection)
        connection.execute(
            insert(Fault).values(
                kind=change.kind[:40], subject=change.subject[:80], since=now, **values
            )
        )
    elif row[1] is None:
        values["count"] = row[0] + change.count
        connection.execute(update(Fault).where(*_is(change)).values(values))
    else:
        anew = values | {"since": now, "cleared_at": None}
        connection.execute(update(Fault).where(*_is(change)).values(anew))


def _make_room(connection: Connection) -> None:
    held = connection.execute(select(func.count()).select_from(Fault)).scalar_one()
    if held >= FAULTS_MAX:
        # What is over goes before what stands, and what happened before what lasts.
        kind, subject = connection.execute(
            select(Fault.kind, Fault.subject)
            .order_by(Fault.cleared_at.is_(None), Fault.kind.not_in(EVENTS), Fault.last_at)
            .limit(1)
        ).one()
        connection.execute(delete(Fault).where(Fault.kind == kind, Fault.subject == subject))


def faults(connection: Connection) -> list[FaultView]:
    """Return what is wrong now, the newest first."""
    rows = connection.execute(
        select(Fault.kind, Fault.subject, Fault.since, Fault.last_at, Fault.count, Fault.detail)
        .where(Fault.cleared_at.is_(None))
        .order_by(Fault.last_at.desc())
    )
    return [FaultView(*row) for row in rows]


def park(connection: Connection, topic: str, reason: str, payload: bytes, now: datetime) -> None:
    """Keep a refused message; the oldest make room."""
    connection.execute(
        insert(ParkedMessage).values(
            at=now, topic=topic[:120], reason=reason[:200], payload=payload[:_PAYLOAD_KEPT]
        )
    )
    newest = select(func.max(ParkedMessage.id)).scalar_subquery()
    connection.execute(delete(ParkedMessage).where(ParkedMessage.id <= newest - PARKED_MAX))
