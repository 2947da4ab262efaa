"""Brings a database to a revision of the schema, and says at which it is.

Each revision runs in a transaction of its own with a short lock timeout; migrations of one database wait
for each other. A downgrade that would lose rows is refused unless told to discard them. Backups, and
starting a server, do not belong here.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg import Connection, errors
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection as EngineConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from demo_pipeline.domain.errors import BusyError, DatabaseError, DemoError, InputError
from demo_pipeline.storage.revision import known_revisions

_MIGRATIONS: Final = Path(__file__).resolve().parent / "migrations"
_BOOTSTRAP: Final = _MIGRATIONS / "sql" / "bootstrap.sql"
_OLDEST_SERVER: Final = 150_000
#: seconds that a migration waits for another one of the same database
_WAIT_SECONDS: Final = 120
#: Roles belong to the server: migrations of two of its databases may meet there.
_TRIES: Final = 5
_SHARED_CATALOG_CLASHES: Final = (errors.InternalError_, errors.UniqueViolation, errors.DuplicateObject)


def upgrade(url: str, revision: str = "head") -> None:
    """Upgrade the database at ``url`` (libpq) to ``revision``; nothing happens when it is there already.

    Makes missing roles and grants them to the login, which must own the database or be a superuser.
    Raises :class:`DatabaseError` with the remedy when the server or the login does not allow it.
    """
    with _connected(url) as connection:
        _bootstrap(connection)
        _run(connection, "upgrade", revision)


def downgrade(url: str, revision: str, *, discard: bool = False) -> None:
    """Downgrade to ``revision`` (``base``: to nothing).

    Raises :class:`InputError` when rows would be lost, unless ``discard``. Roles are never dropped.
    """
    with _connected(url) as connection:
        _bootstrap(connection)
        script = _script()
        current = _driver(connection).execute("select version_num from demo.alembic_version").fetchone()
        _known_revision(script, revision)
        if current is not None:
            _target(known_revisions(), current[0], revision)
        if current is not None and not discard:
            _refuse_to_lose_rows(_driver(connection), current[0], revision)
        connection.commit()
        _run(connection, "downgrade", revision)


@cache
def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _known_revision(script: ScriptDirectory, revision: str) -> None:
    if revision == "base" or revision.startswith("-"):
        return
    try:
        script.get_revision(revision)
    except CommandError:
        known = ", ".join(["base", *(item.revision for item in script.walk_revisions())])
        raise InputError(f"there is no revision {revision!r}; there are {known}") from None


@contextmanager
def _connected(url: str) -> Generator[EngineConnection]:
    # A creator, so that every libpq URL works, sockets and several hosts included.
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(url, application_name="demo-pipeline migrate"),
        poolclass=NullPool,
    )
    try:
        with engine.connect() as connection:
            raw = _driver(connection)
            if raw.info.server_version < _OLDEST_SERVER:
                version = raw.info.server_version // 10_000
                raise DatabaseError(f"the server is PostgreSQL {version}; 15 or newer is needed")
            raw.execute("select set_config('lock_timeout', %s, false)", [f"{_WAIT_SECONDS}s"])
            raw.execute("select pg_advisory_lock(hashtextextended('demo-pipeline migrate', 0))")
            connection.commit()
            yield connection
    except (psycopg.Error, DBAPIError) as error:
        raise _explained(error) from error


def _driver(connection: EngineConnection) -> Connection[Any]:
    raw = connection.connection.driver_connection
    assert isinstance(raw, Connection)  # the engine above makes no other
    return cast("Connection[Any]", raw)


def _bootstrap(connection: EngineConnection) -> None:
    script = _BOOTSTRAP.read_bytes()
    for left in reversed(range(_TRIES)):
        try:
            _driver(connection).execute(script)
            connection.commit()
        except _SHARED_CATALOG_CLASHES:
            connection.rollback()
            if not left:
                raise
            time.sleep(0.2)
        else:
            return


def _run(connection: EngineConnection, direction: str, revision: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    run = command.upgrade if direction == "upgrade" else command.downgrade
    try:
        run(config, revision)
        connection.commit()
    except CommandError as error:
        _known_revision(_script(), revision)
        raise DatabaseError(f"cannot {direction} to {revision}: {error}") from error


#: what would be lost, and how it is counted, by the first revision that a downgrade leaves behind
_LOSSES: Final[dict[str, tuple[tuple[str, bytes], ...]]] = {
    "0001": (
        ("tenants", b"select count(*) from crm.tenants"),
        ("demo tenants", b"select count(*) from demo.tenant_metadata"),
        ("jobs", b"select count(*) from demo.job_ledger"),
        ("audit entries", b"select count(*) from demo.audit_log"),
    ),
    "0002": (("recorded changes of patches", b"select count(*) from demo.job_months"),),
}


def _refuse_to_lose_rows(conn: Connection[Any], current: str, revision: str) -> None:
    """Every revision from ``current`` down to ``revision``, which stays, is asked what it would lose."""
    line = known_revisions()
    target = _target(line, current, revision)
    counts: dict[str, int] = {}
    for left in line[target + 1 : line.index(current) + 1]:
        for name, statement in _LOSSES[left]:
            row = conn.execute(statement).fetchone()
            if row is not None and row[0]:
                counts[name] = row[0]
    if counts:
        found = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise InputError(
            f"a downgrade to {revision} would drop {found}: keep them with demo-pipeline db backup FILE "
            "first, then discard them with --discard"
        )


def _target(line: tuple[str, ...], current: str, revision: str) -> int:
    """Place in the line of the revision that is meant, -1 for none at all."""
    if revision == "base":
        return -1
    if revision.startswith("-"):
        steps = revision[1:]
        if not steps.isdecimal() or int(steps) > line.index(current) + 1:
            raise InputError(
                f"{revision} is not so many revisions back: the database has {line.index(current) + 1}, "
                "the furthest is base"
            )
        return line.index(current) - int(steps)
    return line.index(revision)


def _explained(error: psycopg.Error | DBAPIError) -> DemoError:
    cause = error.orig if isinstance(error, DBAPIError) else error
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    if isinstance(cause, errors.LockNotAvailable):
        return BusyError(
            f"the database is in use: {lines[0]}; nothing was changed, try again when it is quiet"
        )
    if isinstance(cause, errors.InsufficientPrivilege):
        return DatabaseError(
            f"the login may not migrate this database ({lines[0]}); it must own the database and have "
            "CREATEROLE, or be granted demo_owner, demo_guard, demo_loader, crm_reader and crm_views by "
            "who made them"
        )
    return DatabaseError(f"the database refused: {lines[0]}")
