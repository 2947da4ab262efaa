"""Tables: a result is described once, by its columns; text, Markdown, CSV and JSON are derived from them.

The command line, Dagster's pages and the benchmarks show their results through this module. What a result
says belongs there; where text is written (terminal, file, metadata) does as well.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from io import StringIO
from itertools import compress
from typing import IO, Any, Final, Generic, TypeVar, cast

from demo_pipeline.domain.core.terminal_text import neutral_line

_COLUMN_GAP: Final = "  "
#: more characters than any table is wide
_MOST_WIDTH: Final = 10_000
#: characters that begin markup in Markdown or HTML
_MARKUP: Final = frozenset("\\`*_{}[]<>#|~!&")
_Row = TypeVar("_Row")


@dataclass(frozen=True)
class Column(Generic[_Row]):
    """One column of a result.

    ``name`` is its key in JSON and CSV; empty: the column is for people only. ``title`` is its heading for
    people; None: the column is for programs only. ``value`` is the value of a row for programs, by default
    the attribute ``name``; ``text`` is the cell for people, by default the value.
    """

    name: str
    title: str | None = None
    value: Callable[[_Row], Any] | None = None
    _: KW_ONLY
    text: Callable[[_Row], str] | None = None
    is_number: bool = False
    #: whether a cell is bold in Markdown
    is_strong: Callable[[_Row], bool] = lambda _: False
    #: a sentence for programs that show a schema
    description: str = ""

    def get(self, row: _Row) -> Any:
        """The value of a row, JSON-ready."""
        return json_ready(getattr(row, self.name) if self.value is None else self.value(row))

    def show(self, row: _Row) -> str:
        """The cell of a row for people."""
        return _shown(self.get(row)) if self.text is None else self.text(row)


@dataclass(frozen=True)
class Table(Generic[_Row]):
    """Rows under columns, for people."""

    columns: Sequence[Column[_Row]]
    rows: Sequence[_Row]
    _: KW_ONLY
    title: str = ""
    #: shown after a rule
    total: _Row | None = None
    #: colour of a row on a terminal
    colour: Callable[[_Row], str | None] = lambda _: None

    @property
    def shown_columns(self) -> list[Column[_Row]]:
        """The columns for people."""
        return [column for column in self.columns if column.title is not None]


def programs(names: str) -> tuple[Column[Any], ...]:
    """Columns for programs only, whose values are the attributes of these names, separated by blanks."""
    return tuple(Column(name) for name in names.split())


def text_columns(*titles: str, numbers: Collection[str] = ()) -> list[Column[Sequence[str]]]:
    """Columns for people of rows that are texts already; those of ``numbers`` are aligned as numbers."""

    def column(index: int, title: str) -> Column[Sequence[str]]:
        return Column("", title, text=lambda row: row[index], is_number=title in numbers)

    return [column(index, title) for index, title in enumerate(titles)]


def facts(pairs: Iterable[tuple[str, str]]) -> Table[Sequence[str]]:
    """A table of names and values, without empty values."""
    return Table(text_columns("fact", "value"), [pair for pair in pairs if pair[1]])


# -- for programs ----------------------------------------------------------------------------------------


def record(columns: Sequence[Column[_Row]], row: _Row) -> dict[str, Any]:
    """A row as a JSON object."""
    return {column.name: column.get(row) for column in columns if column.name}


def records(columns: Sequence[Column[_Row]], rows: Iterable[_Row]) -> list[dict[str, Any]]:
    """Rows as JSON objects."""
    return [record(columns, row) for row in rows]


def csv_text(columns: Sequence[Column[_Row]], rows: Iterable[_Row]) -> str:
    """Rows as comma-separated values with a header, without a line feed at the end."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in columns if column.name])
    for one in records(columns, rows):
        writer.writerow([str(value).lower() if isinstance(value, bool) else value for value in one.values()])
    return text.getvalue().rstrip("\n")


def json_ready(value: Any) -> Any:
    """A value as JSON has it; ids, months, paths and the like as text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in cast("Sequence[Any]", value)]
    return str(value)


# -- for people ------------------------------------------------------------------------------------------


def plain_text(table: Table[Any]) -> str:
    """Columns two blanks apart, without rules and colours; nothing is cut off, no column is empty."""
    columns, rows, total = _cells(table)
    lines = [[str(column.title) for column in columns], *rows, *([] if total is None else [total])]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    shown = [
        _COLUMN_GAP.join(
            text.rjust(width) if column.is_number else text.ljust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*([neutral_line(table.title)] if table.title else []), *shown])


def terminal_text(table: Table[Any], stream: IO[str]) -> str:
    """The table with rules and colours for a terminal, never narrower than its values: lines may wrap."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    columns, rows, total = _cells(table)
    drawn = RichTable(
        box=box.SIMPLE_HEAD,
        title=Text(neutral_line(table.title)) if table.title else None,
        title_justify="left",
        title_style="bold",
        show_footer=total is not None,
    )
    for index, column in enumerate(columns):
        drawn.add_column(
            Text(str(column.title)),
            footer=Text("" if total is None else total[index]),
            justify="right" if column.is_number else "left",
            no_wrap=True,
        )
    for row, cells in zip(table.rows, rows, strict=True):
        drawn.add_row(*map(Text, cells), style=table.colour(row))
    console = Console(file=stream)
    console.width = max(console.width, Console(file=stream, width=_MOST_WIDTH).measure(drawn).maximum)
    with console.capture() as capture:
        console.print(drawn)
    return capture.get().rstrip()


def markdown(table: Table[_Row]) -> str:
    """A Markdown table; text of cells is escaped, since it may come from a file."""
    columns = table.shown_columns
    lines = [
        [str(column.title) for column in columns],
        ["--:" if one.is_number else ":--" for one in columns],
    ]
    lines += [[_markdown_cell(column, row) for column in columns] for row in table.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Text on one line that Markdown shows as it is."""
    return " ".join("".join(f"\\{one}" if one in _MARKUP else one for one in text).split())


def _markdown_cell(column: Column[_Row], row: _Row) -> str:
    text = escaped(column.show(row))
    return f"**{text}**" if text and column.is_strong(row) else text


def _cells(
    table: Table[_Row],
) -> tuple[list[Column[_Row]], list[list[str]], list[str] | None]:
    """Columns with a value in any row, and their cells and totals on one line each."""
    columns = table.shown_columns
    lines = [
        [neutral_line(column.show(row)) for column in columns]
        for row in (*table.rows, *([] if table.total is None else [table.total]))
    ]
    filled = [not table.rows or any(line[index] for line in lines) for index in range(len(columns))]
    lines = [list(compress(line, filled)) for line in lines]
    total = None if table.total is None else lines.pop()
    return list(compress(columns, filled)), lines, total


def _shown(value: Any) -> str:
    """A value for people: numbers with a comma before each three digits, nothing for None and False."""
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    return f"{value:,}" if isinstance(value, int) else str(value)
