"""What a person should think about before a plan is applied. A warning never refuses anything.

Ratios are unusual where they differ from the industry's and from what the tenant itself shows: a plan that
goes on as the months before never triggers a warning about its ratios. *As the months before* is any of the
sums that a written plan may go on from (``patch_plan.shapes``): the last month, the last two, and so on.
Parts of a plan are whole deals, so a ratio counts as unusual only if it is so with one deal more or less,
too. Values that follow the deals are nobody's request, and nothing is said of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS, Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import Caps, cap_warnings, won_with_leads
from demo_pipeline.domain.patch_plan.plan import MOST_MONTHS
from demo_pipeline.domain.patch_plan.resolve import PlanBaseline, Resolved
from demo_pipeline.domain.patch_plan.shapes import SURGE_PERCENT
from demo_pipeline.domain.reference.industries import load_industry

#: assumptions: above the months before, per cent; pipeline for won value; how far off a win rate may be
_MOST_GROWTH_PERCENT: Final = int(SURGE_PERCENT)
_MOST_PIPELINE: Final = 3
_WIN_RATE_FACTOR: Final = 2
#: Fewer deals tell nothing of a win rate.
_FEWEST_DEALS: Final = 10
#: by which values of written plans may be rounded
_MINOR_UNITS: Final = 2


def plan_warnings(resolved: Resolved, baseline: PlanBaseline, caps: Caps) -> tuple[str, ...]:
    """A sentence for everything that is unusual about the months as they would be."""
    after = baseline.before | resolved.targets
    first = min(resolved.targets)
    bases = _bases(baseline.before, first)
    warnings: list[str] = list(_won_with_leads(resolved, baseline))
    for month, target in resolved.targets.items():
        if not resolved.deltas[month]:
            continue
        warnings += _growth(month, after)
        if resolved.given_values[month]:
            warnings += _pipeline(month, target, bases, baseline.spec.currency)
        warnings += _win_rate(month, target, (*bases, baseline.before.at(month)), baseline)
    warnings += _silent_deals(resolved)
    near = cap_warnings(
        resolved.total,
        caps,
        currency=baseline.spec.currency,
        declared_value=resolved.declared_value,
    )
    return (*warnings, *near)


def _bases(before: FiguresByMonth, first: Month) -> tuple[Figures, ...]:
    """The sums of the last month before ``first``, of the last two, and so on: what a plan may go on from."""
    known = sorted(month for month in before if month < first)
    if not known:
        return ()
    months = list(known[0].until(known[-1]))[-MOST_MONTHS:]
    return tuple(accumulate(before.at(month) for month in reversed(months)))


def _won_with_leads(resolved: Resolved, baseline: PlanBaseline) -> Iterator[str]:
    """Months whose won deals can only be with leads."""
    first = baseline.first_other_contact_at
    for month, delta in sorted(resolved.deltas.items()):
        if first is not None and first < month.end:
            return
        if delta.other_contacts:
            return
        if delta.closed_won_count:
            yield won_with_leads(month, delta.closed_won_count)


def _growth(month: Month, after: FiguresByMonth) -> list[str]:
    """Figures far above those of every month in the two years before."""
    earlier = [one for other, one in after.items() if month + -MOST_MONTHS <= other < month]
    now = after[month]
    grown: list[str] = []
    for metric in METRICS:
        most = max((one[metric] for one in earlier), default=0)
        one = _one_row(now, metric)
        if most and (now[metric] - one) * 100 > (most + one) * (100 + _MOST_GROWTH_PERCENT):
            grown.append(f"{metric} {(now[metric] - most) * 100 // most} %")
    return [f"{month}: more than in any of the months before by {', '.join(grown)}"] if grown else []


def _one_row(figures: Figures, metric: str) -> int:
    """What one row, or one deal of each kind, changes of a figure: that much may be rounding."""
    if metric not in VALUE_METRICS:
        return 1
    won = -(-figures.closed_won_value // max(figures.closed_won_count, 1)) + _MINOR_UNITS
    if metric == "closed_won_value":
        return won
    return won + -(-figures.open_value // max(figures.other_deals, 1))


def _pipeline(month: Month, target: Figures, bases: tuple[Figures, ...], currency: Currency) -> list[str]:
    """A pipeline out of proportion to the won value."""
    won, open_value = target.closed_won_value, target.open_value
    if not won:
        return []
    # As many as with one open deal less and one won deal more.
    least_open = open_value - -(-open_value // max(target.other_deals, 1))
    most_won = won + -(-won // max(target.closed_won_count, 1)) + _MINOR_UNITS

    def is_usual(other_open: int, other_won: int) -> bool:
        return least_open * other_won <= other_open * most_won

    if is_usual(_MOST_PIPELINE - 1, 1) or any(
        is_usual(one.open_value, one.closed_won_value) for one in bases if one.closed_won_value
    ):
        return []
    pipeline = currency.shown(target.pipeline_added_value)
    won_text = currency.shown(won)
    warning = (
        f"{month}: a pipeline of {pipeline} is more than {_MOST_PIPELINE} times the won value of {won_text}"
    )
    return [f"{warning}, and more than in the months before"]


def _win_rate(month: Month, target: Figures, bases: tuple[Figures, ...], baseline: PlanBaseline) -> list[str]:
    """A share of won deals that is neither the industry's nor the tenant's."""
    won, deals = target.closed_won_count, target.deals_created
    if deals < _FEWEST_DEALS:
        return []
    industry = baseline.spec.industry
    usual = load_industry(industry).win_rate_percent
    rates = [(one.closed_won_count, one.deals_created) for one in bases if one.deals_created > 0]
    rates += [(usual * _WIN_RATE_FACTOR, 100), (usual, 100 * _WIN_RATE_FACTOR)]
    is_high = all((won - 1) * whole > part * deals for part, whole in rates)
    is_low = all((won + 1) * whole < part * deals for part, whole in rates)
    if not (is_high or is_low):
        return []
    return [f"{month}: {won * 100 // deals} % of the deals are won, {usual} % is usual in {industry}"]


def _silent_deals(resolved: Resolved) -> Iterator[str]:
    """New deals without any new activity: nobody seems to have worked on them."""
    months = [
        str(month)
        for month, delta in resolved.deltas.items()
        if delta.deals_created and not delta.activities_created
    ]
    if months:
        yield (
            f"{', '.join(months)}: deals are made and no activity, so nobody seems to work on them; "
            "ask for activities_created as well"
        )
