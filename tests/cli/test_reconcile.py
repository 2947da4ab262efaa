"""Plans that lower figures, on the command line: looked at, confirmed, refused, taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from demo_pipeline.domain.reference.versions import GENERATOR_VERSION
from tests.fixtures.cli import RunCommand

PLAN = "mode: reconcile\nplan_type: targets\nmonths: [{month: 2025-01, metrics: {activities_created: %s}}]\n"


@pytest.fixture
def lower(quick_command: RunCommand, kranz: str, tmp_path: Path) -> Path:
    """A plan that asks for one activity fewer than there are in January."""
    shown = quick_command("kpis", kranz, "--from", "2025-01", "--to", "2025-01", "--json").document
    path = tmp_path / "lower.yaml"
    path.write_text(PLAN % (shown["months"][0]["activities_created"] - 1), encoding="utf-8")
    return path


def test_unconfirmed_it_is_the_preview_and_exit_code_2(
    quick_command: RunCommand, kranz: str, lower: Path
) -> None:
    """The preview on stdout, what to do on stderr; as JSON one document; nothing is done."""
    before = quick_command("digest", kranz).out
    refused = quick_command("patch", "apply", kranz, str(lower))
    assert refused.code == 2
    assert "rows to hide and to make" in refused.out
    assert "--yes" in refused.err
    error: dict[str, Any] = quick_command("patch", "apply", kranz, str(lower), "--json").document
    fingerprint = error["error"]["details"]["preview"]["fingerprint"]
    assert f"fingerprint: {fingerprint}" in refused.out
    assert quick_command("digest", kranz).out == before
    seen = quick_command("plan", "preview", kranz, str(lower), "--json").document
    assert seen["fingerprint"] == fingerprint
    assert seen["changes"] == [{"month": "2025-01", "table": "activities", "hidden": 1, "made": 0}]
    assert seen["deltas"]["2025-01"]["activities_created"] == -1
    lower.write_text(lower.read_text(encoding="utf-8") + f"fingerprint: {fingerprint}\n", encoding="utf-8")
    applied = quick_command("patch", "apply", kranz, str(lower), "--json").document
    assert applied["passed"]
    quick_command("job", "undo", applied["job_id"], "--json")
    assert quick_command("digest", kranz).out == before


def test_later_months_are_shown_as_made_from_figures(
    quick_command: RunCommand, kranz: str, lower: Path
) -> None:
    """``tenant show`` tells their months from those whose bytes follow from the seed."""
    assert quick_command("patch", "apply", kranz, str(lower), "--yes").code == 0
    assert quick_command("tenant", "extend", kranz, "--to", "2025-04").code == 0
    assert quick_command("generate", kranz).code == 0
    shown = quick_command("tenant", "show", kranz)
    assert f"generator {GENERATOR_VERSION} (3 months)" in shown.out
    assert f"generator {GENERATOR_VERSION}, from figures (1 month)" in shown.out


def test_a_plan_beyond_a_cap_is_refused_as_such(
    quick_command: RunCommand, kranz: str, tmp_path: Path
) -> None:
    """Exit 3, confirmed or not, as for any plan: a confirmation would not help."""
    path = tmp_path / "many.yaml"
    path.write_text(PLAN % 5_000, encoding="utf-8")
    environment = {"DEMO_CAP_ACTIVITIES": "50"}
    for line in (["plan", "preview"], ["patch", "apply"], ["patch", "apply", "--yes"]):
        refused = quick_command(*line[:2], kranz, str(path), *line[2:], environment=environment)
        assert (refused.code, "beyond the cap of 50" in refused.err) == (3, True), refused.err


def test_what_cannot_be_is_refused_with_the_nearest_plan(
    quick_command: RunCommand, kranz: str, tmp_path: Path
) -> None:
    """Everything to nothing: the rows that stay are named, and the nearest plan can be applied as it is."""
    path = tmp_path / "nothing.yaml"
    path.write_text(PLAN % 0, encoding="utf-8")
    seen = json.loads(quick_command("plan", "preview", kranz, str(path), "--json").out)
    if seen["feasible"]:
        pytest.fail("hero accounts have activities in January")
    assert {one["code"] for one in seen["errors"]} == {"held_rows", "held_row"}
    nearest = tmp_path / "nearest.json"
    nearest.write_text(json.dumps(seen["suggestion"]), encoding="utf-8")
    assert quick_command("patch", "apply", kranz, str(nearest), "--yes", "--json").document["passed"]


def test_pieces_and_mistakes_are_refused(quick_command: RunCommand, kranz: str, lower: Path) -> None:
    """A plan that reconciles is one job, and needs targets."""
    split = quick_command("patch", "apply", kranz, str(lower), "--split", "--yes")
    assert (split.code, "one job" in split.err) == (2, True)
    deltas = quick_command("patch", "apply", kranz, str(lower), "--plan-type", "deltas", "--yes")
    assert (deltas.code, "targets" in deltas.err) == (2, True)
