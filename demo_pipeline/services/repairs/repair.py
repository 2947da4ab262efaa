"""Put a tenant right again: hide rows that ought not to be there, as a job that can be taken back.

Three kinds of one work: ``repair`` takes orphans, broken life cycles, rows of no job and copies; ``dedupe``
only copies; ``cleanup`` the rows of one job that did not end. What depends on such a row is hidden with it;
rows that people made stop it. A generated row that people edited stays, with all that it depends on. Where
the cause is a stage that people changed, no deal is hidden: the stage is named, and can be set as it was.
What is missing is not made here: that is what materialising does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import NO_MONTHS
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.domain.feasibility import is_short
from demo_pipeline.services.checkpoints.checkpoint import take_automatic
from demo_pipeline.services.jobs.failures import as_demo_error
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.jobs.row_checks import ChangedStage, RowChecks, check_rows
from demo_pipeline.services.jobs.runner import run_job
from demo_pipeline.services.jobs.selection import next_job
from demo_pipeline.services.jobs.soft_deletion import changed_results, refusal
from demo_pipeline.services.jobs.steps import JobCaller, JobOutcome, JobRun, JobSelection, JobTransaction
from demo_pipeline.services.jobs.tenant_context import TenantContext, find_tenant_context
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import instant_of
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.hero_accounts import broken_hero_kinds
from demo_pipeline.storage.ledger.job_ledger import JobSpec
from demo_pipeline.storage.rows import misplaced, provenance, row_checks, soft_delete
from demo_pipeline.storage.rows.kpis import all_figures, collected_figures
from demo_pipeline.storage.rows.misplaced import Misplaced
from demo_pipeline.storage.rows.pipeline_stages import restore_outcomes
from demo_pipeline.storage.rows.soft_delete import FoundRow

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Living rows of one table with the same thing wrong."""

    table: str
    #: what is wrong, after "rows that"
    reason: str
    ids: tuple[UUID, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a repair would do."""

    tenant: str
    kind: JobKind
    groups: tuple[Group, ...]
    #: table → rows of other jobs that depend on them and are hidden with them
    along: Mapping[str, int]
    #: rows of the tenant's jobs in other tenants, to be deleted there
    elsewhere: tuple[Misplaced, ...] = ()
    #: rows with something wrong that stay: people edited them, or rows that depend on them
    kept: tuple[Group, ...] = ()
    #: stages that people changed, so that deals contradict them
    stages: tuple[ChangedStage, ...] = ()
    #: kinds of hero accounts whose rows people changed: the job selects other accounts for them
    heroes: tuple[str, ...] = ()
    #: months that fall short of what is expected then: materialising makes up for it
    short: tuple[Month, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing to do; rows may be kept."""
        return not (self.groups or self.elsewhere or self.stages or self.heroes)


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """What was planned and what became of it."""

    plan: Plan
    #: None: nothing was to be hidden, or it was only looked
    report: JobReport | None = None
    #: rows deleted in other tenants
    deleted_elsewhere: int = 0
    #: stages that were set as they were
    restored_stages: int = 0
    #: stages were to be restored too
    with_stages: bool = False


def repair(
    database: Database,
    settings: Settings,
    slug: str,
    caller: JobCaller | None = None,
    *,
    is_dry: bool = False,
    with_stages: bool = False,
) -> Repaired:
    """Look for all that is wrong with a tenant's rows and, unless ``is_dry``, hide it.

    Rows of its jobs that lie in other tenants are deleted there, in a transaction of its own, with their
    contents in the audit log. Then a checkpoint is taken, and the tenant's own rows are changed in one
    transaction. ``with_stages`` also sets stages that deals contradict to the outcome that the tenant was
    made with; the audit log has what they were. Raises as ``run_job`` does; ``InputError`` where people's
    rows depend on what is to be hidden.
    """
    work = _Delete(JobKind.REPAIR)
    plan = _plan(database, settings, slug, work)
    with database.admin(readonly=True) as conn:
        context = find_tenant_context(conn, settings, slug, JobKind.REPAIR)
        owner_id = context.state.tenant.tenant_id
        elsewhere = tuple(stray for stray in misplaced.find(conn) if stray.owner_id == owner_id)
        # A stage that is not what it was may be all that is wrong with them: it is set first.
        is_known = with_stages or not plan.stages
        heroes = _broken_heroes(conn, owner_id) if is_known else ()
    plan = replace(plan, elsewhere=elsewhere, heroes=heroes)
    if is_dry or plan.is_empty:
        return Repaired(plan=plan, with_stages=with_stages)
    caller = caller or JobCaller()
    # First, since it may refuse; no checkpoint has rows of other tenants.
    deleted = _delete_elsewhere(database, context, caller) if elsewhere else 0
    # Its undo restores the rows that it hides, and nothing else of what is done here.
    take_automatic(database, settings, slug, caller)
    restored = _restore_stages(database, context, caller, plan.stages) if with_stages and plan.stages else 0
    if restored:
        with database.admin(readonly=True) as conn:
            plan = replace(plan, heroes=_broken_heroes(conn, owner_id))
    # Every job selects hero accounts at its end, also one that hides no row.
    is_due = bool(plan.groups or plan.heroes)
    report = run_job(database, settings, slug, work.kind, work.select, caller) if is_due else None
    if restored:
        # Their deals count again as what they were.
        plan = replace(plan, short=_plan(database, settings, slug, work).short)
    return Repaired(
        plan=plan,
        report=report,
        deleted_elsewhere=deleted,
        restored_stages=restored,
        with_stages=with_stages,
    )


def _broken_heroes(conn: Connection, tenant_id: UUID) -> tuple[str, ...]:
    return tuple(broken_hero_kinds(conn, tenant_id).get(tenant_id, ()))


def dedupe(
    database: Database,
    settings: Settings,
    slug: str,
    caller: JobCaller | None = None,
    *,
    is_dry: bool = False,
) -> Repaired:
    """Hide rows that are copies of others. Raises as ``repair`` does."""
    return _do(database, settings, slug, _Delete(JobKind.DEDUPE), caller, is_dry=is_dry)


def cleanup(
    database: Database,
    settings: Settings,
    job_id: UUID,
    caller: JobCaller | None = None,
    *,
    is_dry: bool = False,
) -> Repaired:
    """Hide the rows of a job that was not completed. Raises as ``repair`` does, and ``NotFoundError``."""
    with database.admin(readonly=True) as conn:
        job = job_ledger.get_job(conn, job_id)
        find_tenant_context(conn, settings, job.slug, JobKind.CLEANUP)
    if job.status == "completed":
        raise refusal("completed", f"job {job_id} is completed: demo-pipeline job undo takes a patch back")
    return _do(database, settings, job.slug, _Delete(JobKind.CLEANUP, job_id), caller, is_dry=is_dry)


def run_repair(
    database: Database, settings: Settings, slug: str, kind: JobKind, plan: Any, caller: JobCaller | None
) -> JobReport:
    """The job itself, needed or not, from its kind and its stored plan."""
    work = _Delete(kind, UUID(plan["job"]) if "job" in plan else None)
    return run_job(database, settings, slug, kind, work.select, caller)


def _do(
    database: Database,
    settings: Settings,
    slug: str,
    work: _Delete,
    caller: JobCaller | None,
    *,
    is_dry: bool,
) -> Repaired:
    plan = _plan(database, settings, slug, work)
    if is_dry or plan.is_empty:
        return Repaired(plan=plan)
    return Repaired(plan=plan, report=run_job(database, settings, slug, work.kind, work.select, caller))


def _plan(database: Database, settings: Settings, slug: str, work: _Delete) -> Plan:
    """What the work would hide by now. Raises ``InputError`` where people's rows depend on it."""
    try:
        with database.admin() as conn:
            context = find_tenant_context(conn, settings, slug, work.kind)
            with conn.transaction(force_rollback=True):
                finished = provenance.finished_at(conn, context.state.tenant.tenant_id)
                found = work.collect(conn, context, instant_of(conn, settings), finished)
                short = _short_months(conn, context)
    except psycopg.Error as error:
        raise as_demo_error(error, database, has_begun=False) from error
    return Plan(
        tenant=slug,
        kind=work.kind,
        groups=found.groups,
        along=found.along,
        kept=found.kept,
        stages=found.stages,
        short=short,
    )


def _short_months(conn: Connection, context: TenantContext) -> tuple[Month, ...]:
    """Months with less than what is expected once the collected rows are hidden."""
    tenant_id, currency = context.state.tenant.tenant_id, context.spec.currency
    figures, taken = all_figures(conn, tenant_id, currency), collected_figures(conn, tenant_id, currency)
    return tuple(
        month
        for month in sorted(context.recorded_months)
        if is_short(context.expected(month), figures.at(month) - taken.at(month))
    )


@dataclass(frozen=True, kw_only=True)
class _Collected:
    """What lies in the collection."""

    groups: tuple[Group, ...]
    along: dict[str, int] = field(default_factory=dict[str, int])
    kept: tuple[Group, ...] = ()
    stages: tuple[ChangedStage, ...] = ()


@dataclass(frozen=True)
class _Delete:
    """The steps of a repair: collect rows, then soft-delete them."""

    kind: JobKind
    #: of a cleanup
    job_id: UUID | None = None

    def select(self, run: JobRun) -> JobSelection:
        with run.database.admin() as conn, conn.transaction(force_rollback=True):
            finished = provenance.finished_at(conn, run.tenant.tenant_id)
            self.collect(conn, run.context, run.as_of, finished)
        spec = JobSpec(
            kind=self.kind,
            plan={"job": str(self.job_id)} if self.job_id else {},
            seed=run.tenant.seed,
            as_of=run.as_of,
        )
        # What was repaired once may be wrong again: then it is the next job.
        return JobSelection(request=next_job(run.context, spec), execute=self._execute)

    def _execute(self, run: JobTransaction) -> JobOutcome:
        conn, tenant_id = run.conn, run.tenant.tenant_id
        before = run.figures()
        with run.database.admin(readonly=True) as admin:
            # It does not change while the tenant is held.
            finished = provenance.finished_at(admin, tenant_id)
        found = self.collect(conn, run.context, run.as_of, finished)
        change = -collected_figures(conn, tenant_id, run.currency)
        hidden_at = soft_delete.soft_delete(conn, tenant_id)
        return JobOutcome(
            before=before,
            change=change,
            # These rows were not expected.
            results=changed_results(run, before, change, NO_MONTHS),
            metrics={
                "hidden_at": hidden_at.isoformat(),
                "hidden": soft_delete.collected(conn),
                "reasons": [
                    {"table": group.table, "reason": group.reason, "rows": len(group.ids)}
                    for group in found.groups
                ],
                "along": found.along,
            },
        )

    def collect(
        self, conn: Connection, context: TenantContext, as_of: datetime, finished: Mapping[UUID, datetime]
    ) -> _Collected:
        """Put the rows that are to go into the collection, with all that depends on them."""
        tenant_id = context.state.tenant.tenant_id
        checks = check_rows(conn, context, as_of, finished)
        groups = tuple(self._groups(conn, context, checks))
        dependents = _collect(conn, tenant_id, groups)
        edited = [(table, row) for table, rows in checks.edited.items() for row in rows]
        left_out = soft_delete.leave_out_edited(conn, tenant_id, edited)
        kept: tuple[Group, ...] = ()
        if any(left_out.values()):
            # Again without them: what depends on nothing but them stays as well.
            kept = tuple(_part(groups, lambda group, row: row in left_out[group.table]))
            groups = tuple(_part(groups, lambda group, row: row not in left_out[group.table]))
            soft_delete.discard(conn)
            dependents = _collect(conn, tenant_id, groups)
        _refuse_people(dependents)
        along: dict[str, int] = defaultdict(int)
        for row in dependents:
            along[row.entity] += 1
        return _Collected(groups=groups, along=dict(along), kept=kept, stages=checks.stages)

    def _groups(self, conn: Connection, context: TenantContext, checks: RowChecks) -> Iterable[Group]:
        tenant_id = context.state.tenant.tenant_id
        if self.job_id is not None:
            for table, ids in row_checks.living_rows_of(conn, tenant_id, [self.job_id]).items():
                yield Group(table=table, reason=f"are of job {self.job_id}, which was not completed", ids=ids)
            return
        if self.kind is JobKind.REPAIR:
            yield from _misfits(conn, context, checks)
        for table, ids in row_checks.copies(conn, tenant_id, checks.edited).items():
            yield Group(table=table, reason="are copies of others", ids=ids)


def _collect(conn: Connection, tenant_id: UUID, groups: Sequence[Group]) -> list[FoundRow]:
    """Collect the rows of some groups; the rows that depend on them, collected too unless a person's."""
    soft_delete.collect_rows(conn, [(group.table, group.ids) for group in groups])
    return soft_delete.dependents(conn, tenant_id, collect=True)


def _part(groups: Iterable[Group], is_in: Callable[[Group, UUID], bool]) -> Iterator[Group]:
    """The groups with some of their rows; without those that have none."""
    for group in groups:
        if ids := tuple(row for row in group.ids if is_in(group, row)):
            yield replace(group, ids=ids)


def _misfits(conn: Connection, context: TenantContext, checks: RowChecks) -> Iterable[Group]:
    """All but copies."""
    tenant_id = context.state.tenant.tenant_id
    for one in row_checks.orphans(conn, tenant_id):
        reason = f"refer by {one.reference} to {one.parent} that do not exist"
        yield Group(table=one.table, reason=reason, ids=one.ids)
    for broken in checks.faults:
        yield Group(table=broken.table, reason=f"break the rule: {broken.rule}", ids=broken.ids)
    if jobless := _jobs_not_completed(conn, context):
        for table, ids in row_checks.living_rows_of(conn, tenant_id, list(jobless)).items():
            yield Group(table=table, reason="are of no completed job", ids=ids)


def _jobs_not_completed(conn: Connection, context: TenantContext) -> dict[UUID, dict[Any, int]]:
    """Jobs that rows of the tenant name and that did not end well, or are none of the tenant's."""
    completed = {job.job_id for job in context.state.jobs if job.status == "completed"}
    rows = row_checks.jobs_of_rows(conn, context.state.tenant.tenant_id)
    return {job_id: tables for job_id, tables in rows.items() if job_id not in completed}


def _refuse_people(dependents: Iterable[FoundRow]) -> None:
    by_people = [row for row in dependents if row.job_id is None]
    if by_people:
        raise refusal(
            "people_hang_on_it",
            f"{counted(len(by_people), 'row that people made depends', 'rows that people made depend')} on "
            "rows that are to be hidden; delete them in the CRM first, or leave everything as it is",
            by_people,
        )


def _restore_stages(
    database: Database, context: TenantContext, caller: JobCaller, stages: Sequence[ChangedStage]
) -> int:
    """Set the outcome of stages as the tenant was made with; what they were is in the audit log."""
    tenant = context.state.tenant
    try:
        with database.admin() as conn, conn.transaction():
            return restore_outcomes(
                conn,
                tenant.tenant_id,
                {stage.id: (stage.is_won, stage.is_lost) for stage in stages},
                slug=tenant.slug,
                requested_by=caller.requested_by,
            )
    except psycopg.Error as error:
        raise as_demo_error(error, database, has_begun=False) from error


def _delete_elsewhere(database: Database, context: TenantContext, caller: JobCaller) -> int:
    """Delete the rows of the tenant's jobs that lie in other tenants; what they were is written down."""
    tenant = context.state.tenant
    try:
        with database.admin() as conn, conn.transaction():
            return misplaced.delete(conn, tenant.tenant_id, tenant.slug, caller.requested_by)
    except psycopg.errors.ForeignKeyViolation as error:
        message = (
            "rows of the other tenant depend on rows of this one's jobs there; have them moved or deleted by "
            f"the owner of that tenant, then repair again ({error.diag.message_detail})"
        )
        raise InputError(message, [Problem(code="others_hang_on_it", message=message)]) from error
    except psycopg.Error as error:
        raise as_demo_error(error, database, has_begun=False) from error
