"""Migrations of tables that are in use: they wait a little, try again, and give up unharmed."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, LiteralString

import psycopg
import pytest
from psycopg import Connection

from demo_pipeline.domain.core.errors import BusyError
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.schema import busy_tables, migrate, revisions
from tests.fixtures.cli import RunChanged
from tests.fixtures.ledger_steps import real_tenant
from tests.fixtures.postgres import MakeDatabase
from tests.storage.schema.catalogue import rows_of, whole

Conn = Connection[Any]

BUILD: Final[tuple[LiteralString, LiteralString]] = (
    "drop index concurrently if exists crm.subjects",
    "create index concurrently subjects on crm.activities (subject)",
)
STATE: Final = "select indisvalid from pg_index where indexrelid = to_regclass('crm.subjects')"


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
    migrate.upgrade(database.admin_url, revisions.known_revisions()[0])
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
        revisions.require_current(conn)


@pytest.mark.risk("G10", partial=True)
def test_a_table_that_stays_busy_ends_the_upgrade(at_first: Database, changed_command: RunChanged) -> None:
    """Exit code 5 and who is in the way; schema, rows and revision are those from before."""
    once = "from demo_pipeline.storage.schema import busy_tables; busy_tables.LOCK_TRIES = 3"
    environment = {"DEMO_DATABASE_URL": at_first.admin_url, "DEMO_LOADER_URL": ""}
    with at_first.admin() as conn:
        before = whole(conn), rows_of(conn)
        with held(at_first, "select from crm.contacts") as pid:
            done = changed_command(once, "db", "upgrade", "--json", environment=environment)
        assert done.code == 5
        assert done.error["code"] == "busy"
        (blocker,) = done.error["details"]["blockers"]
        assert (blocker["pid"], blocker["application"]) == (pid, "a report")
        assert blocker["query_start"]
        assert f"process {pid} ('a report'" in done.error["message"]
        assert (whole(conn), rows_of(conn)) == before
        assert revisions.current_revision(conn) == revisions.known_revisions()[0]
        # And what was left half-way does not stand in the way of the next upgrade.
        migrate.upgrade(at_first.admin_url)
        revisions.require_current(conn)


@pytest.mark.risk("G10", partial=True)
@pytest.mark.parametrize(("target", "table"), [("-1", "contacts"), ("base", "users")])
def test_a_downgrade_waits_for_nobody_long(
    database: Database, admin_conn: Conn, monkeypatch: pytest.MonkeyPatch, target: str, table: str
) -> None:
    """A lock that another session holds ends the downgrade soon, at a whole revision; nothing was changed."""
    monkeypatch.setattr(busy_tables, "LOCK_TRIES", 2)
    before = whole(admin_conn), revisions.current_revision(admin_conn)
    with (
        # Without reading: policies of the table would read, and so lock, the metadata of tenants as well.
        held(database, f"lock table crm.{table} in access share mode"),
        pytest.raises(BusyError, match=r"'a report'.*nothing was changed by the step"),
    ):
        migrate.downgrade(database.admin_url, target)
    assert (whole(admin_conn), revisions.current_revision(admin_conn)) == before


@pytest.mark.risk("G10", partial=True)
def test_an_index_that_was_broken_off_is_made_again(database: Database) -> None:
    """The statements of a step outside of a transaction replace an invalid index by a whole one."""
    with database.admin() as conn:
        with held(database, "update crm.activities set subject = 'x'"):
            conn.execute("set lock_timeout = '200ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                conn.execute(BUILD[1])
        assert conn.execute(STATE).fetchone() == (False,)
        with busy_tables.busy_tables(database.admin_url, conn) as tables:
            tables.beside(*BUILD, role="demo_owner")
        assert conn.execute(STATE).fetchone() == (True,)


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
        revisions.require_current(conn)


@pytest.mark.risk("G10", partial=True)
def test_an_index_whose_build_gives_up_is_begun_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer stays longer than a build waits: what it left is dropped, and a whole index is made."""
    monkeypatch.setattr(busy_tables, "_PATIENT_MILLISECONDS", 300)
    with ThreadPoolExecutor(1) as pool, database.admin() as conn, database.admin() as other:
        with (
            held(database, "update crm.activities set subject = 'x'"),
            busy_tables.busy_tables(database.admin_url, other) as tables,
        ):
            build = pool.submit(tables.beside, *BUILD, role="demo_owner")
            # It lies there while the next try waits to drop it: the first one has given up.
            again = (
                "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
                " and query like 'drop index concurrently if exists crm.subjects%'"
            )
            while not build.done() and not (
                conn.execute(STATE).fetchall() and conn.execute(again).fetchall()
            ):
                time.sleep(0.02)
            assert not build.done()
        build.result(timeout=60)
        assert conn.execute(STATE).fetchone() == (True,)
