"""Events that are written in bulk: the same tables as by Dagster's own storage, and nothing is lost."""

import os
import signal
import subprocess
import sys
from typing import Any, Final

import dagster as dg
import pytest
import sqlalchemy as sa
import sqlalchemy.event
from dagster_postgres import PostgresEventLogStorage
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import Pool

from demo_pipeline.defs.shared.bulk_event_log import BulkEventLogStorage, write_pending_events
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.embedded_server import wait_until
from tests.fixtures.postgres import PostgresServer, new_database

#: what readers derive from the events is left out, and the time at which a row was written
_TABLES: Final = {
    "event_logs": "id, run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition",
    "asset_event_tags": "asset_key, key, value, event_timestamp, event_id",
    "asset_keys": "asset_key, last_materialization, last_run_id, last_materialization_timestamp,"
    " wipe_timestamp",
    "asset_check_executions": "asset_key, check_name, partition, run_id, execution_status, evaluation_event,"
    " evaluation_event_timestamp, evaluation_event_storage_id, materialization_event_storage_id",
}
#: one event that waits and is never followed by another, with the process killed by itself at the end
_KILLED: Final = """
import os, signal, sys
import dagster as dg
from demo_pipeline.defs.shared.bulk_event_log import write_pending_events
@dg.op(out={})
def say(context):
    for number in range(3):
        yield dg.AssetMaterialization("thing", partition=str(number))
    write_pending_events(context.instance)
    yield dg.AssetMaterialization("thing", partition="late")
    os.kill(os.getpid(), signal.SIGKILL)
@dg.job
def job():
    say()
with dg.DagsterInstance.get() as instance:
    job.execute_in_process(instance=instance)
"""


def contents(storage: PostgresEventLogStorage) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each table, in an order of their own."""
    with storage.index_connection() as connection:
        return {
            table: [
                tuple(row)
                for row in connection.execute(sa.text(f"select {columns} from {table} order by 1, 2, 3, 4"))
            ]
            for table, columns in _TABLES.items()
        }


def test_events_leave_the_same_rows_as_in_dagsters_own_storage(
    dagster_home: DagsterHome, postgres_server: PostgresServer, dagster_template: str
) -> None:
    """Of a run with a good and a bad tenant, of one that repeats it, and of verdicts that nobody planned."""
    dagster_home.provision("acme", "bravo")
    dagster_home.spoil_values("bravo")
    dagster_home.run_partitions("2025-01|acme", "2025-03|bravo")
    dagster_home.mend_values()
    dagster_home.run_partitions("2025-02|acme", "2025-03|bravo")
    one_tag = {"dagster/data_version": "7", "colour": "red"}

    @dg.op(out={})
    def say() -> Any:
        yield dg.AssetMaterialization("thing", partition="1", tags=one_tag)

    @dg.job
    def job() -> None:
        say()

    job.execute_in_process(instance=dagster_home.instance)
    runs = sorted(dagster_home.instance.get_runs(), key=lambda run: run.run_id)
    events = [event for run in runs for event in dagster_home.instance.all_logs(run.run_id)]
    kinds = {event.dagster_event_type for event in events}
    assert {
        dg.DagsterEventType.ASSET_CHECK_EVALUATION,
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        dg.DagsterEventType.RUN_FAILURE,
        dg.DagsterEventType.RUN_SUCCESS,
        None,
    } <= kinds
    planned = dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
    # Those of the second run were not planned.
    events = [e for e in events if not (e.dagster_event_type is planned and e.run_id == runs[1].run_id)]
    with (
        new_database(postgres_server, template=dagster_template) as own,
        new_database(postgres_server, template=dagster_template) as bulk,
    ):
        url = "postgresql+psycopg2://" + own.admin_url.partition("://")[2]
        expected = PostgresEventLogStorage(url)
        found = BulkEventLogStorage("postgresql+psycopg2://" + bulk.admin_url.partition("://")[2])
        try:
            for event in events:
                expected.store_event(event)
                found.store_event(event)
            for table, rows in contents(expected).items():
                assert rows, table
                assert contents(found)[table] == rows, table
        finally:
            expected.dispose()
            found.dispose()


def test_readers_of_the_process_see_every_event(dagster_home: DagsterHome) -> None:
    """An event that waits is there for the next statement, in order."""
    seen = list[int]()

    @dg.op(out={})
    def say(context: dg.OpExecutionContext) -> Any:
        for number in range(3):
            yield dg.AssetMaterialization("thing", partition=str(number))
            seen.append(len(context.instance.get_materialized_partitions(dg.AssetKey("thing"))))

    @dg.job
    def job() -> None:
        say()

    job.execute_in_process(instance=dagster_home.instance)
    assert seen == [1, 2, 3]


def test_events_that_wait_are_shown_while_the_run_goes_on(dagster_home: DagsterHome) -> None:
    """Another process sees what a step did, though the step does nothing more."""
    shown = list[int]()

    @dg.op(out={})
    def say(context: dg.OpExecutionContext) -> Any:
        yield dg.AssetMaterialization("thing", partition="1")
        other = dg.DagsterInstance.get()
        wait_until(lambda: bool(other.get_materialized_partitions(dg.AssetKey("thing"))), 30)
        shown.append(len(other.get_materialized_partitions(dg.AssetKey("thing"))))
        other.dispose()

    @dg.job
    def job() -> None:
        say()

    job.execute_in_process(instance=dagster_home.instance)
    assert shown == [1]


def test_what_could_not_be_written_is_written_later(dagster_home: DagsterHome) -> None:
    """While the server refuses, an event that must not wait raises; nothing is lost or comes twice."""
    storage = dagster_home.instance.event_log_storage
    assert isinstance(storage, BulkEventLogStorage)

    def asset(key: str) -> None:
        dagster_home.instance.report_runless_asset_event(dg.AssetMaterialization("thing", partition=key))

    asset("0")
    with storage.index_connection() as connection:
        connection.execute(sa.text("alter table event_logs rename to elsewhere"))
    with pytest.raises(ProgrammingError):
        asset("1")
    with pytest.raises(ProgrammingError):
        write_pending_events(dagster_home.instance)
    # Not through the storage: it would try to write what waits.
    engine = sa.create_engine(storage.postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("alter table elsewhere rename to event_logs"))
    engine.dispose()
    assert dagster_home.instance.get_materialized_partitions(dg.AssetKey("thing")) == {"0", "1"}
    with storage.index_connection() as connection:
        count = connection.execute(sa.text("select count(*) from event_logs")).scalar()
    assert count == 2


def test_a_killed_process_loses_only_what_waited(dagster_home: DagsterHome) -> None:
    """What was asked to be written is there after SIGKILL, whole."""
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _KILLED],
        env={**os.environ, **dagster_home.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stdout.decode()
    assert dagster_home.instance.get_materialized_partitions(dg.AssetKey("thing")) == {"0", "1", "2"}


@pytest.mark.usefixtures("made_acme")
def test_a_run_keeps_its_connections_and_writes_in_bulk(
    dagster_home: DagsterHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statements and connections of a run do not grow with its months."""
    counts = list[tuple[int, int]]()
    statements, connections = [0], [0]

    def count_statement(*_: object) -> None:
        statements[0] += 1

    def count_connection(*_: object) -> None:
        connections[0] += 1

    sqlalchemy.event.listen(sa.Engine, "before_cursor_execute", count_statement)
    sqlalchemy.event.listen(Pool, "connect", count_connection)
    try:
        for last in ("2025-01", "2025-03"):
            before = statements[0], connections[0]
            assert dagster_home.materialise("acme", "2025-01", last).success
            counts.append((statements[0] - before[0], connections[0] - before[1]))
    finally:
        sqlalchemy.event.remove(sa.Engine, "before_cursor_execute", count_statement)
        sqlalchemy.event.remove(Pool, "connect", count_connection)
    one, three = counts
    assert three[0] <= one[0] + 12
    assert three[1] == one[1]
