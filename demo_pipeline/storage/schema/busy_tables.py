"""Changing tables that others use, without keeping them waiting.

A step that needs tables for itself asks for all their locks at once, for a fraction of a second, and does
what takes milliseconds; else it lets go, so that those get on who waited behind it, and comes again later.
One table after the other would not do: a client that has the second and waits for the first would end in a
deadlock, a second later. What is changed does not belong here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from psycopg import Connection, errors, sql

from demo_pipeline.domain.core.errors import BusyError
from demo_pipeline.storage.schema.lock_watch import Blocker, Watch

#: for all locks of a step together; who uses the tables waits no longer than this and the step itself
LOCK_MILLISECONDS: Final = 300
#: how often a step asks, some thirty-five seconds in all
LOCK_TRIES = 20
#: the first pause between, and the longest
PAUSE_SECONDS: Final = (0.1, 2.0)
#: for which several steps together may hold the tables
HOLD_SECONDS: Final = 0.5
#: for the wait of a step that blocks nobody while it waits
_PATIENT_MILLISECONDS: Final = 120_000
_Found = TypeVar("_Found")


class _HeldTooLongError(Exception):
    """Others would wait too long for the tables."""


_BUSY: Final = (errors.QueryCanceled, errors.LockNotAvailable, errors.DeadlockDetected, _HeldTooLongError)


class Hold:
    """A transaction that has tables for itself for a bounded time."""

    def __init__(self, conn: Connection[Any], lock: Callable[[], None]) -> None:
        self.conn = conn
        self._lock = lock
        self._since: float | None = None

    def lock(self) -> None:
        """Wait for the tables, not long, unless they are held already."""
        if self._since is None:
            self._lock()
            self._since = time.monotonic()

    def check(self) -> None:
        """Let go, to try again later, if the tables have been held for too long."""
        if self._since is not None and time.monotonic() - self._since > HOLD_SECONDS:
            raise _HeldTooLongError(f"the tables were held for more than {HOLD_SECONDS} s")


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
                self._lock(self._own_tables() if tables is None else tables)
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

    def rehearse(self, step: Callable[[Hold], _Found], tables: Sequence[str]) -> _Found:
        """What ``step`` returns; what it does is rolled back.

        It asks for the tables by ``lock`` and calls ``check`` often. Raises ``BusyError`` when they stay
        busy, or when they would be held for too long each time.
        """
        found: list[_Found] = []

        def attempt() -> None:
            with self.conn.transaction(force_rollback=True):
                found.append(step(Hold(self.conn, lambda: self._lock(tables))))

        self._until_free(attempt)
        return found[-1]

    def _lock(self, names: Sequence[str]) -> None:
        self.conn.execute(f"SET LOCAL statement_timeout = {LOCK_MILLISECONDS}".encode())
        if names:
            listed = sql.SQL(", ").join(sql.Identifier("crm", table) for table in names)
            self.conn.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(listed))
        # From here on nothing waits; what a revision says of its own statements holds.
        self.conn.execute(b"SET LOCAL statement_timeout = 0")

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
