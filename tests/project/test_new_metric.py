"""A metric is one entry of a table: what follows from it, and what a forgotten edit looks like."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from demo_pipeline.domain.core.figures import METRICS
from tests.paths import PROJECT

_NEW = "meetings_count"


def _places(*added: str) -> dict[str, dict[str, list[str]]]:
    """Derived and written places, each with its metrics, as another process sees them."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.project.metric_places", *added],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    places: Any = json.loads(done.stdout)
    return places


def test_every_place_knows_every_metric() -> None:
    """Documents, plans, rules, files, pages, the ledger, rows and the SQL have the metrics of the table."""
    for places in _places().values():
        assert places == {place: list(METRICS) for place in places}


def test_a_new_metric_is_followed_or_missed_and_never_silent() -> None:
    """Derived places follow a metric with a part of its own; the SQL and the rows do not have it."""
    places = _places(_NEW)
    assert places["derived"] == {place: [*METRICS, _NEW] for place in places["derived"]}
    assert places["written"] == {place: list(METRICS) for place in places["written"]}
