"""The lives of alert and incident: every state and event, and the promises as properties.

The tables are small enough to try them whole, so the promises are held against every path.
"""

from __future__ import annotations

import itertools
from enum import StrEnum
from typing import TypeVar

import pytest

from vigibip.alert.life import (
    ALERT_TABLE,
    INCIDENT_TABLE,
    WIRE_STATE,
    AlertEvent,
    AlertState,
    IllegalEventError,
    IncidentEvent,
    IncidentState,
    step,
)
from vigibip.wire import frame

A, E = AlertState, AlertEvent
IS, IE = IncidentState, IncidentEvent

S = TypeVar("S", bound=StrEnum)
V = TypeVar("V", bound=StrEnum)

# How much an alert's state claims; a bip must never be told less after more.
CLAIM = {
    A.OPENED: 0,
    A.HEARD: 1,
    A.NOT_REACHED: 2,
    A.PARKED: 2,
    A.DELIVERED: 3,
    A.UNANSWERED: 4,
    A.COMING: 5,
}

# From which states an event may newly lead into a state.
ALERT_ENTRANCES = {
    A.HEARD: {(A.OPENED, E.STORED)},
    A.NOT_REACHED: {(A.HEARD, E.RECEIPT_OVERDUE)},
    A.PARKED: {(state, E.REFUSED) for state in (A.OPENED, A.HEARD, A.NOT_REACHED)},
    A.DELIVERED: {(state, E.RECEIPT) for state in (A.OPENED, A.HEARD, A.NOT_REACHED, A.PARKED)},
    A.UNANSWERED: {(A.DELIVERED, E.ANSWER_OVERDUE)},
    A.COMING: {(state, E.ANSWER) for state in A if state is not A.COMING},
}

INCIDENT_ENTRANCES = {
    IS.OPEN: {
        (IS.COMING, IE.OVERDUE),
        (IS.COMING, IE.PRESS_ANEW),
        (IS.ON_SCENE, IE.PRESS_ANEW),
    },
    IS.COMING: {(IS.OPEN, IE.ANSWER)},
    IS.ON_SCENE: {(IS.OPEN, IE.ARRIVAL), (IS.COMING, IE.ARRIVAL)},
    IS.CLOSED: {(IS.OPEN, IE.CLOSE), (IS.COMING, IE.CLOSE), (IS.ON_SCENE, IE.CLOSE)},
}


def _entrances(table: dict[tuple[S, V], S]) -> dict[S, set[tuple[S, V]]]:
    found: dict[S, set[tuple[S, V]]] = {}
    for (state, event), after in table.items():
        if after is not state:
            found.setdefault(after, set()).add((state, event))
    return found


@pytest.mark.parametrize(("state", "event"), list(itertools.product(A, E)))
def test_every_alert_event_has_its_row_or_is_refused(state: A, event: E) -> None:
    if (state, event) in ALERT_TABLE:
        assert step(ALERT_TABLE, state, event) is ALERT_TABLE[state, event]
    else:
        with pytest.raises(IllegalEventError) as told:
            step(ALERT_TABLE, state, event)
        assert (told.value.state, told.value.event) == (state, event)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(IS, IE)))
def test_every_incident_event_has_its_row_or_is_refused(state: IS, event: IE) -> None:
    if (state, event) in INCIDENT_TABLE:
        assert step(INCIDENT_TABLE, state, event) is INCIDENT_TABLE[state, event]
    else:
        with pytest.raises(IllegalEventError, match="is not possible while"):
            step(INCIDENT_TABLE, state, event)


def test_every_state_is_entered_by_its_own_door_only() -> None:
    """Among others: delivered by a receipt alone, coming by an answer alone."""
    assert _entrances(ALERT_TABLE) == ALERT_ENTRANCES
    assert _entrances(INCIDENT_TABLE) == INCIDENT_ENTRANCES


def test_an_alert_never_claims_less_than_before() -> None:
    for (state, _), after in ALERT_TABLE.items():
        assert CLAIM[after] >= CLAIM[state]
    # Nothing that comes late takes "coming" back.
    assert {after for (state, _), after in ALERT_TABLE.items() if state is A.COMING} == {A.COMING}


@pytest.mark.parametrize("event", [E.STORED, E.RECEIPT, E.REFUSED, E.ANSWER])
def test_what_disk_and_post_say_may_come_at_any_time(event: E) -> None:
    """Twice, late, or by a second path: never an error, for somebody waits behind it."""
    for state in A:
        once = step(ALERT_TABLE, state, event)
        assert step(ALERT_TABLE, once, event) is once


def test_the_boxs_own_timers_never_turn_a_claim_into_a_lie() -> None:
    allowed = {state for state, event in ALERT_TABLE if event is E.RECEIPT_OVERDUE}
    assert allowed == {A.HEARD, A.NOT_REACHED}
    allowed = {state for state, event in ALERT_TABLE if event is E.ANSWER_OVERDUE}
    assert allowed == {A.DELIVERED, A.UNANSWERED}


def test_no_path_claims_what_did_not_happen() -> None:
    """Every sequence of up to six events, the illegal ones refused on the way."""
    needs = {
        A.HEARD: {E.STORED},
        A.NOT_REACHED: {E.STORED, E.RECEIPT_OVERDUE},
        A.PARKED: {E.REFUSED},
        A.DELIVERED: {E.RECEIPT},
        A.UNANSWERED: {E.RECEIPT, E.ANSWER_OVERDUE},
        A.COMING: {E.ANSWER},
    }
    paths: set[tuple[A, frozenset[E]]] = {(A.OPENED, frozenset())}
    for _ in range(6):
        longer = set()
        for (state, happened), event in itertools.product(paths, E):
            try:
                after = step(ALERT_TABLE, state, event)
            except IllegalEventError:
                after = state
            longer.add((after, happened | {event}))
        paths |= longer
    reached = {state for state, _ in paths}
    assert reached == set(A)
    for state, happened in paths:
        assert needs.get(state, set()) <= happened


def test_the_bip_is_told_what_the_state_means() -> None:
    assert {
        A.OPENED: frame.STATE_NONE,
        A.HEARD: frame.STATE_HEARD,
        A.NOT_REACHED: frame.STATE_NOT_REACHED,
        A.DELIVERED: frame.STATE_DELIVERED,
        A.UNANSWERED: frame.STATE_UNANSWERED,
        A.COMING: frame.STATE_COMING,
        A.PARKED: frame.STATE_NOT_REACHED,
    } == WIRE_STATE


def test_another_press_changes_no_incident_and_opens_no_closed_one() -> None:
    for state in IS:
        if state is IS.CLOSED:
            assert (state, IE.PRESS) not in INCIDENT_TABLE
            assert (state, IE.PRESS_ANEW) not in INCIDENT_TABLE
        else:
            assert step(INCIDENT_TABLE, state, IE.PRESS) is state
            assert step(INCIDENT_TABLE, state, IE.PRESS_ANEW) is IS.OPEN


def test_a_closed_incident_stays_closed() -> None:
    leaving = {event for state, event in INCIDENT_TABLE if state is IS.CLOSED}
    assert leaving == {IE.CLOSE}
    assert step(INCIDENT_TABLE, IS.CLOSED, IE.CLOSE) is IS.CLOSED


def test_nobody_comes_again_who_is_on_the_scene() -> None:
    after = {
        event: state for (before, event), state in INCIDENT_TABLE.items() if before is IS.ON_SCENE
    }
    assert set(after.values()) == {IS.ON_SCENE, IS.CLOSED, IS.OPEN}
    assert [event for event, state in after.items() if state is IS.OPEN] == [IE.PRESS_ANEW]


def test_values_are_what_stores_and_messages_hold() -> None:
    """They stand in databases: a new name for one needs a migration."""
    assert [state.value for state in A] == [
        "opened",
        "heard",
        "not_reached",
        "delivered",
        "unanswered",
        "coming",
        "parked",
    ]
    assert [state.value for state in IS] == ["open", "coming", "on_scene", "closed"]
