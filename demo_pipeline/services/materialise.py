"""Bring a tenant's months to what its blueprint says: the use case behind every materialisation.

One call is one job and at most one transaction for data. The order is what keeps the promises: hold the
tenant, open the job, then in one REPEATABLE READ transaction claim, snapshot, load, snapshot, verify,
finish, commit. Whatever goes wrong before the commit leaves no row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from time import monotonic
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import IsolationLevel, errors

from demo_pipeline.domain.errors import (
    DemoError,
    InputError,
    JobFailedError,
    Problem,
    VerificationError,
)
from demo_pipeline.domain.identity import job_id as identify
from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.months import Month
from demo_pipeline.domain.verification import Mismatch, after_change, mismatches
from demo_pipeline.services.blueprint_rows import MissingRows, is_as_loaded, missing_rows
from demo_pipeline.services.events import Event, record
from demo_pipeline.services.failures import as_demo_error
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

KIND: Final = "materialise"
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
            months = _range(subject, first, last, as_of)
            with hold_tenant(conn, tenant_id, settings.wait_seconds):
                # Again, now that nobody else changes it.
                subject = find_subject(conn, settings, slug, KIND)
                job = _Job(database, settings, conn, subject, months, as_of, on_progress)
                return job.run(requested_by, dagster_run_id)
    except psycopg.Error as error:
        raise as_demo_error(error, settings) from error


def _range(subject: Subject, first: Month | None, last: Month | None, as_of: datetime) -> tuple[Month, Month]:
    """The months asked for, checked; the default ends with the span or what was ever loaded beyond it."""
    spec, running = subject.spec, Month.containing(as_of)
    start = first or spec.start_month
    end = last or max(start, min(running, max((spec.end_month, *subject.state.months))))
    problems: list[Problem] = []
    for month in sorted({start, end}):
        if month < spec.start_month:
            message = f"{month} is before the first month of {spec.slug}; begin with {spec.start_month}"
            problems.append(Problem(code="before_span", month=str(month), message=message))
        elif month > running:
            message = f"{month} lies in the future; the last month that has begun is {running}"
            problems.append(Problem(code="future_month", month=str(month), message=message))
    if end < start:
        message = f"the range ends ({end}) before it begins ({start})"
        problems.append(Problem(code="empty_range", month=str(start), message=message))
    if problems:
        raise InputError("; ".join(problem.message for problem in problems), problems)
    return start, end


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
        request, is_done = self._request()
        if is_done:
            record(
                self._settings, Event.IDEMPOTENCY_DETECTED, tenant=self._tenant.slug, job_id=request.job_id
            )
            return self._already(request.job_id)
        request = replace(request, requested_by=requested_by, dagster_run_id=dagster_run_id)
        with self._conn.transaction():
            begun = ledger.begin_job(self._conn, request)
        if begun is None:
            return self._already(request.job_id)
        self._record(Event.JOB_STARTED, request, attempt=begun.attempt)
        try:
            report = self._attempts(request)
        except BaseException as error:
            failure = as_demo_error(error, self._settings)
            if not self._is_committed(request, begun, failure):
                self._record(Event.JOB_FAILED, request, code=failure.code, message=failure.message)
                raise failure from error
            report = replace(self._already(request.job_id), already_applied=False)
        self._record(Event.JOB_COMPLETED, request, seconds=report.seconds, created=dict(report.created))
        return report

    def _request(self) -> tuple[JobRequest, bool]:
        """The job that this request is, and whether it was done and still shows its figures."""
        plan = {"from": str(self._first), "to": str(self._last)}
        by_id = {job.job_id: job for job in self._subject.state.jobs}
        ordinal = 0
        while True:
            identity = identify(
                tenant_id=self._tenant.tenant_id,
                incarnation=self._tenant.incarnation,
                kind=KIND,
                plan=plan,
                seed=self._tenant.seed,
                ordinal=ordinal,
            )
            request = JobRequest(
                job_id=identity,
                tenant_id=self._tenant.tenant_id,
                kind=KIND,
                ordinal=ordinal,
                seed=self._tenant.seed,
                plan=plan,
                first_month=self._first,
                last_month=self._last,
                as_of=self._as_of,
            )
            known = by_id.get(identity)
            if known is None or known.status != "completed":
                return request, False
            following = identify(
                tenant_id=self._tenant.tenant_id,
                incarnation=self._tenant.incarnation,
                kind=KIND,
                plan=plan,
                seed=self._tenant.seed,
                ordinal=ordinal + 1,
            )
            if following not in by_id and self._is_as_expected():
                return request, True
            ordinal += 1

    def _is_as_expected(self) -> bool:
        """Whether nothing is missing: what is too much was made by people and is left alone."""
        figures = self._figures_now()
        for month in self._subject.spec.start_month.until(self._last):
            if is_as_loaded(self._subject.state, month, figures, self._as_of):
                continue
            loaded = self._subject.state.months.get(month)
            if loaded is None or not (loaded.is_whole or loaded.loaded_as_of >= self._as_of):
                return False
            surplus = figures.get(month, Figures()) - loaded.figures
            if any(value < 0 for value in vars(surplus).values()):
                return False
        return True

    def _figures_now(self) -> dict[Month, Figures]:
        with self._database.admin(readonly=True) as conn:
            return all_figures(conn, self._tenant.tenant_id, self._subject.spec.minor_digits)

    def _already(self, job_id: UUID) -> JobReport:
        figures = self._figures_now()
        months = tuple(
            MonthResult(
                month=month,
                expected=self._subject.expected(month),
                before=figures.get(month, Figures()),
                after=figures.get(month, Figures()),
            )
            for month in self._first.until(self._last)
        )
        return JobReport(
            job_id=job_id,
            tenant=self._tenant.slug,
            minor_digits=self._subject.spec.minor_digits,
            already_applied=True,
            created={},
            months=months,
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
            missing = missing_rows(conn, spec, self._subject.state, before, self._last, self._as_of)
            with Progress(self._database, request.job_id, missing.row_count, self._on_progress) as progress:
                created = self._load(request, missing, progress)
                progress.tell(96, "verifying")
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
            {"findings": lines, "mismatches": [_mismatch_json(item) for item in wrong]},
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

    def _is_committed(self, request: JobRequest, begun: Begun, failure: DemoError) -> bool:
        """Write the end of the attempt down; True if it turns out that only the answer was lost.

        On a new connection if the old one is gone. It waits for what is left of the old session.
        """
        arguments = (self._tenant.tenant_id, request.job_id, begun.attempt, failure.code, failure.message)
        try:
            if not self._conn.closed:
                return not ledger.fail_job(self._conn, *arguments) and self._is_completed(request.job_id)
            with self._database.loader() as conn:
                return not ledger.fail_job(conn, *arguments) and self._is_completed(request.job_id)
        except (psycopg.Error, DemoError):
            # The next job of the tenant finds this one running and nobody at it, and marks it failed.
            return False

    def _is_completed(self, job_id: UUID) -> bool:
        with self._database.admin(readonly=True) as conn:
            return ledger.get_job(conn, job_id).status == "completed"

    def _record(self, event: Event, request: JobRequest, **fields: Any) -> None:
        record(
            self._settings,
            event,
            tenant=self._tenant.slug,
            job_id=request.job_id,
            duration_seconds=round(monotonic() - self._started, 3),
            **fields,
        )


def _mismatch_json(item: Mismatch) -> dict[str, Any]:
    return {
        "month": str(item.month),
        "metric": item.metric,
        "expected": item.expected,
        "actual": item.actual,
    }
