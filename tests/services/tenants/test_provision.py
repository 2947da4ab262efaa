"""Provisioning from files: what is read, and how often."""

from __future__ import annotations

import cProfile
import pstats
from pathlib import Path
from typing import Any

from demo_pipeline.services.tenants.provision import provision, provision_all
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.paths import BLUEPRINTS

#: function and its file: what each blueprint goes through
STEPS = (
    ("read_content", "reader.py"),
    ("parse_yaml", "nested_files.py"),
    ("check_blueprint", "checks.py"),
    ("_check_between", "checks.py"),
    ("resolve", "resolve.py"),
)


def call_counts(profile: cProfile.Profile) -> dict[str, int]:
    """Step → how often it was called."""
    stats: dict[tuple[str, int, str], Any] = vars(pstats.Stats(profile))["stats"]
    called = [(Path(file).name, name, counts[1]) for (file, _, name), counts in stats.items()]
    return {
        step: sum(count for file, name, count in called if (name, file) == (step, module))
        for step, module in STEPS
    }


def test_a_blueprint_is_read_checked_and_resolved_once(
    database: Database, database_settings: Settings
) -> None:
    """Of one file, and of each of several: the result is passed on, and no step is done again."""
    path = BLUEPRINTS / "larkmoor.yaml"
    with cProfile.Profile() as one:
        made = provision(database, database_settings, path)
    assert made.is_new
    assert call_counts(one) == dict.fromkeys((name for name, _ in STEPS), 1)
    paths = sorted(BLUEPRINTS.glob("*.yaml"))
    with cProfile.Profile() as several:
        tenants = provision_all(database, database_settings, paths)
    assert [tenant.is_new for tenant in tenants] == [file != path for file in paths]
    assert call_counts(several) == dict.fromkeys((name for name, _ in STEPS), len(paths))
