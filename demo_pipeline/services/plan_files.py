"""Patch plans from files: ``.csv``, ``.json``, ``.yaml``, standard input and mappings of programs.

Promises a plan or an ``InputError`` with every problem and its place, whatever the file holds: size is
looked at before anything is read, depth and number of values before anything is built, and messages quote
at most forty characters of a cell. What a plan may say is the domain's (``plan_reading``). Nothing here
touches the database, nor knows the tenant.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from pydantic_core import PydanticCustomError

from demo_pipeline.domain.errors import InputError, Problem
from demo_pipeline.domain.plan import PatchPlan
from demo_pipeline.domain.plan_numbers import shortened
from demo_pipeline.domain.plan_reading import (
    Findings,
    Written,
    WrittenPlan,
    assemble,
    read_plan_type,
    read_seed,
)
from demo_pipeline.domain.plan_tree import place_of, read_tree
from demo_pipeline.services.plan_json import NotJsonError, read_json
from demo_pipeline.services.plan_tables import is_table, read_table
from demo_pipeline.services.yaml_files import MOST_BYTES, YamlFile, parse_yaml

PlanKind = Literal["csv", "json", "yaml"]
SUFFIXES: Final[Mapping[str, PlanKind]] = {".csv": "csv", ".json": "json", ".yaml": "yaml", ".yml": "yaml"}
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


def read_plan(path_or_dash: str | Path, *, plan_type: str | None = None, seed: str | None = None) -> PlanFile:
    """Read a plan by the suffix of its file, or from standard input (``-``).

    ``plan_type`` and ``seed`` stand for what the file says. Raises ``InputError`` with every problem.
    """
    if str(path_or_dash) == STANDARD_INPUT:
        source, kind = "standard input", None
        content = _limited(sys.stdin.buffer, source)
    else:
        path = Path(path_or_dash)
        source, kind = shortened(path.name) or shortened(str(path)), SUFFIXES.get(path.suffix.lower())
        content = _content(path, source)
        if kind is None:
            message = f"the name does not end with {', '.join(SUFFIXES)}; rename it, or give it as -"
            raise _refused(source, Problem(code="bad_suffix", value=source, message=message))
    return parse_plan(content, kind, source=source, plan_type=plan_type, seed=seed)


def parse_plan(
    content: bytes,
    kind: PlanKind | None = None,
    *,
    source: str = "the plan",
    plan_type: str | None = None,
    seed: str | None = None,
) -> PlanFile:
    """Read a plan from bytes; without ``kind`` they tell it themselves: ``{`` is JSON, a header CSV."""
    if len(content) > MOST_BYTES:
        raise _too_large(source)
    text = _text(content, source)
    if kind is None:
        kind = "json" if text.lstrip().startswith("{") else "csv" if is_table(text) else "yaml"
    findings = Findings()
    match kind:
        case "csv":
            written = read_table(text, findings)
        case "json":
            written = read_tree(_json(text, source), findings)
        case "yaml":
            if len(content) > MOST_YAML_BYTES:
                raise _too_large(source, MOST_YAML_BYTES)
            file = _yaml(text, source)
            for problem in file.problems:
                findings.add(_own_words(problem), (problem.line or 0, 0))
            written = read_tree(file.tree, findings, lambda path: file.line_of(".".join(map(str, path))))
    return _plan_file(written, findings, source, plan_type, seed)


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
        raise _refused(source, *read.problems)
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


def _content(path: Path, source: str) -> bytes:
    """The bytes of a file that is none too large."""
    try:
        # Looked at before it is opened: to open a pipe would wait for whoever writes to it.
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            message = "is a directory; name a file"
            raise _refused(source, Problem(code="is_a_directory", value=source, message=message))
        if not stat.S_ISREG(status.st_mode):
            message = "is no file; give what it says on standard input, as -"
            raise _refused(source, Problem(code="not_a_file", value=source, message=message))
        if status.st_size > MOST_BYTES:
            raise _too_large(source)
        with path.open("rb") as file:
            return _limited(file, source)
    except FileNotFoundError:
        message = "there is no such file"
        raise _refused(source, Problem(code="file_not_found", value=source, message=message)) from None
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no such name"
        raise _refused(
            source, Problem(code="unreadable_file", value=source, message=f"cannot be read: {reason}")
        ) from None


def _limited(file: BinaryIO, source: str) -> bytes:
    content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise _too_large(source)
    return content


def _text(content: bytes, source: str) -> str:
    """UTF-8, or UTF-16 with the mark that spreadsheets put in front of it."""
    is_wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        problem = Problem(
            code="not_utf8",
            line=None if is_wide else content.count(b"\n", 0, error.start) + 1,
            message=f"is no text in {'UTF-16' if is_wide else 'UTF-8'}; export or save it as UTF-8",
        )
        raise _refused(source, problem) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        message = "has a NUL character, as files have that are no text; export or save it as UTF-8 text"
        raise _refused(source, Problem(code="control_character", line=line, message=message))
    return text


def _json(text: str, source: str) -> Mapping[str, Any]:
    try:
        return read_json(text)
    except NotJsonError as error:
        raise _refused(source, error.problem) from None


def _yaml(text: str, source: str) -> YamlFile:
    try:
        return parse_yaml(text, Path(source))
    except InputError as error:
        findings = Findings()
        for problem in error.problems:
            findings.add(_own_words(problem))
        raise _refused(source, *findings.problems) from None


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
    message = f"is larger than {most_bytes} bytes; that is no plan of 24 months"
    return _refused(source, Problem(code="file_too_large", value=source, message=message))


def _refused(source: str, *problems: Problem) -> InputError:
    said = "; ".join(map(str, problems[:_SAID_AT_ONCE]))
    rest = len(problems) - _SAID_AT_ONCE
    return InputError(f"{source}: {said}" + (f"; and {rest} more" if rest > 0 else ""), problems)
