"""The codes of errors and of problems, read from the program: they are what scripts decide by.

An error's code is that of its class. A problem's code is a constant: in a call of a function or class with a
parameter ``code``, or where ``code`` is assigned. That none is overlooked is seen in the tests of commands,
which hold each answer against a schema with these codes.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from demo_pipeline.domain.core import errors
from demo_pipeline.domain.core.errors import DemoError, UnconfirmedError
from demo_pipeline.domain.feasibility import RULES
from demo_pipeline.domain.parsing.scalars import one_of, word_of

PACKAGE: Final = Path(errors.__file__).resolve().parents[2]
#: errors that no class of ours stands for: of the command line's parser, and faults of the program
OTHER_ERRORS: Final = {
    "usage": (2, "The command line cannot be parsed: an unknown command or option, a wrong value."),
    "internal": (1, "A fault of the program; the details name the log."),
}
#: types of Pydantic's own errors that the readers of blueprints and plans pass on
_OF_PYDANTIC: Final = frozenset({"missing"})


def error_codes() -> dict[str, tuple[int, str]]:
    """Each code with its exit code and its meaning, in the order of exit codes."""
    kinds = [kind for kind in _subclasses(DemoError) if "code" in vars(kind)]
    found = {kind.code: (kind.exit_code, _first_sentence(kind.__doc__ or "")) for kind in kinds}
    return dict(sorted((found | OTHER_ERRORS).items(), key=lambda item: (item[1][0], item[0])))


def problem_codes() -> list[str]:
    """Every code that a problem in ``details.errors`` can have."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))]
    positions = _positions(trees)
    # Their codes are those of errors.
    others = {kind.__name__ for kind in _subclasses(DemoError)} | {"_write_error", "_plain"}
    # A problem of a plan that is not confirmed has the code of its error.
    found = {*RULES, UnconfirmedError.code, *_OF_PYDANTIC}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node) not in others:
                for argument in _arguments(node, positions):
                    found |= _constants(argument, tree)
                is_choice = _name(node) in {one_of.__name__, word_of.__name__}
                if is_choice and isinstance(node.args[0], ast.Constant):
                    found.add(f"unknown_{node.args[0].value}")
            elif isinstance(node, ast.Assign):
                found |= _assigned(node, tree)
    return sorted(found)


def _subclasses(kind: type[DemoError]) -> Iterator[type[DemoError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _subclasses(below)


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n", 1)[0].split())


def _positions(trees: Iterable[ast.Module]) -> dict[str, set[int]]:
    """Name of a function or class with a parameter ``code`` → where it stands among the arguments."""
    found: dict[str, set[int]] = defaultdict(set)
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                names = [argument.arg for argument in node.args.args]
                if "code" in names:
                    found[node.name].add(names.index("code") - (names[0] in {"self", "cls"}))
    return found


def _name(call: ast.Call) -> str:
    called = call.func
    if isinstance(called, ast.Attribute):
        return called.attr
    return called.id if isinstance(called, ast.Name) else ""


def _arguments(call: ast.Call, positions: dict[str, set[int]]) -> Iterator[ast.expr]:
    """What a call gives for ``code``."""
    yield from (keyword.value for keyword in call.keywords if keyword.arg == "code")
    # The reader of workbooks hands a fault on as its code and its message.
    yield from (
        keyword.value.elts[0]
        for keyword in call.keywords
        if keyword.arg == "fault" and isinstance(keyword.value, ast.Tuple)
    )
    yield from (call.args[place] for place in positions.get(_name(call), ()) if place < len(call.args))


def _assigned(node: ast.Assign, tree: ast.Module) -> set[str]:
    """What ``code = ...`` or ``code, message = ...`` assigns to ``code``; of a class it is an error's."""
    (target, *_), value = node.targets, node.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        target, value = target.elts[0], value.elts[0]
    is_code = isinstance(target, ast.Name) and target.id == "code"
    return _constants(value, tree) - set(error_codes()) if is_code else set()


def _constants(value: ast.expr, tree: ast.Module) -> set[str]:
    """The texts that an expression can be: a constant, one of two, or a constant of the module."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return {value.value}
    if isinstance(value, ast.IfExp):
        return _constants(value.body, tree) | _constants(value.orelse, tree)
    if isinstance(value, ast.Name):
        declared = [node for node in tree.body if isinstance(node, ast.AnnAssign) and node.value]
        return {
            text
            for node in declared
            if ast.unparse(node.target) == value.id and isinstance(node.value, ast.Constant)
            for text in [str(node.value.value)]
        }
    return set()
