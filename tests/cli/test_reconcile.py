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


def test_figures_that_did_not_change_are_one_line(
    quick_command: RunCommand, kranz: str, tmp_path: Path
) -> None:
    """Rows of other months go along: what is shown of the job and of its undo is what changed."""
    shown = quick_command("kpis", kranz, "--from", "2025-02", "--to", "2025-02", "--json").document
    count = shown["months"][0]["contacts_created"]
    path = tmp_path / "fewer.yaml"
    text = PLAN.replace("2025-01", "2025-02").replace("activities", "contacts") % (count - 4)
    path.write_text(text, encoding="utf-8")
    warnings = quick_command("plan", "preview", kranz, path, "--json").document["warnings"]
    assert warnings
    done = quick_command("patch", "apply", kranz, path, "--yes")
    assert done.err.splitlines() == [f"warning: {text}" for text in warnings]
    job = quick_command("job", "list", kranz, "--json").document["jobs"][0]["job_id"]
    months = quick_command("job", "show", job, "--json").document["months"]
    assert len(months) > 1, "rows of other months went along"
    undone = quick_command("job", "undo", "--last", kranz)
    assert f", of {', '.join(one['month'] for one in months)}\n" in undone.err
    for finished in (done, undone):
        _, _, *lines, last = finished.out.splitlines()
        assert last == f"every other figure of {len(months)} months is as it was"
        assert {line.split()[0] for line in lines} == {"2025-02"}
        assert all(line.split()[5] != "0" for line in lines)
    listed = quick_command("job", "show", job).out
    assert len([line for line in listed.splitlines() if line.endswith(" exact")]) == len(lines)


def test_amounts_of_deals_are_written_like_all_others(
    quick_command: RunCommand, kranz: str, tmp_path: Path
) -> None:
    """The largest deals to hide, with a comma before each three digits; without one in JSON."""
    shown = quick_command("kpis", kranz, "--from", "2025-02", "--to", "2025-02", "--json").document
    path = tmp_path / "fewer.yaml"
    text = PLAN.replace("2025-01", "2025-02").replace("activities", "deals")
    path.write_text(text % (shown["months"][0]["deals_created"] - 2), encoding="utf-8")
    deals = quick_command("plan", "preview", kranz, path, "--json").document["largest_hidden_deals"]
    table = quick_command("plan", "preview", kranz, path).out.splitlines()
    amounts = [line.split()[-1] for deal in deals for line in table if deal["title"] in line]
    assert amounts == [f"{float(deal['value']):,.2f}" for deal in deals]
    assert "," in amounts[0]


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
