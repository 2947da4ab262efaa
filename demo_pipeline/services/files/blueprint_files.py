"""Blueprints as files: ``blueprints/<slug>.yaml`` read, checked and resolved once.

The result, ``DeclaredTenant``, is what use cases pass on: no file is read again. The months of a blueprint
may be in a table beside it, ``months: figures.xlsx`` or ``.csv``: they are read like those of a plan and
replace the list; so may lists of one's own (``list_files``). What a blueprint is and what must hold is the
domain's; how files are read is in ``reader``. Nothing here touches the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, Final, cast

from demo_pipeline.domain.blueprint.checks import check_blueprint
from demo_pipeline.domain.blueprint.resolve import resolve
from demo_pipeline.domain.blueprint.schema import Blueprint
from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.errors import CapExceededError, InputError, Problem
from demo_pipeline.domain.core.months import FIRST_MONTH, Month
from demo_pipeline.domain.feasibility import DEFAULT_CAPS, Caps
from demo_pipeline.domain.parsing.document import NestedDocument, Problems, refused
from demo_pipeline.domain.parsing.scalars import quoted, shortened
from demo_pipeline.domain.parsing.written_numbers import other_currencies
from demo_pipeline.domain.patch_plan.assemble import assemble
from demo_pipeline.domain.patch_plan.nested_plan import is_plan
from demo_pipeline.services.files.list_files import ListTables, read_list_tables
from demo_pipeline.services.files.plan_files import PLAN, read_written
from demo_pipeline.services.files.reader import FileFormat, FileUse, read_content, read_document
from demo_pipeline.settings import Settings

#: suffixes of tables of months
TABLE_SUFFIXES: Final[Mapping[str, FileFormat]] = {".xlsx": "xlsx", ".csv": "csv"}
SUFFIXES: Final = (".yaml", ".yml")
BLUEPRINT: Final = FileUse(
    too_large="a blueprint is smaller",
    yaml_example="like name: Kranz Logistik",
    other_kind="write a blueprint as text with keys and values (YAML)",
)


@dataclass(frozen=True, kw_only=True)
class DeclaredTenant:
    """A blueprint that was read, checked and resolved: the tenant that it declares."""

    #: the name of the file
    slug: str
    blueprint: Blueprint
    spec: TenantSpec
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A table of months that a blueprint names, and its months as a blueprint lists them."""

    #: name of a file in the blueprint's folder
    file: str
    #: none where the table has problems
    entries: list[dict[str, Any]] | None = None
    #: seen beside its amounts
    currencies: frozenset[str] = frozenset()


def new_seed() -> str:
    """A seed for a blueprint that has none."""
    return token_hex(8)


def read_blueprint(
    path: Path,
    now: datetime,
    caps: Caps = DEFAULT_CAPS,
    *,
    sheet: str | None = None,
    seed_source: Callable[[], str] = new_seed,
) -> DeclaredTenant:
    """Read, check and resolve one file; ``now`` (aware) bounds its span and is its default end.

    ``sheet`` is the sheet of a workbook of months, whatever the blueprint says; ``seed_source`` is called
    where the blueprint has no seed. Raises ``InputError`` with every problem at once, each with field, value,
    remedy and, where it has one, line; its ``suggestion`` is the part of a blueprint that would correct
    infeasible figures, within ``caps``. Raises ``CapExceededError`` with the lines of what is beyond a cap.
    """
    source = shortened(path.name) or shortened(str(path))
    document = _read_document(path, source)
    problems = Problems()
    table = _read_table(path, document, sheet, problems)
    lists, tree = ListTables(), document.tree
    if "lists" in tree:
        lists = read_list_tables(path, document, problems)
        tree = {**tree, "lists": lists.lists}
    if table is not None:
        # One month in place of a table that has problems, so that what else is wrong is found too.
        month = {"month": tree.get("start_month") or str(FIRST_MONTH)}
        tree = {**tree, "months": [month] if table.entries is None else table.entries}
    is_whole = table is None and not lists.tables and not lists.unread
    found = problems if is_whole else Problems()
    checked = check_blueprint(replace(document, tree=tree), path.stem, Month.containing(now), caps, found)
    if not is_whole:
        problems.suggestion = found.suggestion
        for problem in found.listed if table is None else _about_months(found.listed, table, document):
            if not lists.is_of_unread(problem):
                problems.add(*lists.located(problem, document))
    if table is not None and checked is not None:
        _check_currency(checked.blueprint, table, document, problems)
    if path.suffix not in SUFFIXES:
        message = f"{quoted(path.name)} does not end with .yaml; rename it to <slug>.yaml"
        problems.add(Problem(code="bad_suffix", value=path.name, message=message))
    if checked is None and is_plan(document.tree):
        message = (
            "this is a patch plan, not a blueprint; demo-pipeline patch apply SLUG applies it to a tenant"
        )
        raise refused(source, Problem(code="other_kind", message=message))
    if problems or checked is None:
        raise problems.error(source)
    try:
        spec, warnings = resolve(checked, seed_source)
    except CapExceededError as error:
        section = "totals" if checked.blueprint.totals else "months"
        exceeded = Problems()
        for problem in error.problems:
            field = f"totals.{problem.metric}" if section == "totals" else section
            line = document.line_of(tuple(field.split(".")))
            exceeded.add(replace(problem, field=field, line=line), (line or 0, 0))
        raise CapExceededError(exceeded.error(source).message, exceeded.listed) from None
    return DeclaredTenant(slug=path.stem, blueprint=checked.blueprint, spec=spec, warnings=warnings)


def preview_blueprint(path: Path, settings: Settings, *, sheet: str | None = None) -> DeclaredTenant:
    """The tenant that a file would make now. Needs no database; raises as above."""
    caps = settings.caps.to_domain()
    declared = read_blueprint(path, settings.client_instant(), caps, sheet=sheet)
    if declared.blueprint.seed is None and declared.blueprint.totals is not None:
        message = (
            "the blueprint has no seed, so its totals are spread a little differently each time; "
            "set seed to keep the months as they are"
        )
        return replace(declared, warnings=(*declared.warnings, message))
    return declared


def blueprint_paths(folder: Path) -> tuple[Path, ...]:
    """The blueprints of a folder, by name."""
    return tuple(sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES and path.is_file()))


def _read_document(path: Path, source: str) -> NestedDocument:
    if path.suffix.lower() in TABLE_SUFFIXES and path.is_file():
        message = (
            "this is a table of months, not a blueprint; write a blueprint (demo-pipeline init begins one) "
            f"with months: {path.name} beside it, or apply it as a plan: demo-pipeline patch apply SLUG FILE"
        )
        raise refused(source, Problem(code="other_kind", message=message))
    content = read_content(path, source, BLUEPRINT)
    document = read_document(content, "yaml", BLUEPRINT, source, Problems())
    assert isinstance(document, NestedDocument)
    return document


# -- months in a table -----------------------------------------------------------------------------------


def _read_table(path: Path, document: NestedDocument, sheet: str | None, problems: Problems) -> _Table | None:
    """The table that a blueprint names for its months; None if it lists them. Its problems are added."""
    declared: object = document.tree.get("months")
    if not isinstance(declared, str | dict):
        if sheet is not None:
            message = "the blueprint has no months in a workbook; leave --sheet out"
            problems.add(Problem(code="no_workbook", field="--sheet", value=sheet, message=message))
        return None
    line = document.line_of(("months",))

    def add(problem: Problem) -> None:
        problems.add(replace(problem, field="months", line=line), (line or 0, 0))

    written = {"file": declared} if isinstance(declared, str) else cast("dict[str, object]", declared)
    file, named = written.get("file"), written.get("sheet")
    is_known = set(written) <= {"file", "sheet"} and isinstance(named, str | None)
    if not isinstance(file, str) or not is_known:
        message = (
            "is neither a list of months nor a table of them; write months: figures.xlsx, or {file, sheet}"
        )
        add(Problem(code="not_a_list", message=message))
        return _Table(file="")
    file_format = TABLE_SUFFIXES.get(Path(file).suffix.lower())
    if Path(file).name != file or file_format is None:
        message = (
            f"{quoted(file)} does not name a table of months; write the name of a file beside the blueprint "
            f"that ends with {' or '.join(TABLE_SUFFIXES)}"
        )
        add(Problem(code="bad_months_file", value=file, message=message))
        return _Table(file=file)
    found = Problems()
    try:
        content = read_content(path.parent / file, file, PLAN)
        sheet = cast("str | None", named) if sheet is None else sheet
        read = assemble(read_written(content, file_format, PLAN, file, found, sheet), found)
        table_problems = found.listed
    except InputError as error:
        read, table_problems = None, error.problems
    for problem in table_problems:
        text = f" {problem.message}" if problem.field == "--sheet" else f": {problem}"
        add(replace(problem, message=f"{file}{text}", month=None, value=None))
    if read is None:
        return _Table(file=file)
    plan, currencies = read
    entries = [{"month": str(request.month), **request.given} for request in plan.months]
    return _Table(file=file, entries=entries, currencies=currencies)


def _about_months(problems: Iterable[Problem], table: _Table, document: NestedDocument) -> Iterator[Problem]:
    """Problems of months in a table at the key that names it; none of what replaces a bad table."""
    for problem in problems:
        if not (problem.field or "").startswith("months."):
            yield problem
        elif table.entries is not None:
            _, place, *metric = str(problem.field).split(".")
            month = problem.month or str(table.entries[int(place)]["month"])
            message = f"{table.file}: {' '.join([*metric, problem.message])}"
            line = document.line_of(("months",))
            yield replace(problem, field="months", month=month, message=message, line=line)


def _check_currency(
    blueprint: Blueprint, table: _Table, document: NestedDocument, problems: Problems
) -> None:
    own = blueprint.own_currency.code
    if other := ", ".join(other_currencies(table.currencies, own)):
        line = document.line_of(("months",))
        message = (
            f"{table.file} has amounts in {other}, and the tenant's currency is {own}; write them in {own}"
        )
        problem = Problem(code="other_currency", field="months", value=other, message=message, line=line)
        problems.add(problem, (line or 0, 0))
