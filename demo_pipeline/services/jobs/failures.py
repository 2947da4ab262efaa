"""Why a job failed, as an error that a user may see: what happened, and what may help.

Belongs here: the sorting of what a driver, PostgreSQL or a person's interruption raises inside a job.
Does not: writing the end of the job down, or showing it.
"""

from __future__ import annotations

from typing import Final, TypeVar
from uuid import UUID

import psycopg
from psycopg import errors

from demo_pipeline.domain.core.errors import (
    BusyError,
    DatabaseError,
    DemoError,
    InterruptedJobError,
    JobFailedError,
)
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.connection.masking import masked

_Error = TypeVar("_Error", bound=DemoError)

#: SQLSTATE classes of a connection that failed: connection exception, operator intervention.
_GONE: Final = ("08", "57")
#: Those, and what other sessions hold or use up: transaction rollback, resources, locks.
_PASSING: Final = (*_GONE, "40", "53", "55P03")


def as_demo_error(error: BaseException, database: Database, *, has_begun: bool) -> DemoError:
    """What went wrong with a job, as an error of ours; one of ours stays as it is.

    ``has_begun``: an attempt was opened, whose rows are rolled back now.
    """
    if isinstance(error, DemoError):
        return error
    end = "the job was rolled back" if has_begun else "the job was not started"
    if _was_interrupted(error):
        return InterruptedJobError(f"interrupted; {end}")
    reason = _first_line(error)
    match error:
        case errors.QueryCanceled() if "statement timeout" in reason:
            limit = database.statement_timeout_seconds
            return JobFailedError(
                f"a statement took longer than {limit:g} s (statement timeout); {end}; raise "
                "DEMO_STATEMENT_TIMEOUT_SECONDS or lower DEMO_BATCH_ROWS"
            )
        case errors.QueryCanceled():
            return JobFailedError(f"an administrator cancelled the statement; {end}: {reason}")
        case errors.LockNotAvailable():
            limit = database.lock_timeout_seconds
            return JobFailedError(
                f"another session held a row for longer than {limit:g} s (lock timeout); {end}; run it "
                "again, or raise DEMO_LOCK_TIMEOUT_SECONDS"
            )
        case errors.SerializationFailure() | errors.DeadlockDetected():
            return BusyError(
                f"people kept editing the same rows through all tries of the job; {end}; run it again "
                "once they pause"
            )
        case psycopg.IntegrityError():
            return JobFailedError(f"PostgreSQL refused a row; {end}: {reason}")
        case psycopg.OperationalError() if error.sqlstate is None or error.sqlstate[:2] in _GONE:
            return JobFailedError(f"the connection failed; {end}: {reason}")
        case psycopg.Error():
            return JobFailedError(f"PostgreSQL ended the job; {end}: {reason}")
        case _:
            return JobFailedError(f"{type(error).__name__}: {reason}; {end}")


def of_job(error: _Error, job_id: UUID) -> _Error:
    """``error`` with the job that it ended, and how that is tried again."""
    error.details["job_id"] = str(job_id)
    if isinstance(error, JobFailedError | InterruptedJobError):
        error.message += retry_text(job_id)
    return error


def retry_text(job_id: object) -> str:
    """How a job is tried again, as the end of a message."""
    return f"; demo-pipeline job retry {job_id} tries it again"


def is_passing(error: DemoError) -> bool:
    """Whether the same request may go well later with nothing changed: busy, or the database away."""
    match error:
        case BusyError() | DatabaseError():
            return True
        case JobFailedError():
            cause = error.__cause__
            if not isinstance(cause, psycopg.OperationalError) or isinstance(cause, errors.QueryCanceled):
                return False
            return cause.sqlstate is None or cause.sqlstate.startswith(_PASSING)
        case _:
            return False


def _was_interrupted(error: BaseException | None) -> bool:
    """An interrupt amid a statement may come out as the driver's error that followed from it."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _first_line(error: BaseException) -> str:
    # It goes into the ledger, reports and pages.
    return masked((str(error).strip().splitlines() or [type(error).__name__])[0])
