"""A folder of the inbox whose tenant does not exist is reported in the inbox itself, and nothing is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from demo_pipeline.defs.patches.inbox import plan_inbox
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.domain.core.errors import NotFoundError
from demo_pipeline.services.inbox.apply import apply_inbox_file
from tests.defs.patches.inbox_builders import files, folder_of, launch, put, tick
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.ledger_steps import real_tenant


@pytest.fixture
def root(dagster_home: DagsterHome) -> Path:
    """The inbox, with a mistyped folder in which a plan waits; ``acme`` exists."""
    dagster_home.provision("acme")
    folder = folder_of(dagster_home, "acne")
    put(folder, "spring.csv")
    return folder.parent


def skip_message(home: DagsterHome) -> str:
    """What the sensor says of a tick without runs."""
    with dg.build_sensor_context(instance=home.instance, resources={"demo": DemoTenants()}) as context:
        result = plan_inbox(context)
    assert isinstance(result, dg.SensorResult)
    assert not result.run_requests
    return str(result.skip_reason)


def notice(root: Path, name: str) -> dict[str, Any]:
    """The report of a folder, for programs."""
    found: dict[str, Any] = json.loads((root / f"{name}.report.json").read_text(encoding="utf-8"))
    return found


def test_it_is_reported_in_the_inbox(dagster_home: DagsterHome, root: Path) -> None:
    """By the sensor and in two reports beside the folder, with the tenant that was meant; once."""
    said = skip_message(dagster_home)
    for part in ("there is no tenant 'acne'", "did you mean acme?", "rename the folder", "spring.csv"):
        assert part in said
    assert files(root) == {"acne/spring.csv", "acne.report.json", "acne.report.md"}
    report = notice(root, "acne")
    assert (report["folder"], report["outcome"], report["files"]) == (
        "acne",
        "no such tenant",
        ["spring.csv"],
    )
    assert report["error"]["details"] == {"tenant": "acne", "suggestion": "acme"}
    page = (root / "acne.report.md").read_text(encoding="utf-8")
    assert "did you mean acme?" in page
    assert "- spring.csv" in page
    written = (root / "acne.report.md").stat()
    assert written.st_mode & 0o007 == 0
    skip_message(dagster_home)
    again = (root / "acne.report.md").stat()
    assert (again.st_ino, again.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


@pytest.mark.parametrize("suffix", [".report.json", ".report.md"])
def test_a_file_of_a_person_with_the_name_of_a_report_stays(
    dagster_home: DagsterHome, root: Path, suffix: str
) -> None:
    """It is not replaced, not by a later tick either, and the sensor says what to do."""
    (root / f"acne{suffix}").write_text("notes of my own", encoding="utf-8")
    for _ in range(2):
        assert f"acne{suffix} is there and is not a report of the inbox; move it away" in skip_message(
            dagster_home
        )
        assert (root / f"acne{suffix}").read_text(encoding="utf-8") == "notes of my own"


def test_once_the_folder_is_renamed_its_files_are_applied(dagster_home: DagsterHome, root: Path) -> None:
    """The report is removed then, and the file has a run."""
    skip_message(dagster_home)
    (root / "acne").rename(root / "acme")
    [request] = tick(dagster_home)
    assert launch(dagster_home, request).success
    assert {name for name in files(root) if "/" not in name} == set()


def test_once_the_tenant_is_there_its_files_are_applied(dagster_home: DagsterHome, root: Path) -> None:
    """A plan may be there before its tenant; other reports in the inbox stay."""
    put(root, "notes.report.json", "{}")
    skip_message(dagster_home)
    dagster_home.provision("acne")
    [request] = tick(dagster_home)
    assert request.run_config["ops"]["patch"]["config"]["tenant"] == "acne"
    assert {name for name in files(root) if "/" not in name} == {"notes.report.json"}


def test_others_are_not_kept_waiting_and_customers_not_named(dagster_home: DagsterHome, root: Path) -> None:
    """A run for the tenant that exists; a demo tenant is proposed, though a customer's slug is nearer."""
    with dagster_home.database.admin() as conn:
        real_tenant(conn, "acnes")
    put(folder_of(dagster_home, "acme"), "plan.csv")
    [request] = tick(dagster_home)
    assert request.run_config["ops"]["patch"]["config"]["tenant"] == "acme"
    assert notice(root, "acne")["error"]["details"]["suggestion"] == "acme"
    assert "acnes" not in (root / "acne.report.md").read_text(encoding="utf-8")


def test_a_folder_that_no_tenant_can_have(dagster_home: DagsterHome, root: Path) -> None:
    """A capital letter is a mistyped slug like any other; a file in the inbox itself gets a note."""
    (root / "Acme").mkdir()
    put(root / "Acme", "plan.csv")
    put(root / "Acme", "notes.txt")
    put(root, "summer.csv")
    said = skip_message(dagster_home)
    assert "there is no tenant 'Acme'; did you mean acme?" in said
    assert "(1 file waits there: plan.csv)" in said
    assert notice(root, "Acme")["files"] == ["plan.csv"]
    assert "- plan.csv" in (root / "Acme.report.md").read_text(encoding="utf-8")
    assert "summer.csv is in the inbox itself" in said
    assert notice(root, "Acme")["error"]["details"]["suggestion"] == "acme"


def test_a_run_for_an_unknown_tenant_touches_no_file(dagster_home: DagsterHome, root: Path) -> None:
    """From the launchpad too: the failure has the suggestion, and the file stays where it is."""
    for name in ("spring.csv", "missing.csv"):
        config = {"ops": {"patch": {"config": {"tenant": "acne", "inbox_file": name}}}}
        result = dagster_home.launch("apply_patch", config, {})
        assert not result.success
        [event] = [event for event in result.all_events if event.is_step_failure]
        failure: Any = event.step_failure_data
        assert "did you mean acme?" in failure.user_failure_data.description
        assert failure.user_failure_data.metadata["suggestion"].value == "acme"
    with pytest.raises(NotFoundError):
        apply_inbox_file(dagster_home.database, dagster_home.settings, "acne", "spring.csv")
    assert files(root) == {"acne/spring.csv"}


def test_an_unknown_tenant_of_a_plan_in_the_launchpad(dagster_home: DagsterHome, root: Path) -> None:
    """A plan that is given in the run's configuration gets the same answer."""
    plan = {"months": [{"month": "2025-02", "metrics": {"contacts_created": 1}}]}
    config = {"ops": {"patch": {"config": {"tenant": "acne", "plan": plan}}}}
    result = dagster_home.launch("apply_patch", config, {})
    [event] = [event for event in result.all_events if event.is_step_failure]
    failure: Any = event.step_failure_data
    assert failure.user_failure_data.metadata["suggestion"].value == "acme"
    assert root.exists()
