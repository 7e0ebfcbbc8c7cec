"""Waiting for something, and no longer than is good."""

from __future__ import annotations

import asyncio
from typing import Any

from vigibip.base.clock import Clock


async def within(clock: Clock, limit_s: float, *futures: asyncio.Future[Any]) -> bool:
    """Wait until one of `futures` is done, and return True; False after `limit_s`.

    None of them is cancelled: what takes too long goes on.
    """
    if any(future.done() for future in futures):
        return True
    timer = asyncio.ensure_future(clock.sleep(limit_s))
    try:
        await asyncio.wait((*futures, timer), return_when=asyncio.FIRST_COMPLETED)
        return any(future.done() for future in futures)
    finally:
        timer.cancel()


async def woken(clock: Clock, limit_s: float, event: asyncio.Event) -> bool:
    """Wait until `event` is set, and return True; False after `limit_s`."""
    waiting = asyncio.ensure_future(event.wait())
    try:
        return await within(clock, limit_s, waiting)
    finally:
        waiting.cancel()
