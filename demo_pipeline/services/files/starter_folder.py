"""A folder to work in: the starter blueprint, a plan for it, a project of Dagster. Needs no database.

All files are written or none; a file that is there already is never touched. The texts of blueprint and plan
are the domain's (``starter``).
"""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from demo_pipeline.domain.blueprint.schema import schema_text
from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.documents.starter import STARTER_SLUG, starter_blueprint, starter_plan
from demo_pipeline.settings import BUNDLED_FILES, FOLDER_MARKER

BLUEPRINT: Final = f"blueprints/{STARTER_SLUG}.yaml"
PLAN: Final = "plans/more-deals.csv"
#: Python package of the folder, for Dagster's own commands
MODULE: Final = "demo_tenants"
#: what to type next in the folder, after the program's name, and what it does
NEXT_COMMANDS: Final = (
    (f"tenant preview {BLUEPRINT}", "its months, before anything is made"),
    ("run", "makes the tenant with all its months, verifies it, shows its KPIs"),
    (f"plan preview {STARTER_SLUG} {PLAN}", "what a plan would change; writes nothing"),
    (f"patch apply {STARTER_SLUG} {PLAN}", "applies the plan"),
    (f"verify {STARTER_SLUG}", "every check on what is in the database"),
)

_MARKER: Final = """\
# Made by demo-pipeline init. Commands that are typed in this folder take its blueprints/ where
# DEMO_BLUEPRINTS is not set. Without this file they take the bundled ones.
"""
_LINK_REMEDY: Final = "remove the link, or name another folder"
_IGNORED: Final = """\
# Local state, where DEMO_HOME is .demo in this folder.
.demo/
# Settings with passwords.
.env
"""
_PROJECT: Final = f"""\
# For Dagster's own commands, which find the definitions by this file.
[tool.dagster]
module_name = "{MODULE}.definitions"
code_location_name = "demo_pipeline"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "{MODULE}"
code_location_name = "demo_pipeline"
"""
_DEFINITIONS: Final = '''\
"""Dagster's entry point of this folder: everything in defs/."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
'''
_PIPELINE: Final = '''\
"""The definitions of demo-pipeline. Put files with assets of your own beside this one."""

import dagster as dg

from demo_pipeline import definitions


@dg.definitions
def defs() -> dg.Definitions:
    return definitions.defs()
'''
_README: Final = f"""\
# Demo tenants

Made by `demo-pipeline init`. Type these here (with the path of the program where the shell does not find it):

```console
{{commands}}
```

| file | is |
|---|---|
| `{BLUEPRINT}` | a demo tenant; every key is explained in it. The name of the file is the tenant's slug |
| `blueprints/schema.json` | lets editors complete and check blueprints while you type |
| `{PLAN}` | a patch plan: figures to add to a month |
| `pyproject.toml`, `{MODULE}/` | a project of Dagster; definitions of your own go to `{MODULE}/defs/` |
| `{FOLDER_MARKER}` | makes commands that are typed here take the blueprints of this folder |

For another tenant copy the blueprint under another name and change it. `demo-pipeline run` makes the tenants
of all blueprints here and leaves those alone that are as expected. A tenant keeps the blueprint that it was
made from: to make it anew, delete it first (`demo-pipeline tenant delete SLUG --yes`).

`demo-pipeline serve` opens Dagster's pages with the definitions of demo-pipeline. Dagster's own commands work
in this folder, too, and have yours as well. `DAGSTER_HOME` is the folder that `demo-pipeline run` prepares:
`dagster` in `DEMO_HOME`. Without `DEMO_HOME` that is `.demo/dagster` in this folder or, where demo-pipeline
runs from a clone, in the clone.

```console
export DAGSTER_HOME="$PWD/.demo/dagster"
dg check defs
dagster dev
```
"""


@dataclass(frozen=True, kw_only=True)
class StarterFolder:
    """A folder that was made; the paths are relative to it."""

    folder: Path
    written: tuple[str, ...]
    #: were there before and are as they were
    kept: tuple[str, ...]


def make_starter_folder(folder: Path, now: datetime) -> StarterFolder:
    """Write the files of a starter folder; ``now`` (aware) dates the plan.

    ``folder`` and its parents are made where they are missing. Raises ``InputError`` where the starter
    blueprint is there already or the folder cannot be used; nothing is written then.
    """
    texts = _texts(now)
    with _all_or_nothing() as made:
        if problems := _problems(folder):
            raise InputError("; ".join(problem.message for problem in problems), problems)
        kept = tuple(name for name in texts if os.path.lexists(folder / name))
        missing = {name: text for name, text in texts.items() if name not in kept}
        for name, text in missing.items():
            _make_folder((folder / name).parent, made)
            # Never over a file that came meanwhile.
            with (folder / name).open("x", encoding="utf-8") as file:
                made.append(folder / name)
                file.write(text)
    return StarterFolder(folder=folder, written=tuple(missing), kept=kept)


def _texts(now: datetime) -> Mapping[str, str]:
    width = max(len(command) for command, _ in NEXT_COMMANDS)
    commands = "\n".join(f"demo-pipeline {command:<{width}}  # {what}" for command, what in NEXT_COMMANDS)
    return {
        BLUEPRINT: starter_blueprint(),
        "blueprints/schema.json": schema_text(),
        PLAN: starter_plan(Month.containing(now)),
        "pyproject.toml": _PROJECT,
        f"{MODULE}/definitions.py": _DEFINITIONS,
        f"{MODULE}/defs/pipeline.py": _PIPELINE,
        "README.md": _README.format(commands=commands),
        ".gitignore": _IGNORED,
        FOLDER_MARKER: _MARKER,
    }


def _problems(folder: Path) -> list[Problem]:
    def problem(code: str, path: Path, message: str) -> Problem:
        return Problem(code=code, field="DIR", value=str(path), message=f"{path} {message}")

    if not folder.is_absolute() and not _has_current_folder():
        message = "was removed; cd to a folder that exists, or name DIR by its whole path"
        return [
            Problem(
                code="no_current_folder",
                field="DIR",
                value=str(folder),
                message=f"the current folder {message}",
            )
        ]
    if broken := next((path for path in (folder, *folder.parents) if _is_broken_link(path)), None):
        return [problem("broken_link", broken, f"{_link(broken)}; {_LINK_REMEDY}")]
    if folder.exists() and not folder.is_dir():
        return [problem("not_a_folder", folder, "is a file; name a folder, or one that does not exist yet")]
    if folder.resolve() == BUNDLED_FILES.resolve():
        message = (
            "is the folder of demo-pipeline itself, whose blueprints are the bundled ones; name a folder of "
            "your own: demo-pipeline init crm-demos"
        )
        return [problem("own_folder", folder.absolute(), message)]
    problems: list[Problem] = []
    for below in (folder / name for name in ("blueprints", "plans", MODULE)):
        if below.is_symlink():
            # What is written below it would lie somewhere else.
            message = f"{_link(below)}, and nothing is written outside the folder; {_LINK_REMEDY}"
            problems.append(problem("link", below, message))
        elif os.path.lexists(below) and not below.is_dir():
            message = "is a file, and a folder of that name is needed; move it away"
            problems.append(problem("not_a_folder", below, message))
    if os.path.lexists(folder / BLUEPRINT):
        message = "is there already, and nothing was written; name another folder, or move the file away"
        problems.append(problem("already_there", folder / BLUEPRINT, message))
    return problems


def _has_current_folder() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def _is_broken_link(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _link(path: Path) -> str:
    """What a link is, for a message."""
    return f"is a {'broken ' if _is_broken_link(path) else ''}link to {path.readlink()}"


def _make_folder(folder: Path, made: list[Path]) -> None:
    """Make a folder with its parents; add what was made to ``made``, the parents first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir()
        made.append(path)


@contextmanager
def _all_or_nothing() -> Generator[list[Path]]:
    """The files and folders that were made inside the block; they are removed if it fails."""
    made: list[Path] = []
    try:
        yield made
    except BaseException as error:
        for path in reversed(made):
            # A folder may hold what another program put there.
            with suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        if not isinstance(error, OSError):
            raise
        where = error.filename or (made[-1] if made else "the folder")
        message = (
            f"{where} cannot be written ({error.strerror}), and nothing was left behind; name a "
            "folder in which you may write"
        )
        raise InputError(
            message, [Problem(code="not_writable", field="DIR", value=str(where), message=message)]
        ) from None
