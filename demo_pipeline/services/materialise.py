"""Bring a tenant's months to what its blueprint says: the use case behind every materialisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from demo_pipeline.domain.errors import InputError, Problem
from demo_pipeline.domain.feasibility import Caps
from demo_pipeline.domain.healing import shortfall
from demo_pipeline.domain.metrics import METRICS, Figures
from demo_pipeline.domain.months import Month
from demo_pipeline.domain.patching import Ground
from demo_pipeline.domain.stored import reading_job
from demo_pipeline.services.blueprint_rows import (
    KIND,
    check_months_beyond,
    is_made,
    missing_rows,
    request_for,
)
from demo_pipeline.services.filling import delta_rows, job_beside, load_deltas, make_whole, simulate
from demo_pipeline.services.job_choice import choose_job
from demo_pipeline.services.job_run import Asker, Choice, JobRun, Outcome, run_job
from demo_pipeline.services.month_range import month_range
from demo_pipeline.services.patch_ground import read_ground
from demo_pipeline.services.progress import OnProgress
from demo_pipeline.services.reports import JobReport, MonthResult
from demo_pipeline.services.subject import Subject, find_subject
from demo_pipeline.settings import Settings
from demo_pipeline.storage import ledger
from demo_pipeline.storage.database import Database
from demo_pipeline.storage.kpis import all_figures

#: of jobs that make up for rows that people hid or changed
HEAL: Final = "heal"


def materialise(
    database: Database,
    settings: Settings,
    slug: str,
    first: Month | None = None,
    last: Month | None = None,
    *,
    on_progress: OnProgress | None = None,
    dagster_run_id: str | None = None,
    requested_by: str | None = None,
) -> JobReport:
    """Make the months from ``first`` to ``last`` (default: the span) what the blueprint says by now.

    Missing rows of all months before are made first, in the same transaction. Where figures fall short of
    what is expected though none of the blueprint's rows is missing, new rows make up for it. Raises as
    ``run_job`` does, ``InputError`` also for a month outside.
    """
    asker = Asker(requested_by=requested_by, dagster_run_id=dagster_run_id, on_progress=on_progress)
    return run_job(database, settings, slug, _Materialise(first, last), asker)


@dataclass
class _Materialise:
    """The work; the months are known once it is chosen."""

    first: Month | None
    last: Month | None
    kind: str = KIND

    def choose(self, run: JobRun) -> Choice:
        first, last = self._months(run)
        check_months_beyond(run.subject, last, Caps(**run.settings.caps.model_dump()))
        if (healing := self._healing(run, first, last)) is not None:
            return healing
        request, done = choose_job(
            run.subject, request_for(run.subject, first, last, run.as_of), lambda _: self._is_made(run, last)
        )
        return Choice(request=request, done=done)

    def transact(self, run: JobRun, choice: Choice, number: int) -> Outcome:
        first, last = self._months(run)
        if choice.request.kind == HEAL:
            return _heal(run, choice, number, first, last)
        before = run.figures()
        missing = missing_rows(run.conn, run.subject, last, run.as_of)
        run.expect_rows(missing.row_count)
        created = run.load(missing.batches(), choice.request.job_id)
        nothing = Figures()
        return Outcome(
            before=before,
            change=missing.change,
            created=created,
            loaded=missing.loaded.values(),
            results={
                month: (
                    run.subject.expected(month, missing.loaded),
                    before.get(month, nothing) + missing.change.get(month, nothing),
                )
                for month in {*first.until(last), *missing.loaded}
            },
        )

    def standing(self, run: JobRun, job_id: UUID, *, already_applied: bool) -> JobReport:
        """From what the ledger and the tables say now."""
        first, last = self._months(run)
        with run.database.admin(readonly=True) as conn:
            job = ledger.readable(ledger.get_job(conn, job_id))
            subject = find_subject(conn, run.settings, run.tenant.slug, KIND)
            figures = all_figures(conn, run.tenant.tenant_id, run.digits)
        diff: dict[str, dict[str, dict[str, int | str]]] = job.diff_report or {}
        metrics: dict[str, dict[str, int]] = job.metrics or {}

        def result(month: Month) -> MonthResult:
            now = figures.get(month, Figures())
            told = {} if already_applied else diff.get(str(month), {})
            with reading_job(job.slug, job.id, "diff_report"):
                before = Figures.from_json(told["before"], run.digits) if "before" in told else now
            return MonthResult(
                month=month, expected=subject.expected(month), before=before, target=now, after=now
            )

        return JobReport(
            job_id=job_id,
            tenant=run.tenant.slug,
            kind=job.kind,
            minor_digits=run.digits,
            already_applied=already_applied,
            created={} if already_applied else metrics.get("created", {}),
            months=tuple(result(month) for month in first.until(last)),
            seconds=run.seconds,
        )

    def _months(self, run: JobRun) -> tuple[Month, Month]:
        first, last = month_range(run.subject, self.first, self.last, run.as_of)
        check_instant(run.subject, run.as_of)
        return first, last

    def _healing(self, run: JobRun, first: Month, last: Month) -> Choice | None:
        """The job that makes up for what people hid or changed; None: nothing falls short."""
        with run.database.admin(readonly=True) as conn:
            there = all_figures(conn, run.tenant.tenant_id, run.digits)
        known = [month for month in run.subject.known_months if first <= month <= last]
        if not any(is_short(run.subject.expected(month), there.get(month, Figures())) for month in known):
            return None
        simulated = simulate(run, last, tuple(first.until(last)))
        loaded = simulated.missing.loaded
        if not _shortfalls(simulated.ground, lambda month: run.subject.expected(month, loaded), first, last):
            return None
        wanted = replace(request_for(run.subject, first, last, run.as_of), kind=HEAL)
        request, _ = choose_job(run.subject, wanted, lambda _: False)
        return Choice(request=request, beside=job_beside(run, simulated, last))

    def _is_made(self, run: JobRun, last: Month) -> bool:
        with run.database.admin(readonly=True) as conn:
            return is_made(conn, run.subject, last, run.as_of)


def _heal(run: JobRun, choice: Choice, number: int, first: Month, last: Month) -> Outcome:
    """Make the blueprint whole, then make up for what still falls short."""
    loaded, created_beside = make_whole(run, choice, last)
    ground = read_ground(run.conn, run.subject, run.as_of)

    def expected(month: Month) -> Figures:
        return run.subject.expected(month, loaded)

    deltas = _shortfalls(ground, expected, first, last)
    with run.making(*delta_rows(run, number, run.tenant.seed, deltas)) as rows:
        created = load_deltas(run, choice, deltas, rows)
    nothing = Figures()
    return Outcome(
        before=ground.before,
        change=deltas,
        created=created,
        created_beside=created_beside,
        loaded=loaded.values(),
        results={
            month: (expected(month), ground.before.get(month, nothing) + deltas.get(month, nothing))
            for month in {*first.until(last), *loaded}
        },
    )


def _shortfalls(
    ground: Ground, expected: Callable[[Month], Figures], first: Month, last: Month
) -> dict[Month, Figures]:
    """What new rows can make up for, by month; months where they can do nothing are left out."""
    short: dict[Month, Figures] = {}
    for month in first.until(last):
        lacking = shortfall(
            expected(month),
            ground.before.get(month, Figures()),
            has_contact=ground.has_contact(month),
            has_won_stage=ground.has_won_stage,
        )
        if lacking and ground.has_worked(month):
            short[month] = lacking
    return short


def is_short(expected: Figures, there: Figures) -> bool:
    """Whether any figure falls short of what is expected."""
    return any(expected[metric] > there[metric] for metric in METRICS)


def check_instant(subject: Subject, as_of: datetime) -> None:
    """A job takes no moment for *now* at which its tenant was not there (``InputError``)."""
    tenant = subject.state.tenant
    provisioned_at = tenant.provisioned_at
    if as_of < provisioned_at:
        message = (
            f"now is {as_of:%Y-%m-%d %H:%M} UTC (DEMO_NOW), before {tenant.slug} was provisioned "
            f"({provisioned_at:%Y-%m-%d %H:%M} UTC); unset DEMO_NOW or take a later instant"
        )
        raise InputError(message, [Problem(code="before_provisioning", field="DEMO_NOW", message=message)])
