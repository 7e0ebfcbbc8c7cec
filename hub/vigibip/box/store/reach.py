"""What the box keeps of how strongly it hears its bips."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReachRecord:
    """One bip: the day that goes on (since 1970, UTC) and what was heard in it, in dBm."""

    device_id: int
    day: int
    samples_dbm: tuple[int, ...] = ()
    first_dbm: int | None = None
    """The value of its first full day here; None: that is not over."""
    day_dbm: int | None = None
    """The value of the last full day."""
    before_dbm: int | None = None
    """And of the one before it."""


def read_reach(connection: sqlite3.Connection) -> tuple[ReachRecord, ...]:
    rows = connection.execute(
        "SELECT device, day, samples, first_dbm, day_dbm, before_dbm FROM bip_reach"
    )
    return tuple(
        ReachRecord(row[0], row[1], struct.unpack(f"{len(row[2])}b", row[2]), *row[3:6])
        for row in rows
    )


def write_reach(connection: sqlite3.Connection, records: Sequence[ReachRecord]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO bip_reach (device, day, samples, first_dbm, day_dbm, "
        "before_dbm) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                one.device_id,
                one.day,
                struct.pack(f"{len(one.samples_dbm)}b", *one.samples_dbm),
                one.first_dbm,
                one.day_dbm,
                one.before_dbm,
            )
            for one in records
        ],
    )
