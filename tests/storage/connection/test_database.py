"""Connections: the right login, session settings, and one helpful line when there is none."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from demo_pipeline.domain.core.errors import DatabaseError, InputError
from demo_pipeline.services.platform.ready_database import ready_database
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.connecting import plain_url
from demo_pipeline.storage.connection.database import Database, dagster_storage_url, open_database
from tests.fixtures.machine import leave_out
from tests.fixtures.postgres import MakeDatabase, PostgresServer, drop_database, refusal, without_loader


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of these tests come from the tests."""
    for name in [*os.environ]:
        if name.startswith("DEMO_") and not name.startswith("DEMO_TEST_"):
            monkeypatch.delenv(name)


def _show(conn: psycopg.Connection, name: str) -> str:
    row = conn.execute("SELECT current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def test_admin_session(database: Database) -> None:
    """UTC, autocommit, the timeouts of the settings, a name in pg_stat_activity."""
    with replace(database, statement_timeout_seconds=7, lock_timeout_seconds=0.5).admin() as conn:
        assert conn.autocommit
        assert _show(conn, "TimeZone") == "UTC"
        assert _show(conn, "statement_timeout") == "7s"
        assert _show(conn, "lock_timeout") == "500ms"
        assert _show(conn, "jit") == "off"
        assert _show(conn, "application_name") == "demo-pipeline admin"
        assert _show(conn, "client_encoding") == "UTF8"
        conn.execute("CREATE TABLE public.written (id int)")
    assert conn.closed


def test_readonly_admin_writes_nothing(database: Database) -> None:
    """A read-only connection refuses a write in autocommit and in a transaction."""
    with database.admin(readonly=True) as conn:
        for statement in (b"CREATE TABLE public.t (id int)", b"DELETE FROM crm.tenants"):
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                conn.execute(statement)
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), conn.transaction():
                conn.execute(statement)


def test_loader_session(loader_conn: psycopg.Connection) -> None:
    """The settings that loads were measured with; the client's death is noticed within a second."""
    assert _show(loader_conn, "enable_seqscan") == "off"
    assert _show(loader_conn, "jit") == "off"
    assert _show(loader_conn, "client_connection_check_interval") == "1s"
    assert _show(loader_conn, "idle_in_transaction_session_timeout") != "0"
    assert _show(loader_conn, "TimeZone") == "UTC"
    assert _show(loader_conn, "application_name") == "demo-pipeline loader"


def test_clones_are_apart(make_database: MakeDatabase) -> None:
    """What one database of a test has, another has not; a bare one has no schema."""
    first, second, bare = make_database(), make_database(), make_database(is_migrated=False)
    with first.admin() as conn:
        conn.execute("CREATE TABLE public.only_here (id int)")
    for database, expected in ((first, True), (second, False), (bare, False)):
        with database.admin() as conn:
            row = conn.execute("SELECT to_regclass('public.only_here') IS NOT NULL").fetchone()
            assert row == (expected,)
    with bare.admin() as conn:
        assert conn.execute("SELECT to_regnamespace('crm')").fetchone() == (None,)


def test_wrong_password(database: Database) -> None:
    """Names the user and the variable."""
    user = str(conninfo_to_dict(database.admin_url)["user"])
    wrong = database.admin_url.replace(":" + _password(database.admin_url) + "@", ":wr0ng-secret@")
    if not _is_asked_for_password(wrong):
        leave_out("a server that asks for passwords", "scram-sha-256 in its pg_hba.conf")
    message = refusal(replace(database, admin_url=wrong))
    assert f"does not accept the password of user {user}" in message
    assert "DEMO_DATABASE_URL" in message


def _password(url: str) -> str:
    return url.split("://", 1)[1].split("@", 1)[0].partition(":")[2]


def _is_asked_for_password(wrong_url: str) -> bool:
    try:
        psycopg.connect(wrong_url).close()
    except psycopg.OperationalError:
        return True
    return False


def test_unknown_database(database: Database) -> None:
    """Says which and how to make it."""
    url = database.admin_url.rpartition("/")[0] + "/no_such_db"
    message = refusal(replace(database, admin_url=url))
    assert "no database no_such_db" in message
    assert 'CREATE DATABASE "no_such_db"' in message


def test_nobody_answers(database: Database) -> None:
    """No server at the address: the address, the variable and the alternative."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        url = f"postgresql://u:s3cret@127.0.0.1:{port}/x"
        message = refusal(replace(database, admin_url=url, is_embedded=False))
    assert f"no PostgreSQL answers at 127.0.0.1:{port}" in message
    assert "DEMO_DATABASE_URL" in message


@contextmanager
def _something_else() -> Generator[int]:
    """A server that is no PostgreSQL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.recv(100)
                    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_something_else_answers(database: Database) -> None:
    """A web server on the port: still one line."""
    with _something_else() as port:
        url = f"postgresql://u:s3cret@127.0.0.1:{port}/x"
        assert f"127.0.0.1:{port}" in refusal(replace(database, admin_url=url, is_embedded=False))


def test_old_server(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server older than 15 is named and refused."""
    monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", property(lambda _: 140009))
    assert "15 or newer is needed" in refusal(database)


def test_other_encoding(postgres_server: PostgresServer, database: Database) -> None:
    """Names of all countries need UTF8."""
    name = f"{postgres_server.prefix}_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server.owner_url, autocommit=True) as conn:
        conn.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'").format(
                sql.Identifier(name)
            )
            if conn.info.server_version < 170000
            else sql.SQL(
                "CREATE DATABASE {} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C' LOCALE_PROVIDER libc"
            ).format(sql.Identifier(name))
        )
        try:
            url = database.admin_url.rpartition("/")[0] + f"/{name}"
            assert "UTF8 is needed" in refusal(replace(database, admin_url=url))
        finally:
            drop_database(conn, name)


def test_jobs_need_a_login_of_their_own(database: Database) -> None:
    """Without one the refusal says how to make it."""
    message = refusal(without_loader(database), as_loader=True)
    assert "CREATE ROLE demo_job LOGIN PASSWORD" in message
    assert "GRANT demo_loader TO demo_job" in message
    assert "DEMO_LOADER_URL" in message


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p%40ss@h:5/d",
        "postgresql://u:p%40ss@h:5/d",
        "postgresql+psycopg://u:p%40ss@h:5/d",
        "postgresql+psycopg2://u:p%40ss@h:5/d",
        " PostgreSQL://u:p%40ss@h:5/d\n",
    ],
)
def test_urls_of_all_kinds(url: str) -> None:
    """Schemes of SQLAlchemy and of Heroku are libpq's in the end."""
    assert plain_url(url, "X") == "postgresql://u:p%40ss@h:5/d"


@pytest.mark.parametrize(
    "url",
    [
        " ",
        "mysql://u:s3cret@h/d",
        "u:s3cret@h",
        "postgresql://u:s3cret@h:port/d",
        "postgresql://u:x@s3cret@h/d",
        "postgresql://u:x/s3cret@h/d",
        "postgresql://u:1/s3cret@h/d",
    ],
)
def test_no_url_at_all(url: str) -> None:
    """The refusal names the variable and shows the form, never the value."""
    settings = Settings(database_url=url)
    with pytest.raises(InputError, match="DEMO_DATABASE_URL is not a PostgreSQL URL") as caught:
        open_database(settings)
    assert "s3cret" not in str(caught.value)


def test_dagster_never_shares_the_database() -> None:
    """The same address under another name is still the same."""
    settings = Settings(
        database_url="postgresql://a:x@localhost/crm",
        loader_url="postgresql://b:x@localhost/crm",
        dagster_url="postgresql+psycopg2://c:y@127.0.0.1:5432/crm",
    )
    with pytest.raises(InputError, match="same database"):
        open_database(settings)


def test_dagster_url_names_its_driver() -> None:
    """SQLAlchemy would take plain postgresql:// for psycopg 3; dagster_postgres brings psycopg2."""
    settings = Settings(database_url="postgresql://a:x@h/crm", dagster_url="postgres://c:y@h/dagster")
    assert open_database(settings).dagster_url == "postgresql+psycopg2://c:y@h/dagster"
    assert dagster_storage_url(settings) == "postgresql+psycopg2://c:y@h/dagster"


def test_loader_alone_is_a_mistake(tmp_path: Path) -> None:
    """A loader's URL without the database's: no server is started for it."""
    with pytest.raises(InputError, match="set both"):
        open_database(Settings(home=tmp_path / "home", loader_url="postgresql://b:x@h/crm"))
    assert not (tmp_path / "home").exists()


def test_urls_do_not_leak(database: Database) -> None:
    """No representation shows a password."""
    assert _password(database.admin_url) not in repr(database)


def test_given_server_is_never_migrated_unasked(
    make_database: MakeDatabase, database_settings: Settings
) -> None:
    """A missing schema is an error with the command to run, and the database stays as it was."""
    bare = make_database(is_migrated=False)
    settings = database_settings.model_copy(update={"database_url": bare.admin_url})
    with pytest.raises(DatabaseError, match="demo-pipeline db upgrade"):
        ready_database(settings)
    with bare.admin() as conn:
        assert conn.execute("SELECT to_regnamespace('demo')").fetchone() == (None,)


def test_ready_database_of_a_given_server(database_settings: Settings) -> None:
    """A current schema is used as it is."""
    with ready_database(database_settings).loader() as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_server_that_recovers_is_waited_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a moment after a crash the server turns everybody away."""
    real: Any = psycopg.connect
    tries: list[int] = []

    def connect(*arguments: object, **options: object) -> psycopg.Connection:
        tries.append(1)
        if len(tries) < 3:
            raise psycopg.OperationalError("FATAL:  the database system is in recovery mode")
        return real(*arguments, **options)

    monkeypatch.setattr(psycopg, "connect", connect)
    with database.admin() as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    assert len(tries) == 3


def test_an_interrupt_amid_a_statement_is_no_news(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """That the connection could not roll back is told to nobody; other words of the driver are."""

    def interrupted() -> None:
        with database.admin() as conn, conn.transaction():
            conn.pgconn.send_query(b"select pg_sleep(0.1)")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert caplog.messages == []
    logging.getLogger("psycopg").warning("something else")
    assert caplog.messages == ["something else"]
