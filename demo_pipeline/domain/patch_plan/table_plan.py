"""A plan in a table: header, columns, months. The same for CSV and for workbooks.

The header is the first row that names the column ``month``; rows above it, like a title, do not count. Where
the row below it has no month and names metrics, as merged headings do, both rows are the header. Rows and
columns are numbered as the spreadsheet numbers them. What a cell means is in ``patch_plan.assemble``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from pydantic_core import PydanticCustomError

from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS
from demo_pipeline.domain.parsing.document import EMPTY, Cell, Problems, Row, TableDocument, Written
from demo_pipeline.domain.parsing.scalars import quoted, shortened
from demo_pipeline.domain.parsing.written_months import is_summary
from demo_pipeline.domain.parsing.written_numbers import currency_of
from demo_pipeline.domain.patch_plan.assemble import (
    METRIC_NAMES,
    WrittenMonth,
    WrittenPlan,
    nearest_name,
    plain_name,
)

COLUMNS: Final = ("month", *METRICS)
MOST_COLUMNS: Final = 100
#: rows that are read; a plan has at most 24 months
MOST_ROWS: Final = 200
#: rows with cells in which the header is looked for
MOST_ROWS_ABOVE: Final = 10

#: plain name → column; ``Monat`` is what a German spreadsheet calls its months
_NAMES: Final = {"month": "month", "monat": "month", **METRIC_NAMES}
#: ``Closed won value (EUR)``
_WITH_CURRENCY: Final = re.compile(r"(.*\S)\s*[(\[]\s*([^()\[\]]{1,4})\s*[)\]]", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class _Column:
    """A column that is read."""

    name: str
    index: int
    #: as it was written
    head: str
    currency: str | None = None

    def written(self, row: int, cell: Cell) -> Written:
        """A cell of this column."""
        place = f"row {row}, column {_letters(self.index)} ({shortened(' '.join(self.head.split()))})"
        return Written(
            text=cell.text,
            place=place,
            rank=(row, self.index),
            is_literal=cell.is_literal,
            currency=cell.currency or self.currency,
        )


def header_of(rows: Iterable[Row]) -> Row | None:
    """The header among the first rows: it names the column month, or where none does, the most columns."""
    looked_at = list(islice(rows, MOST_ROWS_ABOVE))
    return next((row for row in looked_at if names_month(row)), max(looked_at, key=known_names, default=None))


def known_names(row: Row) -> int:
    """How many cells of a header are names of a plan."""
    return sum(_known(cell.text)[0] is not None for cell in row[1][:MOST_COLUMNS])


def names_month(row: Row) -> bool:
    """Whether a row has a cell that names the column month."""
    return any(_NAMES.get(plain_name(cell.text)) == "month" for cell in row[1][:MOST_COLUMNS])


def read_table_plan(document: TableDocument, problems: Problems) -> WrittenPlan:
    """What a table says. What cannot be a cell of a plan is added to ``problems``."""
    remaining = iter(document.rows)
    above = list(islice(remaining, MOST_ROWS_ABOVE))
    header = header_of(above)
    if problems:
        return WrittenPlan(months=[])
    if header is None or not known_names(header):
        first = next((cell.text for cell in header[1] if cell), "") if header is not None else ""
        names = "month and some of " + ", ".join(METRICS)
        message = (
            f"{quoted(first)} is not a header; the first row names the columns: {names}"
            if first
            else f"is empty; the first row names the columns: {names}"
        )
        problems.add(Problem(code="no_header", field=f"row {header[0] if header else 1}", message=message))
        return WrittenPlan(months=[])
    below = [row for row in above if row[0] > header[0]]
    if below and _continues(header, below[0]):
        header = _joined(header, below.pop(0))
    columns = list(_columns(header, problems))
    if all(column.name != "month" for column in columns):
        return WrittenPlan(months=[])
    months: list[WrittenMonth] = []
    for row in (*below, *remaining):
        months += _month(row, columns, header, problems)
        if len(months) >= MOST_ROWS:
            break
    if not months and not problems:
        problems.add(Problem(code="no_rows", message="has a header and no row below it; add the months"))
    return WrittenPlan(months=months)


def _continues(header: Row, row: Row) -> bool:
    """Whether a row below a header is a second row of it: no month, and names where the header has none."""
    index = next((i for i, cell in enumerate(header[1]) if _known(cell.text)[0] == "month"), None)
    if index is None or (index < len(row[1]) and row[1][index]):
        return False
    pairs = zip(header[1], row[1], strict=False)
    has_conflict = any(_known(above.text)[0] and _known(below.text)[0] for above, below in pairs)
    return known_names(row) > 0 and not has_conflict


def _joined(header: Row, row: Row) -> Row:
    """Two rows of headings: the lower one counts where it says something, and gives both their number."""
    length = max(len(header[1]), len(row[1]))
    upper, lower = ([*cells, *[EMPTY] * (length - len(cells))] for cells in (list(header[1]), list(row[1])))
    return row[0], [below or above for above, below in zip(upper, lower, strict=True)]


def _known(head: str) -> tuple[str | None, str | None]:
    """The column that a head names, and the currency that it names beside it, as written."""
    if name := _NAMES.get(plain_name(head)):
        return name, None
    if found := _WITH_CURRENCY.fullmatch(head[:200]):
        name = _NAMES.get(plain_name(found[1]))
        if name in VALUE_METRICS:
            return name, found[2]
    return None, None


def _columns(header: Row, problems: Problems) -> Iterator[_Column]:
    row, heads = header
    if len(heads) > MOST_COLUMNS:
        message = f"has more than {MOST_COLUMNS} columns; a plan has month and the eight metrics"
        problems.add(Problem(code="too_many_columns", field=f"row {row}", message=message))
    seen: dict[str, str] = {}
    for index, head in enumerate(heads[:MOST_COLUMNS]):
        name, written_currency = _known(head.text)
        cell = Written(text=head.text, place=f"row {row}, column {_letters(index)}", rank=(row, index))
        if not head:
            continue
        if name is None:
            close = nearest_name(head.text, COLUMNS)
            hint = f"; did you mean {close}?" if close else f"; known are {', '.join(COLUMNS)}"
            _add(problems, cell, "unknown_column", f"{quoted(head.text)} is not a known column{hint}", close)
        elif name in seen:
            message = f"{quoted(head.text)} is a second column of {name}, beside {seen[name]}; leave one out"
            _add(problems, cell, "column_twice", message)
        else:
            seen[name] = f"column {_letters(index)}"
            currency = _currency(cell, written_currency, problems)
            yield _Column(name=name, index=index, head=head.text, currency=currency)
    if "month" not in seen:
        message = "no column is called month; add it, with YYYY-MM in each row"
        problems.add(Problem(code="missing_column", field=f"row {row}", message=message))
    elif len(seen) == 1 and not problems:
        message = f"there is no column beside month; add at least one of {', '.join(METRICS)}"
        problems.add(Problem(code="missing_column", field=f"row {row}", message=message))


def _currency(cell: Written, written: str | None, problems: Problems) -> str | None:
    if written is None:
        return None
    try:
        return currency_of(written)
    except PydanticCustomError as error:
        problems.at(cell, error)
        return None


def _month(row: Row, columns: Sequence[_Column], header: Row, problems: Problems) -> Iterator[WrittenMonth]:
    """What a row says, if it names a month."""
    number, cells = row
    heads = header[1]
    read = {
        column.name: (column.written(number, cell), cell.fault)
        for column in columns
        if column.index < len(cells) and (cell := cells[column.index])
    }
    if "month" not in read:
        empty = next(column for column in columns if column.name == "month").written(number, EMPTY)
        message = "has no month; write it as YYYY-MM, or delete the row if it adds up others"
        problems.add(Problem(code="missing_month", field=empty.place, message=message), empty.rank)
        return
    month, _ = read["month"]
    if is_summary(month.text):
        # What it adds up is no figure of a month: nothing to be said of it but that the row goes.
        yield WrittenMonth(month=month, figures={})
        return
    for written, fault in read.values():
        if fault is not None:
            _add(problems, written, *fault)
    stray = next((i for i, cell in enumerate(cells) if cell and not (i < len(heads) and heads[i])), None)
    if stray is not None:
        text = cells[stray].text
        cell = Written(text=text, place=f"row {number}, column {_letters(stray)}", rank=(number, stray))
        message = f"{quoted(text)} is in a column without a name; delete it or name its column"
        _add(problems, cell, "cell_without_column", message)
    sound = {name: written for name, (written, fault) in read.items() if fault is None}
    if sound.pop("month", None) is not None:
        yield WrittenMonth(month=month, figures=sound)


def _add(problems: Problems, cell: Written, code: str, message: str, suggestion: str | None = None) -> None:
    problems.add(
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
