"""The relay in driven time: rounds until answered, leases, restarts, what fails around it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from tests.post.harness import PaperRadio
from vigibip.alert.messages import Alert
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.base.trace import Trace
from vigibip.post.config import RelaySettings
from vigibip.post.deadlines import Deadlines
from vigibip.post.errors import PressedAgainError
from vigibip.post.faults import FaultKind, Faults
from vigibip.post.relay import Relay
from vigibip.post.store import Store, numbers
from vigibip.post.store.incidents import IntakeRules
from vigibip.post.store.records import Accepted, IncidentOutcome, Told
from vigibip.post.telling import Telling
from vigibip.radio.contract import RelayResult

SETTINGS = RelaySettings()
_ids = itertools.count(1)


class Worker:
    """A relay with its radio, on a store that others may share."""

    def __init__(
        self,
        store: Store,
        clock: DrivenClock,
        settings: RelaySettings = SETTINGS,
        takes_s: float = 8.0,
        others: Sequence[PaperRadio] = (),
    ) -> None:
        self.store = store
        self.radio = PaperRadio(clock, takes_s=takes_s)
        self.faults = Faults(store, clock)
        self.settings = settings
        self.ended: list[asyncio.Task[None]] = []
        self.relay = Relay(
            store, [self.radio, *others], settings, clock, self.faults, Trace(), self.ended.append
        )
        self.telling = Telling(store, lambda topic, payload: False, {}, clock, Trace())
        self.deadlines = Deadlines(store, self.relay, self.telling, settings, clock)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.relay.take_up()
        await self.relay.start()
        self._tasks = [asyncio.create_task(self.deadlines.run())]

    async def die(self) -> None:
        """End as a power cut would: nothing is written any more."""
        await self.relay.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def sleep_deadlines(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def press(self, box_id: str, **fields: Any) -> Accepted:
        fields.setdefault("age_s", 0)
        alert = Alert(alert=f"{next(_ids):016x}", **fields)
        rules = IntakeRules(worker=self.settings.worker, lease_s=self.settings.lease_s)
        taken = await self.store.accept_alert(box_id, alert, rules=rules)
        if taken.round is not None:
            self.relay.push(taken.round)
        else:
            self.relay.wake()
        self.deadlines.fresh_alert()
        return taken

    def said(self) -> list[tuple[float, int]]:
        return list(zip([one.at_s for one in self.radio.said], self.radio.numbers, strict=True))


class Workers:
    def __init__(self, store: Store, clock: DrivenClock) -> None:
        self.store = store
        self.clock = clock
        self.all: list[Worker] = []
        clock.settle = self.settle

    async def start(self, **fields: Any) -> Worker:
        takes_s, others = fields.pop("takes_s", 8.0), fields.pop("others", ())
        settings = SETTINGS.model_copy(update=fields)
        worker = Worker(self.store, self.clock, settings, takes_s, others)
        self.all.append(worker)
        await worker.start()
        await self.settle()
        return worker

    async def settle(self) -> None:
        calm, end_s = 0, time.monotonic() + 10
        while calm < 3:
            await DrivenClock.run_ready()
            busy = not self.store.idle or any(one.relay.busy for one in self.all)
            calm = 0 if busy else calm + 1
            assert time.monotonic() < end_s
            await asyncio.sleep(0.001)

    async def shop(self, name: str = "Tabac") -> str:
        shop = await self.store.create_shop(name=name, spoken=name, address="12 rue des Lilas")
        return shop.box_id


@pytest.fixture
async def workers(store: Store, clock: DrivenClock) -> AsyncIterator[Workers]:
    made = Workers(store, clock)
    yield made
    for worker in made.all:
        await worker.die()
        assert not worker.ended


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
    # The deadlines are asleep: also what they have not looked at yet must not be told.
    if arrived:
        await workers.store.arrive(taken.incident_id, by="Alpha 1")
    else:
        await workers.store.answer_incident(taken.incident_id, by="Alpha 1")
    await worker.relay.refresh()
    await worker.sleep_deadlines()
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


@pytest.mark.parametrize("arrived", [False, True])
async def test_reminders_of_a_reopened_incident_tell_the_press_that_reopened_it(
    workers: Workers, clock: DrivenClock, arrived: bool
) -> None:
    worker = await workers.start()
    box = await workers.shop()
    taken = await worker.press(box)
    await clock.advance(10)
    if arrived:
        await workers.store.arrive(taken.incident_id, by="Alpha 1")
    else:
        await workers.store.answer_incident(taken.incident_id, by="Alpha 1")
    await worker.relay.refresh()
    await worker.sleep_deadlines()
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
