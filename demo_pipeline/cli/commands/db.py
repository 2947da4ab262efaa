"""``db``: the schema of the CRM database, its backup, adoption of a CRM, and the embedded server."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from demo_pipeline.cli.kit.console import (
    command_line,
    say,
    shell_path,
    write_answer,
    write_document,
    write_table,
    write_text,
)
from demo_pipeline.cli.kit.parameters import PARTS_PANEL, Commands, Json, argument, example, flag, option
from demo_pipeline.cli.kit.session import QUIET_SECONDS, notice_if_slow, open_settings
from demo_pipeline.rendering.table import Column, Table, facts, programs, record, records, text_columns

if TYPE_CHECKING:
    from demo_pipeline.settings import Settings
    from demo_pipeline.storage.adoption.adoption import AdoptionPlan
    from demo_pipeline.storage.adoption.shape import TableGap

app = Commands(
    position=16,
    panel=PARTS_PANEL,
    group="db",
    about="Look after the database: its schema, and the embedded server.",
)


@app.command(epilog=example("db upgrade", "db upgrade --plan"))
def upgrade(
    *,
    plan: Annotated[
        bool, flag("--plan", "Print the SQL that would run, for psql, and change nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring the database's schema to what this program needs.

    Makes missing roles. The login of DEMO_DATABASE_URL must own the database. Can be repeated. Asks for
    all tables at once, repeatedly for half a minute while one is in use; then ends with exit code 5 and the
    sessions that use it.
    """
    settings = open_settings()
    if plan:
        _show_plan(settings, json=json)
        return
    from demo_pipeline.storage.connection.database import open_database
    from demo_pipeline.storage.schema import migrate
    from demo_pipeline.storage.schema.revisions import known_revisions

    with notice_if_slow("upgrading the schema ..."):
        migrate.upgrade(open_database(settings).admin_url)
    _show_revision(known_revisions()[-1], json=json)


def _show_plan(settings: Settings, *, json: bool) -> None:
    from demo_pipeline.storage.connection.database import open_database
    from demo_pipeline.storage.schema import migrate

    plan = migrate.plan(open_database(settings).admin_url)
    revisions = [
        {
            "revision": revision.revision,
            "steps": [
                {"sql": text, "in_transaction": step.in_transaction}
                for step in revision.steps
                for text in step.statements
            ],
        }
        for revision in plan.revisions
    ]
    script = plan.script() if plan.revisions else None
    document = {"current": plan.current, "target": plan.target, "revisions": revisions, "script": script}
    write_answer(document, plan.script(), json=json)


def _revision(text: str) -> str:
    if not re.fullmatch(r"-\d+|\w+", text):
        raise typer.BadParameter(f"{text!r} is not a revision")
    return text


# A revision may be -1, which is no option.
@app.command(context_settings={"ignore_unknown_options": True}, epilog=example("db downgrade base"))
def downgrade(
    revision: Annotated[
        str,
        argument("REV", "A revision, -1 for the one before, base for no schema.", _revision),
    ],
    *,
    discard: Annotated[bool, flag("--discard", "Lose the rows that REV cannot hold.")] = False,
    json: Json = False,
) -> None:
    """Take the schema back to a revision.

    Refused while rows would be lost, unless they are to be discarded. Roles are never dropped.
    """
    settings = open_settings()
    from demo_pipeline.storage.connection.database import open_database
    from demo_pipeline.storage.schema import migrate
    from demo_pipeline.storage.schema.revisions import current_revision

    database = open_database(settings)
    with notice_if_slow("downgrading the schema ..."):
        migrate.downgrade(database.admin_url, revision, discard=discard)
    with database.admin(readonly=True) as conn:
        current = current_revision(conn)
    _show_revision(current, json=json)


def _show_revision(revision: str | None, *, json: bool) -> None:
    text = f"the schema is at {revision}" if revision else "the database has no schema"
    write_answer({"revision": revision}, text, json=json)


@app.command(epilog=example("db backup crm.dump"))
def backup(
    file: Annotated[Path, argument("FILE", "A new file; one that exists is not overwritten.")],
    *,
    json: Json = False,
) -> None:
    """Write everything that a migration touches into a file, for pg_restore.

    The schemas crm, demo and crm_app of one moment, customers' rows included; other work goes on meanwhile.
    The file is there only when it is whole and was read again. Prints the command that restores it.
    """
    settings = open_settings()
    from demo_pipeline.storage.backup import back_up
    from demo_pipeline.storage.connection.database import open_database

    with notice_if_slow(f"writing {file} ..."):
        made = back_up(open_database(settings), file)
    restoring = command_line(f"db restore {shell_path(file)} --into crm_restored")
    document = {
        "file": made.path,
        **record(programs("size_bytes revision table_count"), made),
        "pg_dump": made.tool_version,
        "restore": restoring,
    }
    text = f"{made.path}: {made.table_count} tables, {made.size_bytes:,} bytes, schema {made.revision}"
    write_answer(document, text, json=json)
    if not json:
        say(f"to restore it: {restoring}")


@app.command(epilog=example("db restore crm.dump --into crm_restored"))
def restore(
    file: Annotated[Path, argument("FILE", "What db backup wrote.")],
    *,
    into: Annotated[str, option("--into", "DATABASE", "A database of the server; made if need be.")],
    json: Json = False,
) -> None:
    """Restore a backup into another database of the server.

    Never into one that has any of the schemas. Makes missing roles. Point DEMO_DATABASE_URL and
    DEMO_LOADER_URL at the new database to use it.
    """
    settings = open_settings()
    from demo_pipeline.storage.backup import restore as restore_backup
    from demo_pipeline.storage.connection.database import open_database

    with notice_if_slow(f"restoring {file} ..."):
        restored = restore_backup(open_database(settings), file, into)
    text = f"{restored.database} holds the backup, schema {restored.revision}"
    write_answer(record(programs("database revision"), restored), text, json=json)


@app.command(epilog=example("db adopt", "db adopt --yes"))
def adopt(
    *,
    yes: Annotated[bool, flag("--yes", "Do it; without, only say what would be done.")] = False,
    json: Json = False,
) -> None:
    """Put what demo tenants need beside the tables and rows of a CRM that was there before.

    The CRM's tables are in schema crm, with keys (tenant_id, id). No row changes, no table is rewritten, and
    who uses the tables goes on. All that does not fit is said at once, and nothing is changed then. Needs a
    superuser or the owner of the tables. Called again, it goes on where it was stopped.
    """
    settings = open_settings()
    from demo_pipeline.storage.adoption.adoption import adoption
    from demo_pipeline.storage.connection.database import open_database
    from demo_pipeline.storage.schema.revisions import known_revisions

    head = known_revisions()[-1]
    began = time.monotonic()
    with notice_if_slow("reading the tables ..."):
        database = open_database(settings)
        stack = ExitStack()
        plan, run = stack.enter_context(adoption(database))
    with stack:
        if yes:
            run(report=lambda text: say(text) if time.monotonic() - began > QUIET_SECONDS else None)
    done = yes or not plan.tasks
    if json:
        write_document(_adoption_document(plan, revision=head if done else plan.revision))
    elif not plan.tasks:
        write_text(f"already adopted: the schema is at {head}")
    else:
        _write_adoption(plan)
        write_text(f"adopted: the schema is at {head}" if yes else "nothing was changed; to do it, add --yes")


def _adoption_document(plan: AdoptionPlan, *, revision: str | None) -> dict[str, Any]:
    """What ``db adopt --json`` prints. ``revision``: the schema's, now."""
    return {
        "revision": revision,
        "already_adopted": not plan.tasks,
        "tables": records(_GAP_COLUMNS, plan.gaps),
        "roles": plan.roles,
        "steps": [{"step": task.title, "scans": task.scans} for task in plan.tasks],
    }


def _write_adoption(plan: AdoptionPlan) -> None:
    """The tables, the steps, and the roles that keep their privileges."""
    if plan.gaps:
        write_table(Table(_GAP_COLUMNS, plan.gaps))
        write_text("")
    duration = {True: "while others go on, reads a whole table", False: "milliseconds"}
    steps = [(task.title, duration[task.scans]) for task in plan.tasks]
    write_table(Table(text_columns("step", "takes"), steps))
    if plan.roles:
        write_text(f"\nroles that keep what they can do: {', '.join(plan.roles)}")
    triggers = [f"{gap.table}.{name}" for gap in plan.gaps for name in gap.triggers]
    if triggers:
        write_text(f"triggers of the CRM that will fire for demo rows, too: {', '.join(triggers)}")
    for gap in plan.gaps:
        for check in gap.checks:
            write_text(f"check of the CRM that demo rows must fulfil, too: {gap.table}.{check}")
    if plan.gaps:
        write_text("")
        write_table(Table(_COLUMN_USE, plan.gaps))


_GAP_COLUMNS: Final[tuple[Column[TableGap], ...]] = (
    Column("table", "table"),
    Column("estimated_rows", "rows, about", lambda gap: gap.row_count, is_number=True),
    Column("size_bytes", "MB", text=lambda gap: f"{gap.size_bytes / 1e6:,.1f}", is_number=True),
    Column("columns", "new columns", text=lambda gap: str(len(gap.columns)), is_number=True),
    Column(
        "constraints",
        "constraints",
        lambda gap: [*gap.constraints, *gap.unique],
        text=lambda gap: str(len(gap.constraints) + len(gap.unique)),
        is_number=True,
    ),
    Column(
        "indexes",
        "indexes",
        lambda gap: [*gap.indexes],
        text=lambda gap: str(len(gap.indexes)),
        is_number=True,
    ),
    *programs("triggers checks"),
    Column("demo_rows_leave_null", None, lambda gap: gap.column_use.always_null),
    Column("demo_rows_leave_some_null", None, lambda gap: gap.column_use.sometimes_null),
    Column("demo_rows_leave_to_default", None, lambda gap: gap.column_use.by_default),
    Column("must_fill", None, lambda gap: gap.column_use.must_fill),
    Column("must_fill_newly", None, lambda gap: gap.column_use.newly),
)
#: who fills the columns; ``*`` marks what the application could omit before
_COLUMN_USE: Final[tuple[Column[TableGap], ...]] = (
    Column("table", "table"),
    Column(
        "",
        "INSERTs of the application must fill",
        text=lambda gap: ", ".join(
            f"{name}*" if name in gap.column_use.newly else name for name in gap.column_use.must_fill
        ),
    ),
    Column("", "demo rows leave null", text=lambda gap: ", ".join(gap.column_use.always_null)),
    Column("", "demo rows leave to the default", text=lambda gap: ", ".join(gap.column_use.by_default)),
)


@app.command(epilog=example("db url"))
def url(*, json: Json = False) -> None:
    """Print the URL of the database and nothing else.

    It holds the password. Starts the embedded server if need be: psql "$(demo-pipeline db url)". The tables
    are in the schema crm.
    """
    settings = open_settings()
    from demo_pipeline.storage.connection.database import open_database

    with notice_if_slow("starting the embedded PostgreSQL ..."):
        address = open_database(settings).admin_url
    write_answer({"url": address}, address, json=json)


@app.command(epilog=example("db status"))
def status(*, json: Json = False) -> None:
    """Say which folder and database a command here would use, and whether the embedded server runs.

    Starts and makes nothing, and connects to nothing. The URL is without its password.
    """
    settings = open_settings()
    from demo_pipeline.storage.connection.masking import masked
    from demo_pipeline.storage.embedded import server

    seen = server.status(settings.home)
    address = server.address(seen.port) if seen.port else None
    url = address if settings.database_url is None else masked(settings.database_url)
    folder, state = str(settings.home.absolute()), "running" if seen.is_running else "not running"
    if json:
        write_document({"folder": folder, "is_running": seen.is_running, "url": url})
        return
    if not seen.is_running and seen.data_major is None:
        state = "not made yet"
    write_table(facts([("folder", folder), ("embedded server", state), ("database", url or "")]))


@app.command(epilog=example("db stop"))
def stop(*, json: Json = False) -> None:
    """Stop the embedded PostgreSQL; the next command that needs it starts it again."""
    settings = open_settings()
    from demo_pipeline.storage.embedded import server

    with notice_if_slow("stopping the embedded PostgreSQL ..."):
        was_running = server.stop(settings.home)
    server_text = f"the server of {settings.home.absolute()}"
    text = f"stopped {server_text}" if was_running else f"{server_text} was not running"
    write_answer({"was_running": was_running}, text, json=json)
