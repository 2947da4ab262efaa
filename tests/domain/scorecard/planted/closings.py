"""Planted faults of closings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from demo_pipeline.domain.scorecard.columns import (
    DAY_US,
    LOST,
    OPEN,
    WON,
    Deals,
    TenantColumns,
)
from tests.builders.scorecard_rows import instant, rows, tenant
from tests.domain.scorecard.planted.cases import Case, Cases, both

CASES: Final = Cases()


def closings(created: Sequence[int], closed: Sequence[int], outcome: int = WON, **more: Any) -> Deals:
    """Deals by the month in which they were made, and that in which they were closed."""
    return rows(
        Deals,
        len(created),
        created_us=[instant(month, 3) for month in created],
        closed_us=[instant(month, 20) for month in closed],
        outcome=outcome,
        **more,
    )


def wins_by_close(*counts: int, **facts: Any) -> TenantColumns:
    """Ten wins are made in each month; so many are closed in each."""
    closed = [month for month, count in enumerate(counts) for _ in range(count)]
    created = [month for month in range(12) for _ in range(-(-sum(counts) // 12))]
    return tenant(deals=closings(created[: len(closed)], closed), **facts)


@CASES.add
def closed_in_order() -> Case:
    return both(lambda closed: tenant(deals=closings([5] * 20, [closed] * 20)), 6, 4)


@CASES.add
def even_months() -> Case:
    even = [0, 0, 20, 22, 24, 22, 24, 22, 24, 26, 24, 32]
    return wins_by_close(*even), wins_by_close(*even[:6], 4, *even[7:])


@CASES.add
def as_even_as_declared() -> Case:
    even = [0, 0, 20, 22, 24, 22, 24, 22, 24, 26, 24, 32]
    by_month = {"has_monthly_figures": True}
    return wins_by_close(*even, **by_month), wins_by_close(*even[:6], 4, *even[7:], **by_month)


@CASES.add
def last_month_rise() -> Case:
    return wins_by_close(*[10] * 10, 14, 15), wins_by_close(*[10] * 10, 14, 40)


def cycles(days: Sequence[float], **facts: Any) -> TenantColumns:
    """400 wins and 600 open deals of each month, the wins of a month closed after so many days."""
    created = [instant(month, 3) for month in range(12) for _ in range(400)]
    closed = [instant(month, 3) + int(days[month] * DAY_US) for month in range(12) for _ in range(400)]
    outcome = [WON] * 4800 + [OPEN] * 7200
    created_open = [instant(month, 3) for month in range(12) for _ in range(600)]
    return tenant(
        deals=rows(
            Deals,
            12000,
            created_us=created + created_open,
            closed_us=closed + [-1] * 7200,
            outcome=outcome,
        ),
        **facts,
    )


@CASES.add
def natural_cycles() -> Case:
    return cycles([50] * 9 + [20] * 3), cycles([50] * 8 + [10] + [20] * 3)


@CASES.add
def last_month_cycle() -> Case:
    return cycles([50] * 9 + [20] * 3), cycles([50] * 9 + [20, 20, 6])


@CASES.add
def busiest_day() -> Case:
    def wins(days: int) -> TenantColumns:
        closed = [instant(5, 2 + place % days) for place in range(320)]
        return tenant(deals=rows(Deals, 320, created_us=instant(3), closed_us=closed, outcome=WON))

    return both(wins, 20, 3)


def month_ends(last_weight: int, outcome: int) -> TenantColumns:
    """Six closings on each working day of 2025, six times ``last_weight`` on each of a month's last three."""
    working = [
        (month, day)
        for month in range(12)
        for day in range(1, 29)
        if (instant(month, day) // DAY_US + 3) % 7 < 5
    ]
    # Days after the 28th are given no closings; so the last three of what is left are not the month's last.
    closed = [instant(month, day) for month, day in working for _ in range(6)]
    last = [
        instant(month, 1) - back * DAY_US
        for month in range(1, 13)
        for back in _last_working_days(month)
        for _ in range(6 * last_weight)
    ]
    deals = rows(
        Deals,
        len(closed) + len(last),
        created_us=instant(0, 1, 0),
        closed_us=[*closed, *last],
        outcome=outcome,
    )
    return tenant(deals=deals)


def _last_working_days(month: int) -> list[int]:
    """How many days before the start of a month its predecessor's last three working days are."""
    found = [back for back in range(1, 8) if ((instant(month, 1) - back * DAY_US) // DAY_US + 3) % 7 < 5]
    return found[:3]


@CASES.add
def month_end_wins() -> Case:
    return both(lambda weight: month_ends(weight, WON), 2, 0)


@CASES.add
def month_end_losses() -> Case:
    return both(lambda weight: month_ends(weight, LOST), 4, 1)


@CASES.add
def tuesday_to_friday() -> Case:
    def wins(tuesdays: int) -> TenantColumns:
        days = [instant(month, day) for month in range(12) for day in range(1, 29)]
        weight = {0: 6, 1: 2 * tuesdays, 2: 6, 3: 6, 4: 6}
        closed = [day for day in days for _ in range(weight.get((day // DAY_US + 3) % 7, 0))]
        return tenant(
            deals=rows(Deals, len(closed), created_us=instant(0, 1, 0), closed_us=closed, outcome=WON)
        )

    return both(wins, 4, 3)


@CASES.add
def won_share_varies() -> Case:
    def shares(off: int) -> TenantColumns:
        won = [40 + (off if month % 2 else -off) for month in range(12)]
        outcome = [WON if place < count else OPEN for count in won for place in range(100)]
        created = [instant(month) for month in range(12) for _ in range(100)]
        return tenant(deals=rows(Deals, 1200, created_us=created, closed_us=instant(11, 20), outcome=outcome))

    return both(shares, 4, 0)


@CASES.add
def lost_in_time() -> Case:
    return both(lambda month: tenant(deals=closings([2] * 40, [month] * 40, LOST)), 4, 8)


@CASES.add
def old_open_deals() -> Case:
    def old(count: int) -> TenantColumns:
        won, still = closings([1] * 10, [2] * 10), rows(Deals, count, created_us=instant(1), value=50_00)
        return tenant(deals=joined(won, still))

    # Ten open deals of 50.00 fill what two large ones of 250.00 do.
    def large(count: int) -> TenantColumns:
        won, still = closings([1] * 10, [2] * 10), rows(Deals, count, created_us=instant(1), value=300_00)
        return tenant(deals=joined(won, still))

    return large(12), old(30)


def joined(*tables: Deals) -> Deals:
    """The rows of several tables."""
    names = [name for name in vars(tables[0]) if not name.startswith("_")]
    columns = {name: np.concatenate([getattr(one, name) for one in tables]) for name in names}
    return Deals(**columns)


def expected(days: Sequence[int]) -> TenantColumns:
    """Deals closed on one day, expected so many days later."""
    day = instant(6, 20) // DAY_US
    return tenant(
        deals=closings([4] * 100, [6] * 100, expected_day=[day + off for off in days]),
    )


@CASES.add
def closed_early() -> Case:
    return expected([5, -5, -9, -20]), expected([-5])


@CASES.add
def closed_on_the_day() -> Case:
    return expected([5, -5, -9, -20]), expected([0])


@CASES.add
def open_overdue() -> Case:
    def open_deals(off: Sequence[int]) -> TenantColumns:
        end = instant(12, 1) // DAY_US
        return tenant(deals=rows(Deals, 210, expected_day=[end + days for days in off]))

    return both(open_deals, [-10, 20, 40], [20, 40])
