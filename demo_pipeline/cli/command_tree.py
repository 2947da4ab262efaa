"""The tree of commands: which groups there are and in what order ``--help`` shows them.

Importing this must stay cheap, every command pays for it: the modules of the groups import what a command
needs when it runs. What a command does belongs there.
"""

from __future__ import annotations

from typing import Annotated

import typer

from demo_pipeline.cli.commands import (
    db,
    generate,
    init,
    job,
    look,
    patch,
    plan,
    provenance,
    repair,
    run,
    scan,
    serve,
    tenant,
)
from demo_pipeline.cli.kit.parameters import (
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

    from demo_pipeline.cli.kit.console import write_text

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


init.add_to(app, MAIN_PANEL)
run.add_to(app, MAIN_PANEL)
serve.add_to(app, MAIN_PANEL)
generate.add_to(app, TENANT_PANEL)
look.add_to(app, TENANT_PANEL)
scan.add_to(app, TENANT_PANEL)
repair.add_to(app, TENANT_PANEL)
app.add_typer(tenant.app, name="tenant", rich_help_panel=PARTS_PANEL)
app.add_typer(plan.app, name="plan", rich_help_panel=PARTS_PANEL)
app.add_typer(patch.app, name="patch", rich_help_panel=PARTS_PANEL)
app.add_typer(job.app, name="job", rich_help_panel=PARTS_PANEL)
app.add_typer(provenance.app, name="provenance", rich_help_panel=PARTS_PANEL)
app.add_typer(db.app, name="db", rich_help_panel=PARTS_PANEL)
