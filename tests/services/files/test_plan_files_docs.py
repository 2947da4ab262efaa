"""What the page on plans shows is what the reader does."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, cast

import pytest

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.services.files.plan_files import PlanFile, parse_plan
from demo_pipeline.services.files.reader import FileFormat
from tests.paths import PROJECT

PAGE: Final = (PROJECT / "docs" / "plans.md").read_text("utf-8")
EXAMPLES: Final = re.findall(r"```(csv|json|yaml)( refused)?\n(.*?)```", PAGE, re.DOTALL)


def examples(kind: str) -> list[PlanFile]:
    """The examples of a kind that are plans."""
    return [
        parse_plan(text.encode(), cast("FileFormat", found))
        for found, refused, text in EXAMPLES
        if found == kind and not refused
    ]


def test_both_spreadsheets_are_the_same_plan() -> None:
    """As the page says; only one of them names a currency."""
    first, second = examples("csv")
    assert first.plan == second.plan
    assert len(first.plan.months) == 2
    assert (first.currencies, second.currencies) == (frozenset(), frozenset({"EUR"}))


FORMS: Final = re.findall(
    r"^\| ([^|]+) \| `([^|]+)` \| ((?:CSV|JSON)[^|]*) \|$",
    PAGE.partition("### The same plan")[2].partition("### ")[0],
    re.MULTILINE,
)


def test_the_page_lists_the_forms_of_a_plan() -> None:
    """Thirteen of them, each with another name."""
    assert len({form for form, _, _ in FORMS}) == len(FORMS) == 13


@pytest.mark.parametrize(("form", "file", "saved_as"), FORMS, ids=[form for form, _, _ in FORMS])
def test_each_form_of_the_page_is_the_same_plan(form: str, file: str, saved_as: str) -> None:
    """Read from the bytes that such a program writes."""
    text = file.translate(str.maketrans({"⏎": "\r\n", "␚": "\x1a", "→": "\t"}))
    if "decomposed" in saved_as:
        text = unicodedata.normalize("NFD", text)
        assert "a\u0308" in text
    encoding = next((name for name in ("UTF-16", "Windows-1252") if name in saved_as), "UTF-8")
    plan = parse_plan(text.encode(encoding), "json" if saved_as == "JSON" else "csv").plan
    assert plan == parse_plan(FORMS[0][1].replace("⏎", "\n").encode(), "csv").plan, form
    assert {str(month.month): month.given for month in plan.months} == {
        "2025-03": {"contacts_created": 3},
        "2025-10": {"contacts_created": 4},
    }


def test_both_documents_are_the_same_plan() -> None:
    """JSON and YAML, with another spelling of names and amounts."""
    (json_plan,), (yaml_plan, lowering) = examples("json"), examples("yaml")
    assert json_plan.plan == yaml_plan.plan
    assert json_plan.plan.seed == "spring"
    assert lowering.plan.is_reconcile


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
    asked = re.findall(r"^\| (`[^|]+)\|[^|]*\| ([^|]+) \|$", table, re.MULTILINE)
    assert len(asked) == 9
    for written, instead in asked:
        for cell in re.findall("`([^`]+)`", written):
            is_month = "25" in cell and "E" not in cell and "250" not in cell
            with pytest.raises(InputError):
                parse_plan(_table(cell, is_month=is_month), "csv")
            for right in re.findall("`([0-9-]+)`", instead):
                assert parse_plan(_table(right, is_month=is_month), "csv").plan.months


def test_what_the_page_calls_evidence_is_evidence() -> None:
    """Each number of the list lets 1.250 be read."""
    listed = PAGE.partition("in one way only: ")[2].partition(". What separates")[0]
    numbers = re.findall("`([^`]+)`", listed)
    assert len(numbers) == 5
    for number in numbers:
        text = f'month,closed_won_value,pipeline_added_value\n2025-01,1.250,"{number}"\n'
        assert parse_plan(text.encode(), "csv").plan.months[0].given["closed_won_value"]


def _table(cell: str, *, is_month: bool) -> bytes:
    month, value = (cell, "1") if is_month else ("2025-01", cell)
    return f'month,closed_won_value\n"{month}","{value}"\n'.encode()
