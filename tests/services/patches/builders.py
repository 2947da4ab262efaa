"""Steps and looks that tests of patches share: plans in one line, a tenant's rows, and what must be true.

Rows are read by the administrator, deleted ones included, as plain values; figures are computed from them in
Python, apart from the SQL that is under test.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.rows import dict_row

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import VALUE_METRICS, Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.timezones import load_timezone
from demo_pipeline.domain.patch_plan.plan import MonthRequest, PatchPlan, PlanType
from demo_pipeline.domain.reference.countries import load_locale
from demo_pipeline.services.tenants.queries import show_tenant
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.assertions.generated_rows import ARRIVAL_SOURCES, FACTS
from tests.builders.currencies import EUR
from tests.services.builders import TABLES

Row = dict[str, Any]
#: table → id → row
Rows = dict[str, dict[UUID, Row]]

GENERATED = ("companies", "contacts", "deals", "activities")
_PARENTS = (("company_id", "companies"), ("contact_id", "contacts"), ("deal_id", "deals"))


#: About 40 rows in three months that are over.
SMALL: dict[str, Any] = {
    "name": "Larkmoor Nord",
    "country": "GB",
    "industry": "saas",
    "start_month": "2025-01",
    "end_month": "2025-03",
    "seed": "7",
    "team_size": 3,
    "months": [
        {"month": "2025-01", "leads_created": 6, "contacts_created": 9, "companies_created": 3},
        {
            "month": "2025-02",
            "contacts_created": 4,
            "deals_created": 5,
            "closed_won_count": 2,
            "closed_won_value": "900.00",
            "pipeline_added_value": "2000.00",
            "activities_created": 12,
        },
    ],
}


def plan(
    months: Mapping[str, Mapping[str, int | str]],
    *,
    targets: bool = False,
    seed: str | None = None,
) -> PatchPlan:
    """A plan from month → metric → figure; money as a string."""
    return PatchPlan(
        plan_type=PlanType.TARGETS if targets else PlanType.DELTAS,
        seed=seed,
        months=tuple(
            MonthRequest(
                Month.parse(month),
                {
                    metric: Decimal(figure) if metric in VALUE_METRICS else int(figure)
                    for metric, figure in figures.items()
                },
            )
            for month, figures in sorted(months.items())
        ),
    )


def execute(database: Database, statement: str, *values: object) -> int:
    """One statement of the administrator; rows that it met."""
    with database.admin() as conn:
        return conn.execute(statement.encode(), values or None).rowcount


def scalar(database: Database, query: str, *values: object) -> Any:
    """The first value of a query of the administrator."""
    with database.admin(readonly=True) as conn:
        return conn.execute(query.encode(), values or None).fetchall()[0][0]


def tenant_rows(database: Database, slug: str) -> Rows:
    """All rows of a tenant, deleted ones and provenance included."""
    with database.admin(readonly=True) as conn, conn.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute("SELECT id FROM crm.tenants WHERE slug = %s", (slug,)).fetchall()
        return {
            table: {
                row["id"]: row
                for row in cursor.execute(
                    sql.SQL("SELECT * FROM crm.{} WHERE tenant_id = %s").format(sql.Identifier(table)),
                    (found[0]["id"],),
                )
            }
            for table in TABLES
        }


def figures_of(rows: Rows, currency: Currency, jobs: set[UUID] | None = None) -> dict[Month, Figures]:
    """The eight KPIs of the living rows (of ``jobs``, if given), from the definition in words."""
    found: dict[Month, Figures] = defaultdict(Figures)
    for table in GENERATED:
        for row in rows[table].values():
            if row["deleted_at"] is None and (jobs is None or row["demo_job_id"] in jobs):
                month = Month.containing(row["created_at"])
                found[month] += _figures_of_row(table, row, rows["pipeline_stages"], currency)
    return {month: figures for month, figures in found.items() if figures}


def _figures_of_row(table: str, row: Row, stages: Mapping[UUID, Row], currency: Currency) -> Figures:
    if table == "contacts":
        return Figures(contacts_created=1, leads_created=int(row["status"] == "lead"))
    if table != "deals":
        return Figures(**{f"{table}_created": 1})
    stage = stages.get(row["stage_id"], {"is_won": False, "is_lost": False})
    minor = currency.minor(row["value"] or Decimal(0))
    return Figures(
        deals_created=1,
        closed_won_count=int(stage["is_won"]),
        closed_won_value=minor if stage["is_won"] else 0,
        pipeline_added_value=0 if stage["is_lost"] else minor,
    )


def added(before: Mapping[Month, Figures], change: Mapping[Month, Figures]) -> dict[Month, Figures]:
    """``before`` with ``change``; months without figures are left out."""
    nothing = Figures()
    whole = {month: before.get(month, nothing) + change.get(month, nothing) for month in {*before, *change}}
    return {month: figures for month, figures in whole.items() if figures}


def lessened(before: Mapping[Month, Figures], change: Mapping[Month, Figures]) -> dict[Month, Figures]:
    """``before`` without ``change``."""
    return added(before, {month: Figures() - figures for month, figures in change.items()})


def expected_by_ledger(database: Database, settings: Settings, slug: str) -> dict[Month, Figures]:
    """What the ledger says of every month that it knows; months of zeros are left out."""
    context = show_tenant(database, settings, slug).context
    return {month: figures for month in context.recorded_months if (figures := context.expected(month))}


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Everything there is, as one text a table, to compare before and after."""

    tables: Mapping[str, str]


def fingerprint_of_all(database: Database) -> Fingerprint:
    """Every row of both schemas; requests are counted even where they are refused, and so are left out."""
    with database.admin(readonly=True) as conn:
        names = conn.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('crm', 'demo')"
            " AND tablename <> 'requests' ORDER BY 1, 2"
        ).fetchall()
        return Fingerprint(
            tables={
                f"{schema}.{name}": _hash(conn, sql.SQL("{}").format(sql.Identifier(schema, name)))
                for schema, name in names
            }
        )


def fingerprint_of_others(database: Database, slug: str) -> Fingerprint:
    """Every row in ``crm`` of every tenant but this one."""
    with database.admin(readonly=True) as conn:
        found = conn.execute("SELECT id FROM crm.tenants WHERE slug = %s", (slug,)).fetchall()
        tenant = sql.Literal(found[0][0])
        return Fingerprint(
            tables={
                table: _hash(
                    conn,
                    sql.SQL("(SELECT * FROM crm.{} WHERE {} <> {})").format(
                        sql.Identifier(table),
                        sql.Identifier("id" if table == "tenants" else "tenant_id"),
                        tenant,
                    ),
                )
                for table in ("tenants", *TABLES)
            }
        )


def _hash(conn: Any, rows: sql.Composable) -> str:
    # A sum of hashes needs no order, and no sort.
    query = sql.SQL(
        "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {} t"
    ).format(rows)
    return str(conn.execute(query).fetchall()[0][0])


def unsound(spec: TenantSpec, rows: Rows, job: UUID, as_of: datetime) -> list[str]:
    """Every row of a job whose life is impossible; empty for a sound patch."""
    zone, holidays = load_timezone(spec.timezone), load_locale(spec.country).holidays
    found: list[str] = []
    for table in GENERATED:
        for row in rows[table].values():
            if row["demo_job_id"] != job:
                continue
            local = row["created_at"].astimezone(zone)
            say = [
                f"{fact} {at} before its creation or after {as_of}"
                for fact in FACTS
                if (at := row.get(fact)) is not None and not row["created_at"] <= at <= as_of
            ]
            is_at_work = 7 <= local.hour <= 20 and local.weekday() < 5 and local.date() not in holidays
            if not (is_at_work or (table == "contacts" and row["source"] in ARRIVAL_SOURCES)):
                say.append(f"made at {local}")
            if row["demo_source_month"] != str(Month.containing(row["created_at"])):
                say.append("outside its month")
            say += _misfits(table, row, rows, job)
            found += [f"{table} {row['id']}: {words}" for words in say]
    return found


def _misfits(table: str, row: Row, rows: Rows, job: UUID) -> list[str]:
    say: list[str] = []
    parents = {
        column: rows[parent][row[column]] for column, parent in _PARENTS if row.get(column) is not None
    }
    contact = parents.get("contact_id")
    for column, parent in parents.items():
        # People may have put a contact into a company that is younger than it.
        is_theirs = contact is not None and column == "company_id" and contact["demo_job_id"] != job
        if parent["created_at"] > row["created_at"] and not is_theirs:
            say.append(f"older than its {column}")
        if parent["deleted_at"] is not None and not is_theirs:
            say.append(f"its {column} is deleted")
    if table in ("deals", "activities"):
        if contact is None:
            say.append("no contact")
        elif contact["company_id"] != row["company_id"]:
            say.append("its company is not its contact's")
    deal = parents.get("deal_id")
    if deal is not None and deal["contact_id"] != row["contact_id"]:
        # A colleague: people may have given the contact of the deal another company.
        employer = rows["contacts"][deal["contact_id"]]["company_id"]
        if employer is None or employer != row["company_id"]:
            say.append("its contact is neither its deal's nor a colleague")
    if table == "deals" and row["stage_id"] is not None:
        stage = rows["pipeline_stages"][row["stage_id"]]
        if (stage["is_won"] or stage["is_lost"]) != (row["closed_at"] is not None):
            say.append("closed and stage disagree")
        if stage["deleted_at"] is not None:
            say.append("its stage is deleted")
    for column in ("owner_id", "created_by_id"):
        user: UUID | None = row.get(column)
        if user is not None and rows["users"][user]["deleted_at"] is not None:
            say.append(f"its {column} is deleted")
    return say


def assert_as_expected(database: Database, settings: Settings) -> None:
    """No check finds anything, and the ledger says what is there by an own computation."""
    assert [verdict.findings for verdict in verify(database, settings)] == [()]
    rows = tenant_rows(database, "acme")
    assert figures_of(rows, EUR) == expected_by_ledger(database, settings, "acme")
