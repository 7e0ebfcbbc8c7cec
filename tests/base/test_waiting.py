"""Waiting ends at what was waited for, or at its limit, and leaves nothing behind."""

from __future__ import annotations

import asyncio

from vigibip.base.clock import DrivenClock
from vigibip.base.waiting import within, woken


async def test_it_ends_with_the_first_that_is_done_and_the_others_go_on() -> None:
    clock = DrivenClock()
    slow, quick = (asyncio.ensure_future(clock.sleep(after_s)) for after_s in (9.0, 3.0))
    waiting = asyncio.ensure_future(within(clock, 5.0, slow, quick))
    await clock.advance(2.9)
    assert not waiting.done()
    await clock.advance(0.1)
    assert waiting.result()
    assert quick.done()
    assert not slow.cancelled()
    await clock.advance(6.0)
    assert slow.done()


async def test_at_the_limit_it_says_so_and_what_takes_too_long_goes_on() -> None:
    clock = DrivenClock()
    slow = asyncio.ensure_future(clock.sleep(9.0))
    waiting = asyncio.ensure_future(within(clock, 5.0, slow))
    await clock.advance(5.0)
    assert waiting.result() is False
    assert not slow.done()
    await clock.advance(4.0)
    assert slow.done()
    assert await within(clock, 5.0, slow), "at once"


async def test_an_event_wakes_or_the_limit_does_and_nothing_is_left() -> None:
    clock = DrivenClock()
    event = asyncio.Event()
    before = asyncio.all_tasks()
    first = asyncio.ensure_future(woken(clock, 5.0, event))
    await clock.advance(5.0)
    assert first.result() is False
    second = asyncio.ensure_future(woken(clock, 5.0, event))
    await clock.advance(1.0)
    event.set()
    await clock.advance(0.0)
    assert second.result()
    await clock.advance(0.0)
    assert asyncio.all_tasks() == before
