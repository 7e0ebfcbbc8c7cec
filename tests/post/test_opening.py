"""A store that cannot be opened when the post starts, in every way that we know of."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from tests.post.harness import BoxClient, Site, until
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.post.errors import NewerStoreError
from vigibip.post.faults import FaultKind
from vigibip.post.store import Store, database
from vigibip.post.store.incidents import IntakeRules

ONE, TWO = "00000001000000aa", "00000001000000ab"
FAILED = (FaultKind.STORE_FAILED.value, "")


@pytest.fixture
async def box(site: Site) -> BoxClient:
    """A box whose press is on the air; the post has ended since."""
    box = await site.add_box()
    box.press(ONE)
    await until(lambda: box.accepted == [ONE])
    await until(lambda: site.radio.said)
    await site.stop_post()
    return box


@pytest.fixture
def in_the_way(site: Site, box: BoxClient) -> Iterator[Path]:
    """Where SQLite wants to make its index there is a directory: nothing opens the store."""
    assert box
    index = site.settings.store_path.with_name("post.sqlite-shm")
    index.mkdir()
    yield index
    if index.is_dir():
        index.rmdir()


async def test_it_relays_from_memory_and_takes_the_store_up_when_it_can(
    site: Site, box: BoxClient, in_the_way: Path
) -> None:
    await site.start_post()
    assert site.post is not None
    assert FAILED in site.post.faults
    # What was not answered before goes on, under its own number.
    await until(lambda: site.radio.numbers == [1])
    box.press(TWO)
    await until(lambda: len(site.radio.said) == 2)
    assert site.radio.said[1].announcement.number >= 900
    await site.advance(70)
    assert site.radio.numbers.count(1) >= 3, "it is repeated"
    assert box.accepted == [ONE]

    in_the_way.rmdir()
    await site.advance(12)
    await until(lambda: box.accepted == [ONE, TWO])
    await site.settle()
    assert FAILED not in site.post.faults
    (incident,) = await site.store.incidents()
    assert incident.presses == 2
    said = len(site.radio.said)
    await site.advance(80)
    assert 2 <= len(site.radio.said) - said <= 4, "one voice, not two"
    assert set(site.radio.numbers[said:]) == {1}
    await site.store.answer_incident(incident.id, by="Régulation")
    await site.advance(61)
    said = len(site.radio.said)
    await site.advance(120)
    assert len(site.radio.said) == said


async def test_a_fault_that_ended_while_the_store_was_away_does_not_come_back(
    site: Site, box: BoxClient, in_the_way: Path
) -> None:
    in_the_way.rmdir()
    store = Store(site.settings.store_path, clock=site.clock)
    store.start()
    await store.raise_fault("broker-lost", "", "long ago")
    await store.raise_fault("press-late", box.box_id)
    store.close()
    in_the_way.mkdir()
    await site.start_post()
    assert site.post is not None
    in_the_way.rmdir()
    await site.advance(12)
    await site.settle()
    assert list(site.post.faults) == [("press-late", box.box_id)]
    await until(lambda: site.post is not None and not site.post.busy)
    assert [fault.kind for fault in await site.store.faults()] == ["press-late"]


async def test_a_disk_that_hangs_does_not_keep_the_post_from_starting(
    site: Site, box: BoxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    real = database.SqliteDatabase.open

    def hanging(self: database.SqliteDatabase) -> object:
        answers.wait(30)
        return real(self)

    monkeypatch.setattr(database.SqliteDatabase, "open", hanging)
    with monkeypatch.context() as timely:
        # The store's work does take time now.
        timely.setattr(site.clock, "settle", site.clock.run_ready)
        starting = asyncio.create_task(site.start_post())
        for _ in range(30):
            await site.advance(1)
            await asyncio.sleep(0.02)
        await until(starting.done)
        await starting
        assert site.post is not None
        assert site.post.faults[FAILED] == "the disk does not answer"
        box.press(TWO)
        await until(lambda: len(site.radio.said) == 2)
        assert box.accepted == [ONE]
        answers.set()
        await until(lambda: site.store.is_open)
        for _ in range(30):
            await site.advance(1)
            await asyncio.sleep(0.02)
    await until(lambda: box.accepted == [ONE, TWO])
    await site.settle()
    assert FAILED not in site.post.faults


async def test_a_disk_that_hangs_at_the_first_write_does_not_keep_the_post_from_starting(
    site: Site, box: BoxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    real = database.SqliteDatabase.commit

    def hanging(self: database.SqliteDatabase, connection: Connection) -> None:
        answers.wait(30)
        real(self, connection)

    monkeypatch.setattr(database.SqliteDatabase, "commit", hanging)
    with monkeypatch.context() as timely:
        # The store's work does take time now.
        timely.setattr(site.clock, "settle", site.clock.run_ready)
        starting = asyncio.create_task(site.start_post())
        for _ in range(30):
            await site.advance(1)
            await asyncio.sleep(0.02)
        await until(starting.done)
        await starting
        assert site.post is not None
        assert site.post.faults[FAILED] == "the disk does not answer"
        box.press(TWO)
        for _ in range(10):
            await site.advance(1)
            await asyncio.sleep(0.02)
        await until(lambda: len({one.announcement.number for one in site.radio.said}) == 2)
        assert box.accepted == [ONE]
        answers.set()
        # Told twice when what waited in memory is committed beside a try of the same.
        await until(lambda: set(box.accepted) == {ONE, TWO})
        for _ in range(30):
            await site.advance(1)
            await asyncio.sleep(0.02)
    await site.settle()
    assert FAILED not in site.post.faults


async def test_a_log_that_another_process_holds_does_not_keep_the_post_from_starting(
    site: Site, box: BoxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_TIMEOUT_S", 0.1)
    reader = sqlite3.connect(site.settings.store_path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM incident").fetchall()
    writer = sqlite3.connect(site.settings.store_path)
    writer.execute("UPDATE shop SET address = address || '.'")
    writer.commit()
    await site.start_post()
    assert site.post is not None
    assert "another process" in site.post.faults[FAILED]
    box.press(TWO)
    await until(lambda: site.radio.numbers == [1, 999])
    reader.close()
    await site.advance(12)
    await until(lambda: box.accepted == [ONE, TWO])
    await site.settle()
    assert FAILED not in site.post.faults
    writer.close()


@pytest.mark.parametrize("hidden", [False, True])
async def test_a_store_of_a_newer_release_is_refused(
    site: Site, in_the_way: Path, hidden: bool
) -> None:
    in_the_way.rmdir()
    connection = sqlite3.connect(site.settings.store_path)
    connection.execute("UPDATE alembic_version SET version_num = 'later'")
    connection.commit()
    connection.close()
    if hidden:
        in_the_way.mkdir()
    with pytest.raises(NewerStoreError):
        await site.start_post()


async def test_a_store_that_cannot_even_be_read_is_told_and_refused(
    site: Site, box: BoxClient
) -> None:
    path = site.settings.store_path
    path.write_bytes(b"nothing of SQLite's" * 500)
    with pytest.raises(StorageError, match="cannot be read"):
        await site.start_post()
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError):
        await site.start_post()


async def test_a_directory_without_room_for_a_lock_file_is_held_all_the_same(
    site: Site, box: BoxClient
) -> None:
    lock = site.settings.data_dir / "post.lock"
    lock.unlink()
    lock.mkdir()
    await site.start_post()
    box.press(TWO)
    await until(lambda: box.accepted == [ONE, TWO])


async def test_what_is_asked_of_a_store_that_never_opened_fails_at_once(
    tmp_path: Path, clock: DrivenClock
) -> None:
    (tmp_path / "post.sqlite").mkdir()
    store = Store(tmp_path / "post.sqlite", clock=clock)
    with pytest.raises(StorageError):
        store.start()
    rules = IntakeRules(worker="post-1")
    for asked in (store.warm_up(rules), store.known_boxes(), store.faults()):
        with pytest.raises(StorageError):
            await asyncio.wait_for(asked, 5)
    (tmp_path / "post.sqlite").rmdir()
    store.start()
    assert await store.known_boxes() == {}
    store.close()


async def test_a_store_that_failed_once_is_called_right_again_without_an_alert(site: Site) -> None:
    assert site.post is not None
    site.post._faults.raise_fault(FaultKind.STORE_FAILED, "", "the disk is full")
    await site.advance(6)
    await site.settle()
    assert FAILED not in site.post.faults
