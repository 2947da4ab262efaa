"""One connection from one URL, and what to tell a person when there is none.

Belongs here: reading a URL and putting libpq's complaint into one line with a remedy and without the
password. Does not belong here: which URL (``database``).
"""

from __future__ import annotations

import logging
import re
import time
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from demo_pipeline.domain.errors import DatabaseError
from demo_pipeline.storage.masking import masked

CONNECT_SECONDS = 10
RECOVERY_SECONDS = 20
EXAMPLE = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
_RECOVERING = re.compile(r"the database system is (?:starting up|in recovery mode|not yet accepting)")
_SCHEME = re.compile(r"^(?:postgres|postgresql)(?:\+[a-z0-9_]+)?://", re.IGNORECASE)


def _is_worth_telling(record: logging.LogRecord) -> bool:
    """Not that a connection which an interrupt found amid a statement could not roll back: it is closed."""
    return not str(record.msg).startswith("error ignored in rollback")


for _name in ("psycopg", "psycopg.transaction"):
    logging.getLogger(_name).addFilter(_is_worth_telling)


def plain_url(url: str, variable: str) -> str:
    """``url`` as libpq reads it: ``postgresql://``, without SQLAlchemy's driver.

    Raises ``DatabaseError`` that names ``variable`` and does not quote the URL.
    """
    match = _SCHEME.match(url.strip())
    if match is not None:
        plain = "postgresql://" + url.strip()[match.end() :]
        if _is_sound(plain):
            return plain
    # libpq's own complaint would quote parts of the URL, the password maybe.
    raise DatabaseError(
        f"{variable} is no PostgreSQL URL: write {EXAMPLE}, "
        "special characters of the password percent-encoded"
    )


def _is_sound(url: str) -> bool:
    """Whether libpq reads ``url`` as its writer meant: a raw @ or / in a password would move the borders."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return False
    places = f"{parts.get('host') or ''}{parts.get('dbname') or ''}"
    return "@" not in places and re.fullmatch(r"[\d,]*", str(parts.get("port") or "")) is not None


def connect(url: str, *, variable: str, application_name: str, is_embedded: bool) -> psycopg.Connection:
    """Open ``url`` in autocommit. ``variable`` is named in errors. Raises ``DatabaseError``."""
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
            return psycopg.connect(url, autocommit=True, **options)
        except psycopg.Error as error:
            # After a crash of one of its processes a server is back in a moment.
            if not _RECOVERING.search(str(error)) or time.monotonic() > deadline:
                raise _explained(error, parts, variable) from None
        time.sleep(0.1)


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
    if "no pg_hba.conf entry" in lowered or "permission denied for database" in lowered:
        return DatabaseError(
            f"PostgreSQL at {place} does not let user {user} into database {database}: "
            f"allow it (pg_hba.conf, GRANT CONNECT), or correct {variable}"
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
