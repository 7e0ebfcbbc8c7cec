"""Relay rounds as leased rows: which announcements are due, whose they are, and which are done.

A round is leased to one worker for a time; a worker that dies loses it to another. Times are of
the wall clock, because workers share no other: a time too far ahead to be ours means that the
clock was set back, and counts as come. Announcing twice is better than not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, func, insert, select, update

from vigibip.alert.life import IncidentState
from vigibip.post.store import numbers
from vigibip.post.store.records import RoundTask
from vigibip.post.store.schema import Alert, Incident, RelayRound, Shop

SENT = "sent"
FAILED = "failed"
"""The outcomes of a round that was tried: at least one radio had it on the air, or none."""

_LAST_ROUND = select(func.max(RelayRound.round_no)).where(
    RelayRound.incident == bindparam("incident_id")
)
_NEW_ROUND = insert(RelayRound)


def add_round(
    connection: Connection,
    incident_id: str,
    *,
    due_at: datetime,
    first: bool = False,
    digest: bool = False,
    caused_by: str | None = None,
    worker: str | None = None,
    lease_until: datetime | None = None,
) -> int:
    """Add the incident's next (or `first`) round, leased to `worker`; return its number."""
    last = None if first else connection.execute(_LAST_ROUND, {"incident_id": incident_id}).scalar()
    round_no = (last or 0) + 1
    connection.execute(
        _NEW_ROUND,
        {
            "incident": incident_id,
            "round_no": round_no,
            "digest": digest,
            "caused_by": caused_by,
            "due_at": due_at,
            "leased_by": worker,
            "lease_until": lease_until,
        },
    )
    return round_no


def lease_due(
    connection: Connection,
    *,
    worker: str,
    now: datetime,
    lease_s: float,
    furthest_s: float,
    overdue_after_s: float,
) -> tuple[list[RoundTask], datetime | None]:
    """Lease every due round that nobody holds; return the tasks, oldest due first, one an incident.

    `furthest_s`: no round is ever made due further ahead; what seems to be counts as due.
    `overdue_after_s`: so long after an answer or an arrival a press opens its incident again.
    An incident that found no number free when it was opened gets one as soon as there is.
    Also returns when to look again: the next due time or end of another's lease; None: nothing
    is waiting.
    """
    tasks: list[tuple[datetime, RoundTask]] = []
    next_at: datetime | None = None
    by_incident: dict[str, list[tuple[int, datetime]]] = {}
    for row in connection.execute(
        select(
            RelayRound.incident,
            RelayRound.round_no,
            RelayRound.due_at,
            RelayRound.leased_by,
            RelayRound.lease_until,
        ).where(RelayRound.done_at.is_(None))
    ):
        due_at = now if row[2] > now + timedelta(seconds=furthest_s) else row[2]
        free_at = _free_at(due_at, row[3], row[4], now, lease_s)
        by_incident.setdefault(row[0], []).append((row[1], free_at))
    for incident_id, undone in by_incident.items():
        earliest = min(free_at for _, free_at in undone)
        if earliest > now:
            next_at = earliest if next_at is None else min(next_at, earliest)
            continue
        due = [round_no for round_no, free_at in undone if free_at <= now]
        connection.execute(
            update(RelayRound)
            .where(RelayRound.incident == incident_id, RelayRound.round_no.in_(due))
            .values(leased_by=worker, lease_until=now + timedelta(seconds=lease_s))
        )
        # With another round elsewhere, it may be on the air at this moment.
        never_tried = min(due) == 1
        first = never_tried or (len(due) == len(undone) and not _was_sent(connection, incident_id))
        task = _task_of(
            connection, incident_id, max(due), first=first, overdue_after_s=overdue_after_s
        )
        if task.number is None:
            task = replace(task, number=numbers.give(connection, incident_id, now))
        tasks.append((earliest, task))
    tasks.sort(key=lambda due_task: due_task[0])
    return [task for _, task in tasks], next_at


def _free_at(
    due_at: datetime,
    leased_by: str | None,
    lease_until: datetime | None,
    now: datetime,
    lease_s: float,
) -> datetime:
    """When this round may be taken: `now` or before if it may be already."""
    # Twice: the clocks of two machines may differ a little.
    if (
        leased_by is None
        or lease_until is None
        or lease_until > now + timedelta(seconds=2 * lease_s)
    ):
        return due_at
    return max(due_at, lease_until)


def _was_sent(connection: Connection, incident_id: str) -> bool:
    sent = select(RelayRound.round_no).where(
        RelayRound.incident == incident_id, RelayRound.outcome == SENT
    )
    return connection.execute(sent.limit(1)).first() is not None


def _task_of(
    connection: Connection,
    incident_id: str,
    round_no: int,
    *,
    first: bool,
    overdue_after_s: float,
) -> RoundTask:
    row = connection.execute(
        select(
            Incident.number,
            Incident.presses,
            Incident.shop,
            Shop.spoken,
            Shop.address,
            RelayRound.digest,
            RelayRound.caused_by,
            Incident.answered_at,
            Incident.on_scene_at,
        )
        .join_from(RelayRound, Incident, RelayRound.incident == Incident.id)
        .join(Shop, Incident.shop == Shop.id)
        .where(RelayRound.incident == incident_id, RelayRound.round_no == round_no)
    ).one()
    alerts = connection.execute(
        select(Alert.box, Alert.id, Alert.pressed_at, Alert.received_at)
        .where(Alert.incident == incident_id)
        .order_by(Alert.received_at, Alert.id)
    ).all()
    answered = max(filter(None, (row.answered_at, row.on_scene_at)), default=None)
    opening = alerts[0]
    if answered is not None:
        # What was answered before is not what is waited for now.
        anew_at = answered + timedelta(seconds=overdue_after_s)
        opening = next((alert for alert in alerts if alert[3] >= anew_at), opening)
    told = next((alert for alert in alerts if alert[1] == row.caused_by), opening)
    return RoundTask(
        incident_id=incident_id,
        round_no=round_no,
        first=first,
        number=row.number,
        box_id=told[0],
        spoken=row.spoken,
        address=row.address,
        digest=row.digest,
        alert_id=told[1],
        joined=row.caused_by is not None and told is not alerts[0],
        pressed_at=told[2],
        presses=row.presses,
    )


def renew(
    connection: Connection,
    *,
    worker: str,
    incidents: Iterable[str],
    now: datetime,
    lease_s: float,
) -> None:
    """Hold this worker's undone rounds of these incidents for another `lease_s`."""
    connection.execute(
        update(RelayRound)
        .where(
            RelayRound.done_at.is_(None),
            RelayRound.leased_by == worker,
            RelayRound.incident.in_(list(incidents)),
        )
        .values(lease_until=now + timedelta(seconds=lease_s))
    )


def release(connection: Connection, worker: str) -> None:
    """Give back all that this worker holds: it starts anew and has nothing in hand."""
    connection.execute(
        update(RelayRound)
        .where(RelayRound.done_at.is_(None), RelayRound.leased_by == worker)
        .values(leased_by=None, lease_until=None)
    )


def finish(
    connection: Connection,
    incident_id: str,
    up_to_round: int,
    *,
    outcome: str,
    now: datetime,
    next_in_s: float,
) -> bool:
    """Record that all rounds up to this one are done; while nobody has answered, add the next.

    Tells whether another is to come.

    One that failed always has a next, for its own press, unless it was answered meanwhile or
    its incident is closed: no radio had it.
    """
    digest, caused_by, done_at = connection.execute(
        select(RelayRound.digest, RelayRound.caused_by, RelayRound.done_at).where(
            RelayRound.incident == incident_id, RelayRound.round_no == up_to_round
        )
    ).one()
    failed = outcome == FAILED and done_at is None
    undone = (RelayRound.incident == incident_id, RelayRound.done_at.is_(None))
    connection.execute(
        update(RelayRound)
        .where(*undone, RelayRound.round_no == up_to_round)
        .values(done_at=now, outcome=outcome[:40])
    )
    connection.execute(
        update(RelayRound)
        .where(*undone, RelayRound.round_no < up_to_round)
        .values(done_at=now, outcome="merged")
    )
    state = connection.execute(
        select(Incident.state).where(Incident.id == incident_id)
    ).scalar_one()
    waiting = connection.execute(
        select(RelayRound.round_no)
        .where(RelayRound.incident == incident_id, RelayRound.done_at.is_(None))
        .limit(1)
    ).first()
    if waiting is None and (
        state == IncidentState.OPEN or (failed and state != IncidentState.CLOSED)
    ):
        add_round(
            connection,
            incident_id,
            due_at=now + timedelta(seconds=next_in_s),
            digest=digest,
            caused_by=caused_by if failed else None,
        )
        return True
    return waiting is not None


def drop(connection: Connection, incident_id: str, *, reason: str, now: datetime) -> None:
    """End every undone round of the incident: it was answered or closed."""
    connection.execute(
        update(RelayRound)
        .where(RelayRound.incident == incident_id, RelayRound.done_at.is_(None))
        .values(done_at=now, outcome=reason)
    )


def untried_press(connection: Connection, incident_id: str) -> bool:
    """True while a press that joined waits for its first turn on the air."""
    tried = select(RelayRound.caused_by).where(
        RelayRound.incident == incident_id,
        RelayRound.done_at.is_not(None),
        RelayRound.caused_by.is_not(None),
    )
    waiting = select(RelayRound.round_no).where(
        RelayRound.incident == incident_id,
        RelayRound.done_at.is_(None),
        RelayRound.round_no > 1,
        RelayRound.caused_by.is_not(None),
        RelayRound.caused_by.not_in(tried),
    )
    return connection.execute(waiting.limit(1)).first() is not None


def undone(connection: Connection) -> dict[str, int]:
    """Return each incident that has undone rounds, with the number of the last of them."""
    rows = connection.execute(
        select(RelayRound.incident, func.max(RelayRound.round_no))
        .where(RelayRound.done_at.is_(None))
        .group_by(RelayRound.incident)
    )
    return {row[0]: row[1] for row in rows}
