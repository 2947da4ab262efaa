"""The plan of an upgrade: it is the SQL that the upgrade runs, and printing it changes nothing."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from psycopg import Connection

from demo_pipeline.domain.core.errors import DatabaseError
from demo_pipeline.storage.embedded.binaries import find_tool
from demo_pipeline.storage.schema import migrate, revision
from demo_pipeline.storage.schema.migration_plan import plan_upgrade
from tests.fixtures.cli import RunCommand
from tests.fixtures.ledger_steps import real_tenant
from tests.fixtures.postgres import MakeDatabase
from tests.storage.schema.catalogue import rows_of, whole

Conn = Connection[Any]
REVISIONS = revision.known_revisions()


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
        revision.require_current(conn)
        assert whole(conn) == whole(other)
        after = rows_of(conn)
        assert {name: len(after[name]) for name in before} == {
            name: len(rows) for name, rows in before.items()
        }
        assert migrate.plan(planned.admin_url).revisions == ()


def test_statements_outside_of_a_transaction_are_marked() -> None:
    """What cannot be rolled back stands alone under a line that says so, never between BEGIN and COMMIT."""
    plan = plan_upgrade("0001", "0002")
    (found,) = plan.revisions
    outside = [step.sql for step in found.steps if not step.in_transaction]
    assert len(outside) == 2  # dropped and made again together
    assert all("concurrently" in statement for statement in outside)
    pieces = plan.script().split("\nCOMMIT;")
    assert all("concurrently" not in piece.partition("BEGIN;")[2] for piece in pieces)
    assert plan.script().count("-- outside a transaction") == 1
    assert "-- Revision 0001 -> 0002" in plan.script()


@pytest.mark.risk("G10", partial=True)
def test_a_plan_changes_nothing(quick_command: RunCommand, make_database: MakeDatabase) -> None:
    """``db upgrade --plan`` prints; catalogue and rows are as before; at head it says so."""
    database = make_database(is_migrated=False)
    migrate.upgrade(database.admin_url, "0001")
    environment = {"DEMO_DATABASE_URL": database.admin_url, "DEMO_LOADER_URL": ""}
    with database.admin() as conn:
        real_tenant(conn)
        before = whole(conn), rows_of(conn)
        printed = quick_command("db", "upgrade", "--plan", environment=environment)
        assert (printed.code, printed.err) == (0, "")
        document = quick_command("db", "upgrade", "--plan", "--json", environment=environment).document
        assert (whole(conn), rows_of(conn)) == before
    assert document["script"] == printed.out.rstrip("\n")
    assert (document["current"], document["target"]) == ("0001", REVISIONS[-1])
    assert [item["revision"] for item in document["revisions"]] == list(REVISIONS[1:])
    head = quick_command("db", "upgrade", "--plan")
    assert (head.code, "nothing to do" in head.out) == (0, True)
    assert quick_command("db", "upgrade", "--plan", "--json").document["revisions"] == []


def test_a_schema_from_the_future_has_no_plan(database: Any, admin_conn: Conn) -> None:
    """The newer program is needed, and the message says so."""
    admin_conn.execute("update demo.alembic_version set version_num = '9999'")
    with pytest.raises(DatabaseError, match="newer than this program"):
        migrate.plan(database.admin_url)
