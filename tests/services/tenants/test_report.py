"""What a report reads: every figure is computed again in Python from the rows, people's edits included."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from psycopg import sql
from psycopg.rows import dict_row

from demo_pipeline.domain.core.errors import NotADemoTenantError, NotFoundError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.months.freshness import FreshnessState
from demo_pipeline.services.scorecard.score import score_tenant
from demo_pipeline.services.tenants import queries
from demo_pipeline.services.tenants.report import TenantReport, read_overview, read_report
from demo_pipeline.services.tenants.verify import Check, verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.builders.currencies import JPY
from tests.fixtures.ledger_steps import real_tenant
from tests.services.builders import BLUEPRINT, TABLES, made, make_tenant
from tests.services.patches.builders import SMALL

Row = dict[str, Any]

#: What people do to a tenant: a deal without a stage, a won deal without a closing date, a lost one closed in
#: the last hours of a month, other probabilities, a deal without a value and one with more decimals than its
#: currency, deleted rows, a deal of nobody, and an activity at night.
EDITS = """
update crm.deals set stage_id = null where id = (select id from crm.deals order by id limit 1);
update crm.deals set closed_at = null where id = (
    select d.id from crm.deals d join crm.pipeline_stages s on s.id = d.stage_id where s.is_won
    order by d.id limit 1);
update crm.deals set closed_at = '2025-05-31 22:30Z' where id = (
    select d.id from crm.deals d join crm.pipeline_stages s on s.id = d.stage_id where s.is_lost
    order by d.id limit 1);
update crm.deals set probability = 1 where id in (
    select d.id from crm.deals d join crm.pipeline_stages s on s.id = d.stage_id
    where not s.is_won and not s.is_lost);
update crm.deals set value = null where id = (select id from crm.deals order by id offset 5 limit 1);
update crm.deals set value = 0.57 where id = (select id from crm.deals order by id offset 7 limit 1);
update crm.deals set contact_id = null, company_id = null
    where id = (select id from crm.deals order by id offset 9 limit 1);
update crm.deals set deleted_at = now() where id = (select id from crm.deals order by id offset 11 limit 1);
update crm.contacts set deleted_at = now() where id in (select id from crm.contacts order by id limit 3);
update crm.activities set deleted_at = now() where id in (select id from crm.activities order by id limit 3);
insert into crm.activities (tenant_id, type, subject, created_at)
    select id, 'task', 'By hand', '2025-03-09 02:59Z' from crm.tenants;
"""


def living_rows(database: Database) -> dict[str, list[Row]]:
    """Rows of every table that nobody deleted, of the only tenant there is."""
    found: dict[str, list[Row]] = {}
    with database.admin(readonly=True) as conn, conn.cursor(row_factory=dict_row) as cursor:
        for table in TABLES:
            statement = sql.SQL("select * from {} where deleted_at is null order by id")
            cursor.execute(statement.format(sql.Identifier("crm", table)))
            found[table] = cursor.fetchall()
    return found


def edit(database: Database, statements: str = EDITS) -> None:
    """Change rows as people do in the CRM."""
    with database.admin() as conn:
        conn.execute(statements.encode())


def outcome(rows: dict[str, list[Row]], deal: Row) -> str:
    """``won``, ``lost`` or ``open``."""
    stage = next((one for one in rows["pipeline_stages"] if one["id"] == deal["stage_id"]), None)
    return "open" if stage is None else "won" if stage["is_won"] else "lost" if stage["is_lost"] else "open"


def check_figures(report: TenantReport, rows: dict[str, list[Row]]) -> None:
    """Every figure of the report but the KPIs is the one that follows from the rows."""
    digits = report.currency.minor_digits
    deals: list[Row] = [{**deal, "outcome": outcome(rows, deal)} for deal in rows["deals"]]

    def minor(amount: Decimal) -> int:
        return math.floor(amount * 10**digits + Decimal("0.5"))

    # Funnel.
    contacts = {contact["id"] for contact in rows["contacts"]}
    with_deal = contacts & {deal["contact_id"] for deal in deals}
    with_won = contacts & {deal["contact_id"] for deal in deals if deal["outcome"] == "won"}
    active = contacts & {activity["contact_id"] for activity in rows["activities"]}
    assert vars(report.funnel) == {
        "contacts": len(contacts),
        "contacted": len(with_deal | active),
        "with_deal": len(with_deal),
        "with_won_deal": len(with_won),
    }

    # Closings.
    for month, found in report.closings.items():
        for name in ("won", "lost"):
            own = [
                deal
                for deal in deals
                if deal["outcome"] == name
                and deal["closed_at"] is not None
                and Month.containing(deal["closed_at"]) == month
            ]
            value = minor(sum((deal["value"] or Decimal() for deal in own), Decimal()))
            shown = (getattr(found, f"{name}_count"), getattr(found, f"{name}_value"))
            assert shown == (len(own), value), (month, name)
    closed = [deal for deal in deals if deal["outcome"] != "open"]
    assert sum(one.won_count + one.lost_count for one in report.closings.values()) == sum(
        deal["closed_at"] is not None for deal in closed
    )
    undated = report.undated_closings
    assert undated.won_count + undated.lost_count == sum(deal["closed_at"] is None for deal in closed)
    assert list(report.closings) == sorted(report.closings)

    # Values.
    for one in report.values:
        for name in ("won", "open", "lost"):
            count = sum(
                deal["outcome"] == name
                and (one.lower is None or (deal["value"] or 0) >= report.currency.major(one.lower))
                and (one.upper is None or (deal["value"] or 0) < report.currency.major(one.upper))
                for deal in deals
            )
            assert getattr(one, f"{name}_count") == count, (one, name)
    assert sum(one.won_count + one.open_count + one.lost_count for one in report.values) == len(deals)

    # Hours.
    zone = ZoneInfo(report.spec.timezone)
    hours = Counter(
        (local.weekday(), local.hour)
        for local in (activity["created_at"].astimezone(zone) for activity in rows["activities"])
    )
    assert report.activity_hours == dict(hours)

    # What is open.
    cycles = sorted(
        deal["closed_at"] - deal["created_at"]
        for deal in deals
        if deal["outcome"] == "won" and deal["closed_at"] is not None
    )
    assert report.median_cycle == (cycles[math.ceil(len(cycles) / 2) - 1] if cycles else None)
    stages = {stage["id"]: stage for stage in rows["pipeline_stages"]}
    expected = defaultdict[str | None, list[Decimal]](lambda: [Decimal(), Decimal(), Decimal()])
    for deal in deals:
        if deal["outcome"] == "open":
            stage = stages.get(deal["stage_id"])
            likely = (
                deal["probability"]
                if deal["probability"] is not None
                else (stage or {}).get("probability", 0)
            )
            sums = expected[None if stage is None else stage["name"]]
            for place, amount in enumerate((1, deal["value"] or 0, (deal["value"] or 0) * likely / 100)):
                sums[place] += amount
    assert {one.stage: [one.count, one.value, one.weighted_value] for one in report.open_stages} == {
        name: [count, minor(value), minor(round(weighted, 2))]
        for name, (count, value, weighted) in expected.items()
    }
    highest = sorted(
        (minor(deal["value"]) for deal in deals if deal["outcome"] == "open" and deal["value"] is not None),
        reverse=True,
    )
    assert [one.value for one in report.largest_open_deals] == highest[:10]
    to_do = Counter(
        activity["type"]
        for activity in rows["activities"]
        if activity["completed_at"] is None and activity["type"] != "note"
    )
    assert {one.type: one.count for one in report.open_activities} == dict(to_do)


def test_every_figure_follows_from_the_rows(database: Database, database_settings: Settings) -> None:
    """As loaded, and after people changed rows; KPIs and checks are those of ``kpis`` and ``verify``."""
    made(database, database_settings, BLUEPRINT)
    for change in ("", EDITS):
        edit(database, change)
        report = read_report(database, database_settings, "acme")
        check_figures(report, living_rows(database))
        assert report.months == queries.kpis(database, database_settings, "acme").months
        [verdict] = verify(database, database_settings, "acme")
        assert report.verdict == verdict
        assert verdict.is_as_expected == (change == "")
    # The edits are on the page: none of them is lost in a join.
    assert report.undated_closings.won_count == 1
    assert report.open_stages[-1].stage is None
    assert report.values[0].lower is None
    # 02:59 UTC is the evening before in New York.
    assert report.activity_hours[5, 21] == 1
    assert any(one.check is Check.DRIFT for one in report.verdict.findings)


def test_a_scorecard_is_taken_where_it_is_asked_for(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """It is that of ``score``, and the rest of the report is the same; without the wish there is none."""
    report = read_report(database, database_settings, tenant)
    assert report.scorecard is None
    measured = read_report(database, database_settings, tenant, with_scorecard=True)
    assert measured.scorecard is not None
    assert measured.scorecard.scores == score_tenant(database, database_settings, tenant).scores
    assert measured.months == report.months


def test_targets_are_those_of_the_ledger(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """They stay when people delete rows, and a month of which nothing is loaded has none."""
    edit(database, "update crm.companies set deleted_at = now()")
    report = read_report(database, database_settings, tenant)
    assert [one.companies_created for one in report.expected.values()] != [0, 0, 0]
    assert {one.companies_created for one in report.months.values()} == {0}
    make_tenant(database, database_settings, SMALL, "bravo")
    empty = read_report(database, database_settings, "bravo")
    assert list(empty.months) == list(report.months)
    assert not empty.expected
    assert not empty.months.total
    assert empty.verdict.pending == tuple(empty.months)


def test_a_currency_without_decimals(database: Database, database_settings: Settings) -> None:
    """Amounts are whole; what people enter with decimals is rounded as the KPIs round it."""
    blueprint = {**BLUEPRINT, "country": "GB", "currency": "JPY"}
    blueprint["totals"] = {
        **BLUEPRINT["totals"],
        "closed_won_value": 31_000_000,
        "pipeline_added_value": 78_000_000,
    }
    made(database, database_settings, blueprint)
    edit(database)
    report = read_report(database, database_settings, "acme")
    assert report.currency == JPY
    check_figures(report, living_rows(database))


def test_the_running_month_is_not_a_complete_one(database: Database, database_settings: Settings) -> None:
    """It is shown, with the sentence that says how much of it is loaded, and it is not a complete month."""
    settings = database_settings.model_copy(update={"now": datetime(2026, 2, 11, 15, tzinfo=UTC)})
    made(database, settings, {**BLUEPRINT, "start_month": "2025-12", "end_month": "2026-02"})
    report = read_report(database, settings, "acme")
    assert list(map(str, report.months)) == ["2025-12", "2026-01", "2026-02"]
    assert report.running_month == Month.of(2026, 2)
    assert list(map(str, report.complete_months)) == ["2025-12", "2026-01"]
    assert "2026-02 is the running month" in report.notes[0]
    assert report.verdict.is_as_expected


def test_an_overview_has_every_tenant(database: Database, database_settings: Settings, tenant: str) -> None:
    """By slug, with KPIs and the verdict of ``verify``; one whose plan cannot be read has that as finding."""
    make_tenant(database, database_settings, SMALL, "bravo")
    make_tenant(database, database_settings, SMALL, "corto")
    edit(database, "update crm.deals set value = value + 1 where id = (select id from crm.deals limit 1)")
    edit(
        database,
        "alter table demo.tenant_metadata disable trigger user;"
        "update demo.tenant_metadata set plan = plan - 'minor_digits' where slug = 'bravo';"
        "alter table demo.tenant_metadata enable trigger user",
    )
    overview = read_overview(database, database_settings)
    assert [one.slug for one in overview.tenants] == [tenant, "bravo", "corto"]
    assert [one.verdict for one in overview.tenants] == list(verify(database, database_settings))
    assert [one.spec is not None for one in overview.tenants] == [True, False, True]
    assert [one.freshness for one in overview.tenants] == [FreshnessState.CLOSED, None, FreshnessState.CLOSED]
    assert overview.tenants[0].months == queries.kpis(database, database_settings, tenant).months


def test_only_demo_tenants_are_reported(database: Database, database_settings: Settings) -> None:
    """A real tenant is refused, and is in no overview; an unknown one is not found."""
    with database.admin() as conn:
        real_tenant(conn, "customer")
    with pytest.raises(NotADemoTenantError):
        read_report(database, database_settings, "customer")
    with pytest.raises(NotFoundError):
        read_report(database, database_settings, "nobody")
    assert read_overview(database, database_settings).tenants == ()
