"""``ready``: whether a tenant, or every tenant, can be shown now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from demo_pipeline.cli.commands.inspection import no_tenants
from demo_pipeline.cli.kit.console import command_line, note, say, write_document, write_table, write_text
from demo_pipeline.cli.kit.parameters import MAIN_PANEL, Commands, Json, argument, example, flag, slug_text
from demo_pipeline.cli.kit.session import notice_if_slow, open_session, requester
from demo_pipeline.rendering.ready_columns import (
    board_columns,
    board_document,
    summary,
    tenant_document,
    without_checkpoint,
)
from demo_pipeline.rendering.table import Table

if TYPE_CHECKING:
    from demo_pipeline.services.readiness.board import TenantReadiness

#: exit code where a tenant is not ready
NOT_READY: Final = 4
_PROGRAM: Final = "demo-pipeline "

app = Commands(position=3, panel=MAIN_PANEL)


@app.command(epilog=example("ready larkmoor", "ready --all", "ready --all --examine --json"))
def ready(
    slug: Annotated[str | None, argument("SLUG", "The tenant, as tenant list shows it.", slug_text)] = None,
    *,
    every: Annotated[bool, flag("--all", "Show the board of all tenants instead.")] = False,
    examine: Annotated[
        bool, flag("--examine", "With --all: read every row of every tenant again first.")
    ] = False,
    json: Json = False,
) -> None:
    """Say whether a tenant can be shown now, and if not, why and which command cures it.

    No job at work, nothing changed by people since the last checkpoint, fresh, checks passed, scan and
    certificate clean, hero accounts there, no alert open, all months released. For one tenant all of it is
    examined now. The board of --all is quick: it shows the latest examination of each tenant as long as the
    rows are as they were then. Exit code 4 if a tenant is not ready.
    """
    if (slug is None) != every:
        raise typer.BadParameter("give a tenant, or --all for the board of all tenants")
    if examine and not every:
        raise typer.BadParameter("--examine belongs to --all; a single tenant is always examined")
    session = open_session()
    from demo_pipeline.services.readiness.board import read_board
    from demo_pipeline.services.readiness.examination import examine_each
    from demo_pipeline.services.readiness.reasons import Requirement

    columns = board_columns(list(Requirement))
    tenants: list[TenantReadiness] = []
    if slug is not None or examine:
        slugs = None if slug is None else [slug]
        with notice_if_slow("reading every row; ten thousand take about half a second ..."):
            tenants = [*examine_each(session.database, session.settings, slugs, requested_by=requester())]
    if slug is not None:
        [one] = tenants
        document = tenant_document(columns, one)
    else:
        board = read_board(session.database, session.settings)
        tenants, document = [*board.tenants], board_document(columns, board)
    if json:
        write_document(document)
    elif tenants:
        colour = {True: "green", False: "red"}
        write_table(Table(columns, tenants, colour=lambda one: colour[one.is_ready]))
        for one in tenants:
            _write_reasons(one)
        if text := without_checkpoint(tenants):
            note(text)
        write_text(f"\n{summary(tenants)}")
    else:
        say(no_tenants(session.settings))
    if not all(one.is_ready for one in tenants):
        raise typer.Exit(NOT_READY)


def _write_reasons(one: TenantReadiness) -> None:
    """A paragraph for each reason, a line for each note."""
    for reason in one.reasons:
        write_text(f"\n{one.tenant}: {reason.requirement.value}: {reason.what}")
        if reason.command is None:
            write_text(f"  {reason.remedy}")
        else:
            write_text(f"  {reason.remedy}:\n  {command_line(reason.command.removeprefix(_PROGRAM))}")
    for text in one.notes:
        write_text(f"{one.tenant}: note: {text}")
