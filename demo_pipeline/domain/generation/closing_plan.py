"""In which month the won deals of each month close: whole numbers, from the monthly figures alone.

Every win of a span is closed by its end, so no win is pending then. If deals took their usual time up to the
last month, that month would have to close all that is left. Instead, deals are closed faster towards the end.
Stages:

1. *Natural* closings: a fixed grid of places in a month and of deal lengths says how many of a month's wins
   would close in each later month, and how many only after the end.
2. *Targets*: what would close after the end is added to the months before it, the later ones more. If that
   adds too much to the last month, all deals are shortened by one factor first.
3. *Whole numbers* by cumulative rounding, never more than has been won by then. Where a target is more, the
   span is split at the tightest month, and both parts are shared out separately.
4. *Which wins*: in each month those that are due first.

Conservation: each month of creation closes exactly its wins. Known drawback: in a short span of an industry
with long deals, deals are short from the start.

Which rows win, and at what instant they close, is in ``closings``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

import numpy as np

from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.random_streams import I64, ascending, quantile
from demo_pipeline.domain.generation.calendar import MINUTE_US, Calendar, Timeline, minute_of

#: Calendar minutes to working minutes: a week has 14 × 5 of its 24 × 7 hours at work.
WORKING: Final = (5, 12)

#: The grid of natural closings.
_PLACES: Final = 16
_LENGTHS: Final = 64
_GRID: Final = _PLACES * _LENGTHS
#: The middles of equal parts of a month, in halves of a part.
_MIDDLES: Final = 2 * np.arange(_PLACES) + 1
#: What is left of a deal's length, per cent: the first that keeps the last month within its limit.
_LENGTH_PERCENTS: Final = range(100, 40, -5)
#: Where half of the deals take longer (minutes), a month with fewer working days closes no fewer deals.
_EVEN_FROM: Final = 14 * 24 * 60
#: A quarter of the span is added to each month's place, so that the slope is gentler.
_LEVEL: Final = 4
#: At most a tenth of a month's wins is kept for later months, except in the last.
_CARRIED: Final = 10


@dataclass(frozen=True, kw_only=True)
class EndRule:
    """How the months of a span take over what would close after its end."""

    #: of the place of a month in the span: the higher, the more the later months take
    exponent: int
    #: the most that the last month takes, per cent of its natural closings
    most_percent: int


#: A span that has ended: its last months may be higher.
CLOSED: Final = EndRule(exponent=2, most_percent=90)
#: The span of a tenant that goes on: after it, as many deals close in a month as are won in it.
LIVING: Final = EndRule(exponent=0, most_percent=15)


@dataclass(frozen=True, eq=False)
class ClosingPlan:
    """The closings of the months from ``first`` to the one in which the end lies."""

    first: Month
    #: wins by month of creation (rows) and month of closing (columns), shape (m, m), upper triangular
    counts: I64
    #: what is left of a deal's length, per cent
    length_percent: int

    def of(self, month: Month) -> I64:
        """How many wins of the month close in it and in each month after it, shape (months to the end,)."""
        place = month - self.first
        return self.counts[place, place:]


def plan_closings(
    timeline: Timeline,
    first: Month,
    won: Sequence[int],
    end_us: int,
    lengths: I64,
    rule: EndRule,
) -> ClosingPlan:
    """Close the ``won`` deals of the months from ``first`` on, each before the instant ``end_us``.

    The end lies in the last of these months or at its end. ``timeline`` covers all of them; ``lengths`` are
    the quantiles of a deal's length (minutes). Months without a working minute before the end have no wins.
    """
    months = list(first.until(first + (len(won) - 1)))
    bounds = month_bounds(timeline, first, len(won), end_us)
    # A month that has no time left closes nothing; the last one that has some closes what is left.
    open_to = [int(end > start) for start, end in pairwise(bounds.tolist())]
    total = sum(won)
    if total == 0:
        return ClosingPlan(first, np.zeros((len(won), len(won)), np.int64), 100)
    last = max(place for place, is_open in enumerate(open_to) if is_open)
    created = {
        place: _created_slots(timeline.calendar, month, bounds, place)
        for place, month in enumerate(months)
        if won[place]
    }
    axis, begun = bounds, created
    if int(lengths[len(lengths) // 2]) >= _EVEN_FROM:
        # As if all months had as many working days: a short February is no dip, and no crowd after it.
        days = np.array([len(timeline.calendar.month(month).minutes) for month in months], np.int64)
        axis = np.concatenate([[0], np.cumsum(np.diff(bounds) * int(days.mean()) // days)])
        begun = {
            place: axis[place] + int(axis[place + 1] - axis[place]) * _MIDDLES // (2 * _PLACES)
            for place in created
        }
    due: dict[int, I64] = {}
    targets: list[int] = []
    percent = 100
    for percent in _LENGTH_PERCENTS:
        due = {place: _due_slots(slots, lengths, percent) for place, slots in begun.items()}
        natural = _natural(due, won, axis)
        pull = [
            (count + is_open) * (place + 1 + len(won) // _LEVEL) ** rule.exponent
            for place, (count, is_open) in enumerate(zip(natural, open_to, strict=True))
        ]
        after = total * _GRID - sum(natural)
        # In units of the grid times the sum of the pulls, so that nothing is rounded yet. No open month is
        # without a target: what limits push on has a place.
        whole = sum(pull)
        targets = [
            count * whole + after * one + is_open
            for count, one, is_open in zip(natural, pull, open_to, strict=True)
        ]
        if after * pull[last] * 100 <= rule.most_percent * natural[last] * whole:
            break
    due = {place: _due_slots(slots, lengths, percent) for place, slots in created.items()}
    limits = np.cumsum(np.array(won, np.int64))
    for place, slots in due.items():
        later = int((slots >= bounds[place + 1]).sum())
        limits[place] -= min(won[place] // _CARRIED, won[place] * later // _GRID)
    limits[last:] = total
    closings = _whole_numbers(targets, limits.tolist(), total)
    return ClosingPlan(first, _by_creation(due, won, closings), percent)


def month_bounds(timeline: Timeline, first: Month, count: int, end_us: int) -> I64:
    """Places in the timeline where ``count`` months begin, cut at ``end_us``; shape (count + 1,)."""
    starts = [minute_of((first + place).start) for place in range(count + 1)]
    ends = np.minimum(np.array(starts, np.int64), end_us // MINUTE_US)
    return np.searchsorted(timeline.minutes, ends)


def _created_slots(calendar: Calendar, month: Month, bounds: I64, place: int) -> I64:
    """When the deals of a month are made: places in the timeline, ascending, shape (_PLACES,)."""
    work = calendar.month(month)
    count = int(bounds[place + 1] - bounds[place])
    whole = int(work.weight_before(np.array([count]))[0])
    return bounds[place] + work.slot_at(whole * _MIDDLES // (2 * _PLACES))


def _due_slots(created: I64, lengths: I64, percent: int) -> I64:
    """When deals that are made then are due: places in the timeline, ascending, shape (grid,)."""
    draws = (2 * np.arange(_LENGTHS, dtype=np.uint64) + np.uint64(1)) << np.uint64(57)
    durations = quantile(draws, lengths) * WORKING[0] // WORKING[1] * percent // 100
    return np.sort((created[:, None] + durations).ravel())


def _natural(due: dict[int, I64], won: Sequence[int], bounds: I64) -> list[int]:
    """Natural closings of each month, in units of the grid."""
    natural = [0] * len(won)
    for place, slots in due.items():
        counts = np.diff(np.searchsorted(slots, bounds))
        for month, count in enumerate(counts.tolist()):
            natural[month] += count * won[place]
    return natural


def _whole_numbers(targets: list[int], limits: list[int], total: int) -> list[int]:
    """Whole numbers in proportion to the targets whose running sums stay within the limits."""
    result: list[int] = []
    done = 0
    while len(result) < len(targets):
        sums = list(accumulate(targets[len(result) :]))
        # The least of (limit - done) ÷ (what the targets would take by then): below 1, it binds.
        tightest, share = len(sums) - 1, total - done
        for place, so_far in enumerate(sums):
            room = limits[len(result) + place] - done
            if room * sums[tightest] < share * so_far:
                tightest, share = place, room
        before = 0
        for so_far in sums[: tightest + 1]:
            by_now = (2 * share * so_far + sums[tightest]) // (2 * sums[tightest]) if so_far else 0
            result.append(by_now - before)
            before = by_now
        done += share
    return result


def _by_creation(due: dict[int, I64], won: Sequence[int], closings: list[int]) -> I64:
    """In each month the wins that are due first close: how many of each month of creation."""
    counts = np.zeros((len(won), len(won)), np.int64)
    pending, cohorts = np.empty(0, np.int64), np.empty(0, np.int64)
    for month, closing in enumerate(closings):
        if count := won[month]:
            # Evenly spaced quantiles stand for the month's wins.
            quantiles = due[month][(2 * np.arange(count) + 1) * _GRID // (2 * count)]
            pending = np.concatenate([pending, quantiles])
            cohorts = np.concatenate([cohorts, np.full(count, month)])
            order = ascending(pending)
            pending, cohorts = pending[order], cohorts[order]
        counts[:, month] = np.bincount(cohorts[:closing], minlength=len(won))
        pending, cohorts = pending[closing:], cohorts[closing:]
    return counts
