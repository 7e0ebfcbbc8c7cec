"""Alembic's entry: it runs on the connection, and in the transaction, that upgrade() hands in."""

from alembic import context

from vigibip.console.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite alters a table by copying it.
    render_as_batch=True,
)
context.run_migrations()
