"""Runs jobs for a person: progress on stderr meanwhile, Dagster's asset pages afterwards.

Progress is a bar per tenant on a terminal, and a line every few seconds elsewhere. A thread reads it from the
ledger, so jobs of other processes are shown too. The first two seconds are silent. If the database cannot be
read any more, the display ends and the job goes on.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from demo_pipeline.cli.kit.console import say, warn
from demo_pipeline.cli.kit.session import QUIET_SECONDS, Session
from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.domain.core.terminal_text import neutral_line

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from demo_pipeline.services.jobs.report import JobReport

_POLL_SECONDS: Final = 0.5
_SECONDS_BETWEEN_LINES: Final = 5.0


class Display(Protocol):
    """A way to show progress."""

    def show(self, slug: str, percent: int, step: str) -> None:
        """Show the progress of one tenant's job."""
        ...

    def close(self) -> None:
        """End the display."""
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
        # The thread clears its line; a database that does not answer must not block the command.
        thread.join(timeout=2)


def run_watched(session: Session, slug: str, job: Callable[[], JobReport]) -> JobReport:
    """Run one job of a tenant with progress on stderr, and show it on Dagster's pages."""
    with watched(session, [slug]), shown_on_asset_pages(session) as reports:
        reports.append(job())
    return reports[0]


@contextmanager
def shown_on_asset_pages(session: Session) -> Generator[list[JobReport]]:
    """Show the jobs that the block appends to the list on Dagster's asset pages, also if the block fails.

    A failure to show them is a warning, since the jobs are committed. Does not wait for Dagster.
    """
    done: list[JobReport] = []
    try:
        yield done
    finally:
        from demo_pipeline.services.platform.page_updates import show_on_asset_pages

        job_ids = [report.job_id for report in done if not report.already_applied]
        try:
            show_on_asset_pages(session.settings, session.database, job_ids)
        except DemoError as error:
            warn(error.message)


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
            # The ledger uses the server's clock.
            began_at = server_clock(conn) - timedelta(seconds=monotonic() - began)
            while not is_over.wait(_POLL_SECONDS):
                # One statement for all tenants. The latest job of each comes first: it is the one to keep.
                jobs = {job.slug: job for job in reversed(job_ledger.recent_jobs(conn, slugs, began_at))}
                for job in jobs.values():
                    percent = 100 if job.status == "completed" else job.progress
                    display.show(job.slug, percent, job.current_step or job.status)
    except Exception:  # noqa: BLE001 - a display that breaks must not break the job
        return
    finally:
        display.close()


class Bars:
    """A bar per tenant on a terminal, cleared at the end."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        self._progress: Progress = Progress(
            # No markup: the name of a step comes from the database.
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
    """A line every few seconds if there is progress; for logs."""

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
