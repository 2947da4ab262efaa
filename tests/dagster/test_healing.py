"""What a job tells of itself that makes up for rows which people hid: in the ledger, and on the pages."""

from __future__ import annotations

from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.months import Month
from demo_pipeline.services.materialise import materialise
from demo_pipeline.services.reading import show_job
from demo_pipeline.services.reports import report_of
from demo_pipeline.services.verify import verify
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
    assert [(one.month, one.metric) for one in found.findings] == [("2025-02", "activities_created")]

    outcome = dagster_home.materialise("acme")
    assert outcome.success, outcome.errors
    assert outcome.run_id != first.run_id
    [(job_id,)] = dagster_home.query("select id from demo.jobs where kind = 'heal'")
    assert dagster_home.run_tags(outcome.run_id)["demo/job_id"] == str(job_id)

    job = show_job(dagster_home.database, job_id).job
    assert (job.status, job.dagster_run_id) == ("completed", outcome.run_id)
    report = report_of(job, 2)
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

    for check in ("kpis_match_plan", "no_drift", "lifecycles_are_sound"):
        verdicts = dagster_home.evaluations(outcome.run_id, check)
        assert {key for key, one in verdicts.items() if one.passed} == {f"{month}|acme" for month in MONTHS}
        assert all(one.passed for one in verdicts.values())
    kpis = dagster_home.materialisation("kpi_snapshot", "2025-02|acme").metadata
    assert f"| Activities created | 30 | {30 - HIDDEN} | **30** | 0 |" in str(kpis["kpis"].value)
    activities = dagster_home.materialisation("activities", "2025-02|acme").metadata
    assert (activities["dagster/partition_row_count"].value, activities["rows_added"].value) == (30, HIDDEN)

    assert verify(dagster_home.database, dagster_home.settings)[0].is_as_expected
    again = materialise(dagster_home.database, dagster_home.settings, "acme")
    assert again.already_applied
    assert all(result.expected == result.before == result.after for result in again.months)
