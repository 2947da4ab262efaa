"""``db``: the schema of the CRM database, and the embedded server."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from demo_pipeline.cli.console import write_document, write_text
from demo_pipeline.cli.parameters import Json, example, group
from demo_pipeline.cli.session import open_settings, told_if_slow

app = group("Look after the database: its schema, and the embedded server.")


@app.command(epilog=example("db upgrade"))
def upgrade(*, json: Json = False) -> None:
    """Bring the database's schema to what this program needs.

    Makes missing roles. The login of DEMO_DATABASE_URL must own the database. Can be repeated.
    """
    settings = open_settings()
    from demo_pipeline.storage import migrate
    from demo_pipeline.storage.database import open_database
    from demo_pipeline.storage.revision import known_revisions

    with told_if_slow("upgrading the schema ..."):
        migrate.upgrade(open_database(settings).admin_url)
    _tell_revision(known_revisions()[-1], json=json)


def _revision(text: str) -> str:
    if not re.fullmatch(r"-\d+|\w+", text):
        raise typer.BadParameter(f"{text!r} is no revision")
    return text


# A revision may be -1, which is no option.
@app.command(context_settings={"ignore_unknown_options": True}, epilog=example("db downgrade base"))
def downgrade(
    revision: Annotated[
        str,
        typer.Argument(
            parser=_revision,
            metavar="REV",
            help="A revision, -1 for the one before, base for no schema.",
        ),
    ],
    *,
    discard: Annotated[bool, typer.Option("--discard", help="Lose the rows that REV cannot hold.")] = False,
    json: Json = False,
) -> None:
    """Take the schema back to a revision.

    Refused while rows would be lost, unless they are to be discarded. Roles are never dropped.
    """
    settings = open_settings()
    from demo_pipeline.storage import migrate
    from demo_pipeline.storage.database import open_database
    from demo_pipeline.storage.revision import current_revision

    database = open_database(settings)
    with told_if_slow("downgrading the schema ..."):
        migrate.downgrade(database.admin_url, revision, discard=discard)
    with database.admin(readonly=True) as conn:
        current = current_revision(conn)
    _tell_revision(current, json=json)


def _tell_revision(revision: str | None, *, json: bool) -> None:
    if json:
        write_document({"revision": revision})
    else:
        write_text(f"the schema is at {revision}" if revision else "the database has no schema")


@app.command(epilog=example("db url"))
def url(*, json: Json = False) -> None:
    """Print the URL of the database and nothing else.

    It holds the password. Starts the embedded server if need be: psql "$(demo-pipeline db url)".
    """
    settings = open_settings()
    from demo_pipeline.storage.database import open_database

    with told_if_slow("starting the embedded PostgreSQL ..."):
        address = open_database(settings).admin_url
    if json:
        write_document({"url": address})
    else:
        write_text(address)


@app.command(epilog=example("db stop"))
def stop(*, json: Json = False) -> None:
    """Stop the embedded PostgreSQL; the next command that needs it starts it again."""
    settings = open_settings()
    from demo_pipeline.storage import embedded

    with told_if_slow("stopping the embedded PostgreSQL ..."):
        was_running = embedded.stop(settings.home)
    document: dict[str, Any] = {"was_running": was_running}
    if json:
        write_document(document)
    else:
        write_text("stopped" if was_running else "it was not running")
