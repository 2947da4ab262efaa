"""The plan of an adoption: its steps, its rehearsal, and the refusal where something does not fit.

The rehearsal executes the steps that take milliseconds in one transaction that is rolled back, so that what
the server would refuse is known before anything is changed. Which steps there are is ``adoption``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import psycopg
from psycopg import Connection, errors, sql

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.storage.adoption.reading import TableGap
from demo_pipeline.storage.adoption.remedies import Misfit, Phase, Statement, misfit, quoted, script
from demo_pipeline.storage.adoption.shape import TABLES
from demo_pipeline.storage.schema.busy_tables import BusyTables, Hold

#: Somebody else uses the tables or the roles at this moment.
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
    #: reads a whole table, or builds from it, while others go on
    scans: bool
    run: Callable[[Worker], None]
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


# -- refusals --------------------------------------------------------------------------------------------


def refusal(misfits: Sequence[Misfit], unread_count: int = 0) -> InputError:
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


def refuse_another_schema(conn: Connection[Any]) -> None:
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
    raise refusal(
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


def rehearse(worker: BusyTables, plan: AdoptionPlan) -> None:
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
        raise refusal(refused)
