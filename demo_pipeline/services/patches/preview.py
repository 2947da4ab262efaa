"""What a plan would do, without doing anything: read-only transactions, and the same rules as the job's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import CapExceededError, InputError, Problem
from demo_pipeline.domain.core.figures import NO_MONTHS, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.model import MODEL
from demo_pipeline.domain.patch_plan.plan import PatchPlan, PlanType
from demo_pipeline.domain.patch_plan.resolve import Resolved, resolve_plan, shows_targets
from demo_pipeline.domain.patch_plan.warnings import plan_warnings
from demo_pipeline.services.files.plan_files import PlanFile
from demo_pipeline.services.jobs.selection import select_job
from demo_pipeline.services.jobs.tenant_context import TenantContext, check_instant, open_snapshot
from demo_pipeline.services.months.pending_load import check_months_beyond
from demo_pipeline.services.months.plan_baseline import ProjectedBaseline, projected_baseline
from demo_pipeline.services.patches.patch import check_currency, last_month, patch_spec, plan_of
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.tenants import JobState

#: Until anything was measured: seconds of a job, and rows a second.
_SECONDS: Final = 0.3
_ROWS_A_SECOND: Final = 20_000.0


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
        return Preview(
            tenant=slug,
            currency=context.spec.currency,
            problems=error.problems,
            warnings=(),
            before=before,
            now=now,
            blueprint=blueprint,
            suggestion=error.suggestion,
            exit_code=CapExceededError.exit_code if isinstance(error, CapExceededError) else error.exit_code,
        )
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
        rows=_rows(resolved),
        estimated_seconds=round(_SECONDS + (planned + first) / (rate or _ROWS_A_SECOND), 1),
        already_applied=_applied(context, plan, simulated, as_of),
    )


def _blueprint_warnings(blueprint: FiguresByMonth) -> tuple[str, ...]:
    """For a blueprint that lacks more rows than the plan asks for."""
    months = ", ".join(f"{month} {figures.row_count:,}" for month, figures in blueprint.items())
    return (f"the blueprint's missing rows are made first and outnumber the plan's own: {months}",)


def _rows(resolved: Resolved) -> dict[Month, dict[str, int]]:
    return {
        month: {table: delta[f"{table}_created"] for table in MODEL.counted}
        for month, delta in resolved.deltas.items()
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
