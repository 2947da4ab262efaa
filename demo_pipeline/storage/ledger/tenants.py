"""Demo tenants: making them, finding them, what a job must know of one, and the scheduling lock.

Thin wrappers of the guard's functions for the loader's login, and reads for administrators. Nothing here
commits, except that taking and leaving the scheduling lock are short transactions of their own. Jobs
belong in ``job_ledger``.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from psycopg import Connection, OperationalError, errors, sql
from psycopg.pq import TransactionStatus
from psycopg.rows import class_row, dict_row

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import BusyError, NotADemoTenantError, NotFoundError
from demo_pipeline.domain.core.figures import METRICS, Figures, FiguresByMonth
from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.documents.stored import read_spec, reading_tenant, stored_month
from demo_pipeline.domain.parsing.scalars import nearest
from demo_pipeline.storage.ledger.guard import call

#: whether the jobs of a month ``c`` changed any metric, all together
HAS_FIGURES: Final = sql.SQL(" or ").join(
    sql.SQL("sum({}) <> 0").format(sql.Identifier("c", metric)) for metric in METRICS
)


@dataclass(frozen=True, kw_only=True)
class _Declared:
    """What is stored of a demo tenant."""

    tenant_id: UUID
    slug: str
    name: str
    country: str
    timezone: str
    currency: str
    industry: str
    #: 1 for the first tenant of that slug, one more for each that was deleted
    incarnation: int
    seed: str
    lists_version: str
    #: as declared and resolved
    blueprint: dict[str, Any]
    #: the resolved specification with the figures of every month
    plan: dict[str, Any]
    #: ``crm.tenants.created_at``
    created_at: datetime
    provisioned_at: datetime
    is_excluded_from_analytics: bool = True


@dataclass(frozen=True, kw_only=True)
class NewTenant(_Declared):
    """A demo tenant to provision."""

    requested_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a slug names. A real tenant shows nothing but that it is there."""

    #: None: no living demo tenant
    tenant_id: UUID | None
    #: a living tenant of that name exists, real or demo
    exists: bool
    is_demo: bool
    #: 0: there never was a demo of that name
    last_incarnation: int


@dataclass(frozen=True, kw_only=True)
class Tenant(_Declared):
    """A living demo tenant; its ``plan`` is not parsed."""

    #: the number that the tenant's next job gets
    next_job_number: int


@dataclass(frozen=True, kw_only=True)
class Incarnation:
    """A living demo tenant whose slug belonged to a deleted one before."""

    slug: str
    tenant_id: UUID
    #: of the one before, by the server's clock
    predecessor_deleted_at: datetime


@dataclass(frozen=True, kw_only=True)
class MonthState:
    """The blueprint's rows that are loaded of one month."""

    month: Month
    #: the ``as_of`` of the job that loaded it last
    loaded_as_of: datetime
    #: nothing of the month's blueprint is left to load
    is_whole: bool
    figures: Figures
    #: who made the rows, as ``present_version`` and ``figures_version`` say it; the earlier one first
    versions: tuple[str, ...]

    def to_json(self, currency: Currency) -> dict[str, Any]:
        """The row as ``demo.finish_job`` takes it; money in major units."""
        return {
            "month": str(self.month),
            "loaded_as_of": self.loaded_as_of.isoformat(),
            "is_whole": self.is_whole,
            "versions": list(self.versions),
            **self.figures.to_json(currency),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any], currency: Currency) -> MonthState:
        return cls(
            month=stored_month(row["month"]),
            loaded_as_of=_instant(row["loaded_as_of"]),
            is_whole=row["is_whole"],
            versions=tuple(row["versions"]),
            figures=Figures.from_json({name: row[name] for name in METRICS}, currency),
        )


@dataclass(frozen=True, kw_only=True)
class JobState:
    """A job of the tenant, as far as another job must know of it."""

    job_id: UUID
    kind: JobKind
    mode: str | None
    plan_type: str | None
    status: str
    ordinal: int
    number: int
    first_month: Month | None
    last_month: Month | None
    as_of: datetime | None
    undone_by: UUID | None
    seed: str | None
    #: companies that it made, whatever became of them
    companies_created: int


@dataclass(frozen=True, kw_only=True)
class TenantState:
    """A tenant with its loaded months and its jobs, of one moment."""

    tenant: Tenant
    #: as it was provisioned
    spec: TenantSpec
    months: dict[Month, MonthState]
    #: what completed patches and undos changed of what is expected, summed up
    changes: FiguresByMonth
    #: by number
    jobs: tuple[JobState, ...]


@dataclass(frozen=True, kw_only=True)
class TenantSummary:
    """A living demo tenant in a list."""

    tenant_id: UUID
    slug: str
    name: str
    country: str
    currency: str
    industry: str
    incarnation: int
    provisioned_at: datetime
    #: the last month of a closed tenant, ``2025-12``; None: a living one
    end_month: str | None
    #: months with loaded rows of the blueprint, or with figures that other jobs recorded
    loaded_month_count: int
    #: the first and the last of these; None: there is none
    first_loaded_month: str | None
    last_loaded_month: str | None
    #: of the job begun or registered last
    last_job_status: str | None


def provision_tenant(conn: Connection[Any], tenant: NewTenant) -> None:
    """Make a tenant that is a demo from birth.

    A living demo of that slug raises :class:`InputError`, a real tenant :class:`NotADemoTenantError`.
    """
    # The fields are in the order of the parameters.
    call(conn, "provision_tenant", *vars(tenant).values())


def find_tenant(conn: Connection[Any], slug: str) -> Found:
    """What ``slug`` names, real tenants included."""
    row = call(conn, "find_tenant", slug)
    found: dict[str, Any] = row[0] if row else {}
    return Found(
        tenant_id=UUID(found["tenant_id"]) if found["tenant_id"] else None,
        exists=found["exists"],
        is_demo=found["is_demo"],
        last_incarnation=found["last_incarnation"],
    )


def demo_tenant_id(conn: Connection[Any], slug: str) -> UUID:
    """The id of the living demo tenant ``slug``.

    Raises :class:`NotFoundError`, or :class:`NotADemoTenantError` when a real tenant has that name.
    """
    found = find_tenant(conn, slug)
    if found.tenant_id is not None:
        return found.tenant_id
    if found.exists:
        raise NotADemoTenantError(f"tenant {slug!r} is not a demo tenant; nothing was done", {"tenant": slug})
    raise unknown_tenant(slug, demo_slugs(conn) or ())


def demo_slugs(conn: Connection[Any]) -> list[str] | None:
    """Slugs of the living demo tenants, sorted; None: this login may not list them, as the one of jobs."""
    row = conn.execute("select has_table_privilege('demo.tenant_metadata', 'select')").fetchone()
    if row is None or not row[0]:
        return None
    rows = conn.execute(
        'select slug from demo.tenant_metadata where deleted_at is null order by slug collate "C"'
    ).fetchall()
    return [slug for (slug,) in rows]


def deleted_slugs(conn: Connection[Any]) -> set[str]:
    """Slugs of deleted demo tenants that no living one has; for administrators."""
    rows = conn.execute(
        "select slug from demo.tenant_metadata group by slug having bool_and(deleted_at is not null)"
    )
    return {slug for (slug,) in rows.fetchall()}


def unknown_tenant(slug: str, known: Sequence[str], place: str = "") -> NotFoundError:
    """The error for a slug that no tenant has; proposes the nearest of ``known``, slugs of demo tenants.

    ``place``: where they are, as ``Settings.place`` says it.
    """
    meant = nearest(slug.strip().casefold(), known)
    details = {"tenant": slug} if meant is None else {"tenant": slug, "suggestion": meant}
    hint = "" if meant is None else f"did you mean {meant}? "
    remedy = "demo-pipeline tenant list shows those there are"
    return NotFoundError(f"there is no tenant {slug!r}{place}; {hint}{remedy}", details)


def tenant_state(conn: Connection[Any], tenant_id: UUID) -> TenantState:
    """Everything that a job must know of its tenant, figures in minor units.

    Raises :class:`NotADemoTenantError` if it is none, and :class:`UnreadableTenantError` where what is stored
    of it cannot be read: this is the only place where it is parsed.
    """
    row = call(conn, "tenant_state", tenant_id)
    if row is None or row[0] is None:
        raise NotADemoTenantError(f"tenant {tenant_id} is not a demo tenant", {"tenant": str(tenant_id)})
    state: dict[str, Any] = row[0]
    slug: str = state["tenant"]["slug"]
    spec = read_spec(slug, state["tenant"]["plan"])
    currency = spec.currency
    with reading_tenant(slug, "tenant"):
        tenant = _tenant(state["tenant"])
    with reading_tenant(slug, "loaded months"):
        months = {
            one.month: one for one in (MonthState.from_json(item, currency) for item in state["months"])
        }
    with reading_tenant(slug, "recorded changes"):
        changes = FiguresByMonth(
            (stored_month(item["month"]), Figures.from_json(item, currency)) for item in state["changes"]
        )
    with reading_tenant(slug, "jobs"):
        jobs = tuple(_job(item) for item in state["jobs"])
    return TenantState(tenant=tenant, spec=spec, months=months, changes=changes, jobs=jobs)


@contextmanager
def hold_tenant(
    conn: Connection[Any], tenant_id: UUID, wait_seconds: float, slug: str | None = None
) -> Generator[None]:
    """Hold the tenant's scheduling lock on this session, waiting at most ``wait_seconds``.

    It orders the queue and shows which jobs are alive; it grants nothing. ``conn`` must be in no transaction;
    a transaction that is still open at the end is rolled back. Raises :class:`BusyError`.
    """
    try:
        with conn.transaction():
            # The wait may be longer than any statement should take.
            conn.execute(
                "select set_config('lock_timeout', %s, true), set_config('statement_timeout', '0', true)",
                [f"{max(1, round(wait_seconds * 1000))}ms"],
            )
            conn.execute("select pg_advisory_lock(demo.tenant_lock_key(%s))", [tenant_id])
    except errors.LockNotAvailable:
        raise _busy(tenant_id, slug, wait_seconds) from None
    try:
        yield
    finally:
        try:
            if not conn.closed:
                if conn.info.transaction_status != TransactionStatus.IDLE:
                    conn.rollback()
                with conn.transaction():
                    conn.execute("select pg_advisory_unlock(demo.tenant_lock_key(%s))", [tenant_id])
        except OperationalError:
            # A session that was closed holds no lock.
            conn.close()


def _busy(tenant_id: UUID, slug: str | None, wait_seconds: float) -> BusyError:
    return BusyError(
        f"another job held tenant {slug or tenant_id} for longer than {wait_seconds:g} s; try again later, "
        "or wait longer (DEMO_WAIT_SECONDS)",
        {"tenant_id": str(tenant_id), "tenant": slug, "wait_seconds": wait_seconds},
    )


def is_held(conn: Connection[Any], tenant_id: UUID) -> bool:
    """Whether another session holds the tenant now; within a transaction, whose end gives the lock back."""
    row = conn.execute(
        "select pg_try_advisory_xact_lock_shared(demo.tenant_lock_key(%s))", [tenant_id]
    ).fetchone()
    return row is not None and not row[0]


def delete_tenant(
    conn: Connection[Any],
    tenant_id: UUID,
    wait_seconds: float,
    requested_by: str | None,
    slug: str | None = None,
) -> dict[str, int]:
    """Delete all rows of a demo tenant; its history stays. Table → rows. For administrators.

    In a transaction of the caller. Waits for the tenant's job; raises :class:`BusyError` after
    ``wait_seconds``, :class:`NotADemoTenantError`.
    """
    # The wait may be longer than any statement should take.
    conn.execute(
        "select set_config('lock_timeout', %s, true), set_config('statement_timeout', '0', true)",
        [f"{max(1, round(wait_seconds * 1000))}ms"],
    )
    try:
        row = call(conn, "delete_tenant", tenant_id, requested_by)
    except BusyError:
        raise _busy(tenant_id, slug, wait_seconds) from None
    return dict(row[0]) if row else {}


def list_tenants(
    conn: Connection[Any],
    *,
    countries: Sequence[str] | None = None,
    industries: Sequence[str] | None = None,
    is_living: bool | None = None,
    tenant_id: UUID | None = None,
) -> list[TenantSummary]:
    """Living demo tenants by slug, of any of the countries and industries; for administrators.

    ``tenant_id``: that one only.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            sql.SQL("""
            select m.tenant_id, m.slug, t.name, t.country, t.currency, t.industry, m.incarnation,
                m.provisioned_at, e.end_month,
                f.loaded_month_count, f.first_loaded_month, f.last_loaded_month,
                (select l.status from demo.job_ledger l where l.tenant_id = m.tenant_id
                 order by coalesce(l.started_at, l.created_at) desc, l.number desc limit 1)
                    as last_job_status
            from demo.tenant_metadata m
            join crm.tenants t on t.id = m.tenant_id
            cross join lateral (
                select case when m.plan ->> 'closed_month' is not null then greatest(
                    m.plan ->> 'closed_month', (
                    select max(x.range_end_month) from demo.job_ledger x where x.tenant_id = m.tenant_id
                    and x.kind = 'extend' and x.status = 'completed' and x.undone_by is null)
                ) end as end_month
            ) e
            cross join lateral (
                select count(*) as loaded_month_count, min(month) as first_loaded_month,
                    max(month) as last_loaded_month
                from (
                    -- without those of an extension that was undone
                    select h.month from demo.tenant_months h
                    where h.tenant_id = m.tenant_id and h.month <= coalesce(e.end_month, '9999-12')
                    union
                    select c.month from demo.job_months c where c.tenant_id = m.tenant_id group by c.month
                    -- without those whose jobs were undone
                    having {has_figures}
                ) months
            ) f
            where m.deleted_at is null
                and (%(tenant_id)s::uuid is null or m.tenant_id = %(tenant_id)s)
                and (%(countries)s::text[] is null or t.country = any(%(countries)s))
                and (%(industries)s::text[] is null or t.industry = any(%(industries)s))
                and (%(is_living)s::boolean is null or (e.end_month is null) = %(is_living)s)
            order by m.slug collate "C"
            """).format(has_figures=HAS_FIGURES),
            {
                "countries": None if countries is None else list(countries),
                "industries": None if industries is None else list(industries),
                "is_living": is_living,
                "tenant_id": tenant_id,
            },
        ).fetchall()
    return [TenantSummary(**row) for row in rows]


def later_incarnations(conn: Connection[Any], slugs: Sequence[str] | None = None) -> list[Incarnation]:
    """The living demo tenants of a reused slug, all of them or those of ``slugs``; for administrators."""
    with conn.cursor(row_factory=class_row(Incarnation)) as cursor:
        return cursor.execute(
            """
            select m.slug, m.tenant_id,
                (select max(p.deleted_at) from demo.tenant_metadata p where p.slug = m.slug)
                    as predecessor_deleted_at
            from demo.tenant_metadata m
            where m.deleted_at is null and m.incarnation > 1
                and (%(slugs)s::text[] is null or m.slug = any (%(slugs)s::text[]))
            order by m.slug collate "C"
            """,
            {"slugs": None if slugs is None else list(slugs)},
        ).fetchall()


def get_tenant(conn: Connection[Any], slug: str) -> Tenant:
    """The living demo tenant ``slug``, its plan not parsed; for the loader and for administrators.

    Raises :class:`NotFoundError`, :class:`NotADemoTenantError` or :class:`UnreadableTenantError`.
    """
    tenant_id = demo_tenant_id(conn, slug)
    row = conn.execute("select demo.tenant_state(%s) -> 'tenant'", [tenant_id]).fetchone()
    if row is None or row[0] is None:  # deleted between the two statements
        raise unknown_tenant(slug, demo_slugs(conn) or ())
    with reading_tenant(slug, "tenant"):
        return _tenant(row[0])


def _tenant(row: Mapping[str, Any]) -> Tenant:
    values = dict(row)
    values["tenant_id"] = UUID(values["tenant_id"])
    if not isinstance(values["blueprint"], dict):
        raise TypeError("the blueprint is not an object")
    values["is_excluded_from_analytics"] = values.pop("excluded_from_analytics")
    for name in ("created_at", "provisioned_at"):
        values[name] = _instant(values[name])
    return Tenant(**values)


def _job(row: Mapping[str, Any]) -> JobState:
    return JobState(
        job_id=UUID(row["job_id"]),
        kind=JobKind(row["kind"]),
        mode=row["mode"],
        plan_type=row["plan_type"],
        status=row["status"],
        ordinal=row["ordinal"],
        number=row["number"],
        first_month=_month(row["range_start_month"]),
        last_month=_month(row["range_end_month"]),
        as_of=_instant(row["as_of"]) if row["as_of"] else None,
        undone_by=UUID(row["undone_by"]) if row["undone_by"] else None,
        seed=row["seed"],
        companies_created=row["companies_created"],
    )


def _month(text: str | None) -> Month | None:
    return Month.parse(text) if text else None


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
