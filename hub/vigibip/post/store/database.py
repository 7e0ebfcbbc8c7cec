"""The store's SQLite file: how it is opened, written and migrated."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from vigibip.base.errors import StorageError
from vigibip.base.wal import enter_wal
from vigibip.base.writer import Writer
from vigibip.post.errors import NewerStoreError

# The console and the commands write to the same file; none of them holds it for long.
_BUSY_TIMEOUT_S = 5.0


def open_engine(path: Path, *, read_only: bool = False) -> Engine:
    """Return an engine on the file at `path`.

    Transactions begin where this module begins them: sqlite3's own implicit ones are off.
    """

    def connect() -> sqlite3.Connection:
        # The reader cannot use mode=ro: a WAL that nobody has open must be recoverable.
        raw = sqlite3.connect(
            path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        enter_wal(raw, _BUSY_TIMEOUT_S)
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("PRAGMA foreign_keys=ON")
        if read_only:
            raw.execute("PRAGMA query_only=ON")
        return raw

    # An error's text would otherwise carry the row, and a traceback take keys and names to the log.
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # IMMEDIATE: a transaction that reads before it writes could otherwise not be upgraded
        # once another process has written, and would fail without waiting.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


class SqliteDatabase:
    """What base.writer asks of a database; the connection is SQLAlchemy's.

    SQLite ends a transaction by itself when the disk is full or fails. Going on as if it were
    still there would tell the earlier jobs of the group that they are safe: every step looks.
    """

    def __init__(self, path: Path, *, checkpoint: bool = False) -> None:
        """`checkpoint`: for the daemon, which tells boxes what is safe; see `open`."""
        self._path = path
        self._checkpoint = checkpoint

    def open(self) -> Connection:
        connection = open_engine(self._path).connect()
        try:
            if self._checkpoint:
                # What a failed fsync left in the WAL is visible but perhaps not on the disk:
                # before anybody is told that it is, the checkpoint syncs it or fails.
                busy = raw(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                if busy:
                    raise StorageError("the store's log is held by another process")
        except BaseException:
            connection.close()
            raise
        return connection

    def begin(self, connection: Connection) -> None:
        connection.begin()

    def savepoint(self, connection: Connection) -> Callable[[], None]:
        _still_open(connection)
        # The name repeats within a group: SQLite takes the innermost, which is this job's.
        connection.exec_driver_sql("SAVEPOINT job")

        def take_back() -> None:
            _still_open(connection)
            connection.exec_driver_sql("ROLLBACK TO job")

        return take_back

    def commit(self, connection: Connection) -> None:
        _still_open(connection)
        connection.commit()

    def rollback(self, connection: Connection) -> None:
        connection.rollback()

    def close(self, connection: Connection) -> None:
        connection.close()


def raw(connection: Connection) -> sqlite3.Connection:
    """Return the driver's own connection."""
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)


def _still_open(connection: Connection) -> None:
    if not raw(connection).in_transaction:
        raise StorageError("the database ended the transaction by itself")


def open_writer(path: Path, scripts: Path, head: str, *, checkpoint: bool) -> Writer[Connection]:
    """Bring the file up to date as `migrate` does, and open it for writing. Raises StorageError."""
    migrate(path, scripts, head)
    writer: Writer[Connection] = Writer(SqliteDatabase(path, checkpoint=checkpoint), "post-writer")
    try:
        writer.start()
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StorageError(f"{path}: {error}") from error
    return writer


def migrate(path: Path, scripts: Path, head: str) -> None:
    """Bring the file at `path` to the revision `head`, creating it where there is none.

    scripts: the folder of Alembic's env.py and versions/. One transaction holds every step and
    its record. Raises StorageError, NewerStoreError.
    """
    try:
        _create(path)
        with open_engine(path).connect() as connection:
            if _revision(connection) == head:
                return
            # Alembic is slow to import and large in memory: only for a store that needs it.
            from vigibip.post.store.upgrade import upgrade

            with connection.begin():
                upgrade(connection, scripts)
    except NewerStoreError as error:
        raise NewerStoreError(f"{path}: {error}") from error
    except (SQLAlchemyError, OSError) as error:
        raise StorageError(f"{path}: {error}") from error


def _create(path: Path) -> None:
    """Make the file for its owner alone: SQLite would obey the umask. Its log copies the mode.

    A file that is there is not touched: POSIX drops every lock that this process holds on a file
    when any descriptor of it is closed, and SQLite's connections would go on without theirs.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _revision(connection: Connection) -> str | None:
    with connection.begin():
        known = connection.exec_driver_sql(
            "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
        ).first()
        if known is None:
            return None
        row: Any = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
        return None if row is None else str(row[0])
