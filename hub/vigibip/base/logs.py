"""Logging that never waits: who logs hands the line over, and a thread writes it.

A journal that stalls, its pipe full, would otherwise stop the event loop at its next line.
"""

from __future__ import annotations

import logging
import logging.handlers
import queue
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# A journal that stalls for so many lines loses the next ones.
_LINES_WAITING_MAX = 10_000
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _NeverBlocks(logging.handlers.QueueHandler):
    def enqueue(self, record: logging.LogRecord) -> None:
        with suppress(queue.Full):
            self.queue.put_nowait(record)


class _Writing(logging.handlers.QueueListener):
    def __init__(
        self, waiting: queue.Queue[logging.LogRecord | None], destination: logging.Handler
    ) -> None:
        super().__init__(waiting, destination)
        self._waiting = waiting

    def enqueue_sentinel(self) -> None:
        # The library's own way fails when so many lines wait that there is no room for the end.
        self._waiting.put(None)


@contextmanager
def logging_through(destination: logging.Handler, level: int) -> Iterator[None]:
    """Log to `destination` meanwhile, in a thread of its own; at the end, write what waits."""
    waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(_LINES_WAITING_MAX)
    destination.setFormatter(logging.Formatter(_FORMAT))
    handing_over = _NeverBlocks(waiting)
    # The message alone; without a formatter of its own basicConfig gives it one that says more.
    handing_over.setFormatter(logging.Formatter())
    logging.basicConfig(level=level, handlers=[handing_over])
    writing = _Writing(waiting, destination)
    writing.start()
    try:
        yield
    finally:
        writing.stop()
