"""Every command with wrong input of every kind: how what it says is laid out, for people and for programs.

The cases are made from the declared parameters, so a new command or option is in them by itself. One whose
kind of value is not known here fails ``test_every_kind_of_value_is_known``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from scripts.build_cli_reference import Command, Parameter, leaves, load_root
from tests.fixtures.cli import RunCommand
from tests.fixtures.ledger_steps import real_tenant

COMMANDS: Final = dict(leaves(load_root()))
#: kind of value → a good one; files are in the test's folder
GOOD: Final = {
    "SLUG": "kranz",
    "ID": "0f1c2f3e-5d1c-5b7a-9a51-3a6f5a2b7c11",
    "PLAN": "plan.csv",
    "SHAPE": "copy-last-month",
    "FILE": "kranz.yaml",
    "BLUEPRINT": "kranz.yaml",
    "MONTH": "2025-02",
    "REV": "base",
    "DATABASE": "elsewhere",
    "DIR": "exported",
    # of a checkpoint
    "NAME": "before-demo",
}
#: kind of value → bad ones; of files: not there, a folder, no text
BAD: Final = {
    "ID": ("seven", "12"),
    "PLAN": ("missing.csv", "folder", "binary.csv", "secret.yaml"),
    "SHAPE": ("grwo",),
    "FILE": ("missing.yaml", "folder", "binary.yaml", "secret.yaml"),
    "BLUEPRINT": ("missing.yaml", "folder", "binary.yaml"),
    "MONTH": ("2025-13", "January", "2025-1"),
    "N": ("many", "-1", "1.5"),
    "P": ("much", "1_0", "1.000"),
    "TYPE": ("delta",),
    "STATUS": ("done",),
    "KIND": ("path",),
    "TIME": ("2025", "01/02/2025"),
    "CODE": ("Germany",),
    "INDUSTRY": ("mining",),
    "REV": ("nowhere",),
    # A sheet of what is no workbook, and no name of a checkpoint.
    "NAME": ("Figures",),
    "PORT": ("web", "0", "70000"),
    "FORMAT": ("excel",),
}
#: values of any form, or whose use is tested elsewhere
FREE: Final = {"SLUG", "S", "DATABASE", "DIR", "TEXT", "QUEUE"}
#: what a report is written to
PAGE: Final = "kranz.html"
#: commands that do something for good with a good line; only their usage is tried
ONLY_USAGE: Final = {
    ("serve",),
    *(("db", word) for word in ("stop", "url", "restore", "downgrade", "backup")),
}
#: a word of what may be done: a command, an option, or what to write
REMEDY: Final = re.compile(
    r"demo-pipeline \w|--\w|\b(?:write|give|name|rename|set|did you mean|export|save|choose|must be|raise|"
    r"is not one of|leave it out|there is no such file|not in the range|is not a valid|unset|begin)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Case:
    """One wrong command line."""

    words: tuple[str, ...]
    #: must be in the message
    says: str


def kind_of(parameter: Parameter) -> str:
    """The kind of value that a parameter takes; empty for a flag."""
    return (parameter.metavar or "").strip("[]{}.")


def good_line(path: tuple[str, ...], command: Command) -> list[str]:
    """A command line with everything that is required, and a tenant where one may be given."""
    words = list(path)
    for parameter in command.params:
        if parameter.param_type_name == "argument" and (parameter.required or kind_of(parameter) == "SLUG"):
            words.append(GOOD[kind_of(parameter)])
        elif parameter.required:
            words += [parameter.opts[0], PAGE if path == ("report",) else GOOD[kind_of(parameter)]]
    return words


def replaced(path: tuple[str, ...], command: Command, parameter: Parameter, value: str) -> tuple[str, ...]:
    """The good line with another value of one parameter."""
    words = good_line(path, command)
    if parameter.param_type_name != "argument":
        if parameter.required:
            words[words.index(parameter.opts[0]) + 1] = value
            return tuple(words)
        return (*words, parameter.opts[0], value)
    place = words.index(GOOD[kind_of(parameter)]) if parameter.required else len(words)
    return (*words[:place], value, *words[place + 1 :])


def cases(path: tuple[str, ...], command: Command) -> Iterator[Case]:
    """Wrong command lines of a command."""
    if any(parameter.required for parameter in command.params):
        yield Case(path, "missing")
    yield Case((*good_line(path, command), "--nonsense"), "--nonsense")
    if path in ONLY_USAGE:
        for parameter in command.params:
            if kind_of(parameter) == "PORT":
                yield from (Case((*path, parameter.opts[0], value), value) for value in BAD["PORT"])
        return
    if not any(parameter.nargs == -1 for parameter in command.params):
        yield Case((*good_line(path, command), "surplus", "surplus", "surplus"), "surplus")
    for parameter in command.params:
        kind = kind_of(parameter)
        if kind == "SLUG" and parameter.param_type_name == "argument":
            yield Case(
                tuple("kranc" if word == "kranz" else word for word in good_line(path, command)), "kranc"
            )
        if parameter.name == "output":
            continue
        for value in BAD.get(kind, ()):
            yield Case(replaced(path, command, parameter, value), value)


ALL: Final = [case for path, command in COMMANDS.items() for case in cases(path, command)]


@pytest.fixture
def folder(tmp_path: Path, blueprint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a good plan, and files that are none."""
    assert blueprint.parent == tmp_path
    (tmp_path / "plan.csv").write_text("month,contacts_created\n2025-02,5\n", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    for name in ("binary.csv", "binary.yaml"):
        (tmp_path / name).write_bytes(b"\x00\xff\xfe\x00" * 40)
    (tmp_path / "secret.yaml").write_text("- a list\n- and no plan\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_kind_of_value_is_known() -> None:
    """No command has a kind of value that this walk leaves out without saying so."""
    kinds = {kind_of(parameter) for command in COMMANDS.values() for parameter in command.params}
    assert kinds - {""} <= {*BAD, *FREE}


@pytest.mark.usefixtures("folder", "kranz")
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_wrong_input_is_answered_in_one_layout(quick_command: RunCommand, path: tuple[str, ...]) -> None:
    """Exit 2, nothing on stdout, what is wrong and a remedy; no word of a library, no brace, no traceback."""
    for case in (case for case in ALL if case.words[: len(path)] == path):
        done = quick_command(*case.words)
        assert done.code == 2, (case.words, done.err)
        assert not done.out, case.words
        said = " ".join(done.err.split())
        assert case.says in said, (case.words, done.err)
        _check(said.partition(" warning: ")[0], case)
        json = quick_command(*case.words, "--json")
        assert (json.code, json.err.count("rror:")) == (2, 0), case.words
        assert json.error["code"] not in {"internal", "database"}, json.error
        _check(" ".join(json.error["message"].split()), case, is_json=True)


def _check(said: str, case: Case, *, is_json: bool = False) -> None:
    """What holds for the text of every message."""
    for word in (
        "Value error",
        "Input should",
        "Traceback",
        "should not have happened",
        "None",
        "ValueError",
    ):
        assert word not in said, (case.words, said)
    assert not set("{}") & set(said), (case.words, said)
    assert not re.search(r"\b[a-z]+_[a-z]+ missing\b|^error: [a-z_]+$", said), (case.words, said)
    # The usage error of a document has its help beside the message.
    assert is_json or REMEDY.search(said), (case.words, said)


@pytest.mark.usefixtures("folder", "kranz")
@pytest.mark.parametrize(
    "path",
    [path for path, command in COMMANDS.items() if any(kind_of(one) == "SLUG" for one in command.params)],
    ids=" ".join,
)
def test_a_mistyped_slug_gets_the_nearest_demo_tenant(
    quick_command: RunCommand, admin_conn: psycopg.Connection[Any], path: tuple[str, ...]
) -> None:
    """In the message and the details; a customer whose slug is nearer is never named."""
    real_tenant(admin_conn, "krancs")
    command = COMMANDS[path]
    options = [one for one in command.params if kind_of(one) == "SLUG" and one.param_type_name != "argument"]
    words = [word if word != "kranz" else "kranc" for word in good_line(path, command)]
    lines = [words] if "kranc" in words else []
    lines += [[*path, option.opts[0], "kranc"] for option in options]
    assert lines
    for line in lines:
        done = quick_command(*line)
        assert done.code == 2
        assert "there is no tenant 'kranc'; did you mean kranz?" in done.err
        assert "krancs" not in done.err
        error = quick_command(*line, "--json").error
        assert error["code"] == "not_found"
        assert error["details"] == {"tenant": "kranc", "suggestion": "kranz"}
    far = quick_command("kpis", "zzzzzz", "--json").error
    assert far["details"] == {"tenant": "zzzzzz"}
    assert "did you mean" not in far["message"]
