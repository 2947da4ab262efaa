"""A plan as a request for a job: which job it is, and which months and currency it may be about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from demo_pipeline.domain.core.errors import InputError, NotFoundError, Problem
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.domain.parsing.written_numbers import other_currencies
from demo_pipeline.domain.patch_plan.plan import PatchPlan
from demo_pipeline.services.files.plan_files import PlanFile
from demo_pipeline.services.jobs.events import Event, record
from demo_pipeline.services.jobs.report import FirstJob
from demo_pipeline.services.jobs.selection import jobs_of_spec, select_job
from demo_pipeline.services.jobs.steps import JobRun
from demo_pipeline.services.jobs.tenant_context import TenantContext
from demo_pipeline.storage.ledger.job_ledger import JobRequest, JobSpec
from demo_pipeline.storage.ledger.tenants import JobState


def plan_of(plan: PatchPlan | PlanFile) -> tuple[PatchPlan, frozenset[str]]:
    """A plan and the currencies that it was written in."""
    return (plan.plan, plan.currencies) if isinstance(plan, PlanFile) else (plan, frozenset())


def last_month(context: TenantContext, plan: PatchPlan, as_of: datetime) -> Month:
    """The last month that a plan can change: later months are refused."""
    return max(min(plan.last_month, Month.containing(as_of)), context.spec.start_month + -1)


def patch_spec(context: TenantContext, plan: PatchPlan, as_of: datetime | None = None) -> JobSpec:
    """The spec of the job that applies a plan."""
    document = plan.plain.to_json()
    return JobSpec(
        kind=JobKind.PATCH,
        mode=document["mode"],
        plan_type=plan.plan_type.value,
        plan=document,
        tolerances=document["tolerances"],
        seed=plan.seed if plan.seed is not None else context.state.tenant.seed,
        first_month=plan.first_month,
        last_month=plan.last_month,
        as_of=as_of,
    )


def check_currency(context: TenantContext, currencies: frozenset[str]) -> None:
    """Amounts of another currency are refused (``InputError``): nothing is converted."""
    own = context.spec.currency.code
    if other := sorted(other_currencies(currencies, own)):
        message = (
            f"the plan has amounts in {', '.join(other)}, and {context.spec.slug} has {own}; "
            f"write them in {own}, or without a currency"
        )
        raise InputError(message, [Problem(code="other_currency", message=message, value=", ".join(other))])


def blueprint_notes(first: FirstJob | None) -> tuple[str, ...]:
    """Rows that were loaded without being asked for."""
    if first is None:
        return ()
    # As a preview counts them: tags of contacts are no rows of their own.
    due = sum(rows for table, rows in first.part.created.items() if table != "contact_tags")
    return (
        (f"{counted(due, 'missing row')} of the blueprint came first, in a job of their own",) if due else ()
    )


def requested_job(
    run: JobRun, spec: JobSpec, is_done: Callable[[JobState | None], bool], retried: UUID | None
) -> JobRequest | UUID:
    """The job to open, or the id of the one that fulfilled the request; ``retried``: exactly that job."""
    if retried is None:
        return select_job(run.context, spec, is_done)
    for request, state in jobs_of_spec(run.context, spec):
        if state is None:
            raise NotFoundError(f"{run.tenant.slug} has no job {retried} of this plan any more")
        if state.job_id == retried:
            return state.job_id if state.status == "completed" else request
    raise AssertionError


def record_refusal(run: JobRun, error: InputError) -> None:
    """Write to the log of events that a plan cannot be."""
    record(
        run.settings,
        Event.VALIDATION_FAILED,
        tenant=run.tenant.slug,
        code=error.code,
        findings=[str(problem) for problem in error.problems][:50],
        duration_seconds=round(run.seconds, 3),
    )
