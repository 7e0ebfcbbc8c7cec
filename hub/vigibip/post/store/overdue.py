"""What time alone demands: nobody has answered an alert, nobody has arrived where one was coming.

Each function is part of one transaction.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from vigibip.alert.life import INCIDENT_TABLE, IncidentEvent, IncidentState, step
from vigibip.post.store import messages, rounds
from vigibip.post.store.incidents import Change
from vigibip.post.store.records import Told
from vigibip.post.store.schema import Alert, Incident


def find_overdue(
    connection: Connection, *, now: datetime, unanswered_after_s: float, overdue_after_s: float
) -> tuple[list[Change], datetime | None]:
    """Do what time alone demands, and return it with the next moment to look (None: none known).

    An alert that nobody answered in time: its box is told "unanswered", once. A "coming" that no
    arrival followed in time: the incident is open again, and announced. What seems to have come
    after `now` came before the clock was set back, and counts from now.
    """
    _bring_back(connection, now)
    changes: list[Change] = []
    upcoming: list[datetime] = []
    for incident_id, state, coming_since in connection.execute(
        select(Incident.id, Incident.state, Incident.coming_since).where(
            Incident.closed_at.is_(None), Incident.state != IncidentState.ON_SCENE.value
        )
    ).all():
        if state == IncidentState.COMING and coming_since is not None:
            due_at = coming_since + timedelta(seconds=overdue_after_s)
            if due_at <= now:
                changes.append(_overdue(connection, incident_id, now))
                state = IncidentState.OPEN
            else:
                upcoming.append(due_at)
        if state == IncidentState.OPEN:
            change, due_at_or_none = _unanswered(
                connection, incident_id, now, timedelta(seconds=unanswered_after_s)
            )
            changes += [change] if change else []
            upcoming += [due_at_or_none] if due_at_or_none else []
    return changes, min(upcoming, default=None)


def _bring_back(connection: Connection, now: datetime) -> None:
    """Move the times that deadlines count from out of the future, each alert's order kept."""
    connection.execute(
        update(Incident)
        .where(Incident.closed_at.is_(None), Incident.coming_since > now)
        .values(coming_since=now)
    )
    ahead = connection.execute(
        select(Alert.box, Alert.id, Alert.received_at)
        .join_from(Alert, Incident, Alert.incident == Incident.id)
        .where(Incident.closed_at.is_(None), Alert.told.is_(None), Alert.received_at > now)
    ).all()
    if not ahead:
        return
    by = max(row[2] for row in ahead) - now
    for box_id, alert_id, received_at in ahead:
        connection.execute(
            update(Alert)
            .where(Alert.box == box_id, Alert.id == alert_id)
            .values(received_at=received_at - by)
        )


def _overdue(connection: Connection, incident_id: str, now: datetime) -> Change:
    state = step(INCIDENT_TABLE, IncidentState.COMING, IncidentEvent.OVERDUE)
    connection.execute(
        update(Incident)
        .where(Incident.id == incident_id)
        .values(state=state.value, coming_since=None)
    )
    rounds.add_round(connection, incident_id, due_at=now)
    return Change(incident_id, state)


def _unanswered(
    connection: Connection, incident_id: str, now: datetime, after: timedelta
) -> tuple[Change | None, datetime | None]:
    waiting = connection.execute(
        select(Alert.box, Alert.id, Alert.received_at)
        .where(Alert.incident == incident_id, Alert.told.is_(None))
        .order_by(Alert.received_at, Alert.id)
    ).all()
    due = [(row[0], row[1]) for row in waiting if row[2] + after <= now]
    next_at = min((row[2] + after for row in waiting if row[2] + after > now), default=None)
    if not due:
        return None, next_at
    told = tuple(messages.tell(connection, Told.UNANSWERED, due, now))
    return Change(incident_id, IncidentState.OPEN, told), next_at
