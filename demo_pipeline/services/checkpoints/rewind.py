"""Go back to a checkpoint, and take that back again.

A rewind makes all that the tenant sees as it was, whatever people and jobs did since: one job, in one
transaction, which commits only if the digest is the checkpoint's. Jobs since then count as undone by it. What
it overwrites, hides or deletes is stored for its undo. How rows are stored and put back is SQL of the guard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import Connection, errors

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import InputError, Problem, VerificationError
from demo_pipeline.domain.core.figures import FiguresByMonth
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.domain.documents.stored import reading_job
from demo_pipeline.services.checkpoints.checkpoint import find_checkpoint
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.jobs.runner import run_job
from demo_pipeline.services.jobs.selection import next_job
from demo_pipeline.services.jobs.soft_deletion import changed_results, refusal
from demo_pipeline.services.jobs.steps import (
    AnotherTryError,
    JobCaller,
    JobOutcome,
    JobRun,
    JobSelection,
    JobTransaction,
)
from demo_pipeline.services.jobs.tenant_context import TenantContext, check_instant, open_snapshot
from demo_pipeline.services.jobs.undo_request import undo_spec, undone_by
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import checkpoints, job_ledger, tenants
from demo_pipeline.storage.ledger.checkpoints import Checkpoint, RowAction, RowChanges
from demo_pipeline.storage.ledger.job_ledger import Job, JobSpec
from demo_pipeline.storage.rows import rewound_rows
from demo_pipeline.storage.rows.digest import digest_within
from demo_pipeline.storage.rows.kpis import all_figures


@dataclass(frozen=True, kw_only=True)
class RewindPreview:
    """What a rewind would change. Values in minor units."""

    tenant: str
    currency: Currency
    checkpoint: Checkpoint
    rows: RowChanges
    #: months whose figures would change: as they are, and as they were
    now: FiguresByMonth
    then: FiguresByMonth
    #: jobs that would count as undone, the oldest first: id and kind
    jobs: tuple[tuple[UUID, str], ...]


def preview_rewind(database: Database, settings: Settings, slug: str, name: str) -> RewindPreview:
    """What a rewind to a checkpoint would change now. Raises as ``rewind_tenant`` does; writes nothing."""
    with open_snapshot(database, settings, slug, JobKind.REWIND) as (conn, context, _):
        checkpoint = _usable(conn, context, name)
        rows = checkpoints.count_differences(conn, checkpoint.id)
        now = all_figures(conn, context.state.tenant.tenant_id, context.spec.currency)
        then = _figures_then(job_ledger.get_job(conn, checkpoint.id), context.spec.currency)
        jobs = checkpoints.jobs_since(conn, checkpoint.id)
    months = (then - now).nonzero()
    return RewindPreview(
        tenant=slug,
        currency=context.spec.currency,
        checkpoint=checkpoint,
        rows=rows,
        now=now.over(months),
        then=then.over(months),
        jobs=tuple(jobs),
    )


def rewind_tenant(
    database: Database,
    settings: Settings,
    slug: str,
    name: str,
    *,
    checkpoint_id: UUID | None = None,
    caller: JobCaller | None = None,
) -> JobReport:
    """Make all that a tenant sees as it was at a checkpoint.

    ``checkpoint_id``: of a retry, the checkpoint that had that name when the job was first asked for. Raises
    as ``run_job`` does; ``NotFoundError`` for a checkpoint that is not there, ``InputError`` where columns of
    the tables have changed since, or where another checkpoint has the name now.
    """

    def select(run: JobRun) -> JobSelection:
        check_instant(run.context, run.as_of, run.settings)
        with run.database.admin(readonly=True) as conn:
            checkpoint = _usable(conn, run.context, name)
            if checkpoint_id not in {None, checkpoint.id}:
                raise refusal(
                    "checkpoint_replaced",
                    f"checkpoint {name!r} was taken anew since this job was asked for; demo-pipeline rewind "
                    f"{slug} {name} shows what going back to the new one would change",
                )
            then = _figures_then(job_ledger.get_job(conn, checkpoint.id), run.currency)
        spec = JobSpec(
            kind=JobKind.REWIND,
            plan={"name": name, "checkpoint": str(checkpoint.id)},
            seed=run.tenant.seed,
            as_of=run.as_of,
        )
        return JobSelection(
            request=next_job(run.context, spec), execute=lambda run: _rewind(run, checkpoint, then)
        )

    return run_job(database, settings, slug, JobKind.REWIND, select, caller)


def changes_of(database: Database, job_id: UUID) -> RowChanges:
    """The rows that a completed rewind, or the undo of one, changed. Raises ``UnreadableJobError``."""
    with database.admin(readonly=True) as conn:
        job = job_ledger.get_job(conn, job_id)
    with reading_job(job.slug, job.id, "metrics.rows"):
        return RowChanges.from_json(job.metrics["rows"], job.metrics["made_by_jobs"])


def _usable(conn: Connection[Any], context: TenantContext, name: str) -> Checkpoint:
    """The checkpoint of that name, if the tables are as they were. ``conn`` is an administrator's."""
    checkpoint = find_checkpoint(conn, context, name)
    if changed := checkpoints.changed_columns(conn, checkpoint.id):
        message = (
            f"columns of the CRM's tables have changed since checkpoint {name!r} was taken: "
            f"{', '.join(changed)}; its rows do not fit any more, so take a new one: "
            f"demo-pipeline checkpoint {context.spec.slug} {name} --replace"
        )
        raise InputError(
            message,
            [Problem(code="columns_changed", field="NAME", value=one, message=message) for one in changed],
        )
    return checkpoint


def _figures_then(job: Job, currency: Currency) -> FiguresByMonth:
    """The figures of all months when a checkpoint was taken, as its job recorded them."""
    with reading_job(job.slug, job.id, "after_kpis"):
        return FiguresByMonth.from_json(job.after_kpis, currency)


def _rewind(run: JobTransaction, checkpoint: Checkpoint, then: FiguresByMonth) -> JobOutcome:
    before = run.figures()
    outcome = _put_back(run, checkpoint.id, before, then - before)
    run.progress.report(90, "comparing with the checkpoint", is_due=True)
    if digest_within(run.conn, run.tenant.tenant_id) != checkpoint.digest:
        raise VerificationError(
            f"{run.tenant.slug} is not as it was at checkpoint {checkpoint.name!r}, everything was rolled "
            "back: a trigger of the CRM changes rows that are written, or stored rows were changed",
            {"checkpoint": checkpoint.name, "digest": checkpoint.digest},
        )
    return outcome


def _put_back(
    run: JobTransaction, stored_id: UUID, before: FiguresByMonth, change: FiguresByMonth | None
) -> JobOutcome:
    """Put rows and ledger back; ``change``: what that must change of the figures, None: whatever it does."""
    tenant_id = run.tenant.tenant_id
    try:
        done = checkpoints.rewind(run.conn, run.request.job_id, stored_id, run.currency)
    except errors.ForeignKeyViolation as error:
        message = f"rows that people added or deleted meanwhile prevent it: {error.diag.message_detail}"
        raise AnotherTryError(message) from error
    change = (run.figures() - before if change is None else change).nonzero()
    state = tenants.tenant_state(run.conn, tenant_id)
    context = TenantContext(state.spec, state)
    recorded = done.recorded.nonzero()
    rows = done.rows
    undone = [job for job in state.jobs if job.undone_by == run.request.job_id]
    return JobOutcome(
        before=before,
        change=change,
        results=changed_results(run, before, change, recorded, context),
        recorded=recorded,
        has_heroes=True,
        metrics={
            "hidden": rows.of(RowAction.HIDDEN),
            "shown": rows.of(RowAction.INSERTED),
            "rows": rows.to_json(),
            "made_by_jobs": dict(rows.made_by_jobs),
            "jobs": [str(job.job_id) for job in undone],
        },
    )


# -- the undo of a rewind --------------------------------------------------------------------------------


@dataclass(frozen=True)
class UndoRewind:
    """Make the rows that a rewind, or the undo of one, changed as they were before it."""

    job: Job

    def select(self, run: JobRun) -> JobSelection | UUID:
        job = self.job
        if (done := undone_by(run, job)) is not None:
            return done
        with run.database.admin(readonly=True) as conn:
            self._refuse_jobs_since(conn)
            if not checkpoints.has_stored_rows(conn, job.id):
                raise refusal(
                    "expired",
                    f"what job {job.id} had overwritten was kept for 30 days and is gone; it stays as it is",
                )
            if changed := checkpoints.changed_columns(conn, job.id):
                raise refusal(
                    "columns_changed",
                    f"columns of the CRM's tables have changed since job {job.id}: {', '.join(changed)}; "
                    "what it had overwritten does not fit any more",
                )
            if rows := rewound_rows.people_depending(conn, job.tenant_id, job.id):
                depend = counted(len(rows), "row that people made depends", "rows that people made depend")
                raise refusal(
                    "people_hang_on_it",
                    f"{depend} on "
                    f"rows that job {job.id} had put back; delete them in the CRM first, or leave "
                    "the job as it is",
                    rows,
                )
        spec = undo_spec(run, job, {"job": str(job.id), "with_dependents": False})
        return JobSelection(
            request=next_job(run.context, spec),
            execute=lambda run: _put_back(run, job.id, run.figures(), None),
        )

    def _refuse_jobs_since(self, conn: Connection[Any]) -> None:
        """What jobs have changed since the rewind does not fit to rows of before it."""
        slug = self.job.slug
        if later := checkpoints.changes_after(conn, self.job.id):
            named = ", ".join(f"{kind} {job_id}" for job_id, kind in later[:3])
            raise refusal(
                "changed_since",
                f"{slug} was changed by {counted(len(later), 'job')} since job {self.job.id} "
                f"({named}); undo first what can be undone of it, or go back to a checkpoint with "
                f"demo-pipeline rewind {slug} NAME",
            )
