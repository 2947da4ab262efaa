"""The plan of an upgrade: it is the SQL that the upgrade runs, and printing it changes nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from demo_pipeline.domain.core.errors import DatabaseError
from demo_pipeline.storage.embedded.binaries import find_tool
from demo_pipeline.storage.schema import migrate, revisions
from tests.fixtures.cli import RunCommand
from tests.fixtures.ledger_steps import real_tenant
from tests.fixtures.postgres import MakeDatabase
from tests.storage.schema.catalogue import rows_of, whole

Conn = Connection[Any]
REVISIONS = revisions.known_revisions()


def psql(url: str, script: str) -> None:
    """Run a script as a person would."""
    done = subprocess.run(
        [find_tool("psql"), "-X", "-q", url],
        input=script,
        text=True,
        encoding="utf-8",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("start", [None, *REVISIONS[:-1]])
def test_the_printed_script_does_what_the_upgrade_does(
    make_database: MakeDatabase, start: str | None
) -> None:
    """From every revision: through psql it gives the schema, and the rows, that ``db upgrade`` gives."""
    planned, upgraded = make_database(is_migrated=False), make_database()
    if start is not None:
        migrate.upgrade(planned.admin_url, start)
    with planned.admin() as conn, upgraded.admin() as other:
        if start is not None:
            real_tenant(conn)
        before = rows_of(conn)
        plan = migrate.plan(planned.admin_url)
        assert [item.revision for item in plan.revisions] == [
            name for name in REVISIONS if start is None or name > start
        ]
        psql(planned.admin_url, plan.script())
        revisions.require_current(conn)
        assert whole(conn) == whole(other)
        after = rows_of(conn)
        assert {name: len(after[name]) for name in before} == {
            name: len(rows) for name, rows in before.items()
        }
        assert migrate.plan(planned.admin_url).revisions == ()


def test_statements_outside_of_a_transaction_are_marked(tmp_path: Path) -> None:
    """What cannot be rolled back stands alone under a line that says so, never between BEGIN and COMMIT.

    The version is written with the last transaction.
    """
    files = {
        "0001_first/1_tables.sql": "create table a ();",
        "0001_first/2_more.sql": "create table b ();",
        "0001_first/down.sql": "drop table a, b;",
        "0002_second/1_index.concurrent.sql": (
            "drop index concurrently if exists i;\n-- again\ncreate index concurrently i\n    on a (x);\n"
        ),
        "0002_second/2_rules.sql": "create table c ();",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    first, second = revisions.plan_upgrade(None, "0002_second", tmp_path).revisions
    version = "INSERT INTO demo.alembic_version VALUES"
    assert [step.statements[:-1] for step in first.steps] == [("create table a ();", "create table b ();")]
    outside, inside = second.steps
    assert not outside.in_transaction
    assert outside.statements == (
        "drop index concurrently if exists i;",
        "-- again\ncreate index concurrently i\n    on a (x);",
    )
    assert inside.statements[0] == "create table c ();"
    assert f"{version} ('0002_second');" in inside.statements[1]
    plan = revisions.plan_upgrade("0001_first", "0002_second", tmp_path)
    assert plan.revisions == (second,)
    pieces = plan.script().split("\nCOMMIT;")
    assert all("concurrently" not in piece.partition("BEGIN;")[2] for piece in pieces)
    assert plan.script().count("-- outside a transaction") == 1
    assert "-- Revision 0001_first -> 0002_second" in plan.script()


@pytest.mark.risk("G10", partial=True)
def test_a_plan_changes_nothing(quick_command: RunCommand, make_database: MakeDatabase) -> None:
    """``db upgrade --plan`` prints; catalogue and rows are as before; at head it says so."""
    database = make_database(is_migrated=False)
    migrate.upgrade(database.admin_url, REVISIONS[0])
    environment = {"DEMO_DATABASE_URL": database.admin_url, "DEMO_LOADER_URL": ""}
    with database.admin() as conn:
        real_tenant(conn)
        before = whole(conn), rows_of(conn)
        printed = quick_command("db", "upgrade", "--plan", environment=environment)
        assert (printed.code, printed.err) == (0, "")
        document = quick_command("db", "upgrade", "--plan", "--json", environment=environment).document
        assert (whole(conn), rows_of(conn)) == before
    assert document["script"] == printed.out.rstrip("\n")
    assert (document["current"], document["target"]) == (REVISIONS[0], REVISIONS[-1])
    assert [item["revision"] for item in document["revisions"]] == list(REVISIONS[1:])
    head = quick_command("db", "upgrade", "--plan")
    assert (head.code, "nothing to do" in head.out) == (0, True)
    assert quick_command("db", "upgrade", "--plan", "--json").document["revisions"] == []


def test_a_schema_from_the_future_has_no_plan(database: Any, admin_conn: Conn) -> None:
    """The newer program is needed, and the message says so."""
    admin_conn.execute("update demo.alembic_version set version_num = '9999'")
    with pytest.raises(DatabaseError, match="newer than this program"):
        migrate.plan(database.admin_url)
