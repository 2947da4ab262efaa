"""Tables and lines of a preview: what a plan would do, for the terminal and Dagster's pages."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.rendering.kpi_columns import (
    METRIC,
    MONTH,
    FigureRow,
    figure_column,
    figure_rows,
    signed_text,
)
from demo_pipeline.rendering.table import Column, Table

if TYPE_CHECKING:
    from demo_pipeline.domain.core.currency import Currency
    from demo_pipeline.services.patches.preview import Preview, RowChange
    from demo_pipeline.storage.rows.reconcile_rows import NamedDeal

#: counted tables, in the order in which rows are made
_TABLES: Final = ("companies", "contacts", "deals", "activities")


def figure_table(seen: Preview) -> Table[FigureRow]:
    """Every figure of the plan's months: now, added by the blueprint first, added by the plan, after."""
    columns: tuple[Column[FigureRow], ...] = (
        MONTH,
        METRIC,
        figure_column("now", "in the database"),
        Column(
            "first",
            "blueprint first",
            text=lambda row: (
                signed_text(row.metric, row.figures["first"], row.currency) if row.figures["first"] else ""
            ),
            is_number=True,
        ),
        figure_column("plan", is_signed=True),
        figure_column("after"),
        Column("change", "change by the plan", text=_percent_text, is_number=True),
    )
    rows = [
        row
        for month, target in seen.targets.items()
        for row in figure_rows(
            month,
            seen.currency,
            {
                "now": seen.now[month],
                "first": seen.blueprint.at(month),
                "before": seen.before[month],
                "plan": seen.deltas[month],
                "after": target,
            },
        )
    ]
    return Table(
        columns,
        rows,
        title=f"{seen.tenant}, values in {seen.currency}",
        colour=lambda row: None if row.figures["plan"] else "dim",
    )


def _percent_text(row: FigureRow) -> str:
    """The plan's change in per cent of the figure before it."""
    before, delta = row.figures["before"], row.figures["plan"]
    if not delta:
        return ""
    if before <= 0:
        return "new"
    tenths = (abs(delta) * 2000 + before) // (before * 2)
    return f"{'+' if delta > 0 else '-'}{tenths // 10:,}.{tenths % 10} %"


def row_table(seen: Preview) -> Table[tuple[str, Mapping[str, int]]]:
    """The rows to be made, by month and table, and their sums."""

    def column(table: str) -> Column[tuple[str, Mapping[str, int]]]:
        return Column(table, table, lambda row: row[1].get(table, 0), is_number=True)

    columns: tuple[Column[tuple[str, Mapping[str, int]]], ...] = (
        Column("month", "month", lambda row: row[0]),
        *map(column, _TABLES),
        Column("all", "all", lambda row: sum(row[1].get(table, 0) for table in _TABLES), is_number=True),
    )
    total = {table: sum(rows.get(table, 0) for rows in seen.rows.values()) for table in _TABLES}
    return Table(
        columns,
        [(str(month), rows) for month, rows in seen.rows.items()],
        title="rows to make",
        total=("total", total),
    )


def change_table(seen: Preview) -> Table[RowChange]:
    """The rows that a plan that reconciles hides and makes, by month and table."""
    columns: tuple[Column[RowChange], ...] = (
        Column("month", "month"),
        Column("table", "table"),
        Column("hidden", "to hide", is_number=True),
        Column("made", "to make", is_number=True),
    )
    assert seen.reconcile is not None  # a plan that reconciles
    return Table(columns, seen.reconcile.changes, title="rows to hide and to make")


def row_tables(seen: Preview) -> list[Table[Any]]:
    """What happens to rows: one table, and a second one for the largest deals that are hidden."""
    if seen.reconcile is None:
        return [row_table(seen)]
    tables: list[Table[Any]] = [change_table(seen)]
    if seen.reconcile.largest_deals:
        columns: tuple[Column[NamedDeal], ...] = (
            Column("title", "deal"),
            Column("account", "account"),
            Column("month", "month", lambda deal: f"{deal.created_at:%Y-%m}"),
            Column("value", "value", text=lambda deal: _value_text(deal, seen.currency), is_number=True),
        )
        title = f"the largest deals to hide, values in {seen.currency}"
        tables.append(Table(columns, seen.reconcile.largest_deals, title=title))
    return tables


def _value_text(deal: NamedDeal, currency: Currency) -> str:
    return "" if deal.value is None else currency.shown(currency.minor(deal.value, ROUND_HALF_UP))


def closing_lines(seen: Preview) -> list[str]:
    """Remarks on the plan, a line each."""
    lines: list[str] = []
    if seen.reconcile is not None:
        lines += [
            "it hides rows, so it needs a confirmation: patch apply --yes, or this line in the plan",
            f"fingerprint: {seen.reconcile.fingerprint}",
        ]
    if seen.rows_before:
        months = ", ".join(f"{month} {one.row_count:,}" for month, one in seen.blueprint.items())
        lines.append(
            f"first, {seen.rows_before:,} missing rows of the blueprint would be made, in a job of their "
            f"own: {months}"
        )
    if seen.already_applied is not None:
        lines.append(
            f"this plan was already applied, by job {seen.already_applied}: applying it again changes "
            "nothing, unless with --again"
        )
    lines.append(f"it would take about {seen.estimated_seconds:.1f} s; nothing was written")
    return lines
