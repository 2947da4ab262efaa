"""The rows of a job, found by an index: the checks of a patch cost what it is long, not what its tenant is.

Runs frozen SQL and imports nothing of the package: what was true at this revision stays true.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    # Rows of real tenants are in none of them. Each drops what an earlier try left of it.
    for table in ("companies", "contacts", "deals", "activities"):
        with op.get_context().autocommit_block():
            op.execute(f"drop index concurrently if exists crm.{table}_job_idx")
            op.execute(
                f"create index concurrently {table}_job_idx on crm.{table}"
                " (tenant_id, demo_job_id, demo_source_month) where demo_generated"
            )


def downgrade() -> None:
    # As it is: no parameters, so neither ":" nor "%" means anything to SQLAlchemy or psycopg.
    cursor = op.get_bind().connection.cursor()
    cursor.execute((_SQL / "0005_down.sql").read_text(encoding="utf-8"))
    cursor.close()
