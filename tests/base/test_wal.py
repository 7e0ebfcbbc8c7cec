"""Several processes on a new SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from vigibip.base.wal import enter_wal

_LONG_S = 30.0


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def test_a_new_file_that_another_writes_to_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    with closing(_connect(path)) as other, closing(_connect(path)) as connection:
        other.execute("BEGIN IMMEDIATE")
        refused = threading.Event()

        def watch(statement: str) -> None:
            # Called before each statement: the second one comes after a first refusal.
            tries.append(statement)
            if len(tries) == 2:
                refused.set()

        tries: list[str] = []
        connection.set_trace_callback(watch)
        thread = threading.Thread(target=enter_wal, args=(connection, _LONG_S))
        thread.start()
        assert refused.wait(_LONG_S), "it gave up, or never tried"
        other.execute("COMMIT")
        thread.join(_LONG_S)
        connection.set_trace_callback(None)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_patience_ends(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    with closing(_connect(path)) as other, closing(_connect(path)) as connection:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            enter_wal(connection, 0.0)


def test_what_is_no_lock_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "no.sqlite"
    path.write_bytes(b"this is not a database, and never was one" * 40)
    with closing(_connect(path)) as connection, pytest.raises(sqlite3.DatabaseError):
        enter_wal(connection, _LONG_S)
