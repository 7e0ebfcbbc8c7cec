"""Reads a copy of a store that cannot be opened: keys, so that alerts can be believed.

SQLite writes even to read: to a log's index, to a file that must be migrated. A full disk refuses
that, a copy in memory does not.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from vigibip.base.clock import Clock
from vigibip.base.errors import StorageError
from vigibip.base.waiting import within
from vigibip.post.errors import NewerStoreError
from vigibip.post.store import boxes, rounds
from vigibip.post.store.database import migrate, open_engine
from vigibip.post.store.file import MIGRATIONS
from vigibip.post.store.incidents import IntakeRules
from vigibip.post.store.records import KnownBox, RoundTask
from vigibip.post.store.schema import HEAD_REVISION

# Not by this process: when one closes a file, POSIX drops the locks that SQLite, here too, holds
# on it. And whoever hangs on a dying disk must not be us. The log goes second: it may be gone.
_COPY = 'cp -- "$1" "$3" && if [ -e "$1$2" ]; then cp -- "$1$2" "$3"; fi'
_PATIENCE_S = 20.0
# Another process may write while it is copied.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Saved:
    """What is known of a store that could not be opened: who is served, what was to be said."""

    boxes: dict[str, KnownBox]
    rounds: Sequence[RoundTask]


async def read_saved(path: Path, rules: IntakeRules, clock: Clock) -> Saved:
    """Copy the store at `path` to memory and read it.

    Raises NewerStoreError, and StorageError when not even this is possible.
    """
    for left in reversed(range(_TRIES)):
        with tempfile.TemporaryDirectory(dir=_memory()) as directory:
            await _copy(path, Path(directory), clock)
            try:
                copy = Path(directory) / path.name
                return await asyncio.to_thread(_read, copy, rules, clock.utc())
            except NewerStoreError as error:
                raise NewerStoreError(f"{path}: {error.__cause__}") from error
            except (SQLAlchemyError, sqlite3.Error, StorageError) as error:
                if not left:
                    raise StorageError(f"{path}: cannot be read: {error}") from error
    raise AssertionError("unreachable")


def _memory() -> Path | None:
    """Where files are in memory; None: wherever temporary ones are."""
    memory = Path("/dev/shm")  # noqa: S108 - the directory made in it is the owner's alone
    return memory if memory.is_dir() else None


async def _copy(path: Path, directory: Path, clock: Clock) -> None:
    copying = await asyncio.create_subprocess_exec(
        *("sh", "-c", _COPY, "sh", str(path), "-wal", str(directory)),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    ended = asyncio.ensure_future(copying.communicate())
    try:
        if not await within(clock, _PATIENCE_S, ended):
            raise StorageError(f"{path}: the disk does not answer")
        _, told = ended.result()
    finally:
        ended.cancel()
        with suppress(ProcessLookupError):
            copying.kill()
    if copying.returncode != 0:
        reason = told.decode(errors="replace").strip()
        raise StorageError(f"{path}: cannot be read: {reason}")


def _read(copy: Path, rules: IntakeRules, now: datetime) -> Saved:
    # An update may have brought a new schema: the copy is migrated like the store.
    migrate(copy, MIGRATIONS, HEAD_REVISION)
    with open_engine(copy).connect() as connection, connection.begin():
        damage = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if damage != "ok":
            raise sqlite3.DatabaseError(f"damaged: {damage}")
        rounds.release(connection, rules.worker)
        # Whatever waits for its time is said at once: nothing here will tell when that comes.
        waiting, _ = rounds.lease_due(
            connection,
            worker=rules.worker,
            now=now,
            lease_s=rules.lease_s,
            furthest_s=0,
            overdue_after_s=rules.overdue_after_s,
        )
        return Saved(boxes.known_boxes(connection), tuple(waiting))
