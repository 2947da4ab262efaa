"""``kpis``: which months are shown, in every form."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from demo_pipeline.domain.core.figures import METRICS
from demo_pipeline.domain.core.months import Month
from tests.fixtures.cli import RunCommand

#: the span of the tenant ``kranz``
SPAN = ("2025-01", "2025-02", "2025-03")


def months_of(command: RunCommand, *arguments: str) -> list[str]:
    """The months of the document, which are those of the CSV and of the table too."""
    done = command("kpis", *arguments, "--json")
    assert done.code == 0, done.err
    months = [month["month"] for month in done.document["months"]]
    rows = list(csv.DictReader(io.StringIO(command("kpis", *arguments, "--csv").out)))
    assert [{name: str(value) for name, value in month.items()} for month in done.document["months"]] == rows
    shown = command("kpis", *arguments).out
    assert all(month in shown for month in months)
    return months


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2025-01", "2025-03"),
        ("2024-11", "2024-12"),
        ("2024-12", "2025-01"),
        ("2025-03", "2025-06"),
        ("2026-01", "2026-03"),
        ("2031-05", "2031-05"),
    ],
)
def test_a_range_of_both_ends_is_exactly_these_months(
    quick_command: RunCommand, kranz: str, first: str, last: str
) -> None:
    """Before, in and after the span, and where nothing ever was: each month, zeros included."""
    wanted = [str(month) for month in Month.parse(first).until(Month.parse(last))]
    assert months_of(quick_command, kranz, "--from", first, "--to", last) == wanted
    for month in quick_command("kpis", kranz, "--from", first, "--to", last, "--json").document["months"]:
        if month["month"] not in SPAN:
            assert {str(month[metric]) for metric in METRICS} == {"0", "0.00"}


def test_one_end_bounds_the_span_and_what_has_rows(quick_command: RunCommand, kranz: str) -> None:
    """The months of the span on that side."""
    assert months_of(quick_command, kranz) == list(SPAN)
    assert months_of(quick_command, kranz, "--from", "2025-02") == list(SPAN[1:])
    assert months_of(quick_command, kranz, "--to", "2025-02") == list(SPAN[:2])
    for bound in ("--from", "2026-01"), ("--to", "2024-01"):
        done = quick_command("kpis", kranz, *bound, "--json")
        assert (done.code, done.document["months"]) == (0, [])


def test_where_nothing_is_loaded_a_note_says_so(
    quick_command: RunCommand, kranz: str, blueprint: Path
) -> None:
    """Whatever the bounds: which months were asked for, and which are loaded."""
    loaded = "loaded are 2025-01 to 2025-03"
    for bounds, text in (
        (("--from", "2026-01"), f"no months from 2026-01 on; {loaded}"),
        (("--to", "2024-01"), f"no months up to 2024-01; {loaded}"),
        (("--from", "2019-01", "--to", "2019-02"), f"no months from 2019-01 to 2019-02; {loaded}"),
        (("--from", "2025-03", "--to", "2025-04"), None),
        ((), None),
    ):
        for form in ((), ("--json",), ("--csv",)):
            done = quick_command("kpis", kranz, *bounds, *form)
            assert (done.code, done.err) == (0, "" if text is None else f"note: {kranz}: {text}\n")
    empty = blueprint.rename(blueprint.with_name("empty.yaml"))
    quick_command("tenant", "provision", empty)
    assert "note: empty: nothing is loaded yet" in quick_command("kpis", "empty").err


def test_a_range_that_ends_before_it_begins_is_wrong_input(quick_command: RunCommand, kranz: str) -> None:
    """Exit 2 with both months."""
    done = quick_command("kpis", kranz, "--from", "2025-03", "--to", "2025-01")
    assert (done.code, done.out) == (2, "")
    assert "2025-03" in done.err
    assert "2025-01" in done.err


@pytest.mark.parametrize("suffix", ["xlsx", "parquet"])
def test_a_file_has_the_figures_of_the_document(
    quick_command: RunCommand, kranz: str, tmp_path: Path, suffix: str
) -> None:
    """Every month and metric, exactly; nothing on stdout, and a line that says what was written."""
    path = tmp_path / f"kranz.{suffix}"
    done = quick_command("kpis", kranz, f"--{suffix}", str(path))
    assert (done.code, done.out) == (0, "")
    assert f"wrote 3 months of {kranz} to" in done.err
    frame = (
        pd.read_excel(path, dtype_backend="pyarrow")
        if suffix == "xlsx"
        else pd.read_parquet(path, dtype_backend="pyarrow")
    )
    assert list(frame.columns) == ["month", *METRICS]
    rows = [
        {"month": f"{row['month']:%Y-%m}"} | {metric: Decimal(str(row[metric])) for metric in METRICS}
        for row in frame.to_dict("records")
    ]
    document = quick_command("kpis", kranz, "--json").document["months"]
    assert rows == [
        {name: value if name == "month" else Decimal(value) for name, value in month.items()}
        for month in document
    ]


def test_a_workbook_of_kpis_is_a_plan_of_what_is_there(
    quick_command: RunCommand, kranz: str, tmp_path: Path
) -> None:
    """As targets it asks for no row."""
    path = tmp_path / "kranz.xlsx"
    assert quick_command("kpis", kranz, "--xlsx", str(path)).code == 0
    done = quick_command("plan", "preview", kranz, str(path), "--plan-type", "targets", "--json")
    assert (done.code, done.document["feasible"]) == (0, True)
    assert {count for rows in done.document["rows"].values() for count in rows.values()} <= {0}


def test_only_one_form_is_written(quick_command: RunCommand, kranz: str, tmp_path: Path) -> None:
    """Two at once, the wrong suffix and a folder that is not there are refused, and nothing is written."""
    for arguments in (
        ("--csv", "--json"),
        ("--xlsx", str(tmp_path / "a.xlsx"), "--json"),
        ("--xlsx", str(tmp_path / "a.xlsx"), "--parquet", str(tmp_path / "a.parquet")),
        ("--xlsx", str(tmp_path / "a.csv")),
        ("--parquet", str(tmp_path / "no" / "a.parquet")),
    ):
        assert quick_command("kpis", kranz, *arguments).code == 2
    assert not [*tmp_path.glob("a*"), *tmp_path.glob(".a*")]
