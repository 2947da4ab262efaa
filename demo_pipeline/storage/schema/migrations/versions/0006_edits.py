"""Edits of generated rows are recorded; rules about our own writing are policies of the loader.

Runs frozen SQL of ``migrations/sql`` and imports nothing of the package: what was true at this revision
stays true.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SQL = Path(__file__).resolve().parent.parent / "sql"
_CHECKED = ("companies", "contacts", "deals", "activities")


def upgrade() -> None:
    # Before the key goes that it replaces. Drops what an earlier try left of it.
    with op.get_context().autocommit_block():
        op.execute("drop index concurrently if exists crm.contact_tags_living_key")
        op.execute(
            "create unique index concurrently contact_tags_living_key on crm.contact_tags"
            " (tenant_id, contact_id, tag_id) where deleted_at is null"
        )
    for name in ("constraints", "edits"):
        _run(f"0006_{name}.sql")
    # Reads the tables while others write. When it is broken off, all of the above is executed again.
    with op.get_context().autocommit_block():
        for table in _CHECKED:
            op.execute(f"alter table crm.{table} validate constraint {table}_provenance_check")


def downgrade() -> None:
    _run("0006_down.sql")


def _run(name: str) -> None:
    # As it is: no parameters, so neither ":" nor "%" means anything to SQLAlchemy or psycopg.
    cursor = op.get_bind().connection.cursor()
    cursor.execute((_SQL / name).read_text(encoding="utf-8"))
    cursor.close()
