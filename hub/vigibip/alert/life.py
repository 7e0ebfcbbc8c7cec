"""The life of an alert at the box and of an incident at the post, each as one table.

An event that the table does not hold for a state is illegal: it raises and changes nothing.
Events that may come late or twice (a receipt by a second path, an answer told again) stand in the
tables as transitions to the same state.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from vigibip.base.errors import VigibipError
from vigibip.wire import frame


class IllegalEventError(VigibipError, RuntimeError):
    """An event that the present state does not allow."""

    def __init__(self, state: StrEnum, event: StrEnum) -> None:
        super().__init__(f"{event.value} is not possible while {state.value}")
        self.state = state
        self.event = event


class AlertState(StrEnum):
    """Where an alert stands, seen from the box."""

    OPENED = "opened"  # the seal is open; carriers run from memory, nothing is on the disk
    HEARD = "heard"  # on the disk
    NOT_REACHED = "not_reached"  # on the disk, and no receipt within the plan's time
    DELIVERED = "delivered"  # the post's receipt came
    UNANSWERED = "unanswered"  # delivered, and nobody answered within the plan's time
    COMING = "coming"  # an officer's proven answer
    PARKED = "parked"  # the post refused it, with a reason; a fault tells people


class AlertEvent(StrEnum):
    STORED = "stored"
    RECEIPT_OVERDUE = "receipt_overdue"
    RECEIPT = "receipt"
    REFUSED = "refused"
    ANSWER_OVERDUE = "answer_overdue"
    ANSWER = "answer"


_A, _E = AlertState, AlertEvent

ALERT_TABLE: dict[tuple[AlertState, AlertEvent], AlertState] = {
    (_A.OPENED, _E.STORED): _A.HEARD,
    # The receipt or even the answer may overtake a slow disk: the alert went from memory.
    (_A.OPENED, _E.RECEIPT): _A.DELIVERED,
    (_A.OPENED, _E.ANSWER): _A.COMING,
    (_A.OPENED, _E.REFUSED): _A.PARKED,
    (_A.HEARD, _E.STORED): _A.HEARD,
    (_A.HEARD, _E.RECEIPT_OVERDUE): _A.NOT_REACHED,
    (_A.HEARD, _E.RECEIPT): _A.DELIVERED,
    (_A.HEARD, _E.REFUSED): _A.PARKED,
    (_A.HEARD, _E.ANSWER): _A.COMING,
    (_A.NOT_REACHED, _E.STORED): _A.NOT_REACHED,
    (_A.NOT_REACHED, _E.RECEIPT_OVERDUE): _A.NOT_REACHED,
    (_A.NOT_REACHED, _E.RECEIPT): _A.DELIVERED,
    (_A.NOT_REACHED, _E.REFUSED): _A.PARKED,
    (_A.NOT_REACHED, _E.ANSWER): _A.COMING,
    (_A.DELIVERED, _E.STORED): _A.DELIVERED,
    (_A.DELIVERED, _E.RECEIPT): _A.DELIVERED,
    (_A.DELIVERED, _E.REFUSED): _A.DELIVERED,
    (_A.DELIVERED, _E.ANSWER_OVERDUE): _A.UNANSWERED,
    (_A.DELIVERED, _E.ANSWER): _A.COMING,
    (_A.UNANSWERED, _E.STORED): _A.UNANSWERED,
    (_A.UNANSWERED, _E.RECEIPT): _A.UNANSWERED,
    (_A.UNANSWERED, _E.REFUSED): _A.UNANSWERED,
    (_A.UNANSWERED, _E.ANSWER_OVERDUE): _A.UNANSWERED,
    (_A.UNANSWERED, _E.ANSWER): _A.COMING,
    (_A.COMING, _E.STORED): _A.COMING,
    (_A.COMING, _E.RECEIPT): _A.COMING,
    (_A.COMING, _E.REFUSED): _A.COMING,
    (_A.COMING, _E.ANSWER): _A.COMING,
    (_A.PARKED, _E.STORED): _A.PARKED,
    (_A.PARKED, _E.REFUSED): _A.PARKED,
    # A person may have mended what the post refused, and had it sent again.
    (_A.PARKED, _E.RECEIPT): _A.DELIVERED,
    (_A.PARKED, _E.ANSWER): _A.COMING,
}

# What the bip is told. OPENED tells nothing: "heard" means the disk has it. A parked alert is on
# the box's disk but reached nobody, and the shopkeeper must know that.
WIRE_STATE: dict[AlertState, int] = {
    AlertState.OPENED: frame.STATE_NONE,
    AlertState.HEARD: frame.STATE_HEARD,
    AlertState.NOT_REACHED: frame.STATE_NOT_REACHED,
    AlertState.DELIVERED: frame.STATE_DELIVERED,
    AlertState.UNANSWERED: frame.STATE_UNANSWERED,
    AlertState.COMING: frame.STATE_COMING,
    AlertState.PARKED: frame.STATE_NOT_REACHED,
}


class IncidentState(StrEnum):
    """One shop's situation, seen from the post."""

    OPEN = "open"  # nobody has answered: the relay goes on
    COMING = "coming"  # a proven answer
    ON_SCENE = "on_scene"
    CLOSED = "closed"  # with an outcome


class IncidentEvent(StrEnum):
    PRESS = "press"  # another press of the same shop joined
    PRESS_ANEW = (
        "press_anew"  # one joined so long after the answer or arrival that it needs its own
    )
    ANSWER = "answer"
    ARRIVAL = "arrival"
    OVERDUE = "overdue"  # "coming" without "on scene" for too long
    CLOSE = "close"


_I, _V = IncidentState, IncidentEvent

INCIDENT_TABLE: dict[tuple[IncidentState, IncidentEvent], IncidentState] = {
    (_I.OPEN, _V.PRESS): _I.OPEN,
    (_I.OPEN, _V.PRESS_ANEW): _I.OPEN,
    (_I.OPEN, _V.ANSWER): _I.COMING,
    (_I.OPEN, _V.ARRIVAL): _I.ON_SCENE,
    (_I.OPEN, _V.CLOSE): _I.CLOSED,
    # A second press while an officer is on the way is announced again, but he is still coming.
    (_I.COMING, _V.PRESS): _I.COMING,
    # Nobody knows whether he who answered long ago still comes, or is still there.
    (_I.COMING, _V.PRESS_ANEW): _I.OPEN,
    (_I.COMING, _V.ANSWER): _I.COMING,
    (_I.COMING, _V.ARRIVAL): _I.ON_SCENE,
    (_I.COMING, _V.OVERDUE): _I.OPEN,
    (_I.COMING, _V.CLOSE): _I.CLOSED,
    (_I.ON_SCENE, _V.PRESS): _I.ON_SCENE,
    (_I.ON_SCENE, _V.PRESS_ANEW): _I.OPEN,
    (_I.ON_SCENE, _V.ANSWER): _I.ON_SCENE,
    (_I.ON_SCENE, _V.ARRIVAL): _I.ON_SCENE,
    (_I.ON_SCENE, _V.CLOSE): _I.CLOSED,
    (_I.CLOSED, _V.CLOSE): _I.CLOSED,
}

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


def step(table: dict[tuple[S, E], S], state: S, event: E) -> S:
    """Return the state after `event`. Raises IllegalEventError when the table has no such row."""
    try:
        return table[state, event]
    except KeyError:
        raise IllegalEventError(state, event) from None
