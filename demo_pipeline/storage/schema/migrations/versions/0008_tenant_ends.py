"""Closed and living tenants, extensions, and the versions that made a month.

Runs frozen SQL and imports nothing of the package: what was true at this revision stays true.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    _run("0008_tenant_ends.sql")


def downgrade() -> None:
    _run("0008_down.sql")


def _run(name: str) -> None:
    # As it is: no parameters, so neither ":" nor "%" means anything to SQLAlchemy or psycopg.
    cursor = op.get_bind().connection.cursor()
    cursor.execute((_SQL / name).read_text(encoding="utf-8"))
    cursor.close()
