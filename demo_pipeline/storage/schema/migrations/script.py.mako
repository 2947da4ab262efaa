"""${message}

Revision: ${up_revision}, after ${down_revision}. Runs frozen SQL of ``migrations/sql`` and imports nothing
of the package: what was true at this revision stays true.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

_SQL = Path(__file__).resolve().parent.parent / "sql"


def upgrade() -> None:
    ${upgrades if upgrades else 'raise NotImplementedError'}


def downgrade() -> None:
    ${downgrades if downgrades else 'raise NotImplementedError'}
