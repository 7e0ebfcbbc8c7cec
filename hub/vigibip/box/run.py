"""The daemon as a process: logs, signals, stamps."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys

from vigibip.base.clock import SystemClock
from vigibip.base.logs import logging_through
from vigibip.base.trace import open_trace
from vigibip.box.config import BoxSettings
from vigibip.box.daemon import BoxDaemon


def run_box(settings: BoxSettings, *, verbose: bool = False) -> None:
    """Run until SIGTERM or SIGINT. Raises what starting raises."""
    level = logging.DEBUG if verbose else logging.INFO
    with logging_through(logging.StreamHandler(sys.stderr), level):
        asyncio.run(_run(settings))


async def _run(settings: BoxSettings) -> None:
    daemon = BoxDaemon(settings, clock=SystemClock(), trace=open_trace())
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    await daemon.start()
    # What is loaded by now stays: a full collection would walk over it with an alert waiting.
    gc.collect()
    gc.freeze()
    try:
        await asked_to_stop.wait()
    finally:
        await daemon.stop()
