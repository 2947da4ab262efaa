"""The asset ``tenant_export``: files of each tenant, and what its page shows of them."""

from __future__ import annotations

import json

import pytest

from tests.fixtures.dagster_instance import DagsterHome

ASSET = "tenant_export"


@pytest.mark.usefixtures("made_acme")
def test_a_tenant_is_written_and_written_again(dagster_home: DagsterHome) -> None:
    """The folder is named on the page; the next run, in another format, replaces it."""
    folder = dagster_home.settings.exports / "acme"
    assert dagster_home.run_tenants(ASSET, "acme").success
    shown = {name: one.value for name, one in dagster_home.materialisation(ASSET, "acme").metadata.items()}
    assert shown["folder"] == str(folder)
    assert (shown["months_not_released"], shown["certificate_holds"]) == (3, True)
    assert "| activities | activities.parquet | 90 |" in str(shown["tables"])
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["digest"], sum(one["rows"] for one in manifest["tables"])) == (
        shown["digest"],
        shown["rows"],
    )
    assert dagster_home.run_tenants(ASSET, "acme", config={"format": "csv"}).success
    assert (folder / "activities.csv").exists()
    assert not (folder / "activities.parquet").exists()


def test_a_tenant_that_is_gone_or_an_unknown_format_fails_the_run(dagster_home: DagsterHome) -> None:
    """The run names them; the files of other tenants are there."""
    dagster_home.provision("acme")
    dagster_home.instance.add_dynamic_partitions("tenant", ["bravo"])
    assert not dagster_home.run_tenants(ASSET, "acme", "bravo").success
    assert dagster_home.materialised(ASSET) == {"acme"}
    result = dagster_home.run_tenants(ASSET, "acme", config={"format": "json"})
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "'json' is no format; write parquet, csv, xlsx" in str(failure.step_failure_data.user_failure_data)
