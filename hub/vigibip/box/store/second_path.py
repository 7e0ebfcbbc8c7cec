"""What the SMS path keeps, as records, and the statements that read and write them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from vigibip.alert.ids import AlertId

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_WRONG_CODES = "wrong_codes"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRecord:
    """The path under one pair of keys, which `keys` names."""

    keys: bytes
    up_reserved: int = 1
    """No sequence from here on was ever given."""
    down_highest: int = -1
    down_bits: int = 0
    contacts: str | None = None
    """The post's Contacts as JSON."""
    proven_utc: datetime | None = None
    """When an authenticated word of the post last came by SMS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerCallRecord:
    """The officer was called for this alert; `digest`: of the code with which he answered."""

    alert_id: AlertId
    word: str
    digest: bytes | None = None
    answered_utc: datetime | None = None
    """None while nobody answered, and when the clock could not be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftRecord:
    """How often an alert left by SMS, and when last."""

    count: int
    last_utc: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondPathContents:
    """All that a starting box needs of it."""

    paths: dict[bytes, PathRecord]
    """By `keys`: those of earlier enrolments stay, so that no key ever sees a sequence twice."""
    calls: tuple[OfficerCallRecord, ...]
    used_codes: frozenset[bytes]
    """Digests of the officer's codes that were used here, whatever contacts say later."""
    wrong_codes: int = 0
    """How many wrong ones came in a row."""
    left: Mapping[AlertId, LeftRecord] = field(default_factory=dict)
    """Of the alerts that wait for their receipt."""


NOTHING = SecondPathContents(paths={}, calls=(), used_codes=frozenset())


def read_second_path(connection: sqlite3.Connection) -> SecondPathContents:
    paths = {
        row[0]: PathRecord(
            keys=row[0],
            up_reserved=row[1],
            down_highest=row[2],
            down_bits=int.from_bytes(row[3], "big"),
            contacts=row[4],
            proven_utc=_from_ms(row[5]),
        )
        for row in connection.execute(
            "SELECT keys, up_reserved, down_highest, down_bits, contacts, proven_ms FROM sms_paths"
        )
    }
    calls = tuple(
        OfficerCallRecord(
            alert_id=AlertId(row[0], row[1]),
            word=row[2],
            digest=row[3],
            answered_utc=_from_ms(row[4]),
        )
        for row in connection.execute(
            "SELECT device, press, word, digest, answered_ms FROM officer_calls ORDER BY rowid"
        )
    )
    used = frozenset(row[0] for row in connection.execute("SELECT digest FROM officer_codes"))
    wrong = connection.execute("SELECT value FROM facts WHERE name = ?", (_WRONG_CODES,)).fetchone()
    return SecondPathContents(
        paths=paths,
        calls=calls,
        used_codes=used,
        wrong_codes=0 if wrong is None else wrong[0],
        left={
            AlertId(row[0], row[1]): LeftRecord(count=row[2], last_utc=_EPOCH + row[3] * _MS)
            for row in connection.execute(
                "SELECT device, press, count, last_ms FROM sms_left "
                "JOIN alerts USING (device, press) WHERE receipt IS NULL"
            )
        },
    )


def write_path(connection: sqlite3.Connection, path: PathRecord) -> None:
    """Bring the row to what is given; what was reserved stays reserved."""
    connection.execute(
        "INSERT INTO sms_paths (keys, up_reserved, down_highest, down_bits, contacts, proven_ms) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (keys) DO UPDATE SET "
        "up_reserved = max(up_reserved, excluded.up_reserved), "
        "down_highest = excluded.down_highest, down_bits = excluded.down_bits, "
        "contacts = excluded.contacts, proven_ms = excluded.proven_ms",
        (
            path.keys,
            path.up_reserved,
            path.down_highest,
            path.down_bits.to_bytes(8, "big"),
            path.contacts,
            _to_ms(path.proven_utc),
        ),
    )


def write_left(connection: sqlite3.Connection, alert_id: AlertId, left: LeftRecord) -> None:
    """Keep that the alert left by SMS, and forget those that wait no more."""
    connection.execute(
        "DELETE FROM sms_left WHERE (device, press) NOT IN "
        "(SELECT device, press FROM alerts WHERE receipt IS NULL)"
    )
    connection.execute(
        "INSERT OR REPLACE INTO sms_left (device, press, count, last_ms) VALUES (?, ?, ?, ?)",
        (*alert_id, left.count, _to_ms(left.last_utc)),
    )


def write_calls(connection: sqlite3.Connection, calls: Sequence[OfficerCallRecord]) -> None:
    """Keep whom was called for what; the code of an answer is used up with it, or neither is."""
    connection.executemany(
        "INSERT INTO officer_calls (device, press, word, digest, answered_ms) "
        "VALUES (?, ?, ?, ?, ?) ON CONFLICT (device, press) DO UPDATE SET word = excluded.word, "
        "digest = coalesce(excluded.digest, digest), "
        "answered_ms = coalesce(excluded.answered_ms, answered_ms)",
        [(*one.alert_id, one.word, one.digest, _to_ms(one.answered_utc)) for one in calls],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO officer_codes (digest) VALUES (?)",
        {(one.digest,) for one in calls if one.digest is not None},
    )
    if any(one.digest is not None for one in calls):
        write_wrong_codes(connection, 0)


def write_wrong_codes(connection: sqlite3.Connection, count: int) -> None:
    connection.execute(
        "INSERT INTO facts (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (_WRONG_CODES, count),
    )


def forget_calls(connection: sqlite3.Connection, alert_ids: Sequence[AlertId]) -> None:
    connection.executemany("DELETE FROM officer_calls WHERE device = ? AND press = ?", alert_ids)


def _to_ms(utc: datetime | None) -> int | None:
    return None if utc is None else (utc - _EPOCH) // _MS


def _from_ms(stamp_ms: int | None) -> datetime | None:
    return None if stamp_ms is None else _EPOCH + stamp_ms * _MS
