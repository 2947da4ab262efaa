"""Every check on what is in the database: figures as expected, life cycles sound, the ledger honest."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from demo_pipeline.domain.months import Month
from demo_pipeline.domain.verification import mismatches
from demo_pipeline.services.subject import Subject, find_subject
from demo_pipeline.settings import Settings
from demo_pipeline.storage import integrity, tenants
from demo_pipeline.storage.database import Database
from demo_pipeline.storage.kpis import all_figures


class Check(StrEnum):
    """What was looked at, as a sentence that is true of a sound tenant."""

    KPIS = "kpis_are_as_expected"
    LIFECYCLES = "lifecycles_are_sound"
    JOBS = "jobs_have_ended_well"


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
    #: months of the span that have begun and of which nothing is loaded yet: not wrong, not done
    pending: tuple[Month, ...]

    @property
    def is_as_expected(self) -> bool:
        return not self.findings


def verify(database: Database, settings: Settings, slug: str | None = None) -> tuple[Verdict, ...]:
    """Check one tenant, or all. Raises ``NotFoundError``, ``NotADemoTenantError``."""
    with database.admin(readonly=True) as conn:
        slugs = [slug] if slug is not None else [one.slug for one in tenants.list_tenants(conn)]
        verdicts: list[Verdict] = []
        for each in slugs:
            with conn.transaction():
                # One snapshot, so that figures and ledger belong together.
                conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                subject = find_subject(conn, settings, each, "verify")
                tenant_id = subject.state.tenant.tenant_id
                figures = all_figures(conn, tenant_id, subject.spec.minor_digits)
                expected = {month: subject.expected(month) for month in {*subject.known_months, *figures}}
                findings = [
                    Finding(
                        check=Check.KPIS,
                        message=mismatch.describe(subject.spec.minor_digits),
                        month=str(mismatch.month),
                        metric=mismatch.metric,
                    )
                    for mismatch in mismatches(expected, figures)
                ]
                findings += [
                    Finding(
                        check=Check.LIFECYCLES,
                        message=f"{item.count} {item.table}: not true that {item.rule}",
                    )
                    for item in integrity.violations(conn, tenant_id, settings.instant())
                ]
                findings += _job_findings(subject, is_held=tenants.is_held(conn, tenant_id))
            verdicts.append(
                Verdict(tenant=each, findings=tuple(findings), pending=_pending(subject, settings))
            )
    return tuple(verdicts)


def _job_findings(subject: Subject, *, is_held: bool) -> list[Finding]:
    """A job that says running while nobody holds its tenant was interrupted."""
    return [
        Finding(
            check=Check.JOBS,
            message=f"job {job.job_id} ({job.kind}) says running and nobody runs it; run it again",
        )
        for job in subject.state.jobs
        if job.status == "running" and not is_held
    ]


def _pending(subject: Subject, settings: Settings) -> tuple[Month, ...]:
    running = Month.containing(settings.instant())
    return tuple(
        month for month in subject.spec.months if month <= running and month not in subject.state.months
    )
