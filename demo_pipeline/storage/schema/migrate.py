"""Brings a database to a revision of the schema.

An upgrade executes what its plan says; a downgrade executes the ``down.sql`` of each revision that it leaves,
and is refused where rows would be lost, unless they are to be discarded. Each step has all tables for itself
for a moment (``busy_tables``). Migrations of one database wait for each other. Backups, adopting a CRM and
starting a server do not belong here.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import Connection, errors, sql

from demo_pipeline.domain.core.errors import BusyError, DatabaseError, InputError
from demo_pipeline.storage.connection.connecting import connect
from demo_pipeline.storage.connection.database import ADMIN_VARIABLE
from demo_pipeline.storage.schema.busy_tables import busy_tables
from demo_pipeline.storage.schema.revisions import (
    BOOTSTRAP,
    MIGRATIONS,
    Step,
    UpgradePlan,
    check_is_known,
    current_revision,
    find_revision,
    known_revisions,
    plan_upgrade,
    write_version,
)

_OLDEST_SERVER: Final = 150_000
#: for another migration of the same database
_WAIT_SECONDS: Final = 120
#: in the comment on schema crm, where it was there before the demo tenants
ADOPTED_MARK: Final = "adopted by demo-pipeline"
#: Roles belong to the server: migrations of two of its databases may meet there.
_TRIES: Final = 5
_SHARED_CATALOG_CLASHES: Final = (errors.InternalError_, errors.UniqueViolation, errors.DuplicateObject)


def upgrade(url: str, revision: str = "head") -> None:
    """Upgrade the database at ``url`` (libpq) to ``revision``; nothing happens when it is there already.

    Makes missing roles and grants them to the login, which must own the database or be a superuser.
    Raises :class:`DatabaseError` with the remedy when the server or the login does not allow it, and
    :class:`BusyError`, which names the sessions in the way, when a lock could not be had.
    """
    target = known_revisions()[-1] if revision == "head" else find_revision(revision)
    with connected(url) as conn:
        _refuse_a_foreign_crm(conn)
        _bootstrap(conn)
        _check_database_rights(conn)
        current = current_revision(conn)
        check_is_known(current)
        _execute(url, conn, (step for one in plan_upgrade(current, target).revisions for step in one.steps))


def plan(url: str) -> UpgradePlan:
    """What :func:`upgrade` would execute at ``url``; reads the database's revision and nothing else."""
    with connected(url, is_alone=False) as conn:
        conn.execute("SET default_transaction_read_only = on")
        current = current_revision(conn)
        if current is None:
            _refuse_a_foreign_crm(conn)
        check_is_known(current)
        return plan_upgrade(current, known_revisions()[-1])


def downgrade(url: str, revision: str, *, discard: bool = False) -> None:
    """Downgrade to ``revision`` (``base``: to nothing; ``-1``: to the one before).

    Raises :class:`InputError` when rows would be lost, unless ``discard``, and :class:`BusyError` as
    :func:`upgrade` does. Roles are never dropped.
    """
    with connected(url) as conn:
        _bootstrap(conn)
        current = current_revision(conn)
        check_is_known(current)
        line: tuple[str | None, ...] = (None, *known_revisions())
        here = line.index(current)
        target = _target(line, here, revision)
        if target > here:
            raise DatabaseError(f"cannot downgrade to {revision}: the database is at {current or 'base'}")
        if target == 0:
            _refuse_to_drop_an_adopted_crm(conn)
        left = [name for name in line[target + 1 : here + 1] if name is not None]
        if not discard:
            _refuse_to_lose_rows(conn, left, revision)
        steps = (
            Step(statements=(_read(name, "down.sql"), write_version(line[line.index(name) - 1])))
            for name in reversed(left)
        )
        _execute(url, conn, steps)


def _target(line: tuple[str | None, ...], here: int, revision: str) -> int:
    """Place in the line of the revision that is meant; 0: before the first."""
    if revision == "base":
        return 0
    if revision.startswith("-"):
        steps = revision[1:]
        if not steps.isdecimal() or int(steps) > here:
            raise InputError(
                f"{revision} is not so many revisions back: the database has {here}, the furthest is base"
            )
        return here - int(steps)
    return line.index(find_revision(revision))


def _execute(url: str, conn: Connection[Any], steps: Iterable[Step]) -> None:
    with busy_tables(url, conn) as tables:
        for step in steps:
            if step.in_transaction:
                tables.alone(*step.statements, role="demo_owner")
            else:
                tables.beside(*step.statements, role="demo_owner")


def _read(revision: str, name: str) -> str:
    return (MIGRATIONS / revision / name).read_text(encoding="utf-8")


# -- before anything is changed --------------------------------------------------------------------------


def _refuse_a_foreign_crm(conn: Connection[Any]) -> None:
    """A schema ``crm`` that no upgrade made belongs to a CRM: it is for an adoption."""
    found = conn.execute(
        """
        SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'crm')
            AND NOT EXISTS (
                SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'demo' AND c.relname = 'jobs')
        """
    ).fetchone()
    if found == (True,):
        raise DatabaseError(
            "the database has a schema crm of its own: 'demo-pipeline db adopt' says what it takes to put "
            "demo tenants beside its rows"
        )


def _refuse_to_drop_an_adopted_crm(conn: Connection[Any]) -> None:
    found = conn.execute(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = 'crm'"
    ).fetchone()
    if found is not None and ADOPTED_MARK in (found[0] or ""):
        raise InputError(
            "schema crm was there before the demo tenants, and a downgrade to base would drop its tables: "
            f"the furthest is {known_revisions()[0]}"
        )


def _refuse_to_lose_rows(conn: Connection[Any], left: Iterable[str], revision: str) -> None:
    """Count what each revision that is left would lose."""
    counts = [row for name in left for row in conn.execute(_read(name, "losses.sql").encode()) if row[1]]
    if counts:
        found = ", ".join(f"{count:,} {name}" for name, count in counts)
        raise InputError(
            f"a downgrade to {revision} would drop {found}: keep them with demo-pipeline db backup FILE "
            "first, then discard them with --discard"
        )


def _check_database_rights(conn: Connection[Any]) -> None:
    """What jobs and the CRM's reader need of the database itself; the bootstrap grants it where it can."""
    missing = conn.execute(
        """
        SELECT role, string_agg(privilege, ', ' ORDER BY privilege), current_database()
        FROM (VALUES ('demo_loader', 'CONNECT'), ('demo_loader', 'TEMPORARY'), ('crm_reader', 'CONNECT'))
            AS needed (role, privilege)
        WHERE NOT has_database_privilege(role, current_database(), privilege)
        GROUP BY role ORDER BY role
        """
    ).fetchone()
    if missing is not None:
        role, privileges, database = missing
        statement = sql.SQL("GRANT {} ON DATABASE {} TO {}").format(
            sql.SQL(privileges), sql.Identifier(database), sql.Identifier(role)
        )
        raise DatabaseError(
            f"{role} lacks {privileges} on database {database}, which was revoked from PUBLIC: have "
            f"the database's owner run {statement.as_string(conn)}, then try again"
        )


# -- connection and errors -------------------------------------------------------------------------------


@contextmanager
def connected(
    url: str, *, is_alone: bool = True, application_name: str = "demo-pipeline migrate"
) -> Generator[Connection[Any]]:
    """An autocommit connection that translates errors of the server; closed at the end.

    ``is_alone``: no other migration of the database runs meanwhile.
    """
    with (
        translate_errors(),
        connect(url, variable=ADMIN_VARIABLE, application_name=application_name, is_embedded=False) as conn,
    ):
        if conn.info.server_version < _OLDEST_SERVER:
            version = conn.info.server_version // 10_000
            raise DatabaseError(f"the server is PostgreSQL {version}; 15 or newer is needed")
        if is_alone:
            conn.execute(f"SET lock_timeout = '{_WAIT_SECONDS}s'".encode())
            conn.execute("SELECT pg_advisory_lock(hashtextextended('demo-pipeline migrate', 0))")
        yield conn


def _bootstrap(conn: Connection[Any]) -> None:
    """Roles, the login's right to act as them, schema demo with the version table."""
    script = BOOTSTRAP.read_bytes()
    for left in reversed(range(_TRIES)):
        try:
            with conn.transaction():
                conn.execute(script)
        except _SHARED_CATALOG_CLASHES:
            if not left:
                raise
            time.sleep(0.2)
        else:
            break
    conn.execute("SET ROLE NONE")


@contextmanager
def translate_errors() -> Generator[None]:
    """Raise what the server refuses as an error that names the remedy."""
    try:
        yield
    except psycopg.Error as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if isinstance(error, errors.LockNotAvailable):
            raise BusyError(
                f"the database is in use: {said}; nothing was changed, try again when it is quiet"
            ) from error
        if isinstance(error, errors.InsufficientPrivilege):
            raise DatabaseError(
                f"the login may not migrate this database ({said}); it must own the database and have "
                "CREATEROLE, or be granted demo_owner, demo_guard, demo_loader, crm_reader and crm_views by "
                "the role that made them"
            ) from error
        raise DatabaseError(f"the database refused: {said}") from error
