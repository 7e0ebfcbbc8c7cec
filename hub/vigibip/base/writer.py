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
        """Open and return the connection that jobs are given; called in the writer thread.

        Also called after a failed commit: it must then leave nothing in a log that the failed
        fsync may have left in the page cache alone. With SQLite's WAL that means a successful
        `PRAGMA wal_checkpoint(TRUNCATE)` before the connection is used: otherwise the reopened
        database shows rows that no disk holds, and later commits stand behind a hole.
        """
        ...

    def begin(self, connection: C) -> None: ...

    def savepoint(self, connection: C) -> Callable[[], None]:
        """Mark a place in the transaction; calling the result takes back all that came after.

        Both raise when the transaction is no longer open (SQLite ends it by itself on a full
        disk or an I/O error): what earlier jobs wrote is gone then, and their waiters must hear.
        """
        ...

    def commit(self, connection: C) -> None:
        """Return only once the transaction is on the disk; raises when there is none."""
        ...

    def rollback(self, connection: C) -> None: ...

    def close(self, connection: C) -> None: ...


class _Job(Generic[C]):
    __slots__ = ("future", "run")

    def __init__(self, run: Callable[[C], Any]) -> None:
        self.run = run
        self.future: Future[Any] = Future()
        # From now on the future cannot be cancelled: what is queued will be written.
        self.future.set_running_or_notify_cancel()


class Writer(Generic[C]):
    """Runs jobs one after the other in one thread and answers each only after its commit.

    A job that raises is taken back alone, and its caller gets what it raised; the others of its
    group are committed. When the commit itself fails, every job of the group fails with
    StorageError and the database is opened anew for the next group: a failed fsync is never tried
    again as if it could still succeed (the kernel may have dropped the dirty pages and would
    report success). Every future is completed, whatever happens to the thread.
    """

    def __init__(self, database: Transactional[C], name: str = "writer") -> None:
        self._database = database
        self._jobs: queue.SimpleQueue[_Job[C] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ready: Future[None] = Future()
        # Held while a job is queued and while the end is, so that no job stands behind the end.
        self._lock = threading.Lock()
        self._closed = False
        self._pending = 0

    def start(self) -> None:
        """Open the database (in the thread) and return once that worked.

        Raises what opening raises; the writer is closed then.
        """
        self._thread.start()
        self._ready.result()

    def submit(self, run: Callable[[C], T]) -> Future[T]:
        """Queue `run(connection)`; the future is done after the commit that holds its work.

        Raises StorageError when the writer is closed.
        """
        job = _Job(run)
        with self._lock:
            if self._closed:
                raise StorageError("the store is closed")
            self._pending += 1
            self._jobs.put(job)
        return job.future

    async def run(self, run: Callable[[C], T]) -> T:
        """`submit`, awaited. A cancelled waiter does not take its job back."""
        return await asyncio.shield(asyncio.wrap_future(self.submit(run)))

    @property
    def idle(self) -> bool:
        """True when nothing is queued or running and every waiter has been told."""
        with self._lock:
            return self._pending == 0

    def close(self) -> None:
        """Finish what is queued, close the database and end the thread; not to be called in it."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        if self._thread.ident is None:
            self._abandon(StorageError("the store was closed before it was opened"))
        else:
            self._thread.join()

    def _run(self) -> None:
        try:
            connection = self._database.open()
        except BaseException as error:  # noqa: BLE001 - handed to whoever called start()
            self._abandon(_storage_error("opened", error))
            self._ready.set_exception(error)
            return
        self._ready.set_result(None)
        try:
            self._serve(connection)
        finally:
            self._abandon(StorageError("the store's thread has ended"))

    def _serve(self, connection: C | None) -> None:
        ended = False
        while not ended:
            group, ended = self._next_group()
            if group:
                connection = self._commit_group(connection, group)
        if connection is not None:
            self._give_up(connection, rollback=False)

    def _next_group(self) -> tuple[list[_Job[C]], bool]:
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
        return group, item is None

    def _commit_group(self, connection: C | None, group: list[_Job[C]]) -> C | None:
        """Return the connection for the next group, None when it has to be opened anew."""
        try:
            if connection is None:
                connection = self._database.open()
            self._database.begin(connection)
            outcomes = [self._run_job(connection, job) for job in group]
            self._database.commit(connection)
        except BaseException as error:  # noqa: BLE001 - every waiter must hear of it
            _log.error("a commit of %d jobs failed: %s", len(group), _reason(error))
            # The waiters first: giving up a connection to a dying disk may take its time.
            for job in group:
                self._tell(job, None, _storage_error("written", error))
            if connection is not None:
                self._give_up(connection, rollback=True)
            return None
        for job, (result, job_error) in zip(group, outcomes, strict=True):
            self._tell(job, result, job_error)
        return connection

    def _run_job(self, connection: C, job: _Job[C]) -> tuple[Any, BaseException | None]:
        take_back = self._database.savepoint(connection)
        try:
            return job.run(connection), None
        except BaseException as error:  # noqa: BLE001 - belongs to the job's caller
            try:
                take_back()
            except Exception as gone:
                # The transaction has ended by itself, and what the job met says why.
                raise error from gone
            return None, error

    def _tell(self, job: _Job[C], result: Any, error: BaseException | None) -> None:
        if error is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(error)
        with self._lock:
            self._pending -= 1

    def _give_up(self, connection: C, *, rollback: bool) -> None:
        for ending in [self._database.rollback] * rollback + [self._database.close]:
            try:
                ending(connection)
            except Exception as error:  # noqa: BLE001 - nobody is left to handle it
                _log.warning("leaving the database: %s", _reason(error))

    def _abandon(self, error: StorageError) -> None:
        """Close for good and fail all that is still queued: nobody may wait for ever."""
        with self._lock:
            self._closed = True
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                self._tell(job, None, error)


def _storage_error(what: str, error: BaseException) -> StorageError:
    told = StorageError(f"the store could not be {what}: {_reason(error)}")
    told.__cause__ = error
    return told


def _reason(error: BaseException) -> str:
    """Return what may be told of a database's error: its full text can hold a row's values."""
    cause = getattr(error, "orig", None) or error  # SQLAlchemy keeps the driver's own there
    return getattr(cause, "sqlite_errorname", None) or type(cause).__name__
