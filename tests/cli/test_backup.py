"""``db backup`` and ``db restore``: what comes back is what was there, down to rights and policies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from demo_pipeline.services.checkpoints.checkpoint import take_checkpoint
from demo_pipeline.services.checkpoints.rewind import rewind_tenant
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.tenants.queries import digest
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.cli import PROGRAM, RunCommand, clean_environment
from tests.fixtures.ledger_steps import real_tenant
from tests.fixtures.postgres import PostgresServer, drop_database, in_database
from tests.services.builders import made
from tests.services.patches.builders import SMALL, plan
from tests.storage.schema.catalogue import rows_of, whole


@pytest.fixture
def new_name(database: Database, postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a database that is not there; dropped if the test makes it."""
    name = f"{conninfo_to_dict(database.admin_url)['dbname']}_restored"
    yield name
    with psycopg.connect(postgres_server.owner_url, autocommit=True) as conn:
        drop_database(conn, name)


def people_of(conn: psycopg.Connection[Any]) -> list[Any]:
    """Who is a member of what, and how; without the roles that other tests make on the same server."""
    return conn.execute(
        "select * from pg_auth_members where member::regrole::text !~ '^\"?t_' order by 1, 2, 3"
    ).fetchall()


@pytest.mark.risk("G10", partial=True)
def test_a_backup_is_restored_whole(
    command: RunCommand, database: Database, database_settings: Settings, tmp_path: Path, new_name: str
) -> None:
    """Rows of every table, digests, policies, rights and functions are the same; a patch runs there."""
    made(database, database_settings, SMALL)
    file = tmp_path / "crm.dump"
    with database.admin() as conn:
        real_tenant(conn)
        take_checkpoint(database, database_settings, "acme", "start")
        before = digest(database, database_settings, "acme")
        # An edit, which is recorded.
        conn.execute("update crm.contacts set phone = '' where demo_generated")
        schema, rows, members = whole(conn), rows_of(conn), people_of(conn)
        done = command("db", "backup", file, "--json")
        assert (done.code, done.err) == (0, "")
        assert done.document["size_bytes"] == file.stat().st_size
        assert done.document["restore"].endswith(f"demo-pipeline db restore {file} --into crm_restored")
        assert file.stat().st_mode & 0o077 == 0
        assert [path.name for path in tmp_path.glob("*dump*")] == ["crm.dump"]
        restored = command("db", "restore", file, "--into", new_name, "--json")
        assert restored.code == 0, restored.err
        assert restored.document == {"database": new_name, "revision": done.document["revision"]}
        assert people_of(conn) == members
    assert database.loader_url is not None
    copy = Database(
        admin_url=in_database(database.admin_url, new_name),
        loader_url=in_database(database.loader_url, new_name),
        is_embedded=database.is_embedded,
    )
    with copy.admin() as conn:
        assert rows_of(conn) == rows
        assert whole(conn) == schema
    assert digest(copy, database_settings, "acme") == digest(database, database_settings, "acme")
    apply_patch(copy, database_settings, "acme", plan({"2025-02": {"contacts_created": 4}}))
    assert all(not verdict.findings for verdict in verify(copy, database_settings))
    with copy.admin() as conn:
        assert len(rows_of(conn)["crm.contacts"]) == len(rows["crm.contacts"]) + 4
    rewind_tenant(copy, database_settings, "acme", "start")
    assert digest(copy, database_settings, "acme") == before
    again = command("db", "restore", file, "--into", new_name)
    assert (again.code, "nothing is overwritten" in again.err) == (2, True)


def test_a_file_that_exists_stays(quick_command: RunCommand, tmp_path: Path) -> None:
    """Nothing is overwritten, and nothing is left beside it."""
    file = tmp_path / "crm.dump"
    file.write_text("mine", encoding="utf-8")
    done = quick_command("db", "backup", file)
    assert (done.code, "not overwritten" in done.err) == (2, True)
    assert file.read_text(encoding="utf-8") == "mine"
    assert quick_command("db", "backup", tmp_path / "no" / "crm.dump").code == 2
    no_dump = quick_command("db", "restore", file, "--into", "nowhere", "--json")
    assert no_dump.code != 0
    assert "pg_restore" in no_dump.error["message"]


def test_the_password_is_on_no_command_line(
    command: RunCommand, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pg_dump gets it by its environment; a program in its place shows what it was given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    seen = tmp_path / "seen"
    for name in ("postgres", "initdb"):
        (folder / name).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    with database.admin() as conn:
        major = conn.info.server_version // 10_000
    (folder / "pg_dump").write_text(
        f'#!/bin/sh\nif [ "$1" = -V ]; then echo "pg_dump (PostgreSQL) {major}.0"; exit 0; fi\n'
        f'echo "$@" > {seen}\necho "pg_dump: error: no room left" >&2\nexit 1\n',
        encoding="utf-8",
    )
    for path in folder.iterdir():
        path.chmod(0o755)
    password = str(conninfo_to_dict(database.admin_url)["password"])
    path = f"{folder}:{clean_environment()['PATH']}"
    done = command("db", "backup", tmp_path / "crm.dump", environment={"PATH": path})
    assert (done.code, "pg_dump failed: no room left" in done.err) == (1, True)
    assert "--format=custom" in seen.read_text(encoding="utf-8")
    assert password not in seen.read_text(encoding="utf-8") + done.err
    assert not list(tmp_path.glob("*dump*"))
    assert PROGRAM.exists()
