"""The minutes of a UTC month in which a tenant's rows may be made: when people work, and when others arrive.

Work is Monday to Friday (or the country's own week), 07:00 to 20:59 in the tenant's time zone, on no public
holiday. People who arrive by themselves do so on any day and at any hour. Both are cut with the UTC month,
so that no row falls outside its KPI month. Instants are whole microseconds since 1970 UTC (``_us``), minutes
whole minutes since then.

Time zones come from the pinned ``tzdata`` wheel, never from the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.random_streams import I64, U64, scale
from demo_pipeline.domain.core.timezones import load_timezone
from demo_pipeline.domain.reference.countries import load_locale

MINUTE_US: Final = 60_000_000
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US
FIRST_HOUR: Final = 7
LAST_HOUR: Final = 20

#: The kind of person who arrives: of a firm, or a private customer.
Buyer: TypeAlias = Literal["firm", "private"]

#: Relative weight of a minute by local hour, 7 to 20: peaks at 10 and 16, a lunch dip (FIELD: calls).
_HOUR_WEIGHTS: Final = (2, 6, 10, 12, 10, 5, 7, 9, 10, 12, 8, 4, 2, 1)
#: The same for meetings, which start from 9 to 17.
_MEETING_WEIGHTS: Final = (0, 0, 8, 12, 12, 4, 6, 10, 11, 10, 5, 0, 0, 0)
#: The same for tasks, which are due in office hours.
_TASK_WEIGHTS: Final = (0, 2, 10, 12, 10, 6, 6, 8, 10, 12, 14, 0, 0, 0)
#: Assumptions: weights of a minute by local hour, 0 to 23, in which people arrive by themselves, on working
#: days and on free ones. Firms look around in office hours, private customers in the evening and at weekends.
_ARRIVAL_WEIGHTS: Final[dict[Buyer, tuple[tuple[int, ...], tuple[int, ...]]]] = {
    "firm": (
        (4, 3, 2, 2, 3, 6, 14, 30, 60, 90, 100, 95, 75, 80, 95, 95, 85, 60, 40, 30, 28, 24, 16, 9),
        (3, 2, 1, 1, 1, 2, 4, 6, 10, 16, 20, 20, 16, 16, 18, 18, 18, 16, 16, 18, 20, 18, 12, 6),
    ),
    "private": (
        (14, 8, 5, 4, 4, 6, 12, 22, 30, 36, 40, 42, 50, 46, 42, 44, 50, 62, 74, 90, 100, 92, 62, 32),
        (20, 12, 7, 5, 4, 4, 7, 14, 26, 44, 60, 68, 66, 64, 66, 68, 70, 72, 74, 82, 88, 84, 62, 36),
    ),
}
#: Monday to Sunday: Wednesday most, Friday least.
_WEEKDAY_WEIGHTS: Final = (95, 105, 110, 105, 80, 60, 60)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTES_OF_24_HOURS: Final = 24 * 60
_MINUTES_A_DAY: Final = (LAST_HOUR - FIRST_HOUR + 1) * 60
_HOUR_MINUTES: Final = 60
#: The same for the days on which deals close: Tuesday best, Friday worst (FIELD).
_CLOSING_WEEKDAYS: Final = (100, 128, 105, 100, 70, 60, 60)
#: What a day of a quarter's last week weighs more, in per cent, unless it is among the month's last days.
_QUARTER_END: Final = 180
_LAST_DAYS: Final = 3
_A_WEEK: Final = 7
#: Running sums over the minutes of a working day: when meetings start, and when tasks are due.
MEETING_HOURS: Final = np.cumsum(np.repeat(np.array(_MEETING_WEIGHTS, np.int64), 60))
TASK_HOURS: Final = np.cumsum(np.repeat(np.array(_TASK_WEIGHTS, np.int64), 60))


@dataclass(frozen=True)
class WeightedMinutes:
    """Working minutes, ascending, in blocks of equal weight."""

    #: shape (k,)
    minutes: I64
    #: place of each block's first minute, shape (blocks,)
    starts: I64
    #: weight of a minute of each block
    weights: I64
    #: running sums of the weights of the blocks, 0 before them, shape (blocks + 1,)
    cumulative: I64

    def until(self, end_us: int) -> WeightedMinutes:
        """The minutes that have passed by ``end_us`` (us); may be none."""
        count = int(np.searchsorted(self.minutes, end_us // MINUTE_US))
        if count == len(self.minutes):
            return self
        starts = self.starts[self.starts < count]
        weights = self.weights[: len(starts)]
        sums = np.diff(starts, append=count) * weights
        cumulative = np.concatenate([[0], np.cumsum(sums)])
        return WeightedMinutes(self.minutes[:count], starts, weights, cumulative)

    def weight_before(self, slots: I64) -> I64:
        """Weight of all minutes before each of the places (0 to their number), shape (n,)."""
        block = np.maximum(np.searchsorted(self.starts, slots, side="right") - 1, 0)
        return self.cumulative[block] + (slots - self.starts[block]) * self.weights[block]

    def slot_at(self, weight: I64) -> I64:
        """The place of the minute in which each running weight (below the whole weight) lies, shape (n,)."""
        # Two steps, since a search among some hundred blocks stays in the processor's cache.
        block = np.searchsorted(self.cumulative, weight, side="right") - 1
        return self.starts[block] + (weight - self.cumulative[block]) // self.weights[block]

    def draw(self, places: U64, fractions: U64, *, after_us: int | None = None) -> I64:
        """Instants (us) for two columns of draws, later than the minute of ``after_us`` if given.

        Where the month has no minute left, the last one is taken: the caller bounds from below.
        """
        first = 0
        if after_us is not None:
            start = int(np.searchsorted(self.minutes, after_us // MINUTE_US, side="right"))
            start = min(start, len(self.minutes) - 1)
            first = int(self.weight_before(np.array([start]))[0])
        slot = self.slot_at(scale(places, int(self.cumulative[-1]) - first) + first)
        return self.minutes[slot] * MINUTE_US + scale(fractions, MINUTE_US)


@dataclass(frozen=True, eq=False)
class Timeline:
    """All working minutes of a span of months."""

    calendar: Calendar
    first: Month
    last: Month
    #: ascending, shape (k,)
    minutes: I64

    @cached_property
    def day_starts(self) -> I64:
        """Places at which each working day begins."""
        return np.concatenate([[0], 1 + np.flatnonzero(np.diff(self.minutes) > 1)])

    @cached_property
    def day_lengths(self) -> I64:
        """Minutes of each working day; the first and the last may be cut by the end of a month."""
        return np.diff(self.day_starts, append=len(self.minutes))

    @cached_property
    def dates(self) -> I64:
        """The local date of each working day, days since 1970."""
        months = self.first.until(self.last)
        # Ordered, and once where the end of a month cuts a day.
        days = dict.fromkeys(one.day for month in months for one in _working_days(self.calendar, month))
        return np.array([day.toordinal() for day in days], np.int64) - _EPOCH.toordinal()

    def local_us(self, instants_us: I64) -> I64:
        """Instants of work as the clock on the wall shows them, in microseconds since 1970."""
        slots = np.searchsorted(self.minutes, instants_us // MINUTE_US)
        day = np.maximum(np.searchsorted(self.day_starts, slots, side="right") - 1, 0)
        opened = self.dates[day] * DAY_US + FIRST_HOUR * HOUR_US
        # Of the first day only the end may be there.
        opened += np.where(day == 0, (_MINUTES_A_DAY - int(self.day_lengths[0])) * MINUTE_US, 0)
        return opened + instants_us - self.minutes[self.day_starts[day]] * MINUTE_US

    def closing(self, last_days_percent: int) -> WeightedMinutes:
        """The same minutes by how often deals close in them.

        ``last_days_percent``: what each of a month's last three working days weighs, 100 as any other; above
        100 a quarter's last week counts for more, too.
        """
        return _closing_minutes(self, last_days_percent)


@dataclass(frozen=True)
class Calendar:
    """The working time of one tenant."""

    timezone: str
    #: weekday numbers that are free, Monday 0
    weekend: tuple[int, ...]
    holidays: frozenset[date]

    def month(self, month: Month) -> WeightedMinutes:
        return _work_month(self, month)

    def arrivals(self, month: Month, buyer: Buyer) -> WeightedMinutes:
        """All minutes of the month, by how often people arrive in them by themselves."""
        return _arrivals(self, month, buyer)

    def timeline(self, first: Month, last: Month) -> Timeline:
        """The working minutes from the month ``first`` to ``last``: the same for most months of a job."""
        return _timeline(self, first, last)

    def last_working_day_before(self, month: Month) -> datetime:
        """07:00 local on the last working day that ends before the month: when a tenant signs up."""
        zone = load_timezone(self.timezone)
        day = month.start.date() - timedelta(days=2)
        while not self.is_working_day(day):
            day -= timedelta(days=1)
        return datetime.combine(day, time(FIRST_HOUR), zone)

    def is_working_day(self, day: date) -> bool:
        return day.weekday() not in self.weekend and day not in self.holidays


def tenant_calendar(spec: TenantSpec) -> Calendar:
    """The working time of a tenant."""
    locale = load_locale(spec.country)
    return Calendar(spec.timezone, locale.weekend, locale.holidays)


@lru_cache(maxsize=512)
def _work_month(calendar: Calendar, month: Month) -> WeightedMinutes:
    days = _working_days(calendar, month)
    return _weighted(days, [_WEEKDAY_WEIGHTS[one.day.weekday()] for one in days])


@lru_cache(maxsize=4)
def _arrivals(calendar: Calendar, month: Month, buyer: Buyer) -> WeightedMinutes:
    zone = load_timezone(calendar.timezone)
    first, end = minute_of(month.start), minute_of(month.end)
    before = month.start.date() - timedelta(days=1)
    days = [before + timedelta(days=past) for past in range((end - first) // _MINUTES_OF_24_HOURS + 2)]
    midnights = np.array([minute_of(datetime.combine(day, time(), zone)) for day in days])
    is_free = np.array([not calendar.is_working_day(day) for day in days], np.int64)
    # One block an hour. A day on which the clocks change is an hour off after that, and its last hour longer.
    starts = (midnights[:, None] + np.arange(24) * 60).ravel() - first
    stops = np.minimum(np.append(starts[1:], end - first), end - first)
    starts = np.maximum(starts, 0)
    within = stops > starts
    starts, stops = starts[within], stops[within]
    weights = np.array(_ARRIVAL_WEIGHTS[buyer], np.int64)[is_free].ravel()[within]
    return WeightedMinutes(
        np.arange(first, end, dtype=np.int64),
        starts,
        weights,
        np.concatenate([[0], np.cumsum((stops - starts) * weights)]),
    )


@lru_cache(maxsize=12)
def _closing_minutes(timeline: Timeline, last_days_percent: int) -> WeightedMinutes:
    days: list[_WorkingDay] = []
    weights: list[int] = []
    for month in timeline.first.until(timeline.last):
        of_month = _working_days(timeline.calendar, month)
        days += of_month
        last_week = month.end.date() - timedelta(days=_A_WEEK)
        for left, one in zip(range(len(of_month), 0, -1), of_month, strict=True):
            weight, percent = _CLOSING_WEEKDAYS[one.day.weekday()], 100
            if last_days_percent > 100 and left <= _LAST_DAYS:
                # At the end of a month the weekday matters less.
                weight, percent = (100 + weight) // 2, last_days_percent
            elif last_days_percent > 100 and month.number % 3 == 0 and one.day >= last_week:
                percent = _QUARTER_END
            weights.append(weight * percent)
    return _weighted(days, weights, timeline.minutes)


class _WorkingDay(NamedTuple):
    """A local day, as far as it lies in a UTC month; minutes since 1970 UTC."""

    day: date
    #: the minute in which work begins
    opens: int
    #: the first minute and the end of what lies in the month
    start: int
    stop: int


@lru_cache(maxsize=512)
def _working_days(calendar: Calendar, month: Month) -> tuple[_WorkingDay, ...]:
    """The days with working minutes in the month."""
    zone = load_timezone(calendar.timezone)
    first, last = minute_of(month.start), minute_of(month.end)
    days: list[_WorkingDay] = []
    day = month.start.date() - timedelta(days=1)
    while day <= month.end.date():
        if calendar.is_working_day(day):
            opens = minute_of(datetime.combine(day, time(FIRST_HOUR), zone))
            closes = minute_of(datetime.combine(day, time(LAST_HOUR, 59), zone))
            # A day on which the clocks change during working hours is left out.
            if closes - opens == _MINUTES_A_DAY - 1 and opens < last and closes >= first:
                days.append(_WorkingDay(day, opens, max(opens, first), min(closes + 1, last)))
        day += timedelta(days=1)
    return tuple(days)


def _weighted(days: Sequence[_WorkingDay], weights: list[int], minutes: I64 | None = None) -> WeightedMinutes:
    """The minutes of the days: each day has a weight, its hours have theirs.

    ``minutes`` are those of the days, where they are there already.
    """
    opens, start, stop = np.array([(one.opens, one.start, one.stop) for one in days], np.int64).T[:, :, None]
    hours = np.arange(len(_HOUR_WEIGHTS)) * _HOUR_MINUTES
    # What of each hour lies in the month.
    lengths = np.minimum(hours + _HOUR_MINUTES, stop - opens) - np.maximum(hours, start - opens)
    there = lengths > 0
    length, weight = lengths[there], np.outer(weights, _HOUR_WEIGHTS)[there]
    if minutes is None:
        minutes = np.concatenate([np.arange(one.start, one.stop, dtype=np.int64) for one in days])
    cumulative = np.concatenate([[0], np.cumsum(length * weight)])
    return WeightedMinutes(minutes, np.cumsum(length) - length, weight, cumulative)


@lru_cache(maxsize=4)
def _timeline(calendar: Calendar, first: Month, last: Month) -> Timeline:
    minutes = np.concatenate([calendar.month(month).minutes for month in first.until(last)])
    return Timeline(calendar, first, last, minutes)


def minute_of(instant: datetime) -> int:
    """Whole minutes since 1970 UTC of an aware instant."""
    return int(instant.timestamp()) // 60


def instant_us(instant: datetime) -> int:
    """An aware instant as microseconds since 1970 UTC, exactly."""
    delta = instant - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
