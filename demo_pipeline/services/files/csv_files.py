"""CSV as spreadsheets export it, as rows of cells.

The separator of columns is given by a first line ``sep=;``, which Excel writes and does not show, or found
from the header: the one of ``, ; tab |`` by which it has the most known names, of a plan or of a list. Blank
rows and cells with line breaks are counted as the spreadsheet counts them. What the rows say is in
``patch_plan.table_plan`` and ``list_files``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator
from typing import Final

from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.parsing.document import (
    EMPTY,
    Cell,
    Problems,
    Row,
    TableDocument,
    column_name,
    row_of,
)
from demo_pipeline.domain.patch_plan.table_plan import header_of, known_names, names_month

SEPARATORS: Final = (",", ";", "\t", "|")

#: characters in which the header is looked for
_MOST_HEAD: Final = 20_000
#: Excel's own line; it does not count as a row.
_SEPARATOR_LINE: Final = re.compile(r'"?sep=([^\w\s"]|\t)"?[ ;,]*(?:\r\n|\n|\r|$)', re.IGNORECASE)
#: A comment or a key on the first line, which may have commas too.
_YAML_LINE: Final = re.compile(r"\s*(?:#|[A-Za-z_]+:(?:\s|$))")
_QUOTES: Final = "a quoted cell has no end, or text after it; correct the quotes or export the file again"


def is_table(text: str) -> bool:
    """Whether a text has a header that names the column ``month``."""
    if _YAML_LINE.match(text):
        return False
    separator, body = _separator_line(text)
    separators = SEPARATORS if separator is None else (separator,)
    headers = (_header(body, separator) for separator in separators)
    return any(header is not None and names_month(header) for header in headers)


def read_table(text: str, problems: Problems, columns: Collection[str] = ()) -> TableDocument:
    """The rows of a table; what cannot be read of them is added to ``problems`` when they are read.

    ``columns`` are those of a list, which its first row names; without them the table is a plan.
    """
    separator, body = _separator_line(text)
    if separator is None:
        separator = _separator(body, problems, columns)
    return TableDocument(rows=_rows(body, separator, problems))


def read_tabbed(text: str) -> TableDocument:
    """The rows of a table as packs have them: fields between tabs, and quotation marks that mean nothing."""
    return TableDocument(
        rows=(
            row
            for number, line in enumerate(text.splitlines(), start=1)
            if (row := row_of(number, (Cell(text=text) for text in map(str.strip, line.split("\t")))))
        )
    )


def _separator_line(text: str) -> tuple[str | None, str]:
    """The separator of a first line ``sep=;``, and the text below it."""
    found = _SEPARATOR_LINE.match(text)
    return (found[1], text[found.end() :]) if found else (None, text)


def _rows(text: str, separator: str, problems: Problems) -> Iterator[Row]:
    """Every row that is not blank, up to what cannot be read, which is added to ``problems``."""
    number = 0
    try:
        for number, raw in enumerate(_records(text, separator), start=1):
            row = row_of(number, (Cell(text=text) if (text := cell.strip()) else EMPTY for cell in raw))
            if row is not None:
                yield row
    except csv.Error:
        problems.add(Problem(code="not_csv", field=f"row {number + 1}", message=_QUOTES), (number + 1, 0))


def _records(text: str, separator: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)


def _header(text: str, separator: str, columns: Collection[str] = ()) -> Row | None:
    rows = _rows(text[:_MOST_HEAD], separator, Problems())
    return next(rows, None) if columns else header_of(rows)


def _separator(text: str, problems: Problems, columns: Collection[str]) -> str:
    """The separator by which the header has the most known names."""
    headers = {separator: header for separator in SEPARATORS if (header := _header(text, separator, columns))}
    known = {
        separator: sum(column_name(cell) in columns for cell in header[1]) if columns else known_names(header)
        for separator, header in headers.items()
    }
    most = max(known.values(), default=0)
    best = [separator for separator, count in known.items() if count == most]
    if not most:
        return SEPARATORS[0]
    if any(headers[separator] != headers[best[0]] for separator in best):
        message = "more than one separator may be meant; separate all columns by the same one, like a comma"
        problems.add(Problem(code="unclear_separator", field="row 1", message=message))
    return best[0]
