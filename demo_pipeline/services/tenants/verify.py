"""Every check on what is in the database: figures, rows, the ledger.

It says what is wrong; what to do about rows is ``repair``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import psycopg

from demo_pipeline.domain.core.errors import UnreadableTenantError
from demo_pipeline.domain.core.figures import mismatches
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.services.jobs.row_checks import RowChecks, check_rows
from demo_pipeline.services.jobs.tenant_context import TenantContext, open_snapshot
from demo_pipeline.settings import CLOCK_TOLERANCE, Settings
from demo_pipeline.storage.connection.clock import server_clock
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger, tenants
from demo_pipeline.storage.rows import misplaced, provenance, row_checks
from demo_pipeline.storage.rows.kpis import all_figures
from demo_pipeline.storage.rows.misplaced import Misplaced

Connection = psycopg.Connection[Any]


class Check(StrEnum):
    """What was looked at, as a sentence that is true of a sound tenant."""

    KPIS = "kpis_are_as_expected"
    LIFECYCLES = "lifecycles_are_sound"
    REFERENCES = "references_lead_somewhere"
    COPIES = "no_row_is_there_twice"
    PLACES = "rows_are_in_their_own_tenant"
    ROWS_OF_JOBS = "rows_and_jobs_belong_together"
    JOBS = "jobs_have_ended_well"
    DOCUMENTS = "stored_documents_can_be_read"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it should be."""

    check: Check
    message: str
    month: str | None = None
    metric: str | None = None


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


def verify(database: Database, settings: Settings, slug: str | None = None) -> tuple[Verdict, ...]:
    """Check one tenant, or all; one whose plan cannot be read has that as its only finding.

    Raises ``NotFoundError``, ``NotADemoTenantError``.
    """
    verdicts: list[Verdict] = []
    with database.pooled() as kept:
        with kept.admin(readonly=True) as conn:
            slugs = [slug] if slug is not None else [one.slug for one in tenants.list_tenants(conn)]
            # Once for all, since it reads the tables of all tenants.
            strays = misplaced.find(conn) if slugs else ()
        for each in slugs:
            try:
                verdicts.append(_verdict(kept, settings, each, strays))
            except UnreadableTenantError as error:
                finding = Finding(check=Check.DOCUMENTS, message=error.message)
                verdicts.append(Verdict(tenant=each, findings=(finding,), pending=()))
    return tuple(verdicts)


def _verdict(database: Database, settings: Settings, slug: str, strays: Sequence[Misplaced]) -> Verdict:
    with open_snapshot(database, settings, slug, "verify") as (conn, context, now):
        return check_tenant(conn, context, now, strays)


def check_tenant(
    conn: Connection, context: TenantContext, now: datetime, strays: Sequence[Misplaced]
) -> Verdict:
    """Check one tenant in the transaction of ``conn``; ``strays``: ``misplaced.find`` of all tenants."""
    tenant, currency = context.state.tenant, context.spec.currency
    figures = all_figures(conn, tenant.tenant_id, currency)
    findings = [
        Finding(
            check=Check.KPIS,
            message=mismatch.describe(currency),
            month=str(mismatch.month),
            metric=mismatch.metric,
        )
        for mismatch in mismatches(context.expected_by_month, figures)
    ]
    checks = check_rows(conn, context, now, provenance.finished_at(conn, tenant.tenant_id))
    findings += _row_findings(conn, context, checks, is_drifted=bool(findings))
    findings += _job_findings(context, is_held=tenants.is_held(conn, tenant.tenant_id))
    findings += _clock_findings(context, server_clock(conn))
    findings += [
        Finding(check=Check.DOCUMENTS, message=error.message)
        for job in job_ledger.list_jobs(conn, tenant.slug)
        if job.tenant_id == tenant.tenant_id and (error := job_ledger.unreadable_job(job)) is not None
    ]
    for stray in strays:
        if stray.owner_id == tenant.tenant_id:
            message = f"{len(stray.ids):,} {stray.table}: lie in tenant {stray.slug or stray.tenant_id}"
            findings.append(Finding(check=Check.PLACES, message=message))
    return Verdict(
        tenant=tenant.slug,
        findings=tuple(findings),
        pending=_pending(context, now),
        notes=tuple(_notes(tenant.slug, checks)),
    )


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


def _row_findings(
    conn: Connection, context: TenantContext, checks: RowChecks, *, is_drifted: bool
) -> Iterator[Finding]:
    """Rows that ought not to be there as they are."""
    tenant_id = context.state.tenant.tenant_id
    for broken in checks.faults:
        message = f"{broken.count:,} {broken.table}: not true that {broken.rule}"
        yield Finding(check=Check.LIFECYCLES, message=message)
    for orphan in row_checks.orphans(conn, tenant_id):
        nowhere = f"{orphan.reference} leads to {orphan.parent} that do not exist"
        message = f"{len(orphan.ids):,} {orphan.table}: {nowhere}"
        yield Finding(check=Check.REFERENCES, message=message)
    for table, ids in row_checks.copies(conn, tenant_id, checks.edited).items():
        yield Finding(check=Check.COPIES, message=f"{len(ids):,} {table}: copies of others")
    yield from _ledger_findings(conn, context, is_drifted=is_drifted)


def _ledger_findings(conn: Connection, context: TenantContext, *, is_drifted: bool) -> Iterator[Finding]:
    """Rows whose job did not end well, and jobs that ended well and left no row."""
    rows = row_checks.jobs_of_rows(conn, context.state.tenant.tenant_id)
    jobs = {job.job_id: job for job in context.state.jobs}
    for job_id, tables in rows.items():
        job = jobs.get(job_id)
        counts = ", ".join(f"{count:,} {table}" for table, count in tables.items() if count)
        if counts and (job is None or job.status != "completed"):
            state = "is no job of this tenant" if job is None else f"is {job.status}"
            yield Finding(check=Check.ROWS_OF_JOBS, message=f"{counts}: of job {job_id}, which {state}")
    if not is_drifted:
        # Other rows make up for those that are gone.
        return
    for job_id, count in job_ledger.rows_created(conn, context.state.tenant.tenant_id).items():
        if count and job_id not in rows:
            message = f"job {job_id} ({jobs[job_id].kind}) made {count:,} rows and none is there"
            yield Finding(check=Check.ROWS_OF_JOBS, message=message)


def _job_findings(context: TenantContext, *, is_held: bool) -> list[Finding]:
    """A job that says running while nobody holds its tenant was interrupted."""
    return [
        Finding(
            check=Check.JOBS,
            message=f"job {job.job_id} ({job.kind}) says running and nobody runs it; run it again",
        )
        for job in context.state.jobs
        if job.status == "running" and not is_held
    ]


def _clock_findings(context: TenantContext, clock: datetime) -> Iterator[Finding]:
    """Jobs that worked as of an instant that the server's clock has not reached."""
    for job in context.state.jobs:
        if job.status == "completed" and job.as_of is not None and job.as_of > clock + CLOCK_TOLERANCE:
            message = (
                f"job {job.job_id} ({job.kind}) worked as of {job.as_of:%Y-%m-%d %H:%M} UTC, and the "
                f"database server's clock says {clock:%Y-%m-%d %H:%M} UTC: a clock was wrong, then or now"
            )
            yield Finding(check=Check.JOBS, message=message)


def _pending(context: TenantContext, now: datetime) -> tuple[Month, ...]:
    running = Month.containing(now)
    return tuple(month for month in context.asked_months(running) if month not in context.state.months)
