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


#: What a build that was broken off leaves is no index, and is in the way of one.
_DROP_BROKEN = """
do $$
declare
    v_index text;
begin
    for v_index in
        select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid
        where not i.indisvalid and c.relnamespace = 'crm'::regnamespace and c.relname in
            ('companies_job_idx', 'contacts_job_idx', 'deals_job_idx', 'activities_job_idx')
    loop
        execute format('drop index crm.%I', v_index);
    end loop;
end
$$
"""


def upgrade() -> None:
    # Rows of real tenants are in none of them. Those that are whole stay when it was broken off.
    with op.get_context().autocommit_block():
        op.execute(_DROP_BROKEN)
        for table in ("companies", "contacts", "deals", "activities"):
            op.execute(
                f"create index concurrently if not exists {table}_job_idx on crm.{table}"
                " (tenant_id, demo_job_id, demo_source_month) where demo_generated"
            )


def downgrade() -> None:
    # As it is: no parameters, so neither ":" nor "%" means anything to SQLAlchemy or psycopg.
    cursor = op.get_bind().connection.cursor()
    cursor.execute((_SQL / "0005_down.sql").read_text(encoding="utf-8"))
    cursor.close()
