"""Patches and undo: recorded changes, the blueprint's job beside a patch, the rate limit, tenant delete.

Runs frozen SQL of ``migrations/sql`` and imports nothing of the package: what was true at this revision
stays true.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    # Without it the end of a company would read all of its tenant's activities. First, and again from the
    # start where it was broken off: what comes after is one transaction with the new revision.
    with op.get_context().autocommit_block():
        op.execute("drop index concurrently if exists crm.activities_company_idx")
        op.execute(
            "create index concurrently activities_company_idx on crm.activities (tenant_id, company_id)"
        )
    _run("0002_patches.sql")


def downgrade() -> None:
    _run("0002_down.sql")


def _run(name: str) -> None:
    # As it is: no parameters, so neither ":" nor "%" means anything to SQLAlchemy or psycopg.
    cursor = op.get_bind().connection.cursor()
    cursor.execute((_SQL / name).read_text(encoding="utf-8"))
    cursor.close()
