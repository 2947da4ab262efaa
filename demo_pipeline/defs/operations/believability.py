"""The check ``figures_are_believable_now``: the scorecards of all tenants, on demand.

It reads every row of every tenant, so no run judges it and it keeps nothing back: it is a warning. It belongs
to an asset of its own, ``scorecards``, which nothing materialises: exact tenants have red lines too, and the
checks of ``tenants`` pass on a healthy fleet. What is measured is in ``domain.scorecard``.
"""

from __future__ import annotations

from typing import Any, Final

import dagster as dg

from demo_pipeline.defs.asset_pages.specs import CODE_VERSION
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.domain.core.wording import counted

NAME: Final = "figures_are_believable_now"
SCORECARDS_ASSET: Final = "scorecards"
#: tenants whose lines a page shows
_MOST_SHOWN: Final = 50

scorecards = dg.AssetSpec(
    SCORECARDS_ASSET,
    group_name="tenant_kpis",
    owners=["team:demo-data"],
    description="How believable all demo tenants are, as they are in the database now. Nothing materialises "
    "it: open *Checks* and press *Execute*. A red line is a warning; figures are exact all the same.",
    kinds={"postgres"},
    code_version=CODE_VERSION,
)


@dg.asset_check(
    asset=SCORECARDS_ASSET,
    name=NAME,
    blocking=False,
    description="Of all tenants, now: every figure of the scorecard is in its range. A figure out of its "
    "range is a warning: the tenant's KPIs are exact all the same. Reads every row, so it is judged only "
    "when it is executed. `demo-pipeline score TENANT` prints the same; docs/believability.md says what is "
    "measured.",
)
def figures_are_believable_now(demo: DemoTenants) -> dg.AssetCheckResult:
    """One verdict for all tenants, with the red lines of each."""
    # numpy and pyarrow: other runs of this code location do without.
    from demo_pipeline.domain.scorecard.measure import Verdict
    from demo_pipeline.rendering.score_columns import SCORE_PAGE_COLUMNS, score_summary
    from demo_pipeline.rendering.table import Table, escaped, markdown
    from demo_pipeline.services.scorecard.score import score_each

    cards, unreadable = score_each(demo.database, demo.settings)
    red = [card for card in cards if card.red]
    shown = [
        f"**{escaped(card.tenant)}**: {score_summary(card)}\n\n"
        f"{markdown(Table(SCORE_PAGE_COLUMNS, card.red))}"
        for card in red[:_MOST_SHOWN]
    ]
    metadata: dict[str, Any] = {
        "tenants": len(cards),
        "red": sum(len(card.red) for card in cards),
        "not_measured": sum(card.count(Verdict.NOT_MEASURED) for card in cards),
    }
    if shown:
        metadata["red_lines"] = dg.MetadataValue.md("\n\n".join(shown))
    if unreadable:
        messages = "\n".join(f"- {escaped(one.message)}" for one in unreadable)
        metadata["unreadable"] = dg.MetadataValue.md(messages)
    return dg.AssetCheckResult(
        passed=not red and not unreadable,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{counted(metadata['red'], 'red line')} of {counted(len(cards), 'tenant')}",
        metadata=metadata,
    )
