"""``plan write``: plans that go on from the months before, and can be applied as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from demo_pipeline.cli.commands import plan
from demo_pipeline.domain.core.figures import METRICS
from demo_pipeline.domain.patch_plan.shapes import Shape
from demo_pipeline.services.files.plan_files import read_plan
from tests.fixtures.cli import RunCommand, table_counts

#: shape → its options
OPTIONS: Final = {
    "copy-last-month": [],
    "grow": ["--percent", "10", "--months", "2"],
    "match-average": ["--average", "2"],
    "holiday-dip": ["--percent", "20"],
    "q4-surge": ["--percent", "40%"],
}


def asked(document: Any) -> dict[str, dict[str, Any]]:
    """The figures of a plan by month."""
    return {month["month"]: month["metrics"] for month in document["months"]}


def test_every_shape_has_a_name() -> None:
    """The names that the command takes are those that can be drafted."""
    assert tuple(Shape) == plan.SHAPES
    assert set(OPTIONS) == set(Shape)


@pytest.mark.parametrize("shape", OPTIONS)
def test_a_written_plan_can_be_applied(
    quick_command: RunCommand, kranz: str, tmp_path: Path, shape: str, admin_conn: psycopg.Connection
) -> None:
    """It begins after the last month with all eight figures, writes nothing, and the job reaches it.

    Its preview has nothing to warn of.
    """
    before = table_counts(admin_conn)
    shown = quick_command("plan", "write", kranz, shape, *OPTIONS[shape], "--json")
    assert shown.code == 0, shown.err
    assert shown.document["plan_type"] == "targets"
    months = asked(shown.document)
    assert min(months) == "2025-04"
    path = tmp_path / "plan.yaml"
    path.write_text(quick_command("plan", "write", kranz, shape, *OPTIONS[shape]).out, encoding="utf-8")
    assert read_plan(path).plan.to_json() == shown.document
    assert table_counts(admin_conn) == before
    seen = quick_command("plan", "preview", kranz, path, "--json")
    assert (seen.code, seen.document["warnings"]) == (0, [])
    done = quick_command("patch", "apply", kranz, path, "--json")
    assert done.code == 0, done.out
    for month in done.document["months"]:
        for metric, figure in months[month["month"]].items():
            assert month["metrics"][metric]["after"] == figure


def test_a_shape_says_what_it_says(quick_command: RunCommand, kranz: str) -> None:
    """Copying and growing from a month that was filled: its figures, and ten per cent more each month."""
    last = quick_command("kpis", kranz, "--from", "2025-03", "--json").document["months"][0]
    assert last.pop("month") == "2025-03"
    # 2024: nothing is known before, and 2025-04 on is as the blueprint goes on.
    copied = asked(quick_command("plan", "write", kranz, "copy-last-month", "--json").document)
    assert set(copied) == {"2025-04"}
    grown = quick_command("plan", "write", kranz, "grow", "--percent", "50", "--months", "2", "--json")
    assert not grown.err
    figures = asked(grown.document)
    assert list(figures) == ["2025-04", "2025-05"]
    assert all(list(month) == list(METRICS) for month in figures.values())
    assert figures["2025-04"]["contacts_created"] >= last["contacts_created"] * 1.4
    assert figures["2025-05"]["contacts_created"] >= figures["2025-04"]["contacts_created"] * 1.4


def test_what_is_there_is_kept(quick_command: RunCommand, kranz: str) -> None:
    """A plan only adds: where a month shows more already, the plan has that, and says so."""
    shown = quick_command("plan", "write", kranz, "grow", "--percent", "-50", "--from", "2025-03", "--json")
    assert shown.code == 0
    assert "2025-03" in shown.err
    there = quick_command("kpis", kranz, "--from", "2025-03", "--json").document["months"][0]
    kept = asked(shown.document)["2025-03"]
    assert {metric: there[metric] for metric in kept} == kept


@pytest.mark.parametrize("suffix", ["csv", "json", "yaml"])
def test_a_file_has_the_form_of_its_name(
    quick_command: RunCommand, kranz: str, tmp_path: Path, suffix: str
) -> None:
    """Each reads back as the same plan; what a CSV cannot say is said."""
    path = tmp_path / f"plan.{suffix}"
    done = quick_command("plan", "write", kranz, "q4-surge", "-o", path)
    assert (done.code, done.out) == (0, "")
    assert str(path) in done.err
    is_csv = suffix == "csv"
    assert ("--plan-type targets" in done.err) == is_csv
    plan = read_plan(path, plan_type="targets" if is_csv else None).plan
    assert plan.to_json() == quick_command("plan", "write", kranz, "q4-surge", "--json").document
    assert json.loads(path.read_text())["months"] if suffix == "json" else True


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["grow"], ["percent"]),
        (["copy-last-month", "--percent", "3", "--average", "4"], ["2 problems", "percent", "average"]),
        (["grow", "--percent", "ten"], ["ten"]),
        (["grow", "--percent", "-100"], ["-100"]),
        (["match-average", "--average", "0"], ["0"]),
        (["copy-last-month", "--months", "25"], ["25"]),
        (["copy-last-month", "--from", "2024-12"], ["2024-12"]),
        (["copy-last-month", "-o", "plan.txt"], ["plan.txt", ".csv"]),
        (["copy-last-month", "-o", "nowhere/plan.csv"], ["nowhere/plan.csv"]),
        (["double"], ["double", "copy-last-month"]),
    ],
    ids=" ".join,
)
def test_what_makes_no_plan_is_wrong_input(
    quick_command: RunCommand, kranz: str, options: list[str], says: list[str]
) -> None:
    """Exit 2 with all that is wrong, and no file."""
    done = quick_command("plan", "write", kranz, *options)
    assert (done.code, done.out) == (2, "")
    for part in says:
        assert part in done.err
