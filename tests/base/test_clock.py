"""The driven clock: order, nesting, cancellation, and that work takes no time on it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from vigibip.base.clock import Clock, DrivenClock, SystemClock


async def test_time_stands_still_until_it_is_driven() -> None:
    clock = DrivenClock()
    start = clock.utc()
    task = asyncio.create_task(clock.sleep(0.001))
    await clock.advance(0)
    assert not task.done()
    assert (clock.monotonic_s(), clock.utc()) == (0, start)
    await clock.advance(0.001)
    assert task.done()
    assert clock.utc() - start == timedelta(milliseconds=1)


async def test_sleepers_wake_in_their_order_at_their_moment() -> None:
    clock = DrivenClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, duration_s: float) -> None:
        await clock.sleep(duration_s)
        woken.append((name, clock.monotonic_s()))

    tasks = [
        asyncio.create_task(sleeper(name, duration_s))
        for name, duration_s in [("c", 30), ("a", 10), ("b1", 20), ("b2", 20), ("late", 40.5)]
    ]
    await clock.advance(40)
    assert woken == [("a", 10), ("b1", 20), ("b2", 20), ("c", 30)]
    assert clock.monotonic_s() == 40
    await clock.advance(1)
    assert woken[-1] == ("late", 40.5)
    assert clock.monotonic_s() == 41
    await asyncio.gather(*tasks)


async def test_who_sleeps_again_within_one_advance_is_woken_again() -> None:
    clock = DrivenClock()
    ticks: list[float] = []

    async def ticker() -> None:
        while True:
            await clock.sleep(10)
            ticks.append(clock.monotonic_s())

    task = asyncio.create_task(ticker())
    await clock.advance(35)
    assert ticks == [10, 20, 30]
    await clock.advance(5)
    assert ticks == [10, 20, 30, 40]
    task.cancel()


async def test_a_chain_of_tasks_of_any_length_takes_no_time() -> None:
    clock = DrivenClock()
    seen: list[float] = []

    async def chain(length: int) -> None:
        if length:
            await asyncio.create_task(chain(length - 1))
        else:
            await clock.sleep(1)
            seen.append(clock.monotonic_s())

    task = asyncio.create_task(chain(300))
    await clock.advance(5)
    assert seen == [1]
    assert task.done()


async def test_a_cancelled_sleeper_leaves_the_clock() -> None:
    clock = DrivenClock()
    tasks = [asyncio.create_task(clock.sleep(seconds)) for seconds in (5, 3600, 7)]
    await clock.advance(0)
    tasks[1].cancel()
    await clock.advance(6)
    assert tasks[0].done()
    assert tasks[1].cancelled()
    assert not tasks[2].done()
    await clock.advance(1)
    assert tasks[2].done()
    assert clock._sleepers == []


async def test_the_others_keep_their_order_when_the_first_is_cancelled() -> None:
    clock = DrivenClock()
    woken: list[float] = []

    async def sleeper(duration_s: float) -> None:
        await clock.sleep(duration_s)
        woken.append(duration_s)

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (1, 9, 2, 10, 11, 3, 4)]
    await clock.advance(0)
    tasks[0].cancel()
    await clock.advance(20)
    assert woken == [2, 3, 4, 9, 10, 11]


async def test_a_sleeper_just_cancelled_is_not_woken() -> None:
    """Its task has not run yet: such a `settle` lets nothing run."""

    async def settle() -> None:
        pass

    clock = DrivenClock(settle=settle)
    task = asyncio.create_task(clock.sleep(5))
    await asyncio.sleep(0)
    task.cancel()
    await clock.advance(10)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_sleeper_cancelled_by_another_at_the_same_moment() -> None:
    clock = DrivenClock()

    async def first() -> None:
        await clock.sleep(5)
        second.cancel()

    task = asyncio.create_task(first())
    second = asyncio.create_task(clock.sleep(5))
    await clock.advance(5)
    assert task.done()
    assert second.cancelled()


async def test_settle_is_awaited_before_and_after_every_step() -> None:
    moments: list[float] = []

    async def settle() -> None:
        await DrivenClock.run_ready()
        moments.append(clock.monotonic_s())

    clock = DrivenClock(settle=settle)
    tasks = [asyncio.create_task(clock.sleep(seconds)) for seconds in (1, 2, 2)]
    await clock.advance(3)
    assert moments == [0, 1, 2, 2, 3]
    await asyncio.gather(*tasks)


async def test_work_in_a_thread_ends_before_time_goes_on() -> None:
    """What `settle` waits for may sleep again, and is woken at its own time."""
    seen: list[float] = []
    running = 0

    async def settle() -> None:
        await DrivenClock.run_ready()
        while running:
            await asyncio.wait_for(done.wait(), 5)
            done.clear()
            await DrivenClock.run_ready()

    async def worker() -> None:
        nonlocal running
        for _ in range(3):
            running = 1
            await asyncio.to_thread(sum, range(1000))
            running = 0
            done.set()
            await clock.sleep(10)
            seen.append(clock.monotonic_s())

    done = asyncio.Event()
    clock = DrivenClock(settle=settle)
    task = asyncio.create_task(worker())
    await clock.advance(100)
    assert seen == [10, 20, 30]
    await task


async def test_no_time_at_all_lets_others_run_first() -> None:
    clock = DrivenClock()
    order: list[str] = []

    async def other() -> None:
        order.append("other")

    task = asyncio.create_task(other())
    await clock.sleep(0)
    await clock.sleep(-5)
    order.append("self")
    assert order == ["other", "self"]
    await task


async def test_tasks_that_never_rest_are_told_instead_of_hanging() -> None:
    clock = DrivenClock()

    async def restless() -> None:
        while True:
            await clock.sleep(0)

    task = asyncio.create_task(restless())
    with pytest.raises(RuntimeError, match="never come to rest"):
        await clock.advance(1)
    task.cancel()


async def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="does not go back"):
        await DrivenClock().advance(-1)


async def test_it_starts_when_it_is_told() -> None:
    start = datetime(2026, 3, 29, 0, 59, tzinfo=UTC)
    clock = DrivenClock(start)
    await clock.advance(3600)
    assert clock.utc() == datetime(2026, 3, 29, 1, 59, tzinfo=UTC)


async def test_the_machines_clock_keeps_the_same_contract() -> None:
    clock: Clock = SystemClock()
    before = clock.monotonic_s()
    await clock.sleep(0)
    await clock.sleep(-1)
    await clock.sleep(0.001)
    assert clock.monotonic_s() - before >= 0.001
    assert clock.utc().utcoffset() == timedelta(0)
