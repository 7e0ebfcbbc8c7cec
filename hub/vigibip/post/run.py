"""The daemon as a process: logs, signals, stamps."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from vigibip.base.clock import SystemClock
from vigibip.base.errors import VigibipError
from vigibip.base.logs import logging_through
from vigibip.base.trace import open_trace
from vigibip.post.config import PostSettings
from vigibip.post.daemon import PostDaemon


class PartEndedError(VigibipError, RuntimeError):
    """A part of the post ended that never should; whoever supervises it starts it again."""


def run_post(settings: PostSettings, *, verbose: bool = False) -> None:
    """Run until SIGTERM or SIGINT. Raises what starting raises, PartEndedError."""
    level = logging.DEBUG if verbose else logging.INFO
    with logging_through(logging.StreamHandler(sys.stderr), level):
        asyncio.run(_run(settings))


async def _run(settings: PostSettings) -> None:
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Before the start: who asks for an end meanwhile gets one, in order.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    daemon = PostDaemon(settings, clock=SystemClock(), trace=open_trace())
    await daemon.start()
    ends = [loop.create_task(asked_to_stop.wait()), loop.create_task(daemon.failed())]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()
        await daemon.stop()
    if not asked_to_stop.is_set():
        raise PartEndedError("a part of the post has ended by a mistake of ours")
