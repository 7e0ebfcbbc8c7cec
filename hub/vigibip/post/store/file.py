"""One SQLite file under the store: opened, written by one thread, read by another, closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, ProgrammingError

from vigibip.base.errors import StorageError
from vigibip.base.writer import Writer
from vigibip.post.store.database import open_engine, open_writer
from vigibip.post.store.schema import HEAD_REVISION

T = TypeVar("T")

MIGRATIONS = Path(__file__).parent / "migrations"


class StoreFile:
    """Written by one thread with group commit and read by another.

    A write that the disk refuses raises StorageError.
    """

    def __init__(self, path: Path, *, checkpoint: bool = False) -> None:
        """`checkpoint`: for the daemon, which tells boxes what is safe (`SqliteDatabase.open`)."""
        self._path = path
        self._checkpoint = checkpoint
        self._starting = threading.Lock()
        # Held for a moment only: a start can hang for as long as the disk does.
        self._turn = threading.Lock()
        self._writer: Writer[Connection] | None = None
        self._unopened = "the store is not open"
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="post-reader")
        self._read_connection: Connection | None = None
        self._reading = 0
        self._closed = False

    def start(self) -> None:
        """Create or migrate the file, and open it; harmless when it is open.

        Blocks. Raises StorageError, and then everything else does too until it works;
        NewerStoreError.
        """
        with self._starting:
            if self._writer is not None:
                return
            self._unopened = "the disk does not answer"
            try:
                writer = open_writer(
                    self._path, MIGRATIONS, HEAD_REVISION, checkpoint=self._checkpoint
                )
            except StorageError as error:
                self._unopened = str(error)
                raise
            with self._turn:
                if not self._closed:
                    self._writer = writer
                    return
        writer.close()
        raise StorageError("the store is closed")

    def close(self) -> None:
        """Finish what is queued and close the file; harmless when repeated, or never started."""
        with self._turn:
            closed, self._closed = self._closed, True
        if closed:
            return
        if self._writer is not None:
            self._writer.close()
        self._reader.submit(self._close_reader).result()
        self._reader.shutdown()

    @property
    def is_open(self) -> bool:
        """True once a start has worked, until it is closed."""
        return self._writer is not None and not self._closed

    @property
    def idle(self) -> bool:
        """True when nothing is queued or running, to be written or to be read."""
        return (self._writer is None or self._writer.idle) and self._reading == 0

    def _opened(self) -> Writer[Connection]:
        if self._writer is None:
            raise StorageError(self._unopened)
        return self._writer

    async def write(self, run: Callable[[Connection], T]) -> T:
        """Run `run` in a transaction of the writer and return its result once it is on the disk."""
        try:
            return await self._opened().run(run)
        except (IntegrityError, ProgrammingError, DataError):
            raise
        except DatabaseError as error:
            raise StorageError(f"the store refused: {error.orig}") from error

    async def read(self, run: Callable[[Connection], T]) -> T:
        """Run `run` on a read-only snapshot, off the event loop."""
        self._opened()
        self._reading += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, self._read, run)
        except DatabaseError as error:
            raise StorageError(f"the store cannot be read: {error.orig}") from error
        finally:
            self._reading -= 1

    def _read(self, run: Callable[[Connection], T]) -> T:
        if self._read_connection is None:
            self._read_connection = open_engine(self._path, read_only=True).connect()
        with self._read_connection.begin():
            return run(self._read_connection)

    def _close_reader(self) -> None:
        if self._read_connection is not None:
            self._read_connection.close()
            self._read_connection = None

    async def data_version(self) -> int:
        """Return a number that differs once anybody, this Store too, has committed."""
        return await self.read(lambda c: int(c.exec_driver_sql("PRAGMA data_version").scalar_one()))
