"""Adopts a CRM that was there before: what demo tenants need is put beside its tables and rows.

No table is rewritten and nobody is kept waiting for a second: a step that needs a table for itself asks for
all its locks at once for a fraction of a second, does what takes milliseconds, and else lets go and tries
again later; what takes long (validating, building indexes) lets others read and write meanwhile. Every step
is committed on its own and repeated where it was broken off: what is left is read from the catalogue.
Adoption makes the tables of the baseline; policies, functions and all later revisions are the revisions' own
SQL, executed in the same way.

A plan is made in the same way whether it is executed or not: the tables are read, and if everything fits, the
steps that take milliseconds are executed in one transaction that is rolled back. So what the server would
refuse is refused by the plan, and a plan that is printed is one that can be executed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import psycopg
from psycopg import Connection, errors, sql

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.storage.adoption.misfits import check_name, shape_misfits
from demo_pipeline.storage.adoption.remedies import Misfit, Phase, Statement, misfit, quoted, script
from demo_pipeline.storage.adoption.rights import (
    Roles,
    granted,
    may_read,
    policy_misfits,
    public_misfits,
    read_roles,
    role_misfits,
)
from demo_pipeline.storage.adoption.rows import row_misfits
from demo_pipeline.storage.adoption.shape import TABLES, TableGap, found_shape, table_gap, wanted_shape
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.schema import migrate
from demo_pipeline.storage.schema.busy_tables import LOCK_MILLISECONDS, BusyTables, Hold, busy_tables
from demo_pipeline.storage.schema.declared_tables import LATER_INDEXES
from demo_pipeline.storage.schema.revisions import (
    BOOTSTRAP,
    check_is_known,
    current_revision,
    known_revisions,
    plan_upgrade,
    sql_files,
    write_version,
)

_OWN_LOCK_TIMEOUT: Final = re.compile(r"set local lock_timeout = '[^']*'", re.IGNORECASE)
#: files of the baseline: the tables of the CRM, which are there, and schema demo, which comes before them
_CRM_TABLES: Final = "2_crm.sql"
_DEMO_TABLES: Final = "1_ledger.sql"
#: Another session uses the tables or the roles at this moment.
_PASSING: Final = (errors.QueryCanceled, errors.LockNotAvailable, errors.DeadlockDetected)
_USES_INDEX: Final = "using index"


class Worker(Protocol):
    """How a step uses the database: :class:`BusyTables`, or a rehearsal."""

    @property
    def conn(self) -> Connection[Any]: ...

    def alone(
        self, *statements: str | sql.Composed, tables: Sequence[str] | None = None, role: str | None = None
    ) -> None: ...

    def beside(self, *statements: str, role: str | None = None) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Task:
    """One step of an adoption."""

    title: str
    run: Callable[[Worker], None]
    #: reads a whole table, or builds from it, while others go on
    scans: bool = False
    #: False: the step does not touch tables of crm
    needs_tables: bool = True
    #: whether the later steps can be tried where this one failed
    is_independent: bool = False


@dataclass(frozen=True, kw_only=True)
class AdoptionPlan:
    """What is left to do; no tasks: nothing."""

    revision: str | None
    tasks: tuple[Task, ...]
    gaps: tuple[TableGap, ...] = ()
    #: roles that keep what they could do
    roles: tuple[str, ...] = ()


class Run(Protocol):
    """Do what is left to do, or the first ``limit`` steps of it; ``report`` is called before each."""

    def __call__(self, limit: int | None = None, report: Callable[[str], None] | None = None) -> None: ...


@contextmanager
def adoption(database: Database) -> Generator[tuple[AdoptionPlan, Run]]:
    """What is left to do, and how to do it, while no other migration of the database runs.

    Raises ``InputError`` with all that does not fit, before anything is changed; ``DatabaseError``. The
    function raises ``BusyError`` when a table stays busy; what was done by then stays.
    """
    with (
        migrate.connected(database.admin_url, application_name="demo-pipeline adopt") as conn,
        busy_tables(database.admin_url, conn) as tables,
    ):
        plan = _plan(conn)
        _rehearse(tables, plan)

        def run(limit: int | None = None, report: Callable[[str], None] | None = None) -> None:
            for number, task in enumerate(plan.tasks[:limit], start=1):
                if report is not None:
                    report(f"step {number} of {len(plan.tasks)}: {task.title}")
                task.run(tables)

        yield plan, run


def _plan(conn: Connection[Any]) -> AdoptionPlan:
    current = current_revision(conn)
    check_is_known(current)
    if current is not None:
        return AdoptionPlan(revision=current, tasks=tuple(_revision_tasks(current)))
    if conn.execute("SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'crm'").fetchone() is None:
        _refuse_another_schema(conn)
        raise InputError(
            "the database has no schema crm, so there is nothing to adopt: "
            "'demo-pipeline db upgrade' makes one"
        )
    roles = read_roles(conn)
    gaps = _inspect(conn, roles)
    demo = conn.execute(
        "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'demo' AND c.relname = 'job_ledger'"
    ).fetchone()
    baseline = known_revisions()[0]
    tasks = [
        *([Task(title="roles and schema demo", run=_make_demo, needs_tables=False)] if demo is None else []),
        *_owner_tasks(conn, roles),
        *(task for gap in gaps for task in _column_tasks(gap)),
        *(task for gap in gaps for task in _constraint_tasks(gap)),
        *(task for gap in gaps for task in _index_tasks(gap)),
        Task(
            title=f"views, functions, policies and rights (revision {baseline})",
            run=lambda worker: _secure(worker, roles),
        ),
        *_revision_tasks(baseline),
    ]
    return AdoptionPlan(revision=None, tasks=tuple(tasks), gaps=gaps, roles=roles.named)


# -- inspection ------------------------------------------------------------------------------------------


def _inspect(conn: Connection[Any], roles: Roles) -> tuple[TableGap, ...]:
    """What the tables lack. Raises ``InputError`` with everything that does not fit, and its remedy."""
    misfits = list(role_misfits(conn, roles))
    if not may_read(conn):
        raise _refusal(misfits, len(TABLES))
    wanted, found = wanted_shape(conn), found_shape(conn)
    with conn.transaction():
        conn.execute("SET LOCAL search_path = pg_catalog")
        misfits.extend(shape_misfits(conn, wanted, found, roles))
        misfits.extend(policy_misfits(conn, roles))
        misfits.extend(public_misfits(conn, roles))
        gaps = tuple(
            table_gap(conn, table, wanted[table], found[table]) for table in TABLES if table in found
        )
    # Rows that reference a table which the script makes reference nothing.
    created = frozenset(
        table
        for table in TABLES
        if any(
            item.sql.startswith(f"CREATE TABLE crm.{table} ") for each in misfits for item in each.statements
        )
    )
    unread_count = 0
    for gap in gaps:
        rows, unread_here = row_misfits(conn, gap, wanted[gap.table], found, created)
        misfits.extend(rows)
        unread_count += unread_here
    if misfits:
        raise _refusal(misfits, unread_count)
    return gaps


# -- refusals --------------------------------------------------------------------------------------------


def _refusal(misfits: Sequence[Misfit], unread_count: int = 0) -> InputError:
    """Everything that does not fit, and the script that changes it."""
    problems = [item.problem for item in misfits]
    count = len(problems)
    error = InputError(
        f"{count} thing{' does' if count == 1 else 's do'} not fit, and nothing was changed; {problems[0]}",
        problems,
    )
    parts: list[str] = []
    if text := script(misfits):
        parts.append(f"This script changes what does not fit; read it before you run it with psql:\n\n{text}")
    if undecided := sum(1 for item in misfits if not item.statements):
        parts.append(f"No script can change {undecided} of them; they need a migration of your own.")
    if unread_count:
        parts.append(
            f"{unread_count} checks were not possible with these tables and rights. The next "
            "'demo-pipeline db adopt' makes them, and may find more."
        )
    error.details["remedy"] = "\n".join(parts)
    error.details["unchecked"] = unread_count
    return error


def _refuse_another_schema(conn: Connection[Any]) -> None:
    """Where the CRM's tables are in a schema of another name, say how to get them into ``crm``."""
    found = conn.execute(
        "SELECT n.nspname,"
        " array_agg(c.relname ORDER BY pg_catalog.array_position(%(tables)s, c.relname::text))"
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relname = ANY (%(tables)s) AND c.relkind IN ('r', 'p')"
        " GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1",
        {"tables": list(TABLES)},
    ).fetchone()
    if found is None or len(found[1]) * 2 <= len(TABLES):
        return
    schema, tables = found
    statements = (
        ["CREATE SCHEMA crm", *(f"ALTER TABLE public.{table} SET SCHEMA crm" for table in tables)]
        if schema == "public"
        else [f"ALTER SCHEMA {quoted(schema)} RENAME TO crm"]
    )
    raise _refusal(
        [
            misfit(
                "other_schema",
                schema,
                f"the tables are in schema {schema}, and must be in schema crm: move them; an application "
                "finds them there if its search_path names crm; everything else is checked afterwards",
                *(Statement(Phase.NAMES, statement, place) for place, statement in enumerate(statements)),
            )
        ]
    )


# -- rehearsal -------------------------------------------------------------------------------------------


class _Rehearsal:
    """Executes the steps in a transaction that has all locks, for half a second at most, and is rolled back.

    What reads a whole table is left out, because the tables are locked meanwhile: an index, and the
    validation of a constraint. Rows were checked by then.
    """

    def __init__(self, conn: Connection[Any]) -> None:
        self.conn = conn

    def alone(
        self, *statements: str | sql.Composed, tables: Sequence[str] | None = None, role: str | None = None
    ) -> None:
        del tables
        with self.conn.transaction():
            if role is not None:
                self.conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
            for statement in statements:
                text = statement if isinstance(statement, str) else statement.as_string(self.conn)
                if _USES_INDEX in text.lower() or " SET NOT NULL" in text:
                    continue
                self.conn.execute(text.encode())
            self.conn.execute("SET LOCAL ROLE NONE")

    def beside(self, *statements: str, role: str | None = None) -> None:
        """Nothing: these are the statements that read a whole table."""


def _rehearse(worker: BusyTables, plan: AdoptionPlan) -> None:
    """Raise ``InputError`` with what the server refuses of the plan; nothing is changed."""

    def step(hold: Hold) -> list[Misfit]:
        refused: list[Misfit] = []
        conn = hold.conn
        rehearsal = _Rehearsal(conn)
        for task in plan.tasks:
            if refused and not task.is_independent:
                break
            if task.needs_tables:
                hold.lock()
            hold.check()
            try:
                with conn.transaction():
                    task.run(rehearsal)
            except _PASSING:
                raise
            except psycopg.Error as error:
                if conn.broken:
                    raise
                lines = str(error).strip().splitlines() or [type(error).__name__]
                refused.append(
                    misfit("step_refused", task.title, f"the server refuses the step: {'; '.join(lines)}")
                )
        return refused

    if plan.tasks and (refused := worker.rehearse(step, tables=TABLES)):
        raise _refusal(refused)


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
    with worker.conn.transaction():
        worker.conn.execute(BOOTSTRAP.read_bytes())
        worker.conn.execute("SET ROLE NONE")
        worker.conn.execute("SET LOCAL ROLE demo_owner")
        worker.conn.execute(_baseline()[_DEMO_TABLES].encode())
        worker.conn.execute("SET LOCAL ROLE NONE")


def _owner_tasks(conn: Connection[Any], roles: Roles) -> Iterator[Task]:
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
        # The owners become members of the new owner, now and later: they keep all rights.
        worker.alone(
            *(granted(conn, "demo_owner", role) for role in roles.new_members),
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

    yield Task(title="schema crm and its nine tables go to demo_owner", run=run)


# -- columns, constraints, indexes -----------------------------------------------------------------------


def _alone(statement: str, *tables: str, is_independent: bool = False) -> Task:
    """A step that has the tables for itself."""
    return Task(
        title=statement,
        run=lambda worker: worker.alone(statement, tables=tables),
        is_independent=is_independent,
    )


def _beside(*statements: str, role: str | None = None) -> Task:
    """A step that reads a whole table while others go on; the last statement is its title."""
    return Task(
        title=" ".join(statements[-1].split()),
        run=lambda worker: worker.beside(*statements, role=role),
        scans=True,
    )


def _column_tasks(gap: TableGap) -> Iterator[Task]:
    table = f"crm.{gap.table}"
    changes = [
        *(f"ADD COLUMN {name} {definition}" for name, definition in gap.columns.items()),
        *(f"ALTER COLUMN {name} SET DEFAULT {default}" for name, default in gap.defaults.items()),
    ]
    if changes:
        yield _alone(f"ALTER TABLE {table} {', '.join(changes)}", gap.table, is_independent=True)
    for column in gap.required:
        yield Task(
            title=f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL, proven by a check first",
            run=lambda worker, column=column: _require(worker, gap.table, column),
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
        referenced = re.findall(r"REFERENCES crm\.(\w+)\(", constraint.definition)
        yield _alone(
            f"ALTER TABLE crm.{gap.table} ADD CONSTRAINT {name} {constraint.definition} NOT VALID",
            *sorted({gap.table, *referenced}),
            is_independent=True,
        )
    for name in [*gap.constraints, *gap.unproven]:
        yield _beside(f"ALTER TABLE crm.{gap.table} VALIDATE CONSTRAINT {name}")


def _index_tasks(gap: TableGap) -> Iterator[Task]:
    wanted = {name: (index.is_unique, index.body) for name, index in gap.indexes.items()} | {
        name: (True, constraint.definition.replace("UNIQUE", "btree"))
        for name, constraint in gap.unique.items()
    }
    for name, (is_unique, body) in wanted.items():
        if name in LATER_INDEXES:
            continue
        kind = "UNIQUE INDEX" if is_unique else "INDEX"
        yield _beside(
            # A build that was broken off leaves an invalid index of that name. Also before a further try.
            f"DROP INDEX CONCURRENTLY IF EXISTS crm.{name}",
            f"CREATE {kind} CONCURRENTLY {name} ON crm.{gap.table} USING {body}",
        )
    for name in gap.unique:
        yield _alone(
            f"ALTER TABLE crm.{gap.table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}", gap.table
        )


# -- revisions -------------------------------------------------------------------------------------------


def _baseline() -> dict[str, str]:
    """The files of the baseline by name, in order."""
    return {path.name: _adapted(path.read_text(encoding="utf-8")) for path in sql_files(known_revisions()[0])}


def _adapted(script: str) -> str:
    """A revision's SQL for tables that are in use: every wait is as short as that for the tables."""
    return _OWN_LOCK_TIMEOUT.sub(f"set local lock_timeout = '{LOCK_MILLISECONDS}ms'", script)


def _secure(worker: Worker, roles: Roles) -> None:
    """The rest of the baseline in one transaction: row security begins for all tables at once."""
    scripts = [text for name, text in _baseline().items() if name not in {_DEMO_TABLES, _CRM_TABLES}]
    version = write_version(known_revisions()[0])
    worker.alone(*_access_policies(roles), *scripts, version, tables=TABLES, role="demo_owner")


def _access_policies(roles: Roles) -> Iterator[sql.Composed]:
    """Who has rights on a table sees the rows that it saw; where policies choose them, these go on to."""
    for table in TABLES:
        if table in roles.secured:
            continue
        users = [*roles.grantees.get(table, ())]
        if "pg_write_all_data" in roles.predefined:
            users.append("pg_write_all_data")
        name = sql.Identifier("crm", table)
        if users:
            named = sql.SQL(", ").join(map(sql.Identifier, users))
            yield sql.SQL("CREATE POLICY adopted_access ON {} TO {} USING (true) WITH CHECK (true)").format(
                name, named
            )
        if "pg_read_all_data" in roles.predefined:
            yield sql.SQL(
                "CREATE POLICY adopted_reading ON {} FOR SELECT TO pg_read_all_data USING (true)"
            ).format(name)


def _revision_tasks(current: str) -> Iterator[Task]:
    """The later revisions, their transactions with all tables at once."""
    for plan in plan_upgrade(current, known_revisions()[-1]).revisions:
        for place, step in enumerate(plan.steps, start=1):
            statements = [_adapted(text) for text in step.statements]
            if step.in_transaction:
                yield Task(
                    title=f"revision {plan.title}, part {place}",
                    run=lambda worker, statements=statements: worker.alone(*statements, role="demo_owner"),
                )
            else:
                yield _beside(*statements, role="demo_owner")
