"""A sequence is never given twice under one key, whatever happens to power and disk."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.box.faults import FaultCode, Faults
from vigibip.box.path_memory import UP_BLOCK, PathMemory
from vigibip.box.store import PathRecord, Store, one_transaction
from vigibip.box.store.second_path import read_second_path
from vigibip.box.timers import Timers
from vigibip.box.trust import BUILT_UTC, ClockTrust
from vigibip.wire import window


class Run:
    """One run of a box's memory; killing it is dropping it."""

    def __init__(self, path: Path, clock: DrivenClock, up_key: bytes) -> None:
        self.faults = Faults(clock)
        self.store = Store(path)
        self.timers = Timers(clock)
        self.memory = PathMemory(
            clock=clock,
            up_key=up_key,
            down_key=bytes(32),
            store=self.store,
            timers=self.timers,
            faults=self.faults,
            trust=ClockTrust(clock),
        )

    def kill(self) -> None:
        """The power is gone: what has not been handed to the disk never will be."""

        async def never(_path: object) -> None:
            raise StorageError("the power is gone")

        self.store.write_path = never  # type: ignore[assignment, method-assign]

    async def start(self) -> PathMemory:
        contents = await self.store.start()
        self.memory.load(contents.second_path)
        return self.memory


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "box.sqlite"


@pytest.fixture
def unsure() -> DrivenClock:
    """A clock that shows less than the program's build: no help for sequences."""
    return DrivenClock(start_utc=BUILT_UTC - timedelta(days=400))


@pytest.fixture
async def run(path: Path) -> AsyncIterator[Callable[..., Run]]:
    runs: list[Run] = []

    def build(clock: DrivenClock, up_key: bytes = bytes(range(32))) -> Run:
        runs.append(Run(path, clock, up_key))
        return runs[-1]

    yield build
    for one in runs:
        await one.store.close()


async def settle(memory: PathMemory) -> None:
    while memory.writing:
        await DrivenClock.run_ready()


async def test_a_kill_between_reserving_and_sending_gives_nothing_twice(
    run: Callable[..., Run], unsure: DrivenClock
) -> None:
    chance = random.Random(3)
    given: list[int] = []
    for _ in range(20):
        one = run(unsure)
        memory = await one.start()
        while not memory.ready:
            await DrivenClock.run_ready()
        for _ in range(chance.randrange(1, 6)):
            # More than this between two turns of the disk, no modem sends.
            given += [memory.take_sequence() for _ in range(chance.randrange(UP_BLOCK // 2))]
            if chance.random() < 0.8:
                await settle(memory)
            else:
                break
        one.kill()
    assert len(given) > 500
    assert len(set(given)) == len(given)
    assert given == sorted(given)


async def test_before_the_disk_has_answered_the_path_is_not_ready(
    run: Callable[..., Run], unsure: DrivenClock
) -> None:
    memory = await run(unsure).start()
    assert not memory.ready
    await settle(memory)
    await DrivenClock.run_ready()
    assert memory.ready


async def test_with_a_disk_that_refuses_it_goes_on_and_a_clock_keeps_it_apart(
    run: Callable[..., Run], path: Path
) -> None:
    clock = DrivenClock()
    first = await run(clock).start()
    await settle(first)
    with one_transaction(path) as connection:
        connection.execute(
            "CREATE TRIGGER no_paths BEFORE INSERT ON sms_paths "
            "BEGIN SELECT RAISE(ABORT, 'the test refuses'); END"
        )
    given = [first.take_sequence() for _ in range(3 * UP_BLOCK)]
    await settle(first)
    assert first.counts["unreserved"] > 0
    # Power cut; the reservations of the end were never written.
    await clock.advance(900)
    second = await run(clock).start()
    await settle(second)
    await DrivenClock.run_ready()
    assert second.ready
    assert second.take_sequence() > max(given)


async def test_a_refusing_disk_is_a_fault_until_it_writes_again(
    run: Callable[..., Run], path: Path
) -> None:
    one = run(DrivenClock())
    memory = await one.start()
    await settle(memory)
    with one_transaction(path) as connection:
        connection.execute(
            "CREATE TRIGGER no_paths BEFORE INSERT ON sms_paths "
            "BEGIN SELECT RAISE(ABORT, 'the test refuses'); END"
        )
    memory.accept(1)
    assert await memory.write() is False
    assert FaultCode.STORAGE in one.faults.codes()
    with one_transaction(path) as connection:
        connection.execute("DROP TRIGGER no_paths")
    await memory.written()
    assert one.faults.codes() == set()


async def test_each_pair_of_keys_has_its_own(run: Callable[..., Run], unsure: DrivenClock) -> None:
    first = await run(unsure).start()
    await settle(first)
    first.accept(9)
    given = [first.take_sequence() for _ in range(5)]
    await first.written()
    other = await run(unsure, bytes(32)).start()
    await settle(other)
    assert other.take_sequence() == 1
    assert other.judge(9) == window.NEW
    # The old enrolment put back: never a sequence again.
    again = await run(unsure).start()
    await settle(again)
    assert again.take_sequence() > max(given)
    assert again.judge(9) == window.SEEN


async def test_a_clock_of_another_century_leaves_sequences(run: Callable[..., Run]) -> None:
    memory = await run(DrivenClock(start_utc=BUILT_UTC + timedelta(days=36_500))).start()
    await settle(memory)
    assert memory.take_sequence() < 2**31


async def test_every_release_counts_from_the_same_moment(run: Callable[..., Run]) -> None:
    # A later release must not begin lower than what an earlier one gave.
    moment = datetime(2027, 1, 1, 0, 0, 5, tzinfo=UTC)
    memory = await run(DrivenClock(start_utc=moment)).start()
    assert memory.take_sequence() == 365 * 86_400 + 5


async def test_a_clock_that_is_set_after_the_start_raises_the_sequences(
    run: Callable[..., Run],
) -> None:
    right = BUILT_UTC + timedelta(days=90)
    given = (await run(DrivenClock(start_utc=right)).start()).take_sequence()
    # A card from a copy, in a machine without a clock: it begins where the copy was made.
    clock = DrivenClock(start_utc=BUILT_UTC + timedelta(days=3))
    memory = await run(clock, bytes(32)).start()
    await settle(memory)
    assert memory.take_sequence() < given
    clock._start_utc = right + timedelta(minutes=5)
    assert memory.take_sequence() > given
    await settle(memory)
    # From there on it goes by ones, out of what is reserved.
    before = memory.take_sequence()
    await clock.advance(86_400)
    assert memory.take_sequence() == before + 1
    assert memory.counts["unreserved"] == 1


async def test_a_clock_that_becomes_sure_after_the_start_raises_them_too(
    run: Callable[..., Run], unsure: DrivenClock
) -> None:
    memory = await run(unsure).start()
    assert memory.take_sequence() == 1
    unsure._start_utc = BUILT_UTC + timedelta(days=90)
    assert memory.take_sequence() >= 90 * 86_400


async def test_what_was_reserved_stays_reserved(run: Callable[..., Run], path: Path) -> None:
    one = run(DrivenClock())
    await one.store.start()
    for reserved in (500, 20):
        await one.store.write_path(PathRecord(keys=bytes(16), up_reserved=reserved))
    with one_transaction(path) as connection:
        assert read_second_path(connection).paths[bytes(16)].up_reserved == 500


async def test_a_proof_by_an_unsure_clock_leaves_the_date_of_the_last_one(
    run: Callable[..., Run], unsure: DrivenClock
) -> None:
    memory = await run(unsure).start()
    proven_utc = unsure._start_utc = BUILT_UTC + timedelta(days=90)
    memory.proven()
    unsure._start_utc = BUILT_UTC - timedelta(days=1)
    memory.proven()
    assert memory.proven_utc == proven_utc


async def test_copies_wear_no_card_out(run: Callable[..., Run], path: Path) -> None:
    one = run(DrivenClock())
    memory = await one.start()
    memory.accept(1)
    await memory.written()
    with one_transaction(path) as connection:
        connection.execute(
            "CREATE TRIGGER no_paths BEFORE INSERT ON sms_paths "
            "BEGIN SELECT RAISE(ABORT, 'the test refuses'); END"
        )
    await memory.written()
    assert one.faults.codes() == set()


async def test_a_disk_that_hangs_holds_nothing(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = DrivenClock()
    one = run(clock)
    contents = await one.store.start()
    hanging: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def hang(_path: object) -> None:
        await hanging

    monkeypatch.setattr(one.store, "write_path", hang)
    timing = asyncio.create_task(one.timers.run())
    one.memory.load(contents.second_path)
    received = asyncio.create_task(one.memory.written())
    await clock.advance(4)
    assert not received.done()
    assert not one.memory.ready
    await clock.advance(2)
    assert received.done()
    assert one.memory.ready
    assert one.memory.take_sequence() > 0
    timing.cancel()
    hanging.set_result(None)


async def test_nothing_piles_up_behind_a_disk_that_hangs(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = run(DrivenClock())
    memory = await one.start()
    await settle(memory)
    hanging: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    writes: list[PathRecord] = []

    async def hang(path: PathRecord) -> None:
        writes.append(path)
        await hanging

    monkeypatch.setattr(one.store, "write_path", hang)
    for sequence in range(1, 50):
        memory.accept(sequence)
        memory.write()
        await DrivenClock.run_ready()
    assert len(writes) == 1
    hanging.set_result(None)
    await settle(memory)
    # One more, with all of what came meanwhile.
    assert [path.down_highest for path in writes] == [1, 49]
