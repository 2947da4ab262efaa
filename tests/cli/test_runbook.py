"""The runbook of migrations: its command lines, typed one after the other, all work."""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.schema import revisions
from tests.docs.test_docs import typed_lines
from tests.fixtures.cli import RunCommand
from tests.fixtures.postgres import PostgresServer, drop_database
from tests.paths import PROJECT


def test_the_runbook_can_be_followed(
    quick_command: RunCommand, database: Database, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """Plan, backup, upgrade, downgrade, restore, adopt: in the order of the page, each ends with 0."""
    name = f"{conninfo_to_dict(database.admin_url)['dbname']}_runbook"
    own = {"crm.dump": str(tmp_path / "crm.dump"), "crm_restored": name}
    lines = typed_lines((PROJECT / "docs" / "migrations.md").read_text(encoding="utf-8"))
    typed = [[own.get(word, word) for word in rest] for program, *rest in lines if program == "demo-pipeline"]
    assert {words[1] for words in typed} >= {"upgrade", "backup", "downgrade", "restore", "adopt"}
    try:
        for words in typed:
            done = quick_command(*words)
            assert done.code == 0, (words, done.err)
    finally:
        with psycopg.connect(postgres_server.owner_url, autocommit=True) as conn:
            drop_database(conn, name)
    with database.admin() as conn:
        revisions.require_current(conn)
