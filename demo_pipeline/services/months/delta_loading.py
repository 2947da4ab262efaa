"""Deltas into rows, within a job's transaction: what a patch and the healing of a month have in common.

First the missing rows of the blueprint, under their own job; then rows that add exactly the deltas. Which
deltas is decided by the caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from demo_pipeline.domain.core.figures import FiguresByMonth
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.generation.generator import Generator, PatchScope
from demo_pipeline.domain.model import MODEL
from demo_pipeline.services.jobs.report import FirstJob, JobPart
from demo_pipeline.services.jobs.selection import months_spec, next_job
from demo_pipeline.services.jobs.steps import AnotherTryError, JobRun, JobTransaction
from demo_pipeline.services.jobs.tenant_context import Loaded
from demo_pipeline.services.jobs.transaction import verify_change
from demo_pipeline.services.months.pending_load import PendingLoad, missing_rows
from demo_pipeline.services.months.plan_baseline import ProjectedBaseline, projected_baseline
from demo_pipeline.storage.ledger.job_ledger import JobRequest
from demo_pipeline.storage.rows.existing_rows import existing_rows
from demo_pipeline.storage.rows.load import Batches, Load, stage

#: Rows of a table, the latest by a month's beginning and by its end, that its new ones may refer to: one for
#: so many new ones, at least so many, and at most so many (for many months, and for one).
_NEW_PER_KNOWN: Final = 4
_FEWEST_KNOWN: Final = 100
_MOST_KNOWN: Final = (1_000, 10_000)


def simulate(run: JobRun, last: Month, months: Collection[Month]) -> ProjectedBaseline:
    """What the tenant will be with the blueprint whole up to ``last``, from one snapshot, in memory.

    With the figures of ``months``.
    """
    return projected_baseline(run.database, run.context, run.as_of, last, months)


def job_beside(run: JobRun, simulated: ProjectedBaseline, last: Month) -> JobRequest | None:
    """The blueprint's job that is to be claimed too; None: none of its rows is missing."""
    if simulated.is_whole:
        return None
    last = run.context.last_asked(last)
    first = run.context.spec.start_month
    return next_job(run.context, months_spec(JobKind.MATERIALISE, run.tenant.seed, first, last, run.as_of))


def load_blueprint(
    run: JobTransaction, last: Month, missing: PendingLoad | None = None
) -> tuple[Loaded, FirstJob | None]:
    """Load the blueprint's missing rows up to ``last`` under their own job, and verify them.

    The months that are loaded then, and what that job did; None where no such job was claimed. ``missing``:
    what was missing before this job changed anything.
    """
    missing = missing or missing_rows(run.conn, run.context, last, run.as_of)
    if run.beside is None:
        if missing.count_rows():
            raise AnotherTryError("rows of the blueprint went missing")
        return missing.loaded, None
    request, number = run.beside
    before = run.figures()
    created = load_missing(run, missing, request.job_id, number)
    verify_change(run, request, before, missing.change, run.figures())
    return missing.loaded, FirstJob(
        part=JobPart(job_id=request.job_id, kind=request.kind, created=created),
        before=before.over(missing.change.nonzero()),
    )


def load_missing(run: JobTransaction, missing: PendingLoad, job_id: UUID, number: int) -> dict[str, int]:
    """Load the blueprint's missing rows under a claimed job; ``number`` is the job's. Table → rows."""
    run.progress.expect(missing.row_count)
    created = run.load(missing.batches(), job_id)
    if missing.additions:
        with run.making(*delta_rows(run, number, run.tenant.seed, missing.additions)) as rows:
            stage(run.conn, MODEL.monthly)
            for table, count in run.load_made(rows, job_id).items():
                created[table] = created.get(table, 0) + count
    return created


def delta_rows(
    run: JobRun, number: int, seed: str, deltas: FiguresByMonth, first: FirstJob | None = None
) -> Sequence[Batches]:
    """Table and rows that add exactly ``deltas``, feasible ones: first all parents, then all activities.

    Reads at once what they may refer to; what is left to do needs no connection. ``first``: the blueprint's
    job that came before in this transaction.
    """
    deltas = deltas.nonzero()
    if not deltas:
        return ()
    # Rows of materialising jobs draw from the blueprint's streams, unless some were made from figures. Undone
    # jobs count: their rows are hidden, and names of rows that are hidden are not given again.
    is_mixed = run.context.was_made_by_figures
    others = [
        (job.job_id, job.companies_created)
        for job in run.context.state.jobs
        if is_mixed or job.kind is not JobKind.MATERIALISE
    ]
    if first is not None and is_mixed:
        others.append((first.part.job_id, first.part.created.get("companies", 0)))
    most = max(_MOST_KNOWN[1] // len(deltas), _MOST_KNOWN[0])
    windows = dict[datetime, int]()
    for month, delta in deltas.items():
        count = min(max(delta.row_count // _NEW_PER_KNOWN, _FEWEST_KNOWN), most)
        # By its end alone the first days' activities may have nothing to refer to.
        for before in (month.start, min(month.end, run.as_of)):
            windows[before] = max(windows.get(before, 0), count)
    with_activities = [month for month, delta in deltas.items() if delta.activities_created]
    # Meetings of a month may be in the one after it.
    meetings = (with_activities[0].start, (with_activities[-1] + 1).end) if with_activities else None
    existing = existing_rows(
        run.conn,
        run.tenant.tenant_id,
        list(windows.items()),
        meetings,
        [job_id for job_id, _ in others],
    )
    patch = PatchScope(
        number=number,
        seed=seed,
        as_of=run.as_of,
        deltas=deltas,
        existing=existing,
        companies_before=sum(companies for _, companies in others),
    )
    generator = Generator(run.context.spec, run.tenant.provisioned_at, patch)
    return tuple(
        ((batch.table, batch.rows) for batch in batches if batch.rows.num_rows)
        for batches in (generator.parents(deltas), generator.children(deltas))
    )


def load_deltas(run: JobTransaction, deltas: FiguresByMonth, rows: Iterable[Load]) -> dict[str, int]:
    """Load what is being made of :func:`delta_rows`. Table → rows."""
    run.progress.expect(deltas.total.row_count)
    # While they are made.
    stage(run.conn, MODEL.monthly)
    made = run.load_made(rows, run.request.job_id)
    # New contacts may bring links to tags.
    return {table: made.get(table, 0) for table in MODEL.monthly if table in MODEL.counted or table in made}
