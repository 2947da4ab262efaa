"""What the steps of a job receive and return.

A use case gives ``runner.run_job`` a function ``select``. It gets the tenant (``JobRun``) and returns the job
that the request is (``JobSelection``), or the id of the job that fulfilled the request before. The selection
carries ``execute``, which makes the change within the data transaction (``JobTransaction``) and returns a
``JobOutcome``. Steps pass results on as values and keep no state. The order of the steps is the runner's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg

from demo_pipeline.domain.certificate.guard import ContactGuard
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import JobFailedError
from demo_pipeline.domain.core.figures import NO_MONTHS, Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.jobs.events import Event, record
from demo_pipeline.services.jobs.progress import OnProgress, Progress
from demo_pipeline.services.jobs.report import FirstJob, JobReport, report_of
from demo_pipeline.services.jobs.tenant_context import TenantContext
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.job_ledger import JobRequest
from demo_pipeline.storage.ledger.tenants import MonthState, Tenant
from demo_pipeline.storage.rows.kpis import all_figures
from demo_pipeline.storage.rows.load import Batches, Load, encoded, load, prefetched


@dataclass(frozen=True, kw_only=True)
class JobCaller:
    """The caller of a job: identity and progress callback."""

    requested_by: str | None = None
    dagster_run_id: str | None = None
    on_progress: OnProgress | None = None


@dataclass(frozen=True, kw_only=True)
class JobRun:
    """One request for one tenant, while this session holds the tenant's scheduling lock."""

    database: Database
    settings: Settings
    #: the loader's session, which holds the lock
    conn: psycopg.Connection[Any]
    context: TenantContext
    as_of: datetime
    caller: JobCaller
    #: when the lock was acquired, by ``monotonic``
    started: float = field(default_factory=monotonic)

    @property
    def tenant(self) -> Tenant:
        return self.context.state.tenant

    @property
    def currency(self) -> Currency:
        return self.context.spec.currency

    @property
    def seconds(self) -> float:
        """Since the lock was acquired."""
        return monotonic() - self.started

    def figures(self) -> FiguresByMonth:
        """The tenant's figures now."""
        return all_figures(self.conn, self.tenant.tenant_id, self.currency)

    def record(self, event: Event, job_id: UUID, **fields: Any) -> None:
        """Write an event of this request to the log of events."""
        seconds = round(self.seconds, 3)
        record(
            self.settings, event, tenant=self.tenant.slug, job_id=job_id, duration_seconds=seconds, **fields
        )


@dataclass(frozen=True, kw_only=True)
class JobTransaction(JobRun):
    """A run within its data transaction, which may write the rows of one or two claimed jobs."""

    request: JobRequest
    #: the job's number within the tenant
    number: int
    #: the blueprint's job that is claimed as well, and its number
    beside: tuple[JobRequest, int] | None
    progress: Progress

    def making(self, *stages: Batches) -> AbstractContextManager[Iterator[Load]]:
        """Make rows in the background, for :meth:`load_made`: a stage loads while the next one is made.

        Raises ``JobFailedError`` where a row has a contact value that is not reserved.
        """
        guard = ContactGuard(self.context.spec.mail_domain)
        loads = (encoded(guard.checked(batches), self.settings.batch_rows) for batches in stages)
        return prefetched(chain.from_iterable(loads))

    def load(self, batches: Batches, job_id: UUID) -> dict[str, int]:
        """Insert rows of the tenant under a claimed job. Table → rows."""
        with self.making(batches) as loads:
            return self.load_made(loads, job_id)

    def load_made(self, loads: Iterable[Load], job_id: UUID) -> dict[str, int]:
        """:meth:`load` of rows from :meth:`making`. Raises ``JobFailedError`` after the job's time limit."""
        created = dict[str, int]()
        for rows in loads:
            self._check_deadline()
            for table, count in load(self.conn, self.tenant.tenant_id, job_id, rows):
                created[table] = created.get(table, 0) + count
                self.progress.add(count, f"loading {table}")
        self._check_deadline()
        return created

    def _check_deadline(self) -> None:
        limit = self.settings.job_timeout_seconds
        if self.seconds > limit:
            raise JobFailedError(
                f"the job took longer than {limit:g} s and was rolled back; "
                "raise DEMO_JOB_TIMEOUT_SECONDS or ask for fewer months at once"
            )


@dataclass(frozen=True, kw_only=True)
class JobOutcome:
    """What a job did in its data transaction."""

    #: figures when the job's own change began
    before: FiguresByMonth
    #: what it changed since then
    change: FiguresByMonth
    #: month → what is expected of it, and the figures that were to be reached
    results: Mapping[Month, tuple[Figures, Figures]] = field(
        default_factory=dict[Month, tuple[Figures, Figures]]
    )
    #: table → rows
    created: Mapping[str, int] = field(default_factory=dict[str, int])
    #: the blueprint's rows that are in the database now
    loaded: Iterable[MonthState] = ()
    #: what it changes of what is expected
    recorded: FiguresByMonth = NO_MONTHS
    #: what the blueprint's job did that was claimed beside it; None: there was none
    first: FirstJob | None = None
    #: hero accounts are as they ought to be, put back or untouched: none is selected anew
    has_heroes: bool = False
    #: further metrics to store with the job, JSON-ready
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class JobSelection:
    """The job that a request is, and what it does."""

    request: JobRequest
    #: the work itself, within the data transaction, after the claim
    execute: Callable[[JobTransaction], JobOutcome]
    #: the blueprint's job whose rows this one has to load first
    beside: JobRequest | None = None


class AnotherTryError(Exception):
    """The tenant is not as it was when the job was selected: select again."""


def recorded_report(run: JobRun, job_id: UUID, *, already_applied: bool) -> JobReport:
    """The report of a completed job as the ledger has it."""
    with run.database.admin(readonly=True) as conn:
        job = job_ledger.get_job(conn, job_id)
    return report_of(job, run.currency, already_applied=already_applied, seconds=run.seconds)
