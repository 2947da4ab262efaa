"""Which deals of a month are won, lost or open, and when those that are closed were closed.

How many wins of the month close in which month is planned (``closing_plan``). A deal has a usual length, from
its draw, and is due after it.

- *Won* in the month of creation are deals that are due in it, by lot, and then those that were created first:
  if the shortest were taken, all wins would be quick. The other wins take the later months, by due time.
- *Open* are, of the others, those that are due after the end, and at least as many as can carry the open
  value without being giants. In a month whose deals must close within it, only those.
- *Lost* are all others.

A deal closes near its due time, on a day and at an hour by how often deals close then. One that closes before
it is due waits for two fifths of the time that is left, so that not all of them close at once.

Values, partners and stages belong to ``deals``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from demo_pipeline.domain.core.arrow import Mask
from demo_pipeline.domain.core.random_streams import I64, ascending, quantile, scale
from demo_pipeline.domain.generation.calendar import MINUTE_US
from demo_pipeline.domain.generation.closing_plan import WORKING, month_bounds
from demo_pipeline.domain.generation.context import Draws, MonthContext

OPEN, WON, LOST = range(3)

#: Working minutes that a deal takes at least.
_SOONEST: Final = 30
#: Deals that close on one of a month's last three working days, per cent of another day: wins, wins that
#: close before they are due, losses. (InsideSales: 3 × the wins, 11 × the losses: a third of a month's
#: losses on one day would be no pattern but a spike.)
_WON_LAST_DAYS: Final = 270
_EARLY_LAST_DAYS: Final = 150
_LOST_LAST_DAYS: Final = 520
_EVEN: Final = 100


@dataclass(frozen=True, kw_only=True)
class Closings:
    """Columns of shape (n,)."""

    #: OPEN, WON or LOST
    outcome: I64
    #: when won or lost (us); -1 while open
    closed_us: I64
    #: working minutes that the deal would take by itself
    length: I64


def close_deals(
    context: MonthContext, draws: Draws, winnable: Mask, least_open: int, most_open: int
) -> Closings:
    """As many deals are won as the plan says, ``winnable`` ones first.

    Between ``least_open`` and ``most_open`` of the others stay open, if there are so many.
    """
    minutes = context.timeline.minutes
    bounds = month_bounds(context.timeline, context.month, len(context.closings), context.limit_us + 1)
    start = np.searchsorted(minutes, draws.created_us // MINUTE_US).astype(np.int64)
    quantiles = context.industry.cycle_quantiles
    length = quantile(draws("cycle"), quantiles) * WORKING[0] // WORKING[1]
    median = int(quantiles[len(quantiles) // 2]) * WORKING[0] // WORKING[1]
    short = length * context.length_percent // 100

    won, closing_month = _winners(context, draws, winnable, start, start + short, int(bounds[1]))
    outcome = np.full(len(start), LOST)
    outcome[won] = WON
    due = start + length
    due[won] = start[won] + short[won]

    others = np.flatnonzero(outcome == LOST)
    # In a month that cannot be added to later, what is not closed in it stays open for ever.
    is_last_chance = context.limit_us > context.reference_us
    late = 0 if is_last_chance else int((due[others] >= bounds[-1]).sum())
    open_count = min(max(least_open, late), most_open, len(others))
    outcome[others[ascending(due[others])][len(others) - open_count :]] = OPEN

    month = np.searchsorted(bounds, due, side="right") - 1
    month[won] = closing_month
    first, end = bounds[np.minimum(month, len(bounds) - 2)], bounds[np.minimum(month + 1, len(bounds) - 1)]
    # A loss that is due after the end is brought forward to any time before it.
    is_beyond = month >= len(bounds) - 1
    first, end = np.where(is_beyond, bounds[0], first), np.where(is_beyond, bounds[-1], end)
    is_due = (due >= first) & (due < end)
    # Losses are written off at any time of the month, where months have an end that counts.
    has_month_end = context.industry.has_month_end
    quarter = np.where(outcome == WON, short // 4, int(bounds[-1]) if has_month_end else length // 4)
    waits = np.where(
        is_due | (month > 0) & ~is_beyond,
        np.maximum(np.where(outcome == WON, short, length) // 8, _SOONEST),
        np.minimum((end - start) * 2 // 5, median // 2),
    )
    last = np.maximum(end - 1, start)
    high = np.where(is_due, np.minimum(due + quarter, last), last)
    # Most losses come within two usual lengths.
    high = np.where(outcome == LOST, np.minimum(high, np.maximum(due, start + 2 * median)), high)
    low = np.maximum(np.where(is_due, np.maximum(due - quarter, first), first), start + waits)
    # Where there is no time to wait, at any time that is left.
    low = np.where(low > high, np.maximum(first, np.minimum(start + _SOONEST, high)), low)

    slot = np.zeros(len(start), np.int64)
    place = draws("closed_place")
    for rows, percent in (
        ((outcome == WON) & is_due, _WON_LAST_DAYS),
        ((outcome == WON) & ~is_due & (month > 0), _WON_LAST_DAYS),
        ((outcome == WON) & ~is_due & (month == 0), _EARLY_LAST_DAYS),
        (outcome == LOST, _LOST_LAST_DAYS),
    ):
        if rows.any():
            weighted = context.timeline.closing(percent if has_month_end else _EVEN)
            before = weighted.weight_before(low[rows])
            span = weighted.weight_before(high[rows] + 1) - before
            slot[rows] = weighted.slot_at(before + scale(place[rows], span))
    closed = minutes[slot] * MINUTE_US + scale(draws("closed_second"), MINUTE_US)
    return Closings(
        outcome=outcome,
        closed_us=np.where(outcome == OPEN, -1, np.maximum(closed, draws.created_us)),
        length=length,
    )


def _winners(
    context: MonthContext, draws: Draws, winnable: Mask, start: I64, due: I64, month_end: int
) -> tuple[I64, I64]:
    """The rows that are won, and the month in which each closes, from 0 for that of creation."""
    own, later = int(context.closings[0]), context.closings[1:]
    lot = draws("outcome")
    noise = scale(draws("forward"), max(int(month_end - start.min(initial=month_end)) // 6, 1))
    is_due = due < month_end
    # By the last key first: those that can be won, of them those that are due, of them by lot; then by age.
    order = np.lexsort((np.where(is_due, lot, (start + noise).astype(np.uint64)), ~is_due, ~winnable))
    rest = np.sort(order[own:])
    rest = rest[np.lexsort((lot[rest], ~winnable[rest]))][: int(later.sum())]
    rest = rest[ascending(due[rest])]
    month = np.repeat(np.arange(1, len(later) + 1), later)
    return np.concatenate([order[:own], rest]), np.concatenate([np.zeros(own, np.int64), month])
