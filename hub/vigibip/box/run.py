"""The daemon as a process: logs, signals, stamps."""

from __future__ import annotations

import asyncio
import gc
import logging
import logging.handlers
import os
import queue
import signal
import socket
import sys
from contextlib import suppress

from vigibip.base.clock import SystemClock
from vigibip.base.errors import ConfigurationError
from vigibip.base.trace import TRACE_VARIABLE, Trace
from vigibip.box.config import BoxSettings
from vigibip.box.daemon import BoxDaemon

# A journal that stalls for so many lines loses the next ones.
_LOG_LINES_WAITING_MAX = 10_000


def run_box(settings: BoxSettings, *, verbose: bool = False) -> None:
    """Run until SIGTERM or SIGINT. Raises what starting raises."""
    writing = _start_logging(logging.DEBUG if verbose else logging.INFO)
    try:
        asyncio.run(_run(settings))
    finally:
        writing.stop()


async def _run(settings: BoxSettings) -> None:
    daemon = BoxDaemon(settings, clock=SystemClock(), trace=_trace())
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


class _NeverBlocks(logging.handlers.QueueHandler):
    """Hands lines to the thread that writes them; a journal that stalls stops no alert."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with suppress(queue.Full):
            self.queue.put_nowait(record)


def _start_logging(level: int) -> logging.handlers.QueueListener:
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(_LOG_LINES_WAITING_MAX)
    on_stderr = logging.StreamHandler(sys.stderr)
    on_stderr.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[_NeverBlocks(waiting)])
    writing = logging.handlers.QueueListener(waiting, on_stderr)
    writing.start()
    return writing


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
