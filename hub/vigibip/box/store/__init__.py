"""The box's store: SQLite behind one writer thread, and everything it holds read at the start."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from vigibip.base.errors import StorageError
from vigibip.base.writer import Writer
from vigibip.box.store import records
from vigibip.box.store.database import BoxDatabase
from vigibip.box.store.records import (
    AlertRecord,
    Contents,
    DeviceRecord,
    WindowRecord,
)

__all__ = [
    "AlertRecord",
    "Contents",
    "DeviceRecord",
    "Store",
    "WindowRecord",
    "one_transaction",
    "records",
]

T = TypeVar("T")


class Store:
    """What the daemon writes; each call returns once it is on the disk, or raises StorageError."""

    def __init__(self, path: Path) -> None:
        self._writer = Writer(BoxDatabase(path), name="box-store")
        self._data_version: int | None = None

    def start(self) -> None:
        """Open and migrate. Raises StorageError. Blocks for as long as the disk takes."""
        self._writer.start()

    def close(self) -> None:
        """Finish what is queued. Blocks for as long as the disk takes."""
        self._writer.close()

    async def read(self) -> Contents:
        return await self._run(records.read_contents)

    async def write_alerts(
        self, alerts: Sequence[AlertRecord], windows: Sequence[WindowRecord], utc: datetime | None
    ) -> None:
        """Write all of it, or nothing. `utc`: the time, None while the clock is unsure."""

        def job(connection: sqlite3.Connection) -> None:
            for alert in alerts:
                records.write_alert(connection, alert)
            for window in windows:
                records.write_window(connection, window)
            if utc is not None:
                records.write_last_utc(connection, utc)

        await self._run(job)

    async def reserve_down(self, ends: Sequence[tuple[int, int]]) -> None:
        """Keep that no counter of (device id, end) below `end` is free any more."""

        def job(connection: sqlite3.Connection) -> None:
            for device_id, end in ends:
                records.write_down_reserved(connection, device_id, end)

        await self._run(job)

    async def devices_if_changed(self) -> tuple[DeviceRecord, ...] | None:
        """Return all devices when another process committed since the last call, else None."""
        return await self._run(self._devices_if_changed)

    def _devices_if_changed(
        self, connection: sqlite3.Connection
    ) -> tuple[DeviceRecord, ...] | None:
        # Counts the commits of other connections only, so the box's own writes cost nothing here.
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        changed, self._data_version = version != self._data_version, version
        return records.read_devices(connection) if changed else None

    async def _run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._writer.run(job)
        except sqlite3.Error as error:
            raise StorageError(f"the store refused: {error}") from error


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
