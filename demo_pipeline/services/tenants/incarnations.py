"""Tenants whose slug belonged to a deleted one: what was kept under the slug elsewhere is not theirs."""

from __future__ import annotations

from collections.abc import Sequence

from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import incarnations
from demo_pipeline.storage.ledger.incarnations import Incarnation


def later_incarnations(database: Database, slugs: Sequence[str] | None = None) -> list[Incarnation]:
    """The living ones of a reused slug, all of them or those of ``slugs``. Raises ``DatabaseError``."""
    with database.admin(readonly=True) as conn:
        return incarnations.later_incarnations(conn, slugs)
