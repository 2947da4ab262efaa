"""What is wrong now: each alert says what, where and what to do.

Belongs here: the kinds of alerts, their words, and how each is made of what was read. Does not: reading it
(``state``), recording it (``incidents``), sending it (``receivers``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Final, assert_never

from demo_pipeline.domain.core.errors import UnreadableTenantError
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.services.inbox.refused import RefusedPlan
from demo_pipeline.services.months.freshness import Freshness
from demo_pipeline.storage.ledger.incidents import AlertRecord
from demo_pipeline.storage.ledger.watched_figures import FailedJob, Figure, WatchedEvent, WatchedFigure


class AlertKind(StrEnum):
    """What is wrong; stored with incidents."""

    PATCH_FAILURES = "patch_failures"
    SLOW_PATCH = "slow_patch"
    VERIFICATION_FAILURES = "verification_failures"
    DUPLICATE = "duplicate"
    NON_DEMO_ATTEMPT = "non_demo_attempt"
    FAILED_JOB = "failed_job"
    FAILED_RUN = "failed_run"
    FAILING_CHECK = "failing_check"
    REFUSED_FILE = "refused_file"
    STALE_TENANT = "stale_tenant"
    UNREADABLE_TENANT = "unreadable_tenant"

    @property
    def is_of_dagster(self) -> bool:
        """Whether only Dagster's records show it."""
        return self in {AlertKind.FAILED_RUN, AlertKind.FAILING_CHECK}

    def headline(self, count: int) -> str:
        """A sentence about so many of them."""
        match self:
            case AlertKind.PATCH_FAILURES:
                return "patches fail too often"
            case AlertKind.SLOW_PATCH:
                return f"{_some(count, 'patch', 'patches')} took too long"
            case AlertKind.VERIFICATION_FAILURES:
                return "KPI verifications fail too often"
            case AlertKind.DUPLICATE:
                return f"{_some(count, 'duplicate')} {_was(count)} detected"
            case AlertKind.NON_DEMO_ATTEMPT:
                if count == 1:
                    return "requests for a tenant that is not a demo were refused"
                return f"requests for {count:,} tenants that are not demos were refused"
            case AlertKind.FAILED_JOB:
                return f"{_some(count, 'job')} failed"
            case AlertKind.FAILED_RUN:
                return f"{_some(count, 'Dagster run')} failed"
            case AlertKind.FAILING_CHECK:
                return f"checks of {_some(count, 'tenant')} fail"
            case AlertKind.REFUSED_FILE:
                return f"{_some(count, 'inbox file')} {_was(count)} refused"
            case AlertKind.STALE_TENANT:
                return f"{_some(count, 'tenant')} {'is' if count == 1 else 'are'} stale"
            case AlertKind.UNREADABLE_TENANT:
                return f"{_some(count, 'tenant')} cannot be read"
            case _:
                assert_never(self)


#: what the program can find without Dagster's records
WITHOUT_DAGSTER: Final = tuple(kind for kind in AlertKind if not kind.is_of_dagster)


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One thing that is wrong."""

    kind: AlertKind
    #: the same as long as it is the same incident
    subject: str
    what: str
    #: what to do, and the command for it
    remedy: str
    command: str | None = None
    tenant: str | None = None
    #: ``2025-01``, or several
    months: str | None = None
    job_id: str | None = None
    run_id: str | None = None

    @property
    def advice(self) -> str:
        """What to do, with the command, on one line."""
        return self.remedy if self.command is None else f"{self.remedy}: {self.command}"

    def record(self) -> AlertRecord:
        """As it is recorded."""
        detail = {name: value for name, value in asdict(self).items() if value is not None}
        return AlertRecord(kind=detail.pop("kind"), subject=detail.pop("subject"), detail=detail)


@dataclass(frozen=True, kw_only=True)
class FailedRun:
    """A Dagster run that failed, and after which none of its job and tenant succeeded."""

    run_id: str
    job: str
    tenant: str | None
    message: str
    #: whether failing checks are the reason, which are alerts of their own
    has_failed_checks: bool = False


@dataclass(frozen=True, kw_only=True)
class FailingChecks:
    """The checks of a tenant whose latest verdict is that they fail."""

    tenant: str
    #: check → months
    checks: Mapping[str, Collection[str]]
    #: the run of the latest of these verdicts
    run_id: str


def alert_of(kind: str, subject: str, detail: Mapping[str, Any]) -> Alert:
    """A recorded alert; keys that this version does not know are left out."""
    known = {one.name for one in fields(Alert)} & detail.keys()
    texts = {"what": "", "remedy": ""} | {name: detail[name] for name in known}
    return Alert(kind=AlertKind(kind), subject=subject, **texts)


def figure_alerts(figures: Iterable[Figure], events: Iterable[WatchedEvent]) -> Iterator[Alert]:
    """The rates that are too high, and each event of the other figures."""
    for figure in figures:
        if figure.is_alert and figure.name.is_share:
            yield _rate_alert(figure)
    for event in events:
        yield _event_alert(event)


def _rate_alert(figure: Figure) -> Alert:
    share, limit = f"{figure.value or 0:.1%}", f"{figure.threshold:.0%}"
    failures = round((figure.value or 0) * (figure.attempts or 0))
    if figure.name is WatchedFigure.PATCH_FAILURES:
        kind, attempts = AlertKind.PATCH_FAILURES, counted(figure.attempts or 0, "patch attempt")
        command = "demo-pipeline job list --kind patch --status failed --since 7d"
    else:
        kind, attempts = AlertKind.VERIFICATION_FAILURES, counted(figure.attempts or 0, "attempt")
        command = "demo-pipeline job list --status failed --since 7d"
    verb = "failed" if kind is AlertKind.PATCH_FAILURES else "did not reach their KPIs"
    return Alert(
        kind=kind,
        subject="all tenants",
        what=f"{failures:,} of {attempts} of the last 7 days {verb}: {share}, and more than {limit} alerts",
        remedy="look at those that were not completed since, with the reasons",
        command=command,
    )


def _event_alert(event: WatchedEvent) -> Alert:
    job_id = None if event.job_id is None else str(event.job_id)
    last = f"{event.last_at:%Y-%m-%d %H:%M} UTC"
    match event.figure:
        case WatchedFigure.PATCH_DURATION:
            return Alert(
                kind=AlertKind.SLOW_PATCH,
                subject=event.subject,
                what=f"the patch took {event.value:,.0f} s, and more than {event.threshold:,.0f} s alerts",
                remedy="look at its attempts, and give a large plan --split",
                command=f"demo-pipeline job show {job_id}",
                tenant=event.slug,
                job_id=job_id,
            )
        case WatchedFigure.DUPLICATES:
            return Alert(
                kind=AlertKind.DUPLICATE,
                subject=event.subject,
                what=_duplicate_text(event, last),
                remedy="find out what makes the same change or row again",
                command=f"demo-pipeline job show {job_id}",
                tenant=event.slug,
                job_id=job_id,
            )
        case WatchedFigure.NON_DEMO_ATTEMPTS:
            return Alert(
                kind=AlertKind.NON_DEMO_ATTEMPT,
                subject=event.subject,
                what=f"{counted(event.count, 'request')} for a tenant that is not a demo "
                f"{_was(event.count)} refused, last at {last}; nothing was changed",
                remedy="look into demo.audit_log for who asked and what for, and correct the name there",
                tenant=event.slug,
            )
        case WatchedFigure.PATCH_FAILURES | WatchedFigure.VERIFICATION_FAILURES:
            raise AssertionError(f"{event.figure} is a rate")
        case _:
            assert_never(event.figure)


def _duplicate_text(event: WatchedEvent, last: str) -> str:
    job = f"job {str(event.job_id)[:8]}"
    if event.kind == JobKind.DEDUPE:
        return f"rows were there twice, and {job} removed the copies, last at {last}"
    times, end = f"{event.count + 1:,} times", "only the first request changed anything"
    if event.count == 1:
        times, end = "twice", "the second request changed nothing"
    return f"the plan of {job} was requested {times}, last at {last}; {end}"


def job_alert(job: FailedJob) -> Alert:
    """A job that failed or was abandoned."""
    reason = job.error_message or "no reason is known"
    if job.is_abandoned:
        reason = "its process ended before the job"
    first, last = job.range_start_month, job.range_end_month
    return Alert(
        kind=AlertKind.FAILED_JOB,
        subject=str(job.job_id),
        what=f"{_noun(job.kind)} failed, and none of its rows are there: {reason}",
        remedy="remove the reason, then try it again",
        command=f"demo-pipeline job retry {job.job_id}",
        tenant=job.slug,
        months=first if first == last else f"{first} to {last}",
        job_id=str(job.job_id),
        run_id=job.dagster_run_id,
    )


def refused_alert(plan: RefusedPlan) -> Alert:
    """A plan of the inbox that was refused."""
    return Alert(
        kind=AlertKind.REFUSED_FILE,
        subject=f"{plan.tenant}/{plan.name} {plan.at.isoformat()}",
        what=f"{plan.name} was refused, and nothing was done: {plan.reason}",
        remedy=f"correct it and put it into the inbox of {plan.tenant} again, or delete it from refused/; "
        "the report beside it has every problem",
        tenant=plan.tenant,
        job_id=plan.job_id,
        run_id=plan.dagster_run_id,
    )


def stale_alert(freshness: Freshness) -> Alert:
    """A tenant that is stale."""
    return Alert(
        kind=AlertKind.STALE_TENANT,
        subject=freshness.tenant,
        what=freshness.reason,
        remedy="bring it up to now; the schedule top_up_running_month, once it is on, keeps it there",
        command=f"demo-pipeline generate {freshness.tenant}",
        tenant=freshness.tenant,
    )


def unreadable_alert(error: UnreadableTenantError) -> Alert:
    """A tenant whose stored documents cannot be read."""
    tenant: str = error.details["tenant"]
    return Alert(
        kind=AlertKind.UNREADABLE_TENANT,
        subject=tenant,
        what=error.message,
        remedy="see what is wrong",
        command=f"demo-pipeline verify {tenant}",
        tenant=tenant,
    )


def run_alert(run: FailedRun) -> Alert:
    """A run of which the ledger has no failed job."""
    where = f" for {run.tenant}" if run.tenant else ""
    return Alert(
        kind=AlertKind.FAILED_RUN,
        subject=f"{run.job} {run.tenant or ''}".strip(),
        what=f"the run of {run.job}{where} failed: {run.message}",
        remedy="see its page for the reason; re-execute it there once that is corrected",
        tenant=run.tenant,
        run_id=run.run_id,
    )


def check_alert(failing: FailingChecks) -> Alert:
    """The failing checks of a tenant."""
    months = sorted({month for found in failing.checks.values() for month in found})
    span = None if not months else months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"
    names = ", ".join(
        f"{check} ({counted(len(found), 'month')})" for check, found in sorted(failing.checks.items())
    )
    return Alert(
        kind=AlertKind.FAILING_CHECK,
        subject=failing.tenant,
        what=f"what is in the database is not as expected: {names}",
        remedy=f"missing rows are made again by demo-pipeline generate {failing.tenant}; see every finding",
        command=f"demo-pipeline verify {failing.tenant}",
        tenant=failing.tenant,
        months=span,
        run_id=failing.run_id,
    )


def _noun(kind: str) -> str:
    return JobKind(kind).noun if kind in set(JobKind) else f"a job of kind {kind}"


def _some(count: int, one: str, many: str = "") -> str:
    article = "an" if one[0] in "aeiou" else "a"
    return f"{article} {one}" if count == 1 else counted(count, one, many)


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
