"""Connections: which database, as whom, with which session settings.

Belongs here: ``Database`` (the two logins of one CRM database), its pool, its checks (version, encoding, what
the loader may be) and errors that a person can act on. URLs and passwords appear in no message. Does not
belong here: SQL of any use case, schema (``services.platform.ready_database`` sees to that).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from demo_pipeline.domain.core.errors import DatabaseError
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.connecting import (
    USED_UP_SECONDS,
    apply_settings,
    bad_url,
    connect,
    plain_url,
)
from demo_pipeline.storage.connection.poolers import is_answered
from demo_pipeline.storage.embedded.binaries import MINIMUM_MAJOR
from demo_pipeline.storage.embedded.server import ensure_running

ADMIN_VARIABLE = "DEMO_DATABASE_URL"
LOADER_VARIABLE = "DEMO_LOADER_URL"
DAGSTER_VARIABLE = "DEMO_DAGSTER_URL"
LOADER_ROLE = "demo_loader"
#: A session that is silent for longer amid a transaction has lost its job.
_LEAST_IDLE_SECONDS = 60
#: with a given server, before the loader's login exists
MAKE_LOADER = (
    "CREATE ROLE demo_job LOGIN PASSWORD '...'; GRANT demo_loader TO demo_job; "
    "then set DEMO_LOADER_URL to postgresql://demo_job:PASSWORD@HOST:PORT/DATABASE"
)

#: Planner settings of every session that may write rows of tenants. The definer functions have the same.
_WRITING: Final = {
    # Cached plans of foreign-key checks would go on scanning a table that was tiny once.
    "enable_seqscan": "off",
    # Once the tables are analysed, a tenant that is new to the statistics looks as if it had no rows, and
    # foreign-key checks would take any index that begins with the tenant: every check would read all of the
    # tenant's rows (60,000 rows took 359 s instead of 7). A plan that does not look at the value takes the
    # primary key.
    "plan_cache_mode": "force_generic_plan",
}
_LOADER_CHECK = """
SELECT r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolreplication,
       coalesce((SELECT array_agg(o.rolname::text ORDER BY o.rolname)
                 FROM pg_catalog.pg_roles o
                 WHERE o.oid <> r.oid AND pg_catalog.pg_has_role(r.oid, o.oid, 'MEMBER')), '{}'),
       pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database(), 'TEMPORARY')
FROM pg_catalog.pg_roles r
WHERE r.rolname = session_user
"""


class ConnectionPool:
    """Idle connections by URL, until it is closed. Threads may share it.

    A new connection costs ten to twenty milliseconds, and as much again until its server process has read the
    catalog.
    """

    def __init__(self) -> None:
        self._idle: dict[str, list[psycopg.Connection]] = {}
        self._is_closed = False
        self._lock = Lock()

    def take(self, url: str) -> psycopg.Connection | None:
        """An idle connection, the one used last; it may have been cut meanwhile. None: there is none."""
        with self._lock:
            idle = self._idle.get(url)
            return idle.pop() if idle else None

    def give_back(self, url: str, conn: psycopg.Connection) -> None:
        """Keep a connection; one that is amid a transaction, or broken, is closed instead."""
        with self._lock:
            if not self._is_closed and conn.info.transaction_status == TransactionStatus.IDLE:
                self._idle.setdefault(url, []).append(conn)
                return
        conn.close()

    def close(self) -> None:
        """Close those that are idle now, and those that are given back later."""
        with self._lock:
            self._is_closed = True
            idle = [conn for conns in self._idle.values() for conn in conns]
            self._idle.clear()
        for conn in idle:
            conn.close()


@dataclass(frozen=True, kw_only=True)
class Database:
    """One CRM database and the ways in. Made by ``open_database``."""

    #: for migration, adoption, administration and, read-only, for looking
    admin_url: str = field(repr=False)
    #: for jobs; None: not given, and jobs refuse
    loader_url: str | None = field(default=None, repr=False)
    #: Dagster's own database, for SQLAlchemy; None: not given (``dagster_storage_url`` finds one)
    dagster_url: str | None = field(default=None, repr=False)
    is_embedded: bool = False
    #: for one statement
    statement_timeout_seconds: float = 600
    #: for a row or table lock
    lock_timeout_seconds: float = 10
    #: idle connections (:meth:`pooled`); None: each use has a connection of its own
    pool: ConnectionPool | None = field(default=None, repr=False, compare=False)

    @contextmanager
    def pooled(self) -> Generator[Database]:
        """The same database, whose connections are used again until the end, and closed then.

        For several uses in a row. A connection that ended with an error is not used again. Within another
        use of this method, its connections are shared, and closed at its end.
        """
        if self.pool is not None:
            yield self
            return
        pool = ConnectionPool()
        try:
            yield replace(self, pool=pool)
        finally:
            pool.close()

    @contextmanager
    def admin(self, *, readonly: bool = False) -> Generator[psycopg.Connection]:
        """A connection of the administrator, given back at the end; autocommit, UTC.

        ``readonly``: every transaction is read-only. Raises ``DatabaseError``.
        """
        settings = self._session_settings()
        settings["default_transaction_read_only"] = "on" if readonly else "off"
        if not readonly:
            settings |= _WRITING

        def prepare(conn: psycopg.Connection) -> None:
            _check_server(conn)
            apply_settings(conn, settings)

        with self._connected(self.admin_url, ADMIN_VARIABLE, "demo-pipeline admin", prepare) as conn:
            yield conn

    @contextmanager
    def snapshot(self) -> Generator[psycopg.Connection]:
        """One view of the data for several reads: a read-only REPEATABLE READ transaction; see ``admin``."""
        with self.admin(readonly=True) as conn:
            conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with conn.transaction():
                yield conn

    @contextmanager
    def loader(self) -> Generator[psycopg.Connection]:
        """A connection of the login that jobs use, given back at the end; autocommit, UTC.

        Raises ``DatabaseError``, also for a login that may do more than a loader may.
        """
        if self.loader_url is None:
            raise DatabaseError(
                f"{LOADER_VARIABLE} is not set, and jobs do not run as the administrator: after "
                f"'demo-pipeline db upgrade' make a login for them: {MAKE_LOADER}"
            )
        settings = self._session_settings()
        settings |= _WRITING
        settings |= {
            "default_transaction_read_only": "off",
            # Between two statements rows are made: that may take longer than any statement should.
            "idle_in_transaction_session_timeout": _milliseconds(
                max(self.statement_timeout_seconds, _LEAST_IDLE_SECONDS)
            ),
        }

        def prepare(conn: psycopg.Connection) -> None:
            _check_server(conn)
            _check_loader(conn)
            apply_settings(conn, settings)
            _notice_killed_client(conn)

        with self._connected(self.loader_url, LOADER_VARIABLE, "demo-pipeline loader", prepare) as conn:
            yield conn

    @contextmanager
    def _connected(
        self, url: str, variable: str, application_name: str, prepare: Callable[[psycopg.Connection], None]
    ) -> Generator[psycopg.Connection]:
        """A pooled connection that still answers, or a new one; ``prepare`` is done to either."""
        with ExitStack() as stack:
            conn = self._pooled_connection(url, prepare)
            if conn is None:
                conn = stack.enter_context(
                    connect(
                        url,
                        variable=variable,
                        application_name=application_name,
                        is_embedded=self.is_embedded,
                    )
                )
                prepare(conn)
            else:
                stack.enter_context(conn)
            yield conn
            if self.pool is not None:
                self.pool.give_back(url, conn)
                # Not closed, as it is after an error, once that is rolled back.
                stack.pop_all()

    def _pooled_connection(
        self, url: str, prepare: Callable[[psycopg.Connection], None]
    ) -> psycopg.Connection | None:
        while self.pool is not None and (conn := self.pool.take(url)) is not None:
            with suppress(psycopg.Error), ExitStack() as stack:
                stack.callback(conn.close)
                # What a use may have set for its session, before it is set again.
                conn.isolation_level = None
                conn.execute("SET ROLE NONE; RESET ALL")
                prepare(conn)
                stack.pop_all()
                return conn
            # Cut while it was idle, by a server that was restarted, say.
        return None

    def _session_settings(self) -> dict[str, str]:
        return {
            "statement_timeout": _milliseconds(self.statement_timeout_seconds),
            "lock_timeout": _milliseconds(self.lock_timeout_seconds),
        }


def open_database(settings: Settings) -> Database:
    """The database that the settings name; starts the embedded server where they name none.

    Connects to nothing else. Raises ``DatabaseError``, and ``InputError`` for a variable that is wrong.
    """
    if settings.database_url is None:
        if settings.loader_url is not None:
            raise bad_url(
                LOADER_VARIABLE,
                f"is set and {ADMIN_VARIABLE} is not: set both for a server of your own, or neither for the "
                "embedded one",
            )
        endpoint = ensure_running(settings.home)
        admin_url, loader_url = endpoint.admin_url, endpoint.loader_url
        dagster_url = settings.dagster_url or endpoint.dagster_url
    else:
        admin_url = plain_url(settings.database_url, ADMIN_VARIABLE)
        loader_url = settings.loader_url and plain_url(settings.loader_url, LOADER_VARIABLE)
        dagster_url = settings.dagster_url
    if dagster_url is not None:
        dagster_url = _for_dagster(plain_url(dagster_url, DAGSTER_VARIABLE), admin_url)
    return Database(
        admin_url=admin_url,
        loader_url=loader_url or None,
        dagster_url=dagster_url,
        is_embedded=settings.database_url is None,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        lock_timeout_seconds=settings.lock_timeout_seconds,
    )


def dagster_storage_url(settings: Settings) -> str:
    """SQLAlchemy URL for ``dagster_postgres``: ``DEMO_DAGSTER_URL``, else the embedded server's.

    With a given CRM server and no ``DEMO_DAGSTER_URL`` Dagster keeps its runs in the embedded server.
    Raises as ``open_database`` does.
    """
    if settings.database_url is None or settings.dagster_url is not None:
        url = open_database(settings).dagster_url
        if url is not None:
            return url
    return _for_dagster(ensure_running(settings.home).dagster_url, "")


def check_dagster_database(url: str) -> None:
    """Connect once as Dagster will, for an error that says what to do.

    Raises ``DatabaseError``, and ``InputError`` for a pooler that gives sessions to others.
    """
    connect(
        plain_url(url, DAGSTER_VARIABLE),
        variable=DAGSTER_VARIABLE,
        application_name="demo-pipeline check",
        is_embedded=False,
    ).close()


@contextmanager
def beside(conn: psycopg.Connection[Any]) -> Generator[psycopg.Connection]:
    """Another connection of the same login, closed at the end; autocommit, and it may write.

    For what must stay written down where ``conn`` is read-only, or is rolled back. Raises ``psycopg.Error``,
    also where a pooler has no server connection for it.
    """
    options: dict[str, Any] = {**conn.info.get_parameters(), "password": conn.info.password or None}
    with psycopg.connect(autocommit=True, **options) as other:
        # A pool of one is used up by ``conn``, and the pooler would keep this one waiting for minutes.
        if not is_answered(other, USED_UP_SECONDS):
            raise psycopg.OperationalError("the pooler has no free server connection for one more session")
        apply_settings(other)
        yield other


def _for_dagster(url: str, admin_url: str) -> str:
    """``postgresql://`` alone would be psycopg 3 to SQLAlchemy 2.1; dagster_postgres needs psycopg2."""
    if admin_url and _address(url) == _address(admin_url):
        raise bad_url(
            DAGSTER_VARIABLE,
            f"and {ADMIN_VARIABLE} name the same database: give Dagster one of its own "
            "(CREATE DATABASE dagster)",
        )
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)


def _address(url: str) -> tuple[Any, ...]:
    parts = conninfo_to_dict(url)
    host = parts.get("host") or "localhost"
    return (
        "127.0.0.1" if host == "localhost" else host,
        str(parts.get("port") or 5432),
        parts.get("dbname") or parts.get("user"),
    )


def _milliseconds(seconds: float) -> str:
    # 0 would mean no limit.
    return str(max(1, round(seconds * 1000)))


def _notice_killed_client(conn: psycopg.Connection) -> None:
    """Without this a killed job's INSERT … SELECT goes on to its end. Some platforms cannot."""
    try:
        conn.execute("SET client_connection_check_interval = '1s'")
    except (psycopg.errors.InvalidParameterValue, psycopg.errors.UndefinedObject):
        return


def _check_server(conn: psycopg.Connection) -> None:
    if conn.info.server_version < MINIMUM_MAJOR * 10_000:
        version = conn.info.parameter_status("server_version")
        raise DatabaseError(
            f"the server is PostgreSQL {version}, and {MINIMUM_MAJOR} or newer is needed: "
            "upgrade it, or name another"
        )
    encoding = conn.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise DatabaseError(
            f"the database's encoding is {encoding}, and UTF8 is needed: "
            "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
        )


def _check_loader(conn: psycopg.Connection) -> None:
    """A loader that may do more is refused: the database's own guards would not hold for it."""
    row = conn.execute(_LOADER_CHECK).fetchone()
    if row is None:
        raise DatabaseError(f"the login of {LOADER_VARIABLE} is no role of its server: {MAKE_LOADER}")
    *powers, roles, may_stage = row
    names = ("SUPERUSER", "BYPASSRLS", "CREATEROLE", "REPLICATION")
    held = [name for name, is_held in zip(names, powers, strict=True) if is_held]
    if held:
        raise DatabaseError(
            f"the login of {LOADER_VARIABLE} has {' and '.join(held)}, "
            f"which a loader must not have: {MAKE_LOADER}"
        )
    others = [role for role in roles if role != LOADER_ROLE]
    if others:
        raise DatabaseError(
            f"the login of {LOADER_VARIABLE} is also a member of {', '.join(others)}; "
            f"it must be a member of {LOADER_ROLE} and of nothing else: {MAKE_LOADER}"
        )
    if LOADER_ROLE not in roles:
        raise DatabaseError(
            f"the login of {LOADER_VARIABLE} is not a member of {LOADER_ROLE}: "
            f"run 'demo-pipeline db upgrade', then GRANT {LOADER_ROLE} TO it"
        )
    if not may_stage:
        raise DatabaseError(
            f"the login of {LOADER_VARIABLE} may not make temporary tables, through which rows are loaded: "
            "run 'demo-pipeline db upgrade', or have the database's owner run "
            f'GRANT TEMPORARY ON DATABASE "{conn.info.dbname}" TO {LOADER_ROLE}'
        )
