"""Changing tables that others use, without keeping them waiting.

A step that needs tables for itself asks for all their locks at once, for a fraction of a second, and does
what takes milliseconds; else it lets go, so that those get on who waited behind it, and comes again later.
One table after the other would not do: a client that has the second and waits for the first would end in a
deadlock, a second later. What is changed does not belong here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from psycopg import Connection, errors, sql

from demo_pipeline.domain.errors import BusyError
from demo_pipeline.storage.lock_watch import Blocker, Watch

#: for all locks of a step together; who uses the tables waits no longer than this and the step itself
LOCK_MILLISECONDS: Final = 300
#: how often a step asks, some thirty-five seconds in all
LOCK_TRIES = 20
#: the first pause between, and the longest
PAUSE_SECONDS: Final = (0.1, 2.0)
#: for the wait of a step that blocks nobody while it waits
_PATIENT_MILLISECONDS: Final = 120_000
_BUSY: Final = (errors.QueryCanceled, errors.LockNotAvailable, errors.DeadlockDetected)


class BusyTables:
    """An autocommit connection, and the ways in which a step may use it."""

    def __init__(self, conn: Connection[Any], watch: Watch) -> None:
        self.conn = conn
        self._watch = watch
        conn.execute(f"SET lock_timeout = {_PATIENT_MILLISECONDS}".encode())

    def alone(
        self, *statements: str | sql.Composed, tables: Sequence[str] | None = None, role: str | None = None
    ) -> None:
        """Execute in one transaction that has tables of ``crm`` for itself; None: all that are ours there.

        Raises ``BusyError``, and nothing is done then.
        """

        def step() -> None:
            with self.conn.transaction():
                self.conn.execute(f"SET LOCAL statement_timeout = {LOCK_MILLISECONDS}".encode())
                names = self._own_tables() if tables is None else tables
                if names:
                    listed = sql.SQL(", ").join(sql.Identifier("crm", table) for table in names)
                    self.conn.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(listed))
                # From here on nothing waits; what a revision says of its own statements holds.
                self.conn.execute(b"SET LOCAL statement_timeout = 0")
                if role is not None:
                    self.conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
                for statement in statements:
                    self.conn.execute(statement.encode() if isinstance(statement, str) else statement)

        self._until_free(step)

    def beside(self, *statements: str, role: str | None = None) -> None:
        """Execute each statement alone, while others read and write; all again if one finds a lock taken.

        Raises ``BusyError``.
        """

        def step() -> None:
            if role is not None:
                self.conn.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            try:
                for statement in statements:
                    self.conn.execute(statement.encode())
            finally:
                self.conn.execute("SET ROLE NONE")

        self._until_free(step)

    def _own_tables(self) -> list[str]:
        rows = self.conn.execute(
            "SELECT c.relname FROM pg_catalog.pg_class c"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'crm' AND c.relkind = 'r'"
            " AND c.relowner::pg_catalog.regrole::text = 'demo_owner' ORDER BY c.oid"
        )
        return [name for (name,) in rows]

    def _until_free(self, step: Callable[[], None]) -> None:
        pause, longest = PAUSE_SECONDS
        for number in range(1, LOCK_TRIES + 1):
            try:
                step()
            except _BUSY as error:
                if number == LOCK_TRIES:
                    said = str(error).strip().splitlines()[0]
                    raise busy_with(said, self._watch.blockers, LOCK_TRIES) from error
                time.sleep(pause)
                pause = min(pause * 1.5, longest)
            else:
                return


def busy_with(said: str, blockers: Sequence[Blocker], tries: int) -> BusyError:
    """The error that names who was in the way."""
    who = "; ".join(map(str, blockers)) or "nobody that this login can see"
    return BusyError(
        f"the database is in use: {said}, {tries} times; in the way: {who}; nothing was changed by the step "
        "that waited, try again when it is quiet",
        {"tries": tries, "blockers": [blocker.to_json() for blocker in blockers]},
    )
