"""The job ledger: opening, claiming, finishing and failing jobs, progress, audit, and reading all of it.

Thin wrappers of the guard's functions: psycopg connection in, frozen records out. Nothing here commits;
each function says in what transaction it belongs. What a job does does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row, dict_row, kwargs_row
from psycopg.types.json import Jsonb

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import NotFoundError, UnreadableJobError
from demo_pipeline.domain.core.figures import NO_MONTHS, Figures, FiguresByMonth
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.documents.stored import job_problems
from demo_pipeline.domain.patch_plan.plan import PlanMode
from demo_pipeline.storage.ledger.guard import call
from demo_pipeline.storage.ledger.tenants import MonthState

Json = Mapping[str, Any]
#: what a job can be
STATUSES: Final = ("pending", "running", "completed", "failed")


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What is asked of a tenant; the same spec again is the same job, or the next one of its ordinal."""

    kind: JobKind
    seed: str | None = None
    mode: str | None = None
    #: ``deltas`` or ``targets``
    plan_type: str | None = None
    plan: Json | None = None
    first_month: Month | None = None
    last_month: Month | None = None
    tolerances: Json | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class JobRequest(JobSpec):
    """A job: a spec with its identity, which is computed from its content."""

    job_id: UUID
    tenant_id: UUID
    ordinal: int = 0
    requested_by: str | None = None
    dagster_run_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class AttemptHandle:
    """An open attempt at a job."""

    #: from 1
    attempt: int
    #: the job's number within its tenant, from 1
    number: int


@dataclass(frozen=True, kw_only=True)
class Job:
    """A row of ``demo.jobs`` with its tenant's slug."""

    id: UUID
    tenant_id: UUID
    slug: str
    kind: JobKind
    mode: str | None
    plan_type: str | None
    plan: Any
    seed: str | None
    range_start_month: str | None
    range_end_month: str | None
    tolerances: Any
    as_of: datetime | None
    before_kpis: Any
    after_kpis: Any
    diff_report: Any
    status: str
    undone_by: UUID | None
    #: 0 to 100
    progress: int
    current_step: str | None
    metrics: Any
    error_message: str | None
    dagster_run_id: str | None
    requested_by: str | None
    started_at: datetime | None
    completed_at: datetime | None
    error_code: str | None
    incarnation: int
    ordinal: int
    number: int
    #: of the attempt that ended it
    seconds: float | None
    created_at: datetime
    #: whether its tenant was deleted since; another one may have the slug
    is_deleted: bool

    @property
    def is_reconcile(self) -> bool:
        """Whether it is a patch that may have soft-deleted rows."""
        return self.kind is JobKind.PATCH and self.mode == PlanMode.RECONCILE


@dataclass(frozen=True, kw_only=True)
class JobFilter:
    """Which jobs of the ledger; None: all."""

    #: all incarnations of it
    slug: str | None = None
    statuses: list[str] | None = None
    kinds: list[JobKind] | None = None
    #: begun, or registered where they never began, at this instant or later
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try of a job and how it ended."""

    job_id: UUID
    attempt: int
    status: str
    error_code: str | None
    error_message: str | None
    started_at: datetime
    ended_at: datetime | None
    backend_pid: int | None
    requested_by: str | None
    dagster_run_id: str | None


def register_job(conn: Connection[Any], request: JobRequest) -> int:
    """Make the job pending, or find it; its number within the tenant. In the provisioning transaction."""
    row = call(conn, "register_job", *_terms(request))
    assert row is not None  # a scalar function returns a row
    return row[0]


def begin_job(conn: Connection[Any], request: JobRequest) -> AttemptHandle | None:
    """Open an attempt; None: the job is completed and there is nothing to do.

    In a short transaction of its own, on the session that holds the tenant (``tenants.hold_tenant``), or
    that could. Jobs of the tenant that still say *running* were interrupted and are marked failed.
    Raises :class:`NotADemoTenantError`; :class:`BusyError` when another session holds the tenant.
    """
    row = call(conn, "begin_job", *_terms(request), request.dagster_run_id)
    return None if row is None else AttemptHandle(attempt=row[0], number=row[1])


def claim_job(
    conn: Connection[Any], tenant_id: UUID, job_id: UUID, blueprint_job_id: UUID | None = None
) -> None:
    """First in the data transaction: from here it may write this tenant's rows under this job.

    And under the registered job of the blueprint, if one is given. One claim a transaction. A job that is
    not running raises :class:`JobFailedError`.
    """
    call(conn, "claim_job", tenant_id, job_id, blueprint_job_id)


def finish_job(
    conn: Connection[Any],
    job_id: UUID,
    *,
    before: Json | None = None,
    after: Json | None = None,
    diff: Json | None = None,
    metrics: Json | None = None,
    months: Iterable[MonthState] = (),
    changes: FiguresByMonth = NO_MONTHS,
    blueprint_metrics: Json | None = None,
    currency: Currency,
) -> None:
    """Last in the data transaction: the job is completed if this commits, and the claim is over.

    ``months`` replace what was recorded of the blueprint's rows in them; ``changes`` are what this job
    changes of what is expected; ``blueprint_metrics`` are those of the blueprint's job claimed beside it.
    """
    loaded = Jsonb([month.to_json(currency) for month in months])
    changed = Jsonb(changes.to_rows(currency))
    call(conn, "finish_job", job_id, before, after, diff, metrics, loaded, changed, blueprint_metrics)


def mark_undone(conn: Connection[Any], job_id: UUID, other_id: UUID, *, is_undone: bool) -> None:
    """Within the claim of an undo: its job undoes ``other_id``, or (not ``is_undone``) restores it."""
    call(conn, "mark_undone", job_id, other_id, is_undone)


def admit_request(conn: Connection[Any], tenant_id: UUID, per_tenant: int, total: int) -> bool:
    """Count a request; False: in the last minute there were as many as allowed, and this one is not."""
    row = call(conn, "admit_request", tenant_id, per_tenant, total)
    return row is not None and bool(row[0])


def rows_created(conn: Connection[Any], tenant_id: UUID) -> dict[UUID, int]:
    """Completed job → rows with provenance that it made; for administrators."""
    return dict(
        conn.execute(
            "select l.id, (select sum(demo.row_count(l.metrics #> array['created', t]))::bigint"
            " from unnest(array['companies', 'contacts', 'deals', 'activities']) t)"
            " from demo.job_ledger l where l.tenant_id = %s and l.status = 'completed'"
            " and l.metrics ? 'created'",
            [tenant_id],
        ).fetchall()
    )


def fail_job(
    conn: Connection[Any], tenant_id: UUID, job_id: UUID, attempt: int, error_code: str, error_message: str
) -> bool:
    """In a transaction of its own, after the roll-back. False: that attempt does not run any more."""
    row = call(conn, "fail_job", tenant_id, job_id, attempt, error_code, error_message)
    return row is not None and bool(row[0])


def report_progress(conn: Connection[Any], job_id: UUID, progress: int, step: str) -> None:
    """Percent done and what is being done, on a second connection; does nothing to a job that ended."""
    call(conn, "report_progress", job_id, progress, step)


def audit(
    conn: Connection[Any],
    event: str,
    *,
    tenant_id: UUID | None = None,
    slug: str | None = None,
    job_id: UUID | None = None,
    detail: Json | None = None,
) -> None:
    """Record an event for ever; in a transaction that is not rolled back with the event itself."""
    call(conn, "audit", event, tenant_id, slug, job_id, detail)


_JOB_QUERY: Final[LiteralString] = """
select j.id, j.tenant_id, m.slug, j.kind, j.mode, j.plan_type, j.plan, j.seed, j.range_start_month,
    j.range_end_month, j.tolerances, j.as_of, j.before_kpis, j.after_kpis, j.diff_report, j.status,
    j.undone_by, j.progress, j.current_step, j.metrics, j.error_message, j.dagster_run_id, j.requested_by,
    j.started_at, j.completed_at, j.error_code, j.incarnation, j.ordinal, j.number,
    j.seconds::float8 as seconds, j.created_at, m.deleted_at is not null as is_deleted
from demo.jobs j
join demo.tenant_metadata m on m.tenant_id = j.tenant_id
"""


_CONDITIONS: Final[LiteralString] = """
where (%(slug)s::text is null or m.slug = %(slug)s)
    and (%(statuses)s::text[] is null or j.status = any(%(statuses)s))
    and (%(kinds)s::text[] is null or j.kind = any(%(kinds)s))
    and (%(since)s::timestamptz is null or coalesce(j.started_at, j.created_at) >= %(since)s)
"""
_LATEST_FIRST: Final[LiteralString] = (
    " order by coalesce(j.started_at, j.created_at) desc, m.slug, j.number desc"
)


def list_jobs(conn: Connection[Any], slug: str) -> list[Job]:
    """All jobs of a slug, the latest first; for administrators."""
    return find_jobs(conn, JobFilter(slug=slug))


def find_jobs(conn: Connection[Any], wanted: JobFilter, limit: int | None = None) -> list[Job]:
    """Jobs, the latest first, at most ``limit``; for administrators."""
    values = {**vars(wanted), "limit": limit}
    return _read(conn, _CONDITIONS + _LATEST_FIRST + " limit %(limit)s", values)


def recent_jobs(conn: Connection[Any], slugs: Sequence[str], since: datetime) -> list[Job]:
    """Jobs of some slugs that run, or were started after ``since`` and are completed, the latest first.

    For administrators.
    """
    conditions: LiteralString = (
        "where m.slug = any(%s) and (j.status = 'running' or j.status = 'completed' and j.started_at >= %s)"
    )
    return _read(conn, conditions + _LATEST_FIRST, [list(slugs), since])


def count_jobs(conn: Connection[Any], wanted: JobFilter) -> int:
    """How many jobs there are; for administrators."""
    query = "select count(*) from demo.jobs j join demo.tenant_metadata m on m.tenant_id = j.tenant_id"
    row = conn.execute(query + _CONDITIONS, vars(wanted)).fetchone()
    return 0 if row is None else row[0]


def jobs_beginning(conn: Connection[Any], first: UUID, last: UUID) -> list[Job]:
    """Jobs whose ids are from ``first`` to ``last``, the latest first; for administrators."""
    return _read(conn, "where j.id between %s and %s" + _LATEST_FIRST, [first, last])


def jobs_of_run(conn: Connection[Any], dagster_run_id: str) -> list[tuple[UUID, str]]:
    """The jobs of which a Dagster run opened an attempt, each with its status; for administrators."""
    return conn.execute(
        "select l.id, l.status from demo.job_attempts a join demo.job_ledger l on l.id = a.job_id"
        " where a.dagster_run_id = %s order by a.started_at",
        [dagster_run_id],
    ).fetchall()


def short_id_length(conn: Connection[Any]) -> int:
    """How many characters of a job's id are enough to be unique among all jobs: 8, 13 or all 36."""
    row = conn.execute(
        "select count(*), count(distinct left(id::text, 8)), count(distinct left(id::text, 13))"
        " from demo.job_ledger"
    ).fetchone()
    count, by_eight, by_thirteen = row or (0, 0, 0)
    return 8 if by_eight == count else 13 if by_thirteen == count else 36


def last_completed_job(conn: Connection[Any], tenant_id: UUID, kinds: Sequence[JobKind]) -> Job | None:
    """The job of these kinds that was completed last and is not undone; for administrators."""
    jobs = _read(
        conn,
        "where j.tenant_id = %s and j.kind = any(%s) and j.status = 'completed' and j.undone_by is null"
        " order by j.completed_at desc, j.number desc limit 1",
        [tenant_id, list(kinds)],
    )
    return jobs[0] if jobs else None


def get_job(conn: Connection[Any], job_id: UUID) -> Job:
    """One job; :class:`NotFoundError`; for administrators. Its documents are as they were stored.

    See :func:`readable` before they are parsed.
    """
    jobs = _read(conn, "where j.id = %s", [job_id])
    if not jobs:
        raise NotFoundError(f"there is no job {job_id}; demo-pipeline job list shows those there are")
    return jobs[0]


def measured_rate(conn: Connection[Any]) -> float | None:
    """Rows a second of the latest jobs that made more than a few; None: there were none.

    For administrators.
    """
    row = conn.execute(
        """
        select percentile_cont(0.5) within group (order by made.row_count / made.seconds)::float8
        from (
            select l.seconds, (
                select sum(demo.row_count(c.value)) from jsonb_each(
                    case jsonb_typeof(l.metrics -> 'created') when 'object' then l.metrics -> 'created'
                    else '{}' end) c) as row_count
            from demo.job_ledger l
            where l.status = 'completed' and l.seconds > 0 and l.metrics ? 'created'
            order by l.completed_at desc limit 50
        ) made where made.row_count >= 500
        """
    ).fetchone()
    return None if row is None else row[0]


def recorded_changes(
    conn: Connection[Any], tenant_id: UUID, job_id: UUID, currency: Currency
) -> FiguresByMonth:
    """What a completed job changed of what is expected, by month; for administrators."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "select * from demo.job_months where tenant_id = %s and job_id = %s order by month",
            [tenant_id, job_id],
        ).fetchall()
    return FiguresByMonth((Month.parse(row["month"]), Figures.from_json(row, currency)) for row in rows)


def unreadable_job(job: Job) -> UnreadableJobError | None:
    """What is wrong with the documents of a job; None: they can be read."""
    problems = job_problems(
        job.kind,
        job.status,
        seed=job.seed,
        plan=job.plan,
        metrics=job.metrics,
        diff_report=job.diff_report,
        last_month=job.range_end_month,
    )
    return UnreadableJobError.of(job.slug, job.id, problems) if problems else None


def readable(job: Job) -> Job:
    """``job``, whose documents may be parsed now. Raises :class:`UnreadableJobError`."""
    if (error := unreadable_job(job)) is not None:
        raise error
    return job


def list_attempts(conn: Connection[Any], job_id: UUID) -> list[Attempt]:
    """Every try of a job, the first one first; for administrators."""
    with conn.cursor(row_factory=class_row(Attempt)) as cursor:
        return cursor.execute(
            """
            select job_id, attempt, status, error_code, error_message, started_at, ended_at, backend_pid,
                requested_by, dagster_run_id
            from demo.job_attempts where job_id = %s order by attempt
            """,
            [job_id],
        ).fetchall()


def _read(
    conn: Connection[Any], conditions: LiteralString, values: Sequence[Any] | Mapping[str, Any]
) -> list[Job]:
    with conn.cursor(row_factory=kwargs_row(_job)) as cursor:
        return cursor.execute(_JOB_QUERY + conditions, values).fetchall()


def _job(*, kind: str, **columns: Any) -> Job:
    """A row of :data:`_JOB_QUERY`. Raises ``UnreadableJobError`` for a kind of another version."""
    try:
        return Job(kind=JobKind(kind), **columns)
    except ValueError as error:
        raise UnreadableJobError.of(columns["slug"], columns["id"], [f"kind: {error}"]) from error


def _terms(request: JobRequest) -> list[Any]:
    """The parameters that ``register_job`` and ``begin_job`` share, in their order."""
    return [
        request.tenant_id,
        request.job_id,
        request.kind,
        request.mode,
        request.plan_type,
        request.plan,
        request.seed,
        request.ordinal,
        None if request.first_month is None else str(request.first_month),
        None if request.last_month is None else str(request.last_month),
        request.tolerances,
        request.as_of,
        request.requested_by,
    ]
