"""libpq's variables of the caller: none reaches the embedded server, and given servers keep theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg2
import pytest
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from demo_pipeline.libpq_environment import SESSION_VARIABLES, complete_url, left_open
from demo_pipeline.services.platform.instance import storage_url
from demo_pipeline.services.platform.ready_database import ready_database
from demo_pipeline.settings import Settings, load_settings
from demo_pipeline.storage.backup import back_up
from demo_pipeline.storage.connection.database import dagster_storage_url, open_database
from demo_pipeline.storage.embedded.server import Endpoint
from demo_pipeline.storage.schema import migrate
from demo_pipeline.storage.schema.busy_tables import busy_tables
from tests.fixtures.cli import SMALL, clean_environment, run_program
from tests.fixtures.embedded_server import PROJECT, forget

#: Values that would end or change a connection; any other variable gets one that libpq refuses.
HARMFUL: Final = {
    "PGHOST": "192.0.2.1",
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "1",
    "PGSSLMODE": "verify-full",
    "PGREQUIRESSL": "1",
    "PGCHANNELBINDING": "require",
    "PGGSSENCMODE": "require",
    "PGTARGETSESSIONATTRS": "standby",
    "PGREQUIREAUTH": "none",
    "PGOPTIONS": "-c default_transaction_read_only=on -c search_path=nowhere",
    "PGCONNECT_TIMEOUT": "never",
    "PGSSLCERT": "/dev/null",
    "PGSSLROOTCERT": "system",
    "PGTZ": "Mars/Olympus",
    "PGDATESTYLE": "Mars",
}
#: of libpq itself, so that a newer one extends the tests; then what has no connection parameter
VARIABLES: Final = sorted(
    {
        *(option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar),
        *SESSION_VARIABLES,
        *("PGSERVICEFILE", "PGSYSCONFDIR", "PGLOCALEDIR", "PGREQUIRESSL"),
    }
)
ALL: Final = {name: HARMFUL.get(name, "harmful") for name in VARIABLES}


@pytest.fixture
def embedded_home(shared: tuple[Path, Endpoint], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The environment of a caller who uses the embedded server; it is as before afterwards."""
    before = dict(os.environ)
    for name in set(before) - set(clean_environment()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("DEMO_HOME", str(shared[0]))
    ready_database(load_settings())
    yield shared[0]
    for name in [*os.environ]:
        if name.startswith("PG"):
            del os.environ[name]


def dagster_settings(url: str) -> tuple[str, ...]:
    """What a session of Dagster's driver has."""
    conn = psycopg2.connect(url.replace("+psycopg2", ""))
    try:
        with conn.cursor() as cursor:
            cursor.execute("SELECT current_setting('geqo'), current_setting('TimeZone')")
            found = cursor.fetchone()
    finally:
        conn.close()
    assert found is not None
    return found


@pytest.mark.parametrize("variable", VARIABLES)
def test_no_variable_reaches_the_embedded_server(embedded_home: Path, variable: str) -> None:
    """Not the sessions of jobs, of the administrator, of migrations, of Dagster's driver."""
    os.environ[variable] = ALL[variable]
    settings = load_settings()
    database = ready_database(settings)
    assert database.is_embedded
    for connected in (database.admin, database.loader):
        with connected() as conn:
            assert conn.info.hostaddr == "127.0.0.1"
            assert conn.execute("SELECT current_setting('geqo')").fetchone() == ("on",)
            with busy_tables(database.admin_url, conn):
                pass
    assert migrate.plan(database.admin_url).revisions == ()
    for url in (database.dagster_url, dagster_storage_url(settings), storage_url()):
        assert url is not None
        assert dagster_settings(url) == ("on", "UTC")
    assert variable not in os.environ


def test_a_backup_of_the_embedded_server_is_the_embedded_server(embedded_home: Path, tmp_path: Path) -> None:
    """The programs that are started inherit none of the variables."""
    os.environ.update(ALL)
    database = open_database(load_settings())
    assert back_up(database, tmp_path / "crm.dump").table_count > 10


def test_a_whole_run_with_every_variable_set(home: Path, tmp_path: Path) -> None:
    """The server is made, a tenant generated through Dagster, and Dagster started by hand finds its run."""
    (tmp_path / "kranz.yaml").write_text(SMALL, encoding="utf-8")
    environment = clean_environment(ALL, {"DEMO_HOME": str(home)})
    done = run_program("run", tmp_path / "kranz.yaml", environment=environment)
    assert done.code == 0, done.err
    # As "dagster dev" in the caller's shell does; what it starts inherits an environment that is clean.
    script = (
        "import os, dagster as dg\n"
        "with dg.DagsterInstance.get() as instance:\n"
        "    runs = instance.get_runs()\n"
        "print(len(runs), runs[0].status.value, *[name for name in os.environ if name.startswith('PG')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**environment, "DAGSTER_HOME": str(home / "dagster")},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["1", "SUCCESS"], done.stderr
    forget(home)


def test_a_given_server_keeps_what_the_url_leaves_open(shared: tuple[Path, Endpoint], tmp_path: Path) -> None:
    """Address and password come from the variables, also in runs of an embedded Dagster and pg_dump."""
    home, endpoint = shared
    ready_database(load_settings_of(home))
    admin, loader = conninfo_to_dict(endpoint.admin_url), conninfo_to_dict(endpoint.loader_url)
    (tmp_path / "kranz.yaml").write_text(SMALL, encoding="utf-8")
    passwords = tmp_path / "passwords"
    passwords.write_text(
        "".join(f"*:*:*:{one['user']}:{one['password']}\n" for one in (admin, loader)), encoding="utf-8"
    )
    passwords.chmod(0o600)
    environment = clean_environment(
        {
            "DEMO_HOME": str(home),
            "DEMO_DATABASE_URL": f"postgresql+psycopg://{admin['user']}@/crm",
            "DEMO_LOADER_URL": f"postgres://{loader['user']}@/crm?application_name=x",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(admin["port"]),
            "PGPASSFILE": str(passwords),
            # Dagster's database would not take these.
            "PGUSER": "nobody",
            "PGDATABASE": "nowhere",
        }
    )
    for arguments in (("run", tmp_path / "kranz.yaml"), ("db", "backup", tmp_path / "crm.dump")):
        done = run_program(*arguments, environment=environment)
        assert done.code == 0, (arguments, done.err)


def load_settings_of(home: Path) -> Settings:
    """Settings of the embedded server, whatever this process's environment says."""
    none = {"database_url": None, "loader_url": None, "dagster_url": None, "now": None}
    return Settings(home=home).model_copy(update=none)


def test_a_service_comes_before_the_other_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As libpq has it: the URL, then the service, then the variables."""
    file = tmp_path / "services"
    file.write_text("[crm]\nhost=db.example\nport=6000\nuser=ann\n", encoding="utf-8")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    monkeypatch.setenv("PGSERVICE", "crm")
    monkeypatch.setenv("PGPORT", "7000")
    monkeypatch.setenv("PGAPPNAME", "a name")
    monkeypatch.setenv("PGTZ", "Europe/Berlin")
    found = conninfo_to_dict(complete_url("postgresql://bob@/crm"))
    assert found == {
        "service": "crm",
        "host": "db.example",
        "port": "6000",
        "user": "bob",
        "dbname": "crm",
        "application_name": "a name",
        "options": "-c TimeZone=Europe/Berlin",
    }
    assert os.environ["PGSERVICE"] == "crm"
    assert left_open("postgresql://?service=crm&port=1")["host"] == "db.example"
    assert complete_url("no url") == "no url"


def test_variables_stay_where_every_server_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then libpq reads them itself, those included that nobody here has heard of."""
    for name, url in (("DATABASE", "crm"), ("LOADER", "crm"), ("DAGSTER", "dagster")):
        monkeypatch.setenv(f"DEMO_{name}_URL", f"postgresql://db.example/{url}")
    monkeypatch.setenv("PGNEW", "value")
    settings = load_settings()
    assert os.environ["PGNEW"] == "value"
    assert settings.database_url == "postgresql://db.example/crm"


def test_dagster_gets_what_its_own_driver_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be built with an older libpq, which would refuse a parameter that it does not know."""

    def found(_conninfo: str) -> dict[str, str]:
        return {"sslmode": "require", "invented_later": "1"}

    monkeypatch.setattr("demo_pipeline.libpq_environment.left_open", found)
    assert complete_url("postgresql://h/d", is_for_dagster=True) == "postgresql://h/d?sslmode=require"
