"""The daemon as a process: logs, signals, stamps."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys

from vigibip.base.clock import SystemClock
from vigibip.base.errors import ConfigurationError
from vigibip.base.trace import TRACE_VARIABLE, Trace
from vigibip.box.config import BoxSettings
from vigibip.box.daemon import BoxDaemon


def run_box(settings: BoxSettings, *, verbose: bool = False) -> None:
    """Run until SIGTERM or SIGINT. Raises what starting raises."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    asyncio.run(_run(settings))


async def _run(settings: BoxSettings) -> None:
    daemon = BoxDaemon(settings, clock=SystemClock(), trace=_trace())
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    await daemon.start()
    try:
        await asked_to_stop.wait()
    finally:
        await daemon.stop()


def _trace() -> Trace:
    path = os.environ.get(TRACE_VARIABLE)
    if not path:
        return Trace()
    stamps = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    stamps.setblocking(False)
    try:
        stamps.connect(path)
    except OSError as error:
        raise ConfigurationError(TRACE_VARIABLE, [("", f"{path}: {error.strerror}")]) from error
    return Trace(stamps.send)
