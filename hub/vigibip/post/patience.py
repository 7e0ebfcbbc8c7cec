"""Waiting no longer than is good: a disk that hangs answers when it likes, or never."""

from __future__ import annotations

import asyncio
from typing import Any

from vigibip.base.clock import Clock


async def done_in_time(work: asyncio.Future[Any], clock: Clock, patience_s: float) -> bool:
    """Wait for `work` for so long at most, and tell whether it is done. If not, it goes on."""
    patience = asyncio.ensure_future(clock.sleep(patience_s))
    try:
        await asyncio.wait({work, patience}, return_when=asyncio.FIRST_COMPLETED)
        return work.done()
    finally:
        patience.cancel()
