"""Old runs are deleted; what the asset pages show stays as it is."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pytest

from demo_pipeline.defs.asset_pages.specs import ASSETS
from demo_pipeline.defs.operations.retention import clean_every_night
from demo_pipeline.defs.shared.resources import DemoTenants
from tests.defs.operations.test_failed_partitions import fail, failed
from tests.defs.operations.test_incarnations import shown
from tests.fixtures.dagster_instance import DagsterHome

KEY = dg.AssetCheckKey(dg.AssetKey("kpi_snapshot"), "kpis_match_plan")


def pages(home: DagsterHome) -> dict[str, Any]:
    """What the pages show: materialised and failed months, and each month's latest verdict."""
    for asset in ASSETS:
        home.instance.wipe_asset_cached_status([dg.AssetKey(asset)])
    latest: dict[str, tuple[str, str]] = {}
    for one in home.instance.event_log_storage.get_asset_check_execution_history(KEY, limit=100):
        latest.setdefault(str(one.partition), (one.run_id, one.status.value))
    return {**{asset: shown(home, asset) for asset in ASSETS}, "failed": failed(home), "verdicts": latest}


def test_old_runs_are_deleted_and_the_pages_stay_as_they_are(dagster_home: DagsterHome) -> None:
    """The first of two runs over a month is deleted; a run with a latest month or failure is kept."""
    home = dagster_home
    home.provision("acme")
    first = home.run_partitions("2025-01|acme", "2025-01|acme").run_id
    second = home.run_partitions("2025-01|acme", "2025-02|acme").run_id
    red = fail(home, "2025-03", "2025-03")
    before = pages(home)
    assert before["failed"] == {"2025-03"}
    form = {"ops": {"clean": {"config": {"days": 0, "apply": True}}}}
    dry = home.launch("clean_old_runs", {"ops": {"clean": {"config": {"days": 0}}}})
    recent = home.launch("clean_old_runs", {"ops": {"clean": {"config": {"days": 1, "apply": True}}}})
    assert dry.success
    assert recent.success
    assert home.instance.has_run(first)
    assert home.launch("clean_old_runs", form).success
    assert pages(home) == before
    assert not home.instance.has_run(first)
    assert home.instance.has_run(second)
    assert home.instance.has_run(red)
    history = home.instance.event_log_storage.get_asset_check_execution_history(KEY, limit=100)
    assert {one.run_id for one in history} == {second, red}


def tick(home: DagsterHome) -> Any:
    """What the schedule asks for."""
    with dg.build_schedule_context(instance=home.instance, resources={"demo": DemoTenants()}) as context:
        return clean_every_night(context)


def test_nothing_is_deleted_unless_the_setting_says_so(
    shared_home: DagsterHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ``DEMO_RETENTION_DAYS`` the schedule skips; with it, it asks for that age."""
    with dg.build_schedule_context(
        instance=shared_home.instance, resources={"demo": DemoTenants()}
    ) as context:
        assert isinstance(clean_every_night(context), dg.SkipReason)
    monkeypatch.setenv("DEMO_RETENTION_DAYS", "30")
    with dg.build_schedule_context(
        instance=shared_home.instance, resources={"demo": DemoTenants()}
    ) as context:
        request = clean_every_night(context)
    assert isinstance(request, dg.RunRequest)
    assert request.run_config == {"ops": {"clean": {"config": {"days": 30, "apply": True}}}}
