"""Logs whose reader has stalled hold up nobody, and those that were logged are written."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vigibip.base.logs import logging_through


class StalledJournal(logging.Handler):
    """Takes its first line only once it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        assert self.goes_on.wait(10)
        self.lines.append(self.format(record))


@contextmanager
def bare_root() -> Iterator[None]:
    """The root logger as a new process has it; pytest has put its own handlers there."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def test_a_stalled_journal_holds_up_nobody_and_gets_what_waited() -> None:
    journal = StalledJournal()
    log = logging.getLogger("vigibip.test")
    with bare_root(), logging_through(journal, logging.INFO):
        for number in range(20_000):
            log.info("line %d", number)
        log.debug("not asked for")
        assert journal.lines == []
        journal.goes_on.set()
    assert journal.lines[0].endswith(" INFO vigibip.test: line 0")
    assert 10_000 <= len(journal.lines) <= 10_001, "what waits is bounded"
