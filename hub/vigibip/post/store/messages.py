"""What boxes must be told: one sequence a box, each message kept until it is acknowledged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from vigibip.post.store.records import BoxMessageView, Told
from vigibip.post.store.schema import Alert, Box, BoxMessage

# The Answer message's own limit (alert.messages).
_ALERTS_MAX = 64


def tell(
    connection: Connection, state: Told, alerts: Iterable[tuple[str, str]], now: datetime
) -> list[BoxMessageView]:
    """Keep `state` for the boxes of `alerts` ((box, alert) pairs) and return the messages.

    An "unanswered" that is still outstanding for one of these alerts is settled by "coming":
    told after it, it would take it back.
    """
    by_box: dict[str, list[str]] = defaultdict(list)
    for box_id, alert_id in alerts:
        by_box[box_id].append(alert_id)
    made = []
    for box_id, ids in by_box.items():
        if state is Told.COMING:
            _settle_unanswered(connection, box_id, set(ids), now)
        for start in range(0, len(ids), _ALERTS_MAX):
            made.append(_add(connection, box_id, state, ids[start : start + _ALERTS_MAX], now))
        connection.execute(
            update(Alert).where(Alert.box == box_id, Alert.id.in_(ids)).values(told=state.value)
        )
    return made


def _add(
    connection: Connection, box_id: str, state: Told, alerts: list[str], now: datetime
) -> BoxMessageView:
    sequence = connection.execute(
        update(Box)
        .where(Box.id == box_id)
        .values(last_sequence=Box.last_sequence + 1)
        .returning(Box.last_sequence)
    ).scalar_one()
    connection.execute(
        insert(BoxMessage).values(
            box=box_id,
            sequence=sequence,
            state=state.value,
            alerts=alerts,
            created_at=now,
            acknowledged=False,
        )
    )
    return BoxMessageView(box_id, sequence, state, tuple(alerts), now)


def _settle_unanswered(
    connection: Connection, box_id: str, alerts: set[str], now: datetime
) -> None:
    for message in outstanding(connection, box_id):
        if message.state is Told.UNANSWERED and alerts.intersection(message.alerts):
            _settle(connection, box_id, message.sequence, now, acknowledged=False)


def _settle(
    connection: Connection, box_id: str, sequence: int, now: datetime, *, acknowledged: bool
) -> None:
    connection.execute(
        update(BoxMessage)
        .where(BoxMessage.box == box_id, BoxMessage.sequence == sequence)
        .values(settled_at=now, acknowledged=acknowledged)
    )


def outstanding(connection: Connection, box_id: str | None = None) -> list[BoxMessageView]:
    """Return the messages not settled yet, in each box's order."""
    query = (
        select(
            BoxMessage.box,
            BoxMessage.sequence,
            BoxMessage.state,
            BoxMessage.alerts,
            BoxMessage.created_at,
        )
        .where(BoxMessage.settled_at.is_(None))
        .order_by(BoxMessage.box, BoxMessage.sequence)
    )
    if box_id is not None:
        query = query.where(BoxMessage.box == box_id)
    return [
        BoxMessageView(row[0], row[1], Told(row[2]), tuple(row[3]), row[4])
        for row in connection.execute(query)
    ]


def acknowledge(
    connection: Connection, box_id: str, sequence: int, now: datetime
) -> BoxMessageView | None:
    """Settle what the box has; None when nothing of this sequence was outstanding."""
    for message in outstanding(connection, box_id):
        if message.sequence == sequence:
            _settle(connection, box_id, sequence, now, acknowledged=True)
            return message
    return None
