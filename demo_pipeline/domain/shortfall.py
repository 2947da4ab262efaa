"""What a month lacks of what is expected, as deltas that can be made: never beyond any expected figure.

People hide and change rows of a living tenant. Where figures fall short, new rows make up for it, as far as
that takes no other figure beyond what is expected of it; the rest, and every surplus, is drift.
"""

from __future__ import annotations

from demo_pipeline.domain.core.figures import METRICS, Figures


def is_short(expected: Figures, there: Figures) -> bool:
    """Whether any figure falls short of what is expected."""
    return any(expected[metric] > there[metric] for metric in METRICS)


def shortfall(expected: Figures, there: Figures, *, has_contact: bool, has_won_stage: bool) -> Figures:
    """The largest feasible part of ``expected - there``. Values in minor units."""
    lacking = expected - there
    contacts = max(lacking.contacts_created, 0)
    is_somebody = has_contact or contacts > 0
    deals = max(lacking.deals_created, 0) if is_somebody else 0
    pipeline = max(lacking.pipeline_added_value, 0)
    won = min(max(lacking.closed_won_count, 0), deals) if has_won_stage else 0
    won_value = min(max(lacking.closed_won_value, 0), pipeline)
    if won_value < won or (won == deals and won_value < min(pipeline, lacking.closed_won_value)):
        won = 0
    if won == 0:
        won_value = 0
    return Figures(
        leads_created=min(max(lacking.leads_created, 0), contacts),
        contacts_created=contacts,
        companies_created=max(lacking.companies_created, 0),
        deals_created=deals,
        closed_won_count=won,
        closed_won_value=won_value,
        pipeline_added_value=pipeline if deals > won else won_value,
        activities_created=max(lacking.activities_created, 0) if is_somebody else 0,
    )
