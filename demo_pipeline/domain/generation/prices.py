"""Values of deals that a price list explains and that sum to a total to the minor unit.

In numbered stages, for the deals of one month and outcome:

1. the natural sizes are scaled to the total, with integers;
2. some deals of every group, by lot, have an odd amount for a reason of the trade: *carriers*;
3. all others take the nearest amount of the price list;
4. what is missing or over goes out in whole pieces or steps, deal by deal in a drawn order;
5. what then remains, less than a deal, is shared by the carriers in proportion.

Conservation: the values sum to the total, always, and each is at least 1. No single deal gives the remainder
away: carriers are there whether they are needed or not, and the largest deal is one as often as any other.

Known drawbacks: a single deal is worth the total, whatever it is; where no line of the price list costs
exactly that, it has a product and no reason for the amount. Where even the cheapest offer is beyond a deal's
share, values are shared in proportion, with products all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

import numpy as np

from demo_pipeline.domain.core.deal_values import apportion_values, in_proportion
from demo_pipeline.domain.core.random_streams import I64, U64, ascending, scale
from demo_pipeline.domain.generation.price_lists import ODD, Lines, PriceList, plain_lines

#: From so many deals on a group has two carriers at least; below, a carrier only where one is needed.
_SEVERAL: Final = 6
#: All but the smallest part may be carriers.
_SMALLEST: Final = 20
#: A carrier is moved by up to so many millionths before it takes its share of what remains.
_SHIFT_PPM: Final = 60_000
_PPM: Final = 1_000_000
#: What remains is at most this part of the sum of the carriers.
_LEAST_CARRIED: Final = 8
#: A step moves a deal by at most this part of it.
_MOST_MOVED: Final = 12
_PERCENT: Final = 100
_SECOND: Final = np.uint64(32)


@dataclass(frozen=True)
class PriceDraws:
    """Draws of the deals, and what their customers are, shape (n,) each."""

    #: product, discount and form
    line: U64
    #: lot and shift of carriers
    lot: U64
    #: prices in the deal's city, per cent of the usual ones
    level_percent: I64
    #: of one product, that the customer buys at most
    most_pieces: I64

    def __getitem__(self, rows: I64) -> PriceDraws:
        """The draws of some of the deals."""
        return PriceDraws(self.line[rows], self.lot[rows], self.level_percent[rows], self.most_pieces[rows])


def price(
    natural: I64, total_minor: int, prices: PriceList, draws: PriceDraws, used_amounts: Iterable[int] = ()
) -> Lines:
    """Lines whose values, each at least 1, follow ``natural`` and sum to ``total_minor``.

    No odd amount is one of ``used_amounts``, another's or a whole number of the currency's units, where there
    are two carriers to avoid it.
    ``ValueError`` where the total is below one minor unit a deal.
    """
    deals = len(natural)
    wanted = in_proportion(natural, total_minor)
    lines = prices.nearest(wanted, draws.line, draws.level_percent, draws.most_pieces)
    if deals == 0:
        return lines
    if deals == 1:
        return prices.costing(total_minor, lines)
    found = _met(wanted, total_minor, prices, lines, draws, used_amounts)
    if found is not None:
        return found
    return plain_lines(lines, apportion_values(natural, total_minor))


def _met(
    wanted: I64, total: int, prices: PriceList, lines: Lines, draws: PriceDraws, used_amounts: Iterable[int]
) -> Lines | None:
    """The lines moved so that they sum to the total; None where that would distort them."""
    deals, value = len(wanted), lines.value
    order = ascending((draws.lot >> np.uint64(1)).astype(np.int64))
    lot = order
    if deals >= _SMALLEST:
        is_small = np.zeros(deals, bool)
        is_small[ascending(wanted)[: deals // _SMALLEST]] = True
        lot = order[~is_small[order]]
    percent = prices.pricing.odd_percent
    carriers = max((deals * percent + _PERCENT // 2) // _PERCENT, 2) if percent and deals >= _SEVERAL else 0
    shifted = _shifted(wanted, draws.lot)
    most = wanted // _MOST_MOVED
    value[lot[:carriers]] = shifted[lot[:carriers]]
    most[lot[:carriers]] = 0
    rest = prices.absorb(lines, total - int(value.sum()), order, most)
    while rest and abs(rest) * _LEAST_CARRIED > int(value[lot[:carriers]].sum()):
        if carriers == len(lot):
            return None
        more = lot[carriers : carriers + 1 + carriers // 2]
        value[more] = shifted[more]
        carriers += len(more)
        rest = total - int(value.sum())
    odd = lot[:carriers]
    if carriers:
        shared = _shared(value[odd].tolist(), rest)
        value[odd] = _distinct(shared, {*used_amounts}, prices.unit)
        lines.kind[odd] = ODD
    return lines if int(value.min()) > 0 else None


def _shifted(wanted: I64, draws: U64) -> I64:
    """Moved by a drawn share, to the minor unit."""
    ppm = scale(draws << _SECOND, 2 * _SHIFT_PPM + 1) - _SHIFT_PPM
    # In two parts: the product may exceed 64 bits.
    whole, part = wanted // _PPM, wanted % _PPM
    return np.maximum(wanted + whole * ppm + part * ppm // _PPM, 1)


def _shared(values: list[int], rest: int) -> list[int]:
    """The values with ``rest`` shared among them in proportion, the last of it with the last."""
    whole = sum(values)
    more = [rest * value // whole for value in values]
    more[-1] += rest - sum(more)
    return [value + add for value, add in zip(values, more, strict=True)]


def _distinct(values: list[int], used_amounts: set[int], unit: int) -> list[int]:
    """The same sum, every value once and odd, where there are two values or more.

    None is one of ``used_amounts`` or so many times ``unit``: a deal that is round by accident would leave
    the others alone with the rest. A value moves to the nearest free one; the last takes what that changes.
    """
    used = set(used_amounts)

    def is_free(value: int) -> bool:
        return value not in used and (value % unit > 0 or unit == 1)

    own = set(values)
    if len(values) < 2 or (len(own) == len(values) and all(map(is_free, values))):
        return values
    *others, last = values
    whole = last + sum(others)
    for place, value in enumerate(others):
        others[place] = next(filter(is_free, _around(value)))
        used.add(others[place])
    first = others[0]
    used.discard(first)
    for others[0] in filter(is_free, _around(first)):
        last = whole - sum(others)
        if is_free(last) and last != others[0]:
            break
    return [*others, last]


def _around(value: int) -> Iterator[int]:
    """The value, then value ± 1, ± 2, …; never below 1."""
    yield value
    for change in count(1):
        yield value + change
        if change < value:
            yield value - change
