"""Checkpoints, and what a rewind changes: for the terminal and Dagster's pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.kpi_columns import METRIC, MONTH, FigureRow, figure_column, figure_rows
from demo_pipeline.rendering.table import Column, Table

if TYPE_CHECKING:
    from demo_pipeline.services.checkpoints.rewind import RewindPreview
    from demo_pipeline.storage.ledger.checkpoints import Checkpoint, RowChanges


CHECKPOINT_COLUMNS: Final[tuple[Column[Checkpoint], ...]] = (
    Column("name", "checkpoint"),
    Column("is_automatic", "kind", text=lambda one: "automatic" if one.is_automatic else "named"),
    Column("taken_at", "at (UTC)", text=lambda one: f"{one.taken_at:%Y-%m-%d %H:%M:%S}"),
    Column("expires_at", "kept until", text=lambda one: f"{one.expires_at:%Y-%m-%d %H:%M}"),
    Column("rows", "rows", lambda one: one.row_count, text=lambda one: f"{one.row_count:,}", is_number=True),
    Column("job_id", None, lambda one: one.id),
    Column("digest", None),
)


def changes_table(title: str, changes: RowChanges) -> Table[str]:
    """A row for each table of which rows change; ``title`` says of what."""
    from demo_pipeline.storage.ledger.checkpoints import RowAction

    def count(heading: str, action: RowAction) -> Column[str]:
        of = changes.of(action)
        return Column("", heading, text=lambda table: f"{of.get(table, 0):,}", is_number=True)

    columns = [
        Column[str]("", "table", text=lambda table: table),
        count("as they were", RowAction.CHANGED),
        count("put back", RowAction.INSERTED),
        count("hidden", RowAction.HIDDEN),
        count("deleted", RowAction.DELETED),
        Column[str](
            "",
            "of these by jobs",
            text=lambda table: f"{changes.made_by_jobs.get(table, 0):,}",
            is_number=True,
        ),
    ]
    return Table(columns, changes.tables, title=title)


def figures_table(preview: RewindPreview) -> Table[FigureRow]:
    """Figures that a rewind would change, month by month."""
    rows = [
        row
        for month, then in preview.then.items()
        for row in figure_rows(month, preview.currency, {"now": preview.now.at(month), "then": then})
        if row.figures["now"] != row.figures["then"]
    ]
    columns: Sequence[Column[FigureRow]] = (MONTH, METRIC, figure_column("now"), figure_column("then"))
    return Table(columns, rows, title="figures")


def jobs_line(preview: RewindPreview) -> str:
    """The jobs that would count as undone, in a sentence; empty: there are none."""
    if not preview.jobs:
        return ""
    named = ", ".join(f"{kind} {job_id}" for job_id, kind in preview.jobs[:5])
    more = " ..." if len(preview.jobs) > len(preview.jobs[:5]) else ""
    return f"{counted(len(preview.jobs), 'job')} since would count as undone: {named}{more}"
