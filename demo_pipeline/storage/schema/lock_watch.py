"""Who keeps a session waiting, asked on a second connection while it waits.

Afterwards it is too late: once the wait has timed out, nothing in the server tells who was in the way. What
is told is what the login may see of others (pg_stat_activity). Waiting and trying again do not belong here.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import psycopg

_POLL_SECONDS: Final = 0.2
_BLOCKERS: Final = """
SELECT b.pid, a.application_name, a.usename::text, a.state, a.query_start, a.xact_start
FROM unnest(pg_catalog.pg_blocking_pids(%s)) AS b (pid)
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
ORDER BY a.xact_start NULLS LAST, b.pid
"""


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


@dataclass
class Watch:
    """The blockers that were seen last; empty: nobody was."""

    blockers: tuple[Blocker, ...] = ()
    _ended: threading.Event = field(default_factory=threading.Event)

    def look(self, url: str, pid: int) -> None:
        with (
            # To know who blocks is a help; that it cannot be known must not stop what is watched.
            suppress(psycopg.Error),
            psycopg.connect(url, autocommit=True, application_name="demo-pipeline lock watch") as conn,
        ):
            conn.execute("SET TimeZone = 'UTC'")
            while not self._ended.wait(_POLL_SECONDS):
                rows = conn.execute(_BLOCKERS, [pid]).fetchall()
                if rows:
                    self.blockers = tuple(
                        Blocker(
                            pid=row[0],
                            application=row[1] or None,
                            user=row[2],
                            state=row[3],
                            query_start=row[4],
                            transaction_start=row[5],
                        )
                        for row in rows
                    )

    def end(self) -> None:
        self._ended.set()


@contextmanager
def watched(url: str, pid: int) -> Generator[Watch]:
    """Note who blocks the session ``pid`` while the block runs."""
    watch = Watch()
    thread = threading.Thread(target=watch.look, args=[url, pid], name="lock watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join(timeout=2)
