"""Bring a tenant's months to what its blueprint says: the use case behind every materialisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import METRICS, Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import Caps
from demo_pipeline.domain.patch_plan.resolve import PlanBaseline
from demo_pipeline.domain.shortfall import shortfall
from demo_pipeline.services.jobs.progress import OnProgress
from demo_pipeline.services.jobs.report import HEAL, JobReport, MonthResult, report_of
from demo_pipeline.services.jobs.runner import JobCaller, JobRun, JobSelection, Outcome, run_job
from demo_pipeline.services.jobs.selection import select_job
from demo_pipeline.services.jobs.tenant_context import TenantContext, find_tenant_context
from demo_pipeline.services.months.delta_loading import (
    delta_rows,
    job_beside,
    load_deltas,
    load_missing,
    make_whole,
    simulate,
)
from demo_pipeline.services.months.month_range import MonthRange, month_range
from demo_pipeline.services.months.pending_load import (
    KIND,
    check_months_beyond,
    is_made,
    missing_rows,
    request_for,
)
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
    on_progress: OnProgress | None = None,
    dagster_run_id: str | None = None,
    requested_by: str | None = None,
) -> JobReport:
    """Make the months from ``first`` to ``last`` (default: all of the tenant) what is expected by now.

    ``with_gaps``: months between them that the tenant does not have are left out instead of refused. Missing
    rows of all months before are made first, in the same transaction. Where figures fall short of
    what is expected though none of the blueprint's rows is missing, new rows make up for it. Raises as
    ``run_job`` does, ``InputError`` also for a month outside.
    """
    caller = JobCaller(requested_by=requested_by, dagster_run_id=dagster_run_id, on_progress=on_progress)
    work = _Materialise(first, last, with_gaps=with_gaps)
    return run_job(database, settings, slug, work, caller)


@dataclass
class _Materialise:
    """The work; the months are known once it is chosen."""

    first: Month | None
    last: Month | None
    with_gaps: bool
    kind: str = KIND

    def select(self, run: JobRun) -> JobSelection:
        asked = self._months(run)
        last = asked.last
        check_months_beyond(run.context, last, Caps(**run.settings.caps.model_dump()))
        if (healing := self._healing(run, asked)) is not None:
            return healing
        wanted = request_for(run.context, asked.first, last, run.as_of)
        request, done = select_job(run.context, wanted, lambda _: self._is_made(run, last))
        return JobSelection(request=request, done=done)

    def execute(self, run: JobRun, selection: JobSelection, number: int) -> Outcome:
        asked = self._months(run)
        if selection.request.kind == HEAL:
            return _heal(run, selection, number, asked)
        before = run.figures()
        missing = missing_rows(run.conn, run.context, asked.last, run.as_of)
        created = load_missing(run, missing, selection.request.job_id, number)
        nothing = Figures()
        return Outcome(
            before=before,
            change=missing.change,
            created=created,
            loaded=missing.loaded.values(),
            results={
                month: (
                    run.context.expected(month, missing.loaded),
                    before.get(month, nothing) + missing.change.get(month, nothing),
                )
                for month in {*asked.months, *missing.loaded}
            },
        )

    def standing(self, run: JobRun, job_id: UUID, *, already_applied: bool) -> JobReport:
        """From what the ledger and the tables say now."""
        asked = self._months(run)
        with run.database.admin(readonly=True) as conn:
            job = job_ledger.readable(job_ledger.get_job(conn, job_id))
            context = find_tenant_context(conn, run.settings, run.tenant.slug, KIND)
            figures = all_figures(conn, run.tenant.tenant_id, run.currency)
        report = report_of(job, run.currency, already_applied=already_applied, seconds=run.seconds)
        done = {} if already_applied else {one.month: one.before_request for one in report.months}

        def result(month: Month) -> MonthResult:
            now = figures.get(month, Figures())
            return MonthResult(
                month=month,
                expected=context.expected(month),
                before=done.get(month, now),
                target=now,
                after=now,
            )

        return replace(report, months=tuple(result(month) for month in asked.months))

    def _months(self, run: JobRun) -> MonthRange:
        asked = month_range(run.context, self.first, self.last, run.as_of, with_gaps=self.with_gaps)
        check_instant(run.context, run.as_of, run.settings)
        return asked

    def _healing(self, run: JobRun, asked: MonthRange) -> JobSelection | None:
        """The job that makes up for what people hid or changed; None: nothing falls short."""
        with run.database.admin(readonly=True) as conn:
            there = all_figures(conn, run.tenant.tenant_id, run.currency)
        known = run.context.known_months.intersection(asked.months)
        if not any(is_short(run.context.expected(month), there.get(month, Figures())) for month in known):
            return None
        simulated = simulate(run, asked.last, asked.months)
        loaded = simulated.missing.loaded
        if not _shortfalls(
            simulated.baseline, lambda month: run.context.expected(month, loaded), asked.months
        ):
            return None
        wanted = replace(request_for(run.context, asked.first, asked.last, run.as_of), kind=HEAL)
        request, _ = select_job(run.context, wanted, lambda _: False)
        return JobSelection(request=request, beside=job_beside(run, simulated, asked.last))

    def _is_made(self, run: JobRun, last: Month) -> bool:
        with run.database.admin(readonly=True) as conn:
            return is_made(conn, run.context, last, run.as_of)


def _heal(run: JobRun, selection: JobSelection, number: int, asked: MonthRange) -> Outcome:
    """Make the blueprint whole, then make up for what still falls short."""
    loaded, made_first = make_whole(run, selection, asked.last)
    baseline = read_baseline(run.conn, run.context, run.as_of)

    def expected(month: Month) -> Figures:
        return run.context.expected(month, loaded)

    deltas = _shortfalls(baseline, expected, asked.months)
    with run.making(*delta_rows(run, number, run.tenant.seed, deltas)) as rows:
        created = load_deltas(run, selection, deltas, rows)
    nothing = Figures()
    return Outcome(
        before=baseline.before,
        change=deltas,
        created=created,
        made_first=made_first,
        loaded=loaded.values(),
        results={
            month: (expected(month), baseline.before.get(month, nothing) + deltas.get(month, nothing))
            for month in {*asked.months, *loaded}
        },
    )


def _shortfalls(
    baseline: PlanBaseline, expected: Callable[[Month], Figures], months: Sequence[Month]
) -> dict[Month, Figures]:
    """What new rows can make up for, by month; months where they can do nothing are left out."""
    short: dict[Month, Figures] = {}
    for month in months:
        lacking = shortfall(
            expected(month),
            baseline.before.get(month, Figures()),
            has_contact=baseline.has_contact(month),
            has_won_stage=baseline.has_won_stage,
        )
        if lacking and baseline.has_worked(month):
            short[month] = lacking
    return short


def is_short(expected: Figures, there: Figures) -> bool:
    """Whether any figure falls short of what is expected."""
    return any(expected[metric] > there[metric] for metric in METRICS)


def check_instant(context: TenantContext, as_of: datetime, settings: Settings) -> None:
    """A job takes no moment for *now* at which its tenant was not there (``InputError``)."""
    tenant = context.state.tenant
    provisioned_at = tenant.provisioned_at
    if as_of < provisioned_at:
        is_set = settings.now is not None
        source = "DEMO_NOW" if is_set else "the database server's clock"
        message = (
            f"now is {as_of:%Y-%m-%d %H:%M} UTC ({source}), "
            f"before {tenant.slug} was provisioned ({provisioned_at:%Y-%m-%d %H:%M} UTC); "
        )
        if is_set:
            message += "unset DEMO_NOW or take a later instant"
        else:
            message += (
                "the tenant was made by a clock that was ahead, or the server's clock is behind: correct the "
                "server's clock, or delete the tenant and provision it again"
            )
        field = "DEMO_NOW" if is_set else None
        raise InputError(message, [Problem(code="before_provisioning", field=field, message=message)])
