"""The baseline against which a plan is resolved, read in a job's transaction or for a preview.

The preview makes the blueprint's missing rows in memory, where the job loads them: the baseline is the same.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from demo_pipeline.domain.core.arrow import column, instant_at, is_in, keep, strings, to_mask
from demo_pipeline.domain.core.figures import NO_MONTHS, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.random_streams import I64
from demo_pipeline.domain.generation.calendar import MINUTE_US, instant_us, tenant_calendar
from demo_pipeline.domain.model import MODEL
from demo_pipeline.domain.patch_plan.resolve import PlanBaseline
from demo_pipeline.services.jobs.tenant_context import TenantContext
from demo_pipeline.services.months.pending_load import REQUIRED_TABLES, PendingLoad, missing_rows
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.rows.existing_rows import first_contact_at, first_other_contact_at, has_won_stage
from demo_pipeline.storage.rows.kpis import all_figures, month_figures

#: The first contact that a patch brings comes in one minute, what refers to it in a later one.
_LEAST_MINUTES = 2
_LEADS = strings(["lead"])


@dataclass(frozen=True, kw_only=True)
class ProjectedBaseline:
    """A baseline, and what the blueprint's rows that are still missing would change."""

    baseline: PlanBaseline
    #: the blueprint's missing rows, counted
    missing: PendingLoad
    #: none of its rows is missing
    is_whole: bool
    #: ids of the rows that missing ones refer to
    referenced: frozenset[bytes] = frozenset()


def read_baseline(conn: psycopg.Connection[Any], context: TenantContext, as_of: datetime) -> PlanBaseline:
    """The baseline as the tables have it now."""
    tenant_id = context.state.tenant.tenant_id
    return _baseline(
        context,
        as_of,
        before=all_figures(conn, tenant_id, context.spec.currency),
        first_contact=first_contact_at(conn, tenant_id),
        first_other=first_other_contact_at(conn, tenant_id),
        has_stage=has_won_stage(conn, tenant_id),
    )


def project_baseline(
    conn: psycopg.Connection[Any],
    context: TenantContext,
    as_of: datetime,
    last: Month,
    months: Collection[Month] | None = None,
) -> ProjectedBaseline:
    """The baseline as it will be once the blueprint's missing rows up to ``last`` are there.

    ``months``: those whose figures are wanted, which is quicker; the baseline may have no others then. None:
    all that have rows.
    """
    tenant_id, currency = context.state.tenant.tenant_id, context.spec.currency
    missing = missing_rows(conn, context, last, as_of)
    first, has_stage = first_contact_at(conn, tenant_id), has_won_stage(conn, tenant_id)
    first_other = first_other_contact_at(conn, tenant_id)
    count = missing.additions.total.row_count
    referenced = set[bytes]()
    if missing.work:
        for table, rows in missing.batches():
            count += rows.num_rows if table in REQUIRED_TABLES else 0
            for one in MODEL[table].references:
                if one.parent in MODEL.counted:
                    referenced.update(id_ for id_ in column(rows, one.column).unique().to_pylist() if id_)
            if table == "pipeline_stages":
                has_stage = has_stage or bool(to_mask(column(rows, "is_won")).any())
            if table == "contacts" and rows.num_rows:
                made = instant_at(column(rows, "created_at"), 0)
                first = made if first is None else min(first, made)
                others = keep(column(rows, "created_at"), ~is_in(column(rows, "status"), _LEADS))
                if len(others):
                    made = instant_at(others, 0)
                    first_other = made if first_other is None else min(first_other, made)
    if months is None:
        before = all_figures(conn, tenant_id, currency) + missing.change
    elif months:
        there = month_figures(conn, tenant_id, min(months), max(months), currency)
        before = there + missing.change.over(there)
    else:
        before = NO_MONTHS
    baseline = _baseline(
        context, as_of, before=before, first_contact=first, first_other=first_other, has_stage=has_stage
    )
    return ProjectedBaseline(
        baseline=baseline, missing=missing, is_whole=count == 0, referenced=frozenset(referenced)
    )


def projected_baseline(
    database: Database,
    context: TenantContext,
    as_of: datetime,
    last: Month,
    months: Collection[Month] | None = None,
) -> ProjectedBaseline:
    """:func:`project_baseline` from one snapshot of its own."""
    with database.snapshot() as conn:
        return project_baseline(conn, context, as_of, last, months)


def _baseline(
    context: TenantContext,
    as_of: datetime,
    *,
    before: FiguresByMonth,
    first_contact: datetime | None,
    first_other: datetime | None,
    has_stage: bool,
) -> PlanBaseline:
    calendar = tenant_calendar(context.spec)

    def minutes(month: Month) -> I64:
        return calendar.month(month).until(instant_us(as_of)).minutes

    def has_contact(month: Month) -> bool:
        passed = minutes(month)
        return (
            first_contact is not None
            and len(passed) > 0
            and instant_us(first_contact) // MINUTE_US < int(passed[-1])
        )

    return PlanBaseline(
        spec=context.spec,
        before=before,
        running=Month.containing(as_of),
        has_contact=has_contact,
        has_worked=lambda month: len(minutes(month)) >= _LEAST_MINUTES,
        has_won_stage=has_stage,
        first_other_contact_at=first_other,
    )
