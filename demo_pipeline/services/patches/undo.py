"""Take a patch, an extension or a rewind back, and bring back what was soft-deleted.

A job of its own, which soft-deletes rows and restores them.
An undo deletes the rows that its patch made and that exist; those that people changed are listed and deleted
as they are. Dependent rows of other jobs stop it, unless they are selected too; those that people made always
stop it. The undo of an undo, or of a repair, restores exactly what that one deleted. The undo of a patch that
reconciled does both: it deletes what that one made and restores what it deleted; its own undo does the
reverse.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

import psycopg

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import NO_MONTHS, FiguresByMonth
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.services.checkpoints.rewind import UndoRewind
from demo_pipeline.services.jobs.report import JobReport, report_of
from demo_pipeline.services.jobs.runner import run_job
from demo_pipeline.services.jobs.selection import next_job
from demo_pipeline.services.jobs.soft_deletion import (
    MOST_LISTED,
    changed_results,
    hidden_at,
    refusal,
    row_document,
    with_undone,
)
from demo_pipeline.services.jobs.steps import (
    JobCaller,
    JobOutcome,
    JobRun,
    JobSelection,
    JobTransaction,
)
from demo_pipeline.services.jobs.tenant_context import find_tenant_id
from demo_pipeline.services.jobs.undo_request import check_incarnation, undo_spec, undone_by
from demo_pipeline.services.patches.undo_figures import (
    deleted_along,
    healed_for,
    healing_jobs,
    recorded_by,
)
from demo_pipeline.services.patches.undo_restoring import (
    RestoredRows,
    collect_deleted_by,
    refuse_undone,
    rows_deleted_by,
)
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.job_ledger import Job
from demo_pipeline.storage.rows import provenance, soft_delete
from demo_pipeline.storage.rows.kpis import collected_figures
from demo_pipeline.storage.rows.soft_delete import FoundRow

Connection = psycopg.Connection[Any]


def undo_job(
    database: Database,
    settings: Settings,
    job_id: UUID,
    *,
    with_dependents: bool = False,
    caller: JobCaller | None = None,
) -> JobReport:
    """Take back a completed patch, extension or rewind, or bring back what an undo or a repair deleted.

    Raises as ``run_job`` does; ``InputError`` for a job that cannot be undone, and where rows depend on its
    rows, with the list; ``NotFoundError``; ``UnreadableJobError``, also for a job that must be known to
    undo this one.
    """
    with database.admin(readonly=True) as conn:
        job = job_ledger.readable(job_ledger.get_job(conn, job_id))
        steps = _steps(conn, job, with_dependents=with_dependents)
    if job.status != "completed":
        raise refusal("not_completed", f"job {job.id} is {job.status}: only a completed one can be undone")
    return run_job(database, settings, job.slug, JobKind.UNDO, steps.select, caller)


def last_change(database: Database, settings: Settings, slug: str) -> Job:
    """The change of a tenant that was completed last and is not undone.

    What an undo itself did is none, so that asking again and again steps back through the history. Raises
    ``NotFoundError``, ``NotADemoTenantError``, and ``InputError`` where no change is left.
    """
    changes = [kind for kind in JobKind if kind.is_change]
    with database.admin(readonly=True) as conn:
        tenant_id = find_tenant_id(conn, settings, slug, JobKind.UNDO)
        job = job_ledger.last_completed_job(conn, tenant_id, changes)
    if job is None:
        raise refusal(
            "nothing_to_undo",
            f"{slug} has no change that can be taken back: every completed {', '.join(changes[:-1])} or "
            f"{changes[-1]} is undone already, or there was none; "
            f"demo-pipeline job list {slug} shows its jobs",
        )
    return job


def _steps(
    conn: Connection, job: Job, *, with_dependents: bool
) -> _Undo | _UndoExtension | _Restore | UndoRewind:
    """How a job is taken back. Raises ``InputError`` for one that cannot be."""
    match job.kind:
        case JobKind.PATCH if job.is_reconcile:
            return _UndoReconcile(job, with_dependents)
        case JobKind.PATCH:
            return _Undo(job, with_dependents)
        case JobKind.EXTEND:
            return _UndoExtension(job, with_dependents)
        case JobKind.REPAIR | JobKind.DEDUPE | JobKind.CLEANUP:
            return _Restore(job, undone=None)
        case JobKind.REWIND:
            return UndoRewind(job)
        case JobKind.UNDO:
            other = job_ledger.get_job(conn, UUID(job.plan["job"]))
            if other.is_reconcile:
                return _RestoreReconcile(job, undone=other.id, reconcile=job_ledger.readable(other))
            if other.kind in {JobKind.PATCH, JobKind.EXTEND}:
                return _Restore(job, undone=other.id)
            if other.kind is JobKind.REWIND:
                return UndoRewind(job)
            again = f"{other.kind} again" if other.kind.is_repair else "undo what it brought back"
            raise refusal("is_a_restore", f"job {job.id} brought rows back; to take them back again, {again}")
        case JobKind.MATERIALISE | JobKind.HEAL | JobKind.BACKFILL | JobKind.CHECKPOINT:
            raise refusal(
                "not_a_patch",
                f"job {job.id} is {job.kind.noun}, which cannot be undone: only patches, extensions, "
                "repairs, rewinds and undos can",
            )
        case _:
            assert_never(job.kind)


@dataclass(frozen=True)
class _Undo:
    """Soft-delete what a patch made."""

    job: Job
    with_dependents: bool

    def select(self, run: JobRun) -> JobSelection | UUID:
        if (done := undone_by(run, self.job)) is not None:
            return done
        with run.database.admin() as conn, conn.transaction(force_rollback=True):
            self._collect(conn, run)
            # Dependents may lie in other months than the job's own.
            months = {*collected_figures(conn, run.tenant.tenant_id, run.currency), *self._months(run)}
        plan = {"job": str(self.job.id), "with_dependents": self.with_dependents}
        spec = undo_spec(run, self.job, plan, months)
        return JobSelection(request=next_job(run.context, spec), execute=self._execute)

    def _execute(self, run: JobTransaction) -> JobOutcome:
        conn, tenant_id = run.conn, run.tenant.tenant_id
        before = run.figures()
        collected = self._collect(conn, run)
        gone = collected_figures(conn, tenant_id, run.currency)
        jobs = {row.job_id for row in collected.dependents if row.job_id is not None}
        deleted = _Deleted(
            before=before,
            own=collected_figures(conn, tenant_id, run.currency, self.job.id),
            of_others={
                job: collected_figures(conn, tenant_id, run.currency, job)
                for job in jobs.difference(self._unrecorded_jobs(run))
            },
        )
        instant = soft_delete.soft_delete(conn, tenant_id)
        restored = self._restore(run)
        change = restored.figures - gone
        job_ledger.mark_undone(conn, run.request.job_id, self.job.id, is_undone=True)
        recorded = self._recorded(run, deleted)
        context = with_undone(run.context, {self.job.id: run.request.job_id})
        return JobOutcome(
            before=before,
            change=change,
            results=changed_results(run, before, change, recorded, context),
            recorded=recorded,
            metrics=collected.metrics(instant, deleted.of_others, run.currency) | restored.metrics(),
            notes=(
                *_notes(collected),
                *_restore_notes(self.job, is_repair=False, set_again=restored.set_again),
            ),
        )

    def _months(self, run: JobRun) -> Collection[Month]:  # noqa: ARG002 - of a reconcile
        """Months that it changes, besides those of the rows that it deletes."""
        return ()

    def _restore(self, run: JobTransaction) -> RestoredRows:  # noqa: ARG002 - of a reconcile
        """Restore what the job had deleted."""
        return RestoredRows()

    def _unrecorded_jobs(self, run: JobRun) -> list[UUID]:  # noqa: ARG002 - of an extension
        """Jobs whose dependent rows change nothing of what is expected."""
        return []

    def _recorded(self, run: JobTransaction, deleted: _Deleted) -> FiguresByMonth:
        """What the undo changes of what is expected, once the rows are deleted."""
        # What an earlier undo deleted along with its own rows has been subtracted already; so has what a
        # reconcile deleted, whose targets are without it.
        others = [
            one
            for one in _deleting_jobs(run, self.job)
            if one.id != self.job.id and (one.kind is JobKind.UNDO or one.is_reconcile)
        ]
        subtracted = sum((deleted_along(one, self.job.id, run.currency) for one in others), NO_MONTHS)
        # Healing rows are not expected of any job, and what they make up for of this job stays.
        healing = healing_jobs(run)
        along = [figures for job, figures in deleted.of_others.items() if job not in healing]
        healing_along = sum((one for job, one in deleted.of_others.items() if job in healing), NO_MONTHS)
        healed = healed_for(run, self.job, deleted.before, deleted.own + subtracted, healing_along)
        return subtracted + healed - sum(along, recorded_by(run, self.job))

    def _collect(self, conn: Connection, run: JobRun) -> _Collected:
        """Collect the rows to delete; refuse where others depend on them."""
        tenant_id, job = run.tenant.tenant_id, self.job
        counts = soft_delete.collect_job(conn, tenant_id, job.id)
        dependents = self._dependents(conn, run)
        assert job.completed_at is not None  # of a completed job
        instants = [hidden_at(one) for one in _deleting_jobs(run, job)]
        since = max(job.completed_at, job.as_of or job.completed_at)
        edited = _edited_rows(conn, run) if dependents else dict[str, frozenset[UUID]]()
        return _Collected(
            counts=counts,
            dependents=dependents,
            changed=soft_delete.changed_by_people(conn, tenant_id, job.id, since, instants),
            changed_dependents=[row for row in dependents if row.id in edited.get(row.entity, ())],
            purged=soft_delete.count_purged(conn, tenant_id, job.id, job.metrics.get("created", {})),
        )

    def _dependents(self, conn: Connection, run: JobRun) -> list[FoundRow]:
        """Rows that depend on the collected ones; refuses those that may not be deleted with them."""
        dependents = soft_delete.dependents(conn, run.tenant.tenant_id, collect=self.with_dependents)
        by_people = [row for row in dependents if row.job_id is None]
        if by_people:
            raise refusal(
                "people_hang_on_it",
                f"{counted(len(by_people), 'row that people made depends', 'rows that people made depend')} "
                f"on rows of job {self.job.id}; delete them in the CRM first, or leave the job as it is",
                by_people,
            )
        if dependents and not self.with_dependents:
            patches = {job.job_id for job in run.context.state.jobs if job.kind is JobKind.PATCH}
            remedy = (
                "undo those jobs first, or take these rows along with --with-dependents"
                if all(row.job_id in patches for row in dependents)
                else "take these rows along with --with-dependents (not all of those jobs are patches, and "
                "others cannot be undone)"
            )
            raise refusal(
                "jobs_hang_on_it",
                f"{counted(len(dependents), 'row of another job depends', 'rows of other jobs depend')} on "
                f"rows of job {self.job.id}; {remedy}",
                dependents,
            )
        return dependents


@dataclass(frozen=True)
class _UndoReconcile(_Undo):
    """Soft-delete what a patch that reconciled made, and restore what it deleted."""

    def _months(self, run: JobRun) -> Collection[Month]:
        return [result.month for result in report_of(self.job, run.currency).months]

    def _collect(self, conn: Connection, run: JobRun) -> _Collected:
        # Refused before anything is deleted.
        self._refuse_other_end(run)
        collect_deleted_by(conn, run, self.job)
        soft_delete.discard(conn)
        return super()._collect(conn, run)

    def _refuse_other_end(self, run: JobRun) -> None:
        """The blueprint's rows do not come back in months that it does not ask for any more."""
        blueprint = [job.job_id for job in run.context.state.jobs if job.kind is JobKind.MATERIALISE]
        months = {
            month for job in blueprint for month in deleted_along(self.job, job, run.currency).nonzero()
        }
        if beyond := sorted(month for month in months if not run.context.is_asked(month)):
            raise refusal(
                "extension_undone",
                f"job {self.job.id} hid rows of the blueprint in {beyond[0]}, and the extension that asks "
                "for that month was undone since; bring that one back first, by undoing its undo",
            )

    def _restore(self, run: JobTransaction) -> RestoredRows:
        soft_delete.discard(run.conn)
        counts = collect_deleted_by(run.conn, run, self.job)
        set_again = soft_delete.restore(run.conn, run.tenant.tenant_id, hidden_at(self.job))
        figures = collected_figures(run.conn, run.tenant.tenant_id, run.currency)
        return RestoredRows(counts=counts, figures=figures, set_again=set_again)


@dataclass(frozen=True)
class _UndoExtension(_Undo):
    """Let the blueprint end where it ended before an extension, and delete its rows of the added months."""

    def select(self, run: JobRun) -> JobSelection | UUID:
        check_incarnation(run.context, self.job)
        extensions = dict(run.context.extensions)
        later = [job_id for job_id, last in extensions.items() if last > self._added()[-1]]
        # One that was undone before is done.
        if later and self.job.id in extensions:
            raise refusal(
                "extended_since",
                f"{run.tenant.slug} was extended further since, by job {later[0]}; undo that one first",
            )
        return super().select(run)

    def _unrecorded_jobs(self, run: JobRun) -> list[UUID]:
        """Those that made the blueprint's rows, or made up for them."""
        return [job.job_id for job in run.context.state.jobs if job.kind.reaches_expected]

    def _recorded(self, run: JobTransaction, deleted: _Deleted) -> FiguresByMonth:
        """Rows of other jobs that are deleted along are expected no more.

        The blueprint's rows that a reconcile deleted leave the blueprint with the months: its targets are
        without them already.
        """
        reconciles = [one for one in _deleting_jobs(run, self.job) if one.is_reconcile]
        hidden = [
            deleted_along(one, job, run.currency) for one in reconciles for job in self._unrecorded_jobs(run)
        ]
        without = sum(hidden, NO_MONTHS).over(self._added()).nonzero()
        return without - sum(deleted.of_others.values(), NO_MONTHS)

    def _collect(self, conn: Connection, run: JobRun) -> _Collected:
        tenant_id = run.tenant.tenant_id
        counts = soft_delete.collect_months(conn, tenant_id, self._added(), self._unrecorded_jobs(run))
        edited = _edited_rows(conn, run)
        changed = soft_delete.collected_among(conn, tenant_id, edited)
        dependents = self._dependents(conn, run)
        return _Collected(
            counts=counts,
            dependents=dependents,
            changed=changed,
            changed_dependents=[row for row in dependents if row.id in edited.get(row.entity, ())],
        )

    def _added(self) -> list[Month]:
        """The months that the extension added; not empty."""
        first, last = self.job.range_start_month, self.job.range_end_month
        assert first is not None  # an extension has a range
        assert last is not None
        return list(Month.parse(first).until(Month.parse(last)))


@dataclass(frozen=True)
class _Restore:
    """Restore what an undo or a repair deleted."""

    job: Job
    #: the patch or extension that the undo took back; None: the job was a repair
    undone: UUID | None

    def select(self, run: JobRun) -> JobSelection | UUID:
        if (done := undone_by(run, self.job)) is not None:
            return done
        self._refuse_extended(run)
        with run.database.admin() as conn, conn.transaction(force_rollback=True):
            self._collect(conn, run)
        spec = undo_spec(run, self.job, {"job": str(self.job.id)})
        return JobSelection(request=next_job(run.context, spec), execute=self._execute)

    def _execute(self, run: JobTransaction) -> JobOutcome:
        conn, tenant_id = run.conn, run.tenant.tenant_id
        before = run.figures()
        counts = self._collect(conn, run)
        set_again = soft_delete.restore(conn, tenant_id, hidden_at(self.job))
        change = collected_figures(conn, tenant_id, run.currency) - self._delete_again(run)
        job_ledger.mark_undone(conn, run.request.job_id, self.job.id, is_undone=True)
        context = run.context
        if self.undone is not None:
            job_ledger.mark_undone(conn, run.request.job_id, self.undone, is_undone=False)
            context = with_undone(context, {self.undone: None})
        recorded = -recorded_by(run, self.job)
        return JobOutcome(
            before=before,
            change=change,
            results=changed_results(run, before, change, recorded, context),
            recorded=recorded,
            metrics=RestoredRows(counts=counts, set_again=set_again).metrics(),
            notes=_restore_notes(self.job, is_repair=self.undone is None, set_again=set_again),
        )

    def _delete_again(self, run: JobTransaction) -> FiguresByMonth:  # noqa: ARG002 - of a reconcile
        """Delete what the undo had restored; its figures."""
        return NO_MONTHS

    def _collect(self, conn: Connection, run: JobRun) -> dict[str, int]:
        return collect_deleted_by(conn, run, self.job)

    def _refuse_extended(self, run: JobRun) -> None:
        """Rows of an extension do not come back where another one has asked for its months since."""
        undone = next((job for job in run.context.state.jobs if job.job_id == self.undone), None)
        if undone is None or undone.kind is not JobKind.EXTEND or undone.first_month is None:
            return
        again = [job_id for job_id, last in run.context.extensions if last >= undone.first_month]
        if again:
            raise refusal(
                "extended_since",
                f"{run.tenant.slug} was extended again since, by job {again[0]}; undo that one first",
            )


@dataclass(frozen=True)
class _RestoreReconcile(_Restore):
    """Restore what the undo of a reconcile deleted, and delete again what it restored."""

    reconcile: Job

    def _collect(self, conn: Connection, run: JobRun) -> dict[str, int]:
        # Refused before anything is restored.
        self._collect_again(conn, run)
        soft_delete.discard(conn)
        return super()._collect(conn, run)

    def _delete_again(self, run: JobTransaction) -> FiguresByMonth:
        conn, tenant_id = run.conn, run.tenant.tenant_id
        soft_delete.discard(conn)
        self._collect_again(conn, run)
        figures = collected_figures(conn, tenant_id, run.currency)
        # At the instant that the reconcile recorded: its next undo finds them by it.
        soft_delete.soft_delete(conn, tenant_id, hidden_at(self.reconcile))
        return figures

    def _collect_again(self, conn: Connection, run: JobRun) -> None:
        """Collect what the reconcile deleted; refuse where people have worked with it since."""
        soft_delete.collect_rows(conn, rows_deleted_by(self.reconcile))
        refuse_undone(conn, run, self.job)
        tenant_id = run.tenant.tenant_id
        held = [
            *soft_delete.collected_among(conn, tenant_id, _edited_rows(conn, run)),
            *soft_delete.dependents(conn, tenant_id, collect=False),
        ]
        if held:
            raise refusal(
                "rows_are_in_use",
                f"job {self.reconcile.id} hid {counted(len(held), 'row')} that people have changed since its "
                "undo, or that rows depend on since then; apply its plan anew instead, after a preview",
                held,
            )


@dataclass(frozen=True, kw_only=True)
class _Deleted:
    """Figures of an undo that deletes rows."""

    #: of the tenant before
    before: FiguresByMonth
    #: of the deleted rows of the job that is undone
    own: FiguresByMonth
    #: of the dependent rows that are deleted along, by their job
    of_others: Mapping[UUID, FiguresByMonth]


@dataclass(frozen=True, kw_only=True)
class _Collected:
    """What an undo is about to delete."""

    #: of the patch itself, by table
    counts: dict[str, int]
    dependents: list[FoundRow]
    changed: list[FoundRow]
    #: those of the dependents that people changed
    changed_dependents: list[FoundRow]
    #: rows of the patch that people deleted for good; None: an extension, of which that is not known
    purged: int | None = None

    def metrics(
        self, instant: datetime, of_others: Mapping[UUID, FiguresByMonth], currency: Currency
    ) -> dict[str, Any]:
        """What the undo's job records, as JSON: ``instant`` the hidden rows bear, ``of_others`` by job."""
        changed = [*self.changed, *self.changed_dependents]
        purged = {} if self.purged is None else {"deleted_for_good": self.purged}
        return {
            "hidden_at": instant.isoformat(),
            "hidden": self.counts,
            "taken_along": {
                str(job): {str(month): one.to_json(currency) for month, one in figures.items()}
                for job, figures in of_others.items()
            },
            "changed_by_people": [row_document(row) for row in changed[:MOST_LISTED]],
            "dependents": [row_document(row) for row in self.dependents[:MOST_LISTED]],
            **purged,
        }


def _notes(collected: _Collected) -> tuple[str, ...]:
    notes: list[str] = []
    if collected.changed:
        notes.append(f"{len(collected.changed):,} of its rows had been changed or deleted by people")
    if collected.purged:
        notes.append(f"{collected.purged:,} of its rows had been deleted for good")
    if collected.dependents:
        dependents = counted(len(collected.dependents), "row of another job", "rows of other jobs")
        notes.append(f"{dependents} that depended on them went along")
    if collected.changed_dependents:
        notes.append(f"{len(collected.changed_dependents):,} of those had been changed by people")
    return tuple(notes)


def _restore_notes(job: Job, *, is_repair: bool, set_again: int) -> tuple[str, ...]:
    notes: list[str] = []
    if is_repair:
        notes.append(f"what {job.kind} had hidden is there again: verify reports it")
    if set_again:
        tags = counted(set_again, "tag", "tags")
        notes.append(f"{tags} stayed hidden, because people have set the same tag on the same contact since")
    return tuple(notes)


def _edited_rows(conn: Connection, run: JobRun) -> Mapping[str, Collection[UUID]]:
    """Table → generated rows that people edited."""
    with run.database.admin(readonly=True) as admin:
        # It does not change while the tenant is held.
        finished = provenance.finished_at(admin, run.tenant.tenant_id)
    return provenance.edited_rows(conn, run.tenant.tenant_id, finished)


def _deleting_jobs(run: JobRun, job: Job) -> list[Job]:
    """Jobs whose rows are still soft-deleted; any connection may ask, since none ends while it is held."""
    with run.database.admin(readonly=True) as conn:
        jobs = job_ledger.list_jobs(conn, job.slug)
    return [
        one
        for one in jobs
        if one.tenant_id == job.tenant_id
        and one.kind.deletes_rows
        and one.status == "completed"
        and one.undone_by is None
        and "hidden_at" in (job_ledger.readable(one).metrics or {})
    ]
