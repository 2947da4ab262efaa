"""What a person should think about before a plan is applied. A warning never refuses anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from demo_pipeline.domain.feasibility import Caps, cap_warnings, won_with_leads
from demo_pipeline.domain.industries import load_industry
from demo_pipeline.domain.metrics import METRICS, Figures, money
from demo_pipeline.domain.months import Month
from demo_pipeline.domain.patching import Ground, Resolved

#: assumptions: from a month to the next, per cent; pipeline for won value; how far off a win rate may be
_MOST_GROWTH_PERCENT: Final = 25
_MOST_PIPELINE: Final = 3
_WIN_RATE_FACTOR: Final = 2
#: Fewer deals tell nothing of a win rate.
_FEWEST_DEALS: Final = 10


def plan_warnings(resolved: Resolved, ground: Ground, caps: Caps) -> tuple[str, ...]:
    """A sentence for everything that is unusual about the months as they would be."""
    digits = ground.spec.minor_digits
    after: dict[Month, Figures] = {**ground.before, **resolved.targets}
    warnings: list[str] = list(_won_with_leads(resolved, ground))
    for month, target in resolved.targets.items():
        if not resolved.deltas[month]:
            continue
        warnings += _growth(month, after)
        if target.closed_won_value and target.pipeline_added_value > _MOST_PIPELINE * target.closed_won_value:
            pipeline, won = (
                money(value, digits) for value in (target.pipeline_added_value, target.closed_won_value)
            )
            warnings.append(
                f"{month}: a pipeline of {pipeline} is more than {_MOST_PIPELINE} times "
                f"the won value of {won}"
            )
        warnings += _win_rate(month, target, ground)
    return (*warnings, *cap_warnings(resolved.total, caps, minor_digits=digits))


def _won_with_leads(resolved: Resolved, ground: Ground) -> Iterator[str]:
    """Months whose won deals can only be with leads."""
    first = ground.first_other_contact_at
    for month, delta in sorted(resolved.deltas.items()):
        if first is not None and first < month.end:
            return
        if delta.other_contacts:
            return
        if delta.closed_won_count:
            yield won_with_leads(month, delta.closed_won_count)


def _growth(month: Month, after: Mapping[Month, Figures]) -> list[str]:
    before, now = after.get(month + -1), after[month]
    if before is None:
        return []
    grown = [
        f"{metric} {(now[metric] - before[metric]) * 100 // before[metric]} %"
        for metric in METRICS
        if before[metric] and now[metric] * 100 > before[metric] * (100 + _MOST_GROWTH_PERCENT)
    ]
    return [f"{month}: more than {month + -1} by {', '.join(grown)}"] if grown else []


def _win_rate(month: Month, target: Figures, ground: Ground) -> list[str]:
    if target.deals_created < _FEWEST_DEALS:
        return []
    usual = load_industry(ground.spec.industry).win_rate_percent
    rate = target.closed_won_count * 100 // target.deals_created
    if usual <= rate * _WIN_RATE_FACTOR and rate <= usual * _WIN_RATE_FACTOR:
        return []
    return [f"{month}: {rate} % of the deals are won, {usual} % is usual in {ground.spec.industry}"]
