"""One job of one tenant, from the request to the report: the way that every change takes.

The order keeps the promises: hold the tenant, select the job, open an attempt, run the data transaction
(``transaction``), report. An error before the commit leaves no row and marks the attempt failed. What jobs of
one kind do is given by their use case (``job_run`` says how).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final, Protocol, TypeVar
from uuid import UUID

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from demo_pipeline.domain.core.errors import BusyError, DemoError, InterruptedJobError
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.services.jobs.events import Event
from demo_pipeline.services.jobs.failures import as_demo_error, of_job
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.jobs.steps import (
    AnotherTryError,
    JobCaller,
    JobRun,
    JobSelection,
    recorded_report,
)
from demo_pipeline.services.jobs.tenant_context import find_tenant_context, find_tenant_id
from demo_pipeline.services.jobs.transaction import run_transaction
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import instant_of
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.job_ledger import AttemptHandle, JobRequest
from demo_pipeline.storage.ledger.tenants import hold_tenant

_Result = TypeVar("_Result")
#: Tries of a step that another session's work made fail.
_TRIES: Final = 8
#: of a step that others' work made fail
_COLLISIONS: Final = (errors.SerializationFailure, errors.DeadlockDetected)
_UNKNOWN: Final = "the ledger cannot be reached to confirm it; run it again, which is safe"


class ReportOf(Protocol):
    """The report of a completed job."""

    def __call__(self, run: JobRun, job_id: UUID, *, already_applied: bool) -> JobReport: ...


def run_job(
    database: Database,
    settings: Settings,
    slug: str,
    kind: JobKind,
    select: Callable[[JobRun], JobSelection | UUID],
    caller: JobCaller | None = None,
    report: ReportOf = recorded_report,
) -> JobReport:
    """Do one request. ``select`` returns the job to run, or the id of the job that fulfilled it before.

    Raises ``InputError``, ``BusyError``, ``NotADemoTenantError``, ``VerificationError``,
    ``JobFailedError``, ``InterruptedJobError``; each leaves no row of the job in the database.
    """
    try:
        with database.loader() as conn:
            as_of = instant_of(conn, settings)
            tenant_id = find_tenant_id(conn, settings, slug, kind)
            if not job_ledger.admit_request(conn, tenant_id, settings.rate_per_tenant, settings.rate_total):
                raise BusyError(
                    f"more than {settings.rate_per_tenant} requests a minute for {slug}, or "
                    f"{settings.rate_total} in all; wait a minute, or raise DEMO_RATE_PER_TENANT or "
                    "DEMO_RATE_TOTAL",
                    {"tenant": slug},
                )
            with hold_tenant(conn, tenant_id, settings.wait_seconds, slug):
                # Only now no other job can change it.
                context = find_tenant_context(conn, settings, slug, kind)
                run = JobRun(
                    database=database,
                    settings=settings,
                    conn=conn,
                    context=context,
                    as_of=as_of,
                    caller=caller or JobCaller(),
                )
                return _repeated(lambda: _run(run, kind, select, report), AnotherTryError)
    except AnotherTryError as error:
        message = f"{slug} kept changing under the job: {error}; run it again once people pause"
        raise BusyError(message, {"tenant": slug}) from error
    except psycopg.Error as error:
        raise as_demo_error(error, database, has_begun=False) from error


def _repeated(step: Callable[[], _Result], *passing: type[Exception]) -> _Result:
    """The result of ``step``, which is tried again after a passing error."""
    for _ in range(_TRIES - 1):
        try:
            return step()
        except passing:
            continue
    return step()


def _run(
    run: JobRun, kind: JobKind, select: Callable[[JobRun], JobSelection | UUID], report: ReportOf
) -> JobReport:
    selection = select(run)
    if isinstance(selection, UUID):
        _record_duplicate(run, kind, selection)
        return report(run, selection, already_applied=True)
    request = replace(
        selection.request,
        requested_by=run.caller.requested_by,
        dagster_run_id=run.caller.dagster_run_id,
    )
    selection = replace(selection, request=request)
    attempt = _Attempt(run, request)
    try:
        attempt.open(selection.beside)
        handle = attempt.handle
        if handle is None:
            _record_duplicate(run, kind, request.job_id)
            return report(run, request.job_id, already_applied=True)
        run.record(Event.JOB_STARTED, request.job_id, kind=request.kind, attempt=handle.attempt)
        done = _repeated(
            lambda: run_transaction(run, selection, handle.number, attempt.beside),
            *_COLLISIONS,
        )
    except AnotherTryError as error:
        attempt.fail(BusyError(str(error)))
        raise
    except BaseException as error:
        failure = as_demo_error(error, run.database, has_begun=attempt.handle is not None)
        ending = attempt.fail(failure)
        if ending is None:
            raise failure from error
        if ending is not Ending.COMMITTED:
            if ending is Ending.UNKNOWN:
                failure = replace(failure, message=f"{failure.message} ({_UNKNOWN})")
            run.record(
                Event.JOB_FAILED,
                request.job_id,
                kind=request.kind,
                code=failure.code,
                message=failure.message,
            )
            raise of_job(failure, request.job_id) from error
        run.record(Event.JOB_COMPLETED, request.job_id, kind=request.kind)
        if isinstance(failure, InterruptedJobError):
            message = f"interrupted after the commit: job {request.job_id} is completed"
            raise InterruptedJobError(message) from error
        return report(run, request.job_id, already_applied=False)
    run.record(Event.JOB_COMPLETED, request.job_id, kind=request.kind, created=dict(done.created))
    return done


def _record_duplicate(run: JobRun, kind: JobKind, job_id: UUID) -> None:
    """The job was completed before. A patch that is requested again is audited: it is a watched figure."""
    run.record(Event.IDEMPOTENCY_DETECTED, job_id)
    if kind is JobKind.PATCH:
        tenant = run.tenant
        detail = {"requested_by": run.caller.requested_by}
        event = Event.IDEMPOTENCY_DETECTED.value
        job_ledger.audit(
            run.conn, event, tenant_id=tenant.tenant_id, slug=tenant.slug, job_id=job_id, detail=detail
        )


class Ending(Enum):
    """How an attempt ended whose transaction raised an error."""

    FAILED = auto()
    #: only the answer to the commit was lost
    COMMITTED = auto()
    #: the ledger cannot be reached
    UNKNOWN = auto()


@dataclass
class _Attempt:
    """One attempt at a job in the ledger: opened before the data transaction, closed after an error."""

    run: JobRun
    request: JobRequest
    #: None: not open, because the job is completed, or not yet
    handle: AttemptHandle | None = None
    #: the blueprint's job that is registered with it, and its number
    beside: tuple[JobRequest, int] | None = None

    def open(self, beside: JobRequest | None) -> None:
        """Register ``beside`` and open the attempt, in one short transaction."""
        conn = self.run.conn
        with conn.transaction():
            if beside is not None:
                self.beside = beside, job_ledger.register_job(conn, beside)
            # Set before the commit: its answer may be lost.
            self.handle = job_ledger.begin_job(conn, self.request)

    def fail(self, failure: DemoError) -> Ending | None:
        """Mark an open attempt failed, and find out how it really ended; None: it was not open.

        On a new connection where the old one is closed or within a transaction: the server waits for what
        is left of the old session.
        """
        if self.handle is None:
            return None
        run, request = self.run, self.request
        end = (run.tenant.tenant_id, request.job_id, self.handle.attempt, failure.code, failure.message)
        try:
            if not run.conn.closed and run.conn.info.transaction_status == TransactionStatus.IDLE:
                is_failed = job_ledger.fail_job(run.conn, *end)
            else:
                run.conn.close()
                with run.database.loader() as conn:
                    is_failed = job_ledger.fail_job(conn, *end)
            with run.database.admin(readonly=True) as conn:
                status = "failed" if is_failed else job_ledger.get_job(conn, request.job_id).status
        except (psycopg.Error, DemoError):
            # The next job of the tenant finds this one running without a session, and marks it failed.
            return Ending.UNKNOWN
        return Ending.COMMITTED if status == "completed" else Ending.FAILED
