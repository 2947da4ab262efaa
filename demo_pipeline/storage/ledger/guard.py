"""Calls of the guard's functions; their refusals become errors of the domain.

SQLSTATEs of class ``DP`` are raised by the functions of schema ``demo`` and by nothing else. Failures
that a retry may cure (serialization, deadlock) and all others pass as psycopg raises them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import Connection, Error, sql
from psycopg.types.json import Jsonb

from demo_pipeline.domain.core.errors import (
    BusyError,
    DemoError,
    InputError,
    JobFailedError,
    NotADemoTenantError,
)


def call(conn: Connection[Any], function: str, *arguments: object) -> tuple[Any, ...] | None:
    """The first row that a function of schema ``demo`` returns; mappings are passed as ``jsonb``.

    A refusal of the guard is raised as the domain's error. The transaction is aborted then, as after any
    error; roll it back.
    """
    statement = sql.SQL("select * from demo.{}({})").format(
        sql.Identifier(function), sql.SQL(", ").join([sql.Placeholder()] * len(arguments))
    )
    values = [Jsonb(value) if isinstance(value, Mapping) else value for value in arguments]
    try:
        return conn.execute(statement, values).fetchone()
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
        # completed, out of state, unreadable
        case "DP002" | "DP005" | "DP006":
            return JobFailedError(message)
        # held
        case "DP003":
            return BusyError(message)
        # exists
        case "DP004":
            return InputError(message)
        # lock timeout
        case "55P03":
            return BusyError("a row of the tenant was locked for longer than the lock timeout; try again")
        case _:
            return None
