"""``init``: a folder to work in, with a starter blueprint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from demo_pipeline.cli.kit.console import program_from, say, shell_path, write_document, write_text
from demo_pipeline.cli.kit.parameters import MAIN_PANEL, Commands, Json, argument, example
from demo_pipeline.cli.kit.session import open_settings

app = Commands(position=1, panel=MAIN_PANEL)


def _folder(text: str) -> str:
    if not text or not text.isprintable():
        raise typer.BadParameter(f"{text!a} is no name of a folder; use characters that can be printed")
    return text


@app.command(epilog=example("init crm-demos"))
def init(
    directory: Annotated[
        str, argument("DIR", "The folder; made if it is missing. Without DIR the current one.", _folder)
    ] = ".",
    *,
    json: Json = False,
) -> None:
    """Make a folder to work in, with a starter blueprint that explains every key.

    Also writes the JSON Schema for editors, a plan, a README and a .gitignore, and makes the folder a project
    of Dagster for `dg` and `dagster dev`. Needs no database. Files that are there already are left alone and
    named; if the starter blueprint is there, nothing is written and the exit code is 2. Where DEMO_BLUEPRINTS
    is not set, commands that are typed in the folder take its blueprints.
    """
    settings = open_settings()
    from demo_pipeline.domain.documents.starter import STARTER_SLUG
    from demo_pipeline.services.files.starter_folder import NEXT_COMMANDS, make_starter_folder

    made = make_starter_folder(Path(directory), settings.client_instant())
    program = program_from(made.folder)
    if json:
        write_document(
            {
                "folder": str(made.folder.absolute()),
                "tenant": STARTER_SLUG,
                "written": list(made.written),
                "kept": list(made.kept),
                "next": [f"{program} {command}" for command, _ in NEXT_COMMANDS],
            }
        )
        return
    for name in made.written:
        write_text(f"wrote {made.folder / name}")
    for name in made.kept:
        write_text(f"left as it was: {made.folder / name}")
    say("")
    say("next:")
    # Not by path: the current folder may have been removed.
    if not made.folder.samefile(Path()):
        say(f"  cd {shell_path(made.folder)}")
    width = max(len(command) for command, _ in NEXT_COMMANDS)
    for command, what in NEXT_COMMANDS:
        say(f"  {program} {command:<{width}}  # {what}")
