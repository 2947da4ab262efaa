"""``checkpoint``, ``checkpoints`` and ``rewind``: remember all that a tenant is, and go back to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from demo_pipeline.cli.commands.patch import write_change
from demo_pipeline.cli.kit.console import command_line, say, write_document, write_table, write_text
from demo_pipeline.cli.kit.job_progress import run_watched
from demo_pipeline.cli.kit.job_views import change_document
from demo_pipeline.cli.kit.parameters import TENANT_PANEL, Commands, Json, Slug, argument, example, flag
from demo_pipeline.cli.kit.session import caller, notice_if_slow, open_session
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.checkpoint_tables import (
    CHECKPOINT_COLUMNS,
    changes_table,
    figures_table,
    jobs_line,
)
from demo_pipeline.rendering.table import Table, records

if TYPE_CHECKING:
    from demo_pipeline.services.checkpoints.rewind import RewindPreview
    from demo_pipeline.storage.ledger.checkpoints import RowChanges

Name = Annotated[str, argument("NAME", "The checkpoint, as checkpoints shows it.")]

app = Commands(position=8, panel=TENANT_PANEL)


@app.command(
    epilog=example(
        "checkpoint larkmoor before-demo",
        "checkpoint larkmoor before-demo --replace",
        "checkpoint larkmoor before-demo --delete",
    )
)
def checkpoint(
    slug: Slug,
    name: Annotated[str, argument("NAME", "Up to 40 small letters, digits and . _ -, like before-demo.")],
    *,
    replace: Annotated[bool, flag("--replace", "Take it anew where there is one of that name.")] = False,
    delete: Annotated[bool, flag("--delete", "Delete it instead of taking it.")] = False,
    json: Json = False,
) -> None:
    """Remember all that a tenant is now, under a name, so that **rewind** can go back to it.

    Users, stages and tags too. A tenant has at most five checkpoints with a name; each is kept for 30 days,
    and goes with its tenant.
    """
    if replace and delete:
        raise typer.BadParameter("--replace and --delete exclude each other; give one of the two")
    session = open_session()
    from demo_pipeline.services.checkpoints import checkpoint as service

    if delete:
        report = run_watched(
            session,
            slug,
            lambda: service.delete_checkpoint(
                session.database, session.settings, slug, name, caller=caller()
            ),
        )
        if json:
            write_document({"tenant": slug, "name": name, "deleted": True, "job_id": report.job_id})
        else:
            write_text(f"{slug}: checkpoint {name} is deleted")
        return
    report = run_watched(
        session,
        slug,
        lambda: service.take_checkpoint(
            session.database, session.settings, slug, name, replaces=replace, caller=caller()
        ),
    )
    [taken] = [
        one
        for one in service.list_checkpoints(session.database, session.settings, slug)
        if one.id == report.job_id
    ]
    if json:
        [document] = records(CHECKPOINT_COLUMNS, [taken])
        write_document({"tenant": slug, **document, "seconds": round(report.seconds, 3)})
        return
    write_text(
        f"{slug}: checkpoint {name} has {counted(taken.row_count, 'row')}, taken in {report.seconds:.1f} s, "
        f"kept until {taken.expires_at:%Y-%m-%d}"
    )
    say(f"{command_line(f'rewind {slug} {name}')} shows what has changed since")


@app.command(epilog=example("checkpoints larkmoor"))
def checkpoints(slug: Slug, *, json: Json = False) -> None:
    """List the checkpoints of a tenant, the latest first."""
    session = open_session()
    from demo_pipeline.services.checkpoints.checkpoint import list_checkpoints

    found = list_checkpoints(session.database, session.settings, slug)
    if json:
        write_document({"tenant": slug, "checkpoints": records(CHECKPOINT_COLUMNS, found)})
    elif found:
        write_table(Table(CHECKPOINT_COLUMNS, found, title=slug))
    else:
        say(f"{slug} has no checkpoint; {command_line(f'checkpoint {slug} NAME')} takes one")


@app.command(epilog=example("rewind larkmoor before-demo", "rewind larkmoor before-demo --yes"))
def rewind(
    slug: Slug,
    name: Name,
    *,
    yes: Annotated[
        bool, flag("--yes", "Do it; without it the changes are shown and nothing is done.")
    ] = False,
    json: Json = False,
) -> None:
    """Show what has changed since a checkpoint, and with --yes make everything as it was then.

    What people edited or deleted is as it was; what they and jobs made since is hidden. Rows that months
    brought since are deleted, and **generate** makes the same ones again. Jobs since then count as undone.
    One job, all or nothing, which **job undo** takes back to the last byte for 30 days.
    """
    session = open_session()
    from demo_pipeline.services.checkpoints import rewind as service

    if not yes:
        with notice_if_slow("comparing the tenant with its checkpoint ..."):
            preview = service.preview_rewind(session.database, session.settings, slug, name)
        if json:
            write_document(_preview_document(preview))
        else:
            _write_preview(preview)
        return
    report = run_watched(
        session,
        slug,
        lambda: service.rewind_tenant(session.database, session.settings, slug, name, caller=caller()),
    )
    changes = service.changes_of(session.database, report.job_id)
    if json:
        write_document(
            {"tenant": slug, "checkpoint": name, "done": True, **change_document(report), **_changes(changes)}
        )
        return
    write_change(report)
    if changes.total:
        write_table(changes_table("rows", changes))
    say(f"{command_line(f'job undo {report.job_id}')} takes it back")


def _write_preview(preview: RewindPreview) -> None:
    slug, name = preview.tenant, preview.checkpoint.name
    line = jobs_line(preview)
    if not preview.rows.total and not line:
        write_text(f"{slug}: nothing has changed since checkpoint {name}")
        return
    if preview.rows.total:
        write_table(changes_table(f"{slug}: since checkpoint {name}", preview.rows))
    if preview.then:
        write_table(figures_table(preview))
    if line:
        write_text(line)
    say("nothing was done yet: the same command with --yes does it")


def _changes(changes: RowChanges) -> dict[str, Any]:
    return {"rows": changes.to_json(), "made_by_jobs": changes.made_by_jobs}


def _preview_document(preview: RewindPreview) -> dict[str, Any]:
    return {
        "tenant": preview.tenant,
        "checkpoint": preview.checkpoint.name,
        "done": False,
        **_changes(preview.rows),
        "jobs": [{"job_id": job_id, "kind": kind} for job_id, kind in preview.jobs],
        "months": [
            {
                "month": month,
                "now": preview.now.at(month).to_json(preview.currency),
                "then": then.to_json(preview.currency),
            }
            for month, then in preview.then.items()
        ],
    }
