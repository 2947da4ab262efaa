"""YAML and JSON as nested documents: values as they were written, and every fault of their form named.

Scalars are read as written: ``NO`` is no boolean, ``007`` keeps its zeros, ``2025-01`` is no date, and a
number passes through no float. What a value means is decided where its key is known (``parsing.scalars``).
Files come from people and programs: depth and number of values are limited before anything is built; of YAML,
aliases (a short file that expands to gigabytes) and tags are refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)
from ruamel.yaml.reader import ReaderError

from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.parsing.document import (
    DoubleKey,
    JsonObject,
    NestedDocument,
    NumberText,
    Path,
    refused,
)
from demo_pipeline.domain.parsing.scalars import quoted

MOST_DEPTH: Final = 20
MOST_VALUES: Final = 5_000

#: YAML 1.2's ways to write nothing
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
#: characters of a message of the YAML library, and of a quotation in it
_LONGEST_REASON: Final = 200
_LONGEST_QUOTATION: Final = 40
_QUOTATION: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
#: A string of JSON, ended or not, or what opens, closes and separates. Linear: nothing is tried twice.
_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)

Tree: TypeAlias = "str | list[Tree] | dict[str, Tree] | None"


def parse_json(text: str, source: str) -> NestedDocument:
    """One object or list of JSON. Raises ``InputError``; ``source`` is the name of the file."""
    depth = values = 0
    for found in _TOKEN.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(found[0], 0)
        values += found[0] in {"{", "[", ","}
        if depth > MOST_DEPTH or values > MOST_VALUES:
            line = text.count("\n", 0, found.start()) + 1
            raise refused(source, _too_deep(line) if depth > MOST_DEPTH else _too_many(line))
    try:
        tree = json.loads(
            text,
            object_pairs_hook=JsonObject,
            parse_int=NumberText,
            parse_float=NumberText,
            # NaN and Infinity, which are no JSON, are refused with their place, where their key is known.
            parse_constant=NumberText,
        )
    except json.JSONDecodeError as error:
        near = quoted(text[error.pos : error.pos + 20]) if error.pos < len(text) else "the end"
        code, message = "not_json", f"is not JSON: {error.msg.lower()} at column {error.colno}, before {near}"
        if error.msg == "Extra data" and text.lstrip().startswith("{") and text[error.pos :].startswith("{"):
            code = "json_lines"
            message = "has one record a line; write a list of records (pandas: to_json without lines=True)"
        raise refused(source, Problem(code=code, line=error.lineno, message=message)) from None
    if not isinstance(tree, dict | list):
        message = "is neither an object nor a list; write {...} with the key months, or a list of records"
        raise refused(source, Problem(code="not_a_mapping", line=1, message=message))
    return NestedDocument(tree=cast("Any", tree))


def parse_yaml(text: str, source: str, *, example: str = "like name: Kranz Logistik") -> NestedDocument:
    """One mapping of YAML. Raises ``InputError``; ``source`` is the name of the file.

    ``example``: what an empty file is advised to say.
    """
    builder = _Builder()
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.add(event)
    except MarkedYAMLError as error:
        raise refused(source, _syntax_problem(error)) from None
    except ReaderError as error:
        raise refused(source, _character_problem(error, text)) from None
    except YAMLError as error:
        message = f"is not YAML: {_reason(str(error).splitlines()[0])}"
        raise refused(source, Problem(code="not_yaml", message=message)) from None
    except _StopReadingError as stop:
        raise refused(source, *builder.faults, stop.problem) from None
    if builder.faults:
        doubles = (double.problem(".".join(map(str, double.path))) for double in builder.doubles)
        raise refused(source, *builder.faults, *doubles)
    if not isinstance(builder.root, dict):
        what = "is empty" if builder.root is None else "is not a mapping"
        message = f"{what}; write keys with values, {example}"
        raise refused(source, Problem(code="not_a_mapping", line=1, message=message))
    return NestedDocument(tree=builder.root, lines=builder.lines, doubles=builder.doubles)


def _too_deep(line: int) -> Problem:
    return Problem(code="too_deep", line=line, message=f"is nested deeper than {MOST_DEPTH} levels")


def _too_many(line: int) -> Problem:
    return Problem(code="too_many_values", line=line, message=f"has more than {MOST_VALUES} values")


def _character_problem(error: Any, text: str) -> Problem:
    """A character that YAML does not allow; the library's errors are not typed."""
    character = text[int(error.position) : int(error.position) + 1]
    return Problem(
        code="control_character",
        line=text.count("\n", 0, int(error.position)) + 1,
        message=f"{character!a} is a character that YAML does not allow; leave it out",
    )


def _syntax_problem(error: Any) -> Problem:
    mark = error.problem_mark or error.context_mark
    reason = _reason(", ".join(str(part) for part in (error.context, error.problem) if part))
    return Problem(
        code="not_yaml",
        line=mark.line + 1 if mark is not None else None,
        message=f"is not YAML: {reason}; correct this line (indentation by blanks, a blank after each colon)",
    )


def _reason(text: str) -> str:
    """A message of the library, which may quote the file: short, and harmless to a terminal."""
    short = _QUOTATION.sub(lambda found: found[0] if len(found[0]) <= _LONGEST_QUOTATION else "'...'", text)
    short = short if len(short) <= _LONGEST_REASON else f"{short[: _LONGEST_REASON - 3]}..."
    return "".join(character if character.isprintable() else " " for character in short)


class _StopReadingError(Exception):
    """To read on would cost more than the file is worth."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass
class _Open:
    """A mapping or list that has not ended yet."""

    content: dict[str, Tree] | list[Tree]
    path: Path
    #: of a mapping: the key that was read and has no value yet
    key: str | None = None

    @property
    def needs_key(self) -> bool:
        return self.key is None and isinstance(self.content, dict)


@dataclass
class _Builder:
    """Builds the tree from parser events, without recursion."""

    root: Tree = None
    lines: dict[Path, int] = field(default_factory=dict[Path, int])
    #: what makes the file unusable
    faults: list[Problem] = field(default_factory=list[Problem])
    doubles: list[DoubleKey] = field(default_factory=list[DoubleKey])
    _open: list[_Open] = field(default_factory=list[_Open])
    _document_count: int = 0
    _value_count: int = 0

    def add(self, event: Any) -> None:
        """The next event of the parser."""
        line = int(event.start_mark.line) + 1
        if isinstance(event, DocumentStartEvent):
            self._document_count += 1
            if self._document_count > 1:
                message = "a second document begins (---); write one a file"
                raise _StopReadingError(Problem(code="several_documents", line=line, message=message))
        elif isinstance(event, CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, NodeEvent):
            self._add_node(event, line)

    def _add_node(self, event: Any, line: int) -> None:
        self._value_count += 1
        if self._value_count > MOST_VALUES:
            raise _StopReadingError(_too_many(line))
        kind = cast("type[object]", type(event))
        if issubclass(kind, AliasEvent):
            alias = f"*{event.anchor}"
            message = f"{quoted(alias)} is an alias; write the value out"
            self.faults.append(Problem(code="yaml_alias", line=line, message=message))
            self._add_scalar(alias, line, is_null=True)
        elif event.tag is not None:
            message = f"{quoted(event.tag)} is a tag; write the plain value"
            self.faults.append(Problem(code="yaml_tag", line=line, message=message))
        if issubclass(kind, ScalarEvent):
            is_plain = bool(event.implicit[0])
            self._add_scalar(event.value, line, is_null=is_plain and event.value in _NULLS)
        elif issubclass(kind, CollectionStartEvent):
            if len(self._open) >= MOST_DEPTH:
                raise _StopReadingError(_too_deep(line))
            if self._open and self._open[-1].needs_key:
                message = "a key is a mapping or list; write a plain word"
                raise _StopReadingError(Problem(code="bad_key", line=line, message=message))
            content: dict[str, Tree] | list[Tree] = {} if issubclass(kind, MappingStartEvent) else []
            self._open.append(_Open(content, self._put(content, line)))

    def _add_scalar(self, value: str, line: int, *, is_null: bool) -> None:
        if not self._open or not self._open[-1].needs_key:
            self._put(None if is_null else value, line)
            return
        top = self._open[-1]
        top.key = value
        path = (*top.path, value)
        if value in top.content:
            self.doubles.append(DoubleKey(path=path, line=line, first_line=self.lines[path]))
        else:
            self.lines[path] = line

    def _put(self, value: Tree, line: int) -> Path:
        """Put a value into the mapping or list around it; its path."""
        if not self._open:
            self.root = value
            return ()
        top = self._open[-1]
        if isinstance(top.content, list):
            path = (*top.path, len(top.content))
            top.content.append(value)
            self.lines[path] = line
            return path
        key, top.key = top.key or "", None
        if key in top.content:
            # Under a path of its own, so that its values do not replace the lines of the first.
            return (*top.path, key, "(again)")
        top.content[key] = value
        return (*top.path, key)
