"""The lists of a blueprint that are tables beside it: ``surnames: surnames.csv``, ``.tsv`` or ``.xlsx``.

Their rows take the place of the name in the blueprint's tree, so that a list is checked alike wherever it is
written; what is wrong with a row is said with the file and the line. What a row may say is in
``domain.blueprint.lists``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, cast

from demo_pipeline.domain.blueprint.lists import MOST_ROWS, ROW_MODELS, TABLE_SUFFIXES, ListRow
from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.parsing.document import (
    Cell,
    NestedDocument,
    Problems,
    Row,
    TableDocument,
    column_name,
)
from demo_pipeline.domain.parsing.scalars import quoted
from demo_pipeline.services.files.reader import FileFormat, FileUse, read_content, read_document

_FORMATS: Final[Mapping[str, FileFormat]] = {".csv": "csv", ".tsv": "tsv", ".xlsx": "xlsx"}

#: behind all lines
_LAST: Final = 2**31


@dataclass(frozen=True, kw_only=True)
class _ListTable:
    """A list that is in a file."""

    file: str
    file_format: FileFormat
    #: column → value, one mapping a row
    rows: Sequence[Mapping[str, str]] = ()
    #: the number of each row in the file
    numbers: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class ListTables:
    """The lists of a blueprint that are in files; ``lists`` are all of its lists with their rows."""

    #: as the blueprint declares them; None: it has none
    lists: object = None
    tables: Mapping[str, _ListTable] = field(default_factory=dict[str, _ListTable])
    #: lists whose tables have problems, and no rows in the tree
    unread: frozenset[str] = frozenset()

    def is_of_unread(self, problem: Problem) -> bool:
        """Whether a problem is that a list has no rows which could not be read."""
        section, _, name = (problem.field or "").partition(".")
        return section == "lists" and name in self.unread

    def located(self, problem: Problem, document: NestedDocument) -> tuple[Problem, tuple[int, int]]:
        """A problem with its rank; one of a row of a table with file and line, at the key that names it."""
        line = problem.line or (_LAST if problem.code == "more_problems" else 0)
        section, _, rest = (problem.field or "").partition(".")
        name, _, rest = rest.partition(".")
        table = self.tables.get(name) if section == "lists" else None
        if table is None:
            return problem, (line, 0)
        line = document.line_of(("lists", name)) or 0
        place, _, key = rest.partition(".")
        number = table.numbers[int(place)] if place.isdecimal() else None
        where = "" if number is None else f", {'row' if table.file_format == 'xlsx' else 'line'} {number}"
        message = f"{table.file}{where}: {f'{key} ' if key else ''}{problem.message}"
        moved = replace(problem, field=f"lists.{name}", line=line or None, message=message)
        return moved, (line, number or 0)


def read_list_tables(path: Path, document: NestedDocument, problems: Problems) -> ListTables:
    """Read the tables that the blueprint at ``path`` names; what cannot be read is added to ``problems``."""
    declared: object = document.tree.get("lists")
    if not isinstance(declared, dict):
        return ListTables(lists=declared)
    lists, tables = dict(cast("dict[str, object]", declared)), dict[str, _ListTable]()
    unread: set[str] = set()
    for name, value in lists.items():
        if name not in ROW_MODELS or not isinstance(value, str | dict):
            continue
        found = Problems()
        table = _read(path.parent, cast("str | dict[str, object]", value), ROW_MODELS[name], found)
        line = document.line_of(("lists", name)) or 0
        for problem in found.listed:
            problems.add(replace(problem, field=f"lists.{name}", line=line or None), (line, 0))
        if table is None or found:
            unread.add(name)
            lists[name] = []
        else:
            tables[name] = table
            lists[name] = list(table.rows)
    return ListTables(lists=lists, tables=tables, unread=frozenset(unread))


def _read(
    folder: Path, declared: str | Mapping[str, object], model: type[ListRow], problems: Problems
) -> _ListTable | None:
    written = {"file": declared} if isinstance(declared, str) else declared
    file, sheet = written.get("file"), written.get("sheet")
    is_known = set(written) <= {"file", "sheet"} and isinstance(sheet, str | None)
    if not isinstance(file, str) or not is_known:
        message = "is neither a list of rows nor a table of them; write the name of a file, or {file, sheet}"
        problems.add(Problem(code="not_a_list", message=message))
        return None
    file_format = _FORMATS.get(Path(file).suffix.lower())
    if Path(file).name != file or file_format is None:
        *others, last = TABLE_SUFFIXES
        message = (
            f"{quoted(file)} does not name a table; write the name of a file beside the blueprint that "
            "ends with "
            f"{', '.join(others)} or {last}"
        )
        problems.add(Problem(code="bad_list_file", value=file, message=message))
        return None
    columns = frozenset(model.model_fields)
    use = FileUse(
        too_large="leave rows out",
        empty=f"the first row names the columns: {', '.join(model.model_fields)}",
        yaml_example="",
        columns=columns,
    )
    found = Problems()
    try:
        content = read_content(folder / file, file, use)
        read = read_document(
            content, file_format, use, file, found, sheet if isinstance(sheet, str) else None
        )
        assert isinstance(read, TableDocument)
        rows = list(_rows(read, model, found))
        listed = found.listed
    except InputError as error:
        rows, listed = [], error.problems
    for problem in listed:
        problems.add(replace(problem, message=f"{file}: {problem}", value=None))
    return _ListTable(
        file=file,
        file_format=file_format,
        rows=[row for _, row in rows],
        numbers=[number for number, _ in rows],
    )


def _rows(
    document: TableDocument, model: type[ListRow], problems: Problems
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Each row below the header by its number, column → value."""
    remaining = iter(document.rows)
    columns = _columns(next(remaining, None), model, problems)
    if problems:
        return
    count = 0
    for number, cells in remaining:
        row = dict[str, str]()
        for name, cell in zip(columns, cells, strict=False):
            if cell.fault is not None:
                code, message = cell.fault
                problems.add(Problem(code=code, field=f"row {number}, {name}", message=message), (number, 0))
            elif cell:
                row[name] = cell.text
        extra = next((cell for cell in cells[len(columns) :] if cell), None)
        if extra is not None:
            message = f"{quoted(extra.text)} stands below no column; leave it out, or quote the cell"
            problems.add(Problem(code="no_column", field=f"row {number}", message=message), (number, 0))
        yield number, row
        count += 1
        if count > MOST_ROWS:
            return
    if not count and not problems:
        problems.add(Problem(code="no_rows", message="has a header and no row below it; add rows"))


def _columns(header: Row | None, model: type[ListRow], problems: Problems) -> list[str]:
    known = list(model.model_fields)
    names = f"the first row names the columns: {', '.join(known)}"
    if header is None:
        problems.add(Problem(code="no_header", message=f"is empty; {names}"))
        return []
    number, cells = header
    found = list(map(column_name, cells))
    where = f"row {number}"
    first: Cell = next(cell for cell in cells if cell)
    if not set(found) & set(known):
        message = f"{quoted(first.text)} is not a header; {names}"
        problems.add(Problem(code="no_header", field=where, message=message))
        return found
    for place, name in enumerate(found):
        if name not in known:
            message = f"{quoted(cells[place].text)} is an unknown column; {names}"
            problems.add(
                Problem(code="unknown_column", field=where, value=cells[place].text, message=message)
            )
        elif name in found[:place]:
            message = f"{quoted(cells[place].text)} is there twice; leave one column out"
            problems.add(Problem(code="duplicate_column", field=where, message=message))
    for name, key in model.model_fields.items():
        if key.is_required() and name not in found:
            problems.add(Problem(code="missing_column", field=where, message=f"has no column {name}; add it"))
    return found
