"""The relay in driven time: rounds until answered, presses that join, who has his turn."""

from __future__ import annotations

import itertools

import pytest

from tests.post.relay_rig import Workers
from vigibip.base.clock import DrivenClock
from vigibip.post.errors import PressedAgainError
from vigibip.post.faults import FaultKind
from vigibip.post.store import numbers
from vigibip.post.store.records import IncidentOutcome, Told


async def test_it_is_announced_at_once_and_repeated_until_answered(
    workers: Workers, clock: DrivenClock
) -> None:
    worker = await workers.start()
    taken = await worker.press(await workers.shop())
    await clock.advance(80)
    # 8 s of speech, 30 s of waiting.
    assert worker.said() == [(0.0, 1), (38.0, 1), (76.0, 1)]
    assert [one.announcement.round_no for one in worker.radio.said] == [1, 2, 3]
    await workers.store.answer_incident(taken.incident_id, by="Alpha 1")
    await worker.relay.refresh()
    await clock.advance(600)
    assert len(worker.radio.said) == 3


async def test_a_press_that_joins_is_announced_again_with_its_count(
    workers: Workers, clock: DrivenClock
) -> None:
    worker = await workers.start()
    box = await workers.shop()
    await worker.press(box)
    await clock.advance(10)
    await worker.press(box)
    await clock.advance(1)
    await worker.press(box)
    await clock.advance(3)
    # The second waits for the officers' gap after the first, and takes the third with it.
    assert worker.said() == [(0.0, 1), (13.0, 1)]
    again = worker.radio.said[1].announcement
    assert again.joined_presses == 2


async def test_a_mashed_button_leaves_officers_their_gap_and_loses_no_press(
    workers: Workers, clock: DrivenClock
) -> None:
    worker = await workers.start()
    box = await workers.shop()
    for _ in range(20):
        await worker.press(box)
        await clock.advance(1)
    await clock.advance(20)
    starts = [at_s for at_s, _ in worker.said()]
    assert all(after - before >= 13 for before, after in itertools.pairwise(starts))
    assert worker.radio.said[-1].announcement.joined_presses == 19
    undone = await workers.store.undone_rounds()
    assert len(undone) == 1


async def test_a_press_while_coming_is_announced_exactly_once(
    workers: Workers, clock: DrivenClock
) -> None:
    worker = await workers.start()
    box = await workers.shop()
    taken = await worker.press(box)
    await clock.advance(10)
    await workers.store.answer_incident(taken.incident_id, by="Alpha 1")
    await worker.relay.refresh()
    await clock.advance(50)
    await worker.press(box)
    await clock.advance(300)
    assert worker.said() == [(0.0, 1), (60.0, 1)]


@pytest.mark.parametrize("arrived", [False, True])
@pytest.mark.parametrize(("later_s", "state", "told"), [(899, None, 1), (901, "open", 0)])
async def test_an_old_answer_speaks_for_no_new_press(
    workers: Workers, clock: DrivenClock, arrived: bool, later_s: int, state: str | None, told: int
) -> None:
    worker = await workers.start()
    box = await workers.shop()
    taken = await worker.press(box)
    await clock.advance(10)
    await worker.end_waiting(taken, arrived=arrived)
    await clock.advance(later_s)
    rounds = len(worker.radio.said)
    joined = await worker.press(box)
    assert len(joined.messages) == told
    incident = await workers.store.incident(taken.incident_id)
    assert incident is not None
    assert incident.state == (state or ("on_scene" if arrived else "coming"))
    await clock.advance(100)
    assert len(worker.radio.said) - rounds == (3 if state else 1)
    await workers.store.answer_incident(taken.incident_id, by="Alpha 2")
    (*_, last) = await workers.store.outstanding_messages()
    assert last.state is Told.COMING
    await worker.relay.refresh()
    rounds = len(worker.radio.said)
    await clock.advance(300)
    assert len(worker.radio.said) == rounds


@pytest.mark.parametrize("seen", [1, 2, None])
async def test_a_press_that_nobody_has_judged_is_not_closed_away(
    workers: Workers, clock: DrivenClock, seen: int | None
) -> None:
    """The dispatcher clicks on what he saw before, while another shop is on the air."""
    worker = await workers.start()
    box = await workers.shop()
    taken = await worker.press(box)
    await clock.advance(20)
    await worker.press(await workers.shop("Presse"))
    await clock.advance(1)
    await worker.press(box)

    async def close(seen_presses: int | None) -> None:
        await workers.store.close_incident(
            taken.incident_id,
            by="Régulation",
            outcome=IncidentOutcome.FALSE_ALARM,
            seen_presses=seen_presses,
        )

    with pytest.raises(PressedAgainError):
        await close(seen)
    await worker.relay.refresh()
    await clock.advance(40)
    heard = [one for one in worker.radio.said if one.announcement.joined_presses]
    assert [one.announcement.incident_id for one in heard] == [taken.incident_id]
    with pytest.raises(PressedAgainError):
        await close(1)
    await close(2)
    incident = await workers.store.incident(taken.incident_id)
    assert incident is not None
    assert incident.state == "closed"


async def test_nobody_answers_the_box_is_told_and_the_relay_goes_on(
    workers: Workers, clock: DrivenClock
) -> None:
    worker = await workers.start()
    box = await workers.shop()
    await worker.press(box)
    await clock.advance(100)
    second = await worker.press(box)
    await clock.advance(79)
    assert await workers.store.outstanding_messages() == []
    await clock.advance(2)
    (told,) = await workers.store.outstanding_messages()
    assert (told.state, len(told.alerts)) == (Told.UNANSWERED, 1)
    await clock.advance(100)
    later = (await workers.store.outstanding_messages())[1]
    assert (later.state, len(later.alerts)) == (Told.UNANSWERED, 1)
    rounds = len(worker.radio.said)
    await clock.advance(300)
    assert len(worker.radio.said) > rounds + 6
    assert len(await workers.store.outstanding_messages()) == 2
    assert second.incident_id


async def test_coming_without_an_arrival_is_announced_again(
    workers: Workers, clock: DrivenClock
) -> None:
    worker = await workers.start()
    taken = await worker.press(await workers.shop())
    await clock.advance(10)
    await workers.store.answer_incident(taken.incident_id, by="Alpha 1")
    await worker.relay.refresh()
    worker.deadlines.wake()
    await clock.advance(899)
    assert len(worker.radio.said) == 1
    await clock.advance(2)
    assert worker.said()[1] == (910.0, 1)
    incident = await workers.store.incident(taken.incident_id)
    assert incident is not None
    assert incident.state == "open"
    await clock.advance(600)
    # It was told "coming" already: "unanswered" after that would be a lie to the palm.
    states = [one.state for one in await workers.store.outstanding_messages()]
    assert states == [Told.COMING]


async def test_an_arrival_in_time_is_not_overdue(workers: Workers, clock: DrivenClock) -> None:
    worker = await workers.start()
    taken = await worker.press(await workers.shop())
    await workers.store.answer_incident(taken.incident_id, by="Alpha 1")
    await workers.store.arrive(taken.incident_id, by="Alpha 1")
    await worker.relay.refresh()
    worker.deadlines.wake()
    await clock.advance(3600)
    assert len(worker.radio.said) == 1


async def test_of_many_the_first_is_said_at_once_and_all_are_counted_within_a_minute(
    workers: Workers, clock: DrivenClock
) -> None:
    worker = await workers.start()
    for index in range(12):
        await worker.press(await workers.shop(f"Commerce {index}"))
    await clock.advance(400)
    said = worker.said()
    assert said[0] == (0.0, 1)
    counted = next(one for one in worker.radio.said if one.announcement.digest_of)
    assert counted.announcement.digest_of == 11
    assert counted.at_s <= 60
    firsts = [number for _, number in said if number][:12]
    assert sorted(firsts) == list(range(1, 13)), "each is also said by itself before any reminder"


async def test_a_fresh_press_takes_its_shops_old_one_out_of_the_backlog(
    workers: Workers, clock: DrivenClock
) -> None:
    worker = await workers.start()
    shops = [await workers.shop(f"Commerce {index}") for index in range(6)]
    for index, box in enumerate(shops):
        await worker.press(box, age_s=1500 - index)
    await clock.advance(1)
    await worker.press(shops[5])
    await clock.advance(20)
    said = [one.announcement for one in worker.radio.said if not one.announcement.digest_of]
    assert [(one.number, one.joined_presses) for one in said] == [(1, 0), (6, 1)]
    assert said[1].age_s is not None
    assert said[1].age_s < 20


async def test_open_incidents_take_turns(workers: Workers, clock: DrivenClock) -> None:
    worker = await workers.start()
    boxes = [await workers.shop(f"Commerce {index}") for index in range(3)]
    for box in boxes:
        await worker.press(box)
    await clock.advance(600)
    counts = [worker.radio.numbers.count(number) for number in (1, 2, 3)]
    assert max(counts) - min(counts) <= 1


async def test_old_alerts_reach_the_radios_as_one_digest(
    workers: Workers, clock: DrivenClock
) -> None:
    worker = await workers.start()
    for index in range(5):
        await worker.press(await workers.shop(f"Commerce {index}"), age_s=4000)
    fresh = await worker.press(await workers.shop("Frais"))
    await clock.advance(20)
    first, second = worker.radio.said
    assert first.announcement.incident_id == fresh.incident_id
    assert second.announcement.digest_of == 5
    assert second.announcement.age_s is not None
    assert second.announcement.age_s >= 4000


@pytest.mark.parametrize("arrived", [False, True])
async def test_reminders_of_a_reopened_incident_tell_the_press_that_reopened_it(
    workers: Workers, clock: DrivenClock, arrived: bool
) -> None:
    worker = await workers.start()
    box = await workers.shop()
    taken = await worker.press(box)
    await clock.advance(10)
    await worker.end_waiting(taken, arrived=arrived)
    await clock.advance(3000)
    await worker.press(box)
    await clock.advance(45)
    again, reminder = worker.radio.said[-2:]
    assert again.announcement.age_s == 0
    assert reminder.announcement.age_s == 38


async def test_an_incident_without_a_number_gets_one_when_there_is_one(
    workers: Workers, clock: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await workers.start()
    with monkeypatch.context() as few:
        few.setattr(numbers, "_SHORT", range(1, 2))
        few.setattr(numbers, "_LONG", range(100, 101))
        opened = [await worker.press(await workers.shop(f"Commerce {one}")) for one in range(3)]
        await clock.advance(60)
        assert (FaultKind.NUMBERS_EXHAUSTED, "") in worker.faults.present
        assert set(worker.radio.numbers) == {0, 1, 100}
        await workers.store.close_incident(
            opened[0].incident_id, by="Régulation", outcome=IncidentOutcome.OTHER
        )
        await worker.relay.refresh()
        rounds = len(worker.radio.said)
        await clock.advance(120)
    said = {one.announcement.incident_id for one in worker.radio.said[rounds:]}
    assert said == {one.incident_id for one in opened[1:]}
    last = await workers.store.incident(opened[2].incident_id)
    assert last is not None
    assert last.number == 1
    assert (FaultKind.NUMBERS_EXHAUSTED, "") not in worker.faults.present
