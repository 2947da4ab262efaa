"""Indexes of references that begin with the reference, planner settings, and checks of stored documents.

Runs frozen SQL of ``migrations/sql`` and imports nothing of the package: what was true at this revision
stays true.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SQL = Path(__file__).resolve().parent.parent / "sql"
#: table, and what it refers to by an indexed column
_REFERENCES = (
    ("contacts", "company"),
    ("deals", "contact"),
    ("deals", "company"),
    ("activities", "contact"),
    ("activities", "deal"),
    ("activities", "company"),
)
#: had the unique key that revision 0006 replaced by one of living rows, which serves no check of a reference
_NEW_REFERENCES = (("contact_tags", "contact"),)


def upgrade() -> None:
    # An index that begins with the tenant looks as good as the primary key wherever the statistics say that
    # a tenant has a row or two: a foreign-key check then reads all of a large tenant's rows. The new ones
    # cannot be used without the reference. Each drops what an earlier try left of it.
    for table, parent in (*_REFERENCES, *_NEW_REFERENCES):
        with op.get_context().autocommit_block():
            op.execute(f"drop index concurrently if exists crm.{table}_{parent}_ref_idx")
            op.execute(
                f"create index concurrently {table}_{parent}_ref_idx on crm.{table} ({parent}_id, tenant_id)"
            )
    for table, parent in _REFERENCES:
        with op.get_context().autocommit_block():
            op.execute(f"drop index concurrently if exists crm.{table}_{parent}_idx")
    _run("0007_readable.sql")


def downgrade() -> None:
    # First what needs locks: when it gives up nothing has changed. It can be run again after what follows
    # was broken off.
    _run("0007_down.sql")
    with op.get_context().autocommit_block():
        op.execute("set lock_timeout = '5s'")
    for table, parent in _REFERENCES:
        with op.get_context().autocommit_block():
            op.execute(f"drop index concurrently if exists crm.{table}_{parent}_idx")
            op.execute(
                f"create index concurrently {table}_{parent}_idx on crm.{table} (tenant_id, {parent}_id)"
            )


def _run(name: str) -> None:
    # As it is: no parameters, so neither ":" nor "%" means anything to SQLAlchemy or psycopg.
    cursor = op.get_bind().connection.cursor()
    cursor.execute((_SQL / name).read_text(encoding="utf-8"))
    cursor.close()
