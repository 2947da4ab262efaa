"""What a new embedded server holds before any migration: logins and empty databases.

Belongs here: the logins of ``DEMO_DATABASE_URL``, ``DEMO_LOADER_URL`` and ``DEMO_DAGSTER_URL`` on the
embedded server and the databases they use. Idempotent: a bootstrap that was killed is simply done again.
Does not belong here: schema, grants on tables, the other roles (migrations make them).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import psycopg
from psycopg import sql

from demo_pipeline.storage.embedded.home import ADMIN_LOGIN, DAGSTER_LOGIN, LOADER_LOGIN, SUPERUSER

CRM_DATABASE = "crm"
DAGSTER_DATABASE = "dagster"
LOADER_ROLE = "demo_loader"
#: the first that lets a login have a password that is hashed once
_SERVER_WITH_ITERATIONS: Final = 160_000


def server_url(login: str, password: str, port: int, database: str) -> str:
    """The libpq URL of the embedded server, good for any client that speaks TCP."""
    user, secret, name = (quote(part, safe="") for part in (login, password, database))
    return f"postgresql://{user}:{secret}@127.0.0.1:{port}/{name}"


def connect_here(login: str, password: str, port: int, database: str) -> psycopg.Connection:
    """A connection to the embedded server that no PG* variable of the caller can send elsewhere."""
    return psycopg.connect(
        host="127.0.0.1",
        hostaddr="127.0.0.1",
        port=port,
        user=login,
        password=password,
        dbname=database,
        sslmode="disable",
        gssencmode="disable",
        options="",
        client_encoding="utf8",
        connect_timeout=10,
        application_name="demo-pipeline bootstrap",
        autocommit=True,
    )


def bootstrap(port: int, passwords: Mapping[str, str]) -> None:
    """Make what is missing and set all passwords. Raises ``psycopg.Error``."""
    with connect_here(SUPERUSER, passwords[SUPERUSER], port, "postgres") as conn:
        _ensure_login(conn, ADMIN_LOGIN, passwords[ADMIN_LOGIN], "CREATEROLE CREATEDB")
        _ensure_login(conn, DAGSTER_LOGIN, passwords[DAGSTER_LOGIN], "")
        _ensure_database(conn, CRM_DATABASE, ADMIN_LOGIN)
        _ensure_database(conn, DAGSTER_DATABASE, DAGSTER_LOGIN)
        conn.execute("REVOKE ALL ON DATABASE dagster FROM PUBLIC")
    # The admin makes the loader's roles itself: who creates a role may grant it (PostgreSQL 16 and later).
    with connect_here(ADMIN_LOGIN, passwords[ADMIN_LOGIN], port, CRM_DATABASE) as conn:
        if not _role_exists(conn, LOADER_ROLE):
            conn.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(LOADER_ROLE)))
        _ensure_login(conn, LOADER_LOGIN, passwords[LOADER_LOGIN], None)
        conn.execute(
            sql.SQL("GRANT {} TO {}").format(sql.Identifier(LOADER_ROLE), sql.Identifier(LOADER_LOGIN))
        )


def _role_exists(conn: psycopg.Connection, role: str) -> bool:
    return conn.execute("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = %s", [role]).fetchone() is not None


def _ensure_login(conn: psycopg.Connection, login: str, password: str, powers: str | None) -> None:
    """Make or mend a login. ``powers`` None: none, and the creator need not be a superuser."""
    if conn.info.server_version >= _SERVER_WITH_ITERATIONS:
        # Thousands of rounds protect what somebody could guess; ours are random, and every connection of
        # every process would pay 7 ms for them.
        conn.execute("SET scram_iterations = 1")
    # The verifier is computed here, so that no password can reach the server's log.
    verifier = conn.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
    verb = "ALTER" if _role_exists(conn, login) else "CREATE"
    all_powers = "" if powers is None else f"NOSUPERUSER NOBYPASSRLS NOREPLICATION {powers}"
    conn.execute(
        sql.SQL(f"{verb} ROLE {{}} LOGIN {all_powers} PASSWORD {{}}").format(  # type: ignore[arg-type]
            sql.Identifier(login), sql.Literal(verifier)
        )
    )


def _ensure_database(conn: psycopg.Connection, database: str, owner: str) -> None:
    found = conn.execute("SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s", [database]).fetchone()
    if found is None:
        conn.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), sql.Identifier(owner))
        )
