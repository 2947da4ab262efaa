"""A tenant as it is now, read in one snapshot: what is expected, what is in the tables, what is broken.

Comparing and judging belong to the domain, changing anything to ``materialise``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import FiguresByMonth
from demo_pipeline.services.jobs.row_checks import check_rows
from demo_pipeline.services.jobs.tenant_context import open_snapshot
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.rows import provenance
from demo_pipeline.storage.rows.kpis import all_figures
from demo_pipeline.storage.rows.row_checks import Violation


@dataclass(frozen=True, kw_only=True)
class TenantSnapshot:
    """Figures by month, values in minor units; a month without rows is absent."""

    tenant: str
    tenant_id: UUID
    currency: Currency
    #: what the ledger says of the months that were loaded
    expected: FiguresByMonth
    #: what is in the tables
    figures: FiguresByMonth
    #: rows that break a rule and that people did not cause
    violations: tuple[Violation, ...]
    read_at: datetime


def read_snapshot(database: Database, settings: Settings, slug: str) -> TenantSnapshot:
    """Read one tenant. Raises ``NotFoundError``, ``NotADemoTenantError``."""
    with open_snapshot(database, settings, slug, "show") as (conn, context, now):
        tenant_id = context.state.tenant.tenant_id
        return TenantSnapshot(
            tenant=slug,
            tenant_id=tenant_id,
            currency=context.spec.currency,
            expected=context.expected_by_month,
            figures=all_figures(conn, tenant_id, context.spec.currency),
            violations=check_rows(conn, context, now, provenance.finished_at(conn, tenant_id)).faults,
            read_at=now,
        )
