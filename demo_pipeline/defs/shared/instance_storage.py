"""Where Dagster keeps runs and events: the storage class that ``dagster.yaml`` names.

A settings file cannot name "the embedded server, wherever it listens today", and an environment variable in
it must be set or nothing loads. So the address is looked up when it is needed, and ``dg check defs`` or
``dagster dev`` work without preparation.

The event log can also delete the history of single partitions, which Dagster's PostgreSQL storage cannot:
``wipe_asset_partitions`` is not implemented there, and ``wipe_assets`` deletes the history of all tenants.
Without it the months of a deleted tenant reappear as materialised for the next tenant with the same slug.
The statements use Dagster's own tables, so they stand here alone, and a test runs them on tables that the
installed version of Dagster created. Events are kept: a run's page shows them as before, but they no longer
belong to an asset. Failed attempts of partitions are forgotten in the same way, and what a run planned for
months that it left out: Dagster would show their checks as skipped for good, and their backfill as failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import dagster as dg

# Not public: what a backfill of assets is stored as.
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill  # noqa: TID251 - see above

# Not public: the code location that a run belongs to, by its name.
from dagster._core.remote_origin import (  # noqa: TID251 - see above
    RegisteredCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from dagster_postgres import DagsterPostgresStorage, PostgresRunStorage, PostgresScheduleStorage

from demo_pipeline.defs.shared.bulk_event_log import STORAGE_ERRORS, BulkEventLogStorage
from demo_pipeline.defs.shared.run_launcher import PROCESS_TAG
from demo_pipeline.defs.shared.run_tags import REQUESTER_TAG
from demo_pipeline.services.platform.instance import storage_url
from demo_pipeline.storage.connection.dagster_session import set_dagster_sessions

#: key in Dagster's key-value table; its value is the id of the present tenant of a slug, or ``_DELETED``
_KEY: Final = "demo_pipeline/tenant/"
_DELETED: Final = "deleted"
#: key of what Dagster asks for before it loads definitions
_DEFINITIONS_STATE: Final = "__latest_defs_state_info__"
#: Serialises processes that find a new incarnation at the same moment: the second must not delete what the
#: first has recorded since.
_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended(%(key)s, 0))"
_READ: Final = "select value from kvs where key = %(key)s"
_WRITE: Final = """
insert into kvs (key, value) values (%(key)s, %(value)s)
on conflict (key) do update set value = excluded.value
"""
_DELETE_HISTORY: Final = (
    """
    delete from asset_event_tags where event_id in (
        select id from event_logs where asset_key = %(asset)s and partition = any (%(partitions)s)
            and (%(before)s::timestamp is null or timestamp <= %(before)s::timestamp))
    """,
    """
    update event_logs set asset_key = null where asset_key = %(asset)s and partition = any (%(partitions)s)
        and (%(before)s::timestamp is null or timestamp <= %(before)s::timestamp)
    """,
    """
    delete from asset_check_executions where asset_key = %(asset)s and partition = any (%(partitions)s)
        and (%(before)s::timestamp is null
            or coalesce(evaluation_event_timestamp, create_timestamp) <= %(before)s::timestamp)
    """,
    # Values derived from the events are derived again by the next reader; without ``last_materialization``
    # Dagster reads the latest event.
    """
    update asset_keys set cached_status_data = null, last_materialization = null
    where asset_key = %(asset)s
    """,
)


#: A partition is failed while its latest attempt is one of a failed run. The next reader derives the status.
_FORGET_ATTEMPTS: Final = (
    """
    update event_logs set asset_key = null where asset_key = %(asset)s and partition = any (%(partitions)s)
        and dagster_event_type = 'ASSET_MATERIALIZATION_PLANNED' and id <= %(last)s
    """,
    "update asset_keys set cached_status_data = null where asset_key = %(asset)s",
)

#: Dagster plans each partition of a run, and each check on it, when the run is queued.
_FORGET_PLANNED: Final = (
    """
    delete from asset_check_executions where asset_key = %(asset)s and partition = any (%(partitions)s)
        and execution_status = 'PLANNED'
    """,
    """
    update event_logs set asset_key = null where asset_key = %(asset)s and partition = any (%(partitions)s)
        and dagster_event_type = 'ASSET_MATERIALIZATION_PLANNED'
    """,
    "update asset_keys set cached_status_data = null where asset_key = %(asset)s",
)
_BACKFILL_TAG: Final = "dagster/backfill"
_WILL_RETRY_TAG: Final = "dagster/will_retry"
_MAX_RETRIES_TAG: Final = "dagster/max_retries"
#: tags of a run of the command line that are not true of one that the pages launch again
_OF_COMMAND_LINE: Final = frozenset({PROCESS_TAG, REQUESTER_TAG, _MAX_RETRIES_TAG})
#: of ``workspace.yaml``, with the name that Dagster gives to the definitions of a module
_ORIGIN: Final = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("demo_pipeline"), "__repository__")


#: Runs with an event that a page shows as the present state: the latest materialisation, observation and
#: attempt of each partition, and the latest verdict of each check on it.
_SHOWN_RUNS: Final = """
select run_id from event_logs where id in (
    select max(id) from event_logs where asset_key is not null and dagster_event_type = any (%(types)s)
    group by asset_key, partition, dagster_event_type)
union
select run_id from asset_check_executions where id in (
    select max(id) from asset_check_executions group by asset_key, check_name, partition)
"""
_DELETE_VERDICTS: Final = "delete from asset_check_executions where run_id = %(run)s"
_SHOWN_EVENTS: Final = [
    dg.DagsterEventType.ASSET_MATERIALIZATION.value,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
    dg.DagsterEventType.ASSET_OBSERVATION.value,
]


class AssetHistoryStorage(BulkEventLogStorage):
    """Dagster's event log, which can delete the history of single partitions."""

    def wipe_asset_partitions(self, asset_key: dg.AssetKey, partition_keys: Sequence[str]) -> None:
        """Delete the history of the partitions of an asset."""
        with self.index_transaction() as connection:
            _delete_history(connection, [asset_key], partition_keys, None)

    def forget_attempts(self, asset_key: dg.AssetKey, partition_keys: Sequence[str], last_event: int) -> None:
        """Forget attempts to materialise the partitions, up to an event: what was materialised stays.

        A partition whose attempts failed is no longer shown as failed.
        """
        parameters = {
            "asset": asset_key.to_string(),
            "partitions": list(partition_keys),
            "last": last_event,
        }
        with self.index_transaction() as connection:
            for statement in _FORGET_ATTEMPTS:
                connection.exec_driver_sql(statement, parameters)

    def forget_planned(self, assets: Iterable[dg.AssetKey], partition_keys: Sequence[str]) -> None:
        """Forget what runs planned for partitions that they leave out, checks included."""
        with self.index_transaction() as connection:
            for asset in assets:
                parameters = {"asset": asset.to_string(), "partitions": list(partition_keys)}
                for statement in _FORGET_PLANNED:
                    connection.exec_driver_sql(statement, parameters)

    def shown_runs(self) -> set[str]:
        """Runs without which an asset page would show something else."""
        with self.index_connection() as connection:
            found = connection.exec_driver_sql(_SHOWN_RUNS, {"types": _SHOWN_EVENTS})
            return {str(run_id) for (run_id,) in found}

    def delete_verdicts(self, run_id: str) -> None:
        """Delete the verdicts of a run; Dagster keeps them when the run is deleted."""
        with self.index_transaction() as connection:
            connection.exec_driver_sql(_DELETE_VERDICTS, {"run": run_id})

    def end_tenant(self, slug: str, assets: Iterable[dg.AssetKey], partition_keys: Sequence[str]) -> None:
        """Delete the history of a deleted tenant, and record that the slug has no tenant."""
        key = {"key": f"{_KEY}{slug}"}
        with self.index_transaction() as connection:
            connection.exec_driver_sql(_LOCK, key)
            _delete_history(connection, assets, partition_keys, None)
            connection.exec_driver_sql(_WRITE, {**key, "value": _DELETED})

    def begin_tenant(
        self,
        slug: str,
        tenant_id: UUID,
        assets: Iterable[dg.AssetKey],
        partition_keys: Sequence[str],
        *,
        predecessor_deleted_at: datetime,
    ) -> bool:
        """Delete the history of earlier tenants of the slug, once; True if this call did it.

        Where the slug has no record yet, events of the present tenant may exist already: then only events up
        to ``predecessor_deleted_at`` are deleted.
        """
        key = {"key": f"{_KEY}{slug}"}
        with self.index_transaction() as connection:
            if connection.exec_driver_sql(_READ, key).scalar() == str(tenant_id):
                return False
            connection.exec_driver_sql(_LOCK, key)
            recorded = connection.exec_driver_sql(_READ, key).scalar()
            if recorded == str(tenant_id):
                return False
            before = predecessor_deleted_at.astimezone(UTC).replace(tzinfo=None) if recorded is None else None
            _delete_history(connection, assets, partition_keys, before)
            connection.exec_driver_sql(_WRITE, {**key, "value": str(tenant_id)})
        return True


def forget_planned(
    instance: dg.DagsterInstance, assets: Iterable[dg.AssetKey], partition_keys: Sequence[str]
) -> None:
    """Forget what runs planned for partitions that they leave out."""
    # Another storage class, from a foreign dagster.yaml, has no such method.
    if isinstance(storage := instance.event_log_storage, AssetHistoryStorage):
        storage.forget_planned(assets, partition_keys)


class ProjectRunStorage(PostgresRunStorage):
    """Dagster's runs and backfills.

    A code server can load the definitions while the database is away. A backfill whose runs have all
    succeeded is a success: partitions that they left out do not belong to it. Runs of the command line belong
    to the code location: Dagster's timeline and its pages of jobs leave out runs that belong to none.
    """

    _has_run_stats = False

    def add_run(self, dagster_run: dg.DagsterRun) -> dg.DagsterRun:
        """Store a run."""
        if PROCESS_TAG in dagster_run.tags:
            is_launched = dagster_run.remote_job_origin is not None
            dagster_run = (_launched_again if is_launched else _of_command_line)(dagster_run)
        return super().add_run(dagster_run)

    def has_run_stats_index_cols(self) -> bool:
        """Whether the table of runs has its newer columns; asked until it has them."""
        self._has_run_stats = self._has_run_stats or super().has_run_stats_index_cols()
        return self._has_run_stats

    def get_cursor_values(self, keys: set[str]) -> Mapping[str, str]:
        """Values that Dagster keeps; of the state of definitions, which ours have not, none is no error."""
        try:
            return super().get_cursor_values(keys)
        except STORAGE_ERRORS:
            if keys == {_DEFINITIONS_STATE}:
                return {}
            raise

    def update_backfill(self, partition_backfill: PartitionBackfill) -> None:
        """Store a backfill, without the partitions that its runs left out."""
        super().update_backfill(self._without_left_out(partition_backfill))

    def _without_left_out(self, backfill: PartitionBackfill) -> PartitionBackfill:
        """Dagster counts each partition that was not materialised as failed, whatever became of its run."""
        data = backfill.asset_backfill_data
        if backfill.status is not BulkActionStatus.COMPLETED_FAILED or data is None:
            return backfill
        failed = self.get_runs(
            dg.RunsFilter(
                tags={_BACKFILL_TAG: backfill.backfill_id},
                statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
            )
        )
        if any(run.tags.get(_WILL_RETRY_TAG) != "true" for run in failed):
            return backfill
        left_out = data.failed_and_downstream_subset
        return backfill._replace(
            status=BulkActionStatus.COMPLETED_SUCCESS,
            asset_backfill_data=data._replace(
                target_subset=data.target_subset - left_out,
                requested_subset=data.requested_subset - left_out,
                failed_and_downstream_subset=left_out - left_out,
            ),
        )


class ProjectStorage(DagsterPostgresStorage):
    """PostgreSQL storage in Dagster's own database."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No settings: the environment has them."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> ProjectStorage:  # noqa: ARG003
        """Look up the database and create missing tables, if it answers.

        A code server that starts while it is away must load all the same: without code the daemon gives up
        what it is doing, retries and backfills among it. Raises ``DatabaseError`` where the embedded server
        does not start.
        """
        url = storage_url()
        set_dagster_sessions()
        # The parts that this makes are replaced, so they need not look for their tables.
        storage = cls(postgres_url=url, should_autocreate_tables=False, inst_data=inst_data)
        try:
            storage._make_parts(url, should_autocreate_tables=True)
        except STORAGE_ERRORS:
            storage._make_parts(url, should_autocreate_tables=False)
        for part in (storage.run_storage, storage.event_log_storage, storage.schedule_storage):
            # Dagster connects for every event, 90 times in a run of three months. This is its own pool of one
            # connection; 0 is no limit for a statement.
            part.optimize_for_webserver(statement_timeout=0, pool_recycle=3600, max_overflow=20)
        return storage

    def _make_parts(self, url: str, *, should_autocreate_tables: bool) -> None:
        self._run_storage = ProjectRunStorage(url, should_autocreate_tables)
        self._event_log_storage = AssetHistoryStorage(url, should_autocreate_tables)
        self._schedule_storage = PostgresScheduleStorage(url, should_autocreate_tables)


def _of_command_line(run: dg.DagsterRun) -> dg.DagsterRun:
    """Of the code location; the daemon, which could launch it now, does not do so when it fails."""
    run = run.with_tags({**run.tags, _MAX_RETRIES_TAG: "0"})
    return run.with_job_origin(_ORIGIN.get_job_origin(run.job_name))


def _launched_again(run: dg.DagsterRun) -> dg.DagsterRun:
    """A run of the command line that somebody launches again on the pages: no longer in its process."""
    return run.with_tags({tag: value for tag, value in run.tags.items() if tag not in _OF_COMMAND_LINE})


def _delete_history(
    connection: Any, assets: Iterable[dg.AssetKey], partition_keys: Sequence[str], before: datetime | None
) -> None:
    """Run the statements for each asset. ``before``: naive UTC time, as in Dagster's tables."""
    for asset in assets:
        parameters = {"asset": asset.to_string(), "partitions": list(partition_keys), "before": before}
        for statement in _DELETE_HISTORY:
            connection.exec_driver_sql(statement, parameters)
