"""What the box keeps of its bips themselves, as records, and the statements for them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# A lithium cell's years fit; a shop's bips then take some 50,000 short rows.
DAYS_KEPT = 800
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class StatusRecord:
    """The last status of a bip; `payload` as wire.frame packs it."""

    device_id: int
    told_utc: datetime
    payload: bytes
    rssi_dbm: int


@dataclass(frozen=True, slots=True)
class DayRecord:
    """What a bip did on a day (since 1970, UTC): counts of frames, and the voltages it told."""

    device_id: int
    day: int
    statuses: int = 0
    presses: int = 0
    polls: int = 0
    battery_sum_mv: int = 0
    battery_count: int = 0


@dataclass(frozen=True, slots=True)
class SettingsRecord:
    """How a bip is set; the fields are those of wire.parcel's CONFIGURE, and begin as a new bip's.

    edition 0: nobody has set it.
    """

    device_id: int
    edition: int = 0
    strength_pct: int = 0
    led: bool = False
    status_min: int = 60
    gestures: int = 0
    udp_after_ms: int = 0
    battery_low_mv: int = 0


def day_of(utc: datetime) -> int:
    """Return the number of the day since 1970."""
    return (utc - _EPOCH).days


def read_statuses(connection: sqlite3.Connection) -> tuple[StatusRecord, ...]:
    rows = connection.execute("SELECT device, told_ms, payload, rssi_dbm FROM bip_status")
    return tuple(StatusRecord(row[0], _EPOCH + row[1] * _MS, row[2], row[3]) for row in rows)


def write_statuses(connection: sqlite3.Connection, statuses: Sequence[StatusRecord]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO bip_status (device, told_ms, payload, rssi_dbm) "
        "VALUES (?, ?, ?, ?)",
        [(one.device_id, _to_ms(one.told_utc), one.payload, one.rssi_dbm) for one in statuses],
    )


def read_days(connection: sqlite3.Connection) -> dict[int, list[DayRecord]]:
    """Return every day that is kept, by device, oldest first."""
    days: dict[int, list[DayRecord]] = {}
    for row in connection.execute(
        "SELECT device, day, statuses, presses, polls, battery_sum_mv, battery_count "
        "FROM bip_days ORDER BY device, day"
    ):
        days.setdefault(row[0], []).append(DayRecord(*row))
    return days


def add_to_days(connection: sqlite3.Connection, added: Sequence[DayRecord]) -> None:
    """Add what was counted since the last time, and forget what is older than DAYS_KEPT."""
    connection.executemany(
        "INSERT INTO bip_days (device, day, statuses, presses, polls, battery_sum_mv, "
        "battery_count) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (device, day) DO UPDATE SET "
        "statuses = statuses + excluded.statuses, presses = presses + excluded.presses, "
        "polls = polls + excluded.polls, "
        "battery_sum_mv = battery_sum_mv + excluded.battery_sum_mv, "
        "battery_count = battery_count + excluded.battery_count",
        [
            (
                one.device_id,
                one.day,
                one.statuses,
                one.presses,
                one.polls,
                one.battery_sum_mv,
                one.battery_count,
            )
            for one in added
        ],
    )
    if added:
        newest = max(one.day for one in added)
        connection.execute("DELETE FROM bip_days WHERE day <= ?", (newest - DAYS_KEPT,))


def read_settings(connection: sqlite3.Connection) -> tuple[SettingsRecord, ...]:
    rows = connection.execute(
        "SELECT device, edition, strength_pct, led, status_min, gestures, udp_after_ms, "
        "battery_low_mv FROM bip_settings"
    )
    return tuple(SettingsRecord(row[0], row[1], row[2], bool(row[3]), *row[4:8]) for row in rows)


def write_settings(connection: sqlite3.Connection, one: SettingsRecord) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO bip_settings (device, edition, strength_pct, led, status_min, "
        "gestures, udp_after_ms, battery_low_mv) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            one.device_id,
            one.edition,
            one.strength_pct,
            int(one.led),
            one.status_min,
            one.gestures,
            one.udp_after_ms,
            one.battery_low_mv,
        ),
    )


def _to_ms(utc: datetime) -> int:
    return (utc - _EPOCH) // _MS
