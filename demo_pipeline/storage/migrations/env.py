"""Alembic's environment: one connection, handed in by ``storage.migrate``, one transaction a revision."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=None,
    version_table="alembic_version",
    version_table_schema="demo",
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
