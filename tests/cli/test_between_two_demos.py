"""The tutorial between two demos: its commands, typed one after the other, do what it says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.services.tenants.queries import digest
from demo_pipeline.settings import BUNDLED_BLUEPRINTS, Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.embedded.binaries import find_tool
from tests.docs.test_docs import typed_lines
from tests.fixtures.cli import RunCommand
from tests.paths import PROJECT

PAGE: Final = (PROJECT / "docs" / "between-two-demos.md").read_text(encoding="utf-8")
#: of each look at the light, in the order of the page
LIGHTS: Final = ("✓ ready", "✗ not ready", "✓ ready", "✗ not ready", "✓ ready", "✓ ready")


def follow(
    page: str, command: RunCommand, database: Database, settings: Settings, folder: Path, slug: str
) -> None:
    """Type the commands of ``page``; lights, drift, digest and figure are as it says."""
    [plan] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (folder / "lower.yaml").write_text(plan, encoding="utf-8")
    lights: list[str] = []
    digests: dict[str, str] = {}
    for program, *words in typed_lines(page):
        if program == "psql":
            digests["before"] = digest(database, settings, slug)
            assert words.pop(0) == "$(demo-pipeline db url)"
            subprocess.run(
                [find_tool("psql"), "-X", "-v", "ON_ERROR_STOP=1", database.admin_url, *words],
                check=True,
                capture_output=True,
                timeout=60,
            )
            assert digest(database, settings, slug) != digests["before"]
            continue
        done = command(*(folder / word if word == "lower.yaml" else word for word in words))
        if words[0] == "ready":
            lights += re.findall(r"[✓✗] (?:not )?ready", done.out)
            assert done.code == (4 if "✗ not ready" in done.out else 0)
            if len(lights) == 2:
                assert "people changed 1 company, 1 contact, 1 deal, 3 activities since" in done.out
                assert f"rewind {slug} before-demo --yes" in done.out
        else:
            assert done.code == 0, (words, done)
        if words[0] == "rewind" and "--yes" in words:
            assert digest(database, settings, slug) == digests["before"]
        if words[0] == "kpis":
            [target] = re.findall(r"deals_created: (\d+)", plan)
            assert done.out.splitlines()[2].split()[4] == target
    assert tuple(lights) == LIGHTS


def test_the_tutorial_on_a_small_tenant(
    quick_command: RunCommand, database: Database, database_settings: Settings, tmp_path: Path, kranz: str
) -> None:
    """With another tenant, month and figure."""
    page = PAGE
    for old, new in (
        ("larkmoor", kranz),
        ("2025-09", "2025-02"),
        ("deals_created: 60", "deals_created: 4"),
    ):
        assert old in page
        page = page.replace(old, new)
    follow(page, quick_command, database, database_settings, tmp_path, kranz)


@pytest.mark.long
def test_the_tutorial_as_it_is_written(
    quick_command: RunCommand, database: Database, database_settings: Settings, tmp_path: Path
) -> None:
    """With the bundled tenant."""
    database_settings.home.mkdir(parents=True, exist_ok=True)
    provision(database, database_settings, BUNDLED_BLUEPRINTS / "larkmoor.yaml")
    materialise(database, database_settings, "larkmoor")
    follow(PAGE, quick_command, database, database_settings, tmp_path, "larkmoor")
