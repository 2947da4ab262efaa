"""What the documents say is there: commands, options, targets, links, terms, decisions."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from textwrap import dedent
from typing import Final

import pytest

from scripts.build_cli_reference import PROGRAM, TARGET, Command, leaves, load_root, render
from tests.paths import PROJECT

DOCUMENTS: Final = [*sorted(PROJECT.glob("*.md")), *sorted((PROJECT / "docs").rglob("*.md"))]
#: Programs of others that a document may tell a person to type.
FOREIGN: Final = frozenset(
    {
        *(
            "apt-get",
            "bash",
            "cd",
            "cp",
            "curl",
            "dg",
            "docker",
            "export",
            "git",
            "mkdir",
            "pre-commit",
            "psql",
        ),
        *("dagster", "helm", "kubectl", "podman", "python", "source", "sudo", "uv", "uvx"),
    }
)
CONSOLE: Final = re.compile(r"```(?:console|bash|sh|shell)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
ASSIGNMENT: Final = re.compile(r"^[A-Z][A-Z0-9_]*=")


def name_of(path: Path) -> str:
    """The path as the tests' ids show it."""
    return str(path.relative_to(PROJECT))


def targets() -> set[str]:
    """The targets of the Makefile that a person may call."""
    text = (PROJECT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):.*##", text, re.MULTILINE))


def commands() -> dict[tuple[str, ...], Command]:
    """Every command by the words that call it."""
    return dict(leaves(load_root()))


def typed_lines(text: str) -> list[list[str]]:
    """The words of every command line in the fenced blocks of a document, environment left out."""
    lines: list[list[str]] = []
    for block in CONSOLE.findall(text):
        joined = dedent(str(block)).replace("\\\n", " ")
        prompted = [line[2:] for line in joined.splitlines() if line.startswith("$ ")]
        for line in prompted or joined.splitlines():
            words = shlex.split(line, comments=True)
            while words and ASSIGNMENT.match(words[0]):
                words = words[1:]
            if words:
                lines.append(words)
    return lines


def mistake(words: list[str], known: dict[tuple[str, ...], Command], known_targets: set[str]) -> str | None:
    """What is wrong with one command line, None if nothing is."""
    program, *rest = words
    if program == "make":
        goals = [word for word in rest if "=" not in word and not word.startswith("-")]
        unknown = [goal for goal in goals if goal not in known_targets]
        return f"no such target: {unknown}" if unknown else None
    if (name := Path(program).name) != PROGRAM:
        return None if name in FOREIGN else f"neither ours nor one of {sorted(FOREIGN)}: {program}"
    path = next((tuple(rest[:n]) for n in range(len(rest), 0, -1) if tuple(rest[:n]) in known), None)
    if path is None:
        return None if rest in ([], ["--help"], ["--version"]) else f"no such command: {' '.join(words)}"
    options = {name for item in known[path].params for name in (*item.opts, *item.secondary_opts)} | {
        "--help"
    }
    used = {word.split("=")[0] for word in rest[len(path) :] if word.startswith("-") and len(word) > 1}
    return f"{' '.join(path)} has no {sorted(used - options)}" if used - options else None


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_command_line_can_be_typed(document: Path) -> None:
    """A command line in a document names a target, or a command with the options that it has."""
    known, known_targets = commands(), targets()
    mistakes = [
        found
        for words in typed_lines(document.read_text(encoding="utf-8"))
        if (found := mistake(words, known, known_targets))
    ]
    assert not mistakes


@pytest.mark.parametrize(
    "line",
    ["make nonsense", f"{PROGRAM} nonsense", f"{PROGRAM} verify --nonsense", "nonsense"],
)
def test_a_command_line_that_does_not_exist_is_found(line: str) -> None:
    """The test above can fail: each kind of mistake is seen."""
    (words,) = typed_lines(f"```console\n$ {line}\n```\n")
    assert mistake(words, commands(), targets())


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    """A link or picture that is not on the web is a file of this repository."""
    lost = [
        link
        for link in LINK.findall(document.read_text(encoding="utf-8"))
        if "://" not in link
        and not link.startswith(("#", "mailto:"))
        and not (document.parent / link.split("#")[0]).exists()
    ]
    assert not lost


def test_the_glossary_lists_terms_in_order() -> None:
    """The glossary explains the words of the house, each once, in alphabetical order."""
    text = (PROJECT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    terms = [row[0] for row in rows]
    assert terms == sorted(set(terms), key=str.lower)
    assert all(len(row) == 2 and row[1] for row in rows)
    house = {"blueprint", "plan", "target", "snapshot", "delta", "apportion", "job", "provenance"}
    assert house | {"verify", "reconcile", "undo"} <= set(terms)


def test_the_list_of_decisions_is_complete() -> None:
    """Every decision is in the list, numbered without a gap."""
    folder = PROJECT / "docs" / "adr"
    files = sorted(path.name for path in folder.glob("[0-9]*.md"))
    linked = re.findall(r"\]\((\d{4}-[^)]+)\)", (folder / "README.md").read_text(encoding="utf-8"))
    assert linked == files
    assert [int(name[:4]) for name in files] == list(range(1, len(files) + 1))


def test_the_command_reference_is_what_the_commands_say() -> None:
    """The reference is the one that ``make docs`` would write now."""
    assert TARGET.read_text(encoding="utf-8") == render(load_root()), "run: make docs"


def test_every_command_has_help_and_an_example() -> None:
    """Whoever asks a command for help reads what it does and a line to copy."""
    silent = [" ".join(path) for path, command in commands().items() if not (command.help or "").strip()]
    without_example = [
        " ".join(path)
        for path, command in commands().items()
        if f"{PROGRAM} {' '.join(path)}" not in f"{command.help}\n{command.epilog}"
    ]
    assert not silent
    assert not without_example


#: A path of the package as documents write it: ``domain/model.py``, ``demo_pipeline/storage/rows/``.
PACKAGE_PATH: Final = re.compile(r"`(?:demo_pipeline/)?((?:cli|defs|services|storage|domain)/[\w/.<>-]*)`")


@pytest.mark.parametrize("document", [one for one in DOCUMENTS if one.parent.name != "adr"], ids=name_of)
def test_every_path_of_the_package_exists(document: Path) -> None:
    """A file or folder of the package that a document names is there; ``<name>`` is left to the reader.

    Decisions are not edited: they name the files of their day.
    """
    named = PACKAGE_PATH.findall(document.read_text(encoding="utf-8"))
    missing = [path for path in named if not (PROJECT / "demo_pipeline" / re.split(r"/?<", path)[0]).exists()]
    assert not missing
