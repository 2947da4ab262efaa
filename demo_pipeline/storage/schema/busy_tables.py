"""Changing tables that others use, without keeping them waiting, and who is in the way when that fails.

A step that needs tables for itself asks for all their locks at once, for a fraction of a second, and does
what takes milliseconds; else it lets go, so that the sessions behind it get on, and tries again later. Locks
taken one after the other would end in a deadlock with a client that has the second table and waits for the
first. Once a wait has timed out, nothing in the server says who was in the way, so a second connection looks
while the step waits. What is changed does not belong here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import psycopg
from psycopg import Connection, errors, sql
from psycopg.rows import kwargs_row

from demo_pipeline.domain.core.errors import BusyError

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
_POLL_SECONDS: Final = 0.2
_BLOCKERS: Final = """
SELECT b.pid, nullif(a.application_name, '') AS application, a.usename::text AS user, a.state, a.query_start,
    a.xact_start AS transaction_start
FROM unnest(pg_catalog.pg_blocking_pids(%s)) AS b (pid)
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
ORDER BY a.xact_start NULLS LAST, b.pid
"""
_Found = TypeVar("_Found")


class _HeldTooLongError(Exception):
    """Others would wait too long for the tables."""


_BUSY: Final = (errors.QueryCanceled, errors.LockNotAvailable, errors.DeadlockDetected, _HeldTooLongError)


@dataclass(frozen=True, kw_only=True)
class Blocker:
    """A session that holds, or waits before us for, a lock that we need."""

    pid: int
    #: None, like all that follows, where the login may not see it
    application: str | None
    user: str | None
    state: str | None
    query_start: datetime | None
    transaction_start: datetime | None

    def __str__(self) -> str:
        known = [
            self.application and repr(self.application),
            self.user and f"of {self.user}",
            self.state,
            self.query_start and f"query began {self.query_start:%Y-%m-%d %H:%M:%S} UTC",
        ]
        facts = ", ".join(text for text in known if text)
        return f"process {self.pid} ({facts})" if facts else f"process {self.pid}"

    def to_json(self) -> dict[str, Any]:
        return {
            "pid": self.pid,
            "application": self.application,
            "user": self.user,
            "state": self.state,
            "query_start": self.query_start.isoformat() if self.query_start else None,
            "transaction_start": self.transaction_start.isoformat() if self.transaction_start else None,
        }


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


@contextmanager
def busy_tables(url: str, conn: Connection[Any]) -> Generator[BusyTables]:
    """The tables that ``conn``, an autocommit connection to ``url``, works on."""
    tables, ended = BusyTables(conn), threading.Event()
    arguments = (url, conn.info.backend_pid, ended)
    thread = threading.Thread(target=tables.watch, args=arguments, name="lock watch", daemon=True)
    thread.start()
    try:
        yield tables
    finally:
        ended.set()
        thread.join(timeout=2)


class BusyTables:
    """The ways in which a step may use tables. Made by :func:`busy_tables`."""

    def __init__(self, conn: Connection[Any]) -> None:
        self.conn = conn
        #: seen last; empty: nobody was
        self._blockers: tuple[Blocker, ...] = ()
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
        """Execute each statement alone, while others read and write; all again if one cannot get its lock.

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

    def watch(self, url: str, pid: int, ended: threading.Event) -> None:
        """Note who blocks the session ``pid`` until ``ended`` is set."""
        with (
            # To know who blocks is a help; that it cannot be known must not stop the step.
            suppress(psycopg.Error),
            psycopg.connect(url, autocommit=True, application_name="demo-pipeline lock watch") as conn,
        ):
            conn.execute("SET TimeZone = 'UTC'")
            cursor = conn.cursor(row_factory=kwargs_row(Blocker))
            while not ended.wait(_POLL_SECONDS):
                self._blockers = tuple(cursor.execute(_BLOCKERS, [pid]).fetchall()) or self._blockers

    def _lock(self, names: Sequence[str]) -> None:
        self.conn.execute(f"SET LOCAL statement_timeout = {LOCK_MILLISECONDS}".encode())
        if names:
            listed = sql.SQL(", ").join(sql.Identifier("crm", table) for table in names)
            self.conn.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(listed))
        # From here on nothing waits; the limits that a revision sets for its own statements hold.
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
                    raise self._busy_error(str(error).strip().splitlines()[0]) from error
                time.sleep(pause)
                pause = min(pause * 1.5, longest)
            else:
                return

    def _busy_error(self, said: str) -> BusyError:
        who = "; ".join(map(str, self._blockers)) or "nobody that this login can see"
        return BusyError(
            f"the database is in use: {said}, {LOCK_TRIES} times; in the way: {who}; nothing was changed by "
            "the step that waited, try again when it is quiet",
            {"tries": LOCK_TRIES, "blockers": [blocker.to_json() for blocker in self._blockers]},
        )
