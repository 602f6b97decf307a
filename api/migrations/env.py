"""Runs migrations on the connection that `api.migration` hands over."""

from alembic import context

from core.database import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
