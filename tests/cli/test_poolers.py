"""Connection poolers: those that share server processes are refused before anything is set or locked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from demo_pipeline.domain.core.errors import DatabaseError, InputError, NotADemoTenantError
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.platform.instance import STORAGE_VARIABLE, storage_url
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.services.tenants.queries import kpis
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection import connecting, poolers
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.schema import migrate
from tests.fixtures.cli import RunCommand
from tests.fixtures.embedded_server import new_folder
from tests.fixtures.ledger_steps import real_tenant
from tests.fixtures.pooler import SIZES, Pooler, running_pooler
from tests.fixtures.postgres import PostgresServer, new_database
from tests.services.patches.builders import plan

SHARING = ("transaction", "statement")
PLAN = plan({"2025-01": {"contacts_created": 2}})


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the pooler's account can pass through."""
    with new_folder() as path:
        yield path


@pytest.fixture(scope="module")
def shared_pooler(postgres_server: PostgresServer) -> Iterator[Pooler]:
    """PgBouncer before a database in which these tests change nothing."""
    with new_folder() as path, new_database(postgres_server) as found, running_pooler(found, path) as pooler:
        yield pooler


@pytest.fixture
def pooler(shared_pooler: Pooler, monkeypatch: pytest.MonkeyPatch) -> Pooler:
    """The same, as a new process sees it."""
    monkeypatch.setattr(connecting, "_pool_modes", {})
    return shared_pooler


def use(url: str) -> str:
    """What another client of the pool finds: settings, and locks that were left in the database."""
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as conn:
        row = conn.execute(
            "SELECT current_setting('default_transaction_read_only') || current_setting('enable_seqscan')"
            " || current_setting('TimeZone') || (SELECT count(*) FROM pg_locks"
            " WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database"
            " WHERE datname = current_database()))"
        ).fetchone()
    assert row is not None
    return str(row[0])


@contextmanager
def busy_clients(url: str, count: int) -> Generator[None]:
    """Other clients whose transactions, short and long, keep changing places in the pool."""
    is_over = threading.Event()

    def work(pause: float) -> None:
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as conn:
            while not is_over.is_set():
                conn.execute(f"SELECT pg_sleep({pause})".encode())

    threads = [threading.Thread(target=work, args=[0.001 + 0.007 * number]) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def refused(happens: Callable[[], object]) -> str:
    """The message of what must be refused with exit code 2."""
    with pytest.raises(InputError) as caught:
        happens()
    assert caught.value.exit_code == 2
    assert [problem.code for problem in caught.value.problems] == ["transaction_pooler"]
    return caught.value.message


def look(database: Database) -> None:
    """The least that a command does."""
    with database.admin(readonly=True) as conn:
        conn.execute("SELECT 1")


@pytest.mark.parametrize("mode", SHARING)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("others", [0, 1, 3, 8])
def test_a_pool_that_shares_is_refused(pooler: Pooler, mode: str, size: int, others: int) -> None:
    """Whatever its size and whoever else uses it, and the next client finds nothing changed."""
    database = pooler.database(mode, size)
    before = use(database.admin_url)
    with busy_clients(database.admin_url, others):
        message = refused(lambda: look(database))
    assert "DEMO_DATABASE_URL leads through a connection pooler in transaction or statement mode" in message
    assert use(database.admin_url) == before


@pytest.mark.parametrize("mode", SHARING)
def test_idle_clients_and_long_transactions_hide_nothing(pooler: Pooler, mode: str) -> None:
    """A pool of five, where others hold four of its processes for longer than the check takes."""
    database = pooler.database(mode, 5)
    with ExitStack() as stack:
        holders = [
            stack.enter_context(closing(psycopg.connect(database.admin_url, autocommit=True)))
            for _ in range(4)
        ]
        for holder in holders:
            holder.pgconn.send_query(b"SELECT pg_sleep(1.5)")
        refused(lambda: look(database))


@pytest.mark.parametrize("options", [{"server_round_robin": 1}, {"max_client_conn": 3}])
def test_other_ways_to_choose_a_process_are_recognised(
    database: Database, folder: Path, options: dict[str, int]
) -> None:
    """A pool that takes its processes in turn, and one that has room for few clients."""
    with running_pooler(database, folder, **options) as pooler:
        for size in SIZES:
            refused(lambda size=size: look(pooler.database("transaction", size)))


def test_each_connection_is_checked(
    pooler: Pooler, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loader's, those of migrations, and Dagster's own."""
    shared = pooler.database("transaction", 5)
    assert shared.loader_url is not None

    def load() -> None:
        with shared.loader():
            pass

    assert "DEMO_LOADER_URL" in refused(load)
    refused(lambda: migrate.upgrade(shared.admin_url))
    refused(lambda: migrate.plan(shared.admin_url))
    refused(lambda: migrate.downgrade(shared.admin_url, "base"))
    monkeypatch.setenv("DEMO_DATABASE_URL", database.admin_url)
    monkeypatch.setenv("DEMO_DAGSTER_URL", pooler.url("transaction", 1))
    monkeypatch.delenv(STORAGE_VARIABLE, raising=False)
    assert "DEMO_DAGSTER_URL" in refused(storage_url)


def test_every_command_refuses(quick_command: RunCommand, pooler: Pooler) -> None:
    """Also those that only read: exit code 2, the reason in one line, and the pool as it was."""
    shared = pooler.database("transaction", 1)
    assert shared.loader_url is not None
    before = use(shared.admin_url)
    environment = {"DEMO_DATABASE_URL": shared.admin_url, "DEMO_LOADER_URL": shared.loader_url}
    for arguments in (
        ("tenant", "list"),
        ("kpis", "kranz"),
        ("verify",),
        ("digest", "kranz"),
        ("job", "list"),
        ("generate", "kranz"),
        ("tenant", "delete", "kranz", "--yes"),
        ("db", "upgrade"),
        ("db", "upgrade", "--plan"),
        ("db", "backup", "there-is-none.dump"),
        ("scan",),
    ):
        done = quick_command(*arguments, "--json", environment=environment)
        assert done.code == 2, done.out
        assert "other clients use next" in done.error["message"]
        assert use(shared.admin_url) == before


@pytest.mark.parametrize("size", SIZES)
def test_session_mode_works(
    database: Database,
    folder: Path,
    database_settings: Settings,
    blueprint: Path,
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Provision, load, patch, look and verify; each connection is as before for the next client."""
    monkeypatch.setattr(poolers, "WAIT_SECONDS", 0.2)
    # A job of some length reports its progress on a second connection.
    monkeypatch.setattr("demo_pipeline.services.jobs.progress._SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(connecting, "USED_UP_SECONDS", 1.0)
    with running_pooler(database, folder) as pooler:
        pooled = pooler.database("session", size)
        before = use(pooled.admin_url)
        for step in (
            lambda: provision(pooled, database_settings, blueprint).is_new,
            lambda: materialise(pooled, database_settings, "kranz").is_passed,
            lambda: apply_patch(pooled, database_settings, "kranz", PLAN).is_passed,
            lambda: kpis(pooled, database_settings, "kranz").months,
            lambda: verify(pooled, database_settings)[0].is_as_expected,
        ):
            assert step()
            assert use(pooled.admin_url) == before


def test_an_attempt_on_a_customer_does_not_wait_for_a_pool_of_one(
    database: Database, database_settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audit's own connection gets no process there; the refusal is the same, and comes at once."""
    monkeypatch.setattr(poolers, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr("demo_pipeline.storage.connection.database.USED_UP_SECONDS", 0.2)
    with database.admin() as conn:
        real_tenant(conn)
    # The pooler keeps a client waiting for a minute, and ends its connection then.
    with running_pooler(database, folder, query_wait_timeout=60) as pooler:
        pooled = pooler.database("session", 1)
        before = use(pooled.admin_url)
        with ThreadPoolExecutor(1) as pool:
            attempt = pool.submit(kpis, pooled, database_settings, "customer")
            with pytest.raises(NotADemoTenantError):
                attempt.result(timeout=30)
        assert use(pooled.admin_url) == before


def test_a_url_is_checked_once(pooler: Pooler, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second connection of a process pays nothing, and a direct one never more than a round trip."""
    calls: list[str] = []
    real = connecting.find_pool_mode

    def counted(conn: psycopg.Connection, open_another: Callable[[], psycopg.Connection]) -> poolers.PoolMode:
        calls.append("looked")
        return real(conn, open_another)

    monkeypatch.setattr(connecting, "find_pool_mode", counted)
    session = pooler.database("session", 5)
    for _ in range(3):
        look(session)
    assert calls == ["looked"]
    look(Database(admin_url=database.admin_url))
    assert calls == ["looked"]


def test_a_pool_that_is_used_up_ends_in_a_line(pooler: Pooler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second session of a pool of one is not waited for as long as the pooler would."""
    monkeypatch.setattr(poolers, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(connecting, "USED_UP_SECONDS", 0.2)
    database = pooler.database("session", 1)
    look(database)
    with (
        database.admin(),
        pytest.raises(DatabaseError, match="has no free server connection") as caught,
        database.admin(),
    ):
        pass
    assert "pool_size" in str(caught.value)
    look(database)
