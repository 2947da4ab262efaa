"""The table of a repair: what it would do or has done, for the terminal and Dagster's pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from demo_pipeline.rendering.table import Table, text_columns

if TYPE_CHECKING:
    from demo_pipeline.services.repairs.repair import Repaired


def plan_table(done: Repaired) -> Table[Sequence[str]]:
    """The rows to hide, to delete in other tenants, to restore, to select anew; none: nothing to do."""
    plan = done.plan
    rows = [["hide", group.table, f"{len(group.ids):,}", group.reason] for group in plan.groups]
    rows += [["hide", table, f"{count:,}", "depend on those"] for table, count in plan.along.items()]
    rows += [
        ["delete", stray.table, f"{len(stray.ids):,}", f"lie in tenant {stray.slug or stray.tenant_id}"]
        for stray in plan.elsewhere
    ]
    rows += [
        [
            "restore",
            "pipeline_stages",
            "1",
            f"{stage.name} was {stage.outcome}: {stage.deal_count:,} deals contradict it now",
        ]
        for stage in (plan.stages if done.with_stages else ())
    ]
    rows += [
        ["select anew", "hero_accounts", "1", f"people changed the rows of: {kind.replace('_', ' ')}"]
        for kind in plan.heroes
    ]
    columns = text_columns("", "table", "rows", "that", numbers=("rows",))
    return Table(columns, rows, title=f"{plan.tenant}: {plan.kind}")
