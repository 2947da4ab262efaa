"""Extend a closed tenant: let its blueprint ask for more months along its curve. A job without rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import MOST_MONTHS, Month
from demo_pipeline.domain.feasibility import Caps
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.jobs.runner import Asker, Choice, JobRun, Outcome, run_job
from demo_pipeline.services.jobs.selection import choose_job
from demo_pipeline.services.jobs.tenant_context import EXTEND, Subject, find_subject
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
    currency: str
    minor_digits: int
    #: what the blueprint will ask for, by added month; empty: it asks for these months already
    figures: Mapping[Month, Figures]
    #: what is in the database of the added months: the blueprint's figures come on top of it
    now: Mapping[Month, Figures]


def preview_extension(database: Database, settings: Settings, slug: str, last: Month) -> Extension:
    """What an extension up to ``last`` would ask for. Raises as ``extend_tenant`` does; writes nothing."""
    with database.admin(readonly=True) as conn:
        subject = find_subject(conn, settings, slug, "tenant extend")
        there = all_figures(conn, subject.state.tenant.tenant_id, subject.spec.minor_digits)
        running = Month.containing(instant_of(conn, settings))
    figures: dict[Month, Figures] = {}
    if _done(subject, last) is None:
        figures = _check(subject, last, running, Caps(**settings.caps.model_dump()))
    return Extension(
        tenant=slug,
        currency=subject.spec.currency,
        minor_digits=subject.spec.minor_digits,
        figures=figures,
        now={month: there[month] for month in figures if month in there},
    )


def extend_tenant(
    database: Database, settings: Settings, slug: str, last: Month, *, asker: Asker | None = None
) -> JobReport:
    """Let the blueprint of a closed tenant ask for the months up to ``last`` too.

    Raises as ``run_job`` does; ``InputError`` for a living tenant, for a month that is not after its end or
    has not begun, and for more than 24 months; ``CapExceededError`` where the added months are beyond a cap.
    """
    return run_job(database, settings, slug, _Extend(last), asker or Asker())


@dataclass
class _Extend:
    """The work."""

    last: Month
    kind: str = EXTEND

    def choose(self, run: JobRun) -> Choice:
        check_instant(run.subject, run.as_of, run.settings)
        if (done := _done(run.subject, self.last)) is not None:
            return Choice(request=_request(run, self.last, self.last), done=done)
        running = Month.containing(run.as_of)
        added = _check(run.subject, self.last, running, Caps(**run.settings.caps.model_dump()))
        request, _ = choose_job(run.subject, _request(run, min(added), self.last), lambda _: False)
        return Choice(request=request)

    def transact(self, run: JobRun, choice: Choice, number: int) -> Outcome:  # noqa: ARG002 - no rows are made
        figures = {month: run.subject.spec.figures_of(month) for month in _added(run.subject, self.last)}
        return Outcome(
            before=run.figures(),
            change={},
            metrics={"asked": {str(month): one.to_json(run.digits) for month, one in figures.items()}},
        )

    def standing(self, run: JobRun, job_id: UUID, *, already_applied: bool) -> JobReport:
        return run.recorded_report(job_id, already_applied=already_applied)


def _done(subject: Subject, last: Month) -> UUID | None:
    """The extension up to ``last``, if there is one that was not undone."""
    return next((job_id for job_id, until in subject.extensions if until == last), None)


def _added(subject: Subject, last: Month) -> list[Month]:
    end = subject.end_month
    assert end is not None  # only closed tenants are extended
    return list((end + 1).until(last))


def _check(subject: Subject, last: Month, running: Month, caps: Caps) -> dict[Month, Figures]:
    """The figures of the added months; refuses what cannot be extended."""
    slug, end = subject.spec.slug, subject.end_month
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
    figures = {month: subject.spec.figures_of(month) for month in _added(subject, last)}
    check_added(subject, sum(figures.values(), Figures()), caps)
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
