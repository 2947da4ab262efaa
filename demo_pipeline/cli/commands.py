"""The tree of commands: which groups there are and in what order ``--help`` shows them.

Importing this must stay cheap, every command pays for it: the modules of the groups import what a command
needs when it runs. What a command does belongs there.
"""

from __future__ import annotations

from typing import Annotated

import typer

from demo_pipeline.cli import (
    data_commands,
    database_commands,
    init_command,
    job_commands,
    look_commands,
    patch_commands,
    plan_commands,
    provenance_commands,
    repair_commands,
    run_command,
    scan_command,
    serve_command,
    tenant_commands,
)
from demo_pipeline.cli.parameters import (
    CONTEXT,
    MAIN_PANEL,
    PARTS_PANEL,
    TENANT_PANEL,
    Commands,
    example,
)


def _version(is_wanted: bool) -> None:  # noqa: FBT001 - Typer's way to call back
    if not is_wanted:
        return
    from importlib.metadata import version

    from demo_pipeline.cli.console import write_text

    write_text(f"demo-pipeline {version('demo-pipeline')}")
    raise typer.Exit


app = Commands(
    name="demo-pipeline",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings=CONTEXT,
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


init_command.add_to(app, MAIN_PANEL)
run_command.add_to(app, MAIN_PANEL)
serve_command.add_to(app, MAIN_PANEL)
data_commands.add_to(app, TENANT_PANEL)
look_commands.add_to(app, TENANT_PANEL)
scan_command.add_to(app, TENANT_PANEL)
repair_commands.add_to(app, TENANT_PANEL)
app.add_typer(tenant_commands.app, name="tenant", rich_help_panel=PARTS_PANEL)
app.add_typer(plan_commands.app, name="plan", rich_help_panel=PARTS_PANEL)
app.add_typer(patch_commands.app, name="patch", rich_help_panel=PARTS_PANEL)
app.add_typer(job_commands.app, name="job", rich_help_panel=PARTS_PANEL)
app.add_typer(provenance_commands.app, name="provenance", rich_help_panel=PARTS_PANEL)
app.add_typer(database_commands.app, name="db", rich_help_panel=PARTS_PANEL)
