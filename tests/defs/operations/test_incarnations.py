"""A slug that was deleted and provisioned again has no materialised month; other tenants keep theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from threading import Thread
from typing import Any

import dagster as dg
import pytest

from demo_pipeline.cli.commands.tenant import delete
from demo_pipeline.cli.kit.dagster_runs import remove_partition
from demo_pipeline.defs.asset_pages.incarnations import begin_tenants
from demo_pipeline.defs.asset_pages.specs import ASSETS, KPI_SNAPSHOT
from demo_pipeline.defs.operations.tenant_partitions import sync_tenants
from demo_pipeline.defs.shared.instance_storage import AssetHistoryStorage
from demo_pipeline.defs.shared.partitions import TENANT_MONTHS, partition_key
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.tenants.delete_tenant import delete_tenant
from demo_pipeline.services.tenants.queries import later_incarnations, list_jobs
from tests.fixtures.dagster_instance import DagsterHome
from tests.services.patches.builders import plan

KEY = dg.AssetKey(KPI_SNAPSHOT)
MONTHS = {"2025-01", "2025-02", "2025-03"}
NOWHERE = "postgresql://nobody@127.0.0.1:9/dagster"


def of(slug: str) -> set[str]:
    """The keys of a tenant of three months."""
    return {f"{month}|{slug}" for month in MONTHS}


def status(home: DagsterHome, asset: str) -> Any:
    """What the asset pages show of the partitions: the cached status, brought up to date."""
    from dagster._core.storage.partition_status_cache import (  # noqa: TID251 - the pages ask for it
        get_and_update_asset_status_cache_value,
    )

    return get_and_update_asset_status_cache_value(home.instance, dg.AssetKey(asset), TENANT_MONTHS)


def shown(home: DagsterHome, asset: str) -> set[str]:
    """Keys that the asset pages show as materialised."""
    cached = status(home, asset)
    subset = cached.deserialize_materialized_partition_subsets(TENANT_MONTHS)
    return {str(key) for key in subset.get_partition_keys()}


def tick(home: DagsterHome) -> None:
    """A tick of the sensor, with its requests carried out."""
    with dg.build_sensor_context(instance=home.instance, resources={"demo": DemoTenants()}) as context:
        result = sync_tenants(context)
    assert isinstance(result, dg.SensorResult)
    for request in result.dynamic_partitions_requests or ():
        assert isinstance(request, dg.AddDynamicPartitionsRequest)
        home.instance.add_dynamic_partitions("tenant", list(request.partition_keys))


@pytest.fixture
def two(dagster_home: DagsterHome) -> Iterator[DagsterHome]:
    """Two tenants with three months each; a slug with a letter that LIKE would take for any."""
    dagster_home.provision("acme", "acme-2")
    # Otherwise each event opens connections of its own.
    dagster_home.instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)
    # A real run is made by the test that deletes a tenant; here its traces are enough.
    for slug, month in product(("acme", "acme-2"), sorted(MONTHS)):
        key = partition_key(slug, Month.parse(month))
        for asset in ASSETS:
            dagster_home.instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=key))
        dagster_home.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(KEY, "kpis_match_plan", passed=True, partition=key)
        )
    for asset in ASSETS:
        assert shown(dagster_home, asset) == of("acme") | of("acme-2")
    yield dagster_home
    assert dagster_home.materialised(KPI_SNAPSHOT) >= of("acme-2")
    for asset in ASSETS:
        assert shown(dagster_home, asset) >= of("acme-2"), asset


def assert_no_month(home: DagsterHome) -> None:
    """Nothing of the deleted tenant is shown: events, status, failures, checks, the latest one."""
    for asset in ASSETS:
        assert home.materialised(asset) == of("acme-2"), asset
        assert shown(home, asset) == of("acme-2"), asset
        latest = home.instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert latest is not None
        assert latest.asset_materialization is not None
        assert str(latest.asset_materialization.partition).endswith("|acme-2")
    checks = home.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(KEY, "kpis_match_plan"), limit=100
    )
    assert {str(one.partition) for one in checks} == of("acme-2")


def provision_again(home: DagsterHome) -> None:
    """The next tenant of the slug, made without a word to Dagster."""
    partitions = home.instance.get_dynamic_partitions("tenant")
    home.provision("acme")
    if "acme" not in partitions:
        home.instance.delete_dynamic_partition("tenant", "acme")


def test_a_deleted_tenant_takes_its_months_along(two: DagsterHome) -> None:
    """After the deletion and after the next provisioning no month is green; what is made then is."""
    assert two.materialise("acme").success
    [run] = two.instance.get_runs()
    events = len(two.instance.all_logs(run.run_id))
    delete_tenant(two.database, two.settings, "acme")
    remove_partition(two.settings, two.database, "acme")
    assert_no_month(two)
    assert two.instance.get_dynamic_partitions("tenant") == ["acme-2"]
    assert len(two.instance.all_logs(run.run_id)) == events, "the page of the run is whole"

    provision_again(two)
    tick(two)
    assert_no_month(two)
    assert two.materialise("acme", last="2025-02").success
    assert shown(two, KPI_SNAPSHOT) == of("acme-2") | {"2025-01|acme", "2025-02|acme"}
    tick(two)
    tick(two)
    assert shown(two, KPI_SNAPSHOT) == of("acme-2") | {"2025-01|acme", "2025-02|acme"}


def _by_the_sensor(home: DagsterHome) -> None:
    tick(home)


def _by_provisioning(home: DagsterHome) -> None:
    from demo_pipeline.cli.kit.dagster_runs import begin_incarnation

    begin_incarnation(home.settings, home.database, "acme")


@pytest.mark.parametrize("seen", [_by_the_sensor, _by_provisioning])
def test_it_is_made_up_for_where_dagster_was_away(
    two: DagsterHome, seen: Callable[[DagsterHome], None]
) -> None:
    """Dagster was not reached by the deletion: the first that sees the next tenant forgets the old months."""
    delete_tenant(two.database, two.settings, "acme")
    provision_again(two)
    assert shown(two, KPI_SNAPSHOT) == of("acme") | of("acme-2")
    seen(two)
    assert_no_month(two)


def test_a_run_shows_its_own_months_only(two: DagsterHome) -> None:
    """A run from the pages, before anything else saw the next tenant: only what it made is green."""
    delete_tenant(two.database, two.settings, "acme")
    provision_again(two)
    assert two.run_partitions("2025-01|acme", "2025-01|acme").success
    assert shown(two, KPI_SNAPSHOT) == of("acme-2") | {"2025-01|acme"}
    # Made once: what came since stays.
    assert begin_tenants(two.instance, later_incarnations(two.database)) == ()
    tick(two)
    assert shown(two, KPI_SNAPSHOT) == of("acme-2") | {"2025-01|acme"}


def test_a_deleted_slug_without_a_next_tenant_is_cleared_by_the_sensor(two: DagsterHome) -> None:
    """Dagster was not reached by the deletion, and no tenant follows: the sensor forgets the months."""
    delete_tenant(two.database, two.settings, "acme")
    tick(two)
    assert two.instance.get_dynamic_partitions("tenant") == ["acme-2"]
    assert_no_month(two)


def test_an_instance_of_an_earlier_version_keeps_what_is_of_the_present_tenant(two: DagsterHome) -> None:
    """Months of both tenants without a note of the change: those from before the deletion are forgotten."""
    delete_tenant(two.database, two.settings, "acme")
    provision_again(two)
    # The earlier version has forgotten nothing and noted nothing.
    two.instance.report_runless_asset_event(
        dg.AssetMaterialization(KEY, partition=partition_key("acme", Month.of(2025, 1)))
    )
    assert two.materialised(KPI_SNAPSHOT) >= of("acme")
    tick(two)
    assert shown(two, KPI_SNAPSHOT) == of("acme-2") | {"2025-01|acme"}


def test_a_job_of_a_deleted_tenant_is_not_shown_on_the_next(two: DagsterHome) -> None:
    """A patch that the pages had not shown yet when its tenant was deleted marks no month of the next."""
    apply_patch(two.database, two.settings, "acme", plan({"2025-02": {"contacts_created": 2}}))
    [job] = [job for job in list_jobs(two.database, two.settings, "acme") if job.kind == "patch"]
    delete_tenant(two.database, two.settings, "acme")
    provision_again(two)
    tick(two)
    result = two.launch("show_job", {"ops": {"show": {"config": {"job_id": str(job.id)}}}})
    assert not result.success
    [failure] = result.filter_events(lambda event: event.is_step_failure)
    assert "is another one now" in str(failure.step_failure_data.user_failure_data)
    assert_no_month(two)


def test_of_many_that_see_the_next_tenant_one_forgets(two: DagsterHome) -> None:
    """Processes that find the next tenant at the same moment do not forget what one of them recorded."""
    storage = two.instance.event_log_storage
    assert isinstance(storage, AssetHistoryStorage)
    delete_tenant(two.database, two.settings, "acme")
    provision_again(two)
    [one] = later_incarnations(two.database)
    done: list[bool] = []

    def begin() -> None:
        did = storage.begin_tenant(
            "acme", one.tenant_id, [KEY], sorted(of("acme")), predecessor_deleted_at=datetime.now(UTC)
        )
        if did:
            two.instance.report_runless_asset_event(
                dg.AssetMaterialization(KEY, partition=partition_key("acme", Month.of(2025, 1)))
            )
        done.append(did)

    threads = [Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False, False, False, True]
    assert two.materialised(KPI_SNAPSHOT) == of("acme-2") | {"2025-01|acme"}


def test_single_partitions_can_be_wiped(two: DagsterHome) -> None:
    """Dagster's own call for it, which the pages use, works for the assets of this project."""
    two.instance.wipe_asset_partitions(KEY, ["2025-01|acme"])
    assert shown(two, KPI_SNAPSHOT) == (of("acme") | of("acme-2")) - {"2025-01|acme"}


def test_the_command_deletes_the_tenant_where_dagster_is_away(
    two: DagsterHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tenant is gone, and the warning says that nothing is to be done."""
    monkeypatch.setenv("DEMO_DAGSTER_URL", NOWHERE)
    monkeypatch.delenv("DEMO_DAGSTER_STORAGE_URL", raising=False)
    delete("acme", yes=True, json=True)
    said = capsys.readouterr()
    assert '"deleted"' in said.out
    assert "warning: Dagster still shows acme and its months" in said.err
    assert "nothing is to be done" in said.err
    assert two.query("select slug from crm.tenants") == [("acme-2",)]
