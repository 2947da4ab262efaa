"""A YAML file as a tree of text, with the line of every value, and every fault of its form named.

Scalars are taken as written: ``NO`` is no boolean, ``007`` keeps its zeros, ``2025-01`` is no date. What a
value means is decided where its field is known (``domain.parsing.scalars``). Files come from people: size,
depth and number of values are limited, aliases (a short file that unfolds to gigabytes) and tags are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
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

from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.parsing.scalars import quoted
from demo_pipeline.services.files.file_kinds import kind_of

MOST_BYTES: Final = 1_000_000
MOST_DEPTH: Final = 20
MOST_VALUES: Final = 5_000

#: YAML 1.2's ways to write nothing
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})

Tree: TypeAlias = "str | list[Tree] | dict[str, Tree] | None"


@dataclass(kw_only=True)
class YamlFile:
    """What a file says."""

    #: mappings, lists, text as written; ``None`` where nothing is written
    tree: dict[str, Tree]
    #: dotted path of a value (``months.0.month``) → its line, from 1
    lines: dict[str, int]
    #: keys that were given twice; the first counts
    problems: tuple[Problem, ...] = ()

    def line_of(self, dotted: str | None) -> int | None:
        """The line of a field (``months.0.month``), or of what it should stand in; none if unknown."""
        while dotted:
            if (line := self.lines.get(dotted)) is not None:
                return line
            dotted = dotted.rpartition(".")[0]
        return None


def read_yaml(path: Path) -> YamlFile:
    """Read a file. Raises ``InputError`` where it cannot be read as one YAML mapping."""
    return parse_yaml(_text(path), path)


def parse_yaml(text: str, path: Path) -> YamlFile:
    """Read the text of a file, or what was given in its place; ``path`` is what messages call it."""
    builder = _Builder()
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        raise _refused(path, _syntax_problem(error)) from None
    except ReaderError as error:
        raise _refused(path, _character_problem(error, text)) from None
    except YAMLError as error:
        message = f"is not YAML: {str(error).splitlines()[0]}"
        raise _refused(path, Problem(code="not_yaml", message=message)) from None
    except _StopReadingError as stop:
        raise _refused(path, *builder.faults, stop.problem) from None
    if builder.faults:
        raise _refused(path, *builder.faults, *builder.doubles)
    if not isinstance(builder.root, dict):
        what = "is empty" if builder.root is None else "is not a mapping"
        message = f"{what}; write keys with values, like name: Kranz Logistik"
        raise _refused(path, Problem(code="not_a_mapping", line=1, message=message))
    return YamlFile(tree=builder.root, lines=builder.lines, problems=tuple(builder.doubles))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise _refused(
            path, Problem(code="file_not_found", value=str(path), message="there is no such file")
        ) from None
    except IsADirectoryError:
        raise _refused(
            path, Problem(code="is_a_directory", value=str(path), message="is a directory; name a file")
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _refused(
            path, Problem(code="unreadable_file", value=str(path), message=f"cannot be read: {reason}")
        ) from None
    if len(content) > MOST_BYTES:
        message = f"is larger than {MOST_BYTES:,} bytes; a file of this kind is smaller"
        raise _refused(path, Problem(code="file_too_large", value=str(path), message=message))
    if (kind := kind_of(content)) is not None:
        message = f"this is {kind.name}, not YAML; write the file as text with keys and values"
        raise _refused(path, Problem(code="other_kind", message=message))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{content[error.start]:02X} is not UTF-8; save the file as UTF-8"
        raise _refused(path, Problem(code="not_utf8", line=line, message=message)) from None


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
    reason = ", ".join(str(part) for part in (error.context, error.problem) if part)
    return Problem(
        code="not_yaml",
        line=mark.line + 1 if mark is not None else None,
        message=f"is not YAML: {reason}; mend this line (indentation by blanks, a blank after each colon)",
    )


def _refused(path: Path, *problems: Problem) -> InputError:
    return InputError(f"{path.name}: " + "; ".join(map(str, problems)), problems)


class _StopReadingError(Exception):
    """Reading on would cost more than the file is worth."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass
class _Open:
    """A mapping or list that has not ended yet."""

    content: dict[str, Tree] | list[Tree]
    #: dotted
    path: str
    #: of a mapping: a key was read and waits for its value
    key: str | None = None
    #: of a mapping: the waiting key was there before, its value is dropped
    is_double: bool = False


@dataclass
class _Builder:
    """Builds the tree from parser events, without recursion."""

    root: Tree = None
    lines: dict[str, int] = field(default_factory=dict[str, int])
    #: what makes the file unusable
    faults: list[Problem] = field(default_factory=list[Problem])
    #: keys given twice
    doubles: list[Problem] = field(default_factory=list[Problem])
    _stack: list[_Open] = field(default_factory=list[_Open])
    _documents: int = 0
    _values: int = 0

    def take(self, event: Any) -> None:
        """The next event of the parser."""
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                message = "a second document begins (---); write one a file"
                raise _StopReadingError(Problem(code="several_documents", line=_line(event), message=message))
        elif isinstance(event, CollectionEndEvent):
            self._stack.pop()
        elif isinstance(event, NodeEvent):
            self._node(event)

    def _node(self, event: Any) -> None:
        line = _line(event)
        self._values += 1
        if self._values > MOST_VALUES:
            message = f"has more than {MOST_VALUES} values"
            raise _StopReadingError(Problem(code="too_many_values", line=line, message=message))
        kind = cast("type[object]", type(event))
        if issubclass(kind, AliasEvent):
            self._fault("yaml_alias", line, f"*{event.anchor} is an alias; write the value out")
            self._scalar(f"*{event.anchor}", line, is_null=True)
        elif event.tag is not None:
            self._fault("yaml_tag", line, f"{event.tag} is a tag; write the plain value")
        if issubclass(kind, ScalarEvent):
            is_plain = bool(event.implicit[0])
            self._scalar(event.value, line, is_null=is_plain and event.value in _NULLS)
        elif issubclass(kind, CollectionStartEvent):
            if len(self._stack) >= MOST_DEPTH:
                message = f"is nested deeper than {MOST_DEPTH} levels"
                raise _StopReadingError(Problem(code="too_deep", line=line, message=message))
            if self._awaits_key():
                self._fault("bad_key", line, "a key is a mapping or list; write a plain word")
                raise _StopReadingError(self.faults.pop())
            content: dict[str, Tree] | list[Tree] = {} if issubclass(kind, MappingStartEvent) else []
            self._stack.append(_Open(content, self._put(content, line)))

    def _scalar(self, value: str, line: int, *, is_null: bool) -> None:
        if not self._awaits_key():
            self._put(None if is_null else value, line)
            return
        top = self._stack[-1]
        top.key, top.is_double = value, value in top.content
        path = _below(top.path, value)
        if top.is_double:
            message = f"{quoted(value)} is given twice, first in line {self.lines[path]}; leave one out"
            self.doubles.append(
                Problem(code="duplicate_key", line=line, field=path, value=value, message=message)
            )
        else:
            self.lines[path] = line

    def _awaits_key(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].content, dict) and self._stack[-1].key is None

    def _put(self, value: Tree, line: int) -> str:
        """Put a value where it belongs; its path."""
        if not self._stack:
            self.root = value
            return ""
        top = self._stack[-1]
        if isinstance(top.content, list):
            path = _below(top.path, str(len(top.content)))
            top.content.append(value)
            self.lines[path] = line
            return path
        key = top.key or ""
        path = _below(top.path, key)
        top.key = None
        if top.is_double:
            # Kept apart, so that what is in it does not overwrite the lines of the first.
            return f"{path} (again)"
        top.content[key] = value
        return path

    def _fault(self, code: str, line: int, message: str) -> None:
        self.faults.append(Problem(code=code, line=line, message=message))


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def sorted_by_line(problems: Iterator[Problem] | tuple[Problem, ...] | list[Problem]) -> tuple[Problem, ...]:
    """Problems as a person reads a file: from the top; those without a line first."""
    return tuple(sorted(problems, key=lambda problem: problem.line or 0))
