"""CSV as spreadsheets export it, as cells with their places.

What separates the columns is told by the header alone: the one of ``, ; tab |`` by which it has the most
known names. Rows and columns are numbered as the spreadsheet numbers them, blank rows and cells with line
breaks included. What a cell means is in ``domain.plan_reading``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic_core import PydanticCustomError

from demo_pipeline.domain.errors import Problem
from demo_pipeline.domain.metrics import METRICS, VALUE_METRICS
from demo_pipeline.domain.plan_months import is_summary
from demo_pipeline.domain.plan_numbers import currency_of, shortened, shown
from demo_pipeline.domain.plan_reading import (
    METRIC_NAMES,
    Findings,
    Written,
    WrittenMonth,
    WrittenPlan,
    nearest_name,
    plain_name,
)

SEPARATORS: Final = (",", ";", "\t", "|")
COLUMNS: Final = ("month", *METRICS)
MOST_COLUMNS: Final = 100
#: rows that are read; a plan has at most 24 months
MOST_ROWS: Final = 200

_NAMES: Final = {"month": "month", **METRIC_NAMES}
#: ``Closed won value (EUR)``
_WITH_CURRENCY: Final = re.compile(r"(.*\S)\s*[(\[]\s*([^()\[\]]{1,4})\s*[)\]]", re.DOTALL)
_QUOTES: Final = "a quoted cell has no end, or text after it; mend the quotes or export the file again"


@dataclass(frozen=True, kw_only=True)
class _Column:
    """A column that is read."""

    name: str
    index: int
    #: as it was written
    head: str
    currency: str | None = None

    def cell(self, row: int, text: str) -> Written:
        """A cell of this column."""
        place = f"row {row}, column {_letters(self.index)} ({shortened(' '.join(self.head.split()))})"
        return Written(text=text, place=place, rank=(row, self.index), currency=self.currency)


def is_table(text: str) -> bool:
    """Whether a text begins with a header that names the column ``month``."""
    return any(
        "month" in map(plain_name, row) for separator in SEPARATORS for _, row in _header(text, separator)
    )


def read_table(text: str, findings: Findings) -> WrittenPlan:
    """The cells of a table. What cannot be a cell of a plan is added to ``findings``."""
    separator = _separator(text, findings)
    if separator is None:
        return WrittenPlan(months=[])
    columns: list[_Column] = []
    heads: list[str] = []
    months: list[WrittenMonth] = []
    row = 0
    try:
        for row, cells in _rows(text, separator):
            if not heads:
                heads = cells
                columns = list(_columns(row, cells, findings))
                if all(column.name != "month" for column in columns):
                    return WrittenPlan(months=[])
            else:
                months += _month(row, cells, columns, heads, findings)
            if len(months) >= MOST_ROWS:
                break
    except csv.Error:
        findings.add(Problem(code="not_csv", field=f"row {row + 1}", message=_QUOTES), (row + 1, 0))
    else:
        if not months and not findings:
            findings.add(Problem(code="no_rows", message="has a header and no row below it; add the months"))
    return WrittenPlan(months=months)


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Number, from 1, and stripped cells of every row that is not blank; blank cells at its end left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    for row, raw in enumerate(reader, start=1):
        cells = [cell.strip() for cell in raw]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield row, cells


def _header(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The first row that is not blank; nothing where there is none."""
    try:
        yield from (pair for pair, _ in zip(_rows(text, separator), range(1), strict=False))
    except csv.Error:
        return


def _separator(text: str, findings: Findings) -> str | None:
    headers = {separator: cells for separator in SEPARATORS for _, cells in _header(text, separator)}
    known = {
        separator: sum(_known(cell)[0] is not None for cell in cells[:MOST_COLUMNS])
        for separator, cells in headers.items()
    }
    most = max(known.values(), default=0)
    best = [separator for separator, count in known.items() if count == most]
    if not headers and text.strip():
        findings.add(Problem(code="not_csv", field="row 1", message=_QUOTES))
        return None
    if not most:
        first = next(iter(headers.values()), [""])[0]
        message = (
            f"{shown(first)} is no header; the first row names the columns: month and some of "
            + ", ".join(METRICS)
            if first
            else "is empty; the first row names the columns, month and some of the eight metrics"
        )
        findings.add(Problem(code="no_header", field="row 1", message=message))
        return None
    if any(headers[separator] != headers[best[0]] for separator in best):
        message = "more than one separator may be meant; separate all columns by the same one, like a comma"
        findings.add(Problem(code="unclear_separator", field="row 1", message=message))
        return None
    return best[0]


def _known(head: str) -> tuple[str | None, str | None]:
    """The column that a head names, and the currency that it names beside it, as written."""
    if name := _NAMES.get(plain_name(head)):
        return name, None
    if found := _WITH_CURRENCY.fullmatch(head[:200]):
        name = _NAMES.get(plain_name(found[1]))
        if name in VALUE_METRICS:
            return name, found[2]
    return None, None


def _columns(row: int, heads: Sequence[str], findings: Findings) -> Iterator[_Column]:
    if len(heads) > MOST_COLUMNS:
        message = f"has more than {MOST_COLUMNS} columns; a plan has month and the eight metrics"
        findings.add(Problem(code="too_many_columns", field=f"row {row}", message=message))
    seen: dict[str, str] = {}
    for index, head in enumerate(heads[:MOST_COLUMNS]):
        name, written_currency = _known(head)
        cell = Written(text=head, place=f"row {row}, column {_letters(index)}", rank=(row, index))
        if not head:
            continue
        if name is None:
            close = nearest_name(head, COLUMNS)
            hint = f"; did you mean {close}?" if close else f"; known are {', '.join(COLUMNS)}"
            _add(findings, cell, "unknown_column", f"{shown(head)} is no column of a plan{hint}", close)
        elif name in seen:
            message = f"{shown(head)} is a second column of {name}, beside {seen[name]}; leave one out"
            _add(findings, cell, "column_twice", message)
        else:
            seen[name] = f"column {_letters(index)}"
            currency = _currency(cell, written_currency, findings)
            yield _Column(name=name, index=index, head=head, currency=currency)
    if "month" not in seen:
        message = "no column is called month; add it, with YYYY-MM in each row"
        findings.add(Problem(code="missing_column", field=f"row {row}", message=message))
    elif len(seen) == 1 and not findings:
        message = f"there is no column beside month; add at least one of {', '.join(METRICS)}"
        findings.add(Problem(code="missing_column", field=f"row {row}", message=message))


def _currency(cell: Written, written: str | None, findings: Findings) -> str | None:
    if written is None:
        return None
    try:
        return currency_of(written)
    except PydanticCustomError as error:
        findings.at(cell, error)
        return None


def _month(
    row: int, cells: Sequence[str], columns: Sequence[_Column], heads: Sequence[str], findings: Findings
) -> Iterator[WrittenMonth]:
    """What a row says, if it names a month."""
    written = {
        column.name: column.cell(row, cells[column.index])
        for column in columns
        if column.index < len(cells) and cells[column.index]
    }
    month = written.pop("month", None)
    if month is None:
        empty = next(column for column in columns if column.name == "month").cell(row, "")
        message = "has no month; write it as YYYY-MM, or delete the row if it adds up others"
        findings.add(Problem(code="missing_month", field=empty.place, message=message), empty.rank)
        return
    if is_summary(month.text):
        # What it adds up is no figure of a month: nothing to be said of it but that the row goes.
        yield WrittenMonth(month=month, figures={})
        return
    stray = next((i for i, cell in enumerate(cells) if cell and not (i < len(heads) and heads[i])), None)
    if stray is not None:
        cell = Written(text=cells[stray], place=f"row {row}, column {_letters(stray)}", rank=(row, stray))
        message = f"{shown(cells[stray])} stands in a column without a name; delete it or name its column"
        _add(findings, cell, "cell_without_column", message)
    yield WrittenMonth(month=month, figures=written)


def _add(findings: Findings, cell: Written, code: str, message: str, suggestion: str | None = None) -> None:
    findings.add(
        Problem(
            code=code, message=message, field=cell.place, value=shortened(cell.text), suggestion=suggestion
        ),
        cell.rank,
    )


def _letters(index: int) -> str:
    """The name of a column, from 0: A, B ... Z, AA."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
