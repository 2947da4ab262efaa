"""Values of deals: exact sums, amounts that a price list explains, no deal that gives the rest away."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import combinations_with_replacement
from math import comb
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from demo_pipeline.domain.core.arrow import Mask
from demo_pipeline.domain.core.deal_values import natural_values
from demo_pipeline.domain.core.random_streams import I64, Stream
from demo_pipeline.domain.generation.deal_prices import within_limits
from demo_pipeline.domain.generation.price_lists import (
    ANY_PIECES,
    BASKET,
    ODD,
    PIECES,
    PLAIN,
    Lines,
    PriceList,
    price_list,
)
from demo_pipeline.domain.generation.prices import PriceDraws, price
from demo_pipeline.domain.reference.industries import INDUSTRIES, load_industry
from tests.seeded_random import SeededRandom

F64 = NDArray[np.float64]

#: Minor units for a US cent: dollars, and yen, which have no minor unit.
DOLLARS, YEN = Fraction(1), Fraction(3, 2)
_UNITS: Final = {DOLLARS: 100, YEN: 1}
#: Industries whose amounts may be odd.
WITH_CARRIERS: Final = [key for key in INDUSTRIES if load_industry(key).pricing.odd_percent]
SHOP: Final = "ecommerce"
_WHALES_PPM: Final = 50_000


@cache
def prices_of(industry: str, level: Fraction = DOLLARS) -> PriceList:
    """The price list of an industry."""
    return price_list(load_industry(industry).pricing, level, _UNITS[level])


def natural_of(industry: str, count: int, seed: int) -> I64:
    """Natural sizes of a group, US cents."""
    about = load_industry(industry)
    drawn = Stream(("sizes", industry, str(count), str(seed))).raw("value", count)
    return natural_values(drawn, about.deal_quantiles, _WHALES_PPM, about.largest_deal)


def draws_of(industry: str, count: int, seed: int) -> PriceDraws:
    """Draws of a group."""
    stream = Stream(("prices", industry, str(count), str(seed)))
    hundred, any_pieces = np.full(count, 100), np.full(count, ANY_PIECES)
    return PriceDraws(stream.raw("line", count), stream.raw("odd", count), hundred, any_pieces)


def priced(
    industry: str, count: int, seed: int, total: int | None = None, level: Fraction = DOLLARS
) -> Lines:
    """A group of deals, half of them with a round total, which is met."""
    natural = natural_of(industry, count, seed)
    whole = int(natural.sum()) * level.numerator // level.denominator
    if total is None:
        total = whole // 100_000 * 100_000 if seed % 2 and whole >= 100_000 else whole
    lines = price(natural, total, prices_of(industry, level), draws_of(industry, count, seed))
    assert sum(lines.value.tolist()) == total, (industry, count, seed, total)
    assert int(lines.value.min()) >= 1, (industry, count, seed, total)
    return lines


def groups(industry: str, count: int, number: int) -> Iterator[Lines]:
    """Groups of deals with dollars and cents."""
    return (priced(industry, count, seed) for seed in range(number))


def rows_of(lines: Lines) -> Iterator[tuple[int, int, int, int]]:
    """Value, product, pieces and kind of each line."""
    columns: list[list[int]] = [
        column.tolist() for column in (lines.value, lines.product, lines.pieces, lines.kind)
    ]
    value, product, pieces, kind = columns
    return zip(value, product, pieces, kind, strict=True)


def is_odd(industry: str, lines: Lines) -> Mask:
    """Which values are not what their lines say, by the facts of the pack."""
    return np.array([not is_explained(industry, *row) for row in rows_of(lines)])


def is_explained(industry: str, value: int, product: int, pieces: int, kind: int) -> bool:
    """Whether a value in US cents is what its own line costs, worked out from the facts of the pack."""
    pricing = load_industry(industry).pricing
    if kind == ODD:
        return False
    if pricing.kind == "pieces":
        whole = pricing.products[product].price_cents * pricing.periods
        nets = [whole * (1000 - discount) // 1000 for discount, _ in pricing.discounts]
        return (kind == PIECES) == (pieces > 1) and value in [pieces * net for net in nets]
    if pricing.kind == "baskets":
        if kind == PIECES:
            return pieces > 3 and value == pieces * pricing.products[product].price_cents
        return (kind == BASKET) == (pieces > 1) and value in basket_amounts(industry, product, pieces)
    if pricing.kind == "written":
        return len(str(value).rstrip("0")) <= 3 and (value < 300 or value % 100 == 0)
    usual = next(
        (step for below, step in pricing.steps_cents[:-1] if value < below), pricing.steps_cents[-1][1]
    )
    return value % min(usual, 10 ** max(len(str(value)) - 2, 0)) == 0


@cache
def basket_amounts(industry: str, product: int, pieces: int) -> frozenset[int]:
    """What baskets with this product cost, with shipping and each voucher, US cents."""
    pricing = load_industry(industry).pricing
    every = [one.price_cents for one in pricing.products]
    others = combinations_with_replacement(every, pieces - 1)
    sums = {every[product] + sum(more) for more in others}
    shipping, free_from = pricing.shipping_cents
    shipped = {one + shipping if one < free_from else one for one in sums}
    return frozenset(one * (1000 - voucher) // 1000 for one in shipped for voucher, _ in pricing.discounts)


def at_most(hits: int, tries: int, chance: Fraction) -> float:
    """The probability of so many hits or fewer."""
    ways = sum(comb(tries, k) * chance**k * (1 - chance) ** (tries - k) for k in range(hits + 1))
    return float(ways)


@pytest.mark.parametrize("industry", INDUSTRIES)
def test_any_total_is_met_by_any_number_of_deals(industry: str) -> None:
    """From one minor unit a deal to 10**15 in all, with and without a minor unit: the sum is the total."""
    seeded = SeededRandom(INDUSTRIES.index(industry))
    for seed in range(150):
        count = seeded.between(1, 40)
        total = seeded.one_of((count, count + seeded.below(5 * count), 10 ** seeded.between(3, 15)))
        total = max(count, total - seeded.below(1 + total // 3))
        priced(industry, count, seed, total, seeded.one_of((DOLLARS, YEN)))


def test_less_than_a_minor_unit_a_deal_is_refused() -> None:
    """Nothing is shared out where a deal would be worth nothing; no deals are worth nothing."""
    none = price(np.empty(0, np.int64), 0, prices_of("saas"), draws_of("saas", 0, 1))
    assert len(none.value) == 0
    with pytest.raises(ValueError, match="2 minor units cannot be shared by 3 deals"):
        priced("saas", 3, 1, 2)
    with pytest.raises(ValueError, match="no deal to carry them"):
        price(np.empty(0, np.int64), 5, prices_of("saas"), draws_of("saas", 0, 1))


@pytest.mark.parametrize("industry", INDUSTRIES)
def test_a_value_is_what_its_line_says(industry: str) -> None:
    """Pieces times the price less the discount; a basket with the product; an amount that people write."""
    for lines in groups(industry, 30, 20):
        for row in rows_of(lines):
            assert row[-1] == ODD or is_explained(industry, *row), row


@pytest.mark.parametrize("industry", INDUSTRIES)
def test_a_single_deal_is_plain_unless_its_line_costs_the_total(industry: str) -> None:
    """It is worth the total, whatever that is, and has several pieces only where they cost exactly that."""
    for seed in range(200):
        (row,) = rows_of(priced(industry, 1, seed))
        assert is_explained(industry, *row) or row[2:] == (1, PLAIN), (seed, *row)


def test_a_single_deal_of_a_shop_has_the_order_that_costs_its_total() -> None:
    """Wherever a basket of one to three pieces, or a large order of one product, costs exactly the total."""
    seeded = SeededRandom(1)
    products = load_industry(SHOP).pricing.products
    for seed in range(200):
        product = seeded.below(len(products))
        basket = seeded.one_of(sorted(basket_amounts(SHOP, product, seeded.between(1, 3))))
        twenty = 20 * products[product].price_cents
        # The sum of a large order ends as prices do: 20 × 149.99 is none.
        for total in (basket, twenty) if twenty % 100 == 0 else (basket,):
            (row,) = rows_of(priced(SHOP, 1, seed, total))
            assert is_explained(SHOP, *row), (seed, *row)


@pytest.mark.parametrize("industry", INDUSTRIES)
def test_most_values_have_a_natural_reason(industry: str) -> None:
    """From 12 deals on 80 % at least, from 40 on 87 %, in shops 99 %; odd ones are there all the same."""
    for count, number, least in ((12, 40, 0.80), (40, 30, 0.87), (300, 4, 0.87)):
        odd = np.concatenate([is_odd(industry, lines) for lines in groups(industry, count, number)])
        assert odd.mean() <= (0.01 if industry == SHOP else 1 - least), (count, odd.mean())
        assert industry == SHOP or odd.mean() > 0.05


@pytest.mark.parametrize("industry", WITH_CARRIERS)
@pytest.mark.parametrize("count", [6, 8, 12, 25])
def test_the_largest_deal_is_odd_no_more_and_no_less_often_than_others(industry: str, count: int) -> None:
    """A two-sided binomial test over 400 groups; hardly any group has exactly one odd deal."""
    odd = np.array([is_odd(industry, lines) for lines in groups(industry, count, 400)])
    largest = np.array([int(np.argmax(lines.value)) for lines in groups(industry, count, 400)])
    hits = int(odd[np.arange(400), largest].sum())
    chance = Fraction(int(odd.sum()), odd.size)
    # Of four counts and five industries, one may be beyond 1 in 100 by chance.
    assert min(at_most(hits, 400, chance), 1 - at_most(hits - 1, 400, chance)) > 0.001, hits
    assert (odd.sum(axis=1) == 1).mean() < 0.005


@pytest.mark.parametrize("industry", INDUSTRIES)
def test_values_stay_near_their_natural_size(industry: str) -> None:
    """Against the proportional share the median change is 3 % at most, 95 % change by 20 % at most.

    The spread of the logarithms stays within 3 %, their skewness within 0.1.
    """
    changes: list[F64] = []
    spreads: list[float] = []
    skews: list[float] = []
    for seed in range(40):
        natural = natural_of(industry, 40, seed).astype(float)
        value = priced(industry, 40, seed).value
        shared = natural * (value.sum() / natural.sum())
        changes.append(np.abs(value / shared - 1))
        before, after = np.log(shared), np.log(value)
        spreads.append(after.std() / before.std())
        skews.append(skewness(after) - skewness(before))
    assert np.median(np.concatenate(changes)) <= 0.03
    assert np.quantile(np.concatenate(changes), 0.95) <= 0.20
    assert abs(np.mean(spreads) - 1) <= 0.03
    assert abs(np.mean(skews)) <= 0.1


def skewness(values: F64) -> float:
    """The third standardised moment."""
    return float((((values - values.mean()) / values.std()) ** 3).mean())


@pytest.mark.parametrize("industry", WITH_CARRIERS)
def test_no_two_deals_share_an_odd_amount(industry: str) -> None:
    """Neither within a group nor with what other groups of the month have; and none is a whole number."""
    for seed in range(60):
        used_amounts: set[int] = set()
        for part in range(3):
            count = 60
            natural = natural_of(industry, count, seed * 3 + part) // 400 + 1
            draws = draws_of(industry, count, seed * 3 + part)
            lines = price(natural, int(natural.sum()), prices_of(industry), draws, used_amounts)
            odd = lines.value[lines.kind == ODD].tolist()
            assert len(set(odd)) == len(odd)
            assert not used_amounts & set(odd)
            assert all(value % 100 for value in odd)
            used_amounts |= set(odd)


def test_orders_of_one_piece_end_as_prices_of_shops_do() -> None:
    """85 % and more end in 99, 95 or 90 cents; a product has one price."""
    single = [
        (value, product)
        for lines in groups(SHOP, 40, 60)
        for value, product, _, kind in rows_of(lines)
        if kind == PLAIN
    ]
    assert len(single) > 600
    assert sum(value % 100 in (99, 95, 90) for value, _ in single) / len(single) >= 0.85
    paid: dict[int, list[int]] = {}
    for value, product in single:
        paid.setdefault(product, []).append(value)
    # Shipping and vouchers aside.
    assert all(max(map(values.count, values)) / len(values) > 0.6 for values in paid.values())


@pytest.mark.parametrize("industry", INDUSTRIES)
def test_more_whales_concentrate_value_in_the_largest_deals(industry: str) -> None:
    """The share of the top 5 % rises over the ratios 0, 0.05, 0.1 and 0.2, in each of ten seeds."""
    about = load_industry(industry)
    for seed in range(10):
        drawn = Stream(("whales", industry, str(seed))).raw("value", 600)
        shares: list[float] = []
        for ppm in (0, 50_000, 100_000, 200_000):
            sizes = np.sort(natural_values(drawn, about.deal_quantiles, ppm, about.largest_deal))
            shares.append(float(sizes[-30:].sum() / sizes.sum()))
            assert sizes[-1] <= max(about.largest_deal, about.deal_quantiles[-1])
        assert shares == sorted(set(shares)), (seed, shares)


def test_sizes_keep_within_limits_where_they_can() -> None:
    """Each size is there once; above its limit is one only where no place with a higher limit has room."""
    seeded = SeededRandom(5)
    for count in range(1, 60):
        sizes = np.array([seeded.between(1, 900) for _ in range(count)])
        limits = np.array([seeded.one_of([100, 400, 10_000]) for _ in range(count)])
        order = within_limits(sizes, limits)
        assert sorted(order.tolist()) == list(range(count))
        now = sizes[order]
        for limit in np.unique(limits[now > limits]).tolist():
            assert not ((limits > limit) & (now <= limit)).any()
