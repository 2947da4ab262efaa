"""Planted faults of money."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from demo_pipeline.domain.scorecard.columns import (
    HOUR_US,
    LOST,
    OPEN,
    WON,
    Activities,
    Companies,
    Contacts,
    Deals,
    TenantColumns,
)
from demo_pipeline.domain.scorecard.statistics import Ints
from tests.builders.scorecard_rows import instant, rows, tenant
from tests.domain.scorecard.planted.cases import Case, Cases, both, lot

CASES: Final = Cases()


def correlated(weight: float) -> tuple[Ints, Ints]:
    """Two columns of 900 numbers whose ranks go together as far as ``weight``."""
    first, noise = lot(900, 900, 1), lot(900, 900, 2)
    return first, (weight * first + (1 - weight) * noise).astype(np.int64)


@CASES.add
def size_to_value() -> Case:
    def deals(weight: float) -> TenantColumns:
        size, value = correlated(weight)
        companies = rows(Companies, 900, size=size // 150)
        return tenant(companies=companies, deals=rows(Deals, 900, company=range(900), value=100 + value))

    return both(deals, 0.3, 0.0)


@CASES.add
def value_to_cycle() -> Case:
    def deals(weight: float) -> TenantColumns:
        value, days = correlated(weight)
        closed = instant(1) + (1 + days) * HOUR_US
        return tenant(deals=rows(Deals, 900, value=100 + value, closed_us=closed, outcome=WON))

    return both(deals, 0.25, 0.0)


@CASES.add
def value_to_activities() -> Case:
    def deals(weight: float) -> TenantColumns:
        value, count = correlated(weight)
        deal = np.repeat(np.arange(900), count // 90)
        return tenant(
            deals=rows(Deals, 900, value=100 + value), activities=rows(Activities, len(deal), deal=deal)
        )

    return both(deals, 0.25, 0.0)


def amounts(
    value: Sequence[int], per_month: int = 20, industry: str = "trading", **more: Any
) -> TenantColumns:
    """Deals of twelve months with these values, in turn; the outcome of each month is the same."""
    count = 12 * per_month
    created = [instant(place // per_month) for place in range(count)]
    return tenant(deals=rows(Deals, count, created_us=created, value=value, **more), industry=industry)


#: what people write, and an amount to the cent, in cents
ROUND: Final = [1_500_00, 2_300_00, 12_500_00, 9_000_00, 4_800_00]


@CASES.add
def written_amounts() -> Case:
    return amounts([*ROUND, *ROUND, 7_213_57]), amounts([*ROUND, 7_213_57, 3_100_11])


@CASES.add
def largest_is_odd() -> Case:
    def months(odd: int) -> TenantColumns:
        # 24 months of ten deals; two of each are odd, the largest of them in ``odd`` of 24.
        value = list[int]()
        for month in range(24):
            body = [1_000_00 * (1 + place) for place in range(8)] + [1_234_56 + month, 2_345_67 + month]
            body[7] = 20_000_00
            if month < odd:
                body[8] = 30_000_11 + month
            value += body
        created = [instant(place // 20) for place in range(240)]
        outcome = [WON if place // 10 % 2 else OPEN for place in range(240)]
        return tenant(
            deals=rows(Deals, 240, value=value, created_us=created, outcome=outcome), industry="trading"
        )

    return both(months, 5, 23)


def odd_in_each_month(odd: int) -> TenantColumns:
    """Twenty-four groups of ten deals, of which ``odd`` are odd."""
    value = [1_234_56 + 777 * place if place % 10 < odd else ROUND[place % 5] for place in range(240)]
    created = [instant(place // 20) for place in range(240)]
    outcome = [WON if place // 10 % 2 else OPEN for place in range(240)]
    return tenant(
        deals=rows(Deals, 240, value=value, created_us=created, outcome=outcome), industry="trading"
    )


@CASES.add
def single_odd_deals() -> Case:
    return both(odd_in_each_month, 2, 1)


@CASES.add
def odd_by_outcome() -> Case:
    def deals(odd_won: int) -> TenantColumns:
        value = [
            1_234_56 + place if place // 3 % 10 < (odd_won if place % 3 == WON else 2) else ROUND[place % 5]
            for place in range(3600)
        ]
        return tenant(
            deals=rows(Deals, 3600, value=value, outcome=[place % 3 for place in range(3600)]),
            industry="trading",
        )

    return both(deals, 2, 6)


@CASES.add
def equal_odd_amounts() -> Case:
    return amounts([place * 1_111_11 for place in range(1, 241)]), amounts([1_234_56, 5_000_00])


@CASES.add
def largest_lost_alike() -> Case:
    def lost(cap: int) -> TenantColumns:
        value = np.minimum(np.arange(1, 501) * 1_000_00, cap)
        return tenant(deals=rows(Deals, 500, value=value, outcome=LOST))

    return both(lost, 10**9, 450_000_00)


@CASES.add
def price_spread() -> Case:
    def plans(price: Sequence[int]) -> TenantColumns:
        seats = [5 + place % 7 for place in range(120)]
        value = [count * price[place % len(price)] for place, count in enumerate(seats)]
        title = [f"Team Plan for {count} seats" for count in seats]
        return tenant(deals=rows(Deals, 120, title=title, value=value))

    return both(plans, [600_00, 540_00], [600_00, 20_00])


@CASES.add
def benford() -> Case:
    spread = (100 * 10 ** (np.arange(1000) / 250)).astype(np.int64)
    return (
        tenant(deals=rows(Deals, 1000, value=spread)),
        tenant(deals=rows(Deals, 1000, value=500_00 + np.arange(1000))),
    )


def log_normal(spread: float, count: int = 400) -> Ints:
    """Values that are about log-normal: sums of twelve even numbers make the bell."""
    bell = sum(lot(count, count, key) for key in range(12)) / count - 6
    return (10_000_00 * np.exp(spread * np.asarray(bell))).astype(np.int64)


@CASES.add
def value_spread() -> Case:
    return both(lambda spread: tenant(deals=rows(Deals, 400, value=log_normal(spread))), 1.4, 0.3)


@CASES.add
def top_share() -> Case:
    def deals(spread: float) -> TenantColumns:
        return tenant(deals=rows(Deals, 600, value=log_normal(spread, 600), outcome=WON))

    return both(deals, 1.4, 0.2)


@CASES.add
def dearest_month() -> Case:
    def months(dear: int) -> TenantColumns:
        value = [1_000_00] * 20 * 11 + [dear] * 20
        return amounts(value, outcome=WON)

    return both(months, 2_000_00, 9_000_00)


@CASES.add
def lost_value() -> Case:
    def deals(value: int) -> TenantColumns:
        outcome = [OPEN, LOST]
        return tenant(deals=rows(Deals, 200, value=[1_000_00, value], outcome=outcome), lost_value_ratio=1.5)

    return both(deals, 1_500_00, 3_000_00)


@CASES.add
def silent_leads() -> Case:
    def leads(silent: int) -> TenantColumns:
        contact = [place for place in range(500) if place % 10 >= silent]
        return tenant(
            contacts=rows(Contacts, 500, status="lead"),
            activities=rows(Activities, len(contact), contact=contact),
        )

    return both(leads, 2, 0)
