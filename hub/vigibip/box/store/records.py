"""What the box keeps, as records, and the statements that read and write them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vigibip.alert.ids import AlertId
from vigibip.alert.life import AlertState
from vigibip.base.errors import UsageError
from vigibip.box.store.bips import SettingsRecord, StatusRecord, read_settings, read_statuses
from vigibip.box.store.reach import ReachRecord, read_reach
from vigibip.box.store.second_path import SecondPathContents, read_second_path
from vigibip.wire import window

# So many alerts are remembered in memory; an older press that comes again goes to the post
# marked late, and the post's longer memory decides.
REMEMBERED_MAX = 4096
# Answers to presses that are not known; the post tells an answer again to a box that brings it an
# alert again, so that one that had no room here is late, not lost.
EARLY_ANSWERS_MAX = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRecord:
    """One paired bip or wired input."""

    device_id: int
    key: bytes
    name: str
    highest: int = -1
    bits: int = 0
    down_reserved: int = 1
    paired_utc: datetime
    revoked: bool = False
    heard_utc: datetime | None = None
    """When it last spoke, as far as that was written."""
    battery_mv: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRecord:
    """One press, as the disk has it. `number` orders alerts as the box opened them."""

    number: int
    alert_id: AlertId
    state: AlertState
    opened_utc: datetime
    clock_sure: bool
    age_s: int | None
    late: bool
    battery_mv: int | None
    rssi_dbm: int | None
    receipt: str | None = None
    receipt_reason: str = ""
    receipt_utc: datetime | None = None
    answer_sequence: int | None = None
    gesture: int = 0
    gesture_told: int = 0


@dataclass(frozen=True, slots=True)
class EarlyAnswerRecord:
    """The newest answer to a press that is not known (yet: the disk may have failed it)."""

    alert_id: AlertId
    sequence: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRecord:
    """A device's replay window, and the tags of press frames that are new since the last one."""

    device_id: int
    highest: int
    bits: int
    tags: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class HeardRecord:
    """When a device last spoke; `battery_mv` None: it did not say."""

    device_id: int
    heard_utc: datetime
    battery_mv: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that a starting box needs in memory."""

    devices: tuple[DeviceRecord, ...]
    alerts: tuple[AlertRecord, ...]
    """By number: every waiting and every parked one, and the newest others."""
    tags: dict[int, dict[int, bytes]]
    """By device and counter."""
    early_answers: tuple[EarlyAnswerRecord, ...]
    """Oldest first."""
    statuses: tuple[StatusRecord, ...]
    settings: tuple[SettingsRecord, ...]
    reach: tuple[ReachRecord, ...]
    second_path: SecondPathContents
    last_utc: datetime | None
    """The latest time that was ever written; the clock cannot truly be before it."""
    from_copy: bool = False
    """True when the store itself could not be opened: what was read may not be on the disk."""


def to_ms(utc: datetime) -> int:
    return (utc - _EPOCH) // _MS


def from_ms(stamp_ms: int) -> datetime:
    return _EPOCH + stamp_ms * _MS


def read_contents(connection: sqlite3.Connection) -> Contents:
    tags: dict[int, dict[int, bytes]] = {}
    for device, counter, tag in connection.execute("SELECT device, counter, tag FROM frames"):
        tags.setdefault(device, {})[counter] = tag
    last = connection.execute("SELECT value FROM facts WHERE name = 'last_ms'").fetchone()
    return Contents(
        devices=read_devices(connection),
        alerts=read_alerts(connection),
        tags=tags,
        early_answers=read_early_answers(connection),
        statuses=read_statuses(connection),
        settings=read_settings(connection),
        reach=read_reach(connection),
        second_path=read_second_path(connection),
        last_utc=None if last is None else from_ms(last[0]),
    )


def read_devices(connection: sqlite3.Connection) -> tuple[DeviceRecord, ...]:
    rows = connection.execute(
        "SELECT id, key, name, highest, bits, down_reserved, paired_ms, revoked_ms, heard_ms, "
        "battery_mv FROM devices ORDER BY id"
    )
    return tuple(
        DeviceRecord(
            device_id=row[0],
            key=row[1],
            name=row[2],
            highest=row[3],
            bits=int.from_bytes(row[4], "big"),
            down_reserved=row[5],
            paired_utc=from_ms(row[6]),
            revoked=row[7] is not None,
            heard_utc=None if row[8] is None else from_ms(row[8]),
            battery_mv=row[9],
        )
        for row in rows
    )


def read_alerts(connection: sqlite3.Connection) -> tuple[AlertRecord, ...]:
    rows = connection.execute(
        "SELECT number, device, press, state, opened_ms, clock_sure, age_s, late, battery_mv, "
        "rssi_dbm, receipt, receipt_reason, receipt_ms, answer_sequence, gesture, gesture_told "
        "FROM alerts "
        "WHERE receipt IS NULL OR state = 'parked' "
        "OR number > (SELECT coalesce(max(number), 0) FROM alerts) - ? ORDER BY number",
        (REMEMBERED_MAX,),
    )
    return tuple(
        AlertRecord(
            number=row[0],
            alert_id=AlertId(row[1], row[2]),
            state=AlertState(row[3]),
            opened_utc=from_ms(row[4]),
            clock_sure=bool(row[5]),
            age_s=row[6],
            late=bool(row[7]),
            battery_mv=row[8],
            rssi_dbm=row[9],
            receipt=row[10],
            receipt_reason=row[11],
            receipt_utc=None if row[12] is None else from_ms(row[12]),
            answer_sequence=row[13],
            gesture=row[14],
            gesture_told=row[15],
        )
        for row in rows
    )


def read_early_answers(connection: sqlite3.Connection) -> tuple[EarlyAnswerRecord, ...]:
    rows = connection.execute(
        "SELECT device, press, sequence, state FROM early_answers ORDER BY sequence"
    )
    return tuple(EarlyAnswerRecord(AlertId(row[0], row[1]), row[2], row[3]) for row in rows)


def write_early_answer(connection: sqlite3.Connection, record: EarlyAnswerRecord) -> None:
    """Keep the newer of two for the same press, and no more than EARLY_ANSWERS_MAX in all."""
    connection.execute(
        "INSERT INTO early_answers (device, press, sequence, state) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (device, press) DO UPDATE SET sequence = excluded.sequence, "
        "state = excluded.state WHERE excluded.sequence > sequence",
        (record.alert_id.device_id, record.alert_id.press, record.sequence, record.state),
    )
    connection.execute(
        "DELETE FROM early_answers WHERE (device, press) IN (SELECT device, press "
        "FROM early_answers ORDER BY sequence DESC LIMIT -1 OFFSET ?)",
        (EARLY_ANSWERS_MAX,),
    )


def write_alert(connection: sqlite3.Connection, alert: AlertRecord) -> None:
    """Insert the alert, or bring its row to what is given. Doing it twice changes nothing."""
    connection.execute(
        "INSERT INTO alerts (number, device, press, state, opened_ms, clock_sure, age_s, late, "
        "battery_mv, rssi_dbm, receipt, receipt_reason, receipt_ms, answer_sequence, gesture, "
        "gesture_told) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (device, press) DO UPDATE SET state = excluded.state, "
        "receipt = excluded.receipt, receipt_reason = excluded.receipt_reason, "
        "receipt_ms = excluded.receipt_ms, "
        "answer_sequence = excluded.answer_sequence, gesture = excluded.gesture, "
        "gesture_told = excluded.gesture_told",
        (
            alert.number,
            alert.alert_id.device_id,
            alert.alert_id.press,
            alert.state.value,
            to_ms(alert.opened_utc),
            int(alert.clock_sure),
            alert.age_s,
            int(alert.late),
            alert.battery_mv,
            alert.rssi_dbm,
            alert.receipt,
            alert.receipt_reason,
            None if alert.receipt_utc is None else to_ms(alert.receipt_utc),
            alert.answer_sequence,
            alert.gesture,
            alert.gesture_told,
        ),
    )
    # The row holds it from now on.
    connection.execute(
        "DELETE FROM early_answers WHERE device = ? AND press = ?",
        (alert.alert_id.device_id, alert.alert_id.press),
    )


def write_window(connection: sqlite3.Connection, record: WindowRecord) -> None:
    connection.execute(
        "UPDATE devices SET highest = ?, bits = ? WHERE id = ?",
        (record.highest, record.bits.to_bytes(8, "big"), record.device_id),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO frames (device, counter, tag) VALUES (?, ?, ?)",
        [(record.device_id, counter, tag) for counter, tag in record.tags],
    )
    connection.execute(
        "DELETE FROM frames WHERE device = ? AND counter <= ?",
        (record.device_id, record.highest - window.WIDTH),
    )


def write_heard(connection: sqlite3.Connection, record: HeardRecord) -> None:
    connection.execute(
        "UPDATE devices SET heard_ms = ?, battery_mv = coalesce(?, battery_mv) WHERE id = ?",
        (to_ms(record.heard_utc), record.battery_mv, record.device_id),
    )


def write_last_utc(connection: sqlite3.Connection, utc: datetime) -> None:
    """Keep the latest time known; an earlier one changes nothing."""
    connection.execute(
        "INSERT INTO facts (name, value) VALUES ('last_ms', ?) "
        "ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
        (to_ms(utc),),
    )


def write_down_reserved(connection: sqlite3.Connection, device_id: int, end: int) -> None:
    connection.execute(
        "UPDATE devices SET down_reserved = max(down_reserved, ?) WHERE id = ?", (end, device_id)
    )


def insert_device(connection: sqlite3.Connection, device: DeviceRecord) -> None:
    """Raises UsageError when the id was ever used here: ids are never used again."""
    try:
        connection.execute(
            "INSERT INTO devices (id, key, name, paired_ms) VALUES (?, ?, ?, ?)",
            (device.device_id, device.key, device.name, to_ms(device.paired_utc)),
        )
    except sqlite3.IntegrityError as error:
        raise UsageError(
            f"device {device.device_id:08x} was paired here before: a bip that is provisioned "
            "anew gets a new id"
        ) from error


def revoke_device(connection: sqlite3.Connection, device_id: int, utc: datetime) -> None:
    """Raises UsageError when no such device is paired."""
    changed = connection.execute(
        "UPDATE devices SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL",
        (to_ms(utc), device_id),
    ).rowcount
    if changed == 0:
        raise UsageError(f"no device {device_id:08x} is paired here")
