"""The box's store: SQLite behind one writer thread, and everything it holds read at the start."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from vigibip.alert.ids import AlertId
from vigibip.base.errors import StorageError
from vigibip.base.writer import Writer
from vigibip.box.store import bips, reach, records, second_path
from vigibip.box.store.bips import DayRecord, SettingsRecord, StatusRecord
from vigibip.box.store.database import BoxDatabase, NewerSchemaError
from vigibip.box.store.reach import ReachRecord
from vigibip.box.store.records import (
    AlertRecord,
    Contents,
    DeviceRecord,
    EarlyAnswerRecord,
    HeardRecord,
    WindowRecord,
)
from vigibip.box.store.second_path import (
    LeftRecord,
    OfficerCallRecord,
    PathRecord,
    SecondPathContents,
)

__all__ = [
    "AlertRecord",
    "Contents",
    "DayRecord",
    "DeviceRecord",
    "EarlyAnswerRecord",
    "HeardRecord",
    "LeftRecord",
    "NewerSchemaError",
    "OfficerCallRecord",
    "PathRecord",
    "ReachRecord",
    "SecondPathContents",
    "SettingsRecord",
    "StatusRecord",
    "Store",
    "WindowRecord",
    "bips",
    "one_transaction",
    "records",
]

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Store:
    """What the daemon writes; each call returns once it is on the disk, or raises StorageError.

    A store that cannot be opened (a full disk, a file system gone read-only) is tried again by
    each call; its contents can be read all the same, so that alerts still go.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Writer[sqlite3.Connection] | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self._data_version: int | None = None

    async def start(self) -> Contents:
        """Open, migrate, and return all that is kept.

        Raises NewerSchemaError, and StorageError when not even reading is possible. A store that
        can be read but not written is no error here: the first write tells.
        """
        try:
            return await self._run(records.read_contents)
        except NewerSchemaError:
            raise
        except StorageError as error:
            if not self._path.exists():
                raise
            _log.error("the store cannot be opened, reading a copy of it: %s", error)
            return await asyncio.to_thread(self._read_copy)

    async def close(self) -> None:
        """Finish what is queued."""
        self._closed = True
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)

    async def write_alerts(
        self,
        alerts: Sequence[AlertRecord],
        windows: Sequence[WindowRecord],
        utc: datetime | None,
        early_answers: Sequence[EarlyAnswerRecord] = (),
    ) -> None:
        """Write all of it, or nothing. `utc`: the time, None while the clock is unsure."""

        def job(connection: sqlite3.Connection) -> None:
            for alert in alerts:
                records.write_alert(connection, alert)
            for answer in early_answers:
                records.write_early_answer(connection, answer)
            for window in windows:
                records.write_window(connection, window)
            if utc is not None:
                records.write_last_utc(connection, utc)

        await self._run(job)

    async def write_heard(
        self,
        heard: Sequence[HeardRecord],
        statuses: Sequence[StatusRecord],
        days: Sequence[DayRecord],
        utc: datetime | None,
    ) -> None:
        """Write what devices last said; in batches, for it binds nothing and wears the card."""

        def job(connection: sqlite3.Connection) -> None:
            for record in heard:
                records.write_heard(connection, record)
            bips.write_statuses(connection, statuses)
            bips.add_to_days(connection, days)
            if utc is not None:
                records.write_last_utc(connection, utc)

        await self._run(job)

    async def write_reach(self, records: Sequence[ReachRecord]) -> None:
        """Keep how strongly bips are heard; in batches, as above."""
        await self._run(lambda connection: reach.write_reach(connection, records))

    async def reserve_down(self, ends: Sequence[tuple[int, int]]) -> None:
        """Keep that no counter of (device id, end) below `end` is free any more."""

        def job(connection: sqlite3.Connection) -> None:
            for device_id, end in ends:
                records.write_down_reserved(connection, device_id, end)

        await self._run(job)

    async def write_path(self, path: PathRecord) -> None:
        """Bring what the SMS path remembers to what is given."""
        await self._run(lambda connection: second_path.write_path(connection, path))

    async def write_left(self, alert_id: AlertId, left: LeftRecord) -> None:
        """Keep that an alert left by SMS."""
        await self._run(lambda connection: second_path.write_left(connection, alert_id, left))

    async def write_calls(self, calls: Sequence[OfficerCallRecord]) -> None:
        """Keep calls to the officer; the code of an answered one is used up with it."""
        await self._run(lambda connection: second_path.write_calls(connection, calls))

    async def write_wrong_codes(self, count: int) -> None:
        """Keep how many wrong codes of the officer's came in a row."""
        await self._run(lambda connection: second_path.write_wrong_codes(connection, count))

    async def forget_calls(self, alert_ids: Sequence[AlertId]) -> None:
        """Nothing of these calls is open any more."""
        await self._run(lambda connection: second_path.forget_calls(connection, alert_ids))

    async def read_days(self) -> dict[int, list[DayRecord]]:
        """Return what is kept of the bips' days, by device, oldest first."""
        return await self._run(bips.read_days)

    async def devices_if_changed(
        self,
    ) -> tuple[tuple[DeviceRecord, ...], tuple[SettingsRecord, ...]] | None:
        """Return all devices and how they are set, None when no other process has committed."""
        return await self._run(self._devices_if_changed)

    def _devices_if_changed(
        self, connection: sqlite3.Connection
    ) -> tuple[tuple[DeviceRecord, ...], tuple[SettingsRecord, ...]] | None:
        # Counts the commits of other connections only, so the box's own writes cost nothing here.
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        changed, self._data_version = version != self._data_version, version
        if not changed:
            return None
        return records.read_devices(connection), bips.read_settings(connection)

    async def _run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        writer = self._writer or await self._open()
        try:
            return await writer.run(job)
        except sqlite3.Error as error:
            raise StorageError(f"the store refused: {error}") from error

    async def _open(self) -> Writer[sqlite3.Connection]:
        async with self._opening:
            if self._closed:
                raise StorageError("the store is closed")
            if self._writer is None:
                writer = Writer(BoxDatabase(self._path), name="box-store")
                await asyncio.to_thread(writer.start)
                self._writer = writer
            return self._writer

    def _read_copy(self) -> Contents:
        memory = Path("/dev/shm")  # noqa: S108 - the directory made in it is the owner's alone
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
            copy = Path(directory) / self._path.name
            try:
                for suffix in ("", "-wal"):
                    source = self._path.with_name(self._path.name + suffix)
                    if source.exists():
                        shutil.copyfile(source, copy.with_name(copy.name + suffix))
                # An update may have brought a new schema: the copy is migrated like the store.
                with closing(BoxDatabase(copy).open()) as connection:
                    return replace(records.read_contents(connection), from_copy=True)
            except (OSError, sqlite3.Error) as error:
                raise StorageError(f"{self._path}: cannot be read: {error}") from error


@contextmanager
def one_transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the store at `path` for one transaction of a command, beside a running box.

    Raises StorageError.
    """
    database = BoxDatabase(path, checkpoint=False)
    with closing(database.open()) as connection:
        try:
            database.begin(connection)
            yield connection
            database.commit(connection)
        except sqlite3.Error as error:
            database.rollback(connection)
            raise StorageError(f"{path}: {error}") from error
        except BaseException:
            database.rollback(connection)
            raise
