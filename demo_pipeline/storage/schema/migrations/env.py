"""Alembic's environment: what ``storage`` hands in, one transaction a revision.

A connection (``storage.schema.migrate``), or a recorder of what would be executed
(``storage.schema.migration_plan``).
"""

from __future__ import annotations

from typing import Any

from alembic import context

attributes: dict[Any, Any] = context.config.attributes
if context.is_offline_mode():
    context.configure(
        dialect_name="postgresql",
        dialect_opts={"paramstyle": "named"},
        output_buffer=attributes["recorder"],
        version_table="alembic_version",
        version_table_schema="demo",
        transactional_ddl=True,
        transaction_per_migration=True,
    )
    # Revisions run their frozen SQL on the driver's cursor.
    context.get_context().impl.connection = attributes["recorder"]
else:
    context.configure(
        connection=attributes["connection"],
        target_metadata=None,
        version_table="alembic_version",
        version_table_schema="demo",
        transaction_per_migration=True,
    )
with context.begin_transaction():
    context.run_migrations()
