"""When deals are won, lost and expected to close: even months, natural cycles, month ends, weekdays.

W(j) is the number of wins by month of closing, w(i) by month of creation. The ranges are the acceptance of
the method that spreads closings over a span (STORIES, puzzle 1).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from demo_pipeline.domain.scorecard.columns import (
    DAY_US,
    MISSING,
    Facts,
    TenantColumns,
    local_day,
    month_of,
    month_text,
    weekday_of,
)
from demo_pipeline.domain.scorecard.measure import (
    ASSUMPTION,
    B2B,
    Expected,
    Figure,
    Measure,
    Range,
    Unit,
    only,
)
from demo_pipeline.domain.scorecard.statistics import Bools, Floats, Ints

_STORIES: Final = "simulation of 24 plans in 6 industries"
#: industries whose usual deal takes 30 days or more
_LONG: Final = ("saas", "realestate", "finserv")
#: days of a mean month
_MONTH_DAYS: Final = 30.44
#: wins that a month must have for a busiest day
_BUSY_MONTH: Final = 100
#: wins that a median cycle is taken of
_LEAST_OF_MEDIAN: Final = 100
#: a difference of so many wins is no difference
_TOLERATED_WINS: Final = 1.5
#: of the wins of the last month, beyond the declared rise
_HIGHEST_RISE: Final = 1.15


def _in_span(tenant: TenantColumns) -> Bools:
    """Deals that were created in the span."""
    return (tenant.deals.month >= tenant.facts.first_month) & (tenant.deals.month <= tenant.facts.last_month)


def _won(tenant: TenantColumns) -> Bools:
    """Won deals of the span that have a closing date."""
    return tenant.deals.is_won & tenant.deals.is_closed & _in_span(tenant)


def _by_month(tenant: TenantColumns, months: Ints) -> Ints:
    facts = tenant.facts
    inside = months[(months >= facts.first_month) & (months <= facts.last_month)]
    return np.bincount(inside - facts.first_month, minlength=len(facts.months))


def _wins(tenant: TenantColumns) -> tuple[Ints, Ints] | None:
    """W and W of the months of the span; None: the span is not over."""
    if not tenant.facts.is_span_over:
        return None
    won = _won(tenant)
    return _by_month(tenant, tenant.deals.month[won]), _by_month(tenant, tenant.deals.closed_month[won])


def _off_neighbours(wins: Ints) -> Floats:
    """How far each inner month is from the mean of its neighbours, as a share; 0 within the tolerance."""
    inner, mean = wins[1:-1], (wins[:-2] + wins[2:]) / 2
    off = np.abs(inner / np.maximum(mean, 1e-9) - 1)
    return np.where(np.abs(inner - mean) <= _TOLERATED_WINS, 0.0, off)


def _after_start(facts: Facts) -> int:
    """The first inner month that is judged: one median cycle and a month after the start."""
    return math.ceil(facts.cycle_days / _MONTH_DAYS) + 1


def closed_in_order(tenant: TenantColumns) -> Figure | None:
    """Closed deals that close before they begin, or after the tenant's end."""
    deals, facts = tenant.deals, tenant.facts
    closed, latest = deals.is_closed & _in_span(tenant), facts.as_of_us
    wrong = closed & ((deals.closed_us < deals.created_us) | (deals.closed_us > latest))
    count = int(closed.sum())
    return Figure(float(wrong.sum()) / count, count) if count else None


def even_months(tenant: TenantColumns) -> Figure | None:
    """The largest distance of W from its neighbours where w itself is even."""
    found = _wins(tenant)
    if found is None:
        return None
    created, closed = found
    created_off = np.abs(created[1:-1] / np.maximum((created[:-2] + created[2:]) / 2, 1e-9) - 1)
    judged = (np.arange(1, len(closed) - 1) >= _after_start(tenant.facts)) & (created_off <= 0.15)
    if not judged.any():
        return None
    off = np.where(judged, _off_neighbours(closed), 0.0)
    worst = int(off.argmax())
    detail = f"{month_text(tenant.facts.first_month + worst + 1)}: {closed[worst + 1]} wins"
    return Figure(float(off.max()), int(closed[1:-1][judged].sum()), detail if off.max() else "")


def as_even_as_declared(tenant: TenantColumns) -> Figure | None:
    """How much further W is from its neighbours than w, at the worst month of each."""
    found = _wins(tenant)
    if found is None:
        return None
    # The last month aside, and with it the one that it is a neighbour of.
    judged = slice(_after_start(tenant.facts) - 1, -1)
    created, closed = (_off_neighbours(wins)[judged] for wins in found)
    if not len(closed):
        return None
    return Figure(float(closed.max() - created.max()), int(found[1].sum()))


def last_month_rise(tenant: TenantColumns) -> Figure | None:
    """Wins of the last month against the month before, beyond the rise that was declared."""
    found = _wins(tenant)
    if found is None or len(found[0]) < 3:
        return None
    (*_, before, last), (*_, closed_before, closed_last) = found
    if not before or not closed_before or last > 1.3 * before:
        return None
    declared = max(last / before, 1.0)
    rise = (closed_last / closed_before) / declared
    # A step of one deal is a large rise where few are won.
    if closed_last - _HIGHEST_RISE * declared * closed_before <= _TOLERATED_WINS:
        rise = min(rise, _HIGHEST_RISE)
    detail = f"{closed_last} wins after {closed_before}"
    return Figure(float(rise), int(closed_before + closed_last), detail)


def _unjudged_months(facts: Facts) -> int | None:
    """Months at the end of a span in which a natural cycle has no room; None: none is judged."""
    length = len(facts.months)
    if facts.cycle_days <= 30:
        return 0
    if facts.cycle_days <= 60:
        return 3
    if length < 12 or facts.monthly_rate > 0.05:
        return None
    return 7 if length > 18 else 5


def natural_cycles(tenant: TenantColumns) -> Figure | None:
    """The shortest median cycle of a month's wins, against the usual one.

    A month with few wins is taken together with those before it.
    """
    facts, unjudged = tenant.facts, _unjudged_months(tenant.facts)
    if unjudged is None or not facts.is_span_over:
        return None
    won, judged = _won(tenant), facts.months[: len(facts.months) - unjudged]
    found, size = list[tuple[float, int]](), 0
    cycles = np.empty(0)
    for month in judged[::-1]:
        cycles = np.append(cycles, tenant.deals.cycle_days[won & (tenant.deals.month == month)])
        if len(cycles) >= _LEAST_OF_MEDIAN:
            found.append((float(np.median(cycles)) / facts.cycle_days, int(month)))
            size, cycles = size + len(cycles), np.empty(0)
    if not found:
        return None
    worst, month = min(found)
    return Figure(worst, size, f"{month_text(month)}: {worst * facts.cycle_days:.1f} d")


def last_month_cycle(tenant: TenantColumns) -> Figure | None:
    """The median cycle of the wins of the last month, against what the month has room for."""
    facts, deals = tenant.facts, tenant.deals
    here = deals.month == facts.last_month
    won = _won(tenant) & here
    # Where most deals are won there are no early ones to choose.
    if not facts.is_span_over or not won.any() or won.sum() > 0.4 * here.sum():
        return None
    median = float(np.median(deals.cycle_days[won]))
    return Figure(median / min(facts.cycle_days / 2, 17.0), int(won.sum()), f"{median:.1f} d")


def busiest_day(tenant: TenantColumns) -> Figure | None:
    """The share of a month's wins on its busiest day, in the worst month."""
    deals, won = tenant.deals, _won(tenant)
    days, months = local_day(deals.closed_us[won], tenant.facts.timezone), deals.closed_month[won]
    worst, size, detail = 0.0, 0, ""
    for month in np.unique(months):
        here = days[months == month]
        if len(here) >= _BUSY_MONTH:
            _, counts = np.unique(here, return_counts=True)
            size += len(here)
            if (share := float(counts.max()) / len(here)) > worst:
                worst, detail = share, month_text(int(month))
    return Figure(worst, size, detail) if size else None


def _month_end(tenant: TenantColumns, chosen: Bools) -> Figure | None:
    """Closings a day of the last three working days of a month, against those of the other ones."""
    facts, working = tenant.facts, tenant.working_days
    months = (working * DAY_US).astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    # A month that is not over has no last days yet.
    over = months <= int(month_of(np.array([facts.as_of_us]))[0]) - 1
    last = np.zeros(len(working), bool)
    for month in np.unique(months[over]):
        last[np.flatnonzero(months == month)[-3:]] = True
    days = local_day(tenant.deals.closed_us[chosen], facts.timezone)
    counts = _counts(days, working)
    ordinary = over & ~last
    if not ordinary.any() or not counts[ordinary].any():
        return None
    ratio = counts[last].mean() / counts[ordinary].mean()
    return Figure(float(ratio), int(counts[over].sum()))


def _counts(days: Ints, of: Ints) -> Ints:
    """How many of ``days`` are each of the days ``of``, which are sorted."""
    order = np.sort(days)
    return np.searchsorted(order, of, side="right") - np.searchsorted(order, of, side="left")


def month_end_wins(tenant: TenantColumns) -> Figure | None:
    """Wins of the last three working days."""
    return _month_end(tenant, _won(tenant))


def month_end_losses(tenant: TenantColumns) -> Figure | None:
    """Losses of the last three working days."""
    return _month_end(tenant, tenant.deals.is_lost & tenant.deals.is_closed & _in_span(tenant))


def tuesday_to_friday(tenant: TenantColumns) -> Figure | None:
    """Wins of a Tuesday against those of a Friday."""
    won, working = _won(tenant), tenant.working_days
    weekdays = weekday_of(local_day(tenant.deals.closed_us[won], tenant.facts.timezone))
    days = [int((weekday_of(working) == day).sum()) for day in (1, 4)]
    wins = [int((weekdays == day).sum()) for day in (1, 4)]
    if not all(days) or not wins[1]:
        return None
    return Figure((wins[0] / days[0]) / (wins[1] / days[1]), int(won.sum()))


def won_share_varies(tenant: TenantColumns) -> Figure | None:
    """The largest distance of a month's won share from the tenant's, without what rounding makes."""
    facts, deals = tenant.facts, tenant.deals
    inside = _in_span(tenant)
    count = _by_month(tenant, deals.month[inside])
    won = _by_month(tenant, deals.month[inside & deals.is_won])
    if facts.has_monthly_figures or not facts.is_span_over or not won.sum():
        return None
    judged = won >= 5
    if judged.sum() < 4:
        return None
    share = won.sum() / count.sum()
    off = np.abs(won[judged] - share * count[judged]) - 0.5
    return Figure(float((np.maximum(off, 0) / (share * count[judged])).max()), int(won[judged].sum()))


def lost_in_time(tenant: TenantColumns) -> Figure | None:
    """Lost deals that were lost within two usual cycles."""
    lost = tenant.deals.is_lost & tenant.deals.is_closed & _in_span(tenant)
    size = int(lost.sum())
    in_time = tenant.deals.cycle_days[lost] <= 2 * tenant.facts.cycle_days
    return Figure(float(in_time.mean()), size) if size else None


def old_open_deals(tenant: TenantColumns) -> Figure | None:
    """Open deals older than two cycles, against those that the open value of each month needs.

    An open deal of 2.5 times the mean won deal is a large one; a month needs so many of them as its open
    value fills.
    """
    facts, deals = tenant.facts, tenant.deals
    if not facts.is_span_over:
        return None
    inside = _in_span(tenant)
    old = inside & deals.is_open & (deals.created_us < facts.end_us - 2 * facts.cycle_days * DAY_US)
    all_won = deals.value[inside & deals.is_won]
    if not all_won.any():
        return None
    needed, won_mean = 0, float(all_won.mean())
    for month in np.unique(deals.month[old]):
        here = inside & (deals.month == month)
        won = deals.value[here & deals.is_won]
        mean = float(won.mean()) if len(won) else won_mean
        needed += math.ceil(float(deals.value[here & deals.is_open].sum()) / (2.5 * max(mean, 1.0)))
    count = int(old.sum())
    return Figure(count / max(needed, 1), count, f"{count} deals, {needed} needed")


def _days_early(tenant: TenantColumns) -> Ints:
    """Of closed deals of the span: days from closing to the expected date; above 0: closed early."""
    deals = tenant.deals
    judged = deals.is_closed & (deals.expected_day != MISSING) & _in_span(tenant)
    return deals.expected_day[judged] - local_day(deals.closed_us[judged], tenant.facts.timezone)


def closed_early(tenant: TenantColumns) -> Figure | None:
    """Closed deals that closed before their expected date."""
    days = _days_early(tenant)
    return Figure(float((days > 0).mean()), len(days)) if len(days) else None


def closed_on_the_day(tenant: TenantColumns) -> Figure | None:
    """Closed deals that closed on their expected date."""
    days = _days_early(tenant)
    return Figure(float((days == 0).mean()), len(days)) if len(days) else None


def open_overdue(tenant: TenantColumns) -> Figure | None:
    """Open deals whose expected date has passed."""
    facts, deals = tenant.facts, tenant.deals
    judged = deals.is_open & (deals.expected_day != MISSING) & _in_span(tenant)
    judged &= deals.created_us < facts.end_us
    size = int(judged.sum())
    today = int(local_day(np.array([facts.end_us]), facts.timezone)[0])
    return Figure(float((deals.expected_day[judged] < today).mean()), size) if size else None


def _declared(*, by_month: bool, expected: Range) -> Expected:
    kind = "with figures by month" if by_month else "with totals"
    return Expected(
        declared=lambda facts: expected if facts.has_monthly_figures is by_month else None,
        words=f"{expected.text(Unit.SHARE)}, of blueprints {kind}",
    )


MEASURES: Final = (
    Measure(
        name="closed_in_order",
        title="closed deals that close before they begin or in the future",
        population="closed deals",
        least=10,
        expected=Expected(Range(high=0.0)),
        unit=Unit.SHARE,
        source="true of every CRM",
        function=closed_in_order,
    ),
    Measure(
        name="even_months",
        title="wins of a month of closing against the mean of its neighbours, at the worst month, where wins "
        "by month of creation are even",
        population="wins of the judged months",
        least=60,
        expected=_declared(by_month=False, expected=Range(high=0.25)),
        unit=Unit.SHARE,
        source=_STORIES,
        function=even_months,
    ),
    Measure(
        name="as_even_as_declared",
        title="the same, above the worst month of wins by month of creation",
        population="wins",
        least=20,
        expected=_declared(by_month=True, expected=Range(high=0.10)),
        unit=Unit.SHARE,
        source=_STORIES,
        function=as_even_as_declared,
    ),
    Measure(
        name="last_month_rise",
        title="rise of wins into the last month, against the declared rise",
        population="wins of the last two months",
        least=20,
        expected=Expected(Range(high=_HIGHEST_RISE)),
        unit=Unit.NUMBER,
        source=_STORIES,
        function=last_month_rise,
    ),
    Measure(
        name="natural_cycles",
        title="shortest median cycle of a month's wins, or of a hundred of several months, against the usual",
        population="wins of the judged months",
        least=60,
        expected=Expected(Range(low=0.5)),
        unit=Unit.NUMBER,
        source=_STORIES,
        function=natural_cycles,
    ),
    Measure(
        name="last_month_cycle",
        title="median cycle of the last month's wins, against half the usual one or 17 days",
        population="wins of the last month",
        least=100,
        expected=Expected(Range(low=1.0)),
        unit=Unit.NUMBER,
        source=_STORIES,
        function=last_month_cycle,
    ),
    Measure(
        name="busiest_day",
        title="wins on the busiest day of a month",
        population="wins of months with 100 or more",
        least=_BUSY_MONTH,
        expected=Expected(Range(high=0.20)),
        unit=Unit.SHARE,
        source=_STORIES,
        function=busiest_day,
    ),
    Measure(
        name="month_end_wins",
        title="wins of the last three working days of a month, against an ordinary day",
        population="wins",
        least=100,
        expected=only(_LONG, Range(2.0, 3.7)),
        unit=Unit.NUMBER,
        source="InsideSales, 9.8 million deals: 3 times",
        function=month_end_wins,
    ),
    Measure(
        name="month_end_losses",
        title="losses of the last three working days of a month, against an ordinary day",
        population="lost deals",
        least=80,
        expected=only(B2B, Range(low=3.0)),
        unit=Unit.NUMBER,
        source="InsideSales, 9.8 million deals: 11 times",
        function=month_end_losses,
    ),
    Measure(
        name="tuesday_to_friday",
        title="wins of a Tuesday against those of a Friday",
        population="wins",
        least=500,
        expected=only(B2B, Range(low=1.2)),
        unit=Unit.NUMBER,
        source="BTS: Tuesday best, Friday worst",
        function=tuesday_to_friday,
    ),
    Measure(
        name="won_share_varies",
        title="won share by month of creation, at the month furthest from the tenant's share",
        population="wins of months with five or more",
        least=400,
        expected=Expected(Range(0.04, 0.20), industries={"ecommerce": Range(0.03, 0.16)}),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=won_share_varies,
    ),
    Measure(
        name="lost_in_time",
        title="lost deals that were lost within two usual cycles",
        population="lost deals",
        least=30,
        expected=Expected(Range(low=0.95), industries={"ecommerce": Range(low=0.85)}),
        unit=Unit.SHARE,
        source=_STORIES,
        function=lost_in_time,
    ),
    Measure(
        name="old_open_deals",
        title="open deals older than two cycles, against those that the open value needs",
        population="open deals older than two cycles",
        least=10,
        expected=Expected(Range(high=1.2)),
        unit=Unit.NUMBER,
        source=_STORIES,
        function=old_open_deals,
    ),
    Measure(
        name="closed_early",
        title="closed deals that closed before their expected date",
        population="closed deals with an expected date",
        least=50,
        expected=Expected(Range(0.20, 0.35), industries={"ecommerce": Range(0.10, 0.20)}),
        unit=Unit.SHARE,
        source=_STORIES,
        function=closed_early,
        is_drawn=True,
    ),
    Measure(
        name="closed_on_the_day",
        title="closed deals that closed on their expected date",
        population="closed deals with an expected date",
        least=50,
        expected=Expected(Range(high=0.15), industries={"ecommerce": Range(high=0.65)}),
        unit=Unit.SHARE,
        source=_STORIES,
        function=closed_on_the_day,
        is_drawn=True,
    ),
    Measure(
        name="open_overdue",
        title="open deals whose expected date has passed",
        population="open deals with an expected date",
        least=200,
        expected=Expected(Range(0.02, 0.60)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=open_overdue,
        is_drawn=True,
    ),
)
