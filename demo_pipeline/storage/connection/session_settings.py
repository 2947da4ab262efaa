"""The settings of a session that statements rely on, whatever ALTER ROLE and ALTER DATABASE have set.

An operator of a shared server sets defaults for logins and databases with other programs in mind. Each
connection sets what could break or change ours, to PostgreSQL's own default. What only costs time (work_mem,
costs, parallelism) and what decides on durability (synchronous_commit) stays the operator's. Which URL is
connected to does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import psycopg

from demo_pipeline.domain.core.errors import DatabaseError

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
