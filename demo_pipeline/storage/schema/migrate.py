"""Brings a database to a revision of the schema, and says at which it is.

Each revision runs in a transaction of its own, and what waits for a table that is in use lets go soon and is
tried again; an upgrade executes what its plan says, with all locks at once. Migrations of one database wait
for each other. A downgrade that would lose rows is refused unless told to discard them. Backups, taking in a
CRM that was there before, and starting a server do not belong here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, cast

import psycopg
from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg import Connection, errors, sql
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection as EngineConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from demo_pipeline.domain.core.errors import BusyError, DatabaseError, DemoError, InputError
from demo_pipeline.storage.connection.connecting import connect
from demo_pipeline.storage.connection.database import ADMIN_VARIABLE
from demo_pipeline.storage.schema.busy_tables import BusyTables, busy_with
from demo_pipeline.storage.schema.lock_watch import watched
from demo_pipeline.storage.schema.migration_plan import (
    BOOTSTRAP,
    Step,
    UpgradePlan,
    configuration,
    plan_upgrade,
)
from demo_pipeline.storage.schema.revision import current_revision, known_revisions

_OLDEST_SERVER: Final = 150_000
#: seconds that a migration waits for another one of the same database
_WAIT_SECONDS: Final = 120
#: seconds that a step outside of a transaction waits for others, who do not wait for it
_CONCURRENT_WAIT_SECONDS: Final = 30
#: how often a migration meets busy tables before it gives up, and the pause after the first time, which
#: doubles; a try ends with the lock timeout in the revision's SQL, 5 s
BUSY_TRIES: Final = 4
BUSY_PAUSE_SECONDS: Final = 1.0
#: in the comment on schema crm, where it was there before us
ADOPTED_MARK: Final = "adopted by demo-pipeline"
#: Roles belong to the server: migrations of two of its databases may meet there.
_TRIES: Final = 5
_SHARED_CATALOG_CLASHES: Final = (errors.InternalError_, errors.UniqueViolation, errors.DuplicateObject)


def upgrade(url: str, revision: str = "head") -> None:
    """Upgrade the database at ``url`` (libpq) to ``revision``; nothing happens when it is there already.

    Makes missing roles and grants them to the login, which must own the database or be a superuser.
    Raises :class:`DatabaseError` with the remedy when the server or the login does not allow it, and
    :class:`BusyError`, which names who is in the way, when a lock could not be had.
    """
    with _connected(url) as connection:
        conn = _driver(connection)
        _refuse_a_foreign_crm(conn)
        conn.rollback()
        _bootstrap(connection)
        current = conn.execute("select version_num from demo.alembic_version").fetchone()
        _known_revision(_script(), revision)
        conn.rollback()
        _grant_database(conn)
        steps = _upgrade_steps(None if current is None else current[0], revision)
        conn.rollback()
        conn.autocommit = True
        with watched(url, conn.info.backend_pid) as watch:
            tables = BusyTables(conn, watch)
            for batch in steps:
                statements = [step.sql for step in batch]
                if batch[0].in_transaction:
                    tables.alone(*statements, role="demo_owner")
                else:
                    tables.beside(*statements, role="demo_owner")
        conn.autocommit = False


def _grant_database(conn: Connection[Any]) -> None:
    """What jobs and the CRM's reader need of the database itself, where it was taken away from PUBLIC.

    Raises :class:`DatabaseError` with the statement where the login may not grant it.
    """
    missing = conn.execute(
        """
        select r.role, string_agg(p.privilege, ', ' order by p.privilege), current_database()
        from (values ('demo_loader', 'CONNECT'), ('demo_loader', 'TEMPORARY'), ('crm_reader', 'CONNECT'))
            as p (role, privilege)
        join (values ('demo_loader'), ('crm_reader')) as r (role) using (role)
        where not has_database_privilege(r.role, current_database(), p.privilege)
        group by r.role order by r.role
        """
    ).fetchall()
    for role, privileges, database in missing:
        statement = sql.SQL("GRANT {} ON DATABASE {} TO {}").format(
            sql.SQL(privileges), sql.Identifier(database), sql.Identifier(role)
        )
        try:
            conn.execute("set role none")
            conn.execute(statement)
        except errors.InsufficientPrivilege:
            conn.rollback()
        # Without the right to grant, PostgreSQL only warns.
        held = conn.execute(
            "select bool_and(has_database_privilege(%s, current_database(), p.name))"
            " from unnest(string_to_array(%s, ', ')) as p (name)",
            [role, privileges],
        ).fetchone()
        if held != (True,):
            raise DatabaseError(
                f"{role} lacks {privileges} on database {database}, which was taken away from PUBLIC: have "
                f"the database's owner run {statement.as_string(conn)}, then try again"
            )
    conn.commit()


def _upgrade_steps(current: str | None, revision: str) -> Iterator[tuple[Step, ...]]:
    """What is executed, a transaction at a time; nothing where the database is there or further."""
    line = known_revisions()
    target = line[-1] if revision == "head" else revision
    if current is not None and current not in line:
        raise DatabaseError(
            f"the database's schema {current} is newer than this program's {line[-1]}: "
            "install the newer program"
        )
    if target == "base" or (current is not None and line.index(target) <= line.index(current)):
        return
    for found in plan_upgrade(current, target).revisions:
        yield from found.batches()


def plan(url: str) -> UpgradePlan:
    """What :func:`upgrade` would execute at ``url``; the database is asked for its revision and no more."""
    with _connected(url, is_alone=False) as connection:
        conn = _driver(connection)
        conn.execute("set default_transaction_read_only = on")
        conn.commit()
        current, head = current_revision(conn), known_revisions()[-1]
        if current is None:
            _refuse_a_foreign_crm(conn)
        elif current not in known_revisions():
            raise DatabaseError(
                f"the database's schema {current} is newer than this program's {head}: "
                "install the newer program"
            )
        return plan_upgrade(current, head)


def downgrade(url: str, revision: str, *, discard: bool = False) -> None:
    """Downgrade to ``revision`` (``base``: to nothing).

    Raises :class:`InputError` when rows would be lost, unless ``discard``, and :class:`BusyError` as
    :func:`upgrade` does. Roles are never dropped.
    """
    wanted = revision

    def step(connection: EngineConnection) -> None:
        nonlocal wanted
        # So many revisions back from where it began, also when a try was broken off half-way.
        wanted = _meant_revision(connection, wanted, discard=discard)
        _run(connection, "downgrade", wanted)

    _try_while_busy(url, step)


def _meant_revision(connection: EngineConnection, revision: str, *, discard: bool) -> str:
    """The revision that is meant, once it is sure that the database may go there."""
    _bootstrap(connection)
    script = _script()
    current = _driver(connection).execute("select version_num from demo.alembic_version").fetchone()
    _known_revision(script, revision)
    if current is not None:
        target = _target(known_revisions(), current[0], revision)
        if target < 0:
            _refuse_to_drop_an_adopted_crm(_driver(connection))
        if not discard:
            _refuse_to_lose_rows(_driver(connection), current[0], revision)
        revision = "base" if target < 0 else known_revisions()[target]
    connection.commit()
    return revision


def _try_while_busy(url: str, step: Callable[[EngineConnection], None]) -> None:
    """Take ``step`` on a new connection, again after a pause when a lock could not be had.

    What a revision began is rolled back by then, and its steps outside of a transaction begin by clearing
    away what they left. In the pause those get on who waited behind us.
    """
    for number in range(1, BUSY_TRIES + 1):
        with _connected(url) as connection:
            with watched(url, _driver(connection).info.backend_pid) as watch:
                busy = _is_busy(connection, step)
            if busy is None:
                return
        if number == BUSY_TRIES:
            raise busy_with(busy, watch.blockers, number)
        time.sleep(BUSY_PAUSE_SECONDS * 2 ** (number - 1))


def _is_busy(connection: EngineConnection, step: Callable[[EngineConnection], None]) -> str | None:
    """What the server said when it could not give a lock; None: the step is done."""
    try:
        step(connection)
    except (psycopg.Error, DBAPIError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(cause, errors.LockNotAvailable | errors.DeadlockDetected):
            raise
        return (str(cause).strip().splitlines() or [type(cause).__name__])[0]
    return None


def _refuse_a_foreign_crm(conn: Connection[Any]) -> None:
    """A schema ``crm`` without ours is somebody's CRM, and is not for an upgrade to make."""
    found = conn.execute(
        """
        select exists (select from pg_namespace where nspname = 'crm')
            and not exists (
                select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where n.nspname = 'demo' and c.relname = 'jobs')
        """
    ).fetchone()
    if found == (True,):
        raise DatabaseError(
            "the database has a schema crm of its own: 'demo-pipeline db adopt' says what it takes to put "
            "demo tenants beside its rows"
        )


def _refuse_to_drop_an_adopted_crm(conn: Connection[Any]) -> None:
    found = conn.execute(
        "select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = 'crm'"
    ).fetchone()
    if found is not None and ADOPTED_MARK in (found[0] or ""):
        raise InputError(
            "schema crm was there before the demo tenants, and a downgrade to base would drop its tables: "
            f"the furthest is {known_revisions()[0]}"
        )


@cache
def _script() -> ScriptDirectory:
    return ScriptDirectory.from_config(configuration())


def _known_revision(script: ScriptDirectory, revision: str) -> None:
    if revision == "base" or revision.startswith("-"):
        return
    try:
        script.get_revision(revision)
    except CommandError:
        known = ", ".join(["base", *(item.revision for item in script.walk_revisions())])
        raise InputError(f"there is no revision {revision!r}; there are {known}") from None


@contextmanager
def _connected(url: str, *, is_alone: bool = True) -> Generator[EngineConnection]:
    """A connection; ``is_alone``: once no other migration of the database runs."""
    # A creator, so that every libpq URL works, sockets and several hosts included.
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: _opened(url),
        poolclass=NullPool,
    )
    try:
        with engine.connect() as connection:
            raw = _driver(connection)
            if raw.info.server_version < _OLDEST_SERVER:
                version = raw.info.server_version // 10_000
                raise DatabaseError(f"the server is PostgreSQL {version}; 15 or newer is needed")
            if is_alone:
                raw.execute("select set_config('lock_timeout', %s, false)", [f"{_WAIT_SECONDS}s"])
                raw.execute("select pg_advisory_lock(hashtextextended('demo-pipeline migrate', 0))")
                raw.execute("select set_config('lock_timeout', %s, false)", [f"{_CONCURRENT_WAIT_SECONDS}s"])
            connection.commit()
            yield connection
    except (psycopg.Error, DBAPIError) as error:
        raise explained(error) from error


def _opened(url: str) -> Connection[Any]:
    conn = connect(url, variable=ADMIN_VARIABLE, application_name="demo-pipeline migrate", is_embedded=False)
    conn.autocommit = False
    return conn


def _driver(connection: EngineConnection) -> Connection[Any]:
    raw = connection.connection.driver_connection
    assert isinstance(raw, Connection)  # the engine above makes no other
    return cast("Connection[Any]", raw)


def _bootstrap(connection: EngineConnection) -> None:
    script = BOOTSTRAP.read_bytes()
    for left in reversed(range(_TRIES)):
        try:
            _driver(connection).execute(script)
            _driver(connection).commit()
        except _SHARED_CATALOG_CLASHES:
            _driver(connection).rollback()
            if not left:
                raise
            time.sleep(0.2)
        else:
            return


def _run(connection: EngineConnection, direction: str, revision: str) -> None:
    config = configuration()
    config.attributes["connection"] = connection
    run = command.upgrade if direction == "upgrade" else command.downgrade
    try:
        run(config, revision)
        connection.commit()
    except CommandError as error:
        _known_revision(_script(), revision)
        raise DatabaseError(f"cannot {direction} to {revision}: {error}") from error


#: what would be lost, and how it is counted, by the first revision that a downgrade leaves behind
LOSSES: Final[dict[str, tuple[tuple[str, bytes], ...]]] = {
    "0001": (
        ("tenants", b"select count(*) from crm.tenants"),
        ("demo tenants", b"select count(*) from demo.tenant_metadata"),
        ("jobs", b"select count(*) from demo.job_ledger"),
        ("audit entries", b"select count(*) from demo.audit_log"),
    ),
    "0002": (("recorded changes of patches", b"select count(*) from demo.job_months"),),
    "0003": (),
    "0004": (),
    "0005": (),
    "0006": (
        ("recorded edits", b"select count(*) from demo.edited_rows"),
        (
            "removed tags that were set again",
            b"select count(*) - count(distinct (tenant_id, contact_id, tag_id)) from crm.contact_tags",
        ),
    ),
    "0007": (),
    "0008": (
        (
            "living tenants",
            b"""select count(*) from demo.tenant_metadata
            where deleted_at is null and plan -> 'closed_month' = 'null'""",
        ),
        (
            "extensions",
            b"""select count(*) from demo.job_ledger
            where kind = 'extend' and status = 'completed' and undone_by is null""",
        ),
        (
            "months made by later versions",
            b"""select count(*) from demo.tenant_months h join demo.tenant_metadata m using (tenant_id)
            where h.versions not in ('{}', array[m.lists_version || '/2026.11'])""",
        ),
    ),
}


def _refuse_to_lose_rows(conn: Connection[Any], current: str, revision: str) -> None:
    """Every revision from ``current`` down to ``revision``, which stays, is asked what it would lose."""
    line = known_revisions()
    target = _target(line, current, revision)
    counts: dict[str, int] = {}
    for left in line[target + 1 : line.index(current) + 1]:
        for name, statement in LOSSES[left]:
            row = conn.execute(statement).fetchone()
            if row is not None and row[0]:
                counts[name] = row[0]
    if counts:
        found = ", ".join(f"{count:,} {name}" for name, count in counts.items())
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


def explained(error: psycopg.Error | DBAPIError) -> DemoError:
    """What the server said, as an error that names the remedy."""
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
