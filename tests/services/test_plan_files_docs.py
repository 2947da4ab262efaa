"""What the page on plans shows is what the reader does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, cast

import pytest

from demo_pipeline.domain.errors import InputError
from demo_pipeline.services.plan_files import PlanFile, PlanKind, parse_plan

PAGE: Final = (Path(__file__).resolve().parents[2] / "docs" / "plans.md").read_text("utf-8")
EXAMPLES: Final = re.findall(r"```(csv|json|yaml)( refused)?\n(.*?)```", PAGE, re.DOTALL)


def examples(kind: str) -> list[PlanFile]:
    """The examples of a kind that are plans."""
    return [
        parse_plan(text.encode(), cast("PlanKind", found))
        for found, refused, text in EXAMPLES
        if found == kind and not refused
    ]


def test_both_spreadsheets_are_the_same_plan() -> None:
    """As the page says; only one of them names a currency."""
    first, second = examples("csv")
    assert first.plan == second.plan
    assert len(first.plan.months) == 2
    assert (first.currencies, second.currencies) == (frozenset(), frozenset({"EUR"}))


def test_both_documents_are_the_same_plan() -> None:
    """JSON and YAML, with another spelling of names and amounts."""
    (json_plan,), (yaml_plan,) = examples("json"), examples("yaml")
    assert json_plan.plan == yaml_plan.plan
    assert json_plan.plan.seed == "spring"


def test_the_refused_example_is_refused_as_the_table_says() -> None:
    """Every place and code of the table below it, in its order."""
    ((kind, _, text),) = [example for example in EXAMPLES if example[1]]
    with pytest.raises(InputError) as caught:
        parse_plan(text.encode(), kind)
    rows = re.findall(r"^\| (row [^|]+) \| `([a-z_]+)` \|$", PAGE, re.MULTILINE)
    assert [(problem.field, problem.code) for problem in caught.value.problems] == rows
    assert len(rows) == 5


def test_what_the_page_calls_ambiguous_is_asked_back() -> None:
    """Each spelling of the table is refused with what the page says to write."""
    table = PAGE.partition("### What is asked back")[2].partition("What tells")[0]
    for written, instead in re.findall(r"^\| (`[^|]+`) \|[^|]*\| (`[^`]+`)", table, re.MULTILINE):
        for cell in re.findall("`([^`]+)`", written):
            is_month = "2025" in instead
            with pytest.raises(InputError):
                parse_plan(_table(cell, is_month=is_month), "csv")
            assert parse_plan(_table(instead.strip("`"), is_month=is_month), "csv").plan.months


def test_what_the_page_calls_evidence_is_evidence() -> None:
    """Each number of the list lets 1.250 be read."""
    listed = PAGE.partition("in one way only: ")[2].partition(". What separates")[0]
    numbers = re.findall("`([^`]+)`", listed)
    assert len(numbers) == 5
    for number in numbers:
        text = f'month,closed_won_value,pipeline_added_value\n2025-01,1.250,"{number}"\n'
        assert parse_plan(text.encode(), "csv").plan.months[0].closed_won_value


def _table(cell: str, *, is_month: bool) -> bytes:
    month, value = (cell, "1") if is_month else ("2025-01", cell)
    return f'month,closed_won_value\n"{month}","{value}"\n'.encode()
