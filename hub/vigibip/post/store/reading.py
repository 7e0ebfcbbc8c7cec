"""Incidents as people look at them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, Select, func, select

from vigibip.alert.life import IncidentState
from vigibip.post.store.records import (
    AlertView,
    AnswerView,
    IncidentOutcome,
    IncidentView,
    Told,
)
from vigibip.post.store.schema import Alert, Answer, Incident, RelayRound, Shop


def incidents(connection: Connection, *, open_only: bool, limit: int) -> list[IncidentView]:
    """Return at most `limit` incidents: the open ones first, each kind by its newest press."""
    query = _incidents().order_by(
        Incident.closed_at.is_not(None), Incident.last_press_at.desc(), Incident.id
    )
    if open_only:
        query = query.where(Incident.closed_at.is_(None))
    return _views(connection, query.limit(limit))


def incident(connection: Connection, incident_id: str) -> IncidentView | None:
    found = _views(connection, _incidents().where(Incident.id == incident_id))
    return found[0] if found else None


def _incidents() -> Select[Any]:
    return select(Incident.__table__, Shop.name, Shop.address).join_from(
        Incident, Shop, Incident.shop == Shop.id
    )


def _views(connection: Connection, query: Select[Any]) -> list[IncidentView]:
    rows = connection.execute(query).all()
    ids = [row.id for row in rows]
    alerts = _alerts(connection, ids)
    answers = _answers(connection, ids)
    rounds = {
        row[0]: (row[1], row[2])
        for row in connection.execute(
            select(RelayRound.incident, func.count(), func.max(RelayRound.done_at))
            .where(RelayRound.incident.in_(ids), RelayRound.outcome == "sent")
            .group_by(RelayRound.incident)
        )
    }
    return [
        IncidentView(
            id=row.id,
            number=row.number,
            shop_name=row.name,
            shop_address=row.address,
            state=IncidentState(row.state),
            opened_at=row.opened_at,
            last_press_at=row.last_press_at,
            presses=row.presses,
            answered_at=row.answered_at,
            answered_by=row.answered_by,
            on_scene_at=row.on_scene_at,
            closed_at=row.closed_at,
            closed_by=row.closed_by,
            outcome=None if row.outcome is None else IncidentOutcome(row.outcome),
            rounds=rounds.get(row.id, (0, None))[0],
            last_round_at=rounds.get(row.id, (0, None))[1],
            alerts=tuple(alerts[row.id]),
            answers=tuple(answers[row.id]),
        )
        for row in rows
    ]


def _alerts(connection: Connection, ids: list[str]) -> dict[str, list[AlertView]]:
    found: dict[str, list[AlertView]] = defaultdict(list)
    for row in connection.execute(
        select(
            Alert.incident,
            Alert.id,
            Alert.box,
            Alert.pressed_at,
            Alert.received_at,
            Alert.late,
            Alert.battery_mv,
            Alert.rssi_dbm,
            Alert.told,
        )
        .where(Alert.incident.in_(ids))
        .order_by(Alert.received_at, Alert.id)
    ):
        told = None if row[8] is None else Told(row[8])
        found[row[0]].append(AlertView(*row[1:8], told))
    return found


def _answers(connection: Connection, ids: list[str]) -> dict[str, list[AnswerView]]:
    found: dict[str, list[AnswerView]] = defaultdict(list)
    for row in connection.execute(
        select(Answer.incident, Answer.by, Answer.via, Answer.proven, Answer.at, Answer.reason)
        .where(Answer.incident.in_(ids))
        .order_by(Answer.at, Answer.id)
    ):
        found[str(row[0])].append(AnswerView(*row[1:]))
    return found
