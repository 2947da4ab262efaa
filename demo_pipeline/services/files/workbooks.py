"""Excel workbooks: a sheet as rows of cells, and tables of figures as a workbook.

A cell is read as what is stored in it, to the fifteen digits that a spreadsheet keeps; its format tells
dates, percentages and currencies. Of a formula the stored result counts: where a program has written the
formula and nothing has calculated it, the cell is refused. A merged cell belongs to its first column, and
may not span months. Limits hold before anything is unpacked; what the library warns of is left out, since it
concerns what is not read (pictures, validation lists).

Uses openpyxl and not pandas' reader, which knows neither formats nor merged cells.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import PydanticCustomError

from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.parsing.scalars import nearest
from demo_pipeline.domain.parsing.written_numbers import currency_of, shortened, shown
from demo_pipeline.domain.patch_plan.reading import Findings, WrittenPlan
from demo_pipeline.services.files.plan_tables import (
    EMPTY,
    MOST_COLUMNS,
    MOST_ROWS,
    Cell,
    Row,
    header_of,
    names_month,
    read_rows,
    row_of,
)

if TYPE_CHECKING:
    from pandas import DataFrame

#: bytes of all parts of a workbook, unpacked
MOST_UNPACKED_BYTES: Final = 20_000_000

#: of a number; a spreadsheet rounds more, so they are written as text
_MOST_DIGITS: Final = 15
#: What a format shows beside digits: a currency with a country, quoted text, an escaped character, a sign.
_WORDS: Final = re.compile(r'\[\$([^\]-]*)(?:-[^\]]*)?\]|"([^"]*)"|\\(.)|([$€£¥₹])')
_READING_AGAIN: Final = "save it again as .xlsx in a spreadsheet program, or export it as CSV"


class UnreadableWorkbookError(ValueError):
    """The workbook cannot be read at all; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read_sheet(content: bytes, sheet: str | None, findings: Findings) -> WrittenPlan:
    """What a sheet says; without a name the first that is visible. Raises ``UnreadableWorkbookError``.

    What cannot be a cell of a plan is added to ``findings``.
    """
    read = _read(content, sheet)
    header = header_of(read.rows)
    if sheet is None and read.others and (header is None or not names_month(header)):
        message = (
            f"the first visible sheet, {shown(read.name)}, has no column month; name another sheet with "
            f"--sheet: {', '.join(map(shown, read.others))}"
        )
        raise UnreadableWorkbookError(Problem(code="no_header", message=message))
    return read_rows(_checked(read, content), findings)


def sheet_text(content: bytes, sheet: str | None) -> str:
    """The cells of a sheet as lines, separated by tabs. Raises ``UnreadableWorkbookError``."""
    lines = dict(_read(content, sheet).rows)
    return "\n".join(
        "\t".join(" ".join(cell.text.split()) for cell in lines.get(number, ()))
        for number in range(1, max(lines, default=0) + 1)
    )


@dataclass(frozen=True, kw_only=True)
class _Sheet:
    """A sheet as it was read."""

    name: str
    #: names of the other sheets
    others: Sequence[str]
    #: those that are not blank
    rows: Sequence[Row]
    #: row and column, both from 1, of formulas whose stored result is an empty text
    empty_results: frozenset[tuple[int, int]]


def _read(content: bytes, sheet: str | None) -> _Sheet:
    _check_size(content)
    rows: list[Row] = []
    empty_results: set[tuple[int, int]] = set()
    with _workbook(content, is_streamed=True) as book:
        name = _sheet_name(book, sheet)
        streamed = book[name]
        # Some programs store wrong dimensions, and rows beyond them would be left out.
        streamed.reset_dimensions()
        for number, cells in enumerate(streamed.iter_rows(), start=1):
            if row := row_of(number, map(_cell, cells)):
                rows.append(row)
            empty_results |= {
                (number, index)
                for index, cell in enumerate(cells, start=1)
                if cell.value is None and cell.data_type == "str"
            }
        others = [str(one.title) for one in book.worksheets if one.title != name]
    return _Sheet(name=name, others=others, rows=rows, empty_results=frozenset(empty_results))


def _check_size(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise _unreadable("is damaged") from None
    if size > MOST_UNPACKED_BYTES:
        message = (
            f"holds more than {MOST_UNPACKED_BYTES:,} bytes; copy the months into a new workbook, or export "
            "the sheet as CSV"
        )
        raise UnreadableWorkbookError(Problem(code="file_too_large", message=message))


@contextmanager
def _workbook(content: bytes, *, is_streamed: bool) -> Generator[Any]:
    """``is_streamed``: values, results of formulas; otherwise formulas and merged cells."""
    from openpyxl import load_workbook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            book = load_workbook(
                io.BytesIO(content), read_only=is_streamed, data_only=is_streamed, keep_links=False
            )
        except Exception:  # noqa: BLE001 - whatever a foreign program wrote, of many kinds
            raise _unreadable("cannot be read as an Excel workbook") from None
        try:
            yield book
        except UnreadableWorkbookError:
            raise
        except Exception:  # noqa: BLE001 - a streamed sheet is parsed as it is read
            raise _unreadable("cannot be read as an Excel workbook") from None
        finally:
            book.close()


def _unreadable(what: str) -> UnreadableWorkbookError:
    return UnreadableWorkbookError(Problem(code="not_a_workbook", message=f"{what}; {_READING_AGAIN}"))


def _sheet_name(book: Any, wanted: str | None) -> str:
    names = [str(sheet.title) for sheet in book.worksheets]
    if wanted is None:
        visible = [str(sheet.title) for sheet in book.worksheets if sheet.sheet_state == "visible"]
        if not visible:
            raise UnreadableWorkbookError(Problem(code="no_sheet", message="has no visible sheet with cells"))
        return visible[0]
    # Two sheets of a workbook never differ in case alone.
    by_name = {name.casefold(): name for name in names}
    if wanted.casefold() in by_name:
        return by_name[wanted.casefold()]
    close = nearest(wanted, names)
    hint = f"; did you mean {shown(close)}?" if close else ""
    message = f"has no sheet {shown(wanted)}{hint}; its sheets are {', '.join(map(shown, names))}"
    raise UnreadableWorkbookError(
        Problem(
            code="unknown_sheet", field="--sheet", value=shortened(wanted), message=message, suggestion=close
        )
    )


def _cell(cell: Any) -> Cell:
    value: object = cell.value
    match value:
        case None:
            return EMPTY
        case str():
            return Cell(text=value.strip())
        case datetime() | date():
            return Cell(text=f"{value:%Y-%m-%d}")
        case bool():
            return Cell(text=str(value).upper())
        case int() | float():
            return _number(value, str(cell.number_format or ""))
        case _:
            return Cell(text=str(value))


def _number(value: float, number_format: str) -> Cell:
    # More digits than a spreadsheet keeps are what binary fractions leave: 0.1 + 0.2.
    text = f"{value:.{_MOST_DIGITS}g}"
    if "%" in number_format:
        return Cell(text=f"{value * 100:.15g}%")
    currency, unit = _format_words(number_format)
    if unit is not None:
        message = (
            f"{shown(text)} is shown with {shown(unit)}, which may be a unit like thousands; write the whole "
            "number without it"
        )
        return Cell(text=text, is_literal=True, fault=("unit_in_format", message))
    return Cell(text=text, is_literal=True, currency=currency)


def _format_words(number_format: str) -> tuple[str | None, str | None]:
    """The currency that a format shows, and other text that it shows beside the digits.

    None for built-in formats: their currency is that of the reader's locale.
    """
    from openpyxl.styles.numbers import BUILTIN_FORMATS_REVERSE

    if number_format in BUILTIN_FORMATS_REVERSE:
        return None, None
    # What follows a semicolon is for negative numbers, zero and text.
    positive = number_format.partition(";")[0]
    currency: str | None = None
    for found in _WORDS.finditer(positive):
        written = (found[1] or found[2] or found[3] or found[4] or "").strip()
        if not written.strip("()-"):
            continue
        try:
            currency = currency_of(written)
        except PydanticCustomError:
            return currency, written
    return currency, None


def _checked(read: _Sheet, content: bytes) -> list[Row]:
    """The rows, with a fault at each formula that nothing has calculated and at each merged cell."""
    if not read.rows:
        return []
    checked_rows: list[Row] = []
    rows = dict(read.rows)
    first = read.rows[0][0]
    with _workbook(content, is_streamed=False) as book:
        sheet = book[read.name]
        width = min(int(sheet.max_column), MOST_COLUMNS + 1)
        merged = {(area.min_row, area.min_col): area for area in sheet.merged_cells.ranges}
        # Rows of formulas alone that nothing has calculated look empty.
        for number in sorted({*rows, *range(first, min(int(sheet.max_row), first + MOST_ROWS) + 1)}):
            cells = list(rows.get(number, ()))
            for index in range(1, width + 1):
                cell = cells[index - 1] if index <= len(cells) else EMPTY
                formula = None if (number, index) in read.empty_results else sheet.cell(number, index).value
                checked = _with_fault(cell, formula, merged.get((number, index)))
                if index <= len(cells):
                    cells[index - 1] = checked
                elif checked:
                    cells += [*[EMPTY] * (index - 1 - len(cells)), checked]
            if row := row_of(number, cells):
                checked_rows.append(row)
    return checked_rows


def _with_fault(cell: Cell, formula: object, area: Any | None) -> Cell:
    """A cell with what is wrong with it, if anything is."""
    if not cell and (text := _formula_text(formula)):
        message = (
            f"{shown(text)} is a formula that no spreadsheet program has calculated; open the workbook in "
            "one and save it, or write values"
        )
        return replace(cell, fault=("formula", message))
    if cell and area is not None:
        message = f"is merged over {area.coord}; unmerge the cells, so that each figure has its own"
        return replace(cell, fault=("merged_cells", message))
    return cell


def _formula_text(value: object) -> str | None:
    """A formula as text; those of arrays and data tables are objects of the library."""
    from openpyxl.worksheet.formula import ArrayFormula, DataTableFormula

    match value:
        case ArrayFormula():
            return str(value.text)
        case DataTableFormula():
            return "=TABLE()"
        case str() if value.startswith("="):
            return value
        case _:
            return None


def write_sheet(frame: DataFrame, title: str, formats: Mapping[str, str]) -> bytes:
    """A table as a workbook with one sheet: header in bold and frozen, columns as wide as what is in them.

    ``formats``: column → number format, as in ``#,##0.00``.
    """
    import pandas as pd
    from openpyxl.utils import get_column_letter

    buffer = io.BytesIO()
    with pd.ExcelWriter(buffer, engine="openpyxl") as writer:
        frame.to_excel(writer, sheet_name=title, index=False, freeze_panes=(1, 1))
        sheet: Any = writer.sheets[title]
        for index, name in enumerate(map(str, frame.columns), start=1):
            longest = len(name)
            for (cell,) in sheet.iter_rows(min_row=2, min_col=index, max_col=index):
                if name in formats:
                    cell.number_format = formats[name]
                if isinstance(cell.value, Decimal) and len(cell.value.as_tuple().digits) > _MOST_DIGITS:
                    cell.value = str(cell.value)
                longest = max(longest, len(str(cell.value or "")) + 4)
            sheet.column_dimensions[get_column_letter(index)].width = longest + 2
    return buffer.getvalue()
