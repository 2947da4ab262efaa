"""Patch plans from files: ``.csv``, ``.xlsx``, ``.json``, ``.yaml``, standard input, mappings of programs.

Promises a plan or an ``InputError`` with every problem and its place. How bytes become a document is in
``reader``, what a plan may say in ``domain.patch_plan``. Nothing here touches the database or knows the
tenant.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic_core import PydanticCustomError

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import METRICS
from demo_pipeline.domain.parsing.document import NestedDocument, Problems, Written, refused
from demo_pipeline.domain.parsing.scalars import shortened
from demo_pipeline.domain.patch_plan.assemble import (
    WrittenPlan,
    assemble,
    plain_name,
    read_plan_type,
    read_seed,
)
from demo_pipeline.domain.patch_plan.nested_plan import is_blueprint, read_nested_plan
from demo_pipeline.domain.patch_plan.plan import PatchPlan
from demo_pipeline.domain.patch_plan.table_plan import MOST_ROWS_ABOVE, read_table_plan
from demo_pipeline.services.files.reader import (
    SUFFIXES,
    FileFormat,
    FileUse,
    kind_of,
    limited,
    loose_text,
    read_content,
    read_document,
)

#: suffixes in the order in which messages name them
NAMED_SUFFIXES: Final = ", ".join(SUFFIXES)
STANDARD_INPUT: Final = "-"
#: a plan of 24 months has ten thousand
MOST_YAML_BYTES: Final = 100_000

PLAN: Final = FileUse(
    too_large="copy the months of the plan into a file of their own",
    empty="a plan has months and at least one figure",
    most_yaml_bytes=MOST_YAML_BYTES,
    yaml_example="months: at least",
)


@dataclass(frozen=True, kw_only=True)
class PlanFile:
    """A plan that was read and is correct in itself."""

    plan: PatchPlan
    #: ISO codes, and signs that may mean several, seen beside amounts
    currencies: frozenset[str]
    #: what messages call it: the file's name, ``standard input``
    source: str


def read_plan(
    path_or_dash: str | Path,
    *,
    plan_type: str | None = None,
    seed: str | None = None,
    sheet: str | None = None,
) -> PlanFile:
    """Read a plan by the suffix of its file, or from standard input (``-``).

    ``plan_type`` and ``seed`` replace what the file says; ``sheet`` names the sheet of a workbook, the first
    visible one without it. Raises ``InputError`` with every problem.
    """
    file_format: FileFormat | None = None
    if str(path_or_dash) == STANDARD_INPUT:
        source = "standard input"
        content = limited(sys.stdin.buffer, source, PLAN)
    else:
        path = Path(path_or_dash)
        source = shortened(path.name) or shortened(str(path))
        file_format = SUFFIXES.get(path.suffix.lower())
        content = read_content(path, source, PLAN)
        if file_format is None:
            message = f"the name does not end with {NAMED_SUFFIXES}; rename it, or give it as -"
            if found := kind_of(content):
                message = f"this is {found.name}; {found.remedy}"
            raise refused(source, Problem(code="bad_suffix", value=source, message=message))
    return parse_plan(content, file_format, source=source, plan_type=plan_type, seed=seed, sheet=sheet)


def parse_plan(
    content: bytes,
    file_format: FileFormat | None = None,
    *,
    source: str = "the plan",
    plan_type: str | None = None,
    seed: str | None = None,
    sheet: str | None = None,
) -> PlanFile:
    """Read a plan from bytes; without a format the bytes decide: ``{`` is JSON, a header CSV."""
    problems = Problems()
    written = read_written(content, file_format, PLAN, source, problems, sheet)
    return _plan_file(written, problems, source, plan_type, seed)


def read_written(
    content: bytes,
    file_format: FileFormat | None,
    use: FileUse,
    source: str,
    problems: Problems,
    sheet: str | None,
) -> WrittenPlan:
    """A plan as it was written. Raises ``InputError`` where the file cannot be read at all."""
    document = read_document(content, file_format, use, source, problems, sheet)
    if not isinstance(document, NestedDocument):
        return read_table_plan(document, problems)
    if is_blueprint(document.tree):
        message = (
            "this is a blueprint, not a plan; demo-pipeline tenant provision makes a tenant from a blueprint"
        )
        raise refused(source, Problem(code="other_kind", message=message))
    return read_nested_plan(document, problems)


def plan_from_document(
    document: Mapping[str, Any],
    *,
    source: str = "the plan",
    plan_type: str | None = None,
    seed: str | None = None,
) -> PlanFile:
    """Read a plan from a program's mapping, in the shape of a JSON plan."""
    problems = Problems()
    written = read_nested_plan(NestedDocument(tree=document), problems)
    return _plan_file(written, problems, source, plan_type, seed)


def _plan_file(
    written: WrittenPlan, problems: Problems, source: str, plan_type: str | None, seed: str | None
) -> PlanFile:
    read = assemble(_overridden(written, problems, plan_type, seed), problems)
    if read is None:
        raise problems.error(source)
    plan, currencies = read
    return PlanFile(plan=plan, currencies=currencies, source=source)


def _overridden(
    written: WrittenPlan, problems: Problems, plan_type: str | None, seed: str | None
) -> WrittenPlan:
    """With the values that were given beside the file in place of its own; problems have the key's name."""
    checks: tuple[tuple[str, str | None, Callable[[str], object]], ...] = (
        ("plan_type", plan_type, read_plan_type),
        ("seed", seed, read_seed),
    )
    for name, text, read in checks:
        if text is None:
            continue
        value = Written(text=text, place=name)
        try:
            read(text)
        except PydanticCustomError as error:
            problems.at(value, error)
            written = replace(written, **{name: None})
        else:
            written = replace(written, **{name: value})
    return written


# -- recognition -----------------------------------------------------------------------------------------

#: characters that are looked at: a plan has its names at the beginning
_MOST_CHARACTERS: Final = 100_000
#: different names that are looked at
_MOST_NAMES: Final = 500
#: of the beginning of a metric's name, as people shorten them
_LEAST_LENGTH: Final = 5
#: how alike a misspelt metric is: ``contacts_craeted``
_LEAST_LIKENESS: Final = 0.85
_METRICS: Final = tuple(map(plain_name, METRICS))
#: a name before a colon, as JSON and YAML have their keys
_KEY: Final = re.compile(r"""["']?\b([A-Za-z_][A-Za-z0-9_]{0,59})["']?[ \t]*:""")
_SEPARATOR: Final = re.compile(r"[,;\t|]")


def plan_text(content: bytes, file_format: FileFormat, sheet: str | None) -> str:
    """The characters of a file, where it has any; what is no text becomes U+FFFD.

    Of a workbook the cells of ``sheet``, or of the first visible one, separated by tabs; nothing if it cannot
    be read.
    """
    if file_format != "xlsx":
        return loose_text(content)
    from demo_pipeline.services.files.workbooks import sheet_text

    try:
        return sheet_text(content, sheet)
    except InputError:
        return ""


def is_meant_as_plan(content: bytes, file_format: FileFormat, sheet: str | None) -> bool:
    """Whether the names of a plan are there: ``months`` or a column ``month``, and metrics.

    For reports that others may read than the file: the inbox quotes what a plan says, and nothing of any
    other file, which may be there by mistake (a key, a list of passwords). So a plan that cannot be parsed is
    recognised as well. A metric may be misspelt; one name alone is not enough.
    """
    text = plan_text(content, file_format, sheet)[:_MOST_CHARACTERS]
    if file_format in {"csv", "xlsx"}:
        return _has_header(text)
    names = list(dict.fromkeys(plain_name(found) for found in _KEY.findall(text)))
    if file_format == "json" and text.lstrip().startswith("["):
        return "month" in names and _has_metric(names)
    return "months" in names and ({"month", "metrics"} <= set(names) or _has_metric(names))


def _has_header(text: str) -> bool:
    """Whether one of the first lines names the column month, and it or the next one a metric."""
    lines = [line for line in text.splitlines() if line.strip()][: MOST_ROWS_ABOVE + 1]
    rows = [[plain_name(cell.strip(" \"'")) for cell in _SEPARATOR.split(line)] for line in lines]
    return any(
        not {"month", "monat"}.isdisjoint(names) and _has_metric([*names, *below])
        for names, below in zip(rows, [*rows[1:], []], strict=False)
    )


def _has_metric(names: list[str]) -> bool:
    """Whether a name is that of a metric, its beginning (``leads``), or nearly one."""
    return any(
        (len(name) >= _LEAST_LENGTH and any(metric.startswith(name) for metric in _METRICS))
        or get_close_matches(name, _METRICS, n=1, cutoff=_LEAST_LIKENESS)
        for name in names[:_MOST_NAMES]
    )
