"""What appears on the screen: data on stdout, messages on stderr, tables for people.

A terminal gets colour and rules; a file or a pipe gets plain columns, wide enough for every value. A reader
that stops reading (``| head``) is no error. What is shown belongs to the commands; that a terminal shows it
and does not obey it is seen to here, for every text.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from pathlib import Path
from typing import Any, Final, TextIO

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.display import neutral, neutral_line
from demo_pipeline.domain.core.errors import OutputLostError
from demo_pipeline.domain.core.figures import METRICS, Figures, FiguresByMonth, figure_text
from demo_pipeline.storage.connection.masking import masked

_COLUMN_GAP: Final = "  "
#: more than any table has columns
_WIDEST: Final = 10_000


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    is_number: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of text under titles."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[str]]
    #: shown after a rule: sums
    last: Sequence[str] | None = None
    title: str = ""
    #: row number → colour, for a terminal
    colours: Mapping[int, str] = field(default_factory=dict[int, str])


# -- data ------------------------------------------------------------------------------------------------


def write_text(text: str) -> None:
    """A line, or lines, on stdout."""
    _write(sys.stdout, neutral(text) + "\n")


def write_document(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout."""
    is_utf8 = sys.stdout is not None and (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    write_text(json.dumps(document, ensure_ascii=not is_utf8, indent=2, default=str))


def write_table(table: Table) -> None:
    """A table on stdout, without columns that have nothing in any row."""
    if sys.stdout is not None and sys.stdout.isatty():
        # With the colours, which are ours; the cells are neutral.
        _write(sys.stdout, _drawn(_shown_table(table)) + "\n")
    else:
        write_text(plain(table))


def _shown_table(table: Table) -> Table:
    """The table with each cell on one line, and without columns that have nothing in any row."""
    rows = [[neutral_line(cell) for cell in row] for row in table.rows]
    last = None if table.last is None else [neutral_line(cell) for cell in table.last]
    filled = [
        any(line[index] for line in (*rows, *([] if last is None else [last]))) or not rows
        for index in range(len(table.columns))
    ]
    return replace(
        table,
        columns=tuple(compress(table.columns, filled)),
        rows=[list(compress(row, filled)) for row in rows],
        last=None if last is None else list(compress(last, filled)),
        title=neutral_line(table.title),
    )


def plain(table: Table) -> str:
    """A table without rules and colours: columns two blanks apart, nothing cut off, none without a value."""
    table = _shown_table(table)
    lines = [[column.title for column in table.columns], *table.rows]
    if table.last is not None:
        lines.append(table.last)
    widths = [max(len(line[index]) for line in lines) for index in range(len(table.columns))]
    shown = [
        _COLUMN_GAP.join(
            text.rjust(width) if column.is_number else text.ljust(width)
            for text, width, column in zip(line, widths, table.columns, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*([table.title] if table.title else []), *shown])


def _drawn(table: Table) -> str:
    """A table for a terminal, never narrower than its values: a wrapped line is better than a lost digit."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(
        box=box.SIMPLE_HEAD,
        title=Text(table.title) if table.title else None,
        title_justify="left",
        title_style="bold",
        show_footer=table.last is not None,
    )
    for index, column in enumerate(table.columns):
        footer = Text("" if table.last is None else table.last[index])
        justify = "right" if column.is_number else "left"
        drawn.add_column(Text(column.title), footer=footer, justify=justify, no_wrap=True)
    for number, row in enumerate(table.rows):
        drawn.add_row(*(Text(text) for text in row), style=table.colours.get(number))
    needed = Console(file=sys.stdout, width=_WIDEST).measure(drawn).maximum
    console = Console(file=sys.stdout)
    console.width = max(console.width, needed)
    with console.capture() as capture:
        console.print(drawn)
    return capture.get().rstrip()


# -- messages --------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """A message on stderr, without passwords."""
    _write(sys.stderr, _message(text) + "\n")


def show_log_messages() -> None:
    """From now on show what libraries warn of through the log, as messages like any other."""
    import logging

    class Messages(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(self.format(record))

    logging.getLogger().addHandler(Messages(logging.WARNING))


def say_coloured(word: str, style: str, text: str) -> None:
    """A message that begins with a word; the word is coloured on a terminal."""
    if sys.stderr is not None and sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        word = f"\x1b[{style}m{word}\x1b[0m"
    _write(sys.stderr, f"{word} {_message(text)}\n")


def _message(text: str) -> str:
    return neutral(masked(text))


def warn(text: str) -> None:
    """Something a person should know and need not act on."""
    say_coloured("warning:", "33", text)


def note(text: str) -> None:
    """What explains a result that is as it should be."""
    say_coloured("note:", "36", text)


def _write(stream: TextIO | None, text: str) -> None:
    """Write and flush; a reader that went away has read enough. Raises ``OutputLostError``."""
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        # Python flushes again at its end and would complain there.
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            raise OutputLostError(
                f"standard output cannot be written ({error.strerror}), so what came out is lost; a job that "
                f"was completed stays: {command_line('job list')} shows it"
            ) from None
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()


# -- figures ---------------------------------------------------------------------------------------------

#: the eight KPIs as titles, in the order of ``METRICS``
KPI_TITLES: Final = (
    "leads",
    "contacts",
    "companies",
    "deals",
    "won",
    "won value",
    "pipeline value",
    "activities",
)


def kpi_table(title: str, months: FiguresByMonth, currency: Currency) -> Table:
    """Months × the eight KPIs, and their sums."""
    columns = (Column("month"), *(Column(name, is_number=True) for name in KPI_TITLES))
    rows = [[str(month), *shown(figures, currency)] for month, figures in months.items()]
    return Table(columns, rows, last=["total", *shown(months.total, currency)], title=title)


def shown(figures: Figures, currency: Currency) -> list[str]:
    """The eight KPIs for people: ``1,234`` and ``25,000.00``."""
    return [figure_text(name, figures[name], currency) for name in METRICS]


# -- command lines to copy -------------------------------------------------------------------------------

#: name of the console script
_SCRIPT: Final = "demo-pipeline"


def command_line(arguments: str) -> str:
    """A command line of this program that can be typed in the current folder."""
    try:
        return f"{program_from(Path())} {arguments}"
    except OSError:  # the current folder was deleted
        return f"{_SCRIPT} {arguments}"


def program_from(folder: Path) -> str:
    """This program as typed in ``folder``: its name if the shell finds it by that, else its path."""
    own = Path(sys.argv[0])
    if own.stem != _SCRIPT:
        return _SCRIPT
    found = shutil.which(own.name)
    # A relative folder in PATH holds for the current folder only.
    if found is not None and Path(found).is_absolute() and own.exists() and Path(found).samefile(own):
        return own.name
    near, whole = os.path.relpath(own, folder), os.path.abspath(own)  # noqa: PTH100 - without ..
    return shell_path(Path(near if len(near) <= len(whole) else whole))


def shell_path(path: Path) -> str:
    """A path as one word of a shell's command line, never an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
