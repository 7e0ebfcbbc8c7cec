"""Runs Alembic on a connection that is handed in, inside the caller's transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from vigibip.post.errors import NewerStoreError


def alembic_config(scripts: Path, connection: Connection | None = None) -> Config:
    """Return Alembic's configuration for the folder `scripts`; there is no alembic.ini to find."""
    config = Config()
    # Alembic reads % as an interpolation.
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, scripts: Path, to: str = "head") -> None:
    """Run every migration up to `to`. Raises NewerStoreError for a revision unknown here."""
    try:
        command.upgrade(alembic_config(scripts, connection), to)
    except CommandError as error:
        raise NewerStoreError(f"the store is not of this release: {error}") from error
