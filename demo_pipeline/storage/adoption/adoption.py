"""Takes in a CRM that was there before: what demo tenants need is put beside its tables and rows.

No table is rewritten and nobody is kept waiting for a second: a step that needs a table for itself asks for
all its locks at once for a fraction of a second, does what takes milliseconds, and else lets go and comes
again later; what takes long (validating, building indexes) lets others read and write meanwhile. Every step
is committed on its own and begun again where it was broken off: what is left is read from the catalogue.
Policies, functions and all later revisions are the revisions' own frozen SQL, executed in the same way.

A plan is made in the same way whether it is executed or not: the tables are read, and if everything fits, the
steps that take milliseconds are executed in one transaction that is rolled back. So what the server would
refuse is refused by the plan, and a plan that is printed is one that can be executed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import psycopg
from psycopg import Connection, sql

from demo_pipeline.domain.core.errors import DatabaseError, InputError
from demo_pipeline.storage.adoption.misfits import check_name
from demo_pipeline.storage.adoption.plan import (
    AdoptionPlan,
    Task,
    Worker,
    refusal,
    refuse_another_schema,
    rehearse,
)
from demo_pipeline.storage.adoption.reading import Reading, TableGap, read
from demo_pipeline.storage.adoption.roles import granted
from demo_pipeline.storage.adoption.shape import TABLES
from demo_pipeline.storage.connection.connecting import connect
from demo_pipeline.storage.connection.database import ADMIN_VARIABLE, Database
from demo_pipeline.storage.schema import migrate
from demo_pipeline.storage.schema.busy_tables import LOCK_MILLISECONDS, BusyTables
from demo_pipeline.storage.schema.lock_watch import watched
from demo_pipeline.storage.schema.migration_plan import BOOTSTRAP, plan_upgrade
from demo_pipeline.storage.schema.revision import current_revision, known_revisions

_OWN_LOCK_TIMEOUT: Final = re.compile(r"set local lock_timeout = '[^']*'", re.IGNORECASE)
#: A CRM may have more tables in its schema; they are no affair of ours.
_ALL_TABLES: Final = re.compile(r"on all tables in schema crm\b", re.IGNORECASE)
#: What an adoption did not make cannot be dropped by a later revision.
_DROPS: Final = re.compile(
    r"\b(drop constraint|drop index(?: concurrently)?) (?!if exists|concurrently)", re.IGNORECASE
)
_MAKES_TABLES: Final = "create table crm.tenants"
_MAKES_LEDGER: Final = "create table demo.job_ledger"
_MAKES_SCHEMA: Final = "create schema crm authorization demo_owner;"


@contextmanager
def adoption(database: Database) -> Generator[tuple[AdoptionPlan, Run]]:
    """What is left to do, and how to do it, while no other migration of the database runs.

    Raises ``InputError`` with all that does not fit, before anything is changed; ``DatabaseError``. The
    function raises ``BusyError`` when a table stays busy; what was done by then stays.
    """
    try:
        with connect(
            database.admin_url,
            variable=ADMIN_VARIABLE,
            application_name="demo-pipeline adopt",
            is_embedded=database.is_embedded,
        ) as conn:
            conn.execute("SET lock_timeout = '120s'")
            conn.execute("SELECT pg_advisory_lock(hashtextextended('demo-pipeline migrate', 0))")
            plan = _plan(conn)
            with watched(database.admin_url, conn.info.backend_pid) as watch:
                rehearse(BusyTables(conn, watch), plan)

            def run(limit: int | None = None, tell: Callable[[str], None] | None = None) -> None:
                with watched(database.admin_url, conn.info.backend_pid) as watch:
                    worker = BusyTables(conn, watch)
                    for number, task in enumerate(plan.tasks[:limit], start=1):
                        if tell is not None:
                            tell(f"step {number} of {len(plan.tasks)}: {task.title}")
                        task.run(worker)

            yield plan, run
    except psycopg.Error as error:
        raise migrate.explained(error) from error


def _plan(conn: Connection[Any]) -> AdoptionPlan:
    head = known_revisions()[-1]
    current = current_revision(conn)
    if current is not None and current not in known_revisions():
        raise DatabaseError(
            f"the database's schema {current} is newer than this program's {head}: install the newer program"
        )
    if current is not None:
        return AdoptionPlan(revision=current, tasks=tuple(_revision_tasks(current)))
    if conn.execute("SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'crm'").fetchone() is None:
        refuse_another_schema(conn)
        raise InputError(
            "the database has no schema crm, so there is nothing to adopt: "
            "'demo-pipeline db upgrade' makes one"
        )
    reading = read(conn)
    if reading.misfits:
        raise refusal(reading.misfits, reading.unread_count)
    has_ledger = conn.execute(
        "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'demo' AND c.relname = 'job_ledger'"
    ).fetchone()
    tasks = [
        *(
            []
            if has_ledger is not None
            else [Task(title="roles and schema demo", scans=False, run=_make_demo, needs_tables=False)]
        ),
        *_owner_tasks(conn, reading),
        *(task for gap in reading.gaps for task in _column_tasks(gap)),
        *(task for gap in reading.gaps for task in _constraint_tasks(gap)),
        *(task for gap in reading.gaps for task in _index_tasks(gap)),
        _task(
            "views, functions, policies and rights (revision 0001)", lambda worker: _secure(worker, reading)
        ),
        *_revision_tasks(known_revisions()[0]),
    ]
    return AdoptionPlan(revision=None, tasks=tuple(tasks), gaps=reading.gaps, roles=reading.roles.named)


class Run(Protocol):
    """Do what is left to do, or the first ``limit`` steps of it; ``tell`` is told of each before."""

    def __call__(self, limit: int | None = None, tell: Callable[[str], None] | None = None) -> None: ...


def _task(
    title: str, run: Callable[[Worker], None], *, scans: bool = False, is_independent: bool = False
) -> Task:
    return Task(title=title, run=run, scans=scans, is_independent=is_independent)


# -- roles, schema demo, owner ---------------------------------------------------------------------------


#: Sequences that defaults of our tables use; an identity column needs no right.
_SEQUENCES: Final = """
SELECT DISTINCT s.oid::pg_catalog.regclass::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_attrdef f ON f.adrelid = c.oid
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
WHERE c.relnamespace = 'crm'::pg_catalog.regnamespace AND c.relname = ANY (%s) AND c.relkind = 'r'
ORDER BY 1
"""


def _make_demo(worker: Worker) -> None:
    script = next(step.sql for step in _first_steps() if _MAKES_LEDGER in step.sql)
    assert _MAKES_SCHEMA in script
    with worker.conn.transaction():
        worker.conn.execute(BOOTSTRAP.read_bytes())
        worker.conn.execute("SET ROLE NONE")
        worker.conn.execute("SET LOCAL ROLE demo_owner")
        worker.conn.execute(_adapted(script).encode())
        worker.conn.execute("SET LOCAL ROLE NONE")


def _owner_tasks(conn: Connection[Any], reading: Reading) -> Iterator[Task]:
    others = conn.execute(
        "SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = 'crm'::pg_catalog.regnamespace"
        " AND c.relname = ANY (%s) AND c.relkind = 'r'"
        " AND c.relowner::pg_catalog.regrole::text <> 'demo_owner'"
        " UNION ALL SELECT FROM pg_catalog.pg_namespace"
        " WHERE nspname = 'crm' AND nspowner::pg_catalog.regrole::text <> 'demo_owner'",
        [list(TABLES)],
    ).fetchall()
    sequences = [name for (name,) in conn.execute(_SEQUENCES, [list(TABLES)]).fetchall()]
    if not others:
        return
    comment = conn.execute("SELECT obj_description('crm'::regnamespace, 'pg_namespace')").fetchone()
    old = (comment and comment[0]) or ""
    text = old if migrate.ADOPTED_MARK in old else f"{old} ({migrate.ADOPTED_MARK})".strip()

    def run(worker: Worker) -> None:
        # Who owned the tables is what their owner is, now and later: nothing is taken away.
        worker.alone(
            *(granted(conn, "demo_owner", role) for role in reading.roles.new_members),
            sql.SQL("COMMENT ON SCHEMA crm IS {}").format(sql.Literal(text)),
            "ALTER SCHEMA crm OWNER TO demo_owner",
            # An owner may have revoked its own rights.
            "GRANT ALL ON SCHEMA crm TO demo_owner",
            *(f"ALTER TABLE crm.{table} OWNER TO demo_owner" for table in TABLES),
            *(f"GRANT ALL ON TABLE crm.{table} TO demo_owner" for table in TABLES),
            # Demo rows leave these columns to their defaults.
            *(f"GRANT USAGE ON SEQUENCE {name} TO demo_loader, demo_guard" for name in sequences),
            tables=TABLES,
        )

    yield _task("schema crm and its nine tables go to demo_owner", run)


# -- columns, constraints, indexes -----------------------------------------------------------------------


def _column_tasks(gap: TableGap) -> Iterator[Task]:
    table = f"crm.{gap.table}"
    changes = [
        *(f"ADD COLUMN {name} {definition}" for name, definition in gap.columns.items()),
        *(f"ALTER COLUMN {name} SET DEFAULT {default}" for name, default in gap.defaults.items()),
    ]
    if changes:
        statement = f"ALTER TABLE {table} {', '.join(changes)}"
        yield _task(
            statement, lambda worker: worker.alone(statement, tables=[gap.table]), is_independent=True
        )
    for column in gap.required:
        yield _task(
            f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL, proven by a check first",
            lambda worker, column=column: _require(worker, gap.table, column),
            scans=True,
            is_independent=True,
        )


def _require(worker: Worker, table: str, column: str) -> None:
    check = check_name(table, column)
    worker.alone(
        f"ALTER TABLE crm.{table} DROP CONSTRAINT IF EXISTS {check}",
        f"ALTER TABLE crm.{table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID",
        tables=[table],
    )
    worker.beside(f"ALTER TABLE crm.{table} VALIDATE CONSTRAINT {check}")
    worker.alone(
        f"ALTER TABLE crm.{table} ALTER COLUMN {column} SET NOT NULL",
        f"ALTER TABLE crm.{table} DROP CONSTRAINT {check}",
        tables=[table],
    )


def _constraint_tasks(gap: TableGap) -> Iterator[Task]:
    for name, constraint in gap.constraints.items():
        statement = f"ALTER TABLE crm.{gap.table} ADD CONSTRAINT {name} {constraint.definition} NOT VALID"
        referenced = re.findall(r"REFERENCES crm\.(\w+)\(", constraint.definition)
        yield _task(
            statement,
            lambda worker, statement=statement, referenced=referenced: worker.alone(
                statement, tables=sorted({gap.table, *referenced})
            ),
            is_independent=True,
        )
    for name in [*gap.constraints, *gap.unproven]:
        statement = f"ALTER TABLE crm.{gap.table} VALIDATE CONSTRAINT {name}"
        yield _task(statement, lambda worker, statement=statement: worker.beside(statement), scans=True)


def _index_tasks(gap: TableGap) -> Iterator[Task]:
    wanted = {name: (index.is_unique, index.body) for name, index in gap.indexes.items()} | {
        name: (True, constraint.definition.replace("UNIQUE", "btree"))
        for name, constraint in gap.unique.items()
    }
    for name, (is_unique, body) in wanted.items():
        kind = "UNIQUE INDEX" if is_unique else "INDEX"
        statement = f"CREATE {kind} CONCURRENTLY {name} ON crm.{gap.table} USING {body}"
        # What a broken off build left is no index, and is in the way of one. Also before a further try.
        clear = f"DROP INDEX CONCURRENTLY IF EXISTS crm.{name}"
        yield _task(
            statement,
            lambda worker, clear=clear, statement=statement: worker.beside(clear, statement),
            scans=True,
        )
    for name in gap.unique:
        statement = f"ALTER TABLE crm.{gap.table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}"
        yield _task(
            statement, lambda worker, statement=statement: worker.alone(statement, tables=[gap.table])
        )


# -- revisions -------------------------------------------------------------------------------------------


def _first_steps() -> tuple[Any, ...]:
    first = known_revisions()[0]
    return plan_upgrade(None, first).revisions[0].steps


def _adapted(script: str) -> str:
    """A revision's SQL for tables that are in use and that are not the only ones in their schema."""
    script = _OWN_LOCK_TIMEOUT.sub(f"set local lock_timeout = '{LOCK_MILLISECONDS}ms'", script)
    script = _DROPS.sub(r"\1 if exists ", script.replace(_MAKES_SCHEMA, ""))
    return _ALL_TABLES.sub("on " + ", ".join(f"crm.{table}" for table in TABLES), script)


def _secure(worker: Worker, reading: Reading) -> None:
    """The rest of the first revision in one transaction: row security begins for all at once."""
    scripts = [
        _adapted(step.sql)
        for step in _first_steps()
        if _MAKES_TABLES not in step.sql and _MAKES_LEDGER not in step.sql
    ]
    worker.alone(*_access_policies(reading), *scripts, tables=TABLES, role="demo_owner")


def _access_policies(reading: Reading) -> Iterator[sql.Composed]:
    """Who has rights on a table sees the rows that it saw; where policies choose them, these go on to."""
    for table in TABLES:
        if table in reading.roles.secured:
            continue
        users = [*reading.roles.grantees.get(table, ())]
        if "pg_write_all_data" in reading.roles.predefined:
            users.append("pg_write_all_data")
        name = sql.Identifier("crm", table)
        if users:
            roles = sql.SQL(", ").join(map(sql.Identifier, users))
            yield sql.SQL("CREATE POLICY adopted_access ON {} TO {} USING (true) WITH CHECK (true)").format(
                name, roles
            )
        if "pg_read_all_data" in reading.roles.predefined:
            yield sql.SQL(
                "CREATE POLICY adopted_reading ON {} FOR SELECT TO pg_read_all_data USING (true)"
            ).format(name)


def _revision_tasks(current: str) -> Iterator[Task]:
    """The later revisions, their transactions with all tables at once."""
    for plan in plan_upgrade(current, known_revisions()[-1]).revisions:
        for place, batch in enumerate(plan.batches(), start=1):
            statements = [_adapted(step.sql) for step in batch]
            if batch[0].in_transaction:
                yield _task(
                    f"revision {plan.title}, part {place}",
                    lambda worker, statements=statements: worker.alone(*statements, role="demo_owner"),
                )
            else:
                yield _task(
                    " ".join(statements[-1].split()),
                    lambda worker, statements=statements: worker.beside(*statements, role="demo_owner"),
                    scans=True,
                )
