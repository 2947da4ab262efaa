"""Apply a patch plan to a living tenant: exactly, once, all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from uuid import UUID

from demo_pipeline.domain.core.errors import InputError, NotFoundError, Problem
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.identity import job_id
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import are, counted
from demo_pipeline.domain.feasibility import Caps
from demo_pipeline.domain.parsing.written_numbers import other_currencies
from demo_pipeline.domain.patch_plan.plan import PatchPlan, PlanType
from demo_pipeline.domain.patch_plan.resolve import resolve_plan, shows_targets
from demo_pipeline.services.files.plan_files import PlanFile
from demo_pipeline.services.jobs.events import Event, record
from demo_pipeline.services.jobs.report import JobReport, MadeFirst
from demo_pipeline.services.jobs.runner import JobCaller, JobRun, JobSelection, Outcome, run_job
from demo_pipeline.services.jobs.selection import ordinals, select_job
from demo_pipeline.services.jobs.tenant_context import Loaded, TenantContext
from demo_pipeline.services.months.delta_loading import (
    delta_rows,
    job_beside,
    load_deltas,
    make_whole,
    simulate,
)
from demo_pipeline.services.months.materialise import check_instant
from demo_pipeline.services.months.pending_load import check_months_beyond
from demo_pipeline.services.months.plan_baseline import ProjectedBaseline, read_baseline
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger.job_ledger import JobRequest
from demo_pipeline.storage.ledger.tenants import JobState

#: of jobs that apply a plan
KIND = "patch"


def apply_patch(
    database: Database,
    settings: Settings,
    slug: str,
    plan: PatchPlan | PlanFile,
    *,
    again: bool = False,
    retried: UUID | None = None,
    caller: JobCaller | None = None,
) -> JobReport:
    """Change a tenant's figures by a plan. ``again``: also where the same plan was applied before.

    ``retried``: exactly that job, whatever others of the same plan there are.
    Raises as ``run_job`` does; ``InputError`` for a plan that cannot be, with the nearest one that can, and
    ``CapExceededError``, both before anything is written.
    """
    plan, currencies = plan_of(plan)
    work = _Patch(plan, currencies, again=again, retried=retried)
    return run_job(database, settings, slug, work, caller or JobCaller())


def plan_of(plan: PatchPlan | PlanFile) -> tuple[PatchPlan, frozenset[str]]:
    """A plan and the currencies that it was written in."""
    return (plan.plan, plan.currencies) if isinstance(plan, PlanFile) else (plan, frozenset())


@dataclass
class _Patch:
    """The work."""

    plan: PatchPlan
    currencies: frozenset[str]
    again: bool
    retried: UUID | None
    kind: str = KIND
    #: what it was to change when it was chosen, and what was loaded of the blueprint
    _foreseen: Mapping[Month, Figures] = field(init=False)
    _loaded: Loaded = field(init=False)

    def select(self, run: JobRun) -> JobSelection:
        check_instant(run.context, run.as_of, run.settings)
        check_currency(run.context, self.currencies)
        last = last_month(run.context, self.plan, run.as_of)
        check_months_beyond(run.context, last, Caps(**run.settings.caps.model_dump()))
        wanted = patch_request(run.context, self.plan, run.as_of)
        request, done = self._choose(run, wanted)
        if done is not None:
            return JobSelection(request=request, done=done)
        if not self.again:
            refuse_other_pieces(run.context, self.plan, ())
        simulated = simulate(run, last, self._compared_months)
        self._foreseen, self._loaded = self._check(run, simulated), simulated.missing.loaded
        return JobSelection(request=request, beside=job_beside(run, simulated, last))

    def execute(self, run: JobRun, selection: JobSelection, number: int) -> Outcome:
        loaded, made_first = self._make_whole(run, selection)
        seed = self.plan.seed if self.plan.seed is not None else run.tenant.seed
        # What the plan came to a moment ago is nearly always what it comes to: its rows are made meanwhile.
        with run.making(*delta_rows(run, number, seed, self._foreseen)) as rows:
            baseline = read_baseline(run.conn, run.context, run.as_of)
            resolved = resolve_plan(self.plan, baseline, Caps(**run.settings.caps.model_dump()))
            created = None
            if resolved.deltas == self._foreseen:
                created = load_deltas(run, selection, resolved.deltas, rows)
        if created is None:
            with run.making(*delta_rows(run, number, seed, resolved.deltas)) as rows:
                created = load_deltas(run, selection, resolved.deltas, rows)
        expected = {month: run.context.expected(month, loaded) for month in resolved.deltas}
        recorded = (
            {month: resolved.targets[month] - expected[month] for month in resolved.targets}
            if self.plan.plan_type is PlanType.TARGETS
            else resolved.deltas
        )
        return Outcome(
            before=baseline.before,
            change=resolved.deltas,
            results={
                month: (expected[month] + recorded[month], resolved.targets[month])
                for month in resolved.deltas
            },
            created=created,
            loaded=loaded.values(),
            recorded=recorded,
            made_first=made_first,
            notes=_notes(made_first),
        )

    def standing(self, run: JobRun, job_id: UUID, *, already_applied: bool) -> JobReport:
        return run.recorded_report(job_id, already_applied=already_applied)

    def _choose(self, run: JobRun, wanted: JobRequest) -> tuple[JobRequest, UUID | None]:
        if self.retried is None:
            return select_job(run.context, wanted, lambda last: self._is_done(last, run))
        nth = ordinals(run.context, wanted)
        for ordinal in count():
            request, known = nth(ordinal)
            if known is None:
                raise NotFoundError(f"{run.tenant.slug} has no job {self.retried} of this plan any more")
            if known.job_id == self.retried:
                return request, known.job_id if known.status == "completed" else None
        raise AssertionError

    def _make_whole(self, run: JobRun, selection: JobSelection) -> tuple[Loaded, MadeFirst | None]:
        """:func:`make_whole`. Where nothing was owed when the job was chosen, deltas need not look again.

        A row that people took away since then is drift, before such a patch as after it. Targets would take
        in what the blueprint brings back later.
        """
        if selection.beside is None and self.plan.plan_type is PlanType.DELTAS:
            return self._loaded, None
        return make_whole(run, selection, last_month(run.context, self.plan, run.as_of))

    def _check(self, run: JobRun, simulated: ProjectedBaseline) -> Mapping[Month, Figures]:
        """The deltas as they are to be; refuses what cannot be before anything is written."""
        try:
            return resolve_plan(self.plan, simulated.baseline, Caps(**run.settings.caps.model_dump())).deltas
        except InputError as error:
            record(
                run.settings,
                Event.VALIDATION_FAILED,
                tenant=run.tenant.slug,
                code=error.code,
                findings=[str(problem) for problem in error.problems][:50],
                duration_seconds=round(run.seconds, 3),
            )
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
        baseline = simulate(
            run, last_month(run.context, self.plan, run.as_of), self._compared_months
        ).baseline
        return shows_targets(self.plan, baseline)


def _notes(made_first: MadeFirst | None) -> tuple[str, ...]:
    """What came along without being asked for."""
    created: Mapping[str, int] = made_first.created if made_first is not None else dict[str, int]()
    # As a preview counts them: what a tag is on counts, the tag does not.
    due = sum(rows for table, rows in created.items() if table != "contact_tags")
    return (
        (f"{counted(due, 'row')} that the blueprint owed came first, in a job of their own",) if due else ()
    )


def last_month(context: TenantContext, plan: PatchPlan, as_of: datetime) -> Month:
    """The last month that a plan can change: what lies beyond is refused, and made by nobody."""
    return max(min(plan.last_month, Month.containing(as_of)), context.spec.start_month + -1)


def patch_request(context: TenantContext, plan: PatchPlan, as_of: datetime) -> JobRequest:
    """The request for a plan, before its ordinal is known."""
    tenant = context.state.tenant
    document = plan.plain.to_json()
    return JobRequest(
        job_id=tenant.tenant_id,
        tenant_id=tenant.tenant_id,
        kind=KIND,
        mode=document["mode"],
        plan_type=plan.plan_type.value,
        plan=document,
        tolerances=document["tolerances"],
        seed=plan.seed if plan.seed is not None else tenant.seed,
        first_month=plan.first_month,
        last_month=plan.last_month,
        as_of=as_of,
    )


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
        if job.kind == KIND and job.status == "completed" and job.undone_by is None
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
    whole = job_id(
        tenant_id=tenant.tenant_id,
        incarnation=tenant.incarnation,
        kind=KIND,
        plan=plan.plain.to_json(),
        seed=plan.seed if plan.seed is not None else tenant.seed,
        ordinal=0,
    )
    return f" (plan {whole}, piece "


def check_currency(context: TenantContext, currencies: frozenset[str]) -> None:
    """Amounts of another currency are refused (``InputError``): nothing is converted."""
    own = context.spec.currency.code
    if other := sorted(other_currencies(currencies, own)):
        message = (
            f"the plan has amounts in {', '.join(other)}, and {context.spec.slug} has {own}; "
            f"write them in {own}, or without a currency"
        )
        raise InputError(message, [Problem(code="other_currency", message=message, value=", ".join(other))])
