"""Tenants in Dagster: provisioned from a folder of blueprints, and kept in step with the database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from demo_pipeline.definitions import defs
from demo_pipeline.defs.operations.tenant_partitions import sync_tenants
from demo_pipeline.defs.shared.resources import DemoTenants
from tests.fixtures.dagster_instance import BLUEPRINT, QUIET, DagsterHome
from tests.fixtures.embedded_server import wait_until
from tests.fixtures.sessions import sessions


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The blueprint folder, with two blueprints in it."""
    path = tmp_path / "blueprints"
    path.mkdir()
    for slug in ("acme", "bravo"):
        (path / f"{slug}.yaml").write_text(BLUEPRINT, encoding="utf-8")
    monkeypatch.setenv("DEMO_BLUEPRINTS", str(path))
    return path


def provision(home: DagsterHome, *files: str) -> dg.ExecuteInProcessResult:
    """Run the job, with the files that are named or all."""
    config = {"ops": {"provision": {"config": {"files": list(files)}}}} if files else {}
    return (
        defs()
        .resolve_job_def("provision_tenants")
        .execute_in_process(instance=home.instance, raise_on_error=False, run_config={**QUIET, **config})
    )


def slugs(home: DagsterHome) -> list[tuple[object, ...]]:
    """Tenants in the database."""
    return home.query("select slug from crm.tenants order by slug")


def test_the_job_provisions_the_folder_and_adds_partitions(dagster_home: DagsterHome, folder: Path) -> None:
    """Every blueprint becomes a tenant and a partition; again, and nothing changes."""
    for _ in range(2):
        assert provision(dagster_home).success
        assert slugs(dagster_home) == [("acme",), ("bravo",)]
        assert sorted(dagster_home.instance.get_dynamic_partitions("tenant")) == ["acme", "bravo"]


def test_the_job_provisions_what_is_named(dagster_home: DagsterHome, folder: Path) -> None:
    """With files, those; a name that is not in the folder is refused, and no other file is read."""
    assert provision(dagster_home, "bravo.yaml").success
    assert slugs(dagster_home) == [("bravo",)]
    outside = folder.parent / "outside.yaml"
    outside.write_text(BLUEPRINT, encoding="utf-8")
    result = provision(dagster_home, "../outside.yaml")
    assert not result.success
    assert slugs(dagster_home) == [("bravo",)]


def test_a_wrong_blueprint_fails_with_every_problem(dagster_home: DagsterHome, folder: Path) -> None:
    """Nothing is made, and the failure names the file and the field."""
    (folder / "bravo.yaml").write_text(BLUEPRINT.replace("saas", "bakery"), encoding="utf-8")
    result = provision(dagster_home)
    assert not result.success
    [failure] = result.filter_events(lambda event: event.is_step_failure)
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    errors: Any = data.metadata["errors"].value
    [error] = errors
    assert (error["code"], error["exit_code"]) == ("invalid_input", 2)
    assert "bravo.yaml" in error["message"]
    assert "bakery" in error["message"]
    assert slugs(dagster_home) == []


def test_a_tenant_that_cannot_be_read_does_not_keep_others_from_being_provisioned(
    dagster_home: DagsterHome, folder: Path
) -> None:
    """The run fails with that error; the other blueprint is a tenant and a partition."""
    assert provision(dagster_home, "acme.yaml").success
    with dagster_home.database.admin() as conn:
        conn.execute("alter table demo.tenant_metadata disable trigger user")
        conn.execute("update demo.tenant_metadata set plan = plan - 'figures'")
        conn.execute("alter table demo.tenant_metadata enable trigger user")
    result = provision(dagster_home)
    assert not result.success
    [failure] = result.filter_events(lambda event: event.is_step_failure)
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    errors: Any = data.metadata["errors"].value
    [error] = errors
    assert (error["tenant"], error["code"], error["exit_code"]) == ("acme", "unreadable_tenant", 4)
    assert slugs(dagster_home) == [("acme",), ("bravo",)]
    assert sorted(dagster_home.instance.get_dynamic_partitions("tenant")) == ["acme", "bravo"]


def test_the_sensor_keeps_partitions_in_step_with_the_database(dagster_home: DagsterHome) -> None:
    """Tenants made elsewhere get a partition, and one without a tenant is removed; no run is asked for."""
    dagster_home.provision("acme")
    dagster_home.instance.delete_dynamic_partition("tenant", "acme")
    dagster_home.instance.add_dynamic_partitions("tenant", ["gone"])
    with dg.build_sensor_context(
        instance=dagster_home.instance, resources={"demo": DemoTenants()}
    ) as context:
        result = sync_tenants(context)
    # A tick leaves no connection behind.
    wait_until(lambda: not sessions(dagster_home.database))
    assert isinstance(result, dg.SensorResult)
    assert not result.run_requests
    changes = {
        type(one).__name__: list(one.partition_keys) for one in result.dynamic_partitions_requests or ()
    }
    assert changes == {"AddDynamicPartitionsRequest": ["acme"]}
    assert dagster_home.instance.get_dynamic_partitions("tenant") == []
