"""``serve``: the Dagster UI and daemon, until Ctrl-C."""

from __future__ import annotations

import typer

from demo_pipeline.cli.parameters import Json, example


def add_to(app: typer.Typer, panel: str) -> None:
    """Register the command."""
    app.command(rich_help_panel=panel, epilog=example("serve"))(serve)


def serve(*, json: Json = False) -> None:
    """Open the Dagster UI with what is there."""
    raise NotImplementedError(json)
