"""The plan of an adoption as people and programs see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from demo_pipeline.cli.kit.console import Column, Table, write_table, write_text

if TYPE_CHECKING:
    from demo_pipeline.storage.adoption.adoption import AdoptionPlan


def adoption_document(plan: AdoptionPlan, *, revision: str | None) -> dict[str, Any]:
    """What ``db adopt --json`` prints. ``revision``: the schema's, now."""
    return {
        "revision": revision,
        "already_adopted": not plan.tasks,
        "tables": [
            {
                "table": gap.table,
                "estimated_rows": gap.row_count,
                "size_bytes": gap.size_bytes,
                "columns": list(gap.columns),
                "constraints": [*gap.constraints, *gap.unique],
                "indexes": list(gap.indexes),
                "triggers": list(gap.triggers),
                "checks": list(gap.checks),
                "demo_rows_leave_null": list(gap.column_use.always_null),
                "demo_rows_leave_some_null": list(gap.column_use.sometimes_null),
                "demo_rows_leave_to_default": list(gap.column_use.by_default),
                "must_fill": list(gap.column_use.must_fill),
                "must_fill_newly": list(gap.column_use.newly),
            }
            for gap in plan.gaps
        ],
        "roles": list(plan.roles),
        "steps": [{"step": task.title, "scans": task.scans} for task in plan.tasks],
    }


def write_adoption(plan: AdoptionPlan) -> None:
    """The tables, the steps, and the roles that keep what they could do."""
    if plan.gaps:
        columns = (
            Column("table"),
            Column("rows, about", is_number=True),
            Column("MB", is_number=True),
            Column("new columns", is_number=True),
            Column("constraints", is_number=True),
            Column("indexes", is_number=True),
        )
        rows = [
            [
                gap.table,
                f"{gap.row_count:,}",
                f"{gap.size_bytes / 1e6:,.1f}",
                str(len(gap.columns)),
                str(len(gap.constraints) + len(gap.unique)),
                str(len(gap.indexes)),
            ]
            for gap in plan.gaps
        ]
        write_table(Table(columns, rows))
        write_text("")
    scanning = {True: "while others go on, reads a whole table", False: "milliseconds"}
    write_table(
        Table((Column("step"), Column("takes")), [[task.title, scanning[task.scans]] for task in plan.tasks])
    )
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
        write_table(_fillings(plan))


def _fillings(plan: AdoptionPlan) -> Table:
    """Who fills the columns; ``*`` marks what the application could leave out before."""
    columns = (
        Column("table"),
        Column("INSERTs of the application must fill"),
        Column("demo rows leave null"),
        Column("demo rows leave to the default"),
    )
    return Table(
        columns,
        [
            [
                gap.table,
                ", ".join(
                    f"{name}*" if name in gap.column_use.newly else name for name in gap.column_use.must_fill
                ),
                ", ".join(gap.column_use.always_null),
                ", ".join(gap.column_use.by_default),
            ]
            for gap in plan.gaps
        ],
    )
