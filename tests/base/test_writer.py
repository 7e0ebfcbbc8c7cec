"""The writer: one commit for many, no failure that spreads, and no waiter left waiting."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from vigibip.base.errors import StorageError
from vigibip.base.writer import Writer

# Far beyond anything here; a future that is not done by then is lost.
DEADLINE_S = 20


class Rows:
    """A database in memory that tells what was asked of it and fails when told to."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.committed: list[str] = []
        self.opened = 0
        self.fail: dict[str, list[Exception | None]] = {}

    def _call(self, name: str) -> None:
        self.calls.append(name)
        waiting = self.fail.get(name)
        error = waiting.pop(0) if waiting else None
        if error is not None:
            raise error

    def open(self) -> list[str]:
        self._call("open")
        self.opened += 1
        return []

    def begin(self, connection: list[str]) -> None:
        self._call("begin")
        connection.clear()

    def savepoint(self, connection: list[str]) -> Callable[[], None]:
        mark = len(connection)

        def take_back() -> None:
            self._call("take_back")
            del connection[mark:]

        return take_back

    def commit(self, connection: list[str]) -> None:
        self._call("commit")
        self.committed += connection

    def rollback(self, connection: list[str]) -> None:
        self._call("rollback")

    def close(self, connection: list[str]) -> None:
        self._call("close")


class Gate:
    """A job that holds the writer until it is let go, so that others wait together."""

    def __init__(self, writer: Writer[Any]) -> None:
        self._entered = threading.Event()
        self._open = threading.Event()
        self.future = writer.submit(self._run)
        assert self._entered.wait(DEADLINE_S)

    def _run(self, connection: object) -> None:
        self._entered.set()
        assert self._open.wait(DEADLINE_S)

    def release(self) -> None:
        self._open.set()


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def writer(rows: Rows) -> Iterator[Writer[list[str]]]:
    writer = Writer(rows)
    writer.start()
    yield writer
    writer.close()


def _adding(row: str) -> Callable[[list[str]], str]:
    def run(connection: list[str]) -> str:
        connection.append(row)
        return row.upper()

    return run


def test_jobs_that_wait_together_share_one_commit(rows: Rows, writer: Writer[list[str]]) -> None:
    gate = Gate(writer)
    futures = [writer.submit(_adding(f"row {n}")) for n in range(50)]
    before = rows.calls.count("commit")
    assert not any(future.done() for future in futures)
    gate.release()
    assert [future.result(DEADLINE_S) for future in futures] == [f"ROW {n}" for n in range(50)]
    assert rows.calls.count("commit") == before + 2  # the gate's own, and one for all fifty
    assert rows.committed == [f"row {n}" for n in range(50)]


def test_a_group_is_bounded(rows: Rows, writer: Writer[list[str]]) -> None:
    gate = Gate(writer)
    futures = [writer.submit(_adding("row")) for _ in range(130)]
    gate.release()
    for future in futures:
        future.result(DEADLINE_S)
    assert rows.calls.count("commit") == 1 + 3


def test_nobody_is_told_before_the_commit(rows: Rows, writer: Writer[list[str]]) -> None:
    committing, goes_on = threading.Event(), threading.Event()
    plain_commit = rows.commit

    def slow_commit(connection: list[str]) -> None:
        committing.set()
        assert goes_on.wait(DEADLINE_S)
        plain_commit(connection)

    rows.commit = slow_commit  # type: ignore[method-assign]
    future = writer.submit(_adding("row"))
    assert committing.wait(DEADLINE_S)
    assert not future.done()
    assert not writer.idle
    goes_on.set()
    assert future.result(DEADLINE_S) == "ROW"


def test_a_job_that_fails_takes_no_other_down(rows: Rows, writer: Writer[list[str]]) -> None:
    def failing(connection: list[str]) -> None:
        connection.append("half written")
        raise KeyError("its own fault")

    gate = Gate(writer)
    first = writer.submit(_adding("first"))
    broken = writer.submit(failing)
    last = writer.submit(_adding("last"))
    gate.release()
    assert (first.result(DEADLINE_S), last.result(DEADLINE_S)) == ("FIRST", "LAST")
    with pytest.raises(KeyError, match="its own fault"):
        broken.result(DEADLINE_S)
    assert rows.committed == ["first", "last"]
    assert rows.opened == 1


def test_a_job_that_would_end_the_thread_is_an_error_of_its_own(
    rows: Rows, writer: Writer[list[str]]
) -> None:
    def leaving(connection: list[str]) -> None:
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        writer.submit(leaving).result(DEADLINE_S)
    assert writer.submit(_adding("after")).result(DEADLINE_S) == "AFTER"


@pytest.mark.parametrize("step", ["begin", "commit"])
def test_a_failed_commit_is_told_to_all_and_never_tried_again(
    rows: Rows, writer: Writer[list[str]], step: str
) -> None:
    gate = Gate(writer)
    futures = [writer.submit(_adding(f"lost {n}")) for n in range(3)]

    def own_fault(connection: list[str]) -> None:
        raise KeyError("decided on rows that are gone")

    futures.append(writer.submit(own_fault))
    rows.fail[step] = [None, OSError(5, "input/output error")] if step == "commit" else [OSError()]
    gate.release()
    for future in futures:
        with pytest.raises(StorageError) as told:
            future.result(DEADLINE_S)
        assert isinstance(told.value.__cause__, OSError)
    assert rows.committed == []
    assert writer.submit(_adding("kept")).result(DEADLINE_S) == "KEPT"
    assert rows.committed == ["kept"]
    assert rows.opened == 2
    after = rows.calls[rows.calls.index("rollback") :]
    assert after[:4] == ["rollback", "close", "open", "begin"]


def test_a_take_back_that_fails_fails_the_group(rows: Rows, writer: Writer[list[str]]) -> None:
    def failing(connection: list[str]) -> None:
        raise KeyError

    gate = Gate(writer)
    good = writer.submit(_adding("good"))
    broken = writer.submit(failing)
    rows.fail["take_back"] = [OSError("the transaction is gone")]
    gate.release()
    for future in (good, broken):
        with pytest.raises(StorageError):
            future.result(DEADLINE_S)
    assert rows.committed == []


def test_a_database_that_does_not_open_again_is_tried_at_each_group(
    rows: Rows, writer: Writer[list[str]]
) -> None:
    rows.fail = {
        "commit": [OSError("dead")],
        "rollback": [OSError("dead")],
        "close": [OSError("dead")],
        "open": [OSError("dead"), OSError("dead")],
    }
    for _ in range(3):
        with pytest.raises(StorageError):
            writer.submit(_adding("lost")).result(DEADLINE_S)
    assert writer.submit(_adding("kept")).result(DEADLINE_S) == "KEPT"
    assert rows.committed == ["kept"]


def test_an_opening_that_fails_is_raised_and_leaves_no_waiter() -> None:
    rows = Rows()
    rows.fail["open"] = [PermissionError("read only")]
    writer = Writer(rows)
    early = writer.submit(_adding("early"))
    with pytest.raises(PermissionError, match="read only"):
        writer.start()
    with pytest.raises(StorageError):
        early.result(DEADLINE_S)
    with pytest.raises(StorageError):
        writer.submit(_adding("late"))
    writer.close()


def test_close_finishes_what_is_queued(rows: Rows, writer: Writer[list[str]]) -> None:
    gate = Gate(writer)
    futures = [writer.submit(_adding(f"row {n}")) for n in range(100)]
    with ThreadPoolExecutor(2) as pool:
        closing = [pool.submit(writer.close), pool.submit(writer.close)]
        gate.release()
        for each in closing:
            each.result(DEADLINE_S)
    assert len(rows.committed) == 100
    assert all(future.done() for future in futures)
    assert rows.calls[-1] == "close"
    with pytest.raises(StorageError, match="closed"):
        writer.submit(_adding("late"))


def test_closing_what_never_started_fails_its_waiters() -> None:
    writer = Writer(Rows())
    future = writer.submit(_adding("row"))
    writer.close()
    writer.close()
    with pytest.raises(StorageError):
        future.result(DEADLINE_S)


def test_every_job_submitted_beside_a_close_is_answered() -> None:
    """Accepted or refused, but never swallowed between the two."""
    for _ in range(30):
        rows = Rows()
        writer = Writer(rows)
        writer.start()
        start = threading.Barrier(5)
        futures: list[Future[str]] = []
        refused: list[StorageError] = []

        def submit(writer: Writer[list[str]] = writer, start: threading.Barrier = start) -> None:
            start.wait(DEADLINE_S)
            for _ in range(20):
                try:
                    futures.append(writer.submit(_adding("row")))  # noqa: B023
                except StorageError as error:
                    refused.append(error)  # noqa: B023

        with ThreadPoolExecutor(4) as pool:
            submitting = [pool.submit(submit) for _ in range(4)]
            start.wait(DEADLINE_S)
            writer.close()
            for each in submitting:
                each.result(DEADLINE_S)
        assert len(futures) + len(refused) == 80
        assert [future.result(DEADLINE_S) for future in futures] == ["ROW"] * len(futures)
        assert len(rows.committed) == len(futures)


def test_idle_means_that_every_waiter_has_been_told(writer: Writer[list[str]]) -> None:
    told_while_idle: list[bool] = []
    gate = Gate(writer)
    assert not writer.idle
    future = writer.submit(_adding("row"))
    future.add_done_callback(lambda _: told_while_idle.append(writer.idle))
    gate.release()
    future.result(DEADLINE_S)
    # Closing joins the thread: whatever it had to say, it has said.
    writer.close()
    assert told_while_idle == [False]
    assert writer.idle


def test_a_queued_job_cannot_be_cancelled(rows: Rows, writer: Writer[list[str]]) -> None:
    gate = Gate(writer)
    future = writer.submit(_adding("row"))
    assert not future.cancel()
    gate.release()
    assert future.result(DEADLINE_S) == "ROW"
    assert rows.committed == ["row"]


async def test_a_cancelled_waiter_does_not_take_its_job_back(
    rows: Rows, writer: Writer[list[str]]
) -> None:
    gate = Gate(writer)
    task = asyncio.create_task(writer.run(_adding("row")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.release()
    assert await asyncio.wait_for(writer.run(_adding("next")), DEADLINE_S) == "NEXT"
    assert rows.committed == ["row", "next"]


async def test_many_waiters_of_one_loop(rows: Rows, writer: Writer[list[str]]) -> None:
    results = await asyncio.wait_for(
        asyncio.gather(*(writer.run(_adding(f"row {n}")) for n in range(200))), DEADLINE_S
    )
    assert results == [f"ROW {n}" for n in range(200)]
    assert rows.calls.count("commit") < 200


def test_error_texts_hold_no_row(rows: Rows, writer: Writer[list[str]]) -> None:
    """SQLAlchemy's errors carry the parameters of the statement."""
    rows.fail["commit"] = [RuntimeError("INSERT ... [parameters: ('Tabac du Centre',)]")]
    with pytest.raises(StorageError) as told:
        writer.submit(_adding("row")).result(DEADLINE_S)
    assert str(told.value) == "the store could not be written: RuntimeError"


class SqliteFile:
    """What a room hands in: SQLite with a WAL, on a real disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._savepoints = 0

    def open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert busy == 0
        connection.execute("CREATE TABLE IF NOT EXISTS row (name TEXT PRIMARY KEY)")
        return connection

    def begin(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")

    def savepoint(self, connection: sqlite3.Connection) -> Callable[[], None]:
        if not connection.in_transaction:
            raise sqlite3.OperationalError("the transaction has ended by itself")
        self._savepoints += 1
        name = f"job_{self._savepoints}"
        connection.execute(f"SAVEPOINT {name}")
        return lambda: connection.execute(f"ROLLBACK TO {name}") and None

    def commit(self, connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")

    def rollback(self, connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")

    def close(self, connection: sqlite3.Connection) -> None:
        connection.close()


def _insert(name: str) -> Callable[[sqlite3.Connection], None]:
    def run(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO row VALUES (?)", (name,))

    return run


def _names(path: Path) -> set[str]:
    with sqlite3.connect(path) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM row")}


def test_sqlite_keeps_the_good_jobs_of_a_group(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    writer = Writer(SqliteFile(path))
    writer.start()
    gate = Gate(writer)
    names = ["a", "b", "a", "c", "b", "d"]
    futures = [writer.submit(_insert(name)) for name in names]
    gate.release()
    failed = [future.exception(DEADLINE_S) is not None for future in futures]
    assert failed == [False, False, True, False, True, False]
    # Another connection sees what was told, and it is still there after the end.
    assert _names(path) == {"a", "b", "c", "d"}
    writer.close()
    assert _names(path) == {"a", "b", "c", "d"}


def test_sqlite_that_ends_a_transaction_by_itself_tells_every_waiter(tmp_path: Path) -> None:
    """As on a full disk: the jobs before it are gone, though nothing failed in them."""
    path = tmp_path / "store.sqlite"
    writer = Writer(SqliteFile(path))
    writer.start()

    def ends_the_transaction(connection: sqlite3.Connection) -> None:
        connection.execute("ROLLBACK")

    gate = Gate(writer)
    before = writer.submit(_insert("before"))
    ending = writer.submit(ends_the_transaction)
    after = writer.submit(_insert("after"))
    gate.release()
    for future in (before, ending, after):
        assert isinstance(future.exception(DEADLINE_S), StorageError)
    assert _names(path) == set()
    writer.submit(_insert("mended")).result(DEADLINE_S)
    assert _names(path) == {"mended"}
    writer.close()


def test_sqlite_full_is_told_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    writer = Writer(SqliteFile(path))
    writer.start()

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("INSERT INTO row VALUES (?)", ("x" * 100_000,))

    with pytest.raises(StorageError, match="SQLITE_FULL"):
        writer.submit(fill).result(DEADLINE_S)
    assert _names(path) == set()
    writer.close()
