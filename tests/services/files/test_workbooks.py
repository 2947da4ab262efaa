"""Excel workbooks as people and programs make them: what is read, what is refused, and with what words."""

from __future__ import annotations

import cProfile
import io
import pstats
import warnings
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from openpyxl.styles.numbers import BUILTIN_FORMATS
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.formula import ArrayFormula

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.files.figure_files import save_figures
from demo_pipeline.services.files.plan_files import PlanFile, parse_plan, read_plan
from demo_pipeline.services.files.workbooks import MOST_UNPACKED_BYTES

HEADER = ("month", "contacts_created", "closed_won_value")


def saved(book: Any) -> bytes:
    """A workbook as bytes."""
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def workbook(*rows: Sequence[Any], change: Callable[[Any], object] = lambda _: None) -> bytes:
    """A workbook of one sheet; ``change`` is handed the sheet before it is saved."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    for row in rows:
        sheet.append(row)
    change(sheet)
    return saved(book)


def plan_of(*rows: Sequence[Any], change: Callable[[Any], object] = lambda _: None) -> PlanFile:
    """The plan of a sheet with the header above the rows."""
    return parse_plan(workbook(HEADER, *rows, change=change), "xlsx")


def refused(content: bytes, sheet: str | None = None) -> tuple[Problem, ...]:
    """What is said of a workbook that is not a plan."""
    with pytest.raises(InputError) as caught:
        parse_plan(content, "xlsx", sheet=sheet)
    assert caught.value.exit_code == 2
    return caught.value.problems


@pytest.mark.parametrize(
    "month",
    [
        date(2025, 10, 1),
        datetime(2025, 10, 1, 0, 0),  # noqa: DTZ001 - a spreadsheet has no time zones
        datetime(2025, 10, 1, 8, 30),  # noqa: DTZ001
        "2025-10",
        "Okt 25",
        2025.01,
    ],
)
def test_a_month_is_a_date_or_text(month: object) -> None:
    """Of a real date the day counts, whatever its format shows."""
    plan = plan_of((month, 3, 4.5)).plan
    expected = "2025-01" if month == 2025.01 else "2025-10"
    assert [str(one.month) for one in plan.months] == [expected]
    assert plan.months[0].given == {"contacts_created": 3, "closed_won_value": Decimal("4.5")}


@pytest.mark.parametrize(
    ("cells", "place", "code"),
    [
        ((date(2025, 10, 31), 3), "row 2, column A (month)", "day_not_month"),
        ((2025.1, 3), "row 2, column A (month)", "ambiguous_month"),
        ((45931, 3), "row 2, column A (month)", "spreadsheet_day"),
        (("2025-10", date(2025, 1, 5)), "row 2, column B (contacts_created)", "date_not_number"),
        (("2025-10", time(8)), "row 2, column B (contacts_created)", "not_a_number"),
        (("2025-10", timedelta(hours=30)), "row 2, column B (contacts_created)", "not_a_number"),
        (("2025-10", True), "row 2, column B (contacts_created)", "not_a_number"),
        (("2025-10", "#REF!"), "row 2, column B (contacts_created)", "spreadsheet_error"),
        (("2025-10", "=1+2"), "row 2, column B (contacts_created)", "formula"),
        (("2025-10", 3, "=SUM(B2:B9)"), "row 2, column C (closed_won_value)", "formula"),
        (("=A1", 3), "row 2, column A (month)", "formula"),
        (("2025-10", 2.5), "row 2, column B (contacts_created)", "not_a_whole_number"),
        (("2025-10", "1.250"), "row 2, column B (contacts_created)", "ambiguous_number"),
        (("2025-10", "NaN"), "row 2, column B (contacts_created)", "no_value"),
        (("Total 2025", 3), "row 2, column A (month)", "summary_row"),
    ],
)
def test_what_is_not_a_month_or_a_figure_is_named_with_its_cell(
    cells: tuple[Any, ...], place: str, code: str
) -> None:
    """As the spreadsheet numbers rows and columns."""
    assert (place, code) in [(p.field, p.code) for p in refused(workbook(HEADER, cells))]


def test_formulas_alone_in_a_row_are_not_an_empty_row() -> None:
    """A row that nothing has calculated looks empty to a reader of values."""
    problems = refused(workbook(HEADER, ("2025-01", 1), ("=EDATE(A2,1)", "=B2")))
    assert {(p.field, p.code) for p in problems} >= {("row 3, column A (month)", "formula")}
    assert "no spreadsheet program has calculated" in problems[0].message


def test_numbers_are_read_to_fifteen_digits() -> None:
    """What binary fractions leave is no figure: 0.1 + 0.2, and a sum of thirds."""
    plan = plan_of(("2025-10", 29.999999999999996, 0.1 + 0.2), ("2025-11", 1e3, 1234567890123.45)).plan
    assert [month.given for month in plan.months] == [
        {"contacts_created": 30, "closed_won_value": Decimal("0.3")},
        {"contacts_created": 1000, "closed_won_value": Decimal("1234567890123.45")},
    ]


@pytest.mark.parametrize(
    ("number_format", "currencies"),
    [
        ("General", set[str]()),
        ("#,##0.00", set[str]()),
        # Built in: it shows the currency of the reader's system.
        (BUILTIN_FORMATS[44], set[str]()),
        ("#,##0.00\\ [$€-407]", {"EUR"}),
        ('#,##0.00 "GBP"', {"GBP"}),
        ("[$$-409]#,##0.00", {"$"}),
        ("[$-407]#,##0.00", set[str]()),
    ],
)
def test_a_format_may_name_a_currency(number_format: str, currencies: set[str]) -> None:
    """It counts like one that is written in the cell."""

    def change(sheet: Any) -> None:
        sheet["C2"].number_format = number_format

    assert plan_of(("2025-10", 1, 5.5), change=change).currencies == currencies


@pytest.mark.parametrize(
    "number_format", ['#,##0 "T€"', '0"k"', "[$k€]0", '0 "Tsd."', '0.0 "Mio. €"', '0",000"', "0\\k"]
)
def test_a_unit_in_a_format_is_asked_back(number_format: str) -> None:
    """25 that shows as 25 T€ may be 25 or 25 thousand."""

    def change(sheet: Any) -> None:
        sheet["C2"].number_format = number_format

    (problem,) = refused(workbook(HEADER, ("2025-10", 1, 25), change=change))
    assert (problem.code, problem.field) == ("unit_in_format", "row 2, column C (closed_won_value)")


def test_a_currency_in_the_format_of_a_count_is_refused() -> None:
    """As ``€5`` is in a CSV."""

    def change(sheet: Any) -> None:
        sheet["B2"].number_format = "#,##0 [$€-407]"

    (problem,) = refused(workbook(HEADER, ("2025-10", 5, 25), change=change))
    assert problem.code == "currency_in_count"


def test_a_formula_that_gives_an_empty_text_is_an_empty_cell() -> None:
    """Templates have such rows below their data: ``=IF(A9="","",...)``."""
    content = workbook(HEADER, ("2025-01", 1, 2), ('=IF(1,"","")', '=IF(1,"","")', '=IF(1,"","")'))
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("sheet1.xml"):
                assert data.count(b"<v />") + data.count(b"<v/>") == 3
                for cell in (b"A3", b"B3", b"C3"):
                    data = data.replace(b'<c r="' + cell + b'"', b'<c r="' + cell + b'" t="str"')
            target.writestr(name, data)
    assert len(parse_plan(changed.getvalue(), "xlsx").plan.months) == 1


def test_a_formula_of_arrays_that_nothing_has_calculated_is_refused() -> None:
    """It is no text to the library, and no empty cell either."""

    def change(sheet: Any) -> None:
        sheet["B2"] = ArrayFormula("B2:B2", "=SUM(D2:E2)")

    (problem,) = refused(workbook(HEADER, ("2025-10", None, 2), change=change))
    assert (problem.code, problem.field) == ("formula", "row 2, column B (contacts_created)")


def test_a_row_of_sums_is_one_problem() -> None:
    """Whatever else is wrong in it: it has to go."""
    (problem,) = refused(workbook(HEADER, ("2025-10", 1, 2), ("Summe", "=SUM(B2:B2)", "=SUM(C2:C2)")))
    assert (problem.code, problem.field) == ("summary_row", "row 3, column A (month)")


def test_a_title_does_not_hide_what_is_wrong_with_the_header() -> None:
    """``Monat`` is read; of an unknown name the header's row is told, not the title's."""
    rows = (("Vertriebsplan 2025",), (), ("Monat", "Contacts created"), ("2025-10", 3))
    assert parse_plan(workbook(*rows), "xlsx").plan.months
    problems = refused(workbook(*rows[:2], ("Mois", "Contacts created"), ("2025-10", 3)))
    assert {problem.field for problem in problems} == {"row 3", "row 3, column A"}


def test_a_percentage_is_not_a_figure() -> None:
    """0.25 that shows as 25 % is neither 25 nor a quarter of a contact."""

    def change(sheet: Any) -> None:
        sheet["C2"].number_format = "0%"

    (problem,) = refused(workbook(HEADER, ("2025-10", 1, 0.25), change=change))
    assert (problem.code, problem.value) == ("not_a_number", "25%")


def test_a_cell_merged_over_metrics_is_refused() -> None:
    """Its figure would count for the first of them alone."""

    def change(sheet: Any) -> None:
        sheet.merge_cells("B2:C2")

    (problem,) = refused(workbook(HEADER, ("2025-10", 8), change=change))
    assert (problem.code, problem.field) == ("merged_cells", "row 2, column B (contacts_created)")


def test_a_cell_merged_over_months_is_refused() -> None:
    """Its figure would count for the first of them alone."""

    def change(sheet: Any) -> None:
        sheet.merge_cells("B2:B3")

    problems = refused(workbook(HEADER, ("2025-10", 8, 1), ("2025-11", None, 1), change=change))
    assert [(p.code, p.field) for p in problems] == [("merged_cells", "row 2, column B (contacts_created)")]
    assert "merged over B2:B3" in problems[0].message


def test_a_sheet_is_named_or_the_first_visible_one() -> None:
    """One that does not exist is refused with those that do."""
    book = openpyxl.Workbook()
    hidden: Any = book.active
    hidden.title, hidden.sheet_state = "Notes", "hidden"
    for name, count in (("Budget", 1), ("Actual", 2)):
        sheet = book.create_sheet(name)
        sheet.append(("month", "contacts_created"))
        sheet.append(("2025-01", count))
    content = saved(book)
    assert parse_plan(content, "xlsx").plan.months[0].given == {"contacts_created": 1}
    for name in ("Actual", "actual"):
        assert parse_plan(content, "xlsx", sheet=name).plan.months[0].given == {"contacts_created": 2}
    (problem,) = refused(content, "actua")
    assert (problem.code, problem.suggestion) == ("unknown_sheet", "Actual")
    assert "'Notes', 'Budget', 'Actual'" in problem.message
    (problem,) = refused(content, "Notes")
    assert problem.code == "no_header"


def test_a_sheet_of_a_file_that_has_none_is_refused() -> None:
    """``--sheet`` beside a CSV is a mistake that is not passed over."""
    with pytest.raises(InputError) as caught:
        parse_plan(b"month,leads_created\n2025-01,1\n", "csv", sheet="Plan")
    assert caught.value.problems[0].code == "no_workbook"


def test_wrong_dimensions_hide_no_row() -> None:
    """Some programs store the size of a sheet wrongly, as one cell."""
    content = workbook(HEADER, ("2025-01", 1, 2), ("2025-02", 3, 4))
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data.replace(b'<dimension ref="A1:C3"', b'<dimension ref="A1:A1"'))
    assert changed.getvalue() != content
    assert len(parse_plan(changed.getvalue(), "xlsx").plan.months) == 2


def test_what_the_library_warns_of_is_not_the_users_concern() -> None:
    """Validation lists and the like are not read, and nothing is printed about them."""

    def change(sheet: Any) -> None:
        sheet.add_data_validation(DataValidation(type="list", formula1='"a,b"'))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plan_of(("2025-10", 1, 2), change=change).plan.months


def _zip(**parts: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), data)
    return buffer.getvalue()


_SHEET = workbook(HEADER, ("2025-10", 1, 2))


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "empty_file", "the file is empty"),
        (b"month,leads_created\n2025-01,1\n", "other_kind", "this is CSV; rename the file to .csv"),
        (b'{"months": []}', "other_kind", "this is JSON; rename the file to .json"),
        (b"%PDF-1.7\n", "other_kind", "this is a PDF"),
        (b"just text", "other_kind", "this is not an Excel workbook"),
        (_SHEET[: len(_SHEET) // 2], "other_kind", "a damaged ZIP archive or workbook"),
        (_zip(xl__workbook_xml=b"<x/>"), "not_a_workbook", "cannot be read as an Excel workbook"),
        (_zip(word__document_xml=b"<x/>"), "other_kind", "this is a Word document"),
        (
            _zip(xl__workbook_xml=b"<x/>", xl__big_xml=b" " * (MOST_UNPACKED_BYTES + 1)),
            "file_too_large",
            "20,000,000 bytes",
        ),
    ],
    # A workbook holds the time at which it was written: as an id it differs between workers.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_workbook_is_refused_by_name(content: bytes, code: str, words: str) -> None:
    """Before it is unpacked, and with what to do."""
    (problem,) = refused(content)
    assert problem.code == code
    assert words in problem.message


def test_entities_that_unfold_are_refused() -> None:
    """A short file that would fill the memory (billion laughs) is not a workbook."""
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
    )
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_SHEET)) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("sheet1.xml"):
                assert b">month<" in data
                data = bomb + b"]>" + data.replace(b">month<", b">&j;<")
            target.writestr(name, data)
    (problem,) = refused(changed.getvalue())
    assert problem.code == "not_a_workbook"


def test_figures_are_written_as_dates_and_numbers_and_read_back(tmp_path: Path) -> None:
    """A workbook for people: real dates, formats with the currency's decimals; the same figures as a plan."""
    rows: dict[Month, dict[str, int | Decimal]] = {
        Month.parse("2025-01"): {"contacts_created": 30, "closed_won_value": Decimal("1250.50")},
        Month.parse("2025-02"): {"contacts_created": 0},
    }
    path = tmp_path / "figures.xlsx"
    save_figures(path, rows, 2, title="larkmoor", suffix=".xlsx")
    sheet: Any = openpyxl.load_workbook(path).active
    assert (sheet.title, sheet.freeze_panes) == ("larkmoor", "B2")
    assert (sheet["A2"].value.date(), sheet["A2"].number_format) == (date(2025, 1, 1), "yyyy-mm")
    assert (sheet["C2"].value, sheet["C2"].number_format) == (1250.5, "#,##0.00")
    assert {month.month: month.given for month in read_plan(path).plan.months} == rows


def test_parquet_has_dates_and_exact_decimals(tmp_path: Path) -> None:
    """For programs that calculate with it."""
    rows: dict[Month, dict[str, int | Decimal]] = {
        Month.parse("2025-01"): {"contacts_created": 30, "closed_won_value": Decimal("999999999999999.99")},
        Month.parse("2025-02"): {"contacts_created": 0},
    }
    path = tmp_path / "figures.parquet"
    save_figures(path, rows, 2, title="x", suffix=".parquet")
    frame = pd.read_parquet(path, dtype_backend="pyarrow")
    assert frame["month"].tolist() == [date(2025, 1, 1), date(2025, 2, 1)]
    assert frame["closed_won_value"].tolist()[0] == Decimal("999999999999999.99")
    assert frame["closed_won_value"].isna().tolist() == [False, True]


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """Nothing is left beside a place that cannot be written, and the wrong suffix is refused."""
    rows: dict[Month, dict[str, int | Decimal]] = {Month.parse("2025-01"): {"contacts_created": 1}}
    (tmp_path / "there.xlsx").mkdir()
    for name, code in (
        ("a.csv", "bad_suffix"),
        ("there.xlsx", "unwritable_file"),
        ("no/a.xlsx", "unwritable_file"),
    ):
        with pytest.raises(InputError) as caught:
            save_figures(tmp_path / name, rows, 2, title="x", suffix=".xlsx")
        assert caught.value.problems[0].code == code
    assert [path.name for path in tmp_path.iterdir()] == ["there.xlsx"]


def test_other_sheets_cost_nothing() -> None:
    """Only the sheet that is read is parsed: a second one with rows by the ten thousand is not."""
    book = openpyxl.Workbook()
    first: Any = book.active
    first.append(HEADER)
    first.append(("2025-01", 3, 4.5))
    first.merge_cells("C2:C3")
    other: Any = book.create_sheet("log")
    for number in range(20_000):
        other.append((number, "x"))
    with cProfile.Profile() as profile:
        (problem,) = refused(saved(book))
    assert problem.code == "merged_cells"
    stats: dict[tuple[str, int, str], Any] = vars(pstats.Stats(profile))["stats"]
    cells = sum(counts[1] for (_, _, name), counts in stats.items() if name == "parse_cell")
    assert 0 < cells < 100
