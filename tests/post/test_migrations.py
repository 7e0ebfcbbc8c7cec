"""Every installed store can be brought to this release, and no other store is touched."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from vigibip.base.errors import StorageError
from vigibip.post.store import Store, schema
from vigibip.post.store.database import migrate, open_engine
from vigibip.post.store.schema import HEAD_REVISION, Base
from vigibip.post.store.upgrade import alembic_config

SCRIPTS = Path(schema.__file__).parent / "migrations"
OLD_STORES = sorted((Path(__file__).parent / "old_stores").glob("*.sql"))


def test_the_migrations_lead_to_the_tables_of_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "post.sqlite"
    migrate(path, SCRIPTS, HEAD_REVISION)
    with open_engine(path).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_head_is_the_newest_migration_and_there_is_one_line_of_them() -> None:
    assert ScriptDirectory.from_config(alembic_config(SCRIPTS)).get_heads() == [HEAD_REVISION]


def test_every_former_release_has_its_store_here() -> None:
    revisions = [
        one.revision
        for one in ScriptDirectory.from_config(alembic_config(SCRIPTS)).walk_revisions()
    ]
    assert {path.stem for path in OLD_STORES} == set(revisions)


@pytest.mark.parametrize("old", OLD_STORES, ids=lambda path: path.stem)
async def test_an_old_store_is_brought_up_and_keeps_what_it_holds(
    old: Path, tmp_path: Path
) -> None:
    path = tmp_path / "post.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(old.read_text(encoding="utf-8"))
    connection.close()
    store = Store(path)
    store.start()
    try:
        open_one, closed_one = await store.incidents()
        assert (open_one.number, open_one.presses, open_one.shop_name) == (2, 2, "Tabac du Centre")
        assert [alert.id for alert in open_one.alerts] == ["00000001000000ab", "00000001000000ac"]
        assert (closed_one.number, closed_one.answered_by) == (1, "Alpha 1")
        assert [one.box_id for one in await store.outstanding_messages()] == ["box-00000001"]
        assert (await store.known_boxes())["box-00000001"].up_key == b"\x01" * 32
        assert [one.kind for one in await store.faults()] == ["broker-lost"]
    finally:
        store.close()
    with open_engine(path).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_store_of_a_newer_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "post.sqlite"
    migrate(path, SCRIPTS, HEAD_REVISION)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    copy = tmp_path / "copy.sqlite"
    shutil.copyfile(path, copy)
    with pytest.raises(StorageError):
        Store(path).start()
    with sqlite3.connect(path) as now, sqlite3.connect(copy) as before:
        assert list(now.iterdump()) == list(before.iterdump())
    now.close()
    before.close()


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "post.sqlite"
    path.write_bytes(b"not a database at all" * 1000)
    with pytest.raises(StorageError):
        Store(path).start()


def test_a_migration_that_fails_leaves_no_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vigibip.post.store import upgrade as module

    real = module.upgrade

    def fails_at_its_end(connection: Connection, scripts: Path) -> None:
        real(connection, scripts)
        raise StorageError("the disk is full")

    path = tmp_path / "post.sqlite"
    with monkeypatch.context() as broken:
        broken.setattr(module, "upgrade", fails_at_its_end)
        with pytest.raises(StorageError):
            migrate(path, SCRIPTS, HEAD_REVISION)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()
    migrate(path, SCRIPTS, HEAD_REVISION)
