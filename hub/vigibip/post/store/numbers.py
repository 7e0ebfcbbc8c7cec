"""The number that an incident is called by on the air."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, or_, select, update

from vigibip.post.store.schema import Incident

NOT_REUSED_FOR = timedelta(hours=12)
"""An officer who answers the incident of this morning must not answer another one's."""

_SHORT = range(1, 100)
_LONG = range(100, 1000)

_TAKEN = select(Incident.number).where(
    Incident.number.is_not(None),
    or_(Incident.closed_at.is_(None), Incident.closed_at > bindparam("since")),
)
_LAST_USED = (
    select(Incident.number)
    .where(Incident.number.between(bindparam("low"), bindparam("high")))
    .order_by(Incident.opened_at.desc(), Incident.number.desc())
    .limit(1)
)
_OPEN = select(Incident.number).where(Incident.closed_at.is_(None), Incident.number.is_not(None))
_RESTED_LONGEST = (
    select(Incident.number)
    .where(Incident.number.is_not(None), Incident.number.not_in(_OPEN))
    .group_by(Incident.number)
    .order_by(func.max(Incident.closed_at))
    .limit(1)
)


def next_number(connection: Connection, now: datetime) -> int | None:
    """Return a free number: two digits while there are any, else three.

    The numbers go round, so that each rests as long as possible. When every one was used within
    NOT_REUSED_FOR, the one whose incident was closed first comes back early; None only when all
    of them belong to open incidents.
    """
    taken = set(connection.execute(_TAKEN, {"since": now - NOT_REUSED_FOR}).scalars())
    for span in (_SHORT, _LONG):
        if len(taken.intersection(span)) == len(span):
            continue
        last = connection.execute(_LAST_USED, {"low": span.start, "high": span.stop - 1}).scalar()
        start = span.start if last is None else last + 1
        for offset in range(len(span)):
            number = span.start + (start - span.start + offset) % len(span)
            if number not in taken:
                return number
    return connection.execute(_RESTED_LONGEST).scalar()


def give(connection: Connection, incident_id: str, now: datetime) -> int | None:
    """Give a number to an incident that was opened while none was free; None: still none is."""
    number = next_number(connection, now)
    if number is not None:
        connection.execute(update(Incident).where(Incident.id == incident_id).values(number=number))
    return number
