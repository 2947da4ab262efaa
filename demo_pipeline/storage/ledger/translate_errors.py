"""The guard's refusals as errors of the domain.

SQLSTATEs of class ``DP`` are raised by the functions of schema ``demo`` and by nothing else. Failures
that a retry may cure (serialization, deadlock) and all others pass as psycopg raises them.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from psycopg import Error

from demo_pipeline.domain.core.errors import (
    BusyError,
    DemoError,
    InputError,
    JobFailedError,
    NotADemoTenantError,
)

NOT_A_DEMO: Final = "DP001"
COMPLETED: Final = "DP002"
HELD: Final = "DP003"
EXISTS: Final = "DP004"
OUT_OF_STATE: Final = "DP005"
UNREADABLE: Final = "DP006"
_LOCK_TIMEOUT: Final = "55P03"


@contextmanager
def explained() -> Generator[None]:
    """Run statements; what the guard refuses is raised as the domain's error of that kind.

    The transaction is aborted then, as after any error; roll it back.
    """
    try:
        yield
    except Error as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from error


def _refusal(error: Error) -> DemoError | None:
    message = error.diag.message_primary or str(error)
    match error.sqlstate:
        case "DP001":
            return NotADemoTenantError(message)
        case "DP002" | "DP005" | "DP006":
            return JobFailedError(message)
        case "DP003":
            return BusyError(message)
        case "DP004":
            return InputError(message)
        case "55P03":
            return BusyError("a row of the tenant was locked for longer than the lock timeout; try again")
        case _:
            return None
