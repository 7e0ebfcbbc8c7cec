"""The console's file is made by its migrations, and they make what the schema says."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.console.conftest import Place
from vigibip.base.errors import StorageError
from vigibip.console.accounts import Accounts, accounts_path
from vigibip.console.schema import HEAD_REVISION, Base
from vigibip.post.store.database import open_engine


def test_the_migrations_make_the_schema(place: Place) -> None:
    accounts = Accounts(accounts_path(place.settings))
    accounts.start()
    accounts.close()
    with open_engine(accounts_path(place.settings), read_only=True).connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == HEAD_REVISION
        assert compare_metadata(context, Base.metadata) == []


def test_a_file_of_a_newer_release_is_left_alone(place: Place) -> None:
    accounts = Accounts(accounts_path(place.settings))
    accounts.start()
    accounts.close()
    with open_engine(accounts_path(place.settings)).connect() as connection, connection.begin():
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageError):
        Accounts(accounts_path(place.settings)).start()
