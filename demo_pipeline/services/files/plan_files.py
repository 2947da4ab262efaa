"""Patch plans from files: ``.csv``, ``.xlsx``, ``.json``, ``.yaml``, standard input, mappings of programs.

Promises a plan or an ``InputError`` with every problem and its place, whatever the file holds: size is
looked at before anything is read, depth and number of values before anything is built, and messages quote
at most forty characters of a cell. What a plan may say is the domain's (``patch_plan.reading``). Nothing here
touches the database, nor knows the tenant.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from pydantic_core import PydanticCustomError

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.parsing.written_numbers import shortened
from demo_pipeline.domain.patch_plan.plan import PatchPlan
from demo_pipeline.domain.patch_plan.reading import (
    Findings,
    Written,
    WrittenPlan,
    assemble,
    read_plan_type,
    read_seed,
)
from demo_pipeline.domain.patch_plan.tree import is_blueprint, place_of, read_tree
from demo_pipeline.services.files.file_kinds import WORKBOOK, kind_of
from demo_pipeline.services.files.plan_csv import is_table, read_table
from demo_pipeline.services.files.plan_json import NotJsonError, read_json
from demo_pipeline.services.files.workbooks import UnreadableWorkbookError, read_sheet
from demo_pipeline.services.files.yaml_files import MOST_BYTES, YamlFile, parse_yaml

PlanKind = Literal["csv", "xlsx", "json", "yaml"]
SUFFIXES: Final[Mapping[str, PlanKind]] = {
    ".csv": "csv",
    ".xlsx": "xlsx",
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
}
#: suffixes in the order in which messages name them
NAMED_SUFFIXES: Final = ", ".join(SUFFIXES)
STANDARD_INPUT: Final = "-"
#: YAML is read at a hundred thousand characters a second; a plan of 24 months has ten thousand.
MOST_YAML_BYTES: Final = 100_000

#: problems that the message itself says; ``problems`` has all
_SAID_AT_ONCE: Final = 5
#: of a message of the YAML library, characters
_MOST_SAID: Final = 250
#: A quotation in a message of the YAML library.
_QUOTATION: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_MOST_QUOTED: Final = 40
#: DOS ended text files with this character.
_END_OF_FILE: Final = re.compile(r"\x1a\s*\Z")
_KIND_NAMES: Final[Mapping[PlanKind, str]] = {
    "csv": "CSV",
    "xlsx": WORKBOOK.name,
    "json": "JSON",
    "yaml": "YAML",
}
#: What ``yaml_files`` says of these repeats what was written, at any length.
_YAML_MESSAGES: Final[Mapping[str, str]] = {
    "duplicate_key": "is given twice; leave one out",
    "yaml_alias": "is an alias (*name); write the value out",
    "not_a_mapping": "is empty or no mapping; write keys with values, months: at least",
    "yaml_tag": "has a tag (!name); write the plain value",
}


@dataclass(frozen=True, kw_only=True)
class PlanFile:
    """A plan that was read and is sound in itself."""

    plan: PatchPlan
    #: ISO codes, and signs that may mean several, seen beside amounts; see ``plan_numbers.other_currencies``
    currencies: frozenset[str]
    #: what a message calls it: the file's name, ``standard input``
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
    if str(path_or_dash) == STANDARD_INPUT:
        source, kind = "standard input", None
        content = _limited(sys.stdin.buffer, source)
    else:
        path = Path(path_or_dash)
        source, kind = shortened(path.name) or shortened(str(path)), SUFFIXES.get(path.suffix.lower())
        content = read_content(path, source)
        if kind is None:
            message = f"the name does not end with {NAMED_SUFFIXES}; rename it, or give it as -"
            if found := kind_of(content):
                message = _other_kind(found.name, found.remedy or "rename it to .xlsx")
            raise refused(source, Problem(code="bad_suffix", value=source, message=message))
    return parse_plan(content, kind, source=source, plan_type=plan_type, seed=seed, sheet=sheet)


def parse_plan(
    content: bytes,
    kind: PlanKind | None = None,
    *,
    source: str = "the plan",
    plan_type: str | None = None,
    seed: str | None = None,
    sheet: str | None = None,
) -> PlanFile:
    """Read a plan from bytes; without ``kind`` they tell it themselves: ``{`` is JSON, a header CSV."""
    findings = Findings()
    written = parse_written(content, kind, findings, source=source, sheet=sheet)
    return _plan_file(written, findings, source, plan_type, seed)


def parse_written(
    content: bytes,
    kind: PlanKind | None,
    findings: Findings,
    *,
    source: str,
    sheet: str | None = None,
) -> WrittenPlan:
    """What a file says, judged by its form alone. Raises ``InputError`` where it cannot be read at all."""
    if len(content) > MOST_BYTES:
        raise _too_large(source)
    if not content.removeprefix(b"\xef\xbb\xbf").strip():
        message = "the file is empty; a plan has months and at least one figure"
        raise refused(source, Problem(code="empty_file", message=message))
    kind = kind or _kind_of(content)
    if kind == "xlsx":
        return _workbook(content, sheet, findings, source)
    if sheet is not None:
        message = f"only a workbook has sheets, and this is {_KIND_NAMES[kind]}; leave --sheet out"
        raise refused(
            source, Problem(code="no_workbook", field="--sheet", value=shortened(sheet), message=message)
        )
    text = _text(content, source, kind)
    found = _kind_of_text(text)
    if kind == "csv":
        if found == "json":
            raise _named_wrongly(source, found)
        return read_table(text, findings)
    if len(content) > MOST_YAML_BYTES and kind == "yaml":
        raise _too_large(source, MOST_YAML_BYTES)
    try:
        return _nested(text, kind, findings, source)
    except InputError:
        # A comment or a text of a good file may look like a header.
        if found == "csv":
            raise _named_wrongly(source, found) from None
        raise


def _nested(text: str, kind: Literal["json", "yaml"], findings: Findings, source: str) -> WrittenPlan:
    match kind:
        case "json":
            return _tree(_json(text, source), findings, source)
        case "yaml":
            file = _yaml(text, source)
            for problem in file.problems:
                findings.add(_own_words(problem), (problem.line or 0, 0))
            return _tree(file.tree, findings, source, lambda path: file.line_of(".".join(map(str, path))))


def _tree(
    tree: Mapping[str, Any] | Sequence[Any],
    findings: Findings,
    source: str,
    line_of: Callable[[tuple[str | int, ...]], int | None] = lambda _: None,
) -> WrittenPlan:
    if is_blueprint(tree):
        message = _other_kind(
            "a blueprint, not a plan", "demo-pipeline tenant provision makes a tenant from a blueprint"
        )
        raise refused(source, Problem(code="other_kind", message=message))
    return read_tree(tree, findings, line_of)


def _kind_of(content: bytes) -> PlanKind:
    """The kind of what comes without a name."""
    if kind_of(content) == WORKBOOK:
        return "xlsx"
    text = content.decode("utf-16" if _is_wide(content) else "utf-8-sig", errors="replace")
    return _kind_of_text(text) or "yaml"


def _kind_of_text(text: str) -> PlanKind | None:
    """``json`` or ``csv`` where the first characters or a header tell it."""
    if text.lstrip()[:1] in {"{", "["}:
        return "json"
    return "csv" if is_table(text) else None


def _workbook(content: bytes, sheet: str | None, findings: Findings, source: str) -> WrittenPlan:
    if (found := kind_of(content)) != WORKBOOK:
        text_kind = None if found else _kind_of_text(content.decode("utf-8", errors="replace"))
        name, remedy = "not an Excel workbook", "export the months as .xlsx or CSV"
        if found:
            name, remedy = found.name, found.remedy
        elif text_kind:
            name, remedy = _KIND_NAMES[text_kind], f"rename the file to .{text_kind}"
        raise refused(source, Problem(code="other_kind", message=_other_kind(name, remedy)))
    try:
        return read_sheet(content, sheet, findings)
    except UnreadableWorkbookError as error:
        raise refused(source, error.problem) from None


def _named_wrongly(source: str, kind: PlanKind) -> InputError:
    message = _other_kind(_KIND_NAMES[kind], f"rename the file to .{kind}")
    return refused(source, Problem(code="other_kind", message=message))


def _other_kind(name: str, remedy: str) -> str:
    return f"this is {name}; {remedy}"


def plan_from_document(
    document: Mapping[str, Any],
    *,
    source: str = "the plan",
    plan_type: str | None = None,
    seed: str | None = None,
) -> PlanFile:
    """Read a plan from a program's mapping, in the shape of a JSON plan."""
    findings = Findings()
    return _plan_file(read_tree(document, findings), findings, source, plan_type, seed)


def _plan_file(
    written: WrittenPlan, findings: Findings, source: str, plan_type: str | None, seed: str | None
) -> PlanFile:
    written = _overridden(written, findings, plan_type, seed)
    read = assemble(written, findings)
    if read.plan is None:
        raise refused(source, *read.problems)
    return PlanFile(plan=read.plan, currencies=read.currencies, source=source)


def _overridden(
    written: WrittenPlan, findings: Findings, plan_type: str | None, seed: str | None
) -> WrittenPlan:
    """With what was given beside the file in place of what it says; a problem is named like its key."""
    checks: tuple[tuple[str, str | None, Callable[[str], object]], ...] = (
        ("plan_type", plan_type, read_plan_type),
        ("seed", seed, read_seed),
    )
    for name, text, read in checks:
        if text is None:
            continue
        value: Written | None = Written(text=text, place=name)
        try:
            read(text)
        except PydanticCustomError as error:
            assert value is not None
            findings.at(value, error)
            value = None
        written = replace(written, **{name: value})
    return written


def read_content(path: Path, source: str) -> bytes:
    """The bytes of a file within the limit. Raises ``InputError``."""
    try:
        # Looked at before it is opened: to open a pipe would wait for whoever writes to it.
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            message = "is a directory; name a file"
            raise refused(source, Problem(code="is_a_directory", value=source, message=message))
        if not stat.S_ISREG(status.st_mode):
            message = "is no file; give what it says on standard input, as -"
            raise refused(source, Problem(code="not_a_file", value=source, message=message))
        if status.st_size > MOST_BYTES:
            raise _too_large(source)
        with path.open("rb") as file:
            return _limited(file, source)
    except FileNotFoundError:
        message = "there is no such file"
        raise refused(source, Problem(code="file_not_found", value=source, message=message)) from None
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no such name"
        raise refused(
            source, Problem(code="unreadable_file", value=source, message=f"cannot be read: {reason}")
        ) from None


def _limited(file: BinaryIO, source: str) -> bytes:
    content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise _too_large(source)
    return content


def _is_wide(content: bytes) -> bool:
    return content.startswith((b"\xff\xfe", b"\xfe\xff"))


def _text(content: bytes, source: str, kind: PlanKind) -> str:
    """UTF-8, or UTF-16 with the mark that spreadsheets put in front of it; CSV in Windows-1252 too."""
    if (found := kind_of(content)) is not None:
        remedy = found.remedy or "rename the file to .xlsx"
        raise refused(source, Problem(code="other_kind", message=_other_kind(found.name, remedy)))
    try:
        text = content.decode("utf-16" if _is_wide(content) else "utf-8-sig")
    except UnicodeDecodeError as error:
        text = None if _is_wide(content) or kind != "csv" else _windows_text(content)
        if text is None:
            problem = Problem(
                code="not_utf8",
                line=None if _is_wide(content) else content.count(b"\n", 0, error.start) + 1,
                message=f"is not text in {'UTF-16' if _is_wide(content) else 'UTF-8'}; "
                "export or save it as UTF-8",
            )
            raise refused(source, problem) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        message = "has a NUL character, so it is not UTF-8 (UTF-16 needs a byte order mark); save it as UTF-8"
        raise refused(source, Problem(code="control_character", line=line, message=message))
    return _END_OF_FILE.sub("", text)


def _windows_text(content: bytes) -> str | None:
    """Text as Excel saves "CSV" in western Europe; none where a byte has no character there."""
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return None


def _json(text: str, source: str) -> Mapping[str, Any] | Sequence[Any]:
    try:
        return read_json(text)
    except NotJsonError as error:
        raise refused(source, error.problem) from None


def _yaml(text: str, source: str) -> YamlFile:
    try:
        return parse_yaml(text, Path(source))
    except InputError as error:
        findings = Findings()
        for problem in error.problems:
            findings.add(_own_words(problem))
        raise refused(source, *findings.problems) from None


def _own_words(problem: Problem) -> Problem:
    """A problem of ``yaml_files`` with a plan's places, and nothing quoted at length."""
    message = _YAML_MESSAGES.get(problem.code) or _QUOTATION.sub(
        lambda found: found[0] if len(found[0]) <= _MOST_QUOTED else "'...'", problem.message
    )
    if len(message) > _MOST_SAID:
        message = f"{message[: _MOST_SAID - 3]}..."
    parts = () if problem.field is None else problem.field.split(".")
    path = tuple(int(part) if part.isdecimal() and len(part) < 5 else part for part in parts)
    value = problem.value
    return replace(
        problem,
        message="".join(character if character.isprintable() else " " for character in message),
        field=place_of(path) or None,
        value=None if value is None else shortened(value),
    )


def _too_large(source: str, most_bytes: int = MOST_BYTES) -> InputError:
    message = f"is larger than {most_bytes:,} bytes; copy the months of the plan into a file of their own"
    return refused(source, Problem(code="file_too_large", value=source, message=message))


def refused(source: str, *problems: Problem) -> InputError:
    """The error that says what is wrong with a file."""
    said = "; ".join(map(str, problems[:_SAID_AT_ONCE]))
    rest = len(problems) - _SAID_AT_ONCE
    return InputError(f"{source}: {said}" + (f"; and {rest} more" if rest > 0 else ""), problems)
