"""Several things at once, with one plain error when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


async def together(*work: Coroutine[None, None, None]) -> None:
    """Do all of it at once; the first failure cancels the rest and is raised as it is.

    A task group would wrap it in a group, which nobody who handles one kind of error would see.
    """
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
