"""Commands that answer at once import only what they need: start-up is held by modules, not by seconds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from demo_pipeline.storage.connection.database import Database
from tests.fixtures.cli import clean_environment, run_program

#: Prints the modules that are imported when the command has ended, as the last line of stderr.
LISTED: Final = """
import atexit, sys
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
from demo_pipeline.cli.main import main
main()
"""
#: Each costs between a tenth of a second and two seconds.
HEAVY: Final = {
    *("alembic", "dagster", "dagster_postgres", "dagster_shared", "numpy", "openpyxl", "pandas", "pgpq"),
    *("apprise", "jinja2", "matplotlib", "prometheus_client", "pyarrow", "ruamel", "sqlalchemy"),
}
#: Builds the models of blueprints: a tenant that was provisioned is read without them.
OF_BLUEPRINTS: Final = {
    f"demo_pipeline.domain.blueprint.{name}"
    for name in ("checks", "keys", "list_checks", "lists", "resolve", "schema")
}


def imported(*arguments: str, environment: dict[str, str]) -> set[str]:
    """The modules that a successful command imports."""
    program = (sys.executable, "-c", LISTED)
    done = run_program(*arguments, environment=clean_environment(environment), program=program)
    assert done.code == 0, done.err
    found = set(done.err.splitlines()[-1].split())
    assert "demo_pipeline" in found
    return found


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_what_needs_no_database_imports_no_driver(option: str) -> None:
    """Neither settings nor the driver nor what makes rows."""
    assert not imported(option, environment={}) & (HEAVY | {"psycopg", "pydantic", "pydantic_settings"})


@pytest.mark.parametrize(
    "command",
    ["tenant list", "tenant show", "kpis", "job list", "job show", "verify", "digest", "scan", "health"],
)
def test_commands_that_read_import_nothing_that_makes_rows(
    command: str, kranz: str, database: Database, database_env: dict[str, str]
) -> None:
    """They need the driver and the settings; tables are written without Rich."""
    with database.admin() as conn:
        ((job_id,),) = conn.execute("SELECT id::text FROM demo.jobs").fetchall()
    argument = {"tenant list": [], "job list": [], "health": [], "job show": [job_id]}.get(command, [kranz])
    # Health reads plans of the inbox too.
    needless = HEAVY | {"rich"} | (OF_BLUEPRINTS if command != "health" else set[str]())
    assert not imported(*command.split(), *argument, environment=database_env) & needless


def test_a_patch_imports_no_dagster_and_no_pandas(
    kranz: str, database_env: dict[str, str], tmp_path: Path
) -> None:
    """They would cost a short job more time than it takes; what makes rows is imported."""
    plan = tmp_path / "plan.csv"
    plan.write_text("month,contacts_created\n2025-02,3\n", encoding="utf-8")
    found = imported("patch", "apply", kranz, str(plan), environment=database_env)
    assert "pyarrow" in found
    assert not found & {"alembic", "dagster", "dagster_shared", "openpyxl", "pandas", "sqlalchemy"}
    assert not found & {"jinja2", "matplotlib"}


def test_a_report_imports_no_dagster_and_no_pandas(
    kranz: str, database_env: dict[str, str], tmp_path: Path
) -> None:
    """What draws is imported, and only by this command; the scorecard reads rows as columns."""
    found = imported("report", kranz, "-o", str(tmp_path / "kranz.html"), environment=database_env)
    assert {"jinja2", "matplotlib"} <= found
    assert not found & (HEAVY - {"jinja2", "matplotlib", "numpy", "pyarrow"})
