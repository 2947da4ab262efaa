"""Dagster's event log in PostgreSQL, written in bulk.

Dagster stores each event of a run by itself, with about four statements: for one tenant over 24 months that
is a thousand statements, which cost the server more than the tenant's own rows. Here the events of steps wait
in memory and are written together, in one transaction.

What waits is written before anything else is read or written through this object, before any event that
changes the state of a run, after ``_LONGEST_WAIT`` seconds, and when ``write_pending_events`` asks for it.
So readers in the process see every event, in order. A process that is killed loses at most what waited. What
a run showed of a committed job is shown again by the run's retry or by the job ``show_job``.

The statements use Dagster's own tables and private methods, so they stand here alone, and tests compare what
they write with what Dagster's own storage writes.
"""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

import dagster as dg
import sqlalchemy as sa
from dagster._core.events import ASSET_EVENTS  # noqa: TID251 - see above
from dagster._core.events.log import EventLogEntry  # noqa: TID251 - see above
from dagster._core.storage.event_log import AssetKeyTable, SqlEventLogStorageTable  # noqa: TID251 - see above
from dagster._core.storage.event_log.migration import ASSET_KEY_INDEX_COLS  # noqa: TID251 - see above
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable  # noqa: TID251 - see above
from dagster._serdes import serialize_value
from dagster_postgres import PostgresEventLogStorage
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError

#: What Dagster's storage raises while its database is away.
STORAGE_ERRORS: Final[tuple[type[Exception], ...]] = (DagsterPostgresException, SQLAlchemyError)
_LONGEST_WAIT: Final = 0.5
_MOST_WAITING: Final = 2_000
_PLANNED: Final = dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
_EVALUATED: Final = dg.DagsterEventType.ASSET_CHECK_EVALUATION
#: Events of steps that no state of a run depends on. Log messages have no type and may wait too.
_MAY_WAIT: Final = frozenset(
    {
        None,
        _PLANNED,
        _EVALUATED,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        dg.DagsterEventType.ASSET_OBSERVATION,
        dg.DagsterEventType.HANDLED_OUTPUT,
        dg.DagsterEventType.LOADED_INPUT,
        dg.DagsterEventType.LOGS_CAPTURED,
        dg.DagsterEventType.RESOURCE_INIT_STARTED,
        dg.DagsterEventType.RESOURCE_INIT_SUCCESS,
        dg.DagsterEventType.STEP_INPUT,
        dg.DagsterEventType.STEP_OUTPUT,
        dg.DagsterEventType.STEP_START,
        dg.DagsterEventType.STEP_SUCCESS,
    }
)
#: A verdict replaces the planned row of its check, run and partition; without one it is a row of its own.
_STORE_VERDICTS: Final = """
with verdict as (
    select * from unnest(
        %(asset_key)s::text[], %(check_name)s::text[], %(run_id)s::text[], %(partition)s::text[],
        %(execution_status)s::text[], %(evaluation_event)s::text[],
        %(evaluation_event_timestamp)s::timestamp[], %(evaluation_event_storage_id)s::bigint[],
        %(materialization_event_storage_id)s::bigint[]
    ) as v (asset_key, check_name, run_id, partition, execution_status, evaluation_event,
            evaluation_event_timestamp, evaluation_event_storage_id, materialization_event_storage_id)
), replaced as (
    update asset_check_executions e set
        execution_status = v.execution_status,
        evaluation_event = v.evaluation_event,
        evaluation_event_timestamp = v.evaluation_event_timestamp,
        evaluation_event_storage_id = v.evaluation_event_storage_id,
        materialization_event_storage_id = v.materialization_event_storage_id
    from verdict v
    where e.asset_key = v.asset_key and e.check_name = v.check_name and e.run_id = v.run_id
        and (e.partition = v.partition or (e.partition is null and v.partition is null))
    returning v.evaluation_event_storage_id
)
insert into asset_check_executions (asset_key, check_name, run_id, partition, execution_status,
    evaluation_event, evaluation_event_timestamp, evaluation_event_storage_id,
    materialization_event_storage_id)
select v.* from verdict v
where v.evaluation_event_storage_id not in (select evaluation_event_storage_id from replaced)
"""


def write_pending_events(instance: dg.DagsterInstance) -> None:
    """Write the events that wait in this process; the pages show them from now on."""
    # Another storage class, from a foreign dagster.yaml, has none.
    if isinstance(storage := instance.event_log_storage, BulkEventLogStorage):
        storage.write_pending()


class BulkEventLogStorage(PostgresEventLogStorage):
    """Dagster's event log, which writes the events of steps in bulk."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._pending: list[EventLogEntry] = []
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None
        self._existing_tables: set[str] = set()
        super().__init__(*args, **kwargs)
        atexit.register(self._write_late)

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event: at once, or with those after it."""
        with self._lock:
            self._pending.append(event)
            # Without a run it is the only one that its caller reports.
            if (
                event.dagster_event_type not in _MAY_WAIT
                or not event.run_id
                or len(self._pending) >= _MOST_WAITING
            ):
                self.write_pending()
            elif self._timer is None:
                self._timer = threading.Timer(_LONGEST_WAIT, self._write_late)
                self._timer.daemon = True
                self._timer.start()

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events together."""
        with self._lock:
            # As Dagster's own storage does.
            self._pending += [e for e in events if not e.get_dagster_event().is_asset_failed_to_materialize]
            self.write_pending()

    def write_pending(self) -> None:
        """Write the events that wait, in one transaction. What could not be written goes on waiting."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            events, self._pending = self._pending, []
            if not events:
                return
            try:
                self._write(events)
            except BaseException:
                self._pending = [*events, *self._pending]
                raise

    def has_table(self, table_name: str) -> bool:
        """Whether a table exists; asked once for each that does."""
        if table_name not in self._existing_tables and super().has_table(table_name):
            self._existing_tables.add(table_name)
        return table_name in self._existing_tables

    def dispose(self) -> None:
        atexit.unregister(self._write_late)
        self.write_pending()
        super().dispose()

    def _connect(self) -> AbstractContextManager[sa.Connection]:
        # Every statement of this class and of its base goes through here.
        self.write_pending()
        return super()._connect()

    def _write_late(self) -> None:
        try:
            self.write_pending()
        except Exception as error:  # noqa: BLE001 - it has no caller; the next event tries again and raises
            sys.stderr.write(f"events of a run are not written yet: {error}\n")

    def _write(self, events: Sequence[EventLogEntry]) -> None:
        insert = SqlEventLogStorageTable.insert().returning(
            SqlEventLogStorageTable.c.id, sort_by_parameter_order=True
        )
        # Asked within the transaction, it would take a second connection.
        has_index_columns = self.has_secondary_index(ASSET_KEY_INDEX_COLS)
        with self.index_transaction() as connection:
            ids = list(connection.execute(insert, [self._event_to_row(event) for event in events]).scalars())
            stored = list(zip(ids, events, strict=True))
            of_assets = [
                (event_id, event)
                for event_id, event in stored
                if event.dagster_event_type in ASSET_EVENTS and event.get_dagster_event().asset_key
            ]
            self._store_asset_event_tags(
                connection, [event for _, event in of_assets], [event_id for event_id, _ in of_assets]
            )
            self._store_assets(connection, of_assets, has_index_columns=has_index_columns)
            self._store_planned(connection, _of_type(stored, _PLANNED))
            self._store_verdicts(connection, _of_type(stored, _EVALUATED))

    def _store_assets(
        self,
        connection: sa.Connection,
        events: Iterable[tuple[int, EventLogEntry]],
        *,
        has_index_columns: bool,
    ) -> None:
        """Update each asset by its last event of each kind, as if they had been stored one by one."""
        last: dict[str, dict[Any, tuple[int, EventLogEntry]]] = {}
        for event_id, event in events:
            asset = event.get_dagster_event().asset_key
            assert asset is not None
            kinds = last.setdefault(asset.to_string(), {})
            kinds.pop(event.dagster_event_type, None)
            kinds[event.dagster_event_type] = (event_id, event)
        # Every process updates them in the same order: no deadlock.
        for asset, kinds in sorted(last.items()):
            values: dict[str, Any] = {}
            for event_id, event in kinds.values():
                values |= self._get_asset_entry_values(event, event_id, has_index_columns)
            query = postgresql.insert(AssetKeyTable).values(asset_key=asset, **values)
            connection.execute(
                query.on_conflict_do_update(index_elements=[AssetKeyTable.c.asset_key], set_=values)
                if values
                else query.on_conflict_do_nothing()
            )

    def _store_planned(self, connection: sa.Connection, events: Sequence[tuple[int, EventLogEntry]]) -> None:
        rows: list[dict[str, Any]] = []
        for event_id, event in events:
            planned: Any = event.get_dagster_event().event_specific_data
            subset = planned.partitions_subset
            serialized = serialize_value(event)
            rows += [
                {
                    "asset_key": planned.asset_key.to_string(),
                    "check_name": planned.check_name,
                    "partition": key,
                    "run_id": event.run_id,
                    "execution_status": "PLANNED",
                    "evaluation_event": serialized,
                    "evaluation_event_timestamp": self._event_insert_timestamp(event),
                    "evaluation_event_storage_id": event_id,
                }
                for key in (subset.get_partition_keys() if subset else [None])
            ]
        if rows:
            connection.execute(AssetCheckExecutionsTable.insert(), rows)

    def _store_verdicts(self, connection: sa.Connection, events: Sequence[tuple[int, EventLogEntry]]) -> None:
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for event_id, event in events:
            verdict: Any = event.get_dagster_event().event_specific_data
            target = verdict.target_materialization_data
            key = {
                "asset_key": verdict.asset_key.to_string(),
                "check_name": verdict.check_name,
                "run_id": event.run_id,
                "partition": verdict.partition,
            }
            # The last verdict of a run on a partition counts.
            rows[tuple(key.values())] = {
                **key,
                "execution_status": "SUCCEEDED" if verdict.passed else "FAILED",
                "evaluation_event": serialize_value(event),
                "evaluation_event_timestamp": self._event_insert_timestamp(event),
                "evaluation_event_storage_id": event_id,
                "materialization_event_storage_id": target.storage_id if target else None,
            }
        if rows:
            columns = next(iter(rows.values()))
            connection.exec_driver_sql(
                _STORE_VERDICTS, {column: [row[column] for row in rows.values()] for column in columns}
            )


def _of_type(
    events: Iterable[tuple[int, EventLogEntry]], kind: dg.DagsterEventType
) -> list[tuple[int, EventLogEntry]]:
    return [(event_id, event) for event_id, event in events if event.dagster_event_type is kind]
