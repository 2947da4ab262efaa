"""Bring a tenant's months to what its blueprint says: the use case behind every materialisation.

One call is one job and at most one transaction for data. The order is what keeps the promises: hold the
tenant, open the job, then in one REPEATABLE READ transaction claim, snapshot, load, snapshot, verify,
finish, commit. Whatever goes wrong before the commit leaves no row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import Enum, auto
from time import monotonic
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import IsolationLevel, errors
from psycopg.pq import TransactionStatus

from demo_pipeline.domain.errors import (
    DemoError,
    InputError,
    InterruptedJobError,
    JobFailedError,
    Problem,
    VerificationError,
)
from demo_pipeline.domain.feasibility import Caps, check_caps
from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.months import Month
from demo_pipeline.domain.verification import Mismatch, after_change, mismatches
from demo_pipeline.services.blueprint_rows import (
    KIND,
    MissingRows,
    has_more,
    is_complete,
    missing_rows,
    presence,
)
from demo_pipeline.services.events import Event, record
from demo_pipeline.services.failures import as_demo_error
from demo_pipeline.services.job_choice import choose_job
from demo_pipeline.services.month_range import month_range
from demo_pipeline.services.progress import OnProgress, Progress
from demo_pipeline.services.reports import JobReport, MonthResult
from demo_pipeline.services.subject import Subject, find_subject
from demo_pipeline.settings import Settings
from demo_pipeline.storage import integrity, ledger
from demo_pipeline.storage.database import Database
from demo_pipeline.storage.kpis import all_figures
from demo_pipeline.storage.ledger import Begun, JobRequest
from demo_pipeline.storage.load import create_staging, encoded, load, prefetched
from demo_pipeline.storage.tenants import hold_tenant

#: Tries of the data transaction when PostgreSQL asks for another (serialization, deadlock).
_TRIES: Final = 4

Connection = psycopg.Connection[Any]


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

    Missing rows of all months before are made first, in the same transaction. Raises ``InputError`` for a
    month outside, ``BusyError``, ``NotADemoTenantError``, ``VerificationError``, ``JobFailedError``,
    ``InterruptedJobError``; each leaves no row of the job in the database.
    """
    as_of = settings.instant()
    try:
        with database.loader() as conn:
            subject = find_subject(conn, settings, slug, KIND)
            tenant_id = subject.state.tenant.tenant_id
            months = month_range(subject, first, last, as_of)
            _check_instant(subject, as_of)
            with hold_tenant(conn, tenant_id, settings.wait_seconds):
                # Again, now that nobody else changes it.
                subject = find_subject(conn, settings, slug, KIND)
                job = _Job(database, settings, conn, subject, months, as_of, on_progress)
                return job.run(requested_by, dagster_run_id)
    except psycopg.Error as error:
        raise as_demo_error(error, database, has_begun=False) from error


class Ending(Enum):
    """How an attempt ended whose transaction raised an error."""

    FAILED = auto()
    #: only the answer to the commit was lost
    COMMITTED = auto()
    #: the ledger cannot be reached
    UNKNOWN = auto()


_UNKNOWN: Final = "the ledger cannot be reached to confirm it; run it again, which is safe"


class _Job:
    """One request of one tenant, while its scheduling lock is held."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        conn: Connection,
        subject: Subject,
        months: tuple[Month, Month],
        as_of: datetime,
        on_progress: OnProgress | None,
    ) -> None:
        self._database, self._settings, self._conn = database, settings, conn
        self._subject, self._as_of, self._on_progress = subject, as_of, on_progress
        self._first, self._last = months
        self._tenant = subject.state.tenant
        self._started = monotonic()

    def run(self, requested_by: str | None, dagster_run_id: str | None) -> JobReport:
        request, done = choose_job(self._subject, self._first, self._last, self._as_of, self._is_as_expected)
        if done is not None:
            record(self._settings, Event.IDEMPOTENCY_DETECTED, tenant=self._tenant.slug, job_id=done)
            return self._standing(done, already_applied=True)
        self._check_caps()
        request = replace(request, requested_by=requested_by, dagster_run_id=dagster_run_id)
        begun: Begun | None = None
        try:
            with self._conn.transaction():
                begun = ledger.begin_job(self._conn, request)
            if begun is None:
                return self._standing(request.job_id, already_applied=True)
            self._record(Event.JOB_STARTED, request, attempt=begun.attempt)
            report = self._attempts(request)
        except BaseException as error:
            failure = as_demo_error(error, self._database, has_begun=begun is not None)
            if begun is None:
                raise failure from error
            ending = self._end(request, begun, failure)
            if ending is not Ending.COMMITTED:
                if ending is Ending.UNKNOWN:
                    failure = replace(failure, message=f"{failure.message} ({_UNKNOWN})")
                self._record(Event.JOB_FAILED, request, code=failure.code, message=failure.message)
                raise failure from error
            self._record(Event.JOB_COMPLETED, request)
            if isinstance(failure, InterruptedJobError):
                message = f"interrupted after the commit: job {request.job_id} is completed"
                raise InterruptedJobError(message) from error
            return self._standing(request.job_id, already_applied=False)
        self._record(Event.JOB_COMPLETED, request, created=dict(report.created))
        return report

    def _is_as_expected(self) -> bool:
        """Whether none of the blueprint's rows is missing. What people made or hid is theirs, and drift."""
        subject, as_of = self._subject, self._as_of
        with self._database.admin(readonly=True) as conn:
            counts = presence(conn, subject)
        for month in subject.spec.start_month.until(self._last):
            loaded = subject.state.months.get(month)
            if loaded is None:
                return False
            is_late = not loaded.is_whole and loaded.loaded_as_of < as_of
            if not is_complete(subject, month, counts, loaded.loaded_as_of if is_late else as_of):
                return False
            if is_late and has_more(subject, month, as_of):
                return False
        return True

    def _check_caps(self) -> None:
        """Months after the span are not in the blueprint's totals: each month's sum is bounded here."""
        spec = self._subject.spec
        beyond = [
            spec.figures_of(month)
            for month in (spec.end_month + 1).until(self._last)
            if month not in self._subject.state.months
        ]
        check_caps(
            sum(beyond, Figures()),
            Caps(**self._settings.caps.model_dump()),
            minor_digits=spec.minor_digits,
        )

    def _standing(self, job_id: UUID, *, already_applied: bool) -> JobReport:
        """The report of a job that is completed, from what the ledger and the tables say now."""
        with self._database.admin(readonly=True) as conn:
            job = ledger.get_job(conn, job_id)
            subject = find_subject(conn, self._settings, self._tenant.slug, KIND)
            figures = all_figures(conn, self._tenant.tenant_id, subject.spec.minor_digits)
        nothing = Figures()
        before: dict[str, dict[str, int | str]] = job.before_kpis or {}
        metrics: dict[str, dict[str, int]] = job.metrics or {}
        digits = subject.spec.minor_digits
        return JobReport(
            job_id=job_id,
            tenant=self._tenant.slug,
            minor_digits=digits,
            already_applied=already_applied,
            created={} if already_applied else metrics.get("created", {}),
            months=tuple(
                MonthResult(
                    month=month,
                    expected=subject.expected(month),
                    before=(
                        figures.get(month, nothing)
                        if already_applied
                        else Figures.from_json(before.get(str(month), {}), digits)
                    ),
                    after=figures.get(month, nothing),
                )
                for month in self._first.until(self._last)
            ),
            seconds=monotonic() - self._started,
        )

    def _attempts(self, request: JobRequest) -> JobReport:
        """The data transaction, again where PostgreSQL could not serialise it."""
        for attempt in range(1, _TRIES + 1):
            try:
                return self._transaction(request)
            except (errors.SerializationFailure, errors.DeadlockDetected):
                if attempt == _TRIES:
                    raise
        raise AssertionError

    def _transaction(self, request: JobRequest) -> JobReport:
        conn, spec, digits = self._conn, self._subject.spec, self._subject.spec.minor_digits
        tenant_id = self._tenant.tenant_id
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        with conn.transaction():
            ledger.claim_job(conn, tenant_id, request.job_id)
            before = all_figures(conn, tenant_id, digits)
            missing = missing_rows(conn, self._subject, self._last, self._as_of)
            with Progress(self._database, request.job_id, missing.row_count, self._on_progress) as progress:
                created = self._load(request, missing, progress)
                progress.tell(96, "verifying", is_due=True)
            after = all_figures(conn, tenant_id, digits)
            self._verify(request, before, missing.change, after)
            results = self._results(missing, before, after)
            ledger.finish_job(
                conn,
                request.job_id,
                before={str(month): figures.to_json(digits) for month, figures in before.items()},
                after={str(month): figures.to_json(digits) for month, figures in after.items()},
                diff={
                    str(result.month): {
                        "expected": result.expected.to_json(digits),
                        "drift": result.drift.to_json(digits),
                    }
                    for result in results
                },
                metrics={"created": created, "seconds": round(monotonic() - self._started, 3)},
                months=missing.loaded.values(),
                minor_digits=digits,
            )
        if self._on_progress is not None:
            self._on_progress(100, "committed")
        return JobReport(
            job_id=request.job_id,
            tenant=spec.slug,
            minor_digits=digits,
            already_applied=False,
            created=created,
            months=results,
            seconds=monotonic() - self._started,
        )

    def _load(self, request: JobRequest, missing: MissingRows, progress: Progress) -> dict[str, int]:
        conn, created = self._conn, dict[str, int]()
        create_staging(conn)
        with prefetched(encoded(missing.batches(), self._settings.batch_rows)) as loads:
            for rows in loads:
                self._check_deadline()
                for table, count in load(conn, self._tenant.tenant_id, request.job_id, rows):
                    created[table] = created.get(table, 0) + count
                    progress.add(count, f"loading {table}")
        self._check_deadline()
        return created

    def _check_deadline(self) -> None:
        limit = self._settings.job_timeout_seconds
        if monotonic() - self._started > limit:
            raise JobFailedError(
                f"the job took longer than {limit:g} s and was rolled back; "
                "raise DEMO_JOB_TIMEOUT_SECONDS or ask for fewer months at once"
            )

    def _verify(
        self,
        request: JobRequest,
        before: Mapping[Month, Figures],
        change: Mapping[Month, Figures],
        after: Mapping[Month, Figures],
    ) -> None:
        """The gate: every figure moved by exactly what was to be loaded, and every row fits the others."""
        digits = self._subject.spec.minor_digits
        wrong = mismatches(after_change(before, change), after)
        broken = integrity.violations(self._conn, self._tenant.tenant_id, self._as_of, job_id=request.job_id)
        if not wrong and not broken:
            return
        lines = [mismatch.describe(digits) for mismatch in wrong]
        lines += [f"{item.count} {item.table}: not true that {item.rule}" for item in broken]
        self._record(Event.KPI_VERIFICATION_FAILED, request, findings=lines[:50])
        raise VerificationError(
            f"{len(lines)} checks failed before the commit, everything was rolled back: "
            + "; ".join(lines[:10]),
            {"findings": lines, "mismatches": [_mismatch_json(item, digits) for item in wrong]},
        )

    def _results(
        self, missing: MissingRows, before: Mapping[Month, Figures], after: Mapping[Month, Figures]
    ) -> tuple[MonthResult, ...]:
        touched = {*self._first.until(self._last), *missing.loaded}
        return tuple(
            MonthResult(
                month=month,
                expected=(
                    missing.loaded[month].figures
                    if month in missing.loaded
                    else self._subject.expected(month)
                ),
                before=before.get(month, Figures()),
                after=after.get(month, Figures()),
            )
            for month in sorted(touched)
        )

    def _end(self, request: JobRequest, begun: Begun, failure: DemoError) -> Ending:
        """Write the end of the attempt down, and find out what it was: an answer may have been lost.

        On a new connection where the old one is gone or amid something; it waits for what is left of the
        old session.
        """
        end = (self._tenant.tenant_id, request.job_id, begun.attempt, failure.code, failure.message)
        try:
            if not self._conn.closed and self._conn.info.transaction_status == TransactionStatus.IDLE:
                is_failed = ledger.fail_job(self._conn, *end)
            else:
                self._conn.close()
                with self._database.loader() as conn:
                    is_failed = ledger.fail_job(conn, *end)
            with self._database.admin(readonly=True) as conn:
                status = "failed" if is_failed else ledger.get_job(conn, request.job_id).status
        except (psycopg.Error, DemoError):
            # The next job of the tenant finds this one running and nobody at it, and marks it failed.
            return Ending.UNKNOWN
        return Ending.COMMITTED if status == "completed" else Ending.FAILED

    def _record(self, event: Event, request: JobRequest, **fields: Any) -> None:
        record(
            self._settings,
            event,
            tenant=self._tenant.slug,
            job_id=request.job_id,
            duration_seconds=round(monotonic() - self._started, 3),
            **fields,
        )


def _check_instant(subject: Subject, as_of: datetime) -> None:
    """A job takes no moment for *now* at which its tenant was not there."""
    provisioned_at = subject.state.tenant.provisioned_at
    if as_of < provisioned_at:
        message = (
            f"now is {as_of:%Y-%m-%d %H:%M} UTC (DEMO_NOW), before {subject.spec.slug} was provisioned "
            f"({provisioned_at:%Y-%m-%d %H:%M} UTC); unset DEMO_NOW or take a later instant"
        )
        raise InputError(message, [Problem(code="before_provisioning", field="DEMO_NOW", message=message)])


def _mismatch_json(item: Mismatch, minor_digits: int) -> dict[str, Any]:
    """JSON-ready; money as a string in major units."""
    expected, actual = (
        Figures(**{item.metric: value}).to_json(minor_digits)[item.metric]
        for value in (item.expected, item.actual)
    )
    return {"month": str(item.month), "metric": item.metric, "expected": expected, "actual": actual}
