"""What commands that only read show: tenants, KPIs, digests, jobs. Read-only transactions, no side effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from demo_pipeline.domain.errors import InputError, NotFoundError, Problem, UnreadableTenantError
from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.months import Month
from demo_pipeline.domain.planning import TenantSpec
from demo_pipeline.services.subject import Subject, find_subject, find_tenant_id
from demo_pipeline.settings import Settings
from demo_pipeline.storage import ledger, tenants
from demo_pipeline.storage.database import Database
from demo_pipeline.storage.digest import tenant_digest
from demo_pipeline.storage.kpis import all_figures
from demo_pipeline.storage.kpis import row_counts as row_counts_of
from demo_pipeline.storage.ledger import Attempt, Job
from demo_pipeline.storage.tenants import TenantSummary


@dataclass(frozen=True, kw_only=True)
class KpiTable:
    """The eight KPIs of a tenant by month; values in minor units."""

    tenant: str
    currency: str
    minor_digits: int
    months: Mapping[Month, Figures]


@dataclass(frozen=True, kw_only=True)
class TenantDetail:
    """A tenant with its spec, the months that are loaded, and its jobs, the latest first."""

    subject: Subject
    jobs: tuple[Job, ...]

    @property
    def spec(self) -> TenantSpec:
        return self.subject.spec


@dataclass(frozen=True, kw_only=True)
class JobDetail:
    """A job with every try."""

    job: Job
    attempts: tuple[Attempt, ...]


def list_tenants(database: Database) -> list[TenantSummary]:
    """All demo tenants by slug."""
    with database.admin(readonly=True) as conn:
        return tenants.list_tenants(conn)


def show_tenant(database: Database, settings: Settings, slug: str) -> TenantDetail:
    """One tenant. Raises ``NotFoundError``, ``NotADemoTenantError``, ``UnreadableTenantError``."""
    with database.admin(readonly=True) as conn:
        subject = find_subject(conn, settings, slug, "show")
        return TenantDetail(subject=subject, jobs=tuple(ledger.list_jobs(conn, slug)))


def unreadable_tenants(database: Database, settings: Settings, slugs: Iterable[str]) -> list[str]:
    """Those of ``slugs`` that cannot be read. Raises ``NotFoundError``, ``NotADemoTenantError``."""
    found: list[str] = []
    with database.admin(readonly=True) as conn:
        for slug in slugs:
            try:
                find_subject(conn, settings, slug, "show")
            except UnreadableTenantError:
                found.append(slug)
    return found


def row_counts(database: Database, settings: Settings, slug: str) -> dict[str, int]:
    """Living rows of one tenant, by table. Its plan is not read.

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
    with database.admin(readonly=True) as conn:
        subject = find_subject(conn, settings, slug, "kpis")
        spec = subject.spec
        figures = all_figures(conn, subject.state.tenant.tenant_id, spec.minor_digits)
    end = spec.end_month if subject.end_month is None else subject.end_month
    months = (
        first.until(last)
        if first is not None and last is not None
        else sorted({*spec.start_month.until(end), *subject.known_months, *figures})
    )
    return KpiTable(
        tenant=slug,
        currency=spec.currency,
        minor_digits=spec.minor_digits,
        months={
            month: figures.get(month, Figures())
            for month in months
            if (first is None or month >= first) and (last is None or month <= last)
        },
    )


def digest(database: Database, settings: Settings, slug: str) -> str:
    """SHA-256 of all that the tenant can see, in hexadecimal digits."""
    with database.admin(readonly=True) as conn:
        return tenant_digest(conn, find_tenant_id(conn, settings, slug, "digest"))


def list_jobs(database: Database, settings: Settings, slug: str | None = None) -> list[Job]:
    """Jobs of one tenant, of those of its name that were deleted too, or of all; the latest first.

    Raises ``NotFoundError``, ``NotADemoTenantError``.
    """
    with database.admin(readonly=True) as conn:
        jobs = ledger.list_jobs(conn, slug)
        if slug is not None:
            try:
                find_tenant_id(conn, settings, slug, "job list")
            except NotFoundError:
                # History outlives its tenant.
                if not jobs:
                    raise
        return jobs


def show_job(database: Database, job_id: UUID) -> JobDetail:
    """One job with its attempts. Raises ``NotFoundError``, ``UnreadableJobError``."""
    with database.admin(readonly=True) as conn:
        job = ledger.readable(ledger.get_job(conn, job_id))
        return JobDetail(job=job, attempts=tuple(ledger.list_attempts(conn, job_id)))
