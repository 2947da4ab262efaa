"""Pooled connections: used again as if they were new, never after an error, gone at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import psycopg
import pytest

from demo_pipeline.storage.connection.database import Database
from tests.fixtures.embedded_server import wait_until
from tests.fixtures.sessions import sessions


@pytest.fixture
def pooled(database: Database) -> Iterator[Database]:
    """A database with a pool."""
    with database.pooled() as pool:
        yield pool


def _pid(conn: psycopg.Connection) -> int:
    return conn.info.backend_pid


def _value(conn: psycopg.Connection, query: str) -> object:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def _used(database: Database) -> int:
    with database.admin() as conn:
        return _pid(conn)


def test_each_use_has_its_own_unless_they_are_pooled(database: Database) -> None:
    """By default a connection is closed after its use."""
    assert _used(database) != _used(database)
    with database.pooled() as pool:
        assert _used(pool) == _used(pool)


def test_a_pool_within_a_pool_is_the_outer_one(database: Database) -> None:
    """A command keeps its connections over services that keep theirs: opened once, closed at its end."""
    with database.pooled() as outer:
        pid = _used(outer)
        with outer.pooled() as inner:
            assert _used(inner) == pid
        assert _used(outer) == pid


def test_a_pooled_session_is_as_a_new_one(pooled: Database) -> None:
    """Whatever the use before has set: settings, read-only, a role, the isolation level."""
    names = (
        "application_name", "default_transaction_read_only", "lock_timeout", "search_path", "TimeZone",
        "work_mem", "role",
    )  # fmt: skip
    query = "SELECT ARRAY[" + ", ".join(f"current_setting('{name}')" for name in names) + "]"
    with pooled.admin() as conn:
        pid, new = _pid(conn), _value(conn, query)
        conn.execute("SET TimeZone = 'Asia/Tokyo'; SET work_mem = '1MB'; SET search_path = demo")
        conn.execute("SET application_name = 'other'; SET lock_timeout = '1h'")
        conn.execute("SET ROLE crm_reader")
        conn.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    with pooled.admin(readonly=True) as conn:
        assert _pid(conn) == pid
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            conn.execute("CREATE TABLE public.written (id int)")
    with pooled.admin() as conn:
        assert _pid(conn) == pid
        assert _value(conn, query) == new
        assert conn.isolation_level is None


def test_the_two_logins_are_apart_and_uses_may_be_nested(pooled: Database) -> None:
    """Nobody gets a connection that another one uses, or of another login."""
    with pooled.admin() as one, pooled.admin() as other, pooled.loader() as loader:
        assert len({_pid(one), _pid(other), _pid(loader)}) == 3
        assert _value(loader, "SELECT session_user::text") != _value(one, "SELECT session_user::text")
        pids = _pid(one), _pid(other)
    with pooled.admin() as one, pooled.admin() as other:
        assert {_pid(one), _pid(other)} == set(pids)


def test_after_an_error_it_is_rolled_back_and_not_used_again(pooled: Database) -> None:
    """Whatever the error was."""
    used: list[psycopg.Connection] = []

    def fail() -> None:
        with pooled.admin() as conn:
            used.append(conn)
            conn.execute("BEGIN")
            conn.execute("CREATE TABLE public.half (id int)")
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fail()
    assert used[0].closed
    with pooled.admin() as conn:
        assert conn is not used[0]
        assert _value(conn, "SELECT to_regclass('public.half') IS NULL")


def test_one_left_amid_a_transaction_is_closed(pooled: Database) -> None:
    """What it had begun is rolled back."""
    with pooled.admin() as conn:
        conn.execute("BEGIN")
        conn.execute("CREATE TABLE public.half (id int)")
    assert conn.closed
    with pooled.admin() as conn:
        assert _value(conn, "SELECT to_regclass('public.half') IS NULL")


def test_one_that_was_cut_is_replaced(pooled: Database, database: Database) -> None:
    """Also where several lay idle."""
    with pooled.admin() as one, pooled.admin() as other:
        pids = [_pid(one), _pid(other)]
    with database.admin() as conn:
        conn.execute("SELECT pg_terminate_backend(pid, 10000) FROM unnest(%s::int[]) pid", [pids])
    assert _used(pooled) not in pids


def test_one_that_was_closed_is_replaced(pooled: Database) -> None:
    """Whoever closed it."""
    with pooled.admin() as conn:
        pass
    conn.close()
    assert _used(pooled) > 0


def test_a_use_that_outlives_the_block_is_closed(database: Database) -> None:
    """Nobody would close it later."""
    with ExitStack() as stack:
        with database.pooled() as pool:
            conn = stack.enter_context(pool.admin())
        assert not conn.closed
    assert conn.closed


def test_another_url_is_another_connection(pooled: Database, database: Database) -> None:
    """A copy of a database that names another login does not get this one's."""
    with pooled.admin() as conn:
        pid = _pid(conn)
    assert database.loader_url is not None
    with replace(pooled, admin_url=database.loader_url).admin() as conn:
        assert _pid(conn) != pid


def test_none_is_left_at_the_end(database: Database) -> None:
    """Idle ones are closed with the block."""
    with database.pooled() as pool:
        with pool.admin(), pool.loader():
            pass
        assert sessions(database) == ["demo-pipeline admin", "demo-pipeline loader"]
    wait_until(lambda: not sessions(database))
