"""When meetings take place: no person has two at once, whichever month created them.

A month books meetings in its own working days and in the first ones of the next month. Those are shared: for
each person every other one is for meetings of the month before, the rest for those of the month itself. So a
month needs to know nothing of its neighbours. Rows of a patch come later: their meetings keep out of the way
of those that are there, and are in the past, where no others are to come.

Time is in quarters of an hour; a day of one person is one number, bit *i* for the *i*-th quarter from seven
o'clock. How long a meeting is and when people would like it is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from demo_pipeline.domain.core.arrow import Mask
from demo_pipeline.domain.core.random_streams import I64, U64, ascending
from demo_pipeline.domain.generation.calendar import MINUTE_US, Timeline, minute_of
from demo_pipeline.domain.generation.context import Meetings, MonthContext

_QUARTER_US: Final = 15 * MINUTE_US
#: Quarters from seven: meetings lie between eight in the morning and eight in the evening.
_FIRST: Final = 4
_END: Final = 52
#: Quarters that one person spends in meetings on one day, at most (assumption: six hours).
_MOST_A_DAY: Final = 24
#: How many of a month's first working days are shared with the month before.
_SHARED_DAYS: Final = 6
#: The last working days of a patch's time: rows about them may still be to come.
_UNSETTLED_DAYS: Final = 3
#: Working days by which a meeting moves where its day has no room, in this order.
_MOVES: Final = np.array([0, 1, 2, -1, 3, 4, 5, -2, 6, 7])
#: Bits of a day's number.
_BITS: Final = 64
_ONE: Final = np.uint64(1)
_ALL: Final = np.uint64(2**64 - 1)


@dataclass(frozen=True, eq=False)
class MeetingCalendar:
    """The time of a team that meetings of one month may take; booking changes it."""

    #: when each day begins (us), ascending, shape (days,)
    day_us: I64
    #: what is left, shape (people × days,)
    free: U64
    #: quarters of meetings by person and day
    busy: I64

    @classmethod
    def of(cls, context: MonthContext) -> MeetingCalendar:
        """With the meetings of the context and no other."""
        timeline, month = context.timeline, context.month
        first, next_month = (
            int(np.searchsorted(timeline.minutes[timeline.day_starts], minute_of(instant)))
            for instant in (month.start, month.end)
        )
        days = slice(first, min(next_month + _SHARED_DAYS, len(timeline.day_starts)))
        day_us = timeline.minutes[timeline.day_starts[days]] * MINUTE_US
        quarters = np.minimum(timeline.day_lengths[days] // 15, _END)
        whole = (_ONE << quarters.astype(np.uint64)) - _ONE & (_ALL << np.uint64(_FIRST))
        people = np.arange(max(len(context.team.ids), 1))[:, None]
        # Alternating, for each person from another day on.
        is_of_before = (_local_days(timeline, days) + people) % 2 == 0
        place = np.arange(len(day_us))
        is_next = place >= next_month - first
        is_ours = is_next & is_of_before | ~is_next & ((place >= _SHARED_DAYS) | ~is_of_before)
        if context.is_patch:
            is_ours &= place < np.searchsorted(day_us, context.limit_us) - _UNSETTLED_DAYS
        free = np.where(is_ours, whole, np.uint64(0))
        calendar = cls(day_us, free.ravel(), np.zeros(free.size, np.int64))
        calendar._block(context.meetings)
        return calendar

    def _block(self, meetings: Meetings) -> None:
        """Take the time of meetings that are there: of any length, at any time."""
        day = np.searchsorted(self.day_us, meetings.start_us, side="right") - 1
        rows = np.flatnonzero(day >= 0)
        start_us = meetings.start_us[rows] - self.day_us[day[rows]]
        begin = np.minimum(start_us // _QUARTER_US, _END)
        end = np.clip(-(-(start_us + meetings.minutes[rows] * MINUTE_US) // _QUARTER_US), begin, _END)
        self._take(meetings.person[rows] * len(self.day_us) + day[rows], begin, end - begin)

    def _take(self, of_day: I64, slot: I64, quarters: I64) -> None:
        span = (_ONE << quarters.astype(np.uint64)) - _ONE
        np.bitwise_and.at(self.free, of_day, ~(span << slot.astype(np.uint64)))
        np.add.at(self.busy, of_day, quarters)

    def book(self, author: I64, wanted_us: I64, after_us: I64, minutes: I64) -> tuple[I64, Mask]:
        """Starts (us) of meetings near ``wanted_us``, later than ``after_us``; and which found room.

        Who wanted a time that is taken meets later on the same day, or on another one.
        """
        days, count = len(self.day_us), len(wanted_us)
        start_us, has_room = wanted_us.copy(), np.zeros(count, bool)
        quarters = minutes // 15
        wanted_day = np.clip(np.searchsorted(self.day_us, wanted_us, side="right") - 1, 0, days - 1)
        wanted_slot = np.clip((wanted_us - self.day_us[wanted_day]) // _QUARTER_US, 0, _END - quarters)
        pending, move = np.arange(count), np.zeros(count, np.int64)
        while len(pending):
            day = wanted_day[pending] + _MOVES[move[pending]]
            is_day = (day >= 0) & (day < days)
            day = np.clip(day, 0, days - 1)
            of_day = np.maximum(author[pending], 0) * days + day
            length = quarters[pending]
            earliest = (after_us[pending] - self.day_us[day]) // _QUARTER_US + 1
            low = np.clip(np.maximum(wanted_slot[pending], earliest), 0, _BITS - 1).astype(np.uint64)
            room = _beginnings(self.free[of_day], length) >> low << low
            fits = is_day & (room != 0) & (self.busy[of_day] + length <= _MOST_A_DAY)
            slot = np.bitwise_count((room & (~room + _ONE)) - _ONE).astype(np.int64)
            tried = np.flatnonzero(fits)
            # Of those who want the same time the first one gets it; the others try again.
            order = ascending(of_day[tried] * _BITS + slot[tried])
            tried = tried[order]
            begin = of_day[tried] * _BITS + slot[tried]
            end = begin + length[tried]
            is_apart = begin >= np.append(0, np.maximum.accumulate(end))[: len(begin)]
            has_time = self.busy[of_day[tried]] + _so_far(of_day[tried], length[tried]) <= _MOST_A_DAY
            taken = tried[is_apart & has_time]
            booked = pending[taken]
            start_us[booked] = self.day_us[day[taken]] + slot[taken] * _QUARTER_US
            has_room[booked] = True
            self._take(of_day[taken], slot[taken], length[taken])
            move[pending[~fits]] += 1
            pending = pending[~has_room[pending]]
            pending = pending[move[pending] < len(_MOVES)]
        return start_us, has_room


def _local_days(timeline: Timeline, days: slice) -> I64:
    """A number for each working day, the same whichever months the timeline has."""
    last = timeline.day_starts[days] + timeline.day_lengths[days] - 1
    return timeline.minutes[last] // (24 * 60)


def _so_far(group: I64, amount: I64) -> I64:
    """Running sums within each group of equal neighbours."""
    total = np.cumsum(amount)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return total - np.repeat((total - amount)[starts], np.diff(starts, append=len(group)))


def _beginnings(free: U64, quarters: I64) -> U64:
    """The bits at which so many quarters (2, 4, 6 or 8) are free."""
    two, four = np.uint64(2), np.uint64(4)
    runs = [free & free >> _ONE]
    runs.append(runs[0] & runs[0] >> two)
    runs += [runs[1] & runs[0] >> four, runs[1] & runs[1] >> four]
    return np.stack(runs)[quarters // 2 - 1, np.arange(len(free))]
