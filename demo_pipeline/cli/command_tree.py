"""The command tree: the commands of every module in ``commands``, in the order of ``--help``.

A module is found by its ``Commands``; nothing lists the modules. Every command imports all of them, so they
import what a command needs only when it runs.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.main import get_command

from demo_pipeline.cli import commands
from demo_pipeline.cli.kit.parameters import Commands, example, program


def _version(is_requested: bool) -> None:  # noqa: FBT001 - the signature of Typer's callbacks
    if not is_requested:
        return
    from importlib.metadata import version

    from demo_pipeline.cli.kit.console import write_text

    write_text(f"demo-pipeline {version('demo-pipeline')}")
    raise typer.Exit


def _modules() -> Iterator[Commands]:
    """The commands of each module."""
    for found in pkgutil.iter_modules(commands.__path__, f"{commands.__name__}."):
        yield import_module(found.name).app


app = program(
    "demo-pipeline",
    epilog=example("run", "kpis larkmoor --from 2025-01", "plan preview larkmoor plan.csv", "serve"),
)


@app.callback()
def demo_pipeline(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the program's version and leave."
        ),
    ] = False,
) -> None:
    """Exact, reproducible demo tenants beside real customers, in PostgreSQL, made by Dagster.

    Results go to stdout, messages and progress to stderr. With --json a command prints one JSON document.
    Exit codes: 0 done, 1 failed and rolled back, 2 wrong input, 3 refused, 4 verification failed,
    5 busy, 74 done but stdout could not be written, 130 interrupted.
    """


for part in sorted(_modules(), key=lambda each: each.position):
    app.add_typer(part, name=part.group, rich_help_panel=part.panel)


@cache
def root() -> Any:
    """The tree as Click runs it: to make it takes 20 ms, which a process spends once."""
    return get_command(app)
