"""Dagster's own connections: session settings, whatever ALTER ROLE and ALTER DATABASE have set, and a check.

Dagster writes ``CURRENT_TIMESTAMP`` into columns without a time zone and expects to write at any time. Its
engines are made anew within Dagster, so the settings are set where all of them connect: in SQLAlchemy's pool.
No other part of the program connects by this driver. Limits that Dagster itself sets are left alone.

A connection of a pool is checked before it is used, so that a restart of the server fails no run.
"""

from __future__ import annotations

from typing import Any, Final

from psycopg2 import InterfaceError, OperationalError
from psycopg2.extensions import connection as Psycopg2Connection  # noqa: N812 - it is a class
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import Pool

_STATEMENT: Final = """
SELECT pg_catalog.set_config('role', 'none', false),
       pg_catalog.set_config('TimeZone', 'UTC', false),
       pg_catalog.set_config('default_transaction_read_only', 'off', false),
       pg_catalog.set_config('default_transaction_isolation', 'read committed', false),
       pg_catalog.set_config('default_transaction_deferrable', 'off', false),
       pg_catalog.set_config('row_security', 'on', false),
       pg_catalog.set_config('standard_conforming_strings', 'on', false),
       pg_catalog.set_config('transform_null_equals', 'off', false),
       pg_catalog.set_config('quote_all_identifiers', 'off', false)
UNION ALL
SELECT pg_catalog.set_config(s.name, '0', false), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_settings s
WHERE s.name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
                 'idle_session_timeout', 'transaction_timeout')
  AND s.source IN ('user', 'database', 'database user')
"""


def set_dagster_sessions() -> None:
    """From now on each connection of Dagster's driver is prepared and checked; can be repeated."""
    for name, listener in (("connect", _prepare), ("checkout", _check)):
        if not event.contains(Pool, name, listener):
            event.listen(Pool, name, listener)


def _prepare(connection: Any, record: object) -> None:
    del record
    if isinstance(connection, Psycopg2Connection):
        _execute(connection, _STATEMENT)


def _check(connection: Any, record: object, proxy: object) -> None:
    del record, proxy
    if not isinstance(connection, Psycopg2Connection):
        return
    try:
        _execute(connection, "SELECT 1")
    except (OperationalError, InterfaceError) as error:
        # The pool answers it with a new connection.
        raise DisconnectionError from error


def _execute(connection: Psycopg2Connection, statement: str) -> None:
    before = connection.autocommit
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        if not connection.closed:
            connection.autocommit = before
