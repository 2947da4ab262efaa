"""What each deal of a month is about and worth: won and open values sum to the figures, lost ones are free.

Which deals are won, open or lost, and how large each is by nature, is decided in ``deals``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from demo_pipeline.domain.core.deal_values import in_proportion
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.random_streams import I64, pick, quantile
from demo_pipeline.domain.generation.context import Draws, MonthContext
from demo_pipeline.domain.generation.price_lists import ODD, Lines, no_lines
from demo_pipeline.domain.generation.prices import PriceDraws, price
from demo_pipeline.domain.reference.countries import Locale, units_per_usd

#: A lost deal is at most so many times as large as the month's largest other one.
_LOST_AT_MOST: Final = 3
_PPM: Final = 1_000_000
#: Assumption: prices of the smallest and of the largest city of a country, per cent of the usual ones.
_CITY_PERCENT: Final = (75, 145)
_EVERYWHERE: Final = 100


@dataclass(frozen=True)
class Offers:
    """What the deals of a month are about, shape (n,) each."""

    lines: Lines
    #: place among the locale's cities, where prices differ by city; else 0
    city: I64

    def __getitem__(self, rows: slice) -> Offers:
        """The offers of some of the deals."""
        return Offers(self.lines[rows], self.city[rows])


def price_deals(
    context: MonthContext,
    figures: Figures,
    draws: Draws,
    natural: I64,
    people: I64,
    groups: tuple[I64, I64, I64],
) -> Offers:
    """Offers for deals of natural sizes (US cents), shape (n,); ``groups`` are the won, open and lost rows.

    ``people`` are those of the customer's company, at most; 0: there is none. A row in no group is worth
    nothing.
    """
    won, opened, lost = groups
    lines = no_lines(len(natural))
    city, percent = _cities(context, draws)
    prices = context.prices
    most = prices.most_pieces(people)
    price_draws = PriceDraws(draws("price_line"), draws("price_lot"), percent, most)
    used_amounts: set[int] = set()

    def fill(rows: I64, sizes: I64, total_minor: int) -> None:
        if len(rows) > 1:
            wanted, limit = in_proportion(sizes, total_minor), prices.largest(people[rows])
            sizes = sizes[within_limits(wanted, limit)]
        priced = price(sizes, total_minor, prices, price_draws[rows], used_amounts)
        for name, column in vars(lines).items():
            column[rows] = getattr(priced, name)
        used_amounts.update(priced.value[priced.kind == ODD].tolist())

    fill(won, natural[won], figures.closed_won_value)
    fill(opened, natural[opened], figures.open_value)
    fill(lost, *_lost(context, figures, draws, natural, (won, lost), lines.value))
    prices.leave_uncounted(lines, lines.pieces > people)
    return Offers(lines, city)


def within_limits(sizes: I64, limits: I64) -> I64:
    """An order of the sizes in which as few as possible are above the limit of their place, shape (n,).

    A size above the limit changes places with a lower one of a place with a higher limit.
    """
    order = np.arange(len(sizes))
    for limit in np.unique(limits)[:-1].tolist():
        now = sizes[order]
        over = np.flatnonzero((limits == limit) & (now > limit))
        free = np.flatnonzero((limits > limit) & (now <= limit))
        count = min(len(over), len(free))
        if count == 0:
            continue
        # The highest of those above change with the highest of the others: the order stays as it can.
        over = over[np.argsort(-now[over], kind="stable")][:count]
        free = free[np.argsort(-now[free], kind="stable")][:count]
        free = free[np.argsort(-limits[free], kind="stable")]
        order[over], order[free] = order[free], order[over]
    return order


def minor_per_natural(context: MonthContext) -> tuple[int, int]:
    """Minor units of the tenant's money for a natural unit, a US cent, as a ratio."""
    units, usd = units_per_usd(context.spec.currency).as_integer_ratio()
    return units * 10**context.spec.currency.minor_digits, usd * 100


def _lost(
    context: MonthContext,
    figures: Figures,
    draws: Draws,
    natural: I64,
    groups: tuple[I64, I64],
    others: I64,
) -> tuple[I64, int]:
    """Natural sizes of the lost deals, and their sum in minor units; ``others`` has all other values."""
    won, lost = groups
    sizes, count = natural[lost], len(lost)
    if count == 0:
        return sizes, 0
    minor, unit = (
        (figures.closed_won_value, int(natural[won].sum())) if len(won) else minor_per_natural(context)
    )
    largest = int(others.max(initial=0)) * _LOST_AT_MOST
    if largest:
        # Lost value is in no figure: nothing else keeps a plan of few large deals from losing billions.
        limit = largest * unit // max(minor, 1)
        beyond = np.flatnonzero(sizes > limit)
        ordinary = quantile(draws("value")[lost[beyond]], context.industry.deal_quantiles)
        sizes[beyond] = np.minimum(sizes[beyond], np.maximum(ordinary, 1))
        if int(sizes.max()) > limit:
            minor, unit = largest, int(sizes.max())
    total = int(sizes.sum()) * minor // unit
    asked = context.spec.lost_value_ppm
    if asked is not None and figures.pipeline_added_value:
        total = figures.pipeline_added_value * asked // _PPM
    return sizes, max(total, count)


def _cities(context: MonthContext, draws: Draws) -> tuple[I64, I64]:
    """Where each deal is, as a place among the cities, and the level of prices there, per cent."""
    count = len(draws.order)
    if not context.industry.pricing.by_city:
        return np.zeros(count, np.int64), np.full(count, _EVERYWHERE)
    city = pick(draws("price_city"), context.locale.places.cumulative)
    if context.industry.pricing.is_declared:
        return city, np.full(count, _EVERYWHERE)
    return city, _city_levels(context.locale)[city]


@lru_cache
def _city_levels(locale: Locale) -> I64:
    """Prices in each city, per cent: the larger, the dearer."""
    weights = np.diff(locale.places.cumulative, prepend=0)
    low, high = _CITY_PERCENT
    rank = np.argsort(np.argsort(weights, kind="stable"), kind="stable")
    return low + rank * (high - low) // max(len(weights) - 1, 1)
