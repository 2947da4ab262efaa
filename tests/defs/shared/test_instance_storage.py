"""Dagster's own database: few connections, none that the server has ended; backfills that left months out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.definitions.events import AssetKeyPartitionKey  # noqa: TID251 - as Dagster counts
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill  # noqa: TID251 - what is stored
from sqlalchemy import event
from sqlalchemy.pool import Pool

from demo_pipeline.definitions import defs
from tests.fixtures.dagster_instance import DagsterHome

ENDED = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


def test_a_run_has_two_connections(dagster_home: DagsterHome) -> None:
    """One for runs and one for events are kept: by default Dagster opens one for each event and each look."""
    dagster_home.provision("acme")
    opened: list[Any] = []

    def count(connection: Any, record: object) -> None:
        del record
        opened.append(connection)

    # As the process of a run opens it.
    with dg.DagsterInstance.get() as instance:
        event.listen(Pool, "connect", count)
        try:
            home = replace(dagster_home, instance=instance)
            run_id = home.run_partitions("2025-01|acme", "2025-03|acme").run_id
        finally:
            event.remove(Pool, "connect", count)
    assert len(dagster_home.instance.all_logs(run_id)) > 40
    assert len(opened) == 2


def test_a_connection_that_the_server_ended_is_replaced(dagster_home: DagsterHome) -> None:
    """After a restart of the server, Dagster's next statement works."""
    assert dagster_home.instance.get_runs_count() == 0
    with psycopg.connect(dagster_home.environment["DEMO_DAGSTER_URL"], autocommit=True) as conn:
        ended = conn.execute(ENDED).fetchone()
    assert ended is not None
    assert ended[0] > 0
    assert dagster_home.instance.get_runs_count() == 0


@pytest.mark.parametrize(
    ("status", "tags", "is_success"),
    [
        (dg.DagsterRunStatus.SUCCESS, {}, True),
        (dg.DagsterRunStatus.FAILURE, {"dagster/will_retry": "true"}, True),
        (dg.DagsterRunStatus.FAILURE, {}, False),
        (dg.DagsterRunStatus.CANCELED, {}, False),
    ],
)
def test_a_backfill_fails_if_a_run_failed_and_not_if_months_were_left_out(
    dagster_home: DagsterHome, status: dg.DagsterRunStatus, tags: Mapping[str, str], *, is_success: bool
) -> None:
    """Dagster counts a month that no run materialised as failed; here only where a run failed for good."""
    instance, key = dagster_home.instance, dg.AssetKey("kpi_snapshot")
    instance.add_dynamic_partitions("tenant", ["acme"])
    graph = defs().resolve_asset_graph()
    stored = PartitionBackfill.from_asset_partitions(
        backfill_id="autumn",
        asset_graph=graph,
        partition_names=["2025-03|acme", "2025-04|acme"],
        asset_selection=[key],
        backfill_timestamp=0.0,
        tags={},
        dynamic_partitions_store=instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    instance.add_backfill(stored)
    instance.create_run_for_job(
        defs().resolve_job_def("materialise_tenants"),
        tags={"dagster/backfill": "autumn", "dagster/partition": "2025-03|acme", **tags},
        status=status,
    )
    data = stored.get_asset_backfill_data(graph)
    left_out = data.target_subset - data.target_subset.from_asset_partition_set(
        {AssetKeyPartitionKey(key, "2025-03|acme")}, graph
    )
    data = data.with_failed_and_downstream_subset(left_out)
    instance.update_backfill(
        stored.with_asset_backfill_data(data, instance, graph).with_status(BulkActionStatus.COMPLETED_FAILED)
    )
    found = instance.get_backfill("autumn")
    assert found is not None
    assert (found.status is BulkActionStatus.COMPLETED_SUCCESS) is is_success
    shown = found.get_asset_backfill_data(graph)
    assert shown.get_num_partitions() == (1 if is_success else 2)
    assert shown.failed_and_downstream_subset.num_partitions_and_non_partitioned_assets == (not is_success)
