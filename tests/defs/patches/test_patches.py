"""Patches in Dagster: applied from the launchpad, and shown on the asset pages wherever they were applied."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import dagster as dg
import pytest

from demo_pipeline.definitions import defs
from demo_pipeline.defs.asset_pages.kpi_tables import KpiMonth, change_markdown
from demo_pipeline.defs.asset_pages.show_job import main as show_jobs
from demo_pipeline.defs.patches.patch_job import EXAMPLE
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.services.files.plan_files import plan_from_document
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.platform.instance import INSTANCE_FILE
from demo_pipeline.services.platform.page_updates import LOG_NAME, show_on_asset_pages
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.storage.ledger.tenants import hold_tenant
from tests.builders.currencies import EUR
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.ledger_steps import real_tenant
from tests.paths import PROJECT

ASSETS = ("companies", "contacts", "deals", "activities", "kpi_snapshot")
#: what the tests ask for: five contacts, two deals of which one is won
PLAN: dict[str, Any] = {
    "months": [
        {
            "month": "2025-02",
            "metrics": {
                "contacts_created": 5,
                "deals_created": 2,
                "closed_won_count": 1,
                "closed_won_value": "700.25",
                "pipeline_added_value": "1000.25",
            },
        }
    ]
}


def config(tenant: str = "acme", **fields: Any) -> dict[str, Any]:
    """The run configuration of a patch, of ``PLAN`` unless said otherwise."""
    return {"ops": {"patch": {"config": {"tenant": tenant, **(fields or {"plan": PLAN})}}}}


def failure_of(result: dg.ExecuteInProcessResult) -> tuple[str, dict[str, Any]]:
    """What the failed step says: message and metadata."""
    [event] = [event for event in result.all_events if event.is_step_failure]
    found: Any = event.step_failure_data
    metadata = found.user_failure_data.metadata
    return found.user_failure_data.description, {name: one.value for name, one in metadata.items()}


def events(result: dg.ExecuteInProcessResult, asset: str) -> list[str | None]:
    """Partitions of an asset that a run materialised."""
    found = result.filter_events(lambda event: event.is_step_materialization)
    return [event.partition for event in found if event.asset_key == dg.AssetKey(asset)]


def deals_won(home: DagsterHome, slug: str = "acme") -> list[tuple[Any, ...]]:
    """Count and value of won deals by month."""
    return home.query(
        "select month, closed_won_count, closed_won_value::text from demo.kpi_monthly k"
        " join crm.tenants t on t.id = k.tenant_id where slug = %s order by month",
        slug,
    )


def tries(home: DagsterHome) -> int:
    """How often a step of any run is to be tried again."""
    kind = dg.DagsterEventType.STEP_UP_FOR_RETRY
    return sum(len(home.instance.all_logs(run.run_id, of_type=kind)) for run in home.instance.get_runs())


def apply_outside(home: DagsterHome, *, again: bool = False) -> UUID:
    """Apply ``PLAN`` as the command line does; its job."""
    plan = plan_from_document(PLAN)
    return apply_patch(home.database, home.settings, "acme", plan, again=again).job_id


def test_the_launchpad_begins_with_a_plan_that_can_be_launched(dagster_home: DagsterHome) -> None:
    """The proposed configuration is valid, and applies to a bundled tenant as it is."""
    assert defs().resolve_job_def("apply_patch").run_config == EXAMPLE
    provision(dagster_home.database, dagster_home.settings, PROJECT / "blueprints" / "larkmoor.yaml")
    result = dagster_home.launch("apply_patch")
    assert result.success
    assert dagster_home.query("select kind, status from demo.jobs where kind = 'patch'") == [
        ("patch", "completed")
    ]
    # The tenant was empty: the months that the patch made whole on its way are shown, too.
    shown = {f"{month}|larkmoor" for month in ("2024-11", "2025-08", "2025-09", "2025-10")}
    assert shown <= dagster_home.materialised("kpi_snapshot")
    assert len(dagster_home.materialised("deals")) == 12


@pytest.mark.usefixtures("made_acme")
def test_a_patch_materialises_the_months_that_it_touched(dagster_home: DagsterHome) -> None:
    """All five assets of the plan's months, with before, change, after and target, and passed checks."""
    result = dagster_home.launch("apply_patch", config())
    assert result.success
    assert {asset: events(result, asset) for asset in ASSETS} == {asset: ["2025-02|acme"] for asset in ASSETS}
    kpis = dagster_home.materialisation("kpi_snapshot", "2025-02|acme").metadata
    assert "| Value won | 900.00 | **+700.25** | 1,600.25 | 1,600.25 |" in str(kpis["change"].value)
    assert "| Activities created | 30 | 0 | 30 | 30 |" in str(kpis["change"].value)
    assert "| Value won | 1,600.25 | **1,600.25** | 0.00 | 900.00 |" in str(kpis["kpis"].value)
    deals = dagster_home.materialisation("deals", "2025-02|acme").metadata
    assert (deals["dagster/partition_row_count"].value, deals["rows_added"].value) == (9, 2)
    assert "| Deals created | 7 | **+2** | 9 |" in str(deals["change"].value)
    assert "Contacts" not in str(deals["change"].value)
    for check in ("kpis_match_plan", "no_drift", "life_cycles_hold"):
        found = dagster_home.evaluations(result.run_id, check)
        assert {key: one.passed for key, one in found.items()} == {"2025-02|acme": True}, check


def test_a_run_carries_its_tenant_and_job(dagster_home: DagsterHome) -> None:
    """The run is found by kind, tenant and each of its jobs, and the job by its run and who asked."""
    dagster_home.provision("acme")
    result = dagster_home.launch("apply_patch", config())
    [(job_id, run_id, requester)] = dagster_home.query(
        "select id::text, dagster_run_id, requested_by from demo.jobs where kind = 'patch'"
    )
    assert (run_id, requester) == (result.run_id, "dagster")
    [(first_id,)] = dagster_home.query(
        "select id::text from demo.jobs where kind = 'materialise' and status = 'completed'"
    )
    assert dagster_home.run_tags(result.run_id) == {
        "demo/kind": "patch",
        "demo/tenant": "acme",
        "demo/job_id": job_id,
        "demo/blueprint_job_id": first_id,
    }


@pytest.mark.usefixtures("made_acme")
def test_a_plan_that_cannot_be_is_refused_with_all_that_is_wrong(dagster_home: DagsterHome) -> None:
    """One message, a table of the problems, the plan that would work; no job, no row, no further try."""
    before = dagster_home.row_count("acme")
    metrics = {"leads_created": 9, "contacts_created": 4, "closed_won_count": 3, "deals_created": 2}
    plan = {"months": [{"month": "2025-02", "metrics": metrics}]}
    result = dagster_home.launch("apply_patch", config(plan=plan))
    assert not result.success
    message, metadata = failure_of(result)
    assert "Traceback" not in message
    [error] = metadata["errors"]
    assert (error["code"], error["exit_code"], error["tenant"]) == ("invalid_input", 2, "acme")
    told = {one["metric"] or one["field"] for one in error["details"]["errors"]}
    assert any("leads_created" in one for one in told), told
    assert any("closed_won_count" in one for one in told), told
    assert metadata["problems"].count("\n") >= 3
    assert "leads\\_created" in metadata["problems"]
    suggestion = plan_from_document(metadata["suggestion"])
    assert str(suggestion.plan.first_month) == "2025-02"
    assert dagster_home.row_count("acme") == before
    assert dagster_home.query("select count(*) from demo.jobs where kind = 'patch'") == [(0,)]
    assert tries(dagster_home) == 0

    assert dagster_home.launch("apply_patch", config(plan=metadata["suggestion"])).success


def test_what_is_wrong_inside_the_plan_is_named_by_its_place(dagster_home: DagsterHome) -> None:
    """An unknown metric is refused with its path and the name that was meant."""
    plan = {"months": [{"month": "2025-02", "metrics": {"deals_creatd": 2}}], "planType": "deltas"}
    message, metadata = failure_of(dagster_home.launch("apply_patch", config(plan=plan)))
    assert "months[0].metrics.deals_creatd" in message
    assert "deals_created" in metadata["problems"].replace("\\", "")


@pytest.mark.parametrize("fields", [{"again": False}, {"plan": PLAN, "inbox_file": "plan.csv"}])
def test_one_of_plan_and_file_is_asked_for(dagster_home: DagsterHome, fields: dict[str, Any]) -> None:
    """Neither and both are refused, and the message says so."""
    dagster_home.provision("acme")
    message, _ = failure_of(dagster_home.launch("apply_patch", config(**fields)))
    assert "of plan and inbox_file is given; give one of the two" in message


@pytest.mark.usefixtures("made_acme")
def test_the_same_plan_twice_is_one_job(dagster_home: DagsterHome) -> None:
    """The second run ends well, changes no row and shows nothing anew; ``again`` is a job of its own."""
    assert dagster_home.launch("apply_patch", config()).success
    once = deals_won(dagster_home)
    second = dagster_home.launch("apply_patch", config())
    assert second.success
    assert deals_won(dagster_home) == once
    assert events(second, "kpi_snapshot") == []
    [job] = dagster_home.query("select id::text from demo.jobs where kind = 'patch'")
    assert dagster_home.run_tags(second.run_id)["demo/job_id"] == job[0]

    assert dagster_home.launch("apply_patch", config(plan=PLAN, again=True)).success
    assert deals_won(dagster_home)[1] == ("2025-02", 4, "2300.50")


@pytest.mark.usefixtures("made_acme")
def test_flags_beside_the_plan_count_before_it(dagster_home: DagsterHome) -> None:
    """``plan_type`` makes targets of the figures, ``seed`` is the job's."""
    plan = {"months": [{"month": "2025-02", "metrics": {"companies_created": 6}}], "plan_type": "deltas"}
    result = dagster_home.launch("apply_patch", config(plan=plan, plan_type="targets", seed="spring"))
    assert result.success
    assert dagster_home.query("select plan_type, seed from demo.jobs where kind = 'patch'") == [
        ("targets", "spring")
    ]
    kpis = dagster_home.materialisation("kpi_snapshot", "2025-02|acme").metadata
    assert "| Companies created | 4 | **+2** | 6 | 6 |" in str(kpis["change"].value)


def test_a_customer_is_refused_and_the_attempt_is_written_down(dagster_home: DagsterHome) -> None:
    """A tenant that is no demo is not patched, whoever asks; the audit log has it."""
    with dagster_home.database.admin() as conn:
        real_tenant(conn)
    before = dagster_home.row_count("customer")
    message, metadata = failure_of(dagster_home.launch("apply_patch", config("customer")))
    assert "not a demo tenant" in message
    assert metadata["errors"][0]["exit_code"] == 3
    assert dagster_home.row_count("customer") == before
    assert dagster_home.query(
        "select count(*) > 0 from demo.audit_log where event = 'NON_DEMO_TENANT_BLOCKED'"
    ) == [(True,)]


def test_a_busy_tenant_is_tried_again(dagster_home: DagsterHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that finds its tenant held by somebody else waits, tries again, and completes."""
    dagster_home.provision("acme")
    monkeypatch.setenv("DEMO_WAIT_SECONDS", "0.2")
    [(tenant_id,)] = dagster_home.query("select id from crm.tenants where slug = 'acme'")
    is_held = threading.Event()

    def hold_until_tried() -> None:
        with dagster_home.database.loader() as conn, hold_tenant(conn, tenant_id, 5):
            is_held.set()
            deadline = time.monotonic() + 60
            while not tries(dagster_home) and time.monotonic() < deadline:
                time.sleep(0.2)

    holder = threading.Thread(target=hold_until_tried)
    holder.start()
    assert is_held.wait(30)
    result = dagster_home.launch("apply_patch", config())
    holder.join()
    assert result.success
    assert tries(dagster_home) >= 1
    assert deals_won(dagster_home)[1] == ("2025-02", 3, "1600.25")


@pytest.mark.usefixtures("made_acme")
def test_a_figure_that_is_off_rolls_the_patch_back(dagster_home: DagsterHome) -> None:
    """One cent too much: the month keeps its rows, its check has failed, and the run says which figure."""
    before = deals_won(dagster_home)
    dagster_home.spoil_values("acme")
    result = dagster_home.launch("apply_patch", config())
    message, metadata = failure_of(result)
    assert "closed_won_value" in message
    assert metadata["errors"][0]["exit_code"] == 4
    assert deals_won(dagster_home) == before
    found = dagster_home.evaluations(result.run_id, "kpis_match_plan")
    assert {key: one.passed for key, one in found.items()} == {"2025-02|acme": False}
    assert dagster_home.run_tags(result.run_id)["demo/job_id"]
    kpis = dagster_home.materialisation("kpi_snapshot", "2025-02|acme").metadata
    assert "change" not in kpis


@pytest.mark.usefixtures("made_acme")
def test_what_was_done_outside_dagster_is_shown_once(dagster_home: DagsterHome) -> None:
    """A patch, another and an undo: each is shown with its own change, once, under the tags of its job."""
    first = apply_outside(dagster_home)
    second = apply_outside(dagster_home, again=True)
    assert show_jobs([str(first), str(second), str(first)]) == 0
    undo = undo_job(dagster_home.database, dagster_home.settings, second).job_id
    assert show_jobs([str(undo)]) == 0
    records = dagster_home.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey("deals"), asset_partitions=["2025-02|acme"]), limit=9
    ).records
    told = [record.asset_materialization for record in records]
    assert [one.metadata["rows_added"].value for one in told if one is not None] == [-2, 2, 2, 7]
    kpis = dagster_home.materialisation("kpi_snapshot", "2025-02|acme").metadata
    assert "| Deals won | 4 | **-1** | 3 | 3 |" in str(kpis["change"].value)
    [run, *_] = dagster_home.instance.get_runs(limit=1)
    assert dagster_home.run_tags(run.run_id) == {
        "demo/kind": "undo",
        "demo/tenant": "acme",
        "demo/job_id": str(undo),
    }
    for check in ("kpis_match_plan", "no_drift"):
        assert dagster_home.evaluations(run.run_id, check)["2025-02|acme"].passed, check


@pytest.mark.parametrize(
    ("job_id", "said"), [("7", "is no job id"), ("00000000-0000-4000-8000-000000000000", "no job")]
)
def test_a_job_that_is_none_is_not_shown(dagster_home: DagsterHome, job_id: str, said: str) -> None:
    """What is no job of the ledger is refused in words."""
    result = dagster_home.launch("show_job", {"ops": {"show": {"config": {"job_id": job_id}}}})
    message, _ = failure_of(result)
    assert said in message


@pytest.mark.usefixtures("made_acme")
def test_a_process_of_its_own_shows_a_job(dagster_home: DagsterHome) -> None:
    """Whoever applied a patch starts it and need not wait; the pages have the job when it has ended."""
    job_id = apply_outside(dagster_home)
    process = show_on_asset_pages(dagster_home.settings, dagster_home.database, [job_id])
    assert process is not None
    assert process.wait(timeout=120) == 0
    kpis = dagster_home.materialisation("kpi_snapshot", "2025-02|acme").metadata
    assert kpis["job_id"].value == str(job_id)


def test_a_job_that_cannot_be_shown_is_in_the_log(dagster_home: DagsterHome) -> None:
    """Nothing of it reaches whoever applied the patch; the log has a line."""
    missing = UUID("00000000-0000-4000-8000-000000000000")
    process = show_on_asset_pages(dagster_home.settings, dagster_home.database, [missing])
    assert process is not None
    assert process.wait(timeout=120) == 1
    log = (dagster_home.settings.home / "log" / LOG_NAME).read_text(encoding="utf-8")
    assert f"job {missing} is not shown on the asset pages" in log


def test_without_an_instance_nothing_is_started(dagster_home: DagsterHome, tmp_path: Path) -> None:
    """Where nobody has used Dagster yet, a patch does not make it up."""
    elsewhere = dagster_home.settings.model_copy(update={"dagster_home_override": tmp_path / "none"})
    assert show_on_asset_pages(elsewhere, dagster_home.database, [UUID(int=1)]) is None
    assert not (tmp_path / "none" / INSTANCE_FILE).exists()


def test_a_table_of_changes_shows_what_moved() -> None:
    """A figure that moved stands out with its sign; one that did not is plain."""
    month = KpiMonth(
        currency=EUR,
        before=Figures(deals_created=3, closed_won_value=10_050),
        expected=Figures(deals_created=5, closed_won_value=10_050),
        after=Figures(deals_created=5, closed_won_value=10_050),
    )
    assert "| Deals created | 3 | **+2** | 5 | 5 |" in change_markdown(month)
    assert change_markdown(month, ["deals_created", "closed_won_value"]).splitlines()[2:] == [
        "| Deals created | 3 | **+2** | 5 |",
        "| Value won | 100.50 | 0.00 | 100.50 |",
    ]
