"""Extend a closed tenant: let its blueprint ask for more months along its curve. A job without rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import MOST_MONTHS, Month
from demo_pipeline.domain.feasibility import Caps
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.jobs.runner import JobCaller, JobRun, JobSelection, Outcome, run_job
from demo_pipeline.services.jobs.selection import select_job
from demo_pipeline.services.jobs.tenant_context import EXTEND, TenantContext, find_tenant_context
from demo_pipeline.services.months.materialise import check_instant
from demo_pipeline.services.months.pending_load import check_added
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import instant_of
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger.job_ledger import JobRequest
from demo_pipeline.storage.rows.kpis import all_figures


@dataclass(frozen=True, kw_only=True)
class Extension:
    """The months that an extension adds. Values in minor units."""

    tenant: str
    currency: Currency
    #: what the blueprint will ask for, by added month; empty: it asks for these months already
    figures: Mapping[Month, Figures]
    #: what is in the database of the added months: the blueprint's figures come on top of it
    now: Mapping[Month, Figures]


def preview_extension(database: Database, settings: Settings, slug: str, last: Month) -> Extension:
    """What an extension up to ``last`` would ask for. Raises as ``extend_tenant`` does; writes nothing."""
    with database.admin(readonly=True) as conn:
        context = find_tenant_context(conn, settings, slug, "tenant extend")
        there = all_figures(conn, context.state.tenant.tenant_id, context.spec.currency)
        running = Month.containing(instant_of(conn, settings))
    figures: dict[Month, Figures] = {}
    if _done(context, last) is None:
        figures = _check(context, last, running, Caps(**settings.caps.model_dump()))
    return Extension(
        tenant=slug,
        currency=context.spec.currency,
        figures=figures,
        now={month: there[month] for month in figures if month in there},
    )


def extend_tenant(
    database: Database, settings: Settings, slug: str, last: Month, *, caller: JobCaller | None = None
) -> JobReport:
    """Let the blueprint of a closed tenant ask for the months up to ``last`` too.

    Raises as ``run_job`` does; ``InputError`` for a living tenant, for a month that is not after its end or
    has not begun, and for more than 24 months; ``CapExceededError`` where the added months are beyond a cap.
    """
    return run_job(database, settings, slug, _Extend(last), caller or JobCaller())


@dataclass
class _Extend:
    """The work."""

    last: Month
    kind: str = EXTEND

    def select(self, run: JobRun) -> JobSelection:
        check_instant(run.context, run.as_of, run.settings)
        if (done := _done(run.context, self.last)) is not None:
            return JobSelection(request=_request(run, self.last, self.last), done=done)
        running = Month.containing(run.as_of)
        added = _check(run.context, self.last, running, Caps(**run.settings.caps.model_dump()))
        request, _ = select_job(run.context, _request(run, min(added), self.last), lambda _: False)
        return JobSelection(request=request)

    def execute(self, run: JobRun, selection: JobSelection, number: int) -> Outcome:  # noqa: ARG002 - no rows are made
        figures = {month: run.context.spec.figures_of(month) for month in _added(run.context, self.last)}
        return Outcome(
            before=run.figures(),
            change={},
            metrics={"asked": {str(month): one.to_json(run.currency) for month, one in figures.items()}},
        )

    def standing(self, run: JobRun, job_id: UUID, *, already_applied: bool) -> JobReport:
        return run.recorded_report(job_id, already_applied=already_applied)


def _done(context: TenantContext, last: Month) -> UUID | None:
    """The extension up to ``last``, if there is one that was not undone."""
    return next((job_id for job_id, until in context.extensions if until == last), None)


def _added(context: TenantContext, last: Month) -> list[Month]:
    end = context.end_month
    assert end is not None  # only closed tenants are extended
    return list((end + 1).until(last))


def _check(context: TenantContext, last: Month, running: Month, caps: Caps) -> dict[Month, Figures]:
    """The figures of the added months; refuses what cannot be extended."""
    slug, end = context.spec.slug, context.end_month
    if end is None:
        raise _refused(
            "is_living",
            last,
            f"{slug} is a living tenant: its blueprint asks for every month up to the running one",
        )
    if last <= end:
        raise _refused(
            "not_after_end",
            last,
            f"{last} is not after the end of {slug}: its blueprint asks for months until {end}",
        )
    if last > running:
        raise _refused(
            "future_month", last, f"{last} lies in the future; the last month that has begun is {running}"
        )
    if last - end > MOST_MONTHS:
        raise _refused(
            "too_many_months",
            last,
            f"{end + 1} to {last} are {last - end} months; {MOST_MONTHS} are the most of one extension, "
            f"so extend to {end + MOST_MONTHS} first",
        )
    figures = {month: context.spec.figures_of(month) for month in _added(context, last)}
    check_added(context, sum(figures.values(), Figures()), caps)
    return figures


def _request(run: JobRun, first: Month, last: Month) -> JobRequest:
    tenant = run.tenant
    return JobRequest(
        job_id=tenant.tenant_id,
        tenant_id=tenant.tenant_id,
        kind=EXTEND,
        seed=tenant.seed,
        plan={"from": str(first), "to": str(last)},
        first_month=first,
        last_month=last,
        as_of=run.as_of,
    )


def _refused(code: str, last: Month, message: str) -> InputError:
    return InputError(message, [Problem(code=code, field="--to", month=str(last), message=message)])
