"""Previews of plans, for people and for programs.

What a plan would do is found out elsewhere; here it is only shown. Money is text in documents (major units).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.cli.kit.console import Column, Table, kpi_table
from demo_pipeline.cli.views.changes import signed
from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.core.figures import METRICS, figure_text

if TYPE_CHECKING:
    from demo_pipeline.services.patches.preview import Preview

#: in the order in which rows are made
TABLES: Final = ("companies", "contacts", "deals", "activities")


def preview_document(preview: Preview) -> dict[str, Any]:
    """What ``plan preview --json`` prints."""
    currency = preview.currency
    return {
        "feasible": preview.feasible,
        "errors": [_problem_document(problem) for problem in preview.problems],
        "warnings": list(preview.warnings),
        "now": preview.now.to_json(currency),
        "blueprint": preview.blueprint.to_json(currency),
        "before": preview.before.to_json(currency),
        "deltas": preview.deltas.to_json(currency),
        "targets": preview.targets.to_json(currency),
        "rows": {str(month): dict(rows) for month, rows in preview.rows.items()},
        "rows_before": preview.rows_before,
        "suggestion": preview.suggestion,
        "estimated_seconds": preview.estimated_seconds,
        "already_applied": str(preview.already_applied) if preview.already_applied else None,
    }


def _problem_document(problem: Problem) -> dict[str, Any]:
    return {
        "month": problem.month,
        "metric": problem.metric,
        "code": problem.code,
        "message": problem.message,
        "suggestion": problem.suggestion,
    }


def figure_table(preview: Preview) -> Table:
    """Every figure of the plan's months: now, what the blueprint adds first, what the plan adds, after."""
    columns = (
        Column("month"),
        Column("metric"),
        Column("in the database", is_number=True),
        Column("blueprint first", is_number=True),
        Column("plan", is_number=True),
        Column("after", is_number=True),
        Column("change by the plan", is_number=True),
    )
    currency = preview.currency
    rows: list[list[str]] = []
    colours: dict[int, str] = {}
    for month, target in preview.targets.items():
        before, delta = preview.before[month], preview.deltas[month]
        now, first = preview.now[month], preview.blueprint.at(month)
        for metric in METRICS:
            if not delta[metric]:
                colours[len(rows)] = "dim"
            rows.append(
                [
                    str(month),
                    metric,
                    figure_text(metric, now[metric], currency),
                    signed(metric, first[metric], currency) if first[metric] else "",
                    signed(metric, delta[metric], currency),
                    figure_text(metric, target[metric], currency),
                    _per_cent(before[metric], delta[metric]),
                ]
            )
    title = f"{preview.tenant}, values in {preview.currency}"
    return Table(columns, rows, title=title, colours=colours)


def now_table(preview: Preview) -> Table:
    """The figures of the plan's months that are in the database, for a plan that cannot be applied."""
    title = f"{preview.tenant}, values in {preview.currency}: in the database now"
    return kpi_table(title, preview.now, preview.currency)


def row_table(preview: Preview) -> Table:
    """The rows to be made, by month and table, and their sums."""
    columns = (
        Column("month"),
        *(Column(table, is_number=True) for table in TABLES),
        Column("all", is_number=True),
    )

    def line(name: str, counts: Mapping[str, int]) -> list[str]:
        numbers = [counts.get(table, 0) for table in TABLES]
        return [name, *(f"{number:,}" for number in (*numbers, sum(numbers)))]

    total = {table: sum(rows.get(table, 0) for rows in preview.rows.values()) for table in TABLES}
    return Table(
        columns,
        [line(str(month), rows) for month, rows in preview.rows.items()],
        last=line("total", total),
        title="rows to make",
    )


def closing_lines(preview: Preview) -> list[str]:
    """What else a person should know, a line each."""
    lines: list[str] = []
    if preview.rows_before:
        months = ", ".join(f"{month} {one.row_count:,}" for month, one in preview.blueprint.items())
        lines.append(
            f"first, {preview.rows_before:,} missing rows of the blueprint would be made, in a job of their "
            f"own: {months}"
        )
    if preview.already_applied is not None:
        lines.append(
            f"this very plan is applied already, by job {preview.already_applied}: applying it again "
            "changes nothing, unless with --again"
        )
    lines.append(f"it would take about {preview.estimated_seconds:.1f} s; nothing was written")
    return lines


def _per_cent(before: int, delta: int) -> str:
    """By how much more, in per cent of what is there; nothing to say where nothing is there."""
    if not delta:
        return ""
    if before <= 0:
        return "new"
    tenths = (abs(delta) * 2000 + before) // (before * 2)
    return f"{'+' if delta > 0 else '-'}{tenths // 10:,}.{tenths % 10} %"
