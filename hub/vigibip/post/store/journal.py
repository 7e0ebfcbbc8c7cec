"""Faults and refused messages: what people are shown of what went wrong. Both are bounded."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from vigibip.post.store.records import FaultView
from vigibip.post.store.schema import Fault, ParkedMessage

# A technician reads the last few; whoever sends garbage must not fill the disk with it.
PARKED_MAX = 500
_PAYLOAD_KEPT = 4096
# Subjects come from the outside in part (a topic's box id): they are bounded as well.
FAULTS_MAX = 1000


def raise_fault(
    connection: Connection, kind: str, subject: str, detail: str, now: datetime
) -> None:
    """Record that this is wrong, or still wrong."""
    where = (Fault.kind == kind[:40], Fault.subject == subject[:80])
    row = connection.execute(select(Fault.count, Fault.cleared_at).where(*where)).first()
    if row is None:
        held = connection.execute(select(func.count()).select_from(Fault)).scalar_one()
        if held >= FAULTS_MAX:
            oldest = select(func.min(Fault.last_at)).scalar_subquery()
            connection.execute(delete(Fault).where(Fault.last_at == oldest))
        connection.execute(
            insert(Fault).values(
                kind=kind[:40],
                subject=subject[:80],
                since=now,
                last_at=now,
                count=1,
                detail=detail[:200],
            )
        )
        return
    anew = row[1] is not None
    values = {"last_at": now, "count": 1 if anew else row[0] + 1, "detail": detail[:200]}
    if anew:
        values |= {"since": now, "cleared_at": None}
    connection.execute(update(Fault).where(*where).values(**values))


def clear_fault(connection: Connection, kind: str, subject: str, now: datetime) -> None:
    """Record that this is right again."""
    connection.execute(
        update(Fault)
        .where(Fault.kind == kind[:40], Fault.subject == subject[:80], Fault.cleared_at.is_(None))
        .values(cleared_at=now)
    )


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
