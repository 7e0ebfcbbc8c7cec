"""One writer thread in front of a database: jobs that wait together are committed together.

The database is handed in as an object of a few calls, so that this room does no I/O of its own.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

from vigibip.base.errors import StorageError

_log = logging.getLogger(__name__)

C = TypeVar("C")
T = TypeVar("T")

# A larger group would delay its first job for nothing: one fsync is already shared by so many.
_GROUP_MAX = 64


class Transactional(Protocol[C]):
    """A database with one connection, used by the writer thread alone."""

    def open(self) -> C:
        """Open and return the connection that jobs are given; called in the writer thread."""
        ...

    def begin(self, connection: C) -> None: ...

    def savepoint(self, connection: C) -> Callable[[], None]:
        """Mark a place in the transaction; calling the result takes back all that came after."""
        ...

    def commit(self, connection: C) -> None:
        """Return only once the transaction is on the disk."""
        ...

    def rollback(self, connection: C) -> None: ...

    def close(self, connection: C) -> None: ...


class _Job(Generic[C]):
    __slots__ = ("future", "run")

    def __init__(self, run: Callable[[C], Any]) -> None:
        self.run = run
        self.future: Future[Any] = Future()


class Writer(Generic[C]):
    """Runs jobs one after the other in one thread and answers each only after its commit.

    A job that raises is taken back alone; the others of its group are committed. When the commit
    itself fails, every job of the group fails with StorageError and the connection is opened
    anew: a failed fsync is never tried again as if it could still succeed (the kernel may have
    dropped the dirty pages and would report success).
    """

    def __init__(self, database: Transactional[C], name: str = "writer") -> None:
        self._database = database
        self._jobs: queue.SimpleQueue[_Job[C] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ready: Future[None] = Future()
        self._closed = False
        self._pending = 0
        self._pending_lock = threading.Lock()

    def start(self) -> None:
        """Open the database (in the thread) and return once that worked.

        Raises what opening raises.
        """
        self._thread.start()
        self._ready.result()

    def submit(self, run: Callable[[C], T]) -> Future[T]:
        """Queue `run(connection)`; the future is done after the commit that holds its work."""
        if self._closed:
            raise StorageError("the store is closed")
        job = _Job(run)
        with self._pending_lock:
            self._pending += 1
        self._jobs.put(job)
        return job.future

    async def run(self, run: Callable[[C], T]) -> T:
        """`submit`, awaited. A cancelled waiter does not take its job back."""
        return await asyncio.shield(asyncio.wrap_future(self.submit(run)))

    @property
    def idle(self) -> bool:
        """True when nothing is queued and nothing is running."""
        with self._pending_lock:
            return self._pending == 0

    def close(self) -> None:
        """Finish what is queued, close the database and end the thread."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            connection = self._database.open()
        except BaseException as error:  # handed to whoever called start()
            self._ready.set_exception(error)
            return
        self._ready.set_result(None)
        stop = False
        while not stop:
            group: list[_Job[C]] = []
            item = self._jobs.get()
            while item is not None:
                group.append(item)
                if len(group) == _GROUP_MAX:
                    break
                try:
                    item = self._jobs.get_nowait()
                except queue.Empty:
                    break
            stop = item is None
            if group:
                connection = self._commit_group(connection, group)
        self._database.close(connection)

    def _commit_group(self, connection: C, group: list[_Job[C]]) -> C:
        done: list[tuple[_Job[C], Any]] = []
        failed: list[tuple[_Job[C], Exception]] = []
        try:
            self._database.begin(connection)
            for job in group:
                take_back = self._database.savepoint(connection)
                try:
                    done.append((job, job.run(connection)))
                except Exception as error:  # noqa: BLE001 - belongs to the job's caller
                    take_back()
                    failed.append((job, error))
            self._database.commit(connection)
        except Exception as error:  # noqa: BLE001 - every waiter must hear of it
            _log.error("commit of %d jobs failed: %s", len(group), error)
            connection = self._reopen(connection)
            failed = [(job, self._as_storage_error(error)) for job in group]
            done = []
        with self._pending_lock:
            self._pending -= len(group)
        for job, result in done:
            job.future.set_result(result)
        for job, job_error in failed:
            job.future.set_exception(job_error)
        return connection

    def _reopen(self, connection: C) -> C:
        try:
            self._database.rollback(connection)
        except Exception as error:  # noqa: BLE001 - the connection is given up anyway
            _log.warning("rollback failed too: %s", error)
        try:
            self._database.close(connection)
            return self._database.open()
        except Exception as error:  # noqa: BLE001 - the next group will meet the same disk
            _log.error("the database does not open: %s", error)
            return connection

    @staticmethod
    def _as_storage_error(error: Exception) -> StorageError:
        told = StorageError(f"the store could not commit: {error}")
        told.__cause__ = error
        return told
