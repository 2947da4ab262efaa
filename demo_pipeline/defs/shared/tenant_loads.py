"""Requests and results of a run by tenant, without Dagster.

Each tenant is one call of ``services.months.materialise``: one job, one transaction. A tenant that fails
leaves no rows and does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from demo_pipeline.domain.core.errors import DemoError, InterruptedJobError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.jobs.report import JobReport, MonthResult, request_job
from demo_pipeline.services.months.month_range import impossible_months
from demo_pipeline.services.tenants import queries
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database


@dataclass(frozen=True, kw_only=True)
class LoadRequest:
    """The selected months of one tenant, in order.

    They go to the service as one range. Months between two selected ones are loaded with them, as all
    months before are: a month may refer to each that came earlier. Only the selected ones are shown as
    materialised.
    """

    tenant: str
    months: tuple[Month, ...]

    @property
    def first(self) -> Month:
        return self.months[0]

    @property
    def last(self) -> Month:
        return self.months[-1]

    def __str__(self) -> str:
        span = str(self.first) if self.first == self.last else f"{self.first} to {self.last}"
        return f"{self.tenant}, {span}"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A tenant whose months are committed."""

    request: LoadRequest
    report: JobReport

    def result(self, month: Month) -> MonthResult:
        """The job's result of a selected month."""
        return next(result for result in self.report.months if result.month == month)


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A tenant of which nothing was committed, and the error."""

    request: LoadRequest
    error: DemoError


def load_each(
    requests: Iterable[LoadRequest], load: Callable[[LoadRequest], JobReport]
) -> Iterator[Loaded | Refused]:
    """Load one tenant after the other. An interrupt ends it; those before have been committed."""
    for request in requests:
        try:
            report = load(request)
        except InterruptedJobError:
            raise
        except DemoError as error:
            yield Refused(request=request, error=error)
        else:
            yield Loaded(request=request, report=report)


def split_months(
    database: Database, settings: Settings, request: LoadRequest
) -> tuple[tuple[Month, ...], Mapping[Month, str]]:
    """The months of a request that its tenant can have, and why it cannot have the others."""
    try:
        reasons = impossible_months(database, settings, request.tenant, request.months)
    except DemoError:
        # Loading it reports why, and audits the attempt.
        return request.months, {}
    return tuple(month for month in request.months if month not in reasons), reasons


def jobs_of_run(
    database: Database, settings: Settings, slugs: Iterable[str], dagster_run_id: str
) -> Mapping[str, UUID]:
    """The job of each tenant that this Dagster run has opened."""
    found: dict[str, UUID] = {}
    for slug in slugs:
        try:
            jobs = queries.list_jobs(database, settings, slug)
        except DemoError:
            continue  # no tenant of ours has no job
        if own := request_job([job for job in jobs if job.dagster_run_id == dagster_run_id]):
            found[slug] = own.id
    return found
