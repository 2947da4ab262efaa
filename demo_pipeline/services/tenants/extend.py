"""Extend a closed tenant: let its blueprint ask for more months along its curve. A job without rows."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import NO_MONTHS, FiguresByMonth
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import MOST_MONTHS, Month
from demo_pipeline.domain.feasibility import Caps
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.jobs.runner import run_job
from demo_pipeline.services.jobs.selection import months_spec, next_job
from demo_pipeline.services.jobs.steps import JobCaller, JobOutcome, JobRun, JobSelection
from demo_pipeline.services.jobs.tenant_context import TenantContext, check_instant, open_snapshot
from demo_pipeline.services.months.pending_load import check_added
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.rows.kpis import all_figures


@dataclass(frozen=True, kw_only=True)
class Extension:
    """The months that an extension adds. Values in minor units."""

    tenant: str
    currency: Currency
    #: what the blueprint will ask for, by added month; empty: it asks for these months already
    figures: FiguresByMonth
    #: what is in the database of the added months: the blueprint's figures come on top of it
    now: FiguresByMonth


def preview_extension(database: Database, settings: Settings, slug: str, last: Month) -> Extension:
    """What an extension up to ``last`` would ask for. Raises as ``extend_tenant`` does; writes nothing."""
    with open_snapshot(database, settings, slug, "tenant extend") as (conn, context, as_of):
        there = all_figures(conn, context.state.tenant.tenant_id, context.spec.currency)
        running = Month.containing(as_of)
    figures = NO_MONTHS
    if _done(context, last) is None:
        figures = _check(context, last, running, settings.caps.to_domain())
    return Extension(
        tenant=slug,
        currency=context.spec.currency,
        figures=figures,
        now=there.over(month for month in figures if month in there),
    )


def extend_tenant(
    database: Database, settings: Settings, slug: str, last: Month, *, caller: JobCaller | None = None
) -> JobReport:
    """Let the blueprint of a closed tenant ask for the months up to ``last`` too.

    Raises as ``run_job`` does; ``InputError`` for a living tenant, for a month that is not after its end or
    has not begun, and for more than 24 months; ``CapExceededError`` where the added months are beyond a cap.
    """
    return run_job(database, settings, slug, JobKind.EXTEND, lambda run: _select(run, last), caller)


def _select(run: JobRun, last: Month) -> JobSelection | UUID:
    check_instant(run.context, run.as_of, run.settings)
    if (done := _done(run.context, last)) is not None:
        return done
    added = _check(run.context, last, Month.containing(run.as_of), run.settings.caps.to_domain())
    spec = months_spec(JobKind.EXTEND, run.tenant.seed, min(added), last, run.as_of)
    return JobSelection(
        request=next_job(run.context, spec),
        execute=lambda transaction: JobOutcome(
            before=transaction.figures(), change=NO_MONTHS, metrics={"asked": added.to_json(run.currency)}
        ),
    )


def _done(context: TenantContext, last: Month) -> UUID | None:
    """The extension up to ``last``, if there is one that was not undone."""
    return next((job_id for job_id, until in context.extensions if until == last), None)


def _added(context: TenantContext, last: Month) -> list[Month]:
    end = context.end_month
    assert end is not None  # only closed tenants are extended
    return list((end + 1).until(last))


def _added_figures(context: TenantContext, last: Month) -> FiguresByMonth:
    return FiguresByMonth((month, context.spec.figures_of(month)) for month in _added(context, last))


def _check(context: TenantContext, last: Month, running: Month, caps: Caps) -> FiguresByMonth:
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
    figures = _added_figures(context, last)
    check_added(context, figures.total, caps)
    return figures


def _refused(code: str, last: Month, message: str) -> InputError:
    return InputError(message, [Problem(code=code, field="--to", month=str(last), message=message)])
