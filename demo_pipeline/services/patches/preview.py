"""What a plan would do, without doing anything: read-only transactions, and the same rules as the job's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import CapExceededError, InputError, Problem
from demo_pipeline.domain.core.figures import NO_MONTHS, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.model import MODEL
from demo_pipeline.domain.patch_plan.plan import PatchPlan, PlanType
from demo_pipeline.domain.patch_plan.resolve import resolve_plan, shows_targets
from demo_pipeline.domain.patch_plan.warnings import plan_warnings
from demo_pipeline.services.files.plan_files import PlanFile
from demo_pipeline.services.jobs.selection import select_job
from demo_pipeline.services.jobs.tenant_context import TenantContext, check_instant, open_snapshot
from demo_pipeline.services.months.pending_load import check_months_beyond
from demo_pipeline.services.months.plan_baseline import (
    ProjectedBaseline,
    project_baseline,
    projected_baseline,
)
from demo_pipeline.services.patches.plan_request import check_currency, last_month, patch_spec, plan_of
from demo_pipeline.services.patches.reconcile import Reconciliation, read_holds, reconcile, reconcile_warnings
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.tenants import JobState
from demo_pipeline.storage.rows.reconcile_rows import NamedDeal, named_deals

#: Until anything was measured: seconds of a job, and rows a second.
_SECONDS: Final = 0.3
_ROWS_A_SECOND: Final = 20_000.0
#: deals that are named
_LARGEST_DEALS: Final = 5


@dataclass(frozen=True, kw_only=True)
class RowChange:
    """Rows of one table and month that a plan hides and makes."""

    month: Month
    table: str
    hidden: int
    made: int


@dataclass(frozen=True, kw_only=True)
class ReconcilePreview:
    """What a plan that reconciles would do to rows."""

    #: of all that is shown here: a plan with it is confirmed
    fingerprint: str
    #: by month and table, without those of which nothing changes
    changes: tuple[RowChange, ...]
    #: of the deals that are hidden
    largest_deals: tuple[NamedDeal, ...]
    #: table → ids of the rows that are hidden
    hidden_rows: Mapping[str, tuple[UUID, ...]]

    def to_json(self, *, with_rows: bool) -> dict[str, Any]:
        """JSON-ready; money as text. ``with_rows``: with the ids of all rows that are hidden."""
        document: dict[str, Any] = {
            "fingerprint": self.fingerprint,
            "changes": [{**vars(change), "month": str(change.month)} for change in self.changes],
            "largest_hidden_deals": [
                {
                    "id": str(deal.id),
                    "title": deal.title,
                    "account": deal.account,
                    "value": None if deal.value is None else str(deal.value),
                    "month": f"{deal.created_at:%Y-%m}",
                }
                for deal in self.largest_deals
            ],
        }
        if with_rows:
            document["hidden_rows"] = {
                table: [str(one) for one in ids] for table, ids in self.hidden_rows.items()
            }
        return document


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A plan on the tenant as it is. Values in minor units; deltas and targets empty where infeasible."""

    tenant: str
    currency: Currency
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    #: what the plan's change comes to: ``now`` and the blueprint's missing rows, of the plan's months; empty
    #: where the months on the way are beyond a cap
    before: FiguresByMonth
    #: what is in the database, of the plan's months
    now: FiguresByMonth = NO_MONTHS
    #: what the blueprint's missing rows add first, of every month in which rows are missing
    blueprint: FiguresByMonth = NO_MONTHS
    deltas: FiguresByMonth = NO_MONTHS
    targets: FiguresByMonth = NO_MONTHS
    #: month → table → rows that the plan makes
    rows: Mapping[Month, Mapping[str, int]] = field(default_factory=dict[Month, Mapping[str, int]])
    #: the nearest plan that works, as a document
    suggestion: Any = None
    #: for all of these rows, from what jobs took before
    estimated_seconds: float = 0.0
    #: the job that did the same already
    already_applied: UUID | None = None
    #: of the command line: 0, 2 infeasible, 3 beyond a cap
    exit_code: int = 0
    #: of a plan that reconciles and that works
    reconcile: ReconcilePreview | None = None

    @property
    def feasible(self) -> bool:
        return not self.problems

    @property
    def rows_before(self) -> int:
        """Rows that the blueprint lacks, which the patch makes first."""
        return sum(figures.row_count for figures in self.blueprint.values())


def preview(database: Database, settings: Settings, slug: str, plan: PatchPlan | PlanFile) -> Preview:
    """Look at a plan; its problems are in the preview. Raises ``NotFoundError``, ``NotADemoTenantError``."""
    plan, currencies = plan_of(plan)
    caps = settings.caps.to_domain()
    with open_snapshot(database, settings, slug, "plan preview") as (conn, context, as_of):
        rate = job_ledger.measured_rate(conn)
        if plan.is_reconcile:
            return _reconcile_preview(conn, context, as_of, settings, plan, currencies, rate)
    last = last_month(context, plan, as_of)
    before = now = blueprint = NO_MONTHS
    try:
        check_instant(context, as_of, settings)
        check_months_beyond(context, last, caps)
        simulated = projected_baseline(database, context, as_of, last)
        baseline = simulated.baseline
        before = baseline.before.over(request.month for request in plan.months)
        blueprint = simulated.missing.change.nonzero()
        now = before - blueprint.over(before)
        check_currency(context, currencies)
        resolved = resolve_plan(plan, baseline, caps)
    except InputError as error:
        return _refused(context, error, before, now, blueprint)
    planned, first = resolved.total.row_count, blueprint.total.row_count
    return Preview(
        tenant=slug,
        currency=context.spec.currency,
        problems=(),
        warnings=(
            *plan_warnings(resolved, baseline, caps),
            *(_blueprint_warnings(blueprint) if first > planned else ()),
        ),
        before=before,
        now=now,
        blueprint=blueprint,
        deltas=resolved.deltas,
        targets=resolved.targets,
        rows=_rows(resolved.deltas),
        estimated_seconds=_seconds(planned + first, rate),
        already_applied=_applied(context, plan, simulated, as_of),
    )


def _reconcile_preview(
    conn: psycopg.Connection[Any],
    context: TenantContext,
    as_of: datetime,
    settings: Settings,
    plan: PatchPlan,
    currencies: frozenset[str],
    rate: float | None,
) -> Preview:
    last = last_month(context, plan, as_of)
    before = now = blueprint = NO_MONTHS
    try:
        check_instant(context, as_of, settings)
        check_months_beyond(context, last, settings.caps.to_domain())
        projected = project_baseline(conn, context, as_of, last)
        before = projected.baseline.before.over(request.month for request in plan.months)
        blueprint = projected.missing.change.nonzero()
        now = before - blueprint.over(before)
        check_currency(context, currencies)
        holds = read_holds(conn, context, projected)
        found = reconcile(conn, context, plan, settings, projected.baseline, projected.missing.change, holds)
    except InputError as error:
        return _refused(context, error, before, now, blueprint)
    choice = found.reconciled.choice
    row_count = choice.deleted_figures.total.row_count + choice.made.total.row_count
    first = blueprint.total.row_count
    return Preview(
        tenant=context.spec.slug,
        currency=context.spec.currency,
        problems=(),
        warnings=(
            *reconcile_warnings(conn, context, found, holds.heroes),
            *(_blueprint_warnings(blueprint) if first > row_count else ()),
        ),
        before=before,
        now=now,
        blueprint=blueprint,
        deltas=found.reconciled.targets - before,
        targets=found.reconciled.targets,
        rows=_rows(choice.made),
        estimated_seconds=_seconds(row_count + first, rate),
        already_applied=_applied(context, plan, projected, as_of),
        reconcile=_reconcile_rows(conn, context, found),
    )


def _reconcile_rows(
    conn: psycopg.Connection[Any], context: TenantContext, found: Reconciliation
) -> ReconcilePreview:
    hidden = Counter((row.month, row.table) for row in found.deleted)
    made = {
        (month, table): count for month, rows in _rows(found.made).items() for table, count in rows.items()
    }
    changes = (
        RowChange(month=month, table=table, hidden=hidden[month, table], made=made.get((month, table), 0))
        for month in sorted({month for month, _ in (*hidden, *made)})
        for table in MODEL.counted
    )
    deals = sorted(
        (row for row in found.deleted if row.table == "deals"), key=lambda row: (-row.value, row.id)
    )
    return ReconcilePreview(
        fingerprint=found.fingerprint,
        changes=tuple(change for change in changes if change.hidden or change.made),
        largest_deals=tuple(
            named_deals(conn, context.state.tenant.tenant_id, [row.id for row in deals[:_LARGEST_DEALS]])
        ),
        hidden_rows={
            table: tuple(UUID(bytes=row.id) for row in found.deleted if row.table == table)
            for table in MODEL.counted
        },
    )


def _refused(
    context: TenantContext,
    error: InputError,
    before: FiguresByMonth,
    now: FiguresByMonth,
    blueprint: FiguresByMonth,
) -> Preview:
    return Preview(
        tenant=context.spec.slug,
        currency=context.spec.currency,
        problems=error.problems,
        warnings=(),
        before=before,
        now=now,
        blueprint=blueprint,
        suggestion=error.suggestion,
        exit_code=CapExceededError.exit_code if isinstance(error, CapExceededError) else error.exit_code,
    )


def _seconds(row_count: int, rate: float | None) -> float:
    return round(_SECONDS + row_count / (rate or _ROWS_A_SECOND), 1)


def _blueprint_warnings(blueprint: FiguresByMonth) -> tuple[str, ...]:
    """For a blueprint that lacks more rows than the plan asks for."""
    months = ", ".join(f"{month} {figures.row_count:,}" for month, figures in blueprint.items())
    return (f"the blueprint's missing rows are made first and outnumber the plan's own: {months}",)


def _rows(made: FiguresByMonth) -> dict[Month, dict[str, int]]:
    return {
        month: {table: delta[f"{table}_created"] for table in MODEL.counted} for month, delta in made.items()
    }


def _applied(
    context: TenantContext, plan: PatchPlan, simulated: ProjectedBaseline, as_of: datetime
) -> UUID | None:
    def is_done(last: JobState | None) -> bool:
        if last is None:
            return False
        return plan.plan_type is PlanType.DELTAS or shows_targets(plan, simulated.baseline)

    selected = select_job(context, patch_spec(context, plan, as_of), is_done)
    return selected if isinstance(selected, UUID) else None
