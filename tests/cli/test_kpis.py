"""``kpis``: which months are shown, in every form."""

from __future__ import annotations

import csv
import io

import pytest

from demo_pipeline.domain.metrics import METRICS
from demo_pipeline.domain.months import Month
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
    """The months of the span on that side; where there are none, the command says how to see zeros."""
    assert months_of(quick_command, kranz) == list(SPAN)
    assert months_of(quick_command, kranz, "--from", "2025-02") == list(SPAN[1:])
    assert months_of(quick_command, kranz, "--to", "2025-02") == list(SPAN[:2])
    for arguments, other in ((("--from", "2026-01"), "--to"), (("--to", "2024-01"), "--from")):
        done = quick_command("kpis", kranz, *arguments, "--json")
        assert (done.code, done.document["months"]) == (0, [])
        assert other in done.err
        assert kranz in done.err


def test_a_range_that_ends_before_it_begins_is_wrong_input(quick_command: RunCommand, kranz: str) -> None:
    """Exit 2 with both months."""
    done = quick_command("kpis", kranz, "--from", "2025-03", "--to", "2025-01")
    assert (done.code, done.out) == (2, "")
    assert "2025-03" in done.err
    assert "2025-01" in done.err
