"""How far running jobs are: a bar a tenant on a terminal, now and then a line elsewhere; on stderr.

A thread of its own asks the ledger, so whatever runs the jobs, here or in a process of Dagster, shows. The
first two seconds are silent. Losing the database ends the display and nothing else.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from demo_pipeline.cli.kit.console import say
from demo_pipeline.cli.kit.session import QUIET_SECONDS, Session
from demo_pipeline.domain.core.display import neutral_line

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from demo_pipeline.storage.ledger.job_ledger import Job

_POLL_SECONDS: Final = 0.5
_SECONDS_BETWEEN_LINES: Final = 5.0


class Display(Protocol):
    """Where progress is shown."""

    def show(self, slug: str, percent: int, step: str) -> None:
        """One tenant's job is that far."""
        ...

    def close(self) -> None:
        """Nothing comes any more."""
        ...


@contextmanager
def watched(session: Session, slugs: Sequence[str]) -> Generator[None]:
    """Show the progress of the tenants' jobs while the block runs."""
    is_over = threading.Event()
    thread = threading.Thread(
        target=_watch, args=(session, slugs, is_over), name="progress display", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        # On its way out it clears its line; a database that does not answer must not hold us up.
        thread.join(timeout=2)


def _watch(session: Session, slugs: Sequence[str], is_over: threading.Event) -> None:
    began = monotonic()
    if is_over.wait(QUIET_SECONDS):
        return
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    display: Display = Bars() if is_terminal else Lines()
    try:
        from demo_pipeline.storage.connection.clock import server_clock
        from demo_pipeline.storage.ledger import job_ledger

        with session.database.admin(readonly=True) as conn:
            # The ledger has the server's clock.
            began_at = server_clock(conn) - timedelta(seconds=monotonic() - began)
            while not is_over.wait(_POLL_SECONDS):
                for slug in slugs:
                    jobs = job_ledger.list_jobs(conn, slug)
                    if (job := _current(jobs, began_at)) is not None:
                        percent = 100 if job.status == "completed" else job.progress
                        display.show(slug, percent, job.current_step or job.status)
    except Exception:  # noqa: BLE001 - a display that breaks must not break the job
        return
    finally:
        display.close()


def _current(jobs: Sequence[Job], began_at: datetime) -> Job | None:
    """The job that runs now, or ran since."""
    for job in jobs:
        is_recent = job.started_at is not None and job.started_at >= began_at
        if job.status == "running" or (job.status == "completed" and is_recent):
            return job
    return None


class Bars:
    """A bar a tenant, on a terminal; gone when it is over."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        self._progress: Progress = Progress(
            # No markup: what a step is called comes from the database.
            TextColumn("{task.fields[tenant]}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._progress.start()
        self._waiting: TaskID | None = self._progress.add_task("starting", total=None, tenant="")

    def show(self, slug: str, percent: int, step: str) -> None:
        slug, step = neutral_line(slug), neutral_line(step)
        if self._waiting is not None:
            self._progress.remove_task(self._waiting)
            self._waiting = None
        if slug not in self._tasks:
            self._tasks[slug] = self._progress.add_task(step, total=100, tenant=slug)
        self._progress.update(self._tasks[slug], completed=percent, description=step)

    def close(self) -> None:
        self._progress.stop()


class Lines:
    """A line when there is something new, every few seconds; for logs."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, str]] = {}
        self._said_at = monotonic() - _SECONDS_BETWEEN_LINES

    def show(self, slug: str, percent: int, step: str) -> None:
        is_end = percent == 100
        if self._last.get(slug) == (percent, step):
            return
        if not is_end and monotonic() - self._said_at < _SECONDS_BETWEEN_LINES:
            return
        self._last[slug] = (percent, step)
        self._said_at = monotonic()
        say(f"{slug}: {percent} % {step}")

    def close(self) -> None:
        return
