"""What the radios say next, weighed without any time passing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from vigibip.post.config import RelaySettings
from vigibip.post.program import Plan, Waiting, choose
from vigibip.post.store.records import RoundTask

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
NOW_S = 10_000.0
SETTINGS = RelaySettings()


def task(number: int | None, *, age_s: int | None = 0, **fields: object) -> RoundTask:
    values: dict[str, object] = {
        "incident_id": f"{number}-{fields.get('round_no', 1)}",
        "round_no": 1,
        "first": True,
        "number": number,
        "box_id": "box-00000001",
        "spoken": "Tabac",
        "address": "12 rue des Lilas",
        "digest": False,
        "alert_id": "0" * 16,
        "joined": False,
        "pressed_at": None if age_s is None else NOW - timedelta(seconds=age_s),
        "presses": 1,
    }
    return RoundTask(**(values | fields))  # type: ignore[arg-type]


def waiting(one: RoundTask, since_s: float = NOW_S, said_s: float | None = None) -> Waiting:
    return Waiting(one, since_s, said_s)


def reminder(number: int, said_s: float, *, joined: bool = False) -> Waiting:
    one = task(number, round_no=2, first=False, joined=joined, presses=2 if joined else 1)
    return waiting(one, since_s=said_s + 30, said_s=said_s)


def plan(*them: Waiting, last_end_s: float = 0.0, summary_s: float = 0.0) -> Plan:
    return choose(
        them, now_s=NOW_S, now=NOW, last_end_s=last_end_s, summary_s=summary_s, settings=SETTINGS
    )


def number_of(made: Plan) -> int | None:
    return made.announcement.number if made.announcement is not None else None


def test_nothing_waiting_is_nothing_said() -> None:
    assert plan() == Plan()


def test_a_first_announcement_goes_before_any_reminder_and_keeps_no_gap() -> None:
    made = plan(reminder(1, 0.0), waiting(task(2)), last_end_s=NOW_S - 0.1)
    assert number_of(made) == 2


def test_fresh_ones_go_before_the_backlog_and_the_backlog_oldest_first() -> None:
    old, older, fresh = task(1, age_s=300), task(2, age_s=900), task(3, age_s=119)
    order = []
    left = [waiting(old), waiting(older), waiting(fresh, since_s=NOW_S + 1)]
    while left:
        said = number_of(plan(*left))
        order.append(said)
        left = [one for one in left if one.task.number != said]
    assert order == [3, 2, 1]


def test_a_fresh_press_that_joins_does_not_wait_behind_the_backlog() -> None:
    backlog = [waiting(task(number, age_s=900), since_s=0.0) for number in (2, 3, 4)]
    joined = task(1, first=False, joined=True, round_no=2, presses=2)
    counted = NOW_S - 10
    for said_s in (None, NOW_S - 30):
        urgent = waiting(joined, said_s=said_s)
        assert number_of(plan(urgent, *backlog, summary_s=counted)) == 1
    # A button that is mashed does not keep all others from being heard.
    just_said = waiting(joined, said_s=NOW_S - 29)
    assert number_of(plan(just_said, *backlog, summary_s=counted)) == 2
    old = waiting(task(1, age_s=121, first=False, joined=True, round_no=2, presses=2))
    assert number_of(plan(old, *backlog, summary_s=counted)) == 2


def test_an_unknown_age_counts_as_fresh() -> None:
    assert number_of(plan(waiting(task(1, age_s=500)), waiting(task(2, age_s=None)))) == 2


def test_many_are_counted_only_after_one_of_them_was_said() -> None:
    many = [waiting(task(number), since_s=NOW_S - 10 + number / 10) for number in range(1, 9)]
    first = plan(*many, last_end_s=NOW_S - 60)
    assert number_of(first) == 1
    assert not first.summary
    second = plan(*many[1:], last_end_s=NOW_S)
    assert second.summary
    assert second.covers == ()
    assert second.announcement is not None
    assert second.announcement.digest_of == 7
    assert "7 incidents en attente" in second.announcement.text
    third = plan(*many[1:], last_end_s=NOW_S, summary_s=NOW_S)
    assert number_of(third) == 2


def test_a_reminder_leaves_officers_a_gap() -> None:
    made = plan(reminder(1, NOW_S - 30), last_end_s=NOW_S - 2)
    assert made.announcement is None
    assert made.look_again_in_s == 3
    made = plan(reminder(1, NOW_S - 30), last_end_s=NOW_S - 5)
    assert made.announcement is not None
    assert made.announcement.round_no == 2
    assert made.announcement.text.startswith("Rappel.")


def test_reminders_go_by_what_was_said_the_longest_ago() -> None:
    assert number_of(plan(reminder(1, 50.0), reminder(2, 40.0))) == 2


def test_a_press_that_joined_goes_ahead_but_starves_nobody() -> None:
    assert number_of(plan(reminder(1, 100.0, joined=True), reminder(2, 90.0))) == 1
    assert number_of(plan(reminder(1, 130.0, joined=True), reminder(2, 90.0))) == 2


def test_a_joined_press_is_told() -> None:
    made = plan(reminder(1, 0.0, joined=True))
    assert made.announcement is not None
    assert made.announcement.joined_presses == 1


def test_old_alerts_are_told_together_with_the_age_of_the_oldest() -> None:
    old = [waiting(task(number, age_s=2000 * number, digest=True)) for number in (1, 2, 3)]
    made = plan(*old)
    assert made.announcement is not None
    assert made.announcement.digest_of == 3
    assert made.announcement.age_s == 6000
    assert {one.number for one in made.covers} == {1, 2, 3}


def test_one_old_alert_alone_is_told_as_itself() -> None:
    made = plan(waiting(task(7, age_s=4000, digest=True)))
    assert made.announcement is not None
    assert made.announcement.digest_of is None
    assert (made.announcement.number, made.announcement.age_s) == (7, 4000)


def test_incidents_without_a_number_are_told_as_a_count() -> None:
    made = plan(waiting(task(None)))
    assert made.announcement is not None
    assert made.announcement.digest_of == 2


tasks = st.builds(
    task,
    st.none() | st.integers(1, 999),
    age_s=st.none() | st.integers(0, 10**6),
    round_no=st.integers(1, 50),
    first=st.booleans(),
    joined=st.booleans(),
    digest=st.booleans(),
    presses=st.integers(1, 2000),
)


@given(
    st.lists(
        st.builds(Waiting, tasks, st.floats(0, NOW_S), st.none() | st.floats(0, NOW_S)),
        unique_by=lambda one: one.task.incident_id,
        max_size=12,
    ),
    st.floats(0, NOW_S),
    st.floats(0, NOW_S),
)
def test_whatever_waits_is_said_within_a_bounded_number_of_turns(
    left: list[Waiting], last_end_s: float, summary_s: float
) -> None:
    """Every plan is one that the radio contract takes, and each but a count gets things done."""
    turns = 0
    while left:
        made = plan(*left, last_end_s=last_end_s, summary_s=summary_s)
        turns += 1
        assert turns <= 50
        if made.announcement is None:
            assert made.look_again_in_s is not None
            assert 0 < made.look_again_in_s <= SETTINGS.listen_gap_s
            last_end_s = NOW_S - SETTINGS.listen_gap_s
            continue
        summary_s = NOW_S if made.summary else summary_s
        assert made.covers or made.summary
        done = {one.incident_id for one in made.covers}
        left = [one for one in left if one.task.incident_id not in done]
