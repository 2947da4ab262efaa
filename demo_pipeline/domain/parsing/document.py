"""A file as a document: nested values or rows of cells, each with its place, and what is wrong with it.

Every reader of a format (CSV, workbook, JSON, YAML) makes one of the two documents; blueprints and plans are
read from them and differ in their keys only. All problems of a file go into one ``Problems``. Which keys
there are does not belong here, nor what a value means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from pydantic_core import PydanticCustomError

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.parsing.scalars import quoted, shortened

MOST_PROBLEMS: Final = 100
#: problems in the message of an error; its ``problems`` has all
_MOST_IN_MESSAGE: Final = 5

Path: TypeAlias = "tuple[str | int, ...]"


@dataclass(frozen=True, kw_only=True)
class DoubleKey:
    """A key that a mapping has twice; the first one counts."""

    path: Path
    #: of the second one
    line: int
    first_line: int

    def problem(self, place: str) -> Problem:
        """What is wrong; ``place`` is the path as messages write it."""
        message = f"{quoted(self.path[-1])} is given twice, first in line {self.first_line}; leave one out"
        value = shortened(str(self.path[-1]))
        return Problem(code="duplicate_key", field=place, line=self.line, value=value, message=message)


@dataclass(frozen=True, kw_only=True)
class NestedDocument:
    """What YAML, JSON or the mapping of a program says."""

    #: mappings and lists; text as written, numbers of JSON as ``NumberText``, None for no value
    tree: Any
    #: path of a value → its line, from 1; empty where a document has no lines
    lines: Mapping[Path, int] = field(default_factory=dict[Path, int])
    #: of a document with lines; those of JSON are in its ``JsonObject``
    doubles: Sequence[DoubleKey] = ()

    def line_of(self, path: Path) -> int | None:
        """The line of a value, or of the nearest mapping or list around it; None if unknown."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


@dataclass(frozen=True)
class NumberText:
    """A number of JSON as it was written: it passes through no float, and keeps its zeros as a seed."""

    text: str


class JsonObject(dict[str, Any]):
    """An object of JSON; ``doubles`` are the keys that were given twice, of which the first counts."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__()
        self.doubles: list[str] = []
        for key, value in pairs:
            if key in self:
                self.doubles.append(key)
            else:
                self[key] = value


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What a cell of a table holds; empty: nothing."""

    text: str
    #: a number for certain, with a decimal point
    is_literal: bool = False
    #: an ISO code or a sign that the cell's format shows
    currency: str | None = None
    #: what is wrong with the cell whatever its column: code and message
    fault: tuple[str, str] | None = None

    def __bool__(self) -> bool:
        return bool(self.text) or self.fault is not None


EMPTY: Final = Cell(text="")
#: number, as the spreadsheet counts it, and cells
Row: TypeAlias = tuple[int, Sequence[Cell]]


def row_of(number: int, cells: Iterable[Cell]) -> Row | None:
    """A row without the empty cells at its end; None if all are empty."""
    filled = list(cells)
    while filled and not filled[-1]:
        filled.pop()
    return (number, filled) if filled else None


def column_name(cell: Cell) -> str:
    """What a cell of the header of a list names: ``Price to`` is ``price_to``."""
    return "_".join(cell.text.casefold().split())


@dataclass(frozen=True, kw_only=True)
class TableDocument:
    """What a CSV or a sheet of a workbook says: the rows that are not blank."""

    rows: Iterable[Row]


@dataclass(frozen=True, kw_only=True)
class Written:
    """One value as it was written, and where."""

    text: str
    #: as a person finds it: ``row 3, column C (Leads created)``, ``months[2].metrics.dealsCreated``
    place: str
    #: of a file that is read by lines
    line: int | None = None
    #: its position when the file is read from the top: row and column, or line and order
    rank: tuple[int, int] = (0, 0)
    #: a number of JSON or of a program, where a point is the decimal point for certain
    is_literal: bool = False
    #: the currency that the cell or the head of its column names
    currency: str | None = None


@dataclass
class Problems:
    """What is wrong with an input so far: at most a hundred problems; beyond that they are counted."""

    #: what would correct the input, JSON-ready
    suggestion: Any = None
    _ranked: list[tuple[tuple[int, int], Problem]] = field(
        default_factory=list[tuple[tuple[int, int], Problem]]
    )
    _more: int = 0

    def __bool__(self) -> bool:
        return bool(self._ranked)

    @property
    def listed(self) -> tuple[Problem, ...]:
        """The problems from the top of the file, and how many more there are."""
        listed = tuple(problem for _, problem in sorted(self._ranked, key=lambda pair: pair[0]))
        if not self._more:
            return listed
        message = f"and {self._more} more; correct these first"
        return (*listed, Problem(code="more_problems", message=message))

    def add(self, problem: Problem, rank: tuple[int, int] = (0, 0)) -> None:
        """Add one problem; ``rank`` is its position in the file."""
        if len(self._ranked) < MOST_PROBLEMS:
            self._ranked.append((rank, problem))
        else:
            self._more += 1

    def at(self, written: Written, error: PydanticCustomError, **known: str | None) -> None:
        """Add the problem of one value."""
        problem = Problem(
            code=error.type,
            message=error.message(),
            field=written.place,
            line=written.line,
            value=shortened(written.text),
            suggestion=(error.context or {}).get("suggestion"),
            **known,
        )
        self.add(problem, written.rank)

    def error(self, source: str) -> InputError:
        """The error that names them all; ``source`` is the name of the file."""
        return refused(source, *self.listed, suggestion=self.suggestion)


def refused(source: str, *problems: Problem, suggestion: Any = None) -> InputError:
    """The error that says what is wrong with a file, the first five problems in its message."""
    message = "; ".join(map(str, problems[:_MOST_IN_MESSAGE]))
    more = len(problems) - _MOST_IN_MESSAGE
    if more > 0:
        message += f"; and {more} more"
    return InputError(f"{source}: {message}", problems, suggestion=suggestion)
