"""Take a patch or an extension back, and bring back what was hidden.

A job of its own, which hides rows and shows them.
An undo hides the rows that its patch made and that are there; those that people changed are listed and hidden
as they are. Dependent rows of other jobs stop it, unless they are selected too; those that people made always
stop it. The undo of an undo, or of a repair, shows exactly what that one hid.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.domain.documents.stored import reading_job
from demo_pipeline.services.jobs.report import HEAL, JobReport, report_of
from demo_pipeline.services.jobs.runner import (
    FiguresByMonth,
    JobCaller,
    JobRun,
    JobSelection,
    Outcome,
    run_job,
)
from demo_pipeline.services.jobs.selection import select_job
from demo_pipeline.services.jobs.soft_deletion import (
    MOST_LISTED,
    REPAIRS,
    changed_results,
    hidden_at,
    negated,
    refusal,
    row_document,
    with_undone,
)
from demo_pipeline.services.jobs.tenant_context import EXTEND, find_tenant_id
from demo_pipeline.services.months.pending_load import KIND as MATERIALISE
from demo_pipeline.services.patches.patch import KIND as PATCH
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.job_ledger import Job, JobRequest
from demo_pipeline.storage.rows import edits, soft_delete
from demo_pipeline.storage.rows.kpis import job_figures, taken_figures
from demo_pipeline.storage.rows.soft_delete import Hanging

Connection = psycopg.Connection[Any]

#: of jobs that take another one back
KIND: Final = "undo"
#: kinds of jobs that change a tenant at a person's wish, and can be taken back
CHANGES: Final = (PATCH, EXTEND, *REPAIRS)


def undo_job(
    database: Database,
    settings: Settings,
    job_id: UUID,
    *,
    with_dependents: bool = False,
    caller: JobCaller | None = None,
) -> JobReport:
    """Take back a completed patch or extension, or bring back what an undo or a repair hid.

    Raises as ``run_job`` does; ``InputError`` for a job that cannot be undone, and where rows depend on its
    rows, with the list; ``NotFoundError``; ``UnreadableJobError``, also for a job that must be known to
    undo this one.
    """
    with database.admin(readonly=True) as conn:
        job = job_ledger.readable(job_ledger.get_job(conn, job_id))
        hidden = _hidden_job(conn, job)
    if job.status != "completed":
        raise refusal("not_completed", f"job {job.id} is {job.status}: only a completed one can be undone")
    undos = {PATCH: _Undo, EXTEND: _UndoExtension}
    work = undos[job.kind](job, with_dependents) if job.kind in undos else _Restore(job, hidden)
    return run_job(database, settings, job.slug, work, caller or JobCaller())


def last_change(database: Database, settings: Settings, slug: str) -> Job:
    """The change of a tenant that was completed last and is not undone.

    What an undo itself did is none, so that asking again and again steps back through the history. Raises
    ``NotFoundError``, ``NotADemoTenantError``, and ``InputError`` where no change is left.
    """
    with database.admin(readonly=True) as conn:
        tenant_id = find_tenant_id(conn, settings, slug, KIND)
        job = job_ledger.last_completed_job(conn, tenant_id, CHANGES)
    if job is None:
        raise refusal(
            "nothing_to_undo",
            f"{slug} has no change that can be taken back: every completed {', '.join(CHANGES[:-1])} or "
            f"{CHANGES[-1]} is undone already, or there was none; "
            f"demo-pipeline job list {slug} shows its jobs",
        )
    return job


@dataclass
class _Undo:
    """Hide what a patch made."""

    job: Job
    with_dependents: bool
    kind: str = KIND

    def select(self, run: JobRun) -> JobSelection:
        _check_incarnation(run, self.job)
        plan = {"job": str(self.job.id), "with_dependents": self.with_dependents}
        known = {job.job_id: job for job in run.context.state.jobs}[self.job.id]
        if known.undone_by is not None:
            return JobSelection(request=_request(run, self.job, plan), done=known.undone_by)
        with run.database.admin() as conn, conn.transaction(force_rollback=True):
            self._collect(conn, run)
            # Dependents may lie in other months than the job's own.
            months = taken_figures(conn, run.tenant.tenant_id, run.currency)
        request, _ = select_job(run.context, _request(run, self.job, plan, months), lambda _: False)
        return JobSelection(request=request)

    def execute(self, run: JobRun, selection: JobSelection, number: int) -> Outcome:  # noqa: ARG002 - no rows are made
        conn, tenant_id = run.conn, run.tenant.tenant_id
        before = run.figures()
        taken = self._collect(conn, run)
        change = negated(taken_figures(conn, tenant_id, run.currency))
        others = {row.job_id for row in taken.dependents if row.job_id is not None}
        of_others = {job: taken_figures(conn, tenant_id, run.currency, job) for job in others}
        own = taken_figures(conn, tenant_id, run.currency, self.job.id)
        instant = soft_delete.hide(conn, tenant_id)
        job_ledger.mark_undone(conn, selection.request.job_id, self.job.id, is_undone=True)
        # What an undo took along has been taken off already.
        gone = _sum(*[_taken_along(undo, self.job.id, run.currency) for undo in _undos(run, self.job)])
        # Rows that make up for others are expected of nobody, and what they make up for of this job stays.
        healing = _healing_jobs(run)
        along = [figures for job, figures in of_others.items() if job not in healing]
        healing_along = _sum(*[figures for job, figures in of_others.items() if job in healing])
        healed = _healed(run, self.job, before, _sum(own, gone), healing_along)
        recorded = negated(_sum(_recorded(run, self.job), *along, negated(_sum(gone, healed))))
        return Outcome(
            before=before,
            change=change,
            results=changed_results(run, before, change, recorded),
            created={},
            recorded=recorded,
            metrics={**taken.metrics(instant, of_others, run.currency), "deleted_for_good": taken.purged},
            notes=_notes(taken),
        )

    def standing(self, run: JobRun, job_id: UUID, *, already_applied: bool) -> JobReport:
        return run.recorded_report(job_id, already_applied=already_applied)

    def _collect(self, conn: Connection, run: JobRun) -> _Taken:
        """Collect the rows; refuse where others depend on them."""
        tenant_id = run.tenant.tenant_id
        counts = soft_delete.collect_job(conn, tenant_id, self.job.id)
        dependents = soft_delete.hanging(conn, tenant_id, collect=self.with_dependents)
        self._refuse(run, dependents)
        assert self.job.completed_at is not None  # of a completed job
        instants = [hidden_at(job) for job in _hiding_jobs(run, self.job)]
        since = max(self.job.completed_at, self.job.as_of or self.job.completed_at)
        changed = soft_delete.changed_by_people(conn, tenant_id, self.job.id, since, instants)
        purged = soft_delete.count_purged(conn, tenant_id, self.job.id, self.job.metrics.get("created", {}))
        with run.database.admin(readonly=True) as admin:
            # It does not change while the tenant is held.
            finished = edits.finished_at(admin, tenant_id) if dependents else {}
        edited = edits.edited_rows(conn, tenant_id, finished) if dependents else {}
        return _Taken(
            counts=counts,
            dependents=dependents,
            changed=changed,
            changed_dependents=[row for row in dependents if row.id in edited.get(row.entity, ())],
            purged=purged,
        )

    def _refuse(self, run: JobRun, dependents: list[Hanging]) -> None:
        by_people = [row for row in dependents if row.job_id is None]
        if by_people:
            raise refusal(
                "people_hang_on_it",
                f"{counted(len(by_people), 'row that people made depends', 'rows that people made depend')} "
                f"on rows of job {self.job.id}; delete them in the CRM first, or leave the job as it is",
                by_people,
            )
        if dependents and not self.with_dependents:
            patches = {job.job_id for job in run.context.state.jobs if job.kind == PATCH}
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


@dataclass
class _UndoExtension(_Undo):
    """Let the blueprint end where it ended before an extension, and hide its rows of the added months."""

    def select(self, run: JobRun) -> JobSelection:
        _check_incarnation(run, self.job)
        extensions = dict(run.context.extensions)
        later = [job_id for job_id, last in extensions.items() if last > self._added()[-1]]
        # One that was undone before is done.
        if later and self.job.id in extensions:
            raise refusal(
                "extended_since",
                f"{run.tenant.slug} was extended further since, by job {later[0]}; undo that one first",
            )
        return super().select(run)

    def execute(self, run: JobRun, selection: JobSelection, number: int) -> Outcome:  # noqa: ARG002 - no rows are made
        conn, tenant_id = run.conn, run.tenant.tenant_id
        before = run.figures()
        taken = self._collect(conn, run)
        change = negated(taken_figures(conn, tenant_id, run.currency))
        # Jobs of the blueprint recorded nothing; what else goes along is expected no more.
        blueprint = self._blueprint_jobs(run)
        others = {row.job_id for row in taken.dependents if row.job_id is not None} - set(blueprint)
        of_others = {job: taken_figures(conn, tenant_id, run.currency, job) for job in others}
        recorded = negated(_sum(*of_others.values()))
        instant = soft_delete.hide(conn, tenant_id)
        job_ledger.mark_undone(conn, selection.request.job_id, self.job.id, is_undone=True)
        return Outcome(
            before=before,
            change=change,
            results=changed_results(
                run,
                before,
                change,
                recorded,
                with_undone(run.context, {self.job.id: selection.request.job_id}),
            ),
            created={},
            recorded=recorded,
            metrics=taken.metrics(instant, of_others, run.currency),
            notes=_notes(taken),
        )

    def _collect(self, conn: Connection, run: JobRun) -> _Taken:
        tenant_id = run.tenant.tenant_id
        counts = soft_delete.collect_months(conn, tenant_id, self._added(), self._blueprint_jobs(run))
        with run.database.admin(readonly=True) as admin:
            # It does not change while the tenant is held.
            finished = edits.finished_at(admin, tenant_id)
        edited = edits.edited_rows(conn, tenant_id, finished)
        changed = soft_delete.collected_among(conn, tenant_id, edited)
        dependents = soft_delete.hanging(conn, tenant_id, collect=self.with_dependents)
        self._refuse(run, dependents)
        return _Taken(
            counts=counts,
            dependents=dependents,
            changed=changed,
            changed_dependents=[row for row in dependents if row.id in edited.get(row.entity, ())],
            purged=0,
        )

    def _added(self) -> list[Month]:
        """The months that the extension added; not empty."""
        first, last = self.job.range_start_month, self.job.range_end_month
        assert first is not None  # an extension has a range
        assert last is not None
        return list(Month.parse(first).until(Month.parse(last)))

    @staticmethod
    def _blueprint_jobs(run: JobRun) -> list[UUID]:
        """Jobs that made the blueprint's rows, or made up for them."""
        return [job.job_id for job in run.context.state.jobs if job.kind in {MATERIALISE, HEAL}]


@dataclass
class _Restore:
    """Show what an undo or a repair hid."""

    job: Job
    #: the patch or extension that the undo took back; None: the job was a repair
    undone: UUID | None
    kind: str = KIND

    def select(self, run: JobRun) -> JobSelection:
        _check_incarnation(run, self.job)
        request = _request(run, self.job, {"job": str(self.job.id)})
        known = {job.job_id: job for job in run.context.state.jobs}[self.job.id]
        if known.undone_by is not None:
            return JobSelection(request=request, done=known.undone_by)
        self._refuse_extended(run)
        with run.database.admin() as conn, conn.transaction(force_rollback=True):
            self._collect(conn, run)
        request, _ = select_job(run.context, request, lambda _: False)
        return JobSelection(request=request)

    def execute(self, run: JobRun, selection: JobSelection, number: int) -> Outcome:  # noqa: ARG002 - no rows are made
        conn, tenant_id = run.conn, run.tenant.tenant_id
        before = run.figures()
        counts = self._collect(conn, run)
        set_again = soft_delete.show(conn, tenant_id, hidden_at(self.job))
        change = taken_figures(conn, tenant_id, run.currency)
        job_ledger.mark_undone(conn, selection.request.job_id, self.job.id, is_undone=True)
        context = run.context
        if self.undone is not None:
            job_ledger.mark_undone(conn, selection.request.job_id, self.undone, is_undone=False)
            context = with_undone(context, {self.undone: None})
        recorded = negated(_recorded(run, self.job))
        return Outcome(
            before=before,
            change=change,
            results=changed_results(run, before, change, recorded, context),
            created={},
            recorded=recorded,
            metrics={"shown": counts, "tags_set_again": set_again},
            notes=_restore_notes(self.job, is_repair=self.undone is None, set_again=set_again),
        )

    def standing(self, run: JobRun, job_id: UUID, *, already_applied: bool) -> JobReport:
        return run.recorded_report(job_id, already_applied=already_applied)

    def _collect(self, conn: Connection, run: JobRun) -> dict[str, int]:
        instant = hidden_at(self.job)
        counts = soft_delete.collect_hidden(conn, run.tenant.tenant_id, instant)
        # What was hidden before was so when these rows were seen last.
        if missing := soft_delete.hidden_parents(conn, run.tenant.tenant_id, instant):
            raise refusal(
                "parents_are_hidden",
                f"rows that job {self.job.id} hid depend on {len(missing):,} rows that were hidden since; "
                "bring those back first",
                missing,
            )
        self._refuse_undone(conn, run)
        return counts

    def _refuse_extended(self, run: JobRun) -> None:
        """Rows of an extension do not come back where another one has asked for its months since."""
        undone = next((job for job in run.context.state.jobs if job.job_id == self.undone), None)
        if undone is None or undone.kind != EXTEND or undone.first_month is None:
            return
        again = [job_id for job_id, last in run.context.extensions if last >= undone.first_month]
        if again:
            raise refusal(
                "extended_since",
                f"{run.tenant.slug} was extended again since, by job {again[0]}; undo that one first",
            )

    def _refuse_undone(self, conn: Connection, run: JobRun) -> None:
        """Rows of a patch that another job took back since stay hidden with it."""
        jobs = soft_delete.collected_jobs(conn, run.tenant.tenant_id)
        undone = [
            job.job_id
            for job in run.context.state.jobs
            if job.undone_by not in {None, self.job.id} and job.job_id in jobs
        ]
        if undone:
            raise refusal(
                "undone_since",
                f"job {self.job.id} hid rows of job {undone[0]}, which was undone since; bring that one back "
                "first, by undoing its undo",
            )


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """What an undo is about to hide."""

    #: of the patch itself, by table
    counts: dict[str, int]
    dependents: list[Hanging]
    changed: list[Hanging]
    #: those of the dependents that people changed
    changed_dependents: list[Hanging]
    #: rows of the patch that people deleted for good
    purged: int

    def metrics(
        self, instant: datetime, of_others: Mapping[UUID, FiguresByMonth], currency: Currency
    ) -> dict[str, Any]:
        """What the undo's job records, as JSON: ``instant`` the hidden rows bear, ``of_others`` by job."""
        changed = [*self.changed, *self.changed_dependents]
        return {
            "hidden_at": instant.isoformat(),
            "hidden": self.counts,
            "taken_along": {str(job): _json(one, currency) for job, one in of_others.items()},
            "changed_by_people": [row_document(row) for row in changed[:MOST_LISTED]],
            "dependents": [row_document(row) for row in self.dependents[:MOST_LISTED]],
        }


def _named(kind: str) -> str:
    """A kind of job with its article; materialise and heal are no nouns."""
    name = {MATERIALISE: "materialisation", HEAL: "healing job"}.get(kind, kind)
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _hidden_job(conn: Connection, job: Job) -> UUID | None:
    """The patch or extension that an undo took back; None: the job is one of these, or a repair."""
    if job.kind in CHANGES:
        return None
    other = job_ledger.get_job(conn, UUID(job.plan["job"])) if job.kind == KIND else None
    if other is not None and other.kind in {PATCH, EXTEND}:
        return other.id
    if other is not None:
        again = f"{other.kind} again" if other.kind in REPAIRS else "undo what it brought back"
        raise refusal("is_a_restore", f"job {job.id} brought rows back; to take them back again, {again}")
    raise refusal(
        "not_a_patch",
        f"job {job.id} is {_named(job.kind)}, which cannot be undone: only patches, extensions, repairs and "
        "undos can",
    )


def _request(run: JobRun, job: Job, plan: dict[str, Any], months: Collection[Month] = ()) -> JobRequest:
    """The request about a job; it covers the job's own months and ``months``."""
    own = [Month.parse(text) for text in (job.range_start_month, job.range_end_month) if text]
    tenant = run.tenant
    return JobRequest(
        job_id=tenant.tenant_id,
        tenant_id=tenant.tenant_id,
        kind=KIND,
        plan=plan,
        seed=tenant.seed,
        first_month=min((*own, *months), default=None),
        last_month=max((*own, *months), default=None),
        as_of=run.as_of,
    )


def _check_incarnation(run: JobRun, job: Job) -> None:
    if job.incarnation != run.tenant.incarnation:
        raise refusal("other_incarnation", f"job {job.id} was of a {job.slug} that has been deleted since")


def _notes(taken: _Taken) -> tuple[str, ...]:
    notes: list[str] = []
    if taken.changed:
        notes.append(f"{len(taken.changed):,} of its rows had been changed or deleted by people")
    if taken.purged:
        notes.append(f"{taken.purged:,} of its rows had been deleted for good")
    if taken.dependents:
        dependents = counted(len(taken.dependents), "row of another job", "rows of other jobs")
        notes.append(f"{dependents} that depended on them went along")
    if taken.changed_dependents:
        notes.append(f"{len(taken.changed_dependents):,} of those had been changed by people")
    return tuple(notes)


def _restore_notes(job: Job, *, is_repair: bool, set_again: int) -> tuple[str, ...]:
    notes: list[str] = []
    if is_repair:
        notes.append(f"what {job.kind} had hidden is there again: verify reports it")
    if set_again:
        tags = counted(set_again, "tag", "tags")
        notes.append(f"{tags} stayed hidden, because people have set the same tag on the same contact since")
    return tuple(notes)


def _undos(run: JobRun, job: Job) -> list[Job]:
    """The undos of a job's tenant that hold."""
    return [one for one in _hiding_jobs(run, job) if one.kind == KIND]


def _hiding_jobs(run: JobRun, job: Job) -> list[Job]:
    """Jobs whose hidden rows are hidden yet; any connection may ask, since none comes while it is held."""
    with run.database.admin(readonly=True) as conn:
        jobs = job_ledger.list_jobs(conn, job.slug)
    return [
        one
        for one in jobs
        if one.tenant_id == job.tenant_id
        and one.kind in (KIND, *REPAIRS)
        and one.status == "completed"
        and one.undone_by is None
        and "hidden_at" in (job_ledger.readable(one).metrics or {})
    ]


def _taken_along(undo: Job, job_id: UUID, currency: Currency) -> FiguresByMonth:
    """What an undo of another job took along of a job's rows."""
    told: dict[str, Any] = undo.metrics.get("taken_along", {}).get(str(job_id), {})
    with reading_job(undo.slug, undo.id, "metrics.taken_along"):
        return {Month.parse(month): Figures.from_json(one, currency) for month, one in told.items()}


def _json(figures: FiguresByMonth, currency: Currency) -> dict[str, Any]:
    return {str(month): one.to_json(currency) for month, one in figures.items()}


def _recorded(run: JobRun, job: Job) -> FiguresByMonth:
    """What a job had recorded; it does not change any more, so any connection may ask."""
    with run.database.admin(readonly=True) as conn:
        return job_ledger.recorded_changes(conn, run.tenant.tenant_id, job.id, run.currency)


def _sum(*parts: FiguresByMonth) -> FiguresByMonth:
    months = {month for part in parts for month in part}
    return {month: sum((part.get(month, Figures()) for part in parts), Figures()) for month in months}


def _healing_jobs(run: JobRun, after: int = 0) -> list[UUID]:
    """Jobs that made up for hidden rows, of those with a number beyond ``after``."""
    return [job.job_id for job in run.context.state.jobs if job.kind == HEAL and job.number > after]


def _healed(
    run: JobRun, job: Job, before: FiguresByMonth, kept: FiguresByMonth, along: FiguresByMonth
) -> FiguresByMonth:
    """What later rows make up for of a job: of what people took of it, and once its own rows are hidden.

    ``kept``: what of its rows people left, ``along``: later rows that go with them. Which row stands in for
    which nobody can tell: what falls short now, or goes along, is taken to be this job's, so that no rows
    are owed for a job that is not there any more.
    """
    later = _healing_jobs(run, job.number)
    if not later:
        return {}
    there, nothing = job_figures(run.conn, run.tenant.tenant_id, run.currency, later), Figures()
    healed: dict[Month, Figures] = {}
    for result in report_of(job, run.currency).months:
        month = result.month
        lost = result.delta - kept.get(month, nothing)
        short = run.context.expected(month) - before.get(month, nothing)
        gone, most = along.get(month, nothing), there.get(month, nothing)
        healed[month] = Figures(
            **{
                metric: max(min(lost[metric] - max(short[metric], 0) - gone[metric], most[metric]), 0)
                for metric in METRICS
            }
        )
    return healed
