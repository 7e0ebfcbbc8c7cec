"""Turning a SQLite file to write-ahead logging while another process does the same."""

from __future__ import annotations

import random
import sqlite3
import time

_PAUSE_S = 0.02


def enter_wal(connection: sqlite3.Connection, patience_s: float) -> None:
    """Set `journal_mode` to WAL, trying for `patience_s` while another process writes.

    The busy timeout is not enough: for a file that is not in WAL yet, SQLite fails at once when
    it would have to wait with a lock in hand (sqlite.org/c3ref/busy_handler.html), which is what
    two commands on a new store do to each other. Blocks; raises sqlite3.Error.
    """
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not busy or time.monotonic() >= deadline_s:
                raise
            time.sleep(_PAUSE_S * random.uniform(0.5, 1.5))
        else:
            return
