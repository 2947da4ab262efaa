"""Apply a patch plan to a living tenant: exactly, once, all of it or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from demo_pipeline.domain.core.errors import InputError, Problem, UnconfirmedError
from demo_pipeline.domain.core.figures import FiguresByMonth
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import are, counted
from demo_pipeline.domain.patch_plan.plan import PatchPlan, PlanType
from demo_pipeline.domain.patch_plan.resolve import Resolved, resolve_plan, shows_targets
from demo_pipeline.domain.patch_plan.warnings import plan_warnings
from demo_pipeline.services.files.plan_files import PlanFile
from demo_pipeline.services.jobs.report import FirstJob, JobReport
from demo_pipeline.services.jobs.runner import run_job
from demo_pipeline.services.jobs.selection import identified
from demo_pipeline.services.jobs.steps import JobCaller, JobOutcome, JobRun, JobSelection, JobTransaction
from demo_pipeline.services.jobs.tenant_context import Loaded, TenantContext, check_instant
from demo_pipeline.services.months.delta_loading import (
    delta_rows,
    job_beside,
    load_blueprint,
    load_deltas,
    simulate,
)
from demo_pipeline.services.months.pending_load import check_months_beyond
from demo_pipeline.services.months.plan_baseline import ProjectedBaseline, read_baseline
from demo_pipeline.services.patches.plan_request import (
    blueprint_notes,
    check_currency,
    last_month,
    patch_spec,
    plan_of,
    record_refusal,
    requested_job,
)
from demo_pipeline.services.patches.preview import preview
from demo_pipeline.services.patches.reconcile import ReconcileWork
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger.tenants import JobState


def apply_patch(
    database: Database,
    settings: Settings,
    slug: str,
    plan: PatchPlan | PlanFile,
    *,
    again: bool = False,
    retried: UUID | None = None,
    is_confirmed: bool = False,
    caller: JobCaller | None = None,
) -> JobReport:
    """Change a tenant's figures by a plan. ``again``: also where the same plan was applied before.

    ``retried``: exactly that job, whatever others of the same plan there are. ``is_confirmed``: what a plan
    that reconciles comes to now is confirmed; else its fingerprint has to be that of what it comes to.
    Raises as ``run_job`` does; ``InputError`` for a plan that cannot be, with the nearest one that can,
    ``UnconfirmedError`` and ``CapExceededError``, all before anything is written.
    """
    plan, currencies = plan_of(plan)
    work = (
        ReconcileWork(plan, currencies, again, retried, is_confirmed)
        if plan.is_reconcile
        else _Patch(plan, currencies, again, retried)
    )
    try:
        return run_job(database, settings, slug, JobKind.PATCH, work.select, caller)
    except UnconfirmedError as error:
        seen = preview(database, settings, slug, plan)
        if not seen.feasible:
            raise InputError(
                "; ".join(map(str, seen.problems)), seen.problems, suggestion=seen.suggestion
            ) from error
        error.preview = seen
        if seen.reconcile is not None:
            error.details["preview"] = seen.reconcile.to_json(with_rows=False)
        raise


@dataclass(frozen=True)
class _Patch:
    """A plan that was handed in, and the steps of its job."""

    plan: PatchPlan
    currencies: frozenset[str]
    again: bool
    retried: UUID | None

    def select(self, run: JobRun) -> JobSelection | UUID:
        check_instant(run.context, run.as_of, run.settings)
        check_currency(run.context, self.currencies)
        last = last_month(run.context, self.plan, run.as_of)
        check_months_beyond(run.context, last, run.settings.caps.to_domain())
        selected = requested_job(
            run,
            patch_spec(run.context, self.plan, run.as_of),
            lambda last: self._is_done(last, run),
            self.retried,
        )
        if isinstance(selected, UUID):
            return selected
        if not self.again:
            refuse_other_pieces(run.context, self.plan, ())
        simulated = simulate(run, last, self._compared_months)
        foreseen = _Foreseen(self._resolved(run, simulated).deltas, simulated.missing.loaded)
        return JobSelection(
            request=selected,
            execute=lambda transaction: self._execute(transaction, foreseen),
            beside=job_beside(run, simulated, last),
        )

    def _execute(self, run: JobTransaction, foreseen: _Foreseen) -> JobOutcome:
        loaded, first = self._load_blueprint(run, foreseen)
        seed = self.plan.seed if self.plan.seed is not None else run.tenant.seed
        # The plan nearly always comes to what was foreseen a moment ago: its rows are made meanwhile.
        with run.making(*delta_rows(run, run.number, seed, foreseen.deltas, first)) as rows:
            baseline = read_baseline(run.conn, run.context, run.as_of)
            resolved = resolve_plan(self.plan, baseline, run.settings.caps.to_domain())
            is_foreseen = resolved.deltas == foreseen.deltas
            created = load_deltas(run, resolved.deltas, rows) if is_foreseen else None
        if created is None:
            with run.making(*delta_rows(run, run.number, seed, resolved.deltas, first)) as rows:
                created = load_deltas(run, resolved.deltas, rows)
        expected = FiguresByMonth((month, run.context.expected(month, loaded)) for month in resolved.deltas)
        is_total = self.plan.plan_type is PlanType.TARGETS
        recorded = resolved.targets - expected if is_total else resolved.deltas
        return JobOutcome(
            before=baseline.before,
            change=resolved.deltas,
            results={
                month: (expected[month] + recorded[month], resolved.targets[month])
                for month in resolved.deltas
            },
            created=created,
            loaded=loaded.values(),
            recorded=recorded,
            first=first,
            notes=(
                *plan_warnings(resolved, baseline, run.settings.caps.to_domain()),
                *blueprint_notes(first),
            ),
        )

    def _load_blueprint(self, run: JobTransaction, foreseen: _Foreseen) -> tuple[Loaded, FirstJob | None]:
        """:func:`load_blueprint`. Where no row was missing before, deltas need not look again.

        A row that people deleted since then is drift, before such a patch as after it. Targets would include
        what the blueprint brings back later.
        """
        if run.beside is None and self.plan.plan_type is PlanType.DELTAS:
            return foreseen.loaded, None
        return load_blueprint(run, last_month(run.context, self.plan, run.as_of))

    def _resolved(self, run: JobRun, simulated: ProjectedBaseline) -> Resolved:
        """The plan on the simulated tenant; refuses what cannot be before anything is written."""
        try:
            return resolve_plan(self.plan, simulated.baseline, run.settings.caps.to_domain())
        except InputError as error:
            record_refusal(run, error)
            raise

    @property
    def _compared_months(self) -> tuple[Month, ...]:
        """Months whose figures say what the plan comes to: deltas are what they are."""
        if self.plan.plan_type is PlanType.DELTAS:
            return ()
        return tuple(request.month for request in self.plan.months)

    def _is_done(self, last: JobState | None, run: JobRun) -> bool:
        """Whether the request is done, where ``last`` completed it last."""
        if last is None or self.again:
            return False
        if self.plan.plan_type is PlanType.DELTAS:
            return True
        until = last_month(run.context, self.plan, run.as_of)
        return shows_targets(self.plan, simulate(run, until, self._compared_months).baseline)


@dataclass(frozen=True)
class _Foreseen:
    """What the plan comes to on the tenant as it was when the job was selected."""

    deltas: FiguresByMonth
    #: months of the blueprint that are loaded then
    loaded: Loaded


def piece_seed(
    context: TenantContext, plan: PatchPlan, place: int, count: int, *, values_follow: bool
) -> str:
    """The seed of one piece (from 1) of a plan that is split: it names the plan, and the pieces.

    ``values_follow``: some values follow the deals of each piece. Pieces with the values of the whole plan,
    which earlier versions made, are other pieces.
    """
    seed = plan.seed if plan.seed is not None else context.spec.seed
    follow = ", values follow" if values_follow else ""
    return f"{seed}{_mark(context, plan)}{place} of {count}{follow})"


def refuse_other_pieces(context: TenantContext, plan: PatchPlan, seeds: Sequence[str]) -> None:
    """Refuse deltas of which other pieces are applied than those with ``seeds`` (``InputError``).

    Where the caps changed meanwhile the same plan would be cut otherwise, and be there twice in part. What is
    left to the targets never is.
    """
    if plan.plan_type is PlanType.TARGETS:
        return
    mark = _mark(context, plan)
    applied = [
        job
        for job in context.state.jobs
        if job.kind is JobKind.PATCH and job.status == "completed" and job.undone_by is None
        if mark in (job.seed or "") and job.seed not in seeds
    ]
    if applied:
        jobs = ", ".join(str(job.job_id) for job in applied)
        message = (
            f"{counted(len(applied), 'piece')} of this plan {are(len(applied))} applied already ({jobs}): "
            "go on with --split, under the caps (DEMO_CAP_*) that it was cut for, or undo them first"
        )
        raise InputError(message, [Problem(code="other_pieces", message=message)])


def _mark(context: TenantContext, plan: PatchPlan) -> str:
    """What the seeds of all pieces of one plan have in common."""
    tenant = context.state.tenant
    whole = identified(patch_spec(context, plan), tenant.tenant_id, tenant.incarnation)
    return f" (plan {whole.job_id}, piece "
