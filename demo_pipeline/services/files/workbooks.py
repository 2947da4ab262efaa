"""Excel workbooks: a sheet as rows of cells.

A cell is read as what is stored in it, to the fifteen digits that a spreadsheet keeps; its format marks
dates, percentages and currencies. Of a formula the stored result counts: where a program has written the
formula and nothing has calculated it, the cell is refused. A merged cell belongs to its first column, and
may not span months. Limits hold before anything is unpacked, and only the sheet that is read is parsed; what
the library warns of is left out, since it concerns what is not read (pictures, validation lists).

Uses openpyxl and not pandas' reader, which knows neither formats nor merged cells.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from pydantic_core import PydanticCustomError

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.parsing.document import EMPTY, Cell, Row, TableDocument, refused, row_of
from demo_pipeline.domain.parsing.scalars import nearest, quoted, shortened
from demo_pipeline.domain.parsing.written_numbers import currency_of
from demo_pipeline.domain.patch_plan.table_plan import MOST_COLUMNS, MOST_ROWS, header_of, names_month

#: bytes of all parts of a workbook, unpacked
MOST_UNPACKED_BYTES: Final = 20_000_000

#: of a number; a spreadsheet rounds more
_MOST_DIGITS: Final = 15
#: What a format shows beside digits: a currency with a country, quoted text, an escaped character, a sign.
_WORDS: Final = re.compile(r'\[\$([^\]-]*)(?:-[^\]]*)?\]|"([^"]*)"|\\(.)|([$€£¥₹])')
_SAVE_AGAIN: Final = "save it again as .xlsx in a spreadsheet program, or export it as CSV"


@dataclass(frozen=True, kw_only=True)
class _Sheet:
    """The values of a sheet."""

    name: str
    #: names of the other sheets
    others: tuple[str, ...]
    #: number → cells of the rows that are not blank
    rows: dict[int, list[Cell]]
    #: row and column, both from 1, of formulas whose stored result is an empty text
    empty_results: frozenset[tuple[int, int]]


def read_sheet(content: bytes, sheet: str | None, source: str, *, is_plan: bool = True) -> TableDocument:
    """The rows of a sheet; without a name the first that is visible. Raises ``InputError``.

    ``source`` is the name of the file. A sheet that is no plan is a list, of which all rows are read.
    """
    read = _read_values(content, sheet, source)
    header = header_of(_rows(read))
    if is_plan and sheet is None and read.others and (header is None or not names_month(header)):
        message = (
            f"the first visible sheet, {quoted(read.name)}, has no column month; name another sheet with "
            f"--sheet: {', '.join(map(quoted, read.others))}"
        )
        raise refused(source, Problem(code="no_header", message=message))
    if read.rows:
        last = min(read.rows) + MOST_ROWS if is_plan else max(read.rows)
        _mark_faults(read, content, source, last)
    return TableDocument(rows=_rows(read))


def sheet_text(content: bytes, sheet: str | None) -> str:
    """The cells of a sheet as lines, separated by tabs. Raises ``InputError``."""
    rows = _read_values(content, sheet, "").rows
    return "\n".join(
        "\t".join(" ".join(cell.text.split()) for cell in rows.get(number, ()))
        for number in range(1, max(rows, default=0) + 1)
    )


def _rows(read: _Sheet) -> list[Row]:
    return [row for number in sorted(read.rows) if (row := row_of(number, read.rows[number]))]


def _read_values(content: bytes, sheet: str | None, source: str) -> _Sheet:
    _check_size(content, source)
    rows: dict[int, list[Cell]] = {}
    empty_results: set[tuple[int, int]] = set()
    with _workbook(content, source, is_calculated=True) as book:
        name = _sheet_name(book, sheet, source)
        streamed = book[name]
        # Some programs store wrong dimensions, and rows beyond them would be left out.
        streamed.reset_dimensions()
        for number, cells in enumerate(streamed.iter_rows(), start=1):
            if row := row_of(number, map(_cell, cells)):
                rows[number] = list(row[1])
            empty_results |= {
                (number, index)
                for index, cell in enumerate(cells, start=1)
                if cell.value is None and cell.data_type == "str"
            }
        others = tuple(str(one.title) for one in book.worksheets if one.title != name)
    return _Sheet(name=name, others=others, rows=rows, empty_results=frozenset(empty_results))


def _mark_faults(read: _Sheet, content: bytes, source: str, last: int) -> None:
    """Give a fault to each formula up to row ``last`` that nothing has calculated and to each merged cell."""
    formulas, merged = _formulas_and_areas(read, content, source, last)
    for row, column, area in merged:
        cells = read.rows.get(row, [])
        if column <= len(cells) and cells[column - 1]:
            message = f"is merged over {area}; unmerge the cells, so that each figure has its own"
            cells[column - 1] = replace(cells[column - 1], fault=("merged_cells", message))
    for (row, column), formula in formulas.items():
        # A row of formulas alone that nothing has calculated looks blank.
        cells = read.rows.setdefault(row, [])
        cells += [EMPTY] * (column - len(cells))
        if not cells[column - 1] and (row, column) not in read.empty_results:
            message = (
                f"{quoted(formula)} is a formula that no spreadsheet program has calculated; open the "
                "workbook in one and save it, or write values"
            )
            cells[column - 1] = replace(cells[column - 1], fault=("formula", message))


def _formulas_and_areas(
    read: _Sheet, content: bytes, source: str, last: int
) -> tuple[Mapping[tuple[int, int], str], list[tuple[int, int, str]]]:
    """Row and column → formula, up to row ``last``; row, column and name of each merged area."""
    from openpyxl.worksheet._reader import WorkSheetParser
    from openpyxl.worksheet.cell_range import CellRange

    formulas: dict[tuple[int, int], str] = {}
    with _workbook(content, source, is_calculated=False) as book:
        sheet = book[read.name]
        with sheet._get_source() as part:  # noqa: SLF001 - a streamed sheet does not show what is merged
            parser: Any = WorkSheetParser(part, book.shared_strings, epoch=book.epoch)
            for number, cells in parser.parse():
                for cell in cells:
                    if cell["data_type"] == "f" and number <= last and cell["column"] <= MOST_COLUMNS + 1:
                        formulas[number, cell["column"]] = _formula_text(cell["value"])
        listed = parser.merged_cells.mergeCell if parser.merged_cells is not None else ()
        areas = [CellRange(str(one.ref)) for one in listed]
    return formulas, [(area.min_row, area.min_col, str(area.coord)) for area in areas]


def _check_size(content: bytes, source: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise _unreadable(source, "is damaged") from None
    if size > MOST_UNPACKED_BYTES:
        message = (
            f"holds more than {MOST_UNPACKED_BYTES:,} bytes; copy the months into a new workbook, or export "
            "the sheet as CSV"
        )
        raise refused(source, Problem(code="file_too_large", message=message))


@contextmanager
def _workbook(content: bytes, source: str, *, is_calculated: bool) -> Generator[Any]:
    """A workbook whose sheets are parsed as they are read: results of formulas, or the formulas."""
    from openpyxl import load_workbook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            book = load_workbook(
                io.BytesIO(content), read_only=True, data_only=is_calculated, keep_links=False
            )
        except Exception:  # noqa: BLE001 - whatever a foreign program wrote, of many kinds
            raise _unreadable(source, "cannot be read as an Excel workbook") from None
        try:
            yield book
        except InputError:
            raise
        except Exception:  # noqa: BLE001 - a streamed sheet is parsed as it is read
            raise _unreadable(source, "cannot be read as an Excel workbook") from None
        finally:
            book.close()


def _unreadable(source: str, what: str) -> InputError:
    return refused(source, Problem(code="not_a_workbook", message=f"{what}; {_SAVE_AGAIN}"))


def _sheet_name(book: Any, wanted: str | None, source: str) -> str:
    names = [str(sheet.title) for sheet in book.worksheets]
    if wanted is None:
        visible = [str(sheet.title) for sheet in book.worksheets if sheet.sheet_state == "visible"]
        if not visible:
            raise refused(source, Problem(code="no_sheet", message="has no visible sheet with cells"))
        return visible[0]
    # Two sheets of a workbook never differ in case alone.
    by_name = {name.casefold(): name for name in names}
    if wanted.casefold() in by_name:
        return by_name[wanted.casefold()]
    close = nearest(wanted, names)
    hint = f"; did you mean {quoted(close)}?" if close else ""
    message = f"has no sheet {quoted(wanted)}{hint}; its sheets are {', '.join(map(quoted, names))}"
    problem = Problem(
        code="unknown_sheet", field="--sheet", value=shortened(wanted), message=message, suggestion=close
    )
    raise refused(source, problem)


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
            f"{quoted(text)} is shown with {quoted(unit)}, which may be a unit like thousands; write the "
            "whole number without it"
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


def _formula_text(value: object) -> str:
    """A formula as text; those of arrays and data tables are objects of the library."""
    from openpyxl.worksheet.formula import ArrayFormula, DataTableFormula

    match value:
        case ArrayFormula():
            return str(value.text)
        case DataTableFormula():
            return "=TABLE()"
        case _:
            return str(value)
