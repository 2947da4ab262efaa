"""What commands that only read show: tenants, KPIs, digests, jobs. Read-only transactions, no side effect."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import psycopg

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import (
    DemoError,
    InputError,
    NotFoundError,
    Problem,
    UnreadableTenantError,
    raise_problems,
)
from demo_pipeline.domain.core.figures import FiguresByMonth
from demo_pipeline.domain.core.instants import read_since
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.heroes.model import HeroAccounts
from demo_pipeline.domain.parsing.scalars import parse_country, read_each, word_of
from demo_pipeline.domain.reference.industries import INDUSTRIES
from demo_pipeline.services.jobs.tenant_context import (
    TenantContext,
    find_tenant_context,
    find_tenant_id,
    open_snapshot,
)
from demo_pipeline.services.months.month_range import partial_month_notes
from demo_pipeline.services.tenants.heroes import read_heroes
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import instant_of
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger, tenants
from demo_pipeline.storage.ledger.job_ledger import Attempt, Job, JobFilter
from demo_pipeline.storage.ledger.tenants import Incarnation, TenantSummary
from demo_pipeline.storage.rows.digest import tenant_digest
from demo_pipeline.storage.rows.kpis import all_figures
from demo_pipeline.storage.rows.kpis import row_counts as row_counts_of

#: jobs that are listed where a beginning of an id is ambiguous
_MOST_MATCHES: Final = 20


@dataclass(frozen=True, kw_only=True)
class KpiTable:
    """The eight KPIs of a tenant by month; values in minor units."""

    tenant: str
    currency: Currency
    months: FiguresByMonth
    #: a sentence each: that nothing is loaded, and of months whose blueprint is loaded in part
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TenantDetail:
    """A tenant with its spec, its line of the list of tenants, its heroes, and its jobs, the latest first."""

    context: TenantContext
    summary: TenantSummary
    heroes: HeroAccounts
    jobs: tuple[Job, ...]
    #: characters of a job's id that make it unique
    id_length: int

    @property
    def spec(self) -> TenantSpec:
        return self.context.spec


@dataclass(frozen=True, kw_only=True)
class JobPage:
    """Jobs, the latest first, as far as they were asked for."""

    jobs: tuple[Job, ...]
    #: without the limit
    total: int
    #: characters of a job's id that make it unique
    id_length: int


@dataclass(frozen=True, kw_only=True)
class JobDetail:
    """A job with every try."""

    job: Job
    attempts: tuple[Attempt, ...]


def list_tenants(
    database: Database,
    *,
    countries: Sequence[str] = (),
    industries: Sequence[str] = (),
    is_living: bool | None = None,
) -> list[TenantSummary]:
    """Demo tenants by slug, of any of the countries and industries; all without them.

    Raises ``InputError`` for what is no country or industry.
    """
    codes, problems = read_each("--country", countries, _country)
    keys, more = read_each("--industry", industries, word_of("industry", INDUSTRIES))
    raise_problems([*problems, *more])
    with database.admin(readonly=True) as conn:
        return tenants.list_tenants(
            conn, countries=codes or None, industries=keys or None, is_living=is_living
        )


def show_tenant(database: Database, settings: Settings, slug: str) -> TenantDetail:
    """One tenant. Raises ``NotFoundError``, ``NotADemoTenantError``, ``UnreadableTenantError``."""
    with open_snapshot(database, settings, slug, "show") as (conn, context, as_of):
        summaries = tenants.list_tenants(conn, tenant_id=context.state.tenant.tenant_id)
        return TenantDetail(
            context=context,
            summary=summaries[0],
            heroes=read_heroes(conn, context, as_of),
            jobs=tuple(job_ledger.list_jobs(conn, slug)),
            id_length=job_ledger.short_id_length(conn),
        )


def unreadable_tenants(database: Database, settings: Settings, slugs: Iterable[str]) -> list[str]:
    """Those of ``slugs`` that cannot be read. Raises ``NotFoundError``, ``NotADemoTenantError``."""
    found: list[str] = []
    with database.admin(readonly=True) as conn:
        for slug in slugs:
            try:
                find_tenant_context(conn, settings, slug, "show")
            except UnreadableTenantError:
                found.append(slug)
    return found


def later_incarnations(database: Database, slugs: Sequence[str] | None = None) -> list[Incarnation]:
    """Living tenants whose slug belonged to a deleted one: all, or those of ``slugs``.

    What is stored under the slug elsewhere may belong to the deleted one.
    """
    with database.admin(readonly=True) as conn:
        return tenants.later_incarnations(conn, slugs)


def row_counts(database: Database, settings: Settings, slug: str) -> tuple[dict[str, int], dict[str, int]]:
    """Visible and hidden (soft-deleted) rows of one tenant, by table. Its plan is not read.

    Raises ``NotFoundError``, ``NotADemoTenantError``.
    """
    with database.admin(readonly=True) as conn:
        return row_counts_of(conn, find_tenant_id(conn, settings, slug, "tenant delete"))


def kpis(
    database: Database,
    settings: Settings,
    slug: str,
    first: Month | None = None,
    last: Month | None = None,
) -> KpiTable:
    """Exactly the months from ``first`` to ``last`` where both are given, zeros included.

    Otherwise every month of the span and any other month that has rows, within the one bound.
    """
    if first is not None and last is not None and last < first:
        message = f"the range ends ({last}) before it begins ({first})"
        raise InputError(message, [Problem(code="empty_range", message=message)])
    with open_snapshot(database, settings, slug, "kpis") as (conn, context, as_of):
        spec = context.spec
        figures = all_figures(conn, context.state.tenant.tenant_id, spec.currency)
    months = first.until(last) if first is not None and last is not None else kpi_months(context, figures)
    shown = figures.over(
        month for month in months if (first is None or month >= first) and (last is None or month <= last)
    )
    return KpiTable(
        tenant=slug,
        currency=spec.currency,
        months=shown,
        notes=(
            *_unloaded_notes(slug, {*context.recorded_months, *figures}, shown, first, last),
            *partial_month_notes(context, shown, as_of),
        ),
    )


def _unloaded_notes(
    slug: str, loaded: set[Month], shown: Collection[Month], first: Month | None, last: Month | None
) -> Iterator[str]:
    """That none of the ``shown`` months is loaded, which are those from ``first`` to ``last``."""
    if not loaded:
        yield f"nothing is loaded yet; demo-pipeline generate {slug} loads its months"
    elif loaded.isdisjoint(shown):
        bound = f"up to {last}" if first is None else f"from {first} {'on' if last is None else f'to {last}'}"
        yield f"no months {bound}; loaded are {min(loaded)} to {max(loaded)}"


def kpi_months(context: TenantContext, figures: FiguresByMonth) -> list[Month]:
    """Every month of the span, extensions included, and any other that has ``figures`` or is recorded."""
    spec = context.spec
    end = spec.end_month if context.end_month is None else context.end_month
    return sorted({*spec.start_month.until(end), *context.recorded_months, *figures})


def digest(database: Database, settings: Settings, slug: str) -> str:
    """SHA-256 of all that the tenant can see, in hexadecimal digits."""
    with database.admin(readonly=True) as conn:
        return tenant_digest(conn, find_tenant_id(conn, settings, slug, "digest"))


def list_jobs(database: Database, settings: Settings, slug: str | None = None) -> list[Job]:
    """Jobs of one tenant, of those of its name that were deleted too, or of all; the latest first.

    Raises ``NotFoundError``, ``NotADemoTenantError``.
    """
    return list(find_jobs(database, settings, slug).jobs)


def find_jobs(
    database: Database,
    settings: Settings,
    slug: str | None = None,
    *,
    statuses: Sequence[str] = (),
    kinds: Sequence[str] = (),
    since: str | None = None,
    limit: int | None = None,
) -> JobPage:
    """The latest jobs of any of the statuses and kinds, begun at ``since`` or later (see ``read_since``).

    Raises as ``list_jobs`` does, and ``InputError`` for an unknown status or kind and what is no time.
    """
    known_statuses, problems = read_each("--status", statuses, word_of("status", job_ledger.STATUSES))
    known_kinds, more = read_each("--kind", kinds, word_of("kind", list(JobKind)))
    problems += more
    with database.admin(readonly=True) as conn:
        instant: datetime | None = None
        if since is not None:
            try:
                instant = read_since(since, instant_of(conn, settings))
            except ValueError as error:
                problems.append(Problem(code="bad_since", field="--since", value=since, message=str(error)))
        raise_problems(problems)
        wanted = JobFilter(
            slug=slug,
            statuses=list(known_statuses) or None,
            kinds=[JobKind(kind) for kind in known_kinds] or None,
            since=instant,
        )
        jobs = job_ledger.find_jobs(conn, wanted, limit)
        if slug is not None:
            try:
                find_tenant_id(conn, settings, slug, "job list")
            except NotFoundError:
                # History outlives its tenant.
                if not job_ledger.count_jobs(conn, JobFilter(slug=slug)):
                    raise
        return JobPage(
            jobs=tuple(jobs),
            total=len(jobs) if limit is None else job_ledger.count_jobs(conn, wanted),
            id_length=job_ledger.short_id_length(conn),
        )


def _country(text: str) -> str:
    return parse_country(text.upper() if len(text) == len("DE") else text)


def find_job(database: Database, beginning: str) -> Job:
    """The job whose id begins with these hexadecimal digits, at most 32 and without dashes.

    Raises ``NotFoundError``, and ``InputError`` with the jobs where several do.
    """
    with database.admin(readonly=True) as conn:
        first, last = (UUID(beginning.ljust(32, digit)) for digit in "0f")
        jobs = job_ledger.jobs_beginning(conn, first, last)
    if len(jobs) == 1:
        return jobs[0]
    if not jobs:
        what = f"no job {first}" if first == last else f"no job whose id begins with {beginning}"
        raise NotFoundError(f"there is {what}; demo-pipeline job list shows those there are")
    message = f"{len(jobs):,} jobs have ids that begin with {beginning}; give more of the id"
    error = InputError(message, [Problem(code="ambiguous_job", value=beginning, message=message)])
    error.details["matches"] = [
        {
            "job_id": str(job.id),
            "tenant": job.slug,
            "kind": job.kind,
            "started_at": None if job.started_at is None else job.started_at.isoformat(timespec="seconds"),
        }
        for job in jobs[:_MOST_MATCHES]
    ]
    raise error


def jobs_of_run(database: Database, dagster_run_id: str) -> list[tuple[UUID, str]] | None:
    """Jobs of which a Dagster run opened an attempt, with their status; None: the database is away."""
    try:
        with database.admin(readonly=True) as conn:
            return job_ledger.jobs_of_run(conn, dagster_run_id)
    except (DemoError, psycopg.Error):
        return None


def show_job(database: Database, job_id: UUID) -> JobDetail:
    """One job with its attempts. Raises ``NotFoundError``, ``UnreadableJobError``."""
    with database.admin(readonly=True) as conn:
        job = job_ledger.readable(job_ledger.get_job(conn, job_id))
        return JobDetail(job=job, attempts=tuple(job_ledger.list_attempts(conn, job_id)))
