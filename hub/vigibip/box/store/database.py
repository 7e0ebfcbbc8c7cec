"""The box's SQLite file: how it is opened, brought up to date, and committed.

WAL and synchronous=FULL: NORMAL may lose committed rows in a power cut. Migrations are numbered
.sql files, each applied in one transaction together with its record.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import resources
from pathlib import Path

from vigibip.base.errors import StorageError
from vigibip.base.wal import enter_wal


class NewerSchemaError(StorageError):
    """A newer program wrote this store; going on would spoil what it keeps."""


# Long enough for `vigibip box pair` in another process; its transaction is one insert.
_BUSY_TIMEOUT_MS = 5_000


def known_migrations() -> list[tuple[int, str, str]]:
    """Return (number, name, SQL) of every migration of this program, in order."""
    found = []
    for entry in resources.files(f"{__package__}.migrations").iterdir():
        if entry.name.endswith(".sql"):
            number, _, name = entry.name.removesuffix(".sql").partition("_")
            found.append((int(number), name, entry.read_text(encoding="utf-8")))
    return sorted(found)


class BoxDatabase:
    """`Transactional` of base.writer over the file at `path` (mode 0600, made when missing).

    `checkpoint`: start behind an empty log; for the daemon's own connection, whose log may hold
    what a failed fsync left in the page cache alone. A command beside it leaves the log alone.
    """

    def __init__(self, path: Path, *, checkpoint: bool = True) -> None:
        self._path = path
        self._checkpoint = checkpoint

    def open(self) -> sqlite3.Connection:
        """Open, and migrate when needed. Raises StorageError."""
        try:
            _create(self._path)
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"{self._path}: {error}") from error
        try:
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
            enter_wal(connection, _BUSY_TIMEOUT_MS / 1000)
            connection.execute("PRAGMA synchronous = FULL")
            if self._checkpoint:
                busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                if busy:
                    raise StorageError(f"{self._path}: another process holds the store")
            self._migrate(connection)
        except sqlite3.Error as error:
            connection.close()
            raise StorageError(f"{self._path}: {error}") from error
        except StorageError:
            connection.close()
            raise
        return connection

    def begin(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")

    def savepoint(self, connection: sqlite3.Connection) -> Callable[[], None]:
        if not connection.in_transaction:
            # A savepoint would begin a transaction of its own and hide what was lost.
            raise StorageError("the transaction has ended by itself")
        connection.execute("SAVEPOINT job")
        return lambda: _take_back(connection)

    def commit(self, connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")

    def rollback(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")

    def close(self, connection: sqlite3.Connection) -> None:
        connection.close()

    def _migrate(self, connection: sqlite3.Connection) -> None:
        known = known_migrations()
        done = applied_migration(connection)
        if done > known[-1][0]:
            raise NewerSchemaError(
                f"{self._path}: schema {done} is newer than this program's {known[-1][0]}: "
                "install the version that wrote it"
            )
        for number, name, script in known:
            if number > done:
                _apply(connection, number, name, script)


def _create(path: Path) -> None:
    """Make the file for its owner alone; SQLite gives -wal and -shm its mode, and it holds keys.

    A file that is there is not touched: POSIX drops every lock that this process holds on a file
    when any descriptor of it is closed, and SQLite's connections would go on without theirs.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def applied_migration(connection: sqlite3.Connection) -> int:
    """Return the number of the last migration of an open database, 0 for an empty one."""
    tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").fetchone()
    if tables is None:
        return 0
    row = connection.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone()
    return int(row[0])


def _apply(connection: sqlite3.Connection, number: int, name: str, script: str) -> None:
    # executescript commits what is open before it, so the whole transaction is in the script.
    record = (
        "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, "
        "applied_ms INTEGER NOT NULL) STRICT;\n"
        f"INSERT INTO migrations VALUES ({number}, '{name}', {time.time_ns() // 1_000_000});\n"
    )
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\n{record}COMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        # Another process may have been faster; then there is nothing left to do.
        if applied_migration(connection) < number:
            raise


def _take_back(connection: sqlite3.Connection) -> None:
    if not connection.in_transaction:
        raise StorageError("the transaction has ended by itself")
    connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")
