"""The watched figures of the last 7 days, what they are made of, and the jobs that failed.

Reads the views of schema ``demo``, for administrators. What is said about a figure, and to whom, does not
belong here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg import Connection, OperationalError
from psycopg.rows import class_row

from demo_pipeline.storage.connection.database import beside


class WatchedFigure(StrEnum):
    """Names of the figures, with their units: shares are from 0 to 1."""

    PATCH_FAILURES = "patch_failure_share"
    PATCH_DURATION = "patch_duration_seconds"
    VERIFICATION_FAILURES = "kpi_verification_failure_share"
    DUPLICATES = "duplicate_detection_count"
    NON_DEMO_ATTEMPTS = "non_demo_attempt_count"

    @property
    def is_share(self) -> bool:
        """Whether it is a rate, which alerts from 20 attempts on."""
        return self in {WatchedFigure.PATCH_FAILURES, WatchedFigure.VERIFICATION_FAILURES}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A row of ``demo.watched_figures``."""

    name: WatchedFigure
    #: None: nothing happened that it could be taken of
    value: Decimal | None
    threshold: Decimal
    #: those that a rate is taken of; None: it is no rate
    attempts: int | None
    is_alert: bool


@dataclass(frozen=True, kw_only=True)
class WatchedEvent:
    """What makes a figure that is no rate alert, by what it happened to."""

    figure: WatchedFigure
    #: the job, or the name of the tenant that is not a demo
    subject: str
    slug: str | None
    job_id: UUID | None
    #: of the job
    kind: str | None
    #: how often it happened, and when the last time
    count: int
    last_at: datetime
    #: the most of them, and what it is more than
    value: Decimal
    threshold: Decimal


@dataclass(frozen=True, kw_only=True)
class FailedJob:
    """A job that failed or was abandoned, of a tenant that completed no job since."""

    job_id: UUID
    slug: str
    #: of ``JobKind``, or of a version that has more of them
    kind: str
    range_start_month: str | None
    range_end_month: str | None
    error_code: str | None
    error_message: str | None
    dagster_run_id: str | None
    started_at: datetime
    #: its status is running, and no session holds its tenant's lock
    is_abandoned: bool


def read_figures(conn: Connection[Any]) -> list[Figure]:
    """The five figures, in the order of ``WatchedFigure``."""
    rows = conn.execute(
        "select name, value, threshold, attempts, is_alert from demo.watched_figures"
    ).fetchall()
    return [
        Figure(
            name=WatchedFigure(name), value=value, threshold=threshold, attempts=attempts, is_alert=is_alert
        )
        for name, value, threshold, attempts, is_alert in rows
    ]


def alerting_events(conn: Connection[Any]) -> list[WatchedEvent]:
    """What is beyond the threshold of its figure, the earliest first."""
    rows = conn.execute(
        """
        select e.figure, e.subject, max(e.slug), (array_agg(e.job_id))[1], max(l.kind), count(*), max(e.at),
            max(e.value), f.threshold
        from demo.watched_events e
        join demo.watched_figures f on f.name = e.figure
        left join demo.job_ledger l on l.id = e.job_id
        where e.value > f.threshold
        group by e.figure, e.subject, f.threshold
        order by max(e.at), e.figure, e.subject
        """
    ).fetchall()
    return [
        WatchedEvent(
            figure=WatchedFigure(figure),
            subject=subject,
            slug=slug,
            job_id=job_id,
            kind=kind,
            count=count,
            last_at=last_at,
            value=value,
            threshold=threshold,
        )
        for figure, subject, slug, job_id, kind, count, last_at, value, threshold in rows
    ]


def failed_jobs(conn: Connection[Any]) -> list[FailedJob]:
    """Jobs of the last 7 days that failed, the earliest first.

    Left out: those that a person interrupted, of which the ledger knows how long they took, and those of a
    tenant that was deleted or has completed a job since.
    """
    with conn.cursor(row_factory=class_row(FailedJob)) as cursor:
        found = cursor.execute(
            """
            select l.id as job_id, m.slug, l.kind, l.range_start_month, l.range_end_month, l.error_code,
                l.error_message, l.dagster_run_id, l.started_at, l.status = 'running' as is_abandoned
            from demo.job_ledger l
            join demo.tenant_metadata m on m.tenant_id = l.tenant_id and m.deleted_at is null
            where l.started_at >= now() - interval '7 days'
                and case l.status
                    when 'failed' then l.error_code is distinct from 'interrupted' or l.seconds is null
                    when 'running' then l.tenant_id not in (select h.tenant_id from demo.held_tenants h)
                    else false end
                and not exists (
                    select from demo.job_ledger c
                    where c.tenant_id = l.tenant_id and c.completed_at > l.started_at)
            order by l.started_at, l.id
            """
        ).fetchall()
    ended = _ended_since(conn, [job for job in found if job.is_abandoned])
    return [job for job in found if job.job_id not in ended]


def _ended_since(conn: Connection[Any], abandoned: Collection[FailedJob]) -> set[UUID]:
    """Those jobs that only seem abandoned: they ended after the snapshot of ``conn`` was taken.

    Locks are read as they are now, statuses as of the snapshot. A job gives its lock back after its end is
    committed, so one whose lock was gone and which has not ended is abandoned.
    """
    if not abandoned:
        return set()
    attempts = {job.job_id: job.started_at for job in abandoned}
    try:
        with beside(conn) as other:
            running = dict(
                other.execute(
                    "select id, started_at from demo.job_ledger where status = 'running' and id = any(%s)",
                    [list(attempts)],
                ).fetchall()
            )
    except OperationalError:
        # A pooler without another connection: rather an alert too many.
        return set()
    return {job_id for job_id, started_at in attempts.items() if running.get(job_id) != started_at}


def running_jobs(conn: Connection[Any]) -> dict[UUID, list[tuple[UUID, str]]]:
    """Tenant → jobs that a session is working on now, with their kinds; the earliest first."""
    rows = conn.execute(
        """
        select l.tenant_id, l.id, l.kind from demo.job_ledger l
        where l.status = 'running' and l.tenant_id in (select h.tenant_id from demo.held_tenants h)
        order by l.started_at, l.id
        """
    )
    found: dict[UUID, list[tuple[UUID, str]]] = {}
    for tenant_id, job_id, kind in rows.fetchall():
        found.setdefault(tenant_id, []).append((job_id, kind))
    return found


def runs_with_failed_jobs(conn: Connection[Any], run_ids: Collection[str]) -> set[str]:
    """Those of the Dagster runs in which an attempt at a job failed."""
    rows = conn.execute(
        """
        select distinct a.dagster_run_id from demo.recent_attempts r
        join demo.job_attempts a on (a.job_id, a.attempt) = (r.job_id, r.attempt)
        where r.status = 'failed' and a.dagster_run_id = any(%s)
        """,
        [list(run_ids)],
    )
    return {run_id for (run_id,) in rows.fetchall()}


def jobs_by_status(conn: Connection[Any]) -> dict[str, int]:
    """How many jobs have each status; a status that no job has is left out."""
    rows = conn.execute("select status, count(*) from demo.job_ledger group by status order by status")
    return dict(rows.fetchall())


def last_completed_at(conn: Connection[Any]) -> datetime | None:
    """When a job was completed last; None: none was."""
    row = conn.execute("select max(completed_at) from demo.job_ledger").fetchone()
    return None if row is None else row[0]
