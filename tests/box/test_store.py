"""The store: its file, its migrations, two processes on it, and a disk that refuses."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vigibip.alert.ids import AlertId
from vigibip.alert.life import AlertState
from vigibip.base.errors import StorageError, UsageError
from vigibip.box.store import (
    AlertRecord,
    DeviceRecord,
    NewerSchemaError,
    Store,
    WindowRecord,
    one_transaction,
    records,
)
from vigibip.box.store.database import applied_migration, known_migrations

NOW = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
DEVICE = DeviceRecord(device_id=0xFFFFFFFF, key=bytes(range(16)), name="comptoir", paired_utc=NOW)
OLD = Path(__file__).parent / "old_stores"


def alert(number: int = 1, **changed: object) -> AlertRecord:
    fields: dict[str, object] = {
        "number": number,
        "alert_id": AlertId(0xFFFFFFFF, number),
        "state": AlertState.HEARD,
        "opened_utc": NOW,
        "clock_sure": True,
        "age_s": None,
        "late": False,
        "battery_mv": 3900,
        "rssi_dbm": -60,
    }
    return AlertRecord(**(fields | changed))  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "box.sqlite"


async def test_what_is_written_is_read_again(path: Path) -> None:
    store = Store(path)
    assert (await store.start()).alerts == ()
    with one_transaction(path) as connection:
        records.insert_device(connection, DEVICE)
    window = WindowRecord(
        device_id=DEVICE.device_id,
        highest=2**32 - 1,
        bits=2**64 - 1,
        tags=((2**32 - 1, b"8bytes!!"),),
    )
    answered = alert(
        2,
        state=AlertState.COMING,
        receipt="accepted",
        receipt_utc=NOW,
        answer_sequence=2**63 - 1,
        age_s=2**32 - 2,
        late=True,
    )
    await store.write_alerts([alert(1), answered], [window], NOW)
    await store.write_alerts([alert(1, receipt="refused", receipt_reason="no")], [], NOW)
    await store.reserve_down([(DEVICE.device_id, 257)])
    await store.reserve_down([(DEVICE.device_id, 3)])
    await store.close()

    again = Store(path)
    contents = await again.start()
    await again.close()
    assert contents.alerts == (alert(1, receipt="refused", receipt_reason="no"), answered)
    assert contents.tags == {DEVICE.device_id: {2**32 - 1: b"8bytes!!"}}
    assert contents.last_utc == NOW
    (device,) = contents.devices
    assert (device.highest, device.bits, device.down_reserved) == (2**32 - 1, 2**64 - 1, 257)
    assert (device.key, device.name, device.revoked) == (DEVICE.key, "comptoir", False)


async def test_all_of_a_write_or_nothing(path: Path) -> None:
    store = Store(path)
    await store.start()
    poisoned = alert(2, rssi_dbm="loud")
    with pytest.raises(StorageError):
        await store.write_alerts([alert(1), poisoned], [], NOW)
    await store.write_alerts([alert(3)], [], NOW)
    await store.close()
    with one_transaction(path) as connection:
        assert [row.number for row in records.read_alerts(connection)] == [3]


async def test_the_file_and_its_companions_open_to_their_owner_alone(path: Path) -> None:
    store = Store(path)
    await store.start()
    await store.write_alerts([alert()], [], NOW)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    await store.close()


async def test_opening_the_store_again_leaves_the_locks_of_this_process_alone(path: Path) -> None:
    store = Store(path)
    await store.start()
    await store.write_alerts([alert()], [], NOW)
    with one_transaction(path):
        pass
    # Without its lock this log would be taken for one that nobody uses, and deleted.
    beside = (
        f"import sqlite3; c = sqlite3.connect({str(path)!r}); c.execute('SELECT 1 FROM alerts')"
    )
    await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", f"{beside}; c.close()"], check=True, timeout=30
    )
    assert path.with_name("box.sqlite-wal").exists()
    await store.write_alerts([alert(2)], [], NOW)
    await store.close()
    with one_transaction(path) as connection:
        assert [row.number for row in records.read_alerts(connection)] == [1, 2]


async def test_every_commit_is_synchronised(path: Path) -> None:
    store = Store(path)
    await store.start()

    def pragmas(connection: sqlite3.Connection) -> tuple[str, int]:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        return mode, connection.execute("PRAGMA synchronous").fetchone()[0]

    assert await store._run(pragmas) == ("wal", 2)
    await store.close()


async def test_only_the_newest_and_the_waiting_are_remembered(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "REMEMBERED_MAX", 3)
    store = Store(path)
    await store.start()
    done = [alert(number, receipt="accepted", receipt_utc=NOW) for number in range(2, 10)]
    await store.write_alerts([alert(1), *done], [], NOW)
    await store.close()
    with one_transaction(path) as connection:
        assert [row.number for row in records.read_alerts(connection)] == [1, 7, 8, 9]


async def test_the_latest_time_never_goes_back(path: Path) -> None:
    store = Store(path)
    await store.start()
    await store.write_alerts([], [], NOW)
    await store.write_alerts([], [], NOW.replace(year=2020))
    await store.write_alerts([], [], None)
    await store.close()
    assert (await Store(path).start()).last_utc == NOW


async def test_another_process_is_noticed_and_our_own_writes_are_not(path: Path) -> None:
    store = Store(path)
    await store.start()
    await store.devices_if_changed()
    await store.write_alerts([alert()], [], NOW)
    assert await store.devices_if_changed() is None
    with one_transaction(path) as connection:
        records.insert_device(connection, DEVICE)
    assert await store.devices_if_changed() == ((DEVICE,), ())
    assert await store.devices_if_changed() is None
    with one_transaction(path) as connection:
        records.revoke_device(connection, DEVICE.device_id, NOW)
    changed = await store.devices_if_changed()
    assert changed is not None
    assert [device.revoked for device in changed[0]] == [True]
    await store.close()


def test_an_id_is_never_used_again(path: Path) -> None:
    with one_transaction(path) as connection:
        records.insert_device(connection, DEVICE)
        records.revoke_device(connection, DEVICE.device_id, NOW)
    with pytest.raises(UsageError), one_transaction(path) as connection:
        records.insert_device(connection, DEVICE)
    with pytest.raises(UsageError), one_transaction(path) as connection:
        records.revoke_device(connection, DEVICE.device_id, NOW)


async def test_a_store_of_a_newer_program_is_refused_and_left_alone(path: Path) -> None:
    with one_transaction(path) as connection:
        connection.execute("INSERT INTO migrations VALUES (9999, 'from_tomorrow', 0)")
    before = path.read_bytes()
    with pytest.raises(NewerSchemaError, match="9999"):
        await Store(path).start()
    with pytest.raises(NewerSchemaError), one_transaction(path):
        pass
    assert path.read_bytes() == before


async def test_what_is_no_database_is_refused_with_its_name(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(StorageError, match=r"box\.sqlite"):
        await Store(path).start()


@pytest.mark.parametrize("old", sorted(OLD.glob("*.sql")), ids=lambda old: old.stem)
async def test_a_store_of_every_older_schema_is_brought_up_to_date(old: Path, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(old.read_text(encoding="utf-8"))
        assert applied_migration(connection) == int(old.stem)
    store = Store(path)
    contents = await store.start()
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert applied_migration(connection) == known_migrations()[-1][0]
    assert [device.device_id for device in contents.devices] == [0x1A2B3C4D, 0x1A2B3C4E]
    assert [(one.alert_id.press, one.state.value) for one in contents.alerts] == [
        (1, "delivered"),
        (2, "heard"),
    ]


def test_every_schema_but_the_present_one_has_its_old_store() -> None:
    numbers = [number for number, _, _ in known_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {int(old.stem) for old in OLD.glob("*.sql")} >= set(numbers[:-1])


async def test_a_migration_that_fails_leaves_no_trace(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with one_transaction(path):
        pass
    broken = [*known_migrations(), (9000, "broken", "CREATE TABLE half (x); SELECT nonsense;")]
    monkeypatch.setattr("vigibip.box.store.database.known_migrations", lambda: broken)
    with pytest.raises(StorageError), one_transaction(path):
        pass
    monkeypatch.undo()
    with one_transaction(path) as connection:
        assert applied_migration(connection) == known_migrations()[-1][0]
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        assert "half" not in names


async def test_a_store_that_cannot_be_opened_is_read_all_the_same(path: Path) -> None:
    store = Store(path)
    await store.start()
    with one_transaction(path) as connection:
        records.insert_device(connection, DEVICE)
    await store.write_alerts([alert(1)], [], NOW)
    # As a power cut leaves it: what was committed last is in the log alone.
    broken = path.parent / "broken"
    broken.mkdir()
    for name in ("box.sqlite", "box.sqlite-wal"):
        shutil.copy(path.parent / name, broken / name)
    await store.close()
    # SQLite needs this file for its log; a full disk cannot give it.
    (broken / "box.sqlite-shm").mkdir()

    limping = Store(broken / "box.sqlite")
    contents = await limping.start()
    assert contents.devices[0].key == DEVICE.key
    assert [one.number for one in contents.alerts] == [1]
    with pytest.raises(StorageError):
        await limping.write_alerts([alert(2)], [], NOW)
    (broken / "box.sqlite-shm").rmdir()
    await limping.write_alerts([alert(2)], [], NOW)
    await limping.close()
    with one_transaction(broken / "box.sqlite") as connection:
        assert [row.number for row in records.read_alerts(connection)] == [1, 2]
