"""One job of one tenant, from its beginning to its end: the way that every change takes.

The order is what keeps the promises: hold the tenant, choose the job, open it, then in one REPEATABLE READ
transaction claim, do the work, verify, finish, commit. Whatever goes wrong before the commit leaves no row.
What a kind of job does within its transaction is a ``Work``; it lives in a module of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto
from itertools import chain
from time import monotonic
from typing import Any, Final, Protocol
from uuid import UUID

import psycopg
from psycopg import IsolationLevel, errors
from psycopg.pq import TransactionStatus

from demo_pipeline.domain.core.errors import (
    BusyError,
    DemoError,
    InterruptedJobError,
    JobFailedError,
    VerificationError,
)
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.verification import after_change, mismatches
from demo_pipeline.services.jobs.events import Event, record
from demo_pipeline.services.jobs.failures import as_demo_error, of_job
from demo_pipeline.services.jobs.progress import OnProgress, Progress
from demo_pipeline.services.jobs.report import (
    FirstJob,
    JobReport,
    MadeFirst,
    MonthResult,
    report_of,
    whole_report,
)
from demo_pipeline.services.jobs.tenant_context import TenantContext, find_tenant_context, find_tenant_id
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import instant_of
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.job_ledger import Begun, JobRequest
from demo_pipeline.storage.ledger.tenants import MonthState, hold_tenant
from demo_pipeline.storage.rows import integrity
from demo_pipeline.storage.rows.kpis import all_figures
from demo_pipeline.storage.rows.load import Batches, Load, encoded, load, prefetched

#: Tries of the data transaction when PostgreSQL asks for another (serialization, deadlock).
_TRIES: Final = 4
_UNKNOWN: Final = "the ledger cannot be reached to confirm it; run it again, which is safe"

Connection = psycopg.Connection[Any]
FiguresByMonth = Mapping[Month, Figures]


@dataclass(frozen=True, kw_only=True)
class JobCaller:
    """Who asks for a job, and how they are told."""

    requested_by: str | None = None
    dagster_run_id: str | None = None
    on_progress: OnProgress | None = None


@dataclass(frozen=True, kw_only=True)
class JobSelection:
    """Which job a request is."""

    request: JobRequest
    #: the request is done already, by this job
    done: UUID | None = None
    #: the blueprint's job whose rows this one makes on its way
    beside: JobRequest | None = None
    #: its number within the tenant, once it is registered
    beside_number: int | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a work did in its transaction."""

    #: figures when its own change began
    before: FiguresByMonth
    #: what it changed since then
    change: FiguresByMonth
    results: Mapping[Month, tuple[Figures, Figures]] = field(
        default_factory=dict[Month, tuple[Figures, Figures]]
    )
    created: Mapping[str, int] = field(default_factory=dict[str, int])
    #: the blueprint's rows that are in the database now
    loaded: Iterable[MonthState] = ()
    #: what it changes of what is expected
    recorded: FiguresByMonth = field(default_factory=dict[Month, Figures])
    #: None: no job of the blueprint was claimed beside
    made_first: MadeFirst | None = None
    #: kept with the job
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])
    notes: tuple[str, ...] = ()


class AnotherTryError(Exception):
    """What was found in the transaction is not what the job was opened for: choose and begin again."""


class Work(Protocol):
    """What one kind of job does."""

    @property
    def kind(self) -> str: ...

    def select(self, run: JobRun) -> JobSelection:
        """The job that the request is, while the tenant is held; refusals come from here."""
        ...

    def execute(self, run: JobRun, selection: JobSelection, number: int) -> Outcome:
        """The work itself, after the claim. ``number`` is the job's within its tenant."""
        ...

    def standing(self, run: JobRun, job_id: UUID, *, already_applied: bool) -> JobReport:
        """The report of a job that is completed."""
        ...


def run_job(database: Database, settings: Settings, slug: str, work: Work, caller: JobCaller) -> JobReport:
    """Do one request.

    Raises ``InputError``, ``BusyError``, ``NotADemoTenantError``, ``VerificationError``,
    ``JobFailedError``, ``InterruptedJobError``; each leaves no row of the job in the database.
    """
    try:
        with database.loader() as conn:
            as_of = instant_of(conn, settings)
            tenant_id = find_tenant_id(conn, settings, slug, work.kind)
            if not job_ledger.admit_request(conn, tenant_id, settings.rate_per_tenant, settings.rate_total):
                raise BusyError(
                    f"more than {settings.rate_per_tenant} requests a minute for {slug}, or "
                    f"{settings.rate_total} in all; wait a minute, or raise DEMO_RATE_PER_TENANT or "
                    "DEMO_RATE_TOTAL",
                    {"tenant": slug},
                )
            with hold_tenant(conn, tenant_id, settings.wait_seconds, slug):
                # Only now, when nobody else changes it.
                context = find_tenant_context(conn, settings, slug, work.kind)
                return JobRun(database, settings, conn, context, as_of, caller).run(work)
    except psycopg.Error as error:
        raise as_demo_error(error, database, has_begun=False) from error


class Ending(Enum):
    """How an attempt ended whose transaction raised an error."""

    FAILED = auto()
    #: only the answer to the commit was lost
    COMMITTED = auto()
    #: the ledger cannot be reached
    UNKNOWN = auto()


class JobRun:
    """One request of one tenant, while its scheduling lock is held."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        conn: Connection,
        context: TenantContext,
        as_of: datetime,
        caller: JobCaller,
    ) -> None:
        self.database, self.settings, self.conn = database, settings, conn
        self.context, self.as_of = context, as_of
        self.tenant = context.state.tenant
        self.currency = context.spec.currency
        self._asker = caller
        self._started = monotonic()
        self._progress: Progress | None = None

    @property
    def seconds(self) -> float:
        """Since the tenant was held."""
        return monotonic() - self._started

    def recorded_report(self, job_id: UUID, *, already_applied: bool) -> JobReport:
        """The report of a completed job, as it was recorded when it was done."""
        with self.database.admin(readonly=True) as conn:
            job = job_ledger.get_job(conn, job_id)
        return report_of(job, self.currency, already_applied=already_applied, seconds=self.seconds)

    def run(self, work: Work) -> JobReport:
        """The whole job."""
        for attempt in range(1, _TRIES + 1):
            try:
                return self._run(work)
            except AnotherTryError as error:
                if attempt == _TRIES:
                    raise JobFailedError(f"{self.tenant.slug} changed under the job: {error}") from error
        raise AssertionError

    def _run(self, work: Work) -> JobReport:
        selection = work.select(self)
        if selection.done is not None:
            self._record_done(selection.done)
            return work.standing(self, selection.done, already_applied=True)
        request = replace(
            selection.request,
            requested_by=self._asker.requested_by,
            dagster_run_id=self._asker.dagster_run_id,
        )
        selection = replace(selection, request=request)
        begun: Begun | None = None
        try:
            with self.conn.transaction():
                if selection.beside is not None:
                    number = job_ledger.register_job(self.conn, selection.beside)
                    selection = replace(selection, beside_number=number)
                begun = job_ledger.begin_job(self.conn, request)
            if begun is None:
                self._record_done(request.job_id)
                return work.standing(self, request.job_id, already_applied=True)
            self._record(Event.JOB_STARTED, request, attempt=begun.attempt)
            report = self._attempts(work, selection, begun)
        except AnotherTryError as error:
            if begun is not None:
                self._end(request, begun, JobFailedError(str(error)))
            raise
        except BaseException as error:
            failure = as_demo_error(error, self.database, has_begun=begun is not None)
            if begun is None:
                raise failure from error
            ending = self._end(request, begun, failure)
            if ending is not Ending.COMMITTED:
                if ending is Ending.UNKNOWN:
                    failure = replace(failure, message=f"{failure.message} ({_UNKNOWN})")
                self._record(Event.JOB_FAILED, request, code=failure.code, message=failure.message)
                raise of_job(failure, request.job_id) from error
            self._record(Event.JOB_COMPLETED, request)
            if isinstance(failure, InterruptedJobError):
                message = f"interrupted after the commit: job {request.job_id} is completed"
                raise InterruptedJobError(message) from error
            return work.standing(self, request.job_id, already_applied=False)
        self._record(Event.JOB_COMPLETED, request, created=dict(report.created))
        return report

    def _attempts(self, work: Work, selection: JobSelection, begun: Begun) -> JobReport:
        """The data transaction, again where PostgreSQL could not serialise it."""
        for attempt in range(1, _TRIES + 1):
            try:
                return self._transaction(work, selection, begun)
            except (errors.SerializationFailure, errors.DeadlockDetected):
                if attempt == _TRIES:
                    raise
        raise AssertionError

    def _transaction(self, work: Work, selection: JobSelection, begun: Begun) -> JobReport:
        request, beside = selection.request, selection.beside
        self.conn.isolation_level = IsolationLevel.REPEATABLE_READ
        with self.conn.transaction():
            job_ledger.claim_job(
                self.conn, self.tenant.tenant_id, request.job_id, beside.job_id if beside else None
            )
            with Progress(self.database, request.job_id, self._asker.on_progress) as self._progress:
                outcome = work.execute(self, selection, begun.number)
                self._progress.tell(96, "verifying", is_due=True)
            after = self.figures()
            self.verify(request, outcome.before, outcome.change, after)
            results = tuple(
                MonthResult(
                    month=month,
                    expected=expected,
                    before=outcome.before.get(month, Figures()),
                    target=target,
                    after=after.get(month, Figures()),
                )
                for month, (expected, target) in sorted(outcome.results.items())
            )
            seconds = round(self.seconds, 3)
            first = FirstJob.of(beside, outcome.made_first)
            metrics = {"created": dict(outcome.created), "seconds": seconds, **outcome.metrics}
            job_ledger.finish_job(
                self.conn,
                request.job_id,
                before=self._json(outcome.before),
                after=self._json(after),
                diff={str(result.month): result.to_json(self.currency) for result in results},
                metrics=metrics if first is None else metrics | first.to_json(self.currency),
                months=outcome.loaded,
                changes=outcome.recorded,
                blueprint_metrics=(
                    None if first is None else {"created": dict(first.part.created), "seconds": seconds}
                ),
                currency=self.currency,
            )
        if self._asker.on_progress is not None:
            self._asker.on_progress(100, "committed")
        report = JobReport(
            job_id=request.job_id,
            tenant=self.tenant.slug,
            kind=request.kind,
            currency=self.currency,
            already_applied=False,
            created=outcome.created,
            months=results,
            hidden=outcome.metrics.get("hidden", {}),
            shown=outcome.metrics.get("shown", {}),
            seconds=self.seconds,
            notes=outcome.notes,
        )
        return whole_report(report, first)

    def figures(self) -> dict[Month, Figures]:
        """The tenant's figures now, within the transaction."""
        return all_figures(self.conn, self.tenant.tenant_id, self.currency)

    def expect_rows(self, count: int) -> None:
        """So many more rows are to be loaded: for the progress that is shown."""
        if self._progress is not None:
            self._progress.expect(count)

    def making(self, *stages: Batches) -> AbstractContextManager[Iterator[Load]]:
        """Begin to make rows, beside whatever is done meanwhile; for :meth:`load_made`.

        A stage is loaded while the next one is made.
        """
        loads = (encoded(batches, self.settings.batch_rows) for batches in stages)
        return prefetched(chain.from_iterable(loads))

    def load(self, batches: Batches, job_id: UUID) -> dict[str, int]:
        """Put rows of the claimed tenant in, under a claimed job. Table → rows."""
        with self.making(batches) as loads:
            return self.load_made(loads, job_id)

    def load_made(self, loads: Iterable[Load], job_id: UUID) -> dict[str, int]:
        """:meth:`load` of rows that are being made."""
        created = dict[str, int]()
        for rows in loads:
            self.check_deadline()
            for table, count in load(self.conn, self.tenant.tenant_id, job_id, rows):
                created[table] = created.get(table, 0) + count
                if self._progress is not None:
                    self._progress.add(count, f"loading {table}")
        self.check_deadline()
        return created

    def check_deadline(self) -> None:
        limit = self.settings.job_timeout_seconds
        if self.seconds > limit:
            raise JobFailedError(
                f"the job took longer than {limit:g} s and was rolled back; "
                "raise DEMO_JOB_TIMEOUT_SECONDS or ask for fewer months at once"
            )

    def verify(
        self, request: JobRequest, before: FiguresByMonth, change: FiguresByMonth, after: FiguresByMonth
    ) -> None:
        """The gate: figures moved by exactly what was to be loaded; the job's own rows fit each other."""
        wrong = mismatches(after_change(before, change), after)
        now, first = self.as_of, self.context.spec.start_month.start
        broken = integrity.violations(self.conn, self.tenant.tenant_id, now, first, job_id=request.job_id)
        if not wrong and not broken:
            return
        lines = [mismatch.describe(self.currency) for mismatch in wrong]
        lines += [f"{item.count:,} {item.table}: not true that {item.rule}" for item in broken]
        self._record(Event.KPI_VERIFICATION_FAILED, request, findings=lines[:50])
        raise VerificationError(
            f"{len(lines)} checks failed before the commit, everything was rolled back: "
            + "; ".join(lines[:10]),
            {"findings": lines, "mismatches": [item.to_json(self.currency) for item in wrong]},
        )

    def _json(self, figures: FiguresByMonth) -> dict[str, Any]:
        return {str(month): one.to_json(self.currency) for month, one in figures.items()}

    def _end(self, request: JobRequest, begun: Begun, failure: DemoError) -> Ending:
        """Write the end of the attempt down, and find out what it was: an answer may have been lost.

        On a new connection where the old one is gone or amid something; it waits for what is left of the
        old session.
        """
        end = (self.tenant.tenant_id, request.job_id, begun.attempt, failure.code, failure.message)
        try:
            if not self.conn.closed and self.conn.info.transaction_status == TransactionStatus.IDLE:
                is_failed = job_ledger.fail_job(self.conn, *end)
            else:
                self.conn.close()
                with self.database.loader() as conn:
                    is_failed = job_ledger.fail_job(conn, *end)
            with self.database.admin(readonly=True) as conn:
                status = "failed" if is_failed else job_ledger.get_job(conn, request.job_id).status
        except (psycopg.Error, DemoError):
            # The next job of the tenant finds this one running and nobody at it, and marks it failed.
            return Ending.UNKNOWN
        return Ending.COMMITTED if status == "completed" else Ending.FAILED

    def _record_done(self, job_id: UUID) -> None:
        record(
            self.settings,
            Event.IDEMPOTENCY_DETECTED,
            tenant=self.tenant.slug,
            job_id=job_id,
            duration_seconds=round(self.seconds, 3),
        )

    def _record(self, event: Event, request: JobRequest, **fields: Any) -> None:
        record(
            self.settings,
            event,
            tenant=self.tenant.slug,
            job_id=request.job_id,
            kind=request.kind,
            duration_seconds=round(self.seconds, 3),
            **fields,
        )
