"""What operators set for logins and databases, and take away from them, breaks and changes nothing."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from demo_pipeline.defs.shared.instance_storage import ProjectStorage
from demo_pipeline.domain.core.errors import DatabaseError, InputError
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.platform.instance import STORAGE_VARIABLE
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.backup import back_up, restore
from demo_pipeline.storage.connection.connecting import BASE, connect, plain_url
from demo_pipeline.storage.connection.dagster_session import set_dagster_sessions
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.schema import migrate
from demo_pipeline.storage.schema.revisions import known_revisions
from tests.fixtures.cli import SMALL
from tests.fixtures.postgres import MakeDatabase, PostgresServer, new_database, refusal
from tests.services.patches.builders import plan

#: setting → a value that would end, change or slow down a session
HARMFUL: Final = {
    "role": "demo_owner",
    "search_path": "nowhere, pg_catalog",
    "row_security": "off",
    "check_function_bodies": "off",
    "transform_null_equals": "on",
    "standard_conforming_strings": "off",
    "backslash_quote": "off",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "statement_timeout": "100ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "20ms",
    "idle_session_timeout": "100ms",
    "TimeZone": "Asia/Tokyo",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "extra_float_digits": "-10",
    "lc_monetary": "POSIX",
    "lc_numeric": "POSIX",
    "lc_time": "POSIX",
    "xmlbinary": "hex",
    "xmloption": "document",
    "default_tablespace": "pg_default",
    "temp_tablespaces": "pg_default",
    "default_table_access_method": "heap",
    "plan_cache_mode": "force_custom_plan",
    "constraint_exclusion": "off",
    **{name: "off" for name in BASE if name.startswith("enable_")},
    "jit": "on",
    "client_encoding": "LATIN1",
    "transaction_timeout": "100ms",
    "createrole_self_grant": "set, inherit",
    "restrict_nonsystem_relation_kind": "view",
}
#: what Dagster's sessions set as well; the rest is Dagster's own affair, or the operator's
DAGSTER: Final = (
    "role",
    "TimeZone",
    "default_transaction_read_only",
    "default_transaction_isolation",
    "default_transaction_deferrable",
    "row_security",
    "standard_conforming_strings",
    "transform_null_equals",
    "quote_all_identifiers",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)


@pytest.fixture(scope="module")
def quiet(postgres_server: PostgresServer) -> Iterator[Database]:
    """A database of which only the settings are changed."""
    with new_database(postgres_server) as found:
        yield found


@contextmanager
def set_for(database: Database, settings: dict[str, str]) -> Generator[None]:
    """ALTER DATABASE ... SET while the block runs; what the server does not know is left out."""
    name = sql.Identifier(str(conninfo_to_dict(database.admin_url)["dbname"]))
    with psycopg.connect(database.admin_url, autocommit=True) as conn:
        for setting, value in settings.items():
            if conn.execute("SELECT current_setting(%s, true)", [setting]).fetchone() == (None,):
                continue
            # A list is one value for SET; quoted, it would be one name.
            words = sql.SQL(", ").join(map(sql.Literal, value.split(", ")))
            conn.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(name, sql.Identifier(setting), words)
            )
        try:
            yield
        finally:
            conn.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(name))


def seen(database: Database, setting: str) -> list[Any]:
    """The setting in sessions of the administrator, of the loader, of migrations, and in one used again."""
    statement, found = "SELECT current_setting(%s, true)", list[Any]()
    for readonly in (True, False):
        with database.admin(readonly=readonly) as conn:
            found.append(conn.execute(statement, [setting]).fetchone())
    for _ in range(2):
        with database.loader() as conn:
            found.append(conn.execute(statement, [setting]).fetchone())
    conn = connect(
        database.admin_url, variable="X", application_name="a test", is_embedded=database.is_embedded
    )
    with conn:
        found.append(conn.execute(statement, [setting]).fetchone())
    return found


@pytest.mark.parametrize("setting", sorted(HARMFUL))
def test_a_setting_of_the_database_reaches_no_session(quiet: Database, setting: str) -> None:
    """Sessions of jobs, of the administrator and of migrations are as without it, also when used again."""
    with quiet.pooled() as kept:
        before = seen(kept, setting)
    with set_for(quiet, {setting: HARMFUL[setting]}), quiet.pooled() as kept:
        assert seen(kept, setting) == before


def test_every_setting_that_is_set_is_tried() -> None:
    """What a session sets is in the list of the harmful."""
    assert set(BASE) <= set(HARMFUL)


@pytest.mark.parametrize("setting", DAGSTER)
def test_a_setting_of_the_database_reaches_no_session_of_dagster(quiet: Database, setting: str) -> None:
    """Its driver's sessions too, but not the time limit that Dagster sets itself."""
    set_dagster_sessions()
    set_dagster_sessions()
    url = quiet.admin_url.replace("postgresql://", "postgresql+psycopg2://")

    def look(**options: Any) -> object:
        engine = sa.create_engine(url, poolclass=sa.NullPool, **options)
        with engine.connect() as conn:
            return conn.execute(sa.text("SELECT current_setting(:name, true)"), {"name": setting}).scalar()

    before = look()
    with set_for(quiet, {setting: HARMFUL[setting]}):
        assert look() == before
        if setting == "statement_timeout":
            assert look(connect_args={"options": "-c statement_timeout=60000"}) == "1min"


def test_a_tenant_is_made_with_all_of_them(
    make_database: MakeDatabase, database_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From an empty database: migrate, provision, load, patch, verify, back up; and Dagster's tables."""
    bare = make_database(is_migrated=False)
    (tmp_path / "kranz.yaml").write_text(SMALL, encoding="utf-8")
    harmful = {name: value for name, value in HARMFUL.items() if name != "role"}
    with set_for(bare, harmful):
        migrate.upgrade(bare.admin_url)
        provision(bare, database_settings, tmp_path / "kranz.yaml")
        materialise(bare, database_settings, "kranz")
        wanted = plan({"2025-01": {"contacts_created": 2}})
        assert apply_patch(bare, database_settings, "kranz", wanted).is_passed
        assert verify(bare, database_settings)[0].is_as_expected
        assert back_up(bare, tmp_path / "crm.dump").table_count > 10
    restored = make_database(is_migrated=False)
    with set_for(restored, harmful):
        name = str(conninfo_to_dict(restored.admin_url)["dbname"])
        assert restore(bare, tmp_path / "crm.dump", name).revision == known_revisions()[-1]
    storage = make_database(is_migrated=False)
    monkeypatch.setenv("DEMO_DATABASE_URL", bare.admin_url)
    monkeypatch.setenv("DEMO_DAGSTER_URL", storage.admin_url)
    monkeypatch.setenv(STORAGE_VARIABLE, storage.admin_url.replace("postgresql:", "postgresql+psycopg2:"))
    apart = {name: value for name, value in harmful.items() if name != "search_path"}
    with set_for(storage, apart):
        found = ProjectStorage.from_config_value(None, {})
        assert found.run_storage.get_runs_count() == 0


def test_sessions_without_triggers_are_refused(superuser_url: str, database: Database) -> None:
    """``session_replication_role`` cannot be taken back by a login, so it is named with the remedy."""
    name = str(conninfo_to_dict(database.admin_url)["dbname"])
    with psycopg.connect(superuser_url, autocommit=True) as conn:
        statement = "ALTER DATABASE {} SET session_replication_role = replica"
        conn.execute(sql.SQL(statement).format(sql.Identifier(name)))
    message = refusal(database)
    assert "session_replication_role is replica" in message
    assert "RESET session_replication_role" in message


def revoke(database: Database, privilege: LiteralString) -> str:
    """Take a privilege on the database away from everybody; the database's name."""
    name = str(conninfo_to_dict(database.admin_url)["dbname"])
    with psycopg.connect(database.admin_url, autocommit=True) as conn:
        roles = sql.SQL("PUBLIC, demo_loader, crm_reader")
        statement = sql.SQL("REVOKE {} ON DATABASE {} FROM {}")
        conn.execute(statement.format(sql.SQL(privilege), sql.Identifier(name), roles))
    return name


def test_jobs_without_temporary_tables_are_told_the_grant(database: Database) -> None:
    """TEMPORARY taken from PUBLIC: the refusal names the statement, and ``db upgrade`` executes it."""
    name = revoke(database, "TEMPORARY")
    message = refusal(database, as_loader=True)
    assert f'GRANT TEMPORARY ON DATABASE "{name}" TO demo_loader' in message
    assert "demo-pipeline db upgrade" in message
    migrate.upgrade(database.admin_url)
    with database.loader() as conn:
        conn.execute("CREATE TEMP TABLE staging (id int)")


def test_logins_without_connect_are_told_the_grant(database: Database) -> None:
    """CONNECT taken from PUBLIC: the same."""
    name = revoke(database, "CONNECT")
    message = refusal(database, as_loader=True)
    user = conninfo_to_dict(database.loader_url or "")["user"]
    assert f'GRANT CONNECT ON DATABASE "{name}" TO "{user}"' in message
    migrate.upgrade(database.admin_url)
    with database.loader() as conn:
        conn.execute("SELECT 1")


def test_an_upgrade_that_may_not_grant_names_the_statement(
    superuser_url: str, make_database: MakeDatabase
) -> None:
    """Where somebody else owns the database, nothing is changed and the statement is in the message."""
    database = make_database()
    name = revoke(database, "TEMPORARY")
    with psycopg.connect(superuser_url, autocommit=True) as conn:
        conn.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(sql.Identifier(name)))
    with pytest.raises(DatabaseError) as caught:
        migrate.upgrade(database.admin_url)
    assert f'GRANT TEMPORARY ON DATABASE "{name}" TO "demo_loader"' in str(caught.value)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("schema=public", "schema"),
        ("pgbouncer=true&connection_limit=1", "pgbouncer, connection_limit"),
        ("sslmode=require&charset=s3cret", "charset"),
    ],
)
def test_parameters_of_other_clients_are_named(query: str, named: str) -> None:
    """Of Prisma, JDBC and the like; values are not shown."""
    with pytest.raises(InputError, match=f"not of PostgreSQL's libpq: {named};") as caught:
        plain_url(f"postgresql://u:s3cret@h/d?{query}", "DEMO_DATABASE_URL")
    assert "s3cret" not in str(caught.value)
    assert "DEMO_DATABASE_URL" in str(caught.value)
    assert plain_url("postgresql://h/d?ssl=true&application_name=x", "X")
