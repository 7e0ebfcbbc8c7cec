"""The relay in driven time: workers that die, clocks set back, radios and stores that fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from tests.post.harness import PaperRadio
from tests.post.relay_rig import Workers
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.post.faults import FaultKind
from vigibip.post.store import Store
from vigibip.post.store.records import IncidentOutcome, Told
from vigibip.radio.contract import RelayResult


async def test_a_worker_that_dies_loses_its_round_to_another(
    workers: Workers, clock: DrivenClock
) -> None:
    first = await workers.start(worker="post-1")
    second = await workers.start(worker="post-2")
    box = await workers.shop()
    first.radio.hangs = True
    await first.press(box)
    await clock.advance(5)
    await first.die()
    second.relay.wake()
    await clock.advance(20)
    assert second.said() == [], "the lease still holds"
    await clock.advance(6)
    assert second.said() == [(30.0, 1)]
    assert second.radio.said[0].announcement.round_no == 1


async def test_two_workers_never_say_the_same_round(workers: Workers, clock: DrivenClock) -> None:
    first = await workers.start(worker="post-1")
    second = await workers.start(worker="post-2")
    for index in range(4):
        worker = (first, second)[index % 2]
        await worker.press(await workers.shop(f"Commerce {index}"))
    for _ in range(60):
        await clock.advance(5)
        first.relay.wake()
        second.relay.wake()
    said = [
        (one.announcement.incident_id, one.announcement.round_no)
        for worker in (first, second)
        for one in worker.radio.said
        if not one.announcement.digest_of
    ]
    assert len(said) == len(set(said))
    assert first.radio.said
    assert second.radio.said


async def test_a_long_announcement_keeps_its_lease(workers: Workers, clock: DrivenClock) -> None:
    first = await workers.start(worker="post-1", takes_s=100.0)
    second = await workers.start(worker="post-2")
    await first.press(await workers.shop())
    for _ in range(19):
        await clock.advance(5)
        second.relay.wake()
    await clock.advance(1)
    assert second.said() == []


async def test_a_restarted_worker_goes_on_where_it_was(
    workers: Workers, clock: DrivenClock
) -> None:
    before = await workers.start()
    taken = await before.press(await workers.shop("Tabac"))
    await clock.advance(50)
    before.radio.hangs = True
    # Committed and leased, and then the power went before a word was said.
    second = await before.press(await workers.shop("Presse"))
    await before.die()
    after = await workers.start()
    await clock.advance(10)
    first_said = after.radio.said[0]
    assert first_said.at_s == 50.0
    assert first_said.announcement.incident_id == second.incident_id
    assert first_said.announcement.round_no == 1
    await clock.advance(40)
    assert taken.incident_id in {one.announcement.incident_id for one in after.radio.said}


async def test_a_clock_set_back_by_an_hour_silences_nothing(
    workers: Workers, clock: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await workers.start()
    await worker.press(await workers.shop())
    await clock.advance(10)
    await worker.die()
    monkeypatch.setattr(clock, "_start_utc", clock._start_utc.replace(year=2025))
    after = await workers.start()
    await clock.advance(40)
    assert after.radio.said


@pytest.mark.parametrize("back", [timedelta(seconds=70), timedelta(hours=1), timedelta(days=3)])
async def test_a_clock_set_back_under_a_running_post_delays_nothing_for_long(
    workers: Workers, clock: DrivenClock, monkeypatch: pytest.MonkeyPatch, back: timedelta
) -> None:
    worker = await workers.start()
    box = await workers.shop()
    await worker.press(box)
    answered = await worker.press(await workers.shop("Presse"))
    await clock.advance(60)
    await workers.store.answer_incident(answered.incident_id, by="Alpha 1")
    await worker.relay.refresh()
    worker.deadlines.wake()
    await clock.advance(10)
    monkeypatch.setattr(clock, "_start_utc", clock._start_utc - back)
    rounds = len(worker.radio.said)
    await clock.advance(80)
    assert len(worker.radio.said) - rounds >= 2
    await clock.advance(180)
    told = await workers.store.outstanding_messages()
    assert {one.state for one in told} == {Told.COMING, Told.UNANSWERED}
    await clock.advance(900)
    overdue = await workers.store.incident(answered.incident_id)
    assert overdue is not None
    assert overdue.state == "open"


async def test_a_radio_that_fails_is_a_fault_and_tried_again_soon(
    workers: Workers, clock: DrivenClock
) -> None:
    worker = await workers.start()
    worker.radio.result = RelayResult.FAILED
    await worker.press(await workers.shop())
    await clock.advance(12)
    assert (FaultKind.RADIO_FAILED, "paper") in worker.faults.present
    worker.radio.result = RelayResult.SENT
    await clock.advance(14)
    assert worker.said()[0][0] <= 16
    assert (FaultKind.RADIO_FAILED, "paper") not in worker.faults.present


async def test_a_reminder_that_waits_for_the_air_gives_way_to_a_first_announcement(
    workers: Workers, clock: DrivenClock
) -> None:
    worker = await workers.start()
    await worker.press(await workers.shop("Tabac"))
    await clock.advance(37)
    worker.radio.hangs = True  # as a radio does on which an officer keys
    await clock.advance(2)
    worker.radio.hangs = False
    await worker.press(await workers.shop("Presse"))
    await clock.advance(30)
    assert worker.said()[1:3] == [(39.0, 2), (52.0, 1)]
    assert worker.radio.said[2].announcement.round_no == 2
    assert (FaultKind.RADIO_FAILED, "paper") not in worker.faults.present


@pytest.mark.parametrize("here", [False, True])
async def test_a_reminder_that_waits_for_the_air_is_not_said_once_answered(
    workers: Workers, clock: DrivenClock, here: bool
) -> None:
    worker = await workers.start()
    taken = await worker.press(await workers.shop("Tabac"))
    await clock.advance(37)
    worker.radio.hangs = True
    await clock.advance(2)
    await workers.store.answer_incident(taken.incident_id, by="Alpha 1")
    if here:
        worker.relay.settle(taken.incident_id)
    else:
        await worker.relay.refresh()
    await clock.advance(1)
    worker.radio.hangs = False
    await clock.advance(300)
    assert len(worker.radio.said) == 1
    assert worker.relay.held == 0


async def test_what_no_radio_had_yet_is_no_reminder(
    workers: Workers, clock: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await workers.start()
    worker.radio.result = RelayResult.FAILED
    await worker.press(await workers.shop("Tabac"))
    await clock.advance(11)
    worker.radio.result = RelayResult.SENT
    await clock.advance(5)
    worker.radio.result = RelayResult.FAILED
    await worker.press(await workers.shop("Presse"))
    async with failing(workers.store, monkeypatch):
        await clock.advance(12)
        worker.radio.result = RelayResult.SENT
        await clock.advance(20)
    firsts = {one.announcement.number: one.announcement for one in reversed(worker.radio.said)}
    assert sorted(firsts) == [1, 2]
    assert all(one.round_no == 1 and "Rappel" not in one.text for one in firsts.values())


@pytest.mark.parametrize("arrived", [False, True])
async def test_a_press_while_coming_is_tried_until_a_radio_had_it(
    workers: Workers, clock: DrivenClock, arrived: bool
) -> None:
    worker = await workers.start()
    box = await workers.shop()
    taken = await worker.press(box)
    await clock.advance(10)
    await workers.store.answer_incident(taken.incident_id, by="Alpha 1")
    if arrived:
        await workers.store.arrive(taken.incident_id, by="Alpha 1")
    await worker.relay.refresh()
    await clock.advance(50)
    worker.radio.result = RelayResult.FAILED
    await worker.press(box)
    await clock.advance(12)
    worker.radio.result = RelayResult.SENT
    await clock.advance(300)
    (_, again) = worker.radio.said
    assert (again.at_s, again.announcement.joined_presses) == (75.0, 1)


async def test_an_answer_ends_also_what_failed(workers: Workers, clock: DrivenClock) -> None:
    worker = await workers.start()
    worker.radio.result = RelayResult.FAILED
    taken = await worker.press(await workers.shop())
    await clock.advance(12)
    await workers.store.answer_incident(taken.incident_id, by="Alpha 1")
    await worker.relay.refresh()
    worker.radio.result = RelayResult.SENT
    await clock.advance(300)
    assert worker.said() == []


async def test_a_radio_that_hangs_does_not_end_the_relay(
    workers: Workers, clock: DrivenClock
) -> None:
    worker = await workers.start()
    worker.radio.hangs = True
    await worker.press(await workers.shop())
    await clock.advance(201)
    assert (FaultKind.RADIO_FAILED, "paper") in worker.faults.present
    worker.radio.hangs = False
    await clock.advance(10)
    assert worker.said()


async def test_a_radio_with_a_bug_does_not_end_the_relay(
    workers: Workers, clock: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await workers.start()

    async def broken(*_: object) -> None:
        raise TypeError("a bug")

    with monkeypatch.context() as bug:
        bug.setattr(worker.radio, "announce", broken)
        await worker.press(await workers.shop())
        await clock.advance(1)
    await clock.advance(10)
    assert worker.said()


@asynccontextmanager
async def failing(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    async def refuse(run: Callable[[Any], Any]) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(store, "write", refuse)
        yield


async def test_the_relay_goes_on_from_memory_while_the_store_fails(
    workers: Workers, clock: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await workers.start()
    taken = await worker.press(await workers.shop())
    async with failing(workers.store, monkeypatch):
        await clock.advance(200)
        rounds = len(worker.radio.said)
        assert rounds >= 5
    await clock.advance(80)
    assert len(worker.radio.said) > rounds + 1
    await workers.store.close_incident(
        taken.incident_id, by="Régulation", outcome=IncidentOutcome.REAL
    )
    await worker.relay.refresh()
    rounds = len(worker.radio.said)
    await clock.advance(300)
    assert len(worker.radio.said) == rounds


async def test_reminders_go_on_when_the_store_fails_between_two_rounds(
    workers: Workers, clock: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await workers.start()
    taken = await worker.press(await workers.shop())
    await clock.advance(20)
    async with failing(workers.store, monkeypatch):
        await clock.advance(200)
        assert 5 <= len(worker.radio.said) <= 7
    await clock.advance(100)
    await workers.store.answer_incident(taken.incident_id, by="Alpha 1")
    await worker.relay.refresh()
    rounds = len(worker.radio.said)
    await clock.advance(300)
    assert len(worker.radio.said) == rounds


@pytest.mark.parametrize("here", [False, True])
async def test_what_was_answered_does_not_come_back_from_memory(
    workers: Workers, clock: DrivenClock, monkeypatch: pytest.MonkeyPatch, here: bool
) -> None:
    worker = await workers.start()
    taken = await worker.press(await workers.shop())
    async with failing(workers.store, monkeypatch):
        await clock.advance(10)
    # Its round could not be recorded, and waits in memory for its turn.
    await workers.store.answer_incident(taken.incident_id, by="Alpha 1")
    if here:
        worker.relay.settle(taken.incident_id)
    else:
        await worker.relay.refresh()
    await clock.advance(300)
    assert len(worker.radio.said) == 1


async def test_presses_while_the_store_fails_make_one_voice_not_many(
    workers: Workers, clock: DrivenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await workers.start()
    box = await workers.shop()
    for _ in range(4):
        joined = await worker.press(box)
        async with failing(workers.store, monkeypatch):
            await clock.advance(14)
    assert joined.round is not None
    async with failing(workers.store, monkeypatch):
        await clock.advance(20)
        rounds = len(worker.radio.said)
        await clock.advance(380)
    assert 9 <= len(worker.radio.said) - rounds <= 11, "one round each 38 s"


async def test_a_slow_radio_holds_back_no_other(workers: Workers, clock: DrivenClock) -> None:
    slow = PaperRadio(clock, takes_s=100, name="slow")
    worker = await workers.start(others=[slow])
    await worker.press(await workers.shop("Tabac"))
    await clock.advance(20)
    await worker.press(await workers.shop("Presse"))
    await clock.advance(300)
    assert worker.said()[:3] == [(0.0, 1), (20.0, 2), (38.0, 1)]
    assert len(worker.radio.said) >= 14
    assert slow.numbers[:2] == [1, 2]
    rounds = await workers.store.undone_rounds()
    assert len(rounds) == 2


async def test_a_radio_that_fails_is_tried_again_while_another_hangs(
    workers: Workers, clock: DrivenClock
) -> None:
    hanging = PaperRadio(clock, name="hanging")
    hanging.hangs = True
    worker = await workers.start(others=[hanging])
    worker.radio.result = RelayResult.FAILED
    taken = await worker.press(await workers.shop())
    await clock.advance(7)
    worker.radio.result = RelayResult.SENT
    await clock.advance(4)
    assert worker.said() == [(10.0, 1)]
    assert worker.radio.said[0].announcement.round_no == 1
    await clock.advance(100)
    assert len(worker.radio.said) == 3
    worker.relay.settle(taken.incident_id)
    await workers.store.answer_incident(taken.incident_id, by="Alpha 1")
    hanging.hangs = False
    await clock.advance(600)
    assert len(worker.radio.said) == 3
    assert hanging.said == []
