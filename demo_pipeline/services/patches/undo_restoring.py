"""Rows that an earlier job soft-deleted and that an undo restores: which, and whether they may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from demo_pipeline.domain.core.figures import NO_MONTHS, FiguresByMonth
from demo_pipeline.domain.documents.stored import reading_job
from demo_pipeline.services.jobs.soft_deletion import hidden_at, refusal
from demo_pipeline.services.jobs.steps import JobRun
from demo_pipeline.storage.ledger.job_ledger import Job
from demo_pipeline.storage.rows import soft_delete

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, kw_only=True)
class RestoredRows:
    """What a job restored."""

    #: table → rows
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    figures: FiguresByMonth = NO_MONTHS
    #: tags that stayed deleted, because people have set them again
    set_again: int = 0

    def metrics(self) -> dict[str, Any]:
        """As the job records it; nothing where it restored nothing."""
        return {"shown": dict(self.counts), "tags_set_again": self.set_again} if self.counts else {}


def collect_deleted_by(conn: Connection, run: JobRun, job: Job) -> dict[str, int]:
    """Collect what a job deleted; refuse where it may not be restored."""
    instant = hidden_at(job)
    counts = soft_delete.collect_deleted(conn, run.tenant.tenant_id, instant)
    # First, since it names the job to bring back: parents may be among that job's rows.
    refuse_undone(conn, run, job)
    # What was hidden before was so when these rows were seen last.
    if missing := soft_delete.deleted_parents(conn, run.tenant.tenant_id, instant):
        raise refusal(
            "parents_are_hidden",
            f"rows that job {job.id} hid depend on {len(missing):,} rows that were hidden since; "
            "bring those back first",
            missing,
        )
    return counts


def refuse_undone(conn: Connection, run: JobRun, job: Job) -> None:
    """Rows of a patch that another job took back since stay hidden with it."""
    jobs = soft_delete.collected_jobs(conn, run.tenant.tenant_id)
    undone = [
        one.job_id
        for one in run.context.state.jobs
        if one.undone_by not in {None, job.id} and one.job_id in jobs
    ]
    if undone:
        raise refusal(
            "undone_since",
            f"job {job.id} hid rows of job {undone[0]}, which was undone since; bring that one back "
            "first, by undoing its undo",
        )


def rows_deleted_by(reconcile: Job) -> list[tuple[str, list[UUID]]]:
    """Table and ids of the rows that a reconcile deleted. Raises ``UnreadableJobError``."""
    with reading_job(reconcile.slug, reconcile.id, "metrics.hidden_rows"):
        return [
            (table, [UUID(one) for one in ids]) for table, ids in reconcile.metrics["hidden_rows"].items()
        ]
