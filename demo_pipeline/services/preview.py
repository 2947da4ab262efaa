"""What a plan would do, without doing anything: read-only transactions, and the same rules as the job's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from demo_pipeline.domain.errors import CapExceededError, InputError, Problem
from demo_pipeline.domain.feasibility import Caps
from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.months import Month
from demo_pipeline.domain.patching import Resolved, resolve_plan, shows_targets
from demo_pipeline.domain.plan import PatchPlan, PlanType
from demo_pipeline.domain.plan_warnings import plan_warnings
from demo_pipeline.domain.rows import COUNTED
from demo_pipeline.services.blueprint_rows import check_months_beyond
from demo_pipeline.services.filling import row_count
from demo_pipeline.services.job_choice import choose_job
from demo_pipeline.services.materialise import check_instant
from demo_pipeline.services.patch import check_currency, last_month, patch_request, plan_of
from demo_pipeline.services.patch_ground import Simulated, simulated_ground
from demo_pipeline.services.plan_files import PlanFile
from demo_pipeline.services.subject import Subject, find_subject
from demo_pipeline.settings import Settings
from demo_pipeline.storage import ledger
from demo_pipeline.storage.clock import instant_of
from demo_pipeline.storage.database import Database
from demo_pipeline.storage.tenants import JobState

#: Until anything was measured: seconds of a job, and rows a second.
_SECONDS: Final = 0.3
_ROWS_A_SECOND: Final = 20_000.0


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A plan on the tenant as it is. Values in minor units; deltas and targets empty where infeasible."""

    tenant: str
    currency: str
    minor_digits: int
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    #: of the plan's months; empty where the months on the way are beyond a cap
    before: Mapping[Month, Figures]
    deltas: Mapping[Month, Figures] = field(default_factory=dict[Month, Figures])
    targets: Mapping[Month, Figures] = field(default_factory=dict[Month, Figures])
    #: month → table → rows that the plan makes
    rows: Mapping[Month, Mapping[str, int]] = field(default_factory=dict[Month, Mapping[str, int]])
    #: rows that the blueprint still owes, which the patch would make first
    rows_before: int = 0
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


def preview(database: Database, settings: Settings, slug: str, plan: PatchPlan | PlanFile) -> Preview:
    """Look at a plan. Raises ``NotFoundError``, ``NotADemoTenantError``; what is wrong with it is told."""
    plan, currencies = plan_of(plan)
    caps = Caps(**settings.caps.model_dump())
    with database.admin(readonly=True) as conn:
        subject = find_subject(conn, settings, slug, "plan preview")
        rate = ledger.measured_rate(conn)
        as_of = instant_of(conn, settings)
    last = last_month(subject, plan, as_of)
    before: dict[Month, Figures] = {}
    digits = subject.spec.minor_digits
    try:
        check_instant(subject, as_of, settings)
        check_months_beyond(subject, last, caps)
        simulated = simulated_ground(database, subject, as_of, last)
        ground = simulated.ground
        before = {request.month: ground.before.get(request.month, Figures()) for request in plan.months}
        check_currency(subject, currencies)
        resolved = resolve_plan(plan, ground, caps)
    except InputError as error:
        return Preview(
            tenant=slug,
            currency=subject.spec.currency,
            minor_digits=digits,
            problems=error.problems,
            warnings=(),
            before=before,
            suggestion=error.suggestion,
            exit_code=CapExceededError.exit_code if isinstance(error, CapExceededError) else error.exit_code,
        )
    owed = sum(row_count(figures) for figures in simulated.missing.change.values())
    count = sum(row_count(delta) for delta in resolved.deltas.values()) + owed
    return Preview(
        tenant=slug,
        currency=subject.spec.currency,
        minor_digits=digits,
        problems=(),
        warnings=plan_warnings(resolved, ground, caps),
        before=before,
        deltas=resolved.deltas,
        targets=resolved.targets,
        rows=_rows(resolved),
        rows_before=owed,
        estimated_seconds=round(_SECONDS + count / (rate or _ROWS_A_SECOND), 1),
        already_applied=_applied(subject, plan, simulated, as_of),
    )


def _rows(resolved: Resolved) -> dict[Month, dict[str, int]]:
    return {
        month: {table: delta[f"{table}_created"] for table in COUNTED}
        for month, delta in resolved.deltas.items()
    }


def _applied(subject: Subject, plan: PatchPlan, simulated: Simulated, as_of: datetime) -> UUID | None:
    def is_done(last: JobState | None) -> bool:
        if last is None:
            return False
        return plan.plan_type is PlanType.DELTAS or shows_targets(plan, simulated.ground)

    return choose_job(subject, patch_request(subject, plan, as_of), is_done)[1]
