"""Databases that cannot be used: exit 1 and one line that says what to do, without a password."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from demo_pipeline.storage.connection import database as databases
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.cli import RunCommand, clean_environment, run_program
from tests.fixtures.embedded_server import forget
from tests.fixtures.postgres import MakeDatabase

PASSWORD = "s3cret-Word"


def one_line(text: str) -> str:
    """The only line of ``text``."""
    (line,) = text.splitlines()
    return line


def test_no_database(command: RunCommand) -> None:
    """Nobody listens at the address."""
    done = command(
        "tenant", "list", environment={"DEMO_DATABASE_URL": f"postgresql://ann:{PASSWORD}@127.0.0.1:9/crm"}
    )
    assert (done.code, done.out) == (1, "")
    assert "127.0.0.1:9" in one_line(done.err)
    assert "DEMO_DATABASE_URL" in done.err
    assert PASSWORD not in done.err


def test_wrong_password(command: RunCommand, database: Database) -> None:
    """The server says no."""
    address = database.admin_url.rpartition("@")[2] if "@" in database.admin_url else ""
    environment = {"DEMO_DATABASE_URL": f"postgresql://crm_admin:{PASSWORD}@{address}"}
    done = command("tenant", "list", "--json", environment=environment)
    assert done.code == 1
    assert done.error["code"] == "database"
    assert "DEMO_DATABASE_URL" in done.error["message"]
    assert PASSWORD not in done.out + done.err


def test_no_schema_yet(command: RunCommand, make_database: MakeDatabase) -> None:
    """A given server is never migrated by itself; the line names the command, which cures it."""
    empty = make_database(is_migrated=False)
    assert empty.loader_url is not None
    environment = {"DEMO_DATABASE_URL": empty.admin_url, "DEMO_LOADER_URL": empty.loader_url}
    done = command("tenant", "list", environment=environment)
    assert (done.code, done.out) == (1, "")
    assert "demo-pipeline db upgrade" in one_line(done.err)
    assert command("db", "upgrade", environment=environment).code == 0
    assert command("tenant", "list", "--json", environment=environment).document == {"tenants": []}


def test_down_and_up_again(command: RunCommand, blueprint: Path) -> None:
    """A downgrade that would lose rows is refused until told to."""
    assert command("tenant", "provision", blueprint).code == 0
    refused = command("db", "downgrade", "base")
    assert refused.code == 2
    assert "--discard" in one_line(refused.err)
    assert command("db", "downgrade", "base", "--discard", "--json").document == {"revision": None}
    assert command("db", "upgrade", "--json").document["revision"]
    assert command("tenant", "list", "--json").document == {"tenants": []}


def test_an_old_server(quick_command: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too old a server is named with its version and what is needed."""
    monkeypatch.setattr(databases, "MINIMUM_MAJOR", 99)
    done = quick_command("tenant", "list")
    assert (done.code, done.out) == (1, "")
    assert "99 or newer is needed" in one_line(done.err)


def test_no_loader(dagster_database_env: dict[str, str], blueprint: Path) -> None:
    """Jobs do not run as the administrator; the line says how a login for them is made."""
    environment = clean_environment(dagster_database_env)
    del environment["DEMO_LOADER_URL"]
    done = run_program("tenant", "provision", blueprint, environment=environment)
    assert (done.code, done.out) == (1, "")
    assert "DEMO_LOADER_URL" in one_line(done.err)


def test_the_url_is_printed_alone(command: RunCommand, database: Database) -> None:
    """``db url`` prints one line that psql takes."""
    done = command("db", "url")
    assert (done.code, done.err) == (0, "")
    assert one_line(done.out) == database.admin_url
    assert command("db", "url", "--json").document == {"url": database.admin_url}


def test_the_state_of_a_given_database(quick_command: RunCommand) -> None:
    """It is asked for nothing: its URL without the password, and whether an embedded server runs."""
    environment = {"DEMO_DATABASE_URL": f"postgresql://ann:{PASSWORD}@127.0.0.1:9/crm"}
    seen = quick_command("db", "status", "--json", environment=environment)
    assert (seen.code, seen.document["url"]) == (0, "postgresql://ann:***@127.0.0.1:9/crm")
    assert seen.document["is_running"] is False


def test_the_embedded_server_starts_and_stops(tmp_path: Path, blueprint: Path) -> None:
    """It is made by the first command that needs it, which says so, stays up, and stops when told to.

    Who looks for a tenant in a new database, as in a wrong folder, reads which database that is.
    """
    home = tmp_path / "home"
    environment = clean_environment({"DEMO_HOME": str(home)})

    def state() -> tuple[str, bool, str | None]:
        seen = run_program("db", "status", "--json", environment=environment)
        assert (seen.code, seen.err) == (0, "")
        return seen.document["folder"], seen.document["is_running"], seen.document["url"]

    made = f"made an empty database in {home}; DEMO_HOME names another folder"
    try:
        assert state() == (str(home), False, None)
        assert not home.exists(), "it makes nothing"
        first = run_program("verify", "nobody", "--json", environment=environment)
        assert made in first.err.splitlines()
        assert first.error["message"].startswith(f"there is no tenant 'nobody' in {home}; ")
        for arguments, nothing in (
            (("tenant", "list"), "there is no demo tenant yet"),
            (("verify",), "there is no demo tenant yet"),
            (("job", "list"), "there are no jobs yet"),
        ):
            done = run_program(*arguments, environment=environment)
            assert (done.code, done.out) == (0, "")
            assert one_line(done.err).startswith(f"{nothing} in {home}")
        ran = run_program("run", blueprint, environment=environment)
        assert re.search(r"^  \S*demo-pipeline db stop  +ends the database server", ran.err, re.MULTILINE), (
            ran.err
        )
        url = one_line(run_program("db", "url", environment=environment).out)
        shown = re.sub(r":\w+@", "@", url)
        assert state() == (str(home), True, shown)
        text = run_program("db", "status", environment=environment).out
        assert all(part in text for part in (str(home), "running", shown))
        with psycopg.connect(url) as conn:
            assert conn.execute("SELECT count(*) FROM crm.tenants").fetchone() == (1,)
        for was_running in (True, False):
            stopped = run_program("db", "stop", "--json", environment=environment)
            assert stopped.document == {"was_running": was_running}
        assert state() == (str(home), False, None)
        idle = run_program("db", "stop", environment=environment)
        assert idle.out == f"the server of {home} was not running\n"
        run_program("db", "url", environment=environment)
        stopped = run_program("db", "stop", environment=environment)
        assert stopped.out == f"stopped the server of {home}\n"
    finally:
        forget(home)
