"""The months of a blueprint from a spreadsheet beside it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.services.files.blueprint_files import read_blueprint
from tests.builders.blueprints import NOW, spec_of_file

HEAD = """\
name: Kranz Logistik
country: DE
industry: saas
start_month: 2025-01
end_month: 2025-03
seed: 7
"""
LISTED = """\
months:
- {month: 2025-01, leads_created: 3, contacts_created: 5}
- {month: 2025-03, contacts_created: 2, deals_created: 2, closed_won_count: 1, closed_won_value: 1250.50}
"""
TABLE = """\
Monat-Plan
Month;Leads created;Contacts created;Deals created;Closed won count;Closed won value (EUR)
Jan 25;3;5;;;
Mär 25;;2;2;1;1.250,50
"""


def write(folder: Path, months: str, table: str = TABLE, head: str = HEAD) -> Path:
    """A blueprint with a CSV beside it."""
    (folder / "figures.csv").write_bytes(table.encode("cp1252"))
    path = folder / "kranz.yaml"
    path.write_text(head + months, encoding="utf-8")
    return path


def problems_of(path: Path, sheet: str | None = None) -> tuple[Problem, ...]:
    """What is said of a blueprint that is refused."""
    with pytest.raises(InputError) as caught:
        read_blueprint(path, NOW, sheet=sheet)
    return caught.value.problems


def test_a_table_and_a_list_are_the_same_blueprint(tmp_path: Path) -> None:
    """A CSV of a German Excel, and a workbook: what is stored and what is made from it are equal."""
    listed = read_blueprint(write(tmp_path, LISTED), NOW).blueprint
    book = openpyxl.Workbook()
    sheet: Any = book.create_sheet("Budget")
    for row in (
        (
            "month",
            "leads_created",
            "contacts_created",
            "deals_created",
            "closed_won_count",
            "closed_won_value",
        ),
        ("2025-01", 3, 5),
        ("2025-03", None, 2, 2, 1, 1250.5),
    ):
        sheet.append(row)
    book.save(tmp_path / "figures.xlsx")
    assert read_blueprint(write(tmp_path, "months: figures.csv\n"), NOW).blueprint == listed
    mapping = "months: {file: figures.xlsx, sheet: Budget}\n"
    assert read_blueprint(write(tmp_path, mapping), NOW).blueprint == listed
    named = write(tmp_path, "months: figures.xlsx\n")
    assert read_blueprint(named, NOW, sheet="Budget").blueprint == listed
    (problem,) = problems_of(named, sheet="Budgets")
    assert (problem.code, problem.suggestion) == ("unknown_sheet", "Budget")
    spec, _ = spec_of_file(write(tmp_path, "months: figures.csv\n"), NOW, "")
    assert spec == spec_of_file(write(tmp_path, LISTED), NOW, "")[0]
    assert listed.months is not None
    assert listed.months[1].given["closed_won_value"] == Decimal("1250.50")


def test_every_problem_of_both_files_is_said_at_once(tmp_path: Path) -> None:
    """With the line of the blueprint and the cell of the table."""
    head = HEAD.replace("country: DE", "country: Germany")
    table = TABLE.replace("Jan 25;3;5", "2025.1;-3;NaN")
    problems = problems_of(write(tmp_path, "months: figures.csv\n", table, head))
    assert [(p.line, p.field, p.code) for p in problems] == [
        (2, "country", "unknown_country"),
        (7, "months", "ambiguous_month"),
        (7, "months", "negative"),
        (7, "months", "no_value"),
    ]
    assert problems[1].message.startswith("figures.csv: row 3, column A (Month): '2025.1' may be 2025-01 or")


def test_rules_between_figures_name_the_table_and_the_month(tmp_path: Path) -> None:
    """More leads than contacts, and a month outside the span."""
    table = TABLE.replace("Jan 25;3;5", "Jan 25;9;5").replace("Mär 25", "Mai 25")
    problems = problems_of(write(tmp_path, "months: figures.csv\n", table))
    assert {(p.line, p.month, p.code) for p in problems} == {
        (7, "2025-01", "leads_exceed_contacts"),
        (7, "2025-05", "month_outside_span"),
    }
    assert all(p.message.startswith("figures.csv: ") for p in problems)


@pytest.mark.parametrize(
    ("months", "code"),
    [
        ("months: ../figures.csv", "bad_months_file"),
        ("months: /etc/passwd", "bad_months_file"),
        ("months: figures.pdf", "bad_months_file"),
        ("months: nowhere.csv", "file_not_found"),
        ("months: {file: figures.csv, sheet: A}", "no_workbook"),
        ("months: {sheet: A}", "not_a_list"),
        ("months: {file: figures.csv, page: 1}", "not_a_list"),
        ("months: {file: [a], sheet: A}", "not_a_list"),
    ],
)
def test_only_a_table_beside_the_blueprint_can_be_named(tmp_path: Path, months: str, code: str) -> None:
    """No other folder, no other kind of file, no unknown key."""
    (problem,) = problems_of(write(tmp_path, f"{months}\n"))
    assert (problem.line, problem.field, problem.code) == (7, "months", code)


def test_a_sheet_without_a_workbook_is_refused(tmp_path: Path) -> None:
    """``--sheet`` for a blueprint that lists its months says nothing that could be done."""
    (problem,) = problems_of(write(tmp_path, LISTED), sheet="Budget")
    assert (problem.field, problem.code) == ("--sheet", "no_workbook")


def test_amounts_in_another_currency_are_refused(tmp_path: Path) -> None:
    """Nothing is converted."""
    (problem,) = problems_of(write(tmp_path, "months: figures.csv\n", TABLE.replace("EUR", "USD")))
    assert (problem.line, problem.code, problem.value) == (7, "other_currency", "USD")


def test_a_currency_with_three_decimals_is_kept_with_two(tmp_path: Path) -> None:
    """Which is said before the tenant is made, and where an amount has three."""
    head = HEAD + "currency: KWD\n"
    _, warnings = spec_of_file(write(tmp_path, LISTED, head=head), NOW, "")
    assert "KWD has 3 decimals; amounts are kept with 2" in warnings
    (problem,) = problems_of(write(tmp_path, LISTED.replace("1250.50", "1250.505"), head=head))
    assert "the 2 decimals that amounts in KWD are kept with" in problem.message


def test_an_amount_that_may_be_grouped_is_asked_back(tmp_path: Path) -> None:
    """150.000 is 150 in one country and 150 thousand in another."""
    (problem,) = problems_of(write(tmp_path, LISTED.replace("1250.50", "150.000")))
    assert (problem.field, problem.code) == ("months.1.closed_won_value", "ambiguous_number")
    assert "may be 150000 or 150" in problem.message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.yaml", b"PK\x03\x04", "a damaged ZIP archive or workbook"),
        ("a.yaml", b"%PDF-1.4", "a PDF"),
        ("a.csv", b"month,leads_created\n", "a table of months, not a blueprint"),
        ("a.yaml", b"plan_type: deltas\nmonths: []\n", "a patch plan, not a blueprint"),
        ("a.yaml", b"months:\n- {month: 2025-01, metrics: {}}\n", "a patch plan, not a blueprint"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    """With what to do with it."""
    (tmp_path / name).write_bytes(content)
    (problem,) = problems_of(tmp_path / name)
    assert problem.code == "other_kind"
    assert words in problem.message
