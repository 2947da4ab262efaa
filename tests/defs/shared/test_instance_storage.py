"""Dagster's connections to its own database: few of them, and none that the server has ended."""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy import event
from sqlalchemy.pool import Pool

from tests.fixtures.dagster_instance import DagsterHome

ENDED = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


def test_a_run_opens_fewer_connections_than_it_has_events(dagster_home: DagsterHome) -> None:
    """Dagster's storage keeps a connection: by default it would open one for each event and each look."""
    dagster_home.provision("acme")
    opened: list[Any] = []

    def count(connection: Any, record: object) -> None:
        del record
        opened.append(connection)

    event.listen(Pool, "connect", count)
    try:
        run_id = dagster_home.run_partitions("2025-01|acme", "2025-03|acme").run_id
    finally:
        event.remove(Pool, "connect", count)
    assert len(dagster_home.instance.all_logs(run_id)) > 40
    assert len(opened) < 10


def test_a_connection_that_the_server_ended_is_replaced(dagster_home: DagsterHome) -> None:
    """After a restart of the server, Dagster's next statement works."""
    assert dagster_home.instance.get_runs_count() == 0
    with psycopg.connect(dagster_home.environment["DEMO_DAGSTER_URL"], autocommit=True) as conn:
        ended = conn.execute(ENDED).fetchone()
    assert ended is not None
    assert ended[0] > 0
    assert dagster_home.instance.get_runs_count() == 0
