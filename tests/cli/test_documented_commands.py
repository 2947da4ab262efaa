"""The commands that the pages of the reference show work as they are shown."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from demo_pipeline.settings import BUNDLED_BLUEPRINTS
from tests.docs.test_docs import CONSOLE
from tests.fixtures.cli import BIN, clean_environment
from tests.fixtures.forked_program import forker
from tests.fixtures.machine import leave_out
from tests.paths import PROJECT

DOCS: Final = PROJECT / "docs"
#: page → the commands of its blocks that are run here begin with one of these
PAGES: Final = ("reference/blueprint.md", "reference/curves.md", "reference/settings.md", "tenants.md")


def page_text(page: str) -> str:
    """A page as it is written."""
    return (DOCS / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[str]:
    """The blocks of command lines of a page."""
    return [str(block) for block in CONSOLE.findall(page_text(page))]


def run_block(block: str, folder: Path, environment: dict[str, str]) -> str:
    """Give the block to a shell that stops at the first mistake; what it printed."""
    # The program is one that has a fork do it: what its start takes is seen elsewhere.
    path = os.pathsep.join([str(forker().program.parent), str(BIN), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", block],
        cwd=folder,
        env={**environment, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_the_first_commands_of_a_page_work(
    page: str, dagster_database_env: dict[str, str], tmp_path: Path
) -> None:
    """In a folder beside the bundled blueprints, with the program on the PATH."""
    (tmp_path / "blueprints").symlink_to(BUNDLED_BLUEPRINTS)
    printed = run_block(blocks(page)[0], tmp_path, clean_environment(dagster_database_env))
    assert "pipeline value" in printed or "as expected" in printed


def test_the_commands_of_reports_work(
    kranz: str, dagster_database_env: dict[str, str], tmp_path: Path
) -> None:
    """They write the pages that the text names."""
    for block in blocks("reports.md"):
        run_block(block.replace("larkmoor", kranz), tmp_path, clean_environment(dagster_database_env))
    assert {one.name for one in tmp_path.glob("*.html")} == {f"{kranz}.html", "tenants.html"}


@pytest.mark.long
def test_the_commands_of_a_first_day_and_of_checks_work(
    dagster_database_env: dict[str, str], tmp_path: Path
) -> None:
    """In the order of the pages, after ``make demo``: lost rows are made again, all months are released."""
    if shutil.which("psql") is None:
        leave_out("psql", "apt-get install postgresql-client")
    (tmp_path / "blueprints").symlink_to(BUNDLED_BLUEPRINTS)
    environment = clean_environment(dagster_database_env)

    def run(block: str) -> str:
        return run_block(block, tmp_path, environment)

    run("demo-pipeline run larkmoor")
    printed = [run(block) for block in blocks("first-day.md") if block.strip() != "demo-pipeline serve"]
    assert sum("UPDATE 3" in one for one in printed) == 1
    assert (tmp_path / "larkmoor.html").exists()
    for block in blocks("checks.md"):
        run("\n".join(line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")))
    assert "as expected" in run("demo-pipeline verify larkmoor")


def test_the_reference_shows_no_other_commands() -> None:
    """Each page of the reference that shows commands, but for the commands' own, is tested above."""
    shown = {
        path.relative_to(DOCS).as_posix(): len(blocks(path.relative_to(DOCS).as_posix()))
        for path in (DOCS / "reference").glob("*.md")
        if path.name != "cli.md"
    }
    assert {page for page, count in shown.items() if count} == set(PAGES) - {"tenants.md"}
    assert max(shown.values()) == 1


@pytest.mark.long
def test_dagster_s_command_line_knows_the_project(tmp_path: Path) -> None:
    """``dg`` lists and checks the definitions in the project's folder."""
    (block,) = (block for block in blocks("dagster.md") if "dg list defs" in block)
    environment = {**clean_environment(), "HOME": str(tmp_path), "DEMO_HOME": str(tmp_path / "demo")}
    home = str(tmp_path / "dagster")
    block = block.replace("$PWD/.demo/dagster", home).replace(".venv/bin/activate", str(BIN / "activate"))
    printed = run_block(f"mkdir {home}\n{block}", PROJECT, environment)
    assert "kpi_snapshot" in printed
    assert "All definitions loaded successfully" in printed
