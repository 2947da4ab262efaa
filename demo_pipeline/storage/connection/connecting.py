"""One connection from one URL, with the settings that statements rely on, or an error with a remedy.

Belongs here: reading a URL; the settings of a session; putting libpq's complaint into one line without the
password. An operator of a shared server sets defaults for logins and databases (ALTER ROLE, ALTER DATABASE)
with other programs in mind. Each connection sets what could break or change ours to PostgreSQL's own default.
What only costs time (work_mem, costs, parallelism) and what decides on durability (synchronous_commit) stays
the operator's. Does not belong here: which URL (``database``).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from demo_pipeline.domain.core.errors import DatabaseError, InputError, Problem
from demo_pipeline.storage.connection.masking import masked
from demo_pipeline.storage.connection.poolers import PoolMode, find_pool_mode, has_pooler, is_answered

CONNECT_SECONDS = 10
#: for a server connection of a pool that was used up by one session
USED_UP_SECONDS = 3
RECOVERY_SECONDS = 20
EXAMPLE = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
#: URL → what was found out about its pool; None: no pooler
_pool_modes: dict[str, PoolMode | None] = {}
_RECOVERING = re.compile(r"the database system is (?:starting up|in recovery mode|not yet accepting)")
_UNREACHABLE = re.compile(
    "connection refused|timeout|timed out|could not translate|failed to resolve|no route|no such file"
)
_SCHEME = re.compile(r"^(?:postgres|postgresql)(?:\+[a-z0-9_]+)?://", re.IGNORECASE)

#: first the role: the others are set as the login
BASE: Final[Mapping[str, str]] = {
    "role": "none",
    "search_path": '"$user", public',
    # rights and rules
    "row_security": "on",
    "check_function_bodies": "on",
    "transform_null_equals": "off",
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "array_nulls": "on",
    "quote_all_identifiers": "off",
    # transactions and time limits
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    # texts
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "xmlbinary": "base64",
    "xmloption": "content",
    # storage
    "default_tablespace": "",
    "temp_tablespaces": "",
    "default_table_access_method": "heap",
    # plans
    "plan_cache_mode": "auto",
    "constraint_exclusion": "partition",
    "enable_bitmapscan": "on",
    "enable_hashagg": "on",
    "enable_hashjoin": "on",
    "enable_indexonlyscan": "on",
    "enable_indexscan": "on",
    "enable_material": "on",
    "enable_mergejoin": "on",
    "enable_nestloop": "on",
    "enable_seqscan": "on",
    "enable_sort": "on",
    # Where the server can, compiling took three quarters of verify: many expressions, few rows.
    "jit": "off",
}
#: set where the server knows them: of newer versions, or of minor releases
_SOME_SERVERS: Final[Mapping[str, str]] = {
    "transaction_timeout": "0",
    "createrole_self_grant": "",
    "restrict_nonsystem_relation_kind": "",
}
_SET_IF_KNOWN: Final = (
    "CASE WHEN pg_catalog.current_setting(%s, true) IS NOT NULL THEN pg_catalog.set_config(%s, %s, false) END"
)
#: only a superuser sets it, and with it neither triggers nor foreign keys hold
_REPLICATION_ROLE: Final = "session_replication_role"


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
        # and another program on the port must not get the password.
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
                raise _translated(error, parts, variable) from None
        else:
            break
        time.sleep(0.1)
    try:
        if is_embedded:
            pass
        elif url not in _pool_modes:
            _pool_modes[url] = _pool_mode(
                conn, lambda: psycopg.connect(url, autocommit=True, **options), variable
            )
        elif (mode := _pool_modes[url]) is not None:
            _check_answered(conn, parts, mode)
        apply_settings(conn)
    except psycopg.Error as error:
        conn.close()
        raise _translated(error, parts, variable) from None
    except BaseException:
        conn.close()
        raise
    return conn


def _pool_mode(
    conn: psycopg.Connection, open_another: Callable[[], psycopg.Connection], variable: str
) -> PoolMode | None:
    """Once for a URL and process, and before anything is set or locked; None: no pool.

    Raises ``InputError`` for a pool in transaction or statement mode.
    """
    if not has_pooler(conn):
        return None
    mode = find_pool_mode(conn, open_another)
    if mode is not PoolMode.SHARED:
        return mode
    message = (
        f"{variable} leads through a connection pooler in transaction or statement mode: session settings "
        "and the lock of a tenant would stay on a server connection that other clients use next; name the "
        "server itself, or a pool in session mode"
    )
    raise InputError(message, [Problem(code="transaction_pooler", field=variable, message=message)])


def _check_answered(conn: psycopg.Connection, parts: dict[str, Any], mode: PoolMode) -> None:
    """A pooler accepts a client that it has no server connection for, and keeps it waiting for minutes."""
    if is_answered(conn, USED_UP_SECONDS if mode is PoolMode.USED_UP else CONNECT_SECONDS):
        return
    raise DatabaseError(
        f"the pooler at {parts.get('host') or 'localhost'}:{parts.get('port') or 5432} has no free server "
        "connection for one more session: try again later, or raise its pool_size"
    )


def _translated(error: psycopg.Error, parts: dict[str, Any], variable: str) -> DatabaseError:
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
    if _UNREACHABLE.search(lowered):
        return DatabaseError(
            f"no PostgreSQL answers at {place}: start it, or correct {variable} "
            "(without it the embedded server is used)"
        )
    return DatabaseError(f"PostgreSQL at {place} cannot be used by user {user}: {said}: correct {variable}")


def apply_settings(conn: psycopg.Connection[Any], settings: Mapping[str, str] | None = None) -> None:
    """Set ``BASE``, changed by ``settings``, in one round trip.

    Raises ``DatabaseError`` for a setting of the login or the database that a session cannot take back.
    """
    wanted = {**BASE, **(settings or {})}
    calls = ["pg_catalog.set_config(%s, %s, false)"] * len(wanted)
    calls += [_SET_IF_KNOWN] * len(_SOME_SERVERS)
    values = [text for pair in wanted.items() for text in pair]
    values += [text for name, value in _SOME_SERVERS.items() for text in (name, name, value)]
    row = conn.execute(
        f"SELECT pg_catalog.current_setting(%s), session_user, {', '.join(calls)}".encode(),
        [_REPLICATION_ROLE, *values],
    ).fetchone()
    assert row is not None
    if row[0] != "origin":
        raise DatabaseError(
            f"{_REPLICATION_ROLE} is {row[0]} for user {row[1]}, so neither triggers nor foreign keys would "
            f'hold: have a superuser run ALTER ROLE "{row[1]}" RESET {_REPLICATION_ROLE} (and the same for '
            "ALTER DATABASE, if it is set there)"
        )
