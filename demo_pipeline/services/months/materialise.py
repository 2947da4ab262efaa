"""Bring a tenant's months to what its blueprint says: the use case behind every materialisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from demo_pipeline.domain.core.figures import Figures, FiguresByMonth
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import is_short, shortfall
from demo_pipeline.domain.patch_plan.resolve import PlanBaseline
from demo_pipeline.services.jobs.report import JobReport, MonthResult, report_of
from demo_pipeline.services.jobs.runner import run_job
from demo_pipeline.services.jobs.selection import months_spec, next_job, select_job
from demo_pipeline.services.jobs.steps import JobCaller, JobOutcome, JobRun, JobSelection, JobTransaction
from demo_pipeline.services.jobs.tenant_context import check_instant, find_tenant_context, open_snapshot
from demo_pipeline.services.months.delta_loading import (
    delta_rows,
    job_beside,
    load_blueprint,
    load_deltas,
    load_missing,
    simulate,
)
from demo_pipeline.services.months.month_range import MonthRange, month_range
from demo_pipeline.services.months.pending_load import check_months_beyond, is_made, missing_rows, read_months
from demo_pipeline.services.months.plan_baseline import read_baseline
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.rows.kpis import all_figures


def materialise(
    database: Database,
    settings: Settings,
    slug: str,
    first: Month | None = None,
    last: Month | None = None,
    *,
    with_gaps: bool = False,
    caller: JobCaller | None = None,
) -> JobReport:
    """Make the months from ``first`` to ``last`` (default: all of the tenant) what is expected by now.

    ``with_gaps``: months between them that the tenant does not have are left out instead of refused. Missing
    rows of all months before are made first, in the same transaction. Where figures fall short of
    what is expected though none of the blueprint's rows is missing, new rows make up for it. Raises as
    ``run_job`` does, ``InputError`` also for a month outside.
    """
    work = _Months(first, last, with_gaps)
    return run_job(database, settings, slug, JobKind.MATERIALISE, work.select, caller, work.report)


def is_as_expected(
    database: Database, settings: Settings, slug: str, first: Month | None = None, last: Month | None = None
) -> bool:
    """Whether the months have exactly the expected figures, and :func:`materialise` has nothing to load.

    Reads only, and takes no lock of the tenant. Raises as ``materialise`` does before it opens a job.
    """
    with open_snapshot(database, settings, slug, JobKind.MATERIALISE) as (conn, context, as_of):
        state = read_months(conn, settings, context, as_of, first, last)
        return state.is_made and not state.differing


@dataclass(frozen=True)
class _Months:
    """The months that were asked for, and the steps of their job."""

    first: Month | None
    last: Month | None
    with_gaps: bool

    def select(self, run: JobRun) -> JobSelection | UUID:
        asked = self._range(run)
        check_instant(run.context, run.as_of, run.settings)
        check_months_beyond(run.context, asked.last, run.settings.caps.to_domain())
        if (healing := _healing(run, asked)) is not None:
            return healing

        def is_done(_: object) -> bool:
            with run.database.admin(readonly=True) as conn:
                return is_made(conn, run.context, asked.last, run.as_of)

        spec = months_spec(JobKind.MATERIALISE, run.tenant.seed, asked.first, asked.last, run.as_of)
        selected = select_job(run.context, spec, is_done)
        if isinstance(selected, UUID):
            return selected
        return JobSelection(request=selected, execute=lambda transaction: _load(transaction, asked))

    def report(self, run: JobRun, job_id: UUID, *, already_applied: bool) -> JobReport:
        """The months that were asked for, from what the ledger and the tables say now."""
        with run.database.admin(readonly=True) as conn:
            job = job_ledger.get_job(conn, job_id)
            context = find_tenant_context(conn, run.settings, run.tenant.slug, JobKind.MATERIALISE)
            figures = all_figures(conn, run.tenant.tenant_id, run.currency)
        report = report_of(job, run.currency, already_applied=already_applied, seconds=run.seconds)
        done = {} if already_applied else {one.month: one.before_request for one in report.months}

        def result(month: Month) -> MonthResult:
            now = figures.at(month)
            return MonthResult(
                month=month,
                expected=context.expected(month),
                before=done.get(month, now),
                target=now,
                after=now,
            )

        return replace(report, months=tuple(result(month) for month in self._range(run).months))

    def _range(self, run: JobRun) -> MonthRange:
        return month_range(run.context, self.first, self.last, run.as_of, with_gaps=self.with_gaps)


def _load(run: JobTransaction, asked: MonthRange) -> JobOutcome:
    """Load the missing rows of the blueprint."""
    before = run.figures()
    missing = missing_rows(run.conn, run.context, asked.last, run.as_of)
    created = load_missing(run, missing, run.request.job_id, run.number)
    return JobOutcome(
        before=before,
        change=missing.change,
        created=created,
        loaded=missing.loaded.values(),
        results={
            month: (
                run.context.expected(month, missing.loaded),
                before.at(month) + missing.change.at(month),
            )
            for month in {*asked.months, *missing.loaded}
        },
    )


def _healing(run: JobRun, asked: MonthRange) -> JobSelection | None:
    """The job that makes up for rows that people deleted or changed; None: no figure falls short."""
    with run.database.admin(readonly=True) as conn:
        there = all_figures(conn, run.tenant.tenant_id, run.currency)
    recorded = run.context.recorded_months.intersection(asked.months)
    if not any(is_short(run.context.expected(month), there.at(month)) for month in recorded):
        return None
    simulated = simulate(run, asked.last, asked.months)
    loaded = simulated.missing.loaded
    if not _shortfalls(simulated.baseline, lambda month: run.context.expected(month, loaded), asked.months):
        return None
    spec = months_spec(JobKind.HEAL, run.tenant.seed, asked.first, asked.last, run.as_of)
    return JobSelection(
        request=next_job(run.context, spec),
        execute=lambda transaction: _heal(transaction, asked),
        beside=job_beside(run, simulated, asked.last),
    )


def _heal(run: JobTransaction, asked: MonthRange) -> JobOutcome:
    """Load the blueprint's missing rows, then make up for what still falls short."""
    loaded, first = load_blueprint(run, asked.last)
    baseline = read_baseline(run.conn, run.context, run.as_of)

    def expected(month: Month) -> Figures:
        return run.context.expected(month, loaded)

    deltas = _shortfalls(baseline, expected, asked.months)
    with run.making(*delta_rows(run, run.number, run.tenant.seed, deltas)) as rows:
        created = load_deltas(run, deltas, rows)
    return JobOutcome(
        before=baseline.before,
        change=deltas,
        created=created,
        first=first,
        loaded=loaded.values(),
        results={
            month: (expected(month), baseline.before.at(month) + deltas.at(month))
            for month in {*asked.months, *loaded}
        },
    )


def _shortfalls(
    baseline: PlanBaseline, expected: Callable[[Month], Figures], months: Sequence[Month]
) -> FiguresByMonth:
    """What new rows can make up for, by month; months where they can do nothing are left out."""
    short: dict[Month, Figures] = {}
    for month in months:
        lacking = shortfall(
            expected(month),
            baseline.before.at(month),
            has_contact=baseline.has_contact(month),
            has_won_stage=baseline.has_won_stage,
        )
        if lacking and baseline.has_worked(month):
            short[month] = lacking
    return FiguresByMonth(short)
