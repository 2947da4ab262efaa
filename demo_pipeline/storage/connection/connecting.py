"""One connection from one URL, and what to tell a person when there is none.

Belongs here: reading a URL and putting libpq's complaint into one line with a remedy and without the
password. Does not belong here: which URL (``database``).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from demo_pipeline.domain.core.errors import DatabaseError, InputError, Problem
from demo_pipeline.storage.connection.masking import masked
from demo_pipeline.storage.connection.pooling import Pool, has_pooler, is_answered, look_at_pool
from demo_pipeline.storage.connection.session_settings import apply_settings

CONNECT_SECONDS = 10
#: for a server connection of a pool that was used up by one session
USED_UP_SECONDS = 3
RECOVERY_SECONDS = 20
EXAMPLE = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
#: URL → what was found out about its pool; None: no pooler
_pools: dict[str, Pool | None] = {}
_RECOVERING = re.compile(r"the database system is (?:starting up|in recovery mode|not yet accepting)")
_SCHEME = re.compile(r"^(?:postgres|postgresql)(?:\+[a-z0-9_]+)?://", re.IGNORECASE)


def _is_worth_reporting(record: logging.LogRecord) -> bool:
    """False for a failed rollback on a connection that an interrupt broke: it is closed anyway."""
    return not str(record.msg).startswith("error ignored in rollback")


def plain_url(url: str, variable: str) -> str:
    """``url`` as libpq reads it: ``postgresql://``, without SQLAlchemy's driver.

    Raises ``InputError`` that names ``variable`` and does not quote the URL.
    """
    match = _SCHEME.match(url.strip())
    if match is not None:
        plain = "postgresql://" + url.strip()[match.end() :]
        if unknown := _unknown_parameters(plain):
            raise bad_url(
                variable,
                "has parameters that are of another client and not of PostgreSQL's libpq: "
                f"{', '.join(unknown)}; remove them from the URL",
            )
        if _is_sound(plain):
            return plain
    # libpq's own complaint would quote parts of the URL, the password maybe.
    raise bad_url(
        variable,
        f"is not a PostgreSQL URL: write {EXAMPLE}, special characters of the password percent-encoded",
    )


def bad_url(variable: str, message: str) -> InputError:
    """The error for a URL variable that is wrong before anything is connected to; quotes no URL."""
    problem = Problem(code="bad_setting", field=variable, message=message)
    return InputError(f"{variable} {message}", [problem])


def _unknown_parameters(url: str) -> list[str]:
    """Names of what follows the ``?`` that libpq would refuse; values may be secrets."""
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    # libpq takes JDBC's word for sslmode=require.
    return [
        name
        for name, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True)
        if name not in {*known, "ssl"}
    ]


def _is_sound(url: str) -> bool:
    """Whether libpq reads ``url`` as its writer meant: a raw @ or / in a password would move the borders."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return False
    places = f"{parts.get('host') or ''}{parts.get('dbname') or ''}"
    return "@" not in places and re.fullmatch(r"[\d,]*", str(parts.get("port") or "")) is not None


def connect(url: str, *, variable: str, application_name: str, is_embedded: bool) -> psycopg.Connection:
    """Open ``url`` in autocommit. ``variable`` is named in errors.

    Raises ``DatabaseError``, and ``InputError`` for a pooler that would give the session's process to others.
    """
    for name in ("psycopg", "psycopg.transaction"):
        logging.getLogger(name).addFilter(_is_worth_reporting)
    parts = conninfo_to_dict(url)
    options: dict[str, Any] = {
        "application_name": application_name,
        "client_encoding": "utf8",
        "connect_timeout": parts.get("connect_timeout") or CONNECT_SECONDS,
    }
    if is_embedded:
        # PG* variables of the caller must not send this elsewhere,
        # nor a stranger on the port be told the password.
        options |= {
            "hostaddr": "127.0.0.1",
            "sslmode": "disable",
            "gssencmode": "disable",
            "require_auth": "scram-sha-256",
            "options": "",
        }
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        try:
            conn = psycopg.connect(url, autocommit=True, **options)
        except psycopg.Error as error:
            # After a crash of one of its processes a server is back in a moment.
            if not _RECOVERING.search(str(error)) or time.monotonic() > deadline:
                raise _explained(error, parts, variable) from None
        else:
            break
        time.sleep(0.1)
    try:
        if is_embedded:
            pass
        elif url not in _pools:
            _pools[url] = _pool_of(conn, lambda: psycopg.connect(url, autocommit=True, **options), variable)
        elif (pool := _pools[url]) is not None:
            _check_answered(conn, parts, pool)
        apply_settings(conn)
    except psycopg.Error as error:
        conn.close()
        raise _explained(error, parts, variable) from None
    except BaseException:
        conn.close()
        raise
    return conn


def _pool_of(
    conn: psycopg.Connection, open_another: Callable[[], psycopg.Connection], variable: str
) -> Pool | None:
    """Once for a URL and process, and before anything is set or locked; None: no pool.

    Raises ``InputError`` for a pool in transaction or statement mode.
    """
    if not has_pooler(conn):
        return None
    pool = look_at_pool(conn, open_another)
    if pool is not Pool.SHARED:
        return pool
    message = (
        f"{variable} leads through a connection pooler in transaction or statement mode: session settings "
        "and the lock of a tenant would stay on a server connection that other clients use next; name the "
        "server itself, or a pool in session mode"
    )
    raise InputError(message, [Problem(code="transaction_pooler", field=variable, message=message)])


def _check_answered(conn: psycopg.Connection, parts: dict[str, Any], pool: Pool) -> None:
    """A pooler accepts a client that it has no server connection for, and keeps it waiting for minutes."""
    if is_answered(conn, USED_UP_SECONDS if pool is Pool.USED_UP else CONNECT_SECONDS):
        return
    raise DatabaseError(
        f"the pooler at {parts.get('host') or 'localhost'}:{parts.get('port') or 5432} has no free server "
        "connection for one more session: try again later, or raise its pool_size"
    )


def _explained(error: psycopg.Error, parts: dict[str, Any], variable: str) -> DatabaseError:
    said = " ".join(str(error).split())
    said = masked(said, [str(parts.get("password") or "")])
    user = parts.get("user") or "(the operating system's user)"
    place = f"{parts.get('host') or 'localhost'}:{parts.get('port') or 5432}"
    database = parts.get("dbname") or user
    lowered = said.lower()
    if "password authentication failed" in lowered or "no password supplied" in lowered:
        return DatabaseError(
            f"PostgreSQL at {place} does not accept the password of user {user}: correct it in {variable}"
        )
    if re.search(r'database ".*" does not exist', lowered):
        return DatabaseError(
            f"there is no database {database} on PostgreSQL at {place}: create it "
            f'(CREATE DATABASE "{database}"), or correct {variable}'
        )
    if re.search(r'role ".*" does not exist', lowered):
        return DatabaseError(
            f"there is no user {user} on PostgreSQL at {place}: create it, or correct {variable}"
        )
    if "permission denied for database" in lowered:
        return DatabaseError(
            f"PostgreSQL at {place} does not let user {user} into database {database}: have its owner run "
            f'GRANT CONNECT ON DATABASE "{database}" TO "{user}", or correct {variable}'
        )
    if "no pg_hba.conf entry" in lowered:
        return DatabaseError(
            f"PostgreSQL at {place} does not let user {user} into database {database}: "
            f"allow it in pg_hba.conf, or correct {variable}"
        )
    if "too many clients" in lowered or "remaining connection slots" in lowered:
        return DatabaseError(
            f"PostgreSQL at {place} has no free connection: try again later, or raise max_connections"
        )
    if (
        any(
            part in lowered
            for part in (
                "connection refused",
                "timeout",
                "timed out",
                "could not translate",
                "failed to resolve",
                "no route",
            )
        )
        or "no such file" in lowered
    ):
        return DatabaseError(
            f"no PostgreSQL answers at {place}: start it, or correct {variable} "
            "(without it the embedded server is used)"
        )
    return DatabaseError(f"PostgreSQL at {place} cannot be used by user {user}: {said}: correct {variable}")
