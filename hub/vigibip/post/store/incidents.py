"""An alert becomes, or joins, its shop's incident; an incident is answered, reached and closed.

Each function is one transaction's work and obeys the life tables of alert.life.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from sqlalchemy import Connection, bindparam, func, insert, select, update

from vigibip.alert import messages as wire
from vigibip.alert.life import INCIDENT_TABLE, IncidentEvent, IncidentState, step
from vigibip.base.errors import VigibipError
from vigibip.post.errors import PressedAgainError, UnknownBoxError, UnknownIncidentError
from vigibip.post.store import boxes, messages, numbers, rounds
from vigibip.post.store.records import Accepted, BoxMessageView, IncidentOutcome, RoundTask, Told
from vigibip.post.store.schema import Alert, Answer, Box, Incident, Shop

# Built once: building a statement costs five times its execution, and an alert waits for these.
_SHOP_OF_BOX = (
    select(Box.shop, Shop.spoken, Shop.address)
    .join_from(Box, Shop, Box.shop == Shop.id)
    .where(Box.id == bindparam("box_id"), Box.revoked_at.is_(None))
)
_KNOWN_ALERT = (
    select(Alert.incident, Alert.told, Incident.state)
    .join_from(Alert, Incident, Alert.incident == Incident.id)
    .where(Alert.box == bindparam("box_id"), Alert.id == bindparam("alert_id"))
)
_OPEN_INCIDENT = select(
    Incident.id,
    Incident.number,
    Incident.presses,
    Incident.state,
    Incident.coming_since,
    Incident.on_scene_at,
).where(Incident.shop == bindparam("shop_id"), Incident.closed_at.is_(None))
_JOIN_INCIDENT = (
    update(Incident)
    .where(Incident.id == bindparam("incident_id"))
    .values(
        presses=bindparam("count"),
        last_press_at=bindparam("at"),
        state=bindparam("to"),
        coming_since=bindparam("since"),
    )
)
# Whoever does not know when it was pressed knows that it was by then.
_pressed_at = func.coalesce(Alert.pressed_at, Alert.received_at)
_NEW_INCIDENT = insert(Incident)
_NEW_ALERT = insert(Alert)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeRules:
    """How alerts are taken in: whose first round it is, and what counts as old.

    `overdue_after_s`: after so long, an answer or an arrival speaks for no new press.
    """

    worker: str
    lease_s: float = 30.0
    digest_older_than_s: float = 1800.0
    digest_gather_s: float = 10.0
    overdue_after_s: float = 900.0


def accept_alert(
    connection: Connection, box_id: str, alert: wire.Alert, now: datetime, rules: IntakeRules
) -> Accepted:
    """Commit one alert: a known one changes nothing, any other opens or joins its shop's incident.

    A box that repeats an alert whose "coming" it has acknowledged may have lost that: told again.
    Its announcement is leased to the worker in the same transaction. Raises UnknownBoxError.
    """
    shop = connection.execute(_SHOP_OF_BOX, {"box_id": box_id}).first()
    if shop is None:
        raise UnknownBoxError(f"no box {box_id} is served here")
    known = connection.execute(_KNOWN_ALERT, {"box_id": box_id, "alert_id": alert.alert}).first()
    if known is not None:
        again: tuple[BoxMessageView, ...] = ()
        coming = known[2] in (IncidentState.COMING, IncidentState.ON_SCENE)
        if coming and known[1] == Told.COMING:
            again = _tell_again(connection, box_id, alert.alert, now)
        return Accepted(known[0], False, None, again)

    incident_id, number, presses, state = _open_or_join(connection, shop[0], now, rules)
    pressed_at = None if alert.age_s is None else _before(now, alert.age_s)
    connection.execute(
        _NEW_ALERT,
        {
            "box": box_id,
            "id": alert.alert,
            "incident": incident_id,
            "received_at": now,
            "pressed_at": pressed_at,
            "late": alert.late,
            "version": alert.version,
            "battery_mv": alert.battery_mv,
            "rssi_dbm": alert.rssi_dbm,
        },
    )
    digest = (
        state is IncidentState.OPEN
        and alert.age_s is not None
        and alert.age_s > rules.digest_older_than_s
    )
    due_at = now + timedelta(seconds=rules.digest_gather_s if digest else 0)
    round_no = rounds.add_round(
        connection,
        incident_id,
        due_at=due_at,
        first=presses == 1,
        digest=digest,
        caused_by=alert.alert,
        worker=None if digest else rules.worker,
        lease_until=None if digest else now + timedelta(seconds=rules.lease_s),
    )
    told: tuple[BoxMessageView, ...] = ()
    if state is not IncidentState.OPEN:
        # An officer is on the way or has just come, for this press too.
        told = tuple(messages.tell(connection, Told.COMING, [(box_id, alert.alert)], now))
    if digest:
        return Accepted(incident_id, True, None, told)
    task = RoundTask(
        incident_id=incident_id,
        round_no=round_no,
        first=round_no == 1,
        number=number,
        box_id=box_id,
        spoken=shop[1],
        address=shop[2],
        digest=False,
        alert_id=alert.alert,
        joined=presses > 1,
        pressed_at=pressed_at,
        presses=presses,
    )
    return Accepted(incident_id, True, task, told)


def _tell_again(
    connection: Connection, box_id: str, alert_id: str, now: datetime
) -> tuple[BoxMessageView, ...]:
    for message in messages.outstanding(connection, box_id):
        if message.state is Told.COMING and alert_id in message.alerts:
            return ()  # it is being told
    return tuple(messages.tell(connection, Told.COMING, [(box_id, alert_id)], now))


class RehearsalEndError(VigibipError):
    """Takes a rehearsal back: nothing of it is ever committed."""


def rehearse(connection: Connection, now: datetime, rules: IntakeRules) -> NoReturn:
    """Do all that two alerts and a round need, and raise RehearsalEndError."""
    shop = boxes.create_shop(connection, name="-", spoken="-", address="", now=now)
    for press in ("0" * 16, "0" * 15 + "1"):
        taken = accept_alert(connection, shop.box_id, wire.Alert(alert=press, age_s=0), now, rules)
    rounds.finish(connection, taken.incident_id, 2, outcome="sent", now=now, next_in_s=1)
    answer(connection, taken.incident_id, by="-", via="-", now=now)
    raise RehearsalEndError


def _before(now: datetime, age_s: int) -> datetime:
    try:
        return now - timedelta(seconds=age_s)
    except OverflowError:
        return datetime.min.replace(tzinfo=now.tzinfo)


def _open_or_join(
    connection: Connection, shop_id: str, now: datetime, rules: IntakeRules
) -> tuple[str, int | None, int, IncidentState]:
    """Return id, number, presses and state of the shop's incident, this press counted."""
    open_one = connection.execute(_OPEN_INCIDENT, {"shop_id": shop_id}).first()
    if open_one is not None:
        before = IncidentState(open_one[3])
        last = open_one[5] if before is IncidentState.ON_SCENE else open_one[4]
        anew = last is None or last + timedelta(seconds=rules.overdue_after_s) <= now
        event = IncidentEvent.PRESS_ANEW if anew else IncidentEvent.PRESS
        state = step(INCIDENT_TABLE, before, event)
        presses = open_one[2] + 1
        connection.execute(
            _JOIN_INCIDENT,
            {
                "incident_id": open_one[0],
                "count": presses,
                "at": now,
                "to": state.value,
                "since": open_one[4] if state is IncidentState.COMING else None,
            },
        )
        number = open_one[1] or numbers.give(connection, open_one[0], now)
        return open_one[0], number, presses, state
    incident_id = secrets.token_hex(8)
    number = numbers.next_number(connection, now)
    connection.execute(
        _NEW_INCIDENT,
        {
            "id": incident_id,
            "shop": shop_id,
            "number": number,
            "state": IncidentState.OPEN.value,
            "opened_at": now,
            "last_press_at": now,
            "presses": 1,
        },
    )
    return incident_id, number, 1, IncidentState.OPEN


@dataclass(frozen=True, slots=True)
class Change:
    """An incident's new state, and what its boxes must now be told."""

    incident_id: str
    state: IncidentState
    messages: tuple[BoxMessageView, ...] = ()


def _state(connection: Connection, incident_id: str) -> IncidentState:
    state = connection.execute(
        select(Incident.state).where(Incident.id == incident_id)
    ).scalar_one_or_none()
    if state is None:
        raise UnknownIncidentError(f"no incident {incident_id}")
    return IncidentState(state)


def answer(
    connection: Connection,
    incident_id: str,
    *,
    by: str,
    via: str,
    now: datetime,
    answered_at: datetime | None = None,
) -> Change:
    """Record a proven answer: the relay ends, and the boxes are told "coming".

    `answered_at`: when it was given, if that was before; of a press after that it says nothing,
    and an open incident with such a press stays open. Raises UnknownIncidentError, and
    IllegalEventError once the incident is closed.
    """
    before = _state(connection, incident_id)
    state = step(INCIDENT_TABLE, before, IncidentEvent.ANSWER)
    at = answered_at or now
    _record_answer(connection, incident_id, by=by, via=via, reason="", now=at)
    if before is IncidentState.OPEN and answered_at is not None:
        later = select(Alert.id).where(Alert.incident == incident_id, _pressed_at > answered_at)
        if connection.execute(later.limit(1)).first() is not None:
            return Change(incident_id, before, _tell_coming(connection, incident_id, now, at))
    if state is not before:
        connection.execute(
            update(Incident)
            .where(Incident.id == incident_id)
            .values(state=state.value, coming_since=at, answered_at=at, answered_by=by[:80])
        )
    rounds.drop(connection, incident_id, reason="answered", now=now)
    return Change(incident_id, state, _tell_coming(connection, incident_id, now))


def _tell_coming(
    connection: Connection, incident_id: str, now: datetime, until: datetime | None = None
) -> tuple[BoxMessageView, ...]:
    """Tell the boxes of what they have not been told of yet, as far as it was pressed by then."""
    untold = (
        select(Alert.box, Alert.id)
        .where(
            Alert.incident == incident_id,
            Alert.told.is_distinct_from(Told.COMING.value),
        )
        .order_by(Alert.received_at, Alert.id)
    )
    if until is not None:
        untold = untold.where(_pressed_at <= until)
    pressed = [(row[0], row[1]) for row in connection.execute(untold)]
    return tuple(messages.tell(connection, Told.COMING, pressed, now))


def _record_answer(
    connection: Connection,
    incident_id: str | None,
    *,
    by: str,
    via: str,
    reason: str,
    now: datetime,
) -> None:
    connection.execute(
        insert(Answer).values(
            incident=incident_id,
            at=now,
            by=by[:80],
            via=via[:20],
            proven=reason == "",
            reason=reason,
        )
    )


def record_unproven(
    connection: Connection,
    incident_id: str | None,
    *,
    by: str,
    via: str,
    reason: str,
    now: datetime,
) -> None:
    """Record what was said without proof: it is shown, and stops nothing."""
    _record_answer(connection, incident_id, by=by, via=via, reason=reason, now=now)


def open_incident_numbered(connection: Connection, number: int) -> str | None:
    """Return the id of the open incident that is called `number` on the air."""
    return connection.execute(
        select(Incident.id).where(Incident.number == number, Incident.closed_at.is_(None))
    ).scalar_one_or_none()


def arrive(connection: Connection, incident_id: str, *, by: str, now: datetime) -> Change:
    """An officer is on the scene; where nobody had answered, that is the answer too."""
    before = _state(connection, incident_id)
    state = step(INCIDENT_TABLE, before, IncidentEvent.ARRIVAL)
    if state is not before:
        connection.execute(
            update(Incident)
            .where(Incident.id == incident_id)
            .values(state=state.value, on_scene_at=now, coming_since=None)
        )
        if before is IncidentState.OPEN:
            _record_answer(connection, incident_id, by=by, via="arrival", reason="", now=now)
            connection.execute(
                update(Incident)
                .where(Incident.id == incident_id)
                .values(answered_at=now, answered_by=by[:80])
            )
    rounds.drop(connection, incident_id, reason="on scene", now=now)
    return Change(incident_id, state, _tell_coming(connection, incident_id, now))


def close(
    connection: Connection,
    incident_id: str,
    *,
    by: str,
    outcome: IncidentOutcome,
    seen_presses: int | None,
    now: datetime,
) -> Change:
    """End the incident; whoever closes it again changes nothing. It never absorbs a press again.

    `seen_presses`: how many presses were shown to whoever closes it; None: unknown. Raises
    PressedAgainError when there are others by now, or one that joined and that no radio has been
    given yet: nobody has judged it.
    """
    before = _state(connection, incident_id)
    state = step(INCIDENT_TABLE, before, IncidentEvent.CLOSE)
    if state is not before:
        presses = connection.execute(
            select(Incident.presses).where(Incident.id == incident_id)
        ).scalar_one()
        if seen_presses not in (None, presses) or rounds.untried_press(connection, incident_id):
            raise PressedAgainError(f"incident {incident_id} was pressed again")
        connection.execute(
            update(Incident)
            .where(Incident.id == incident_id)
            .values(
                state=state.value,
                closed_at=now,
                closed_by=by[:80],
                outcome=outcome.value,
                coming_since=None,
            )
        )
        rounds.drop(connection, incident_id, reason="closed", now=now)
    return Change(incident_id, state)
