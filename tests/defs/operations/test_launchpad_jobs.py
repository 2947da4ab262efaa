"""Preview, undo, repair and release from the launchpad: their forms, results, refusals and tags."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from demo_pipeline.definitions import defs
from demo_pipeline.defs.operations.checkpoints import checkpoint_every_morning, drop_expired_every_night
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.services.tenants.queries import digest, list_jobs
from tests.defs.operations.test_verification import lose_a_row
from tests.defs.patches.test_patches import PLAN, events, failure_of
from tests.fixtures.dagster_instance import DagsterHome, output_metadata
from tests.services.repairs.damage import copy_company

MONTHS = [f"2025-0{month}|acme" for month in (1, 2, 3)]
#: job → its op
JOBS = {
    "preview_patch": "preview",
    "undo_job": "undo",
    "repair_tenant": "repair",
    "release_tenant": "release_each",
    "checkpoint_tenant": "checkpoint",
    "rewind_tenant": "rewind",
}


def launch(home: DagsterHome, job: str, **fields: Any) -> dg.ExecuteInProcessResult:
    """One run of a job with these fields in its form."""
    return home.launch(job, {"ops": {JOBS[job]: {"config": fields}}})


@pytest.fixture
def acme(dagster_home: DagsterHome, made_acme: str) -> DagsterHome:
    """A tenant with three materialised months."""
    return dagster_home


@pytest.mark.parametrize("job", JOBS)
def test_the_form_is_complete(shared_home: DagsterHome, job: str) -> None:
    """The launchpad's configuration is valid as it is; an unknown tenant is refused, with the nearest one."""
    definition = defs().resolve_job_def(job)
    assert definition.description is not None
    form = definition.run_config
    assert form is not None
    assert form["ops"][JOBS[job]]["config"]["tenant"] == "larkmoor"
    result = shared_home.launch(job)
    assert not result.success
    message, _ = failure_of(result)
    assert "larkmoor" in message
    assert shared_home.run_tags(result.run_id)["demo/kind"]


def test_a_preview_shows_the_figures_and_writes_nothing(acme: DagsterHome) -> None:
    """Before, change and after of each figure; no row and no job; a plan that cannot be is refused."""
    rows, jobs = acme.row_count("acme"), len(list_jobs(acme.database, acme.settings, "acme"))
    result = launch(acme, "preview_patch", tenant="acme", plan=PLAN)
    shown = output_metadata(result)
    assert "| 2025-02 | closed\\_won\\_value | 900.00 |  | +700.25 | 1,600.25 | +77.8 % |" in shown["figures"]
    assert "nothing was written" in shown["remarks"]
    assert acme.run_tags(result.run_id) == {"demo/kind": "preview", "demo/tenant": "acme"}

    metrics = {"contacts_created": 4, "leads_created": 9}
    refused = launch(
        acme, "preview_patch", tenant="acme", plan={"months": [{"month": "2025-02", "metrics": metrics}]}
    )
    message, metadata = failure_of(refused)
    assert message.startswith("the plan cannot be applied to acme: ")
    assert "| 2025-02 | leads" in metadata["problems"]
    assert metadata["suggestion"]["months"]
    assert acme.row_count("acme") == rows
    assert len(list_jobs(acme.database, acme.settings, "acme")) == jobs


def test_an_undo_takes_back_the_latest_change_and_then_its_job(acme: DagsterHome) -> None:
    """The tenant's last change, then the undo by its id; the pages show the month each time."""
    rows = acme.row_count("acme")
    acme.launch("apply_patch", {"ops": {"patch": {"config": {"tenant": "acme", "plan": PLAN}}}})
    patched = acme.row_count("acme")
    result = launch(acme, "undo_job", tenant="acme")
    shown = output_metadata(result)
    assert acme.row_count("acme") == patched
    assert events(result, "kpi_snapshot") == ["2025-02|acme"]
    assert "900.00" in shown["months"]
    assert acme.run_tags(result.run_id) == {
        "demo/kind": "undo",
        "demo/tenant": "acme",
        "demo/job_id": shown["job_id"],
    }
    assert output_metadata(launch(acme, "undo_job", job_id=shown["job_id"]))["undoes"] == shown["job_id"]
    assert rows < patched


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tenant": "acme"}, "acme has no change that can be taken back"),
        ({}, "neither of tenant and job_id is given; give one of the two"),
        ({"tenant": "acme", "job_id": "0"}, "both of tenant and job_id is given; give one of the two"),
        ({"job_id": "0"}, "job_id '0' is no job id; demo-pipeline job list shows those there are"),
    ],
)
def test_an_undo_that_cannot_be_is_refused(
    shared_home: DagsterHome, fields: dict[str, Any], message: str
) -> None:
    """No change is left, not one of the two fields, no id: the run fails and says so."""
    if "acme" not in shared_home.instance.get_dynamic_partitions("tenant"):
        shared_home.provision("acme")
    assert failure_of(launch(shared_home, "undo_job", **fields))[0].startswith(message)


def test_a_repair_is_dry_until_it_is_to_be_applied(acme: DagsterHome) -> None:
    """The first run shows the copies, the second one deletes them; a third one finds nothing."""
    copy_company(acme.database, "acme")
    rows = acme.row_count("acme")
    dry = launch(acme, "repair_tenant", tenant="acme")
    assert "| hide | companies | 1 |" in output_metadata(dry)["repairs"]
    assert output_metadata(dry)["result"] == "nothing was done yet: launch it with `apply: true`"
    assert events(dry, "kpi_snapshot") == []
    done = launch(acme, "repair_tenant", tenant="acme", apply=True)
    assert output_metadata(done)["result"] == "repaired"
    assert acme.run_tags(done.run_id) == {
        "demo/kind": "repair",
        "demo/tenant": "acme",
        "demo/job_id": output_metadata(done)["job_id"],
    }
    assert (
        output_metadata(launch(acme, "repair_tenant", tenant="acme"))["result"]
        == "there is nothing to repair"
    )
    assert acme.row_count("acme") == rows


def test_months_are_released_and_kept_back(acme: DagsterHome) -> None:
    """The months of the form; then all but the one that lost a row; with a reason that one too."""
    first = launch(acme, "release_tenant", tenant="acme", to_month="2025-01")
    assert output_metadata(first)["released"] == 1
    assert acme.materialised("tenant_release") == {MONTHS[0]}
    lose_a_row(acme)
    kept = launch(acme, "release_tenant", tenant="acme")
    message, _ = failure_of(kept)
    assert message.startswith("1 month of acme kept back: 2025-02 (")
    assert acme.materialised("tenant_release") == {MONTHS[0], MONTHS[2]}
    assert acme.run_tags(kept.run_id) == {"demo/kind": "release", "demo/tenant": "acme"}
    given = launch(
        acme, "release_tenant", tenant="acme", from_month="2025-02", to_month="2025-02", reason="demo"
    )
    assert "| 2025-02 |" in output_metadata(given)["months"]
    assert acme.materialised("tenant_release") == set(MONTHS)
    bad, _ = failure_of(launch(acme, "release_tenant", tenant="acme", from_month="2025-13"))
    assert bad == "from_month: '2025-13' is not a month; write it as YYYY-MM, like 2025-01"


def test_a_rewind_is_a_preview_until_it_is_to_be_applied(acme: DagsterHome) -> None:
    """A checkpoint by name; what changed since; then everything as it was, and the month on its page."""
    before = digest(acme.database, acme.settings, "acme")
    taken = launch(acme, "checkpoint_tenant", tenant="acme", name="before-demo")
    assert output_metadata(taken)["result"] == "taken"
    assert "| before-demo | named |" in output_metadata(taken)["checkpoints"]
    assert acme.run_tags(taken.run_id)["demo/kind"] == "checkpoint"
    lose_a_row(acme)
    dry = launch(acme, "rewind_tenant", tenant="acme", name="before-demo")
    assert output_metadata(dry)["result"] == "nothing was done yet: launch it with `apply: true`"
    assert "| 2025-02 |" in output_metadata(dry)["figures"]
    assert events(dry, "kpi_snapshot") == []
    done = launch(acme, "rewind_tenant", tenant="acme", name="before-demo", apply=True)
    assert output_metadata(done)["result"] == "as it was"
    assert events(done, "kpi_snapshot") == ["2025-02|acme"]
    assert acme.run_tags(done.run_id) == {
        "demo/kind": "rewind",
        "demo/tenant": "acme",
        "demo/job_id": output_metadata(done)["job_id"],
    }
    assert digest(acme.database, acme.settings, "acme") == before
    unknown, _ = failure_of(launch(acme, "rewind_tenant", tenant="acme", name="befor-demo"))
    assert "did you mean before-demo?" in unknown
    nameless, _ = failure_of(launch(acme, "checkpoint_tenant", tenant="acme", delete=True))
    assert nameless == "delete and replace need the name of a checkpoint; give it, or leave them out"
    gone = launch(acme, "checkpoint_tenant", tenant="acme", name="before-demo", delete=True)
    assert output_metadata(gone)["result"] == "deleted"


def test_automatic_checkpoints_are_taken_and_expired_ones_deleted(acme: DagsterHome) -> None:
    """The schedules ask for a run of each tenant with months, and for one where anything has expired."""
    with dg.build_schedule_context(
        instance=acme.instance,
        resources={"demo": DemoTenants()},
        scheduled_execution_time=datetime(2026, 1, 5, 4, 45, tzinfo=UTC),
    ) as context:
        requests = checkpoint_every_morning(context)
        assert isinstance(drop_expired_every_night(context), dg.SkipReason)
    assert isinstance(requests, list)
    [request] = requests
    assert (request.run_key, request.tags) == ("checkpoint acme 2026-01-05", {"demo/tenant": "acme"})
    assert output_metadata(acme.launch("checkpoint_tenant", request.run_config))["result"] == "taken"
    with acme.database.admin() as conn:
        conn.execute("update demo.checkpoints set expires_at = now()")
    with dg.build_schedule_context(instance=acme.instance, resources={"demo": DemoTenants()}) as context:
        assert isinstance(drop_expired_every_night(context), dg.RunRequest)
    assert output_metadata(acme.launch("drop_expired_checkpoints", {}))["deleted"] == 1
