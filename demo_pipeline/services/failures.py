"""Why a job failed, as an error that a user may see: what happened, and what may help.

Belongs here: the sorting of what a driver, PostgreSQL or a person's interruption raises inside a job.
Does not: writing the end of the job down, or showing it.
"""

from __future__ import annotations

import psycopg
from psycopg import errors

from demo_pipeline.domain.errors import DemoError, InterruptedJobError, JobFailedError
from demo_pipeline.settings import Settings


def as_demo_error(error: BaseException, settings: Settings) -> DemoError:
    """What went wrong in a job, as an error of ours; one of ours stays as it is."""
    match error:
        case DemoError():
            return error
        case KeyboardInterrupt():
            return InterruptedJobError("interrupted; everything was rolled back")
        case errors.QueryCanceled():
            limit = settings.statement_timeout_seconds
            return JobFailedError(
                f"a statement took longer than {limit:g} s (statement timeout); the job was rolled "
                "back; raise DEMO_STATEMENT_TIMEOUT_SECONDS or lower DEMO_BATCH_ROWS"
            )
        case psycopg.OperationalError():
            return JobFailedError(f"the connection failed and the job was rolled back: {_first_line(error)}")
        case psycopg.Error():
            return JobFailedError(
                f"PostgreSQL refused a row and the job was rolled back: {_first_line(error)}"
            )
        case _:
            return JobFailedError(f"{type(error).__name__}: {_first_line(error)}; the job was rolled back")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
