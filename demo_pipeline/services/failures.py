"""Why a job failed, as an error that a user may see: what happened, and what may help.

Belongs here: the sorting of what a driver, PostgreSQL or a person's interruption raises inside a job.
Does not: writing the end of the job down, or showing it.
"""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import errors

from demo_pipeline.domain.errors import DemoError, InterruptedJobError, JobFailedError
from demo_pipeline.settings import Settings

#: SQLSTATE classes of a connection that is gone: connection exception, operator intervention.
_GONE: Final = ("08", "57")


def as_demo_error(error: BaseException, settings: Settings) -> DemoError:
    """What went wrong in a job, as an error of ours; one of ours stays as it is."""
    match error:
        case DemoError():
            return error
        case KeyboardInterrupt():
            return InterruptedJobError("interrupted; everything was rolled back")
        case errors.QueryCanceled() if "statement timeout" in str(error):
            limit = settings.statement_timeout_seconds
            return JobFailedError(
                f"a statement took longer than {limit:g} s (statement timeout); the job was rolled "
                "back; raise DEMO_STATEMENT_TIMEOUT_SECONDS or lower DEMO_BATCH_ROWS"
            )
        case errors.LockNotAvailable():
            limit = settings.lock_timeout_seconds
            return JobFailedError(
                f"another session held a row for longer than {limit:g} s (lock timeout); the job was rolled "
                "back; run it again, or raise DEMO_LOCK_TIMEOUT_SECONDS"
            )
        case psycopg.IntegrityError():
            return JobFailedError(
                f"PostgreSQL refused a row and the job was rolled back: {_first_line(error)}"
            )
        case psycopg.OperationalError() if error.sqlstate is None or error.sqlstate[:2] in _GONE:
            return JobFailedError(f"the connection failed and the job was rolled back: {_first_line(error)}")
        case psycopg.Error():
            return JobFailedError(f"PostgreSQL ended the job, it was rolled back: {_first_line(error)}")
        case _:
            return JobFailedError(f"{type(error).__name__}: {_first_line(error)}; the job was rolled back")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
