"""Every check on what is in the database: figures, rows, the ledger.

The same checks are on Dagster's pages, for each month of a tenant, and in ``demo-pipeline verify``. They say
what is wrong; what to do about it is in ``cures``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, Final
from uuid import UUID

import psycopg

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import UnreadableTenantError
from demo_pipeline.domain.core.figures import FiguresByMonth, mismatches
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.domain.model import MODEL
from demo_pipeline.services.jobs.row_checks import RowChecks, absent_rows, check_rows, count_blueprint_rows
from demo_pipeline.services.jobs.tenant_context import TenantContext, open_snapshot
from demo_pipeline.services.months.freshness import tenant_freshness
from demo_pipeline.settings import CLOCK_TOLERANCE, Settings
from demo_pipeline.storage.connection.clock import server_clock
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger, tenants
from demo_pipeline.storage.ledger.tenants import JobState
from demo_pipeline.storage.rows import disclosure_scan, misplaced, provenance, row_checks
from demo_pipeline.storage.rows.kpis import all_figures
from demo_pipeline.storage.rows.misplaced import Misplaced

Connection = psycopg.Connection[Any]


class Check(StrEnum):
    """What was examined, as a sentence that is true of a sound tenant."""

    DRIFT = "no_drift"
    MISSING = "nothing_is_missing"
    REFERENCES = "references_are_whole"
    LIFE_CYCLES = "life_cycles_hold"
    DUPLICATES = "no_duplicates"
    PROVENANCE = "provenance_is_complete"
    DISCLOSURE = "nothing_reveals_a_demo"
    FRESHNESS = "tenant_is_fresh"
    PLACES = "rows_are_in_their_own_tenant"
    JOBS = "jobs_have_ended_well"
    DOCUMENTS = "stored_documents_can_be_read"


#: ``demo-pipeline verify``: all but the search of every visible text, which is ``demo-pipeline scan``, and
#: freshness, which is ``demo-pipeline health``
VERIFIED: Final = frozenset(Check) - {Check.DISCLOSURE, Check.FRESHNESS}
#: Judged for each month on Dagster's pages. The others need the tables of all tenants, or concern no month.
PAGE_CHECKS: Final = frozenset(Check) - {Check.PLACES, Check.JOBS, Check.DOCUMENTS}
#: of these nothing is kept back that does not pass
WARNINGS: Final = frozenset({Check.DRIFT, Check.FRESHNESS})


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it should be."""

    check: Check
    message: str
    month: str | None = None
    metric: str | None = None
    #: rows of one table that it is about; none: it is not about single rows
    table: str | None = None
    ids: tuple[UUID, ...] = ()
    #: the job that it is about, or whose rows
    job_id: UUID | None = None
    #: the months that it is about; none: the whole tenant
    months: frozenset[Month] = frozenset()

    def concerns(self, month: Month) -> bool:
        """Whether it is about a month, or the whole tenant."""
        return not self.months or month in self.months


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What ``verify`` says of one tenant."""

    tenant: str
    findings: tuple[Finding, ...]
    #: months that the blueprint asks for and of which nothing is loaded yet: not wrong, not done
    pending: tuple[Month, ...]
    #: what people changed of generated rows, which is not wrong by itself
    notes: tuple[str, ...] = ()

    @property
    def is_as_expected(self) -> bool:
        return not self.findings


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A tenant as it is in one snapshot: figures by month, and what checks found.

    Figures in minor units; a month without rows is absent.
    """

    tenant: str
    tenant_id: UUID
    currency: Currency
    #: what the ledger says of the months that were loaded
    expected: FiguresByMonth
    #: what is in the tables
    figures: FiguresByMonth
    verdict: Verdict
    read_at: datetime

    def found_in(self, month: Month, check: Check) -> tuple[Finding, ...]:
        """What a check found that concerns a month."""
        return tuple(one for one in self.verdict.findings if one.check is check and one.concerns(month))

    def errors_in(self, month: Month) -> tuple[Finding, ...]:
        """What concerns a month and is more than a warning."""
        return tuple(
            one for one in self.verdict.findings if one.check not in WARNINGS and one.concerns(month)
        )


@dataclass(frozen=True, kw_only=True)
class UnreadableTenant:
    """A tenant whose plan cannot be read, so that nothing of it was examined."""

    tenant: str
    error: UnreadableTenantError

    @property
    def verdict(self) -> Verdict:
        finding = Finding(check=Check.DOCUMENTS, message=self.error.message)
        return Verdict(tenant=self.tenant, findings=(finding,), pending=())


def verify(database: Database, settings: Settings, *slugs: str) -> tuple[Verdict, ...]:
    """Check tenants in the given order; without slugs all tenants, by slug.

    A tenant whose plan cannot be read has that as its only finding. Raises ``NotFoundError``,
    ``NotADemoTenantError``.
    """
    return tuple(one.verdict for one in inspect_each(database, settings, slugs or None, VERIFIED))


def inspect_each(
    database: Database, settings: Settings, slugs: Sequence[str] | None, checks: Collection[Check]
) -> Iterator[Inspection | UnreadableTenant]:
    """Examine tenants one after the other; None: all, by slug.

    Raises ``NotFoundError``, ``NotADemoTenantError``.
    """
    with database.pooled() as kept:
        with kept.admin(readonly=True) as conn:
            if slugs is None:
                slugs = [one.slug for one in tenants.list_tenants(conn)]
            # Once for all, since it reads the tables of all tenants.
            strays = misplaced.find(conn) if slugs and Check.PLACES in checks else ()
        for slug in slugs:
            try:
                with open_snapshot(kept, settings, slug, "verify") as (snapshot, context, now):
                    examined = check_tenant(snapshot, settings, context, now, checks, strays)
            except UnreadableTenantError as error:
                yield UnreadableTenant(tenant=slug, error=error)
            else:
                yield examined


def inspect(
    database: Database, settings: Settings, slug: str, checks: Collection[Check] = PAGE_CHECKS
) -> Inspection:
    """Examine one tenant by checks that need no other tenant's rows.

    Raises ``NotFoundError``, ``NotADemoTenantError``, ``UnreadableTenantError``.
    """
    with open_snapshot(database, settings, slug, "verify") as (conn, context, now):
        return check_tenant(conn, settings, context, now, checks)


def check_tenant(
    conn: Connection,
    settings: Settings,
    context: TenantContext,
    now: datetime,
    checks: Collection[Check],
    strays: Sequence[Misplaced] = (),
) -> Inspection:
    """Examine one tenant in the transaction of ``conn``.

    ``strays``: ``misplaced.find`` of all tenants, which ``Check.PLACES`` judges.
    """
    examined = _Examination(conn, settings, context, now, strays)
    findings = (finding for check in Check if check in checks for finding in _FIND[check](examined))
    return Inspection(
        tenant=context.spec.slug,
        tenant_id=context.state.tenant.tenant_id,
        currency=context.spec.currency,
        expected=context.expected_by_month,
        figures=examined.figures,
        verdict=Verdict(
            tenant=context.spec.slug,
            findings=tuple(findings),
            pending=_pending(context, now),
            notes=tuple(_notes(context.spec.slug, examined.rows)) if Check.LIFE_CYCLES in checks else (),
        ),
        read_at=now,
    )


class _Examination:
    """One tenant in one transaction; what several checks need is read once."""

    def __init__(
        self,
        conn: Connection,
        settings: Settings,
        context: TenantContext,
        now: datetime,
        strays: Sequence[Misplaced],
    ) -> None:
        self.conn, self.settings, self.context, self.now, self.strays = conn, settings, context, now, strays
        self.tenant_id = context.state.tenant.tenant_id

    @cached_property
    def figures(self) -> FiguresByMonth:
        return all_figures(self.conn, self.tenant_id, self.context.spec.currency)

    @cached_property
    def rows(self) -> RowChecks:
        finished = provenance.finished_at(self.conn, self.tenant_id)
        return check_rows(self.conn, self.context, self.now, finished)

    @cached_property
    def jobs(self) -> list[job_ledger.Job]:
        """The jobs of the slug, those of deleted tenants included."""
        return job_ledger.list_jobs(self.conn, self.context.spec.slug)

    def about(
        self, check: Check, table: str, ids: tuple[UUID, ...], what: str, job_id: UUID | None = None
    ) -> Finding:
        """A finding about rows of one table, in the months that they belong to."""
        months = row_checks.months_of(self.conn, self.tenant_id, table, ids)
        known = {str(month): month for month in self.context.recorded_months}
        return Finding(
            check=check,
            message=f"{len(ids):,} {table}: {what}",
            table=table,
            ids=ids,
            job_id=job_id,
            # A month without a page of its own makes it a finding of the whole tenant.
            months=frozenset(known[month] for month in months) if months <= known.keys() else frozenset(),
        )


def _drift(at: _Examination) -> Iterator[Finding]:
    for mismatch in mismatches(at.context.expected_by_month, at.figures):
        yield Finding(
            check=Check.DRIFT,
            message=mismatch.describe(at.context.spec.currency),
            month=str(mismatch.month),
            metric=mismatch.metric,
            months=frozenset([mismatch.month]),
        )


def _missing(at: _Examination) -> Iterator[Finding]:
    """Months that have fewer rows than expected, or not all rows of the blueprint that were loaded."""
    counts = count_blueprint_rows(at.conn, at.context)
    is_missing = False
    for month in sorted(at.context.recorded_months):
        expected, loaded = at.context.expected(month), at.context.loaded_months.get(month)
        # Rows of people do not make up for those of the blueprint, which are made again.
        absent = {} if loaded is None else absent_rows(loaded, counts)
        for table in MODEL.counted:
            metric = f"{table}_created"
            count = max(expected[metric] - at.figures.at(month)[metric], absent.get(table, 0))
            if count > 0:
                is_missing = True
                yield Finding(
                    check=Check.MISSING,
                    message=f"{month}: {count:,} of {expected[metric]:,} {table} are missing",
                    month=str(month),
                    table=table,
                    months=frozenset([month]),
                )
    if is_missing:
        # Otherwise other rows make up for those that are gone.
        yield from _empty_jobs(at)


def _empty_jobs(at: _Examination) -> Iterator[Finding]:
    """Completed jobs none of whose rows is there. A rewind may have deleted those of one that it undid."""
    there = row_checks.jobs_of_rows(at.conn, at.tenant_id)
    made = job_ledger.rows_created(at.conn, at.tenant_id)
    for job in at.context.state.jobs:
        if made.get(job.job_id) and job.job_id not in there and job.undone_by is None:
            message = f"job {job.job_id} ({job.kind}) made {made[job.job_id]:,} rows and none is there"
            yield Finding(check=Check.MISSING, message=message, months=_months_of_job(job))


def _months_of_job(job: JobState) -> frozenset[Month]:
    if job.first_month is None or job.last_month is None:
        return frozenset()
    return frozenset(job.first_month.until(job.last_month))


def _references(at: _Examination) -> Iterator[Finding]:
    for orphan in row_checks.orphans(at.conn, at.tenant_id):
        nowhere = f"{orphan.reference} leads to {orphan.parent} that do not exist"
        yield at.about(Check.REFERENCES, orphan.table, orphan.ids, nowhere)


def _life_cycles(at: _Examination) -> Iterator[Finding]:
    for broken in at.rows.faults:
        yield at.about(Check.LIFE_CYCLES, broken.table, broken.ids, f"not true that {broken.rule}")


def _duplicates(at: _Examination) -> Iterator[Finding]:
    for table, ids in row_checks.copies(at.conn, at.tenant_id, at.rows.edited).items():
        yield at.about(Check.DUPLICATES, table, ids, "copies of others")


def _provenance(at: _Examination) -> Iterator[Finding]:
    """Rows whose job did not complete or is not known, and rows that a job made and that do not name it."""
    jobs = {job.job_id: job for job in at.context.state.jobs}
    for job_id in row_checks.jobs_of_rows(at.conn, at.tenant_id):
        job = jobs.get(job_id)
        if job is None or job.status != "completed":
            state = "is no job of this tenant" if job is None else f"is {job.status}"
            for table, ids in row_checks.living_rows_of(at.conn, at.tenant_id, [job_id]).items():
                yield at.about(Check.PROVENANCE, table, ids, f"of job {job_id}, which {state}", job_id)
    for table in MODEL.counted:
        if not provenance.bare_rows(at.conn, at.tenant_id, table):
            continue
        # numpy: only where there are rows without provenance, of people as a rule.
        from demo_pipeline.services.jobs.row_origins import owned_rows

        if ids := tuple(owned_rows(at.conn, at.context, at.jobs, table).rows):
            yield at.about(Check.PROVENANCE, table, ids, "made by a job and do not name it")


def _disclosure(at: _Examination) -> Iterator[Finding]:
    """What the CRM's reader could recognise the demo by."""
    # The role and the tenant of the reader end with the savepoint.
    with at.conn.transaction(force_rollback=True):
        disclosure_scan.serve(at.conn, at.tenant_id)
        found = [
            *disclosure_scan.scan_values(at.conn).findings,
            *disclosure_scan.scan_distributions(at.conn),
            *disclosure_scan.scan_catalogue(at.conn),
        ]
    for one in found:
        message = f"{one.place}: {one.word!r}, {counted(one.count, 'time')}"
        yield Finding(check=Check.DISCLOSURE, message=message)


def _freshness(at: _Examination) -> Iterator[Finding]:
    """The last month of a stale tenant."""
    latest = max(at.context.recorded_months, default=None)
    for one in tenant_freshness(at.conn, at.settings, at.now, at.tenant_id, on_unreadable=lambda _: None):
        if not one.is_fresh:
            months = frozenset[Month]() if latest is None else frozenset([latest])
            yield Finding(check=Check.FRESHNESS, message=one.reason, months=months)


def _places(at: _Examination) -> Iterator[Finding]:
    for stray in at.strays:
        if stray.owner_id == at.tenant_id:
            message = f"{len(stray.ids):,} {stray.table}: lie in tenant {stray.slug or stray.tenant_id}"
            yield Finding(check=Check.PLACES, message=message, table=stray.table, ids=stray.ids)


def _jobs(at: _Examination) -> Iterator[Finding]:
    """Interrupted jobs, and jobs that worked as of an instant that the server's clock has not reached."""
    running = [job for job in at.context.state.jobs if job.status == "running"]
    # It takes the tenant's lock for a moment: only where there is a reason.
    if running and not tenants.is_held(at.conn, at.tenant_id):
        for job in running:
            message = f"job {job.job_id} ({job.kind}) says running, and no session runs it; run it again"
            yield Finding(check=Check.JOBS, message=message, job_id=job.job_id)
    yield from _clock_findings(at.context, server_clock(at.conn))


def _clock_findings(context: TenantContext, clock: datetime) -> Iterator[Finding]:
    """Jobs that worked as of an instant that the server's clock has not reached."""
    for job in context.state.jobs:
        if job.status == "completed" and job.as_of is not None and job.as_of > clock + CLOCK_TOLERANCE:
            message = (
                f"job {job.job_id} ({job.kind}) worked as of {job.as_of:%Y-%m-%d %H:%M} UTC, and the "
                f"database server's clock says {clock:%Y-%m-%d %H:%M} UTC: a clock was wrong, then or now"
            )
            yield Finding(check=Check.JOBS, message=message)


def _documents(at: _Examination) -> Iterator[Finding]:
    for job in at.jobs:
        if job.tenant_id == at.tenant_id and (error := job_ledger.unreadable_job(job)) is not None:
            yield Finding(check=Check.DOCUMENTS, message=error.message)


_FIND: Final[Mapping[Check, Callable[[_Examination], Iterator[Finding]]]] = {
    Check.DRIFT: _drift,
    Check.MISSING: _missing,
    Check.REFERENCES: _references,
    Check.LIFE_CYCLES: _life_cycles,
    Check.DUPLICATES: _duplicates,
    Check.PROVENANCE: _provenance,
    Check.DISCLOSURE: _disclosure,
    Check.FRESHNESS: _freshness,
    Check.PLACES: _places,
    Check.JOBS: _jobs,
    Check.DOCUMENTS: _documents,
}


def _notes(slug: str, checks: RowChecks) -> Iterator[str]:
    """What people changed, and which rules rows break because of it."""
    if checks.edited:
        rows = ", ".join(f"{len(ids):,} {table}" for table, ids in checks.edited.items())
        yield f"edited by people: {rows}"
    for stage in checks.stages:
        yield (
            f"stage {stage.name!r} was {stage.outcome} and is not any more, so {stage.deal_count:,} deals in "
            f"it contradict it: set it in the CRM, or with demo-pipeline repair {slug} --restore-stages --yes"
        )
    for broken in checks.by_people:
        yield (
            f"{counted(broken.count, 'row')} of {broken.table}: not true that {broken.rule}, because of what "
            "people changed"
        )


def _pending(context: TenantContext, now: datetime) -> tuple[Month, ...]:
    running = Month.containing(now)
    return tuple(month for month in context.asked_months(running) if month not in context.state.months)
