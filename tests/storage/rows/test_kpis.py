"""The KPI SQL against a second computation of the eight figures that shares nothing with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import sleep
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection, sql

from demo_pipeline.domain.core.figures import METRICS, Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.rows.kpis import KPI_SQL, all_figures, month_figures
from tests.builders.currencies import EUR, JPY
from tests.fixtures.ledger_steps import begun, finish, provisioned

ZONES = ("UTC", "Pacific/Auckland", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Kiritimati")
FIRST, LAST = Month.parse("2024-11"), Month.parse("2025-03")
#: rows of the eight tables that a month needs, as (instant, is_deleted, what the table adds)
Row = tuple[datetime, bool, Any]


def _instant(bound: datetime, offset: timedelta) -> datetime:
    """From the first month on, often within hours of a month's end."""
    return max(bound + offset, FIRST.start)


_bounds = st.sampled_from([month.start for month in FIRST.until(LAST + 1)])
_offsets = st.one_of(
    st.sampled_from([timedelta(0), -timedelta(microseconds=1), timedelta(hours=11), -timedelta(hours=11)]),
    st.timedeltas(timedelta(0), timedelta(days=27)),
)
_instants = st.builds(_instant, _bounds, _offsets)
_deleted = st.sampled_from([False, False, False, True])
_statuses = st.sampled_from(["lead", "prospect", "customer", "churned", "other", None])
_values = st.one_of(st.none(), st.decimals(0, Decimal("99999999.99"), places=2))
_outcomes = st.sampled_from(["open", "won", "lost", "none"])


def rows_of(what: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Row]]:
    """Up to 25 rows."""
    return st.lists(st.tuples(_instants, _deleted, what), max_size=25)


def computed(
    companies: list[Row], contacts: list[Row], deals: list[Row], activities: list[Row]
) -> dict[str, dict[str, Decimal]]:
    """The eight figures by month text, in major units, straight from their definitions."""
    figures: defaultdict[str, Counter[str]] = defaultdict(Counter)
    money: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))

    def living(rows: list[Row]) -> list[tuple[str, Any]]:
        return [(f"{at.astimezone(UTC):%Y-%m}", what) for at, is_deleted, what in rows if not is_deleted]

    for month, _ in living(companies):
        figures[month]["companies_created"] += 1
    for month, status in living(contacts):
        figures[month]["contacts_created"] += 1
        figures[month]["leads_created"] += status == "lead"
    for month, (value, outcome) in living(deals):
        figures[month]["deals_created"] += 1
        if outcome == "won":
            figures[month]["closed_won_count"] += 1
            money[month]["closed_won_value"] += value or 0
        if outcome != "lost":
            money[month]["pipeline_added_value"] += value or 0
    for month, _ in living(activities):
        figures[month]["activities_created"] += 1
    return {
        month: {name: Decimal(counts[name]) + money[month][name] for name in METRICS}
        for month, counts in figures.items()
    }


def insert(conn: Connection[Any], tenant: UUID, table: str, columns: str, rows: list[list[Any]]) -> None:
    """Insert rows as the administrator."""
    if rows:
        marks = ", ".join(["%s"] * (len(rows[0]) + 1))
        statement = f"insert into crm.{table} (tenant_id, {columns}) values ({marks})"
        with conn.cursor() as cursor:
            cursor.executemany(statement.encode(), [[tenant, *row] for row in rows])


def gone(is_deleted: bool) -> datetime | None:  # noqa: FBT001 - the one thing it is asked
    """``deleted_at``."""
    return datetime(2026, 1, 1, tzinfo=UTC) if is_deleted else None


@pytest.mark.risk("P4")
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    companies=rows_of(st.none()),
    contacts=rows_of(_statuses),
    deals=rows_of(st.tuples(_values, _outcomes)),
    activities=rows_of(st.none()),
    zone=st.sampled_from(ZONES),
)
def test_p04_kpis_agree_with_a_second_computation(
    admin_conn: Connection[Any],
    companies: list[Row],
    contacts: list[Row],
    deals: list[Row],
    activities: list[Row],
    zone: str,
) -> None:
    """To the cent, in any session time zone, deleted rows and rows of other tenants left out."""
    tenant = uuid4()
    stages = {"open": uuid4(), "won": uuid4(), "lost": uuid4(), "none": None}
    admin_conn.execute("select set_config('TimeZone', %s, false)", [zone])
    admin_conn.execute(
        "insert into crm.tenants (id, slug, name) values (%s, %s, 'A tenant')", [tenant, f"t-{tenant}"]
    )
    insert(
        admin_conn,
        tenant,
        "pipeline_stages",
        "id, name, is_won, is_lost",
        [[stages[name], name, name == "won", name == "lost"] for name in ("open", "won", "lost")],
    )
    insert(
        admin_conn,
        tenant,
        "companies",
        "created_at, deleted_at, name",
        [[at, gone(is_deleted), "A company"] for at, is_deleted, _ in companies],
    )
    insert(
        admin_conn,
        tenant,
        "contacts",
        "created_at, deleted_at, status",
        [[at, gone(is_deleted), status] for at, is_deleted, status in contacts],
    )
    insert(
        admin_conn,
        tenant,
        "deals",
        "created_at, deleted_at, value, stage_id",
        [[at, gone(is_deleted), value, stages[outcome]] for at, is_deleted, (value, outcome) in deals],
    )
    insert(
        admin_conn,
        tenant,
        "activities",
        "created_at, deleted_at",
        [[at, gone(is_deleted)] for at, is_deleted, _ in activities],
    )
    expected = computed(companies, contacts, deals, activities)

    found = all_figures(admin_conn, tenant, EUR)
    assert {
        str(month): {name: Decimal(value) for name, value in figures.to_json(EUR).items()}
        for month, figures in found.items()
    } == expected
    span = month_figures(admin_conn, tenant, FIRST, LAST, EUR)
    assert span == {month: found.get(month, Figures()) for month in FIRST.until(LAST)}
    columns = sql.SQL(", ").join(map(sql.Identifier, METRICS))
    rows = admin_conn.execute(
        sql.SQL("select month, {} from demo.kpi_monthly where tenant_id = %s").format(columns), [tenant]
    ).fetchall()
    assert {row[0]: dict(zip(METRICS, map(Decimal, row[1:]), strict=True)) for row in rows} == expected


@pytest.mark.risk("P4", partial=True)
def test_the_view_is_the_one_definition(admin_conn: Connection[Any]) -> None:
    """The migration's frozen view and the program's KPI SQL are the same query."""
    admin_conn.execute(sql.SQL("create temp view again as ") + sql.SQL(KPI_SQL))
    row = admin_conn.execute(
        "select pg_get_viewdef('demo.kpi_monthly'::regclass), pg_get_viewdef('again'::regclass)"
    ).fetchone()
    assert row is not None
    assert row[0] == row[1]


def test_every_metric_has_its_sql(admin_conn: Connection[Any]) -> None:
    """The columns of the KPI SQL and of the view are the metrics, all of them and in their order."""
    for source in (sql.SQL(KPI_SQL), sql.SQL("select * from demo.kpi_monthly")):
        columns = admin_conn.execute(source).description or []
        assert [column.name for column in columns] == ["tenant_id", "month", *METRICS]


def test_money_of_a_currency_without_minor_units(admin_conn: Connection[Any]) -> None:
    """Values of a person that are finer than the currency are rounded, never an error."""
    tenant = uuid4()
    admin_conn.execute("insert into crm.tenants (id, slug, name) values (%s, 'jp', 'JP')", [tenant])
    insert(admin_conn, tenant, "deals", "value, created_at", [[Decimal("100.50"), FIRST.start]])
    assert all_figures(admin_conn, tenant, JPY)[FIRST].pipeline_added_value == 101
    assert all_figures(admin_conn, tenant, EUR)[FIRST].pipeline_added_value == 10050


def test_the_loader_sees_the_claimed_tenant_only(database: Database) -> None:
    """Under the loader's policies the same query shows the claimed tenant's rows and no others'."""
    with database.loader() as loader, database.admin() as admin:
        tenant, other = provisioned(loader), provisioned(loader, "other")
        for one in (tenant, other):
            insert(admin, one, "contacts", "status, created_at", [["lead", FIRST.start]])
        job = begun(loader, tenant)
        assert all_figures(loader, tenant, EUR) == {}
        with loader.transaction():
            job_ledger.claim_job(loader, tenant, job)
            assert all_figures(loader, tenant, EUR) == {FIRST: Figures(leads_created=1, contacts_created=1)}
            assert all_figures(loader, other, EUR) == {}
            finish(loader, job)


def test_every_arm_is_an_index_only_scan(admin_conn: Connection[Any]) -> None:
    """The covering indexes serve the query, with the tenant as their first condition."""
    tenant = uuid4()
    admin_conn.execute("insert into crm.tenants (id, slug, name) values (%s, 'big', 'Big')", [tenant])
    for table, column, value in (
        ("companies", "name", "'x'"),
        ("contacts", "status", "'lead'"),
        ("deals", "value", "1"),
        ("activities", "subject", "'x'"),
    ):
        statement = (
            f"insert into crm.{table} (tenant_id, {column}, created_at) select %s, {value},"
            " '2025-01-01Z'::timestamptz + n * interval '1 hour' from generate_series(1, 3000) n"
        )
        admin_conn.execute(statement.encode(), [tenant])
        _vacuum(admin_conn, table)
    # One tenant is the whole table here, which would be read as a whole.
    admin_conn.execute("set enable_seqscan = off")
    admin_conn.execute("set enable_bitmapscan = off")
    plan = "\n".join(
        row[0]
        for row in admin_conn.execute(
            "explain (costs off) select * from demo.kpi_monthly where tenant_id = %s", [tenant]
        )
    )
    for table in ("companies", "contacts", "deals", "activities"):
        assert f"Index Only Scan using {table}_kpi_idx" in plan, plan
    assert plan.count("Index Cond: (tenant_id = ") >= 4, plan


def _vacuum(conn: Connection[Any], table: str) -> None:
    """Until every page is known to be visible to all: the server's own ANALYZE may be looking just then."""
    statement = f"vacuum (analyze) crm.{table}".encode()
    pages = "select relallvisible = relpages from pg_class where oid = %s::regclass"
    for _ in range(100):
        conn.execute(statement)
        if conn.execute(pages, [f"crm.{table}"]).fetchone() == (True,):
            return
        sleep(0.1)
    raise AssertionError(table)
