"""The scorecard of one tenant: its rows are read in one snapshot, and every measure is taken.

Measures are in ``domain.scorecard``; nothing is judged here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from demo_pipeline.domain.core.errors import UnreadableTenantError
from demo_pipeline.domain.scorecard.catalogue import scorecard
from demo_pipeline.domain.scorecard.measure import Score, Verdict
from demo_pipeline.services.jobs.tenant_context import TenantContext, open_snapshot
from demo_pipeline.services.scorecard.tenant_rows import tenant_columns
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import tenants


@dataclass(frozen=True, kw_only=True)
class Scorecard:
    """How believable a tenant is, by every measure that applies to it."""

    tenant: str
    as_of: datetime
    scores: tuple[Score, ...]

    def count(self, verdict: Verdict) -> int:
        """How many measures have a verdict."""
        return Counter(score.verdict for score in self.scores)[verdict]

    @property
    def red(self) -> tuple[Score, ...]:
        """The measures whose figure is outside its range."""
        return tuple(score for score in self.scores if score.verdict is Verdict.RED)


def score_tenant(database: Database, settings: Settings, slug: str) -> Scorecard:
    """Measure one tenant.

    Raises ``NotFoundError``, ``NotADemoTenantError``, ``UnreadableTenantError``.
    """
    with open_snapshot(database, settings, slug, "score") as (conn, context, as_of):
        return take_scorecard(conn, context, as_of)


def score_each(database: Database, settings: Settings) -> tuple[list[Scorecard], list[UnreadableTenantError]]:
    """Measure all tenants, by slug; those whose stored plan cannot be read come as errors."""
    cards, unreadable = list[Scorecard](), list[UnreadableTenantError]()
    with database.pooled() as pooled:
        with pooled.admin(readonly=True) as conn:
            slugs = [one.slug for one in tenants.list_tenants(conn)]
        for slug in slugs:
            try:
                cards.append(score_tenant(pooled, settings, slug))
            except UnreadableTenantError as error:
                unreadable.append(error)
    return cards, unreadable


def take_scorecard(conn: psycopg.Connection[Any], context: TenantContext, as_of: datetime) -> Scorecard:
    """Measure a tenant in the transaction of ``conn``."""
    columns = tenant_columns(conn, context, as_of)
    return Scorecard(tenant=context.spec.slug, as_of=as_of, scores=scorecard(columns))
