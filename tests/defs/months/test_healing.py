"""What a job tells of itself that makes up for rows which people hid: in the ledger, and on the pages."""

from __future__ import annotations

from uuid import UUID

import pytest

from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.jobs.report import report_of
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.queries import show_job
from demo_pipeline.services.tenants.verify import verify
from tests.builders.currencies import EUR
from tests.fixtures.cli import clean_environment, run_program
from tests.fixtures.dagster_instance import DagsterHome

MONTHS = ("2025-01", "2025-02", "2025-03")
#: of ``BLUEPRINT``: 30 activities and 7 deals in February
HIDDEN = 11


def test_healing_says_what_it_found_and_made(dagster_home: DagsterHome) -> None:
    """Before without the hidden rows, after as expected, every verdict passed, and only that made."""
    dagster_home.provision("acme")
    first = dagster_home.materialise("acme")
    with dagster_home.database.admin() as conn:
        conn.execute(
            "UPDATE crm.activities SET deleted_at = now() WHERE id IN (SELECT id FROM crm.activities"
            " WHERE demo_source_month = '2025-02' ORDER BY id LIMIT %s)",
            (HIDDEN,),
        )
    [found] = verify(dagster_home.database, dagster_home.settings)
    assert [(one.month, one.check.value) for one in found.findings] == [
        ("2025-02", "no_drift"),
        ("2025-02", "nothing_is_missing"),
    ]

    outcome = dagster_home.materialise("acme")
    assert outcome.success, outcome.errors
    assert outcome.run_id != first.run_id
    [(job_id,)] = dagster_home.query("select id from demo.jobs where kind = 'heal'")
    assert dagster_home.run_tags(outcome.run_id)["demo/job_id"] == str(job_id)

    job = show_job(dagster_home.database, job_id).job
    assert (job.status, job.dagster_run_id) == ("completed", outcome.run_id)
    report = report_of(job, EUR)
    assert report.is_passed
    assert {table: count for table, count in report.created.items() if count} == {"activities": HIDDEN}
    assert [str(result.month) for result in report.months] == list(MONTHS)
    for result in report.months:
        made = HIDDEN if str(result.month) == "2025-02" else 0
        assert result.delta == Figures(activities_created=made)
        assert result.expected == result.target == result.after
        assert result.drift == Figures()
    [february] = [result for result in report.months if result.month == Month.parse("2025-02")]
    assert (february.before.activities_created, february.after.activities_created) == (30 - HIDDEN, 30)

    for check in ("kpis_match_plan", "no_drift", "life_cycles_hold"):
        verdicts = dagster_home.evaluations(outcome.run_id, check)
        assert {key for key, one in verdicts.items() if one.passed} == {f"{month}|acme" for month in MONTHS}
        assert all(one.passed for one in verdicts.values())
    kpis = dagster_home.materialisation("kpi_snapshot", "2025-02|acme").metadata
    assert f"| Activities created | 30 | **30** | 0 | {30 - HIDDEN} |" in str(kpis["kpis"].value)
    activities = dagster_home.materialisation("activities", "2025-02|acme").metadata
    assert (activities["dagster/partition_row_count"].value, activities["rows_added"].value) == (30, HIDDEN)

    assert verify(dagster_home.database, dagster_home.settings)[0].is_as_expected
    again = materialise(dagster_home.database, dagster_home.settings, "acme")
    assert again.already_applied
    assert all(result.expected == result.before == result.after for result in again.months)


#: what a person could do to the tenant's rows with an SQL prompt: some months lose rows for good, in others
#: rows are hidden
REMOVED = """
create temp table gone as select id from crm.deals where demo_source_month = '2025-01' order by id limit 3;
delete from crm.activities where deal_id in (select id from gone);
delete from crm.deals where id in (select id from gone);
delete from crm.contact_tags where (tenant_id, contact_id, tag_id) in (
    select tenant_id, contact_id, tag_id from crm.contact_tags order by contact_id, tag_id limit 4);
delete from crm.pipeline_stages s where not exists (select from crm.deals d where d.stage_id = s.id);
update crm.activities set deleted_at = now() where id in (
    select id from crm.activities where demo_source_month = '2025-02' order by id limit 11);
update crm.contacts set deleted_at = now() where id in (
    select id from crm.contacts where demo_source_month = '2025-03' and status <> 'lead' order by id limit 2)
"""
TABLES = ("companies", "contacts", "deals", "activities", "contact_tags", "pipeline_stages")


def rows_by_table(home: DagsterHome) -> dict[str, int]:
    """All rows, hidden ones included."""
    return {table: home.query(f"select count(*) from crm.{table}")[0][0] for table in TABLES}


def remove_rows(home: DagsterHome) -> dict[str, int]:
    """Remove them; what each table has left."""
    with home.database.admin() as conn:
        for statement in REMOVED.split(";"):
            conn.execute(statement.encode())
    return rows_by_table(home)


def living(home: DagsterHome, month: str, table: str) -> int:
    """Rows of a month that a user sees."""
    return home.query(
        f"select count(*) from crm.{table} where to_char(created_at at time zone 'UTC', 'YYYY-MM') = %s"
        " and deleted_at is null",
        month,
    )[0][0]


@pytest.mark.usefixtures("made_acme")
def test_page_log_json_and_tags_tell_the_same_sums(dagster_home: DagsterHome) -> None:
    """All that is made again after rows were removed by hand is counted everywhere, from the first job on."""
    whole = {(month, table): living(dagster_home, month, table) for month in MONTHS for table in TABLES[:4]}
    left = remove_rows(dagster_home)
    found = {(month, table): living(dagster_home, month, table) for month in MONTHS for table in TABLES[:4]}
    done = run_program("generate", "acme", "--json", environment=clean_environment(dagster_home.environment))
    assert done.code == 0, done.err
    [told] = done.document["jobs"]
    made = {table: count - left[table] for table, count in rows_by_table(dagster_home).items()}
    assert {table for table, count in made.items() if count} >= {
        "contacts",
        "deals",
        "activities",
        "contact_tags",
    }
    assert {table: told["created"].get(table, 0) for table in TABLES} == made
    job = show_job(dagster_home.database, UUID(told["job_id"])).job
    report = report_of(job, EUR)
    assert [part.kind for part in report.jobs] == ["materialise", "heal"]
    assert report.created == told["created"]
    parts = [sum(part.created.get(table, 0) for part in report.jobs) for table in TABLES]
    assert parts == list(made.values())
    for month in told["months"]:
        for table in TABLES[:4]:
            moved = month["metrics"][f"{table}_created"]
            key = (month["month"], table)
            assert (moved["before"], moved["after"]) == (found[key], whole[key])
            assert moved["delta"] == whole[key] - found[key]

    assert job.dagster_run_id is not None
    tags = dagster_home.run_tags(job.dagster_run_id)
    assert tags["demo/job_id"] == told["job_id"]
    assert tags["demo/blueprint_job_id"] == str(report.first_job_id)
    for month in MONTHS:
        for table in TABLES[:4]:
            page = dagster_home.materialisation(table, f"{month}|acme").metadata
            added = whole[month, table] - found[month, table]
            assert (page["rows_added"].value, page["dagster/partition_row_count"].value) == (
                added,
                whole[month, table],
            )
            assert page["blueprint_job_id"].value == str(report.first_job_id)
        activities = (whole[month, "activities"], found[month, "activities"])
        kpis = dagster_home.materialisation("kpi_snapshot", f"{month}|acme").metadata["kpis"].value
        assert f"| Activities created | {activities[0]} | **{activities[0]}** | 0 | {activities[1]} |" in str(
            kpis
        )
    log = [entry.user_message for entry in dagster_home.instance.all_logs(job.dagster_run_id)]
    assert any(
        f"{made['activities']} activities" in line and f"{made['deals']} deals" in line for line in log
    )
    # The ledger keeps each job as it was: its own rows, and what its own gate compared.
    assert job.metrics["created"] == report.jobs[1].created
    assert {part.job_id for part in report.jobs} == {
        job_id
        for (job_id,) in dagster_home.query(
            "select id from demo.jobs where completed_at >= %s", job.started_at
        )
    }
    assert verify(dagster_home.database, dagster_home.settings)[0].is_as_expected


@pytest.mark.usefixtures("made_acme")
def test_a_patch_counts_the_rows_that_came_first(dagster_home: DagsterHome) -> None:
    """Its created rows, the pages and the tags are of both jobs; before is what the plan is added to."""
    left = remove_rows(dagster_home)
    found = {month: living(dagster_home, month, "deals") for month in MONTHS}
    plan = {"months": [{"month": "2025-03", "metrics": {"contacts_created": 2, "activities_created": 5}}]}
    config = {"ops": {"patch": {"config": {"tenant": "acme", "plan": plan, "again": False}}}}
    result = dagster_home.launch("apply_patch", config)
    assert result.success
    made = {table: count - left[table] for table, count in rows_by_table(dagster_home).items()}
    [(job_id,)] = dagster_home.query("select id from demo.jobs where kind = 'patch'")
    report = report_of(show_job(dagster_home.database, job_id).job, EUR)
    assert {table: report.created.get(table, 0) for table in TABLES} == made
    [march] = report.months
    assert march.delta == Figures(contacts_created=2, activities_created=5)
    tags = dagster_home.run_tags(result.run_id)
    assert (tags["demo/job_id"], tags["demo/blueprint_job_id"]) == (str(job_id), str(report.first_job_id))
    january = dagster_home.materialisation("deals", "2025-01|acme").metadata
    assert january["rows_added"].value == 9 - found["2025-01"] == 3
    assert january["job_id"].value == str(job_id)
