"""Blueprints as files: ``blueprints/<slug>.yaml`` read, checked and resolved, every problem with its line.

The months of a blueprint may be in a table beside it, ``months: figures.xlsx`` or ``.csv``: they are read
like those of a plan and take the place of the list. What a blueprint is and what must hold is the domain's;
how YAML is read is in ``yaml_files``. Nothing here touches the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, Final, cast

from demo_pipeline.domain.blueprint.checks import check_tree
from demo_pipeline.domain.blueprint.schema import Blueprint
from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec, resolve
from demo_pipeline.domain.core.errors import CapExceededError, InputError, Problem
from demo_pipeline.domain.core.months import FIRST_MONTH, Month
from demo_pipeline.domain.feasibility import DEFAULT_CAPS, Caps
from demo_pipeline.domain.parsing.scalars import quoted
from demo_pipeline.domain.parsing.written_numbers import other_currencies
from demo_pipeline.domain.patch_plan.reading import Findings, PlanRead, assemble
from demo_pipeline.domain.patch_plan.tree import is_plan
from demo_pipeline.services.files.plan_files import PlanKind, parse_written, read_content
from demo_pipeline.services.files.yaml_files import YamlFile, read_yaml, sorted_by_line
from demo_pipeline.settings import Settings

#: suffixes of tables of months
TABLE_SUFFIXES: Final[Mapping[str, PlanKind]] = {".xlsx": "xlsx", ".csv": "csv"}
SUFFIXES: Final = (".yaml", ".yml")


@dataclass(frozen=True, kw_only=True)
class BlueprintFile:
    """A blueprint that was read and is right in itself."""

    path: Path
    #: the name of the file
    slug: str
    blueprint: Blueprint
    source: YamlFile


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A table of months that a blueprint names."""

    #: name of a file in the blueprint's folder
    file: str
    #: of a workbook; none: the first visible one
    sheet: str | None


@dataclass(frozen=True, kw_only=True)
class _Months:
    """A declared tree whose months are a list, and where they come from."""

    tree: dict[str, Any]
    problems: tuple[Problem, ...] = ()
    #: the table that they were read from
    file: str | None = None
    #: seen beside its amounts
    currencies: frozenset[str] = frozenset()


def read_blueprint(
    path: Path, now: datetime, caps: Caps = DEFAULT_CAPS, *, sheet: str | None = None
) -> BlueprintFile:
    """Read and check one file; ``now`` (aware) bounds its span.

    ``sheet`` is the sheet of a workbook of months, whatever the blueprint says. Raises ``InputError`` with
    every problem at once, each with field, value, remedy and, where it has one, line; ``suggestion`` is the
    part of a blueprint that would correct infeasible figures, within ``caps``.
    """
    if path.suffix.lower() in TABLE_SUFFIXES and path.is_file():
        message = (
            "this is a table of months, not a blueprint; write a blueprint (demo-pipeline init begins one) "
            f"with months: {path.name} beside it, or apply it as a plan: demo-pipeline patch apply SLUG FILE"
        )
        raise _refused(path, (Problem(code="other_kind", message=message),), None)
    source = read_yaml(path)
    if is_plan(source.tree):
        message = (
            "this is a patch plan, not a blueprint; demo-pipeline patch apply SLUG applies it to a tenant"
        )
        raise _refused(path, (Problem(code="other_kind", message=message),), None)
    months = _months(path, source.tree, sheet)
    checked = check_tree(months.tree, path.stem, Month.containing(now), caps)
    problems = [*source.problems, *months.problems, *_about_months(checked.problems, months)]
    if checked.blueprint is not None:
        problems += _other_currencies(checked.blueprint, months)
    if path.suffix not in SUFFIXES:
        problems.append(
            Problem(
                code="bad_suffix",
                value=path.name,
                message=f"{path.name!r} does not end with .yaml; rename it to <slug>.yaml",
            )
        )
    if problems or checked.blueprint is None:
        raise _refused(path, sorted_by_line(_with_lines(problems, source)), checked.suggestion)
    return BlueprintFile(path=path, slug=path.stem, blueprint=checked.blueprint, source=source)


def _months(path: Path, tree: dict[str, Any], sheet: str | None) -> _Months:
    """The tree with the months of the table that it names, and what is wrong with that table."""
    declared: object = tree.get("months")
    if not isinstance(declared, str | dict):
        message = "the blueprint has no months in a workbook; leave --sheet out"
        problem = Problem(code="no_workbook", field="--sheet", value=sheet, message=message)
        return _Months(tree=tree, problems=(problem,) if sheet is not None else ())
    try:
        table = _table(cast("str | dict[str, object]", declared), sheet)
        plan = _read_table(path.parent / table.file, table)
    except InputError as error:
        # One month in their place, so that what else is wrong is found too.
        month = {"month": tree.get("start_month") or str(FIRST_MONTH)}
        return _Months(tree={**tree, "months": [month]}, problems=error.problems)
    assert plan.plan is not None
    entries = [{"month": str(request.month), **request.given} for request in plan.plan.months]
    return _Months(tree={**tree, "months": entries}, file=table.file, currencies=plan.currencies)


def _about_months(problems: Iterable[Problem], months: _Months) -> Iterator[Problem]:
    """Problems of months in a table at the key that names it; none of what replaces a bad table."""
    for problem in problems:
        if not (problem.field or "").startswith("months.") or isinstance(months.tree["months"], str | dict):
            yield problem
        elif months.file is not None:
            _, place, *metric = str(problem.field).split(".")
            month = problem.month or str(months.tree["months"][int(place)]["month"])
            message = f"{months.file}: {' '.join([*metric, problem.message])}"
            yield replace(problem, field="months", month=month, message=message)
        elif not months.problems:
            yield problem


def _other_currencies(blueprint: Blueprint, months: _Months) -> Iterator[Problem]:
    own = blueprint.own_currency.code
    if other := ", ".join(other_currencies(months.currencies, own)):
        message = (
            f"{months.file} has amounts in {other}, and the tenant's currency is {own}; write them in {own}"
        )
        yield Problem(code="other_currency", field="months", value=other, message=message)


def _table(months: str | dict[str, object], sheet: str | None) -> _Table:
    written: dict[str, object] = {"file": months} if isinstance(months, str) else months
    file, named = written.get("file"), written.get("sheet")
    is_known = set(written) <= {"file", "sheet"} and isinstance(named, str | None)
    if not isinstance(file, str) or not is_known:
        message = (
            "is neither a list of months nor a table of them; write months: figures.xlsx, or {file, sheet}"
        )
        raise InputError(message, [Problem(code="not_a_list", field="months", message=message)])
    if Path(file).name != file or Path(file).suffix.lower() not in TABLE_SUFFIXES:
        message = (
            f"{quoted(file)} does not name a table of months; write the name of a file beside the blueprint "
            f"that ends with {' or '.join(TABLE_SUFFIXES)}"
        )
        raise InputError(
            message, [Problem(code="bad_months_file", field="months", value=file, message=message)]
        )
    return _Table(file=file, sheet=sheet if sheet is not None else cast("str | None", named))


def _read_table(path: Path, table: _Table) -> PlanRead:
    """The months of a table, read like those of a plan. Raises ``InputError``."""
    findings = Findings()
    try:
        content = read_content(path, table.file)
        kind = TABLE_SUFFIXES[path.suffix.lower()]
        written = parse_written(content, kind, findings, source=table.file, sheet=table.sheet)
    except InputError as error:
        raise _about_table(table, error.problems) from None
    read = assemble(written, findings)
    if read.plan is None:
        raise _about_table(table, read.problems)
    return read


def _about_table(table: _Table, problems: Iterable[Problem]) -> InputError:
    """Problems of a table, each with its place there, at the key that names it."""
    named = [
        replace(
            problem,
            message=f"{table.file}{' ' if problem.field == '--sheet' else ': '}"
            f"{problem.message if problem.field == '--sheet' else problem}",
            field="months",
            month=None,
            value=None,
        )
        for problem in problems
    ]
    return InputError("; ".join(map(str, named)), named)


def read_tenant_spec(
    path: Path, now: datetime, seed_source: Callable[[], str], caps: Caps = DEFAULT_CAPS
) -> tuple[TenantSpec, tuple[str, ...]]:
    """Read one file and resolve it: the tenant, and the warnings. See ``resolve_file``."""
    return resolve_file(read_blueprint(path, now, caps), now, seed_source, caps)


def resolve_file(
    file: BlueprintFile, now: datetime, seed_source: Callable[[], str], caps: Caps = DEFAULT_CAPS
) -> tuple[TenantSpec, tuple[str, ...]]:
    """The tenant that a file declares, and the warnings. See ``planning.resolve``.

    Raises ``InputError``, or ``CapExceededError`` with the lines of what is beyond a cap.
    """
    try:
        return resolve(file.blueprint, file.slug, now, seed_source, caps)
    except CapExceededError as error:
        problems = [
            replace(problem, field=f"totals.{problem.metric}" if file.blueprint.totals else "months")
            for problem in error.problems
        ]
        lined = sorted_by_line(_with_lines(problems, file.source))
        raise CapExceededError(f"{file.path.name}: " + "; ".join(map(str, lined)), lined) from None


def preview_blueprint(
    path: Path, settings: Settings, *, sheet: str | None = None
) -> tuple[TenantSpec, tuple[str, ...]]:
    """The tenant that a file would make now, and the warnings. Needs no database; raises as above."""
    now, caps = settings.client_instant(), settings.caps.to_domain()
    file = read_blueprint(path, now, caps, sheet=sheet)
    spec, warnings = resolve_file(file, now, lambda: token_hex(8), caps)
    if file.blueprint.seed is None and file.blueprint.totals is not None:
        message = (
            "the blueprint has no seed, so its totals are spread a little differently each time; "
            "set seed to keep the months as they are"
        )
        warnings = (*warnings, message)
    return spec, warnings


def blueprint_paths(folder: Path) -> tuple[Path, ...]:
    """The blueprints of a folder, by name."""
    return tuple(sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES and path.is_file()))


def _with_lines(problems: Iterable[Problem], source: YamlFile) -> list[Problem]:
    return [
        replace(problem, line=source.line_of(problem.field)) if problem.line is None else problem
        for problem in problems
    ]


def _refused(path: Path, problems: tuple[Problem, ...], suggestion: object) -> InputError:
    return InputError(f"{path.name}: " + "; ".join(map(str, problems)), problems, suggestion=suggestion)
