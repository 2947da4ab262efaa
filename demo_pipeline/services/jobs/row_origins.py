"""Which job made a row that has no provenance, where that can be known: its id was drawn by its job.

Reads only. Giving rows their provenance back belongs to ``repairs.backfill``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID

import numpy as np
import psycopg

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.random_streams import Stream
from demo_pipeline.domain.generation.provenance import blueprint_stream, drawn_marks, job_stream, marks_of
from demo_pipeline.services.jobs.report import FirstJob, months_of
from demo_pipeline.services.jobs.tenant_context import TenantContext
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.job_ledger import Job
from demo_pipeline.storage.rows import provenance
from demo_pipeline.storage.rows.provenance import Bare


@dataclass
class OwnedRows:
    """Rows, and the job of each."""

    rows: list[UUID] = field(default_factory=list[UUID])
    jobs: list[UUID] = field(default_factory=list[UUID])


def owned_rows(
    conn: psycopg.Connection[Any], context: TenantContext, jobs: list[Job], table: LiteralString
) -> OwnedRows:
    """The rows of a table without provenance whose job is known; ``jobs`` are those of the slug."""
    owned = OwnedRows()
    bare = [row for row in provenance.bare_rows(conn, context.state.tenant.tenant_id, table) if row.is_sound]
    if not bare:
        return owned
    own = [
        job_ledger.readable(job)
        for job in sorted(jobs, key=lambda job: (job.completed_at is None, job.completed_at))
        if job.tenant_id == context.state.tenant.tenant_id and job.status == "completed"
    ]
    marks = marks_of(row.id for row in bare)
    for stream, month, count, makers in _origins(context, own, table):
        for place in np.flatnonzero(np.isin(marks, drawn_marks(stream, month, table, count))).tolist():
            row = bare[place]
            if (maker := _maker(row, makers)) is not None:
                owned.rows.append(row.id)
                owned.jobs.append(maker.id)
    return owned


def _origins(
    context: TenantContext, jobs: list[Job], table: str
) -> Iterator[tuple[Stream, Month, int, list[Job]]]:
    """Stream, month and number of rows that were drawn, and who may have made them, the oldest first."""
    spec, metric = context.spec, f"{table}_created"
    blueprint = [job for job in jobs if job.kind is JobKind.MATERIALISE]
    for month in sorted(context.state.months):
        makers = [job for job in blueprint if (job.range_end_month or "") >= str(month)]
        yield blueprint_stream(spec), month, spec.figures_of(month)[metric], makers
    numbers = {job.job_id: job.number for job in context.state.jobs}
    for job in jobs:
        # The rows of a materialising job draw from a stream of its own where another version made some.
        if job.kind is JobKind.MATERIALISE and not context.is_made_by_figures:
            continue
        stream = job_stream(spec, job.seed or "", numbers[job.id])
        for month, made in _made(job, jobs, spec.currency):
            if (count := made[metric]) > 0:
                yield stream, month, count, [job]


def _made(job: Job, jobs: list[Job], currency: Currency) -> Iterator[tuple[Month, Figures]]:
    """What a job made by month: by its own report, or by that of the job that it came before."""
    for result in months_of(job, currency):
        yield result.month, result.target - result.before
    for other in jobs:
        first = FirstJob.from_metrics(other.metrics or {}, currency)
        if first is not None and first.part.job_id == job.id:
            after: dict[str, Any] = other.before_kpis or {}
            for month, before in first.before.items():
                yield month, Figures.from_json(after.get(str(month), {}), currency) - before


def _maker(row: Bare, makers: list[Job]) -> Job | None:
    """The first job that knew all of the row's facts, as far as people left them; None: there is no job."""
    for fact in (row.touched_at, row.known_at):
        for job in makers:
            if job.as_of is not None and fact <= job.as_of:
                return job
    return makers[-1] if makers else None
