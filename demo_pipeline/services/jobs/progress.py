"""Progress of a running job: to its caller, and to a table that a second connection can read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from time import monotonic
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg

from demo_pipeline.domain.core.errors import DatabaseError
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger

#: called with per cent (0 to 100) and the step in words
OnProgress = Callable[[int, str], None]

_SECONDS_BETWEEN = 0.5


class Progress:
    """Counts rows and reports, at most twice a second. A context manager: it owns its connection.

    The connection is opened with the first report that is due, so that short jobs do without; losing
    it costs the reports and never the job.
    """

    def __init__(self, database: Database, job_id: UUID, on_progress: OnProgress | None) -> None:
        self._database, self._job_id = database, job_id
        self._total, self._done = 0, 0
        self._on_progress = on_progress
        self._stack = ExitStack()
        self._conn: psycopg.Connection[Any] | None = None
        self._is_lost = False
        self._reported_at = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def expect(self, rows: int) -> None:
        """Add ``rows`` to the progress total."""
        self._total += rows

    def add(self, rows: int, step: str) -> None:
        """``rows`` more are loaded."""
        self._done += rows
        # The last hundredths are for verification and commit.
        self.report(min(95, self._done * 95 // max(self._total, 1)), step)

    def report(self, percent: int, step: str, *, is_due: bool = False) -> None:
        """Report the step. ``is_due``: also shortly after the last report, unless the job is short."""
        if self._on_progress is not None:
            self._on_progress(percent, step)
        is_due = is_due and self._conn is not None
        if self._is_lost or (not is_due and monotonic() - self._reported_at < _SECONDS_BETWEEN):
            return
        self._reported_at = monotonic()
        try:
            if self._conn is None:
                self._conn = self._stack.enter_context(self._database.loader())
            job_ledger.report_progress(self._conn, self._job_id, percent, step)
        except (psycopg.Error, DatabaseError):
            self._is_lost = True
            if self._conn is not None:
                self._conn.close()
