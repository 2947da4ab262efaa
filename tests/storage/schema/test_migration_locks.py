"""Migrations of tables that are in use: they wait a little, try again, and give up unharmed."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import Connection

from demo_pipeline.domain.core.errors import BusyError
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.schema import busy_tables, migrate, revision
from tests.fixtures.cli import RunChanged
from tests.fixtures.ledger_steps import real_tenant
from tests.fixtures.postgres import MakeDatabase
from tests.storage.schema.catalogue import rows_of, whole

Conn = Connection[Any]


@contextmanager
def held(database: Database, statement: str, *, seconds: float | None = None) -> Generator[int]:
    """A client that has executed ``statement`` in a transaction and lets go later, or at the end."""
    with psycopg.connect(database.admin_url, application_name="a report") as conn:
        conn.execute(statement.encode())
        timer = threading.Timer(seconds or 0, conn.rollback)
        if seconds is not None:
            timer.start()
        try:
            yield conn.info.backend_pid
        finally:
            timer.cancel()
            if timer.is_alive():
                timer.join()


@pytest.fixture
def at_first(make_database: MakeDatabase) -> Database:
    """A database at the first revision, with a customer in it."""
    database = make_database(is_migrated=False)
    migrate.upgrade(database.admin_url, revision.known_revisions()[0])
    with database.admin() as conn:
        real_tenant(conn)
    return database


@pytest.mark.risk("G10", partial=True)
def test_an_upgrade_waits_for_a_busy_table_and_succeeds(at_first: Database) -> None:
    """A client that reads for longer than the lock timeout costs a try, not the upgrade."""
    started = time.monotonic()
    with held(at_first, "select from crm.contacts", seconds=2.5):
        migrate.upgrade(at_first.admin_url)
    assert time.monotonic() - started > 2.5
    with at_first.admin() as conn:
        revision.require_current(conn)


@pytest.mark.risk("G10", partial=True)
def test_a_table_that_stays_busy_ends_the_upgrade(at_first: Database, changed_command: RunChanged) -> None:
    """Exit code 5 and who is in the way; schema, rows and revision are those from before."""
    once = "from demo_pipeline.storage import busy_tables; busy_tables.LOCK_TRIES = 3"
    environment = {"DEMO_DATABASE_URL": at_first.admin_url, "DEMO_LOADER_URL": ""}
    with at_first.admin() as conn:
        # The index that is made outside of a transaction is there already when the rest cannot be done.
        before = {name: rows for name, rows in whole(conn).items() if name != "indexes"}, rows_of(conn)
        with held(at_first, "select from crm.contacts") as pid:
            done = changed_command(once, "db", "upgrade", "--json", environment=environment)
        assert done.code == 5
        assert done.error["code"] == "busy"
        (blocker,) = done.error["details"]["blockers"]
        assert (blocker["pid"], blocker["application"]) == (pid, "a report")
        assert blocker["query_start"]
        assert f"process {pid} ('a report'" in done.error["message"]
        after = {name: rows for name, rows in whole(conn).items() if name != "indexes"}, rows_of(conn)
        assert after == before
        assert revision.current_revision(conn) == "0001"
        # And what was left half-way does not stand in the way of the next upgrade.
        migrate.upgrade(at_first.admin_url)
        revision.require_current(conn)


@pytest.mark.risk("G10", partial=True)
@pytest.mark.parametrize(
    ("table", "target", "stays"), [("contacts", "0004", "0007"), ("users", "0001", "0002")]
)
def test_a_downgrade_waits_for_nobody_long(
    database: Database,
    admin_conn: Conn,
    monkeypatch: pytest.MonkeyPatch,
    table: LiteralString,
    target: str,
    stays: str,
) -> None:
    """A lock that somebody holds ends the downgrade soon, at a whole revision, and never too far back.

    Revisions that do not touch that table are left; one more step back there would be another schema.
    """
    monkeypatch.setattr(migrate, "BUSY_TRIES", 2)
    line = revision.known_revisions()
    steps = f"-{len(line) - 1 - line.index(target)}"
    migrate.downgrade(database.admin_url, stays)
    before = whole(admin_conn)
    migrate.upgrade(database.admin_url)
    with (
        # Without reading: policies of the table would read, and so lock, the metadata of tenants as well.
        held(database, f"lock table crm.{table} in access share mode"),
        pytest.raises(BusyError, match=r"'a report'.*nothing was changed by the step"),
    ):
        migrate.downgrade(database.admin_url, steps)
    assert revision.current_revision(admin_conn) == stays
    assert whole(admin_conn) == before


@pytest.mark.risk("G10", partial=True)
@pytest.mark.parametrize(
    ("index", "columns"),
    [
        ("activities_company_ref_idx", "(company_id, tenant_id)"),
        ("activities_job_idx", "(tenant_id, demo_job_id, demo_source_month) where demo_generated"),
    ],
)
def test_an_index_that_was_broken_off_is_made_again(at_first: Database, index: str, columns: str) -> None:
    """An invalid index of a concurrent build that was cancelled is replaced by a whole one."""
    with at_first.admin() as conn, held(at_first, "update crm.activities set subject = 'x'"):
        conn.execute("set lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            conn.execute(f"create index concurrently {index} on crm.activities {columns}".encode())
        state = f"select indisvalid from pg_index where indexrelid = 'crm.{index}'::regclass".encode()
        assert conn.execute(state).fetchone() == (False,)
    migrate.upgrade(at_first.admin_url)
    with at_first.admin() as conn:
        assert conn.execute(state).fetchone() == (True,)


@pytest.mark.risk("G10", partial=True)
def test_a_client_between_two_tables_is_not_stopped(at_first: Database) -> None:
    """Who has one table and comes to the next while an upgrade waits gets it before a deadlock is found."""
    waiting = "select from pg_locks where not granted and relation = 'crm.companies'::regclass"
    with (
        ThreadPoolExecutor(1) as pool,
        at_first.admin() as conn,
        psycopg.connect(at_first.admin_url, options="-c statement_timeout=700ms") as client,
    ):
        client.execute("update crm.companies set phone = '1'")
        upgrade = pool.submit(migrate.upgrade, at_first.admin_url)
        while not upgrade.done() and conn.execute(waiting).fetchone() is None:
            time.sleep(0.02)
        assert client.execute("select from crm.tenants").rowcount == 1
        client.commit()
        upgrade.result(timeout=60)
        revision.require_current(conn)


@pytest.mark.risk("G10", partial=True)
def test_an_index_whose_build_gives_up_is_begun_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer stays longer than a build waits: what it left is dropped, and a whole index is made."""
    migrate.downgrade(database.admin_url, "0004")
    monkeypatch.setattr(busy_tables, "_PATIENT_MILLISECONDS", 300)
    with ThreadPoolExecutor(1) as pool, database.admin() as conn:
        with held(database, "update crm.activities set subject = 'x'"):
            upgrade = pool.submit(migrate.upgrade, database.admin_url)
            index = "select from pg_index where indexrelid = to_regclass('crm.activities_job_idx')"
            # It lies there while the next try waits to drop it: the first one has given up.
            again = (
                "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
                " and query like 'drop index concurrently if exists crm.activities_job_idx%'"
            )
            while not upgrade.done() and not (
                conn.execute(index).fetchall() and conn.execute(again).fetchall()
            ):
                time.sleep(0.02)
            assert not upgrade.done()
        upgrade.result(timeout=60)
        assert conn.execute("select from pg_index where not indisvalid").fetchall() == []
        assert conn.execute(index).fetchall() != []
        revision.require_current(conn)
