"""What deals are worth: prices that follow product and buyer, totals that no single deal gives away.

A *written* amount is one that the trade writes by itself: list price times seats in software, round amounts
where people move money, steps of 500 for property (100 below 10,000), price endings in shops. The others are
*odd*: to the minor unit, for a reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from demo_pipeline.domain.scorecard.columns import (
    LOST,
    MISSING,
    OPEN,
    WON,
    Facts,
    TenantColumns,
    at,
    month_text,
)
from demo_pipeline.domain.scorecard.measure import ASSUMPTION, Expected, Figure, Measure, Range, Unit, only
from demo_pipeline.domain.scorecard.statistics import Bools, Floats, Ints, ranks, spearman, two_sided

_STORIES: Final = "simulation of 40 months of each trade"
#: industries whose amounts are round
_ROUND: Final = ("trading", "igaming", "finserv")
#: endings of prices in shops, in hundredths, and the price of shipping
_ENDINGS, _SHIPPING = (99, 95, 90, 0), 495
#: what vouchers take off an order, per cent
_VOUCHERS: Final = (0, 5, 10, 15)
#: hundredths in which an order of one to three pieces ends, with or without shipping
_ORDER_ENDINGS: Final = tuple(
    sorted(
        {
            (sum(pieces) + shipping) % 100
            for count in (1, 2, 3)
            for pieces in combinations_with_replacement(_ENDINGS, count)
            for shipping in (0, _SHIPPING)
        }
    )
)
#: List price (whole units) × 12 months × seats × a discount in steps of half a per cent gives, for the
#: discounts that people give (0, 3, 5, 7.5, 10, 12.5, 15, 20 %), a multiple of six hundredths.
_SEAT_STEP: Final = 6
#: the mean of log values by FIELD's ranges: 5 and 95 % of deals, in units of the currency
_LOG_WIDTH: Final = {
    "trading": math.log(10),
    "igaming": math.log(50),
    "saas": math.log(100),
    "ecommerce": math.log(10),
    "realestate": math.log(10),
    "finserv": math.log(10),
}
_QUANTILE_95: Final = 1.645
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_PIECES: Final = re.compile(r"(?<![\d.,])(\d{1,7})(?![\d.,])")
#: what separates the product from the buyer, the quantity and the kind of deal
_SEPARATOR: Final = re.compile(r"\s[–/×]\s|[:(),–×]|\s(?:in|aus)\s")
#: words that are left over where a name is cut off
_JOINING: Final = re.compile(r"\s+(?:for|by|für|von|at|bei|mit|and|und)\s*$")
#: won deals of a month whose mean is judged: in fewer one large deal makes the month
_LEAST_OF_MEAN: Final = 20
#: deals of a month whose ranks are compared
_LEAST_OF_MONTH: Final = 6
#: deals for a product, so that its prices can be compared
_LEAST_OF_PRODUCT: Final = 10


def is_written(tenant: TenantColumns) -> Bools | None:
    """Which amounts the trade writes by itself; None: not known for this currency."""
    value, facts = tenant.deals.value, tenant.facts
    unit = 10**facts.minor_digits
    match facts.industry:
        case "trading" | "igaming" | "finserv":
            digits = np.maximum(0, np.floor(np.log10(np.maximum(value // unit, 1))).astype(np.int64) - 2)
            return value % (unit * 10**digits) == 0
        case "realestate":
            return value % (np.where(value < 10_000 * unit, 100, 500) * unit) == 0
        case "saas" if facts.minor_digits == 2:
            return value % _SEAT_STEP == 0
        case "ecommerce" if facts.minor_digits == 2:
            # An order of 48 pieces is 48 times a price.
            pieces = np.array([_pieces(one) for one in tenant.deals.title], np.int64)
            is_whole = value % pieces == 0
            return _is_order(value) | is_whole & np.isin(value // pieces % 100, _ENDINGS)
        case _:
            return None


def _is_order(value: Ints) -> Bools:
    """Which amounts are an order of one to three pieces, less a voucher or not, rounded down to a cent."""
    found = np.zeros(len(value), bool)
    for percent in _VOUCHERS:
        whole = -(-value * 100 // (100 - percent))
        # Of the amounts that come to this one, less the voucher, the first is enough: they are neighbours.
        for order in (whole, whole + 1):
            found |= (order * (100 - percent) // 100 == value) & np.isin(order % 100, _ORDER_ENDINGS)
    return found


def _groups(tenant: TenantColumns, least: int) -> Iterator[Ints]:
    """Deals that share a total: of one month and one outcome, the groups with at least so many."""
    deals = tenant.deals
    valued = np.flatnonzero((deals.value > 0) & (deals.month >= tenant.facts.first_month))
    key = deals.month[valued] * 3 + deals.outcome[valued]
    for one in np.unique(key):
        group = valued[key == one]
        if len(group) >= least:
            yield group


def _within_months(tenant: TenantColumns, chosen: Bools, other: NDArray[Any]) -> Figure | None:
    """Rank correlation of value and ``other``, shape (deals,), of the chosen deals of each month.

    What the deals of a month are worth on the whole is given by the blueprint, so ranks are those within it.
    """
    left, right = list[Floats](), list[Floats]()
    for month in np.unique(tenant.deals.month[chosen]):
        here = np.flatnonzero(chosen & (tenant.deals.month == month))
        if len(here) >= _LEAST_OF_MONTH:
            for side, values in ((left, tenant.deals.value[here]), (right, other[here])):
                side.append(ranks(values) / (len(here) + 1))
    if not left:
        return None
    found = spearman(np.concatenate(left), np.concatenate(right))
    return None if found is None else Figure(found, sum(map(len, left)))


def size_to_value(tenant: TenantColumns) -> Figure | None:
    """Spearman's correlation of the size of a company and the value of its deals."""
    deals, companies = tenant.deals, tenant.companies
    size = at(companies.size, deals.company)
    return _within_months(tenant, (deals.company != MISSING) & (deals.value > 0) & (size != MISSING), size)


def value_to_cycle(tenant: TenantColumns) -> Figure | None:
    """Spearman's correlation of the value of a closed deal and its length."""
    deals = tenant.deals
    return _within_months(tenant, deals.is_closed & (deals.value > 0), deals.cycle_days)


#: activities of a tenant, of each of its deals, for their number to follow the value
_ACTIVITIES_A_DEAL: Final = 4


def value_to_activities(tenant: TenantColumns) -> Figure | None:
    """Spearman's correlation of the value of a deal and the number of its activities."""
    deals, of = tenant.deals, tenant.activities.deal
    # Fewer activities: the month's figures leave most deals with one or none.
    if len(of) < _ACTIVITIES_A_DEAL * len(deals):
        return None
    counts = np.bincount(of[of != MISSING], minlength=len(deals))
    return _within_months(tenant, deals.value > 0, counts) if counts.any() else None


def written_amounts(tenant: TenantColumns) -> Figure | None:
    """Amounts that the trade writes by itself, in months with twelve or more of an outcome."""
    written = is_written(tenant)
    judged = list(_groups(tenant, 12))
    if written is None or not judged:
        return None
    chosen = np.concatenate(judged)
    return Figure(float(written[chosen].mean()), len(chosen))


def largest_is_odd(tenant: TenantColumns) -> Figure | None:
    """How likely chance is, given how often the largest deal of a month is odd."""
    written = is_written(tenant)
    if written is None:
        return None
    found = expected = variance = 0.0
    count = 0
    for group in _groups(tenant, 6):
        odd = ~written[group]
        share = float(odd.mean())
        found += float(odd[tenant.deals.value[group].argmax()])
        expected, variance, count = expected + share, variance + share * (1 - share), count + 1
    chance = two_sided(found, expected, variance)
    detail = f"odd in {found:.0f} months, {expected:.1f} by chance"
    return None if chance is None else Figure(chance, count, detail)


def single_odd_deals(tenant: TenantColumns) -> Figure | None:
    """Months of six or more deals of an outcome of which exactly one is odd."""
    written = is_written(tenant)
    groups = list(_groups(tenant, 6))
    if written is None or not groups:
        return None
    single = sum(int((~written[group]).sum()) == 1 for group in groups)
    return Figure(single / len(groups), len(groups))


def odd_by_outcome(tenant: TenantColumns) -> Figure | None:
    """How far the shares of odd amounts of won, open and lost deals lie apart."""
    deals = tenant.deals
    written = is_written(tenant)
    groups = [(deals.outcome == outcome) & (deals.value > 0) for outcome in (WON, OPEN, LOST)]
    if written is None or not all(group.any() for group in groups):
        return None
    shares = [float((~written[group]).mean()) for group in groups]
    detail = ", ".join(
        f"{name} {share:.0%}" for name, share in zip(("won", "open", "lost"), shares, strict=True)
    )
    return Figure(max(shares) - min(shares), min(int(group.sum()) for group in groups), detail)


def equal_odd_amounts(tenant: TenantColumns) -> Figure | None:
    """Odd amounts that two deals of a month have."""
    deals = tenant.deals
    written = is_written(tenant)
    if written is None:
        return None
    odd = ~written & (deals.value > 0)
    if not odd.any():
        return None
    pairs = np.stack([deals.month[odd], deals.value[odd]], axis=1)
    _, counts = np.unique(pairs, axis=0, return_counts=True)
    return Figure(float(counts[counts > 1].sum()) / len(pairs), len(pairs))


def largest_lost_alike(tenant: TenantColumns) -> Figure | None:
    """Of the largest tenth of lost deals, those with the commonest value."""
    deals = tenant.deals
    values = np.sort(deals.value[deals.is_lost & (deals.value > 0)])
    largest = values[len(values) - len(values) // 10 :]
    if len(largest) < 5:
        return None
    _, counts = np.unique(largest, return_counts=True)
    return Figure(float(counts.max()) / len(largest), len(largest))


def _pieces(title: str | None) -> int:
    """The number in a title, as in ``34 seats`` or ``48 × Wool Blanket``; 1 without one."""
    found = _PIECES.search(title or "")
    return max(1, int(found[1])) if found else 1


def _segments(title: str, names: Sequence[str]) -> list[str]:
    """The parts of a title without the names of the buyer, the numbers and the words that join them."""
    for name in names:
        title = title.replace(name, " ")
    parts = (_JOINING.sub("", part) for part in _SEPARATOR.split(_NUMBER.sub(" ", title)))
    return [" ".join(part.split()) for part in parts if part.strip()]


def _products(tenant: TenantColumns) -> dict[str, list[tuple[int, int]]]:
    """Product → pieces and value of its deals, as far as titles name it.

    A product is what is the whole title of some deal, but for the buyer: words as "Online order" and "first
    year", and names of cities, always stand beside a product. Orders of several products (``+1``) are left
    out, and deals without a number where others of the product have one: they are charged in another way.
    """
    deals, contacts, companies = tenant.deals, tenant.contacts, tenant.companies
    found = list[tuple[int, list[str]]]()
    for place in np.flatnonzero(deals.value > 0).tolist():
        title = str(deals.title[place] or "")
        if "+" in title:
            continue
        contact, company = int(deals.contact[place]), int(deals.company[place])
        names = [] if contact == MISSING else [contacts.first_name[contact], contacts.last_name[contact]]
        names += [] if company == MISSING else [companies.name[company]]
        buyer = sorted((str(one) for one in names if one), key=len, reverse=True)
        found.append((place, _segments(title, buyer)))
    alone = {parts[0] for _, parts in found if len(parts) == 1}
    products: dict[str, list[tuple[int, int]]] = {}
    for place, parts in found:
        for product in alone.intersection(parts):
            sold = (_pieces(deals.title[place]), int(deals.value[place]))
            products.setdefault(product, []).append(sold)
    return {product: _charged_alike(sold) for product, sold in products.items()}


def _charged_alike(sold: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Only the deals with a number of pieces where most have one."""
    with_number = [one for one in sold if one[0] > 1]
    return with_number if 2 * len(with_number) > len(sold) else sold


def price_spread(tenant: TenantColumns) -> Figure | None:
    """Price a piece, 90 against 10 %, of deals for the same product: the median over products."""
    spreads = list[tuple[float, str, int]]()
    for product, sold in _products(tenant).items():
        prices = np.array([value / pieces for pieces, value in sold])
        if len(prices) >= _LEAST_OF_PRODUCT:
            high, low = np.quantile(prices, [0.9, 0.1])
            spreads.append((float(high / low), product, len(prices)))
    if not spreads:
        return None
    worst = max(spreads)
    median = float(np.median([spread for spread, *_ in spreads]))
    return Figure(median, sum(size for *_, size in spreads), f"worst: {worst[1]}, {worst[0]:.1f}")


def benford(tenant: TenantColumns) -> Figure | None:
    """Mean absolute deviation of first digits from Benford's law."""
    values = tenant.deals.value[tenant.deals.value > 0]
    if not len(values):
        return None
    digits = values // 10 ** np.floor(np.log10(values)).astype(np.int64)
    found = np.bincount(digits, minlength=10)[1:] / len(values)
    law = np.log10(1 + 1 / np.arange(1, 10))
    return Figure(float(np.abs(found - law).mean()), len(values))


def _usual_spread(facts: Facts) -> float:
    """Standard deviation of log values by the industry's range."""
    return _LOG_WIDTH[facts.industry] / (2 * _QUANTILE_95)


def value_spread(tenant: TenantColumns) -> Figure | None:
    """Standard deviation of the logarithms of values, against that of the industry's range.

    Of the deals of a month and an outcome: what these are worth on the whole is given by the blueprint.
    """
    squares, size, count = 0.0, 0, 0
    for group in _groups(tenant, 2):
        logs = np.log(tenant.deals.value[group])
        squares += float(((logs - logs.mean()) ** 2).sum())
        size, count = size + len(group), count + 1
    if not count:
        return None
    return Figure(math.sqrt(squares / (size - count)) / _usual_spread(tenant.facts), size)


def top_share(tenant: TenantColumns) -> Figure | None:
    """The share of won value in the largest 5 % of won deals."""
    values = np.sort(tenant.deals.value[tenant.deals.is_won & (tenant.deals.value > 0)])
    if len(values) < 20:
        return None
    top = values[len(values) - max(1, round(len(values) / 20)) :]
    return Figure(float(top.sum() / values.sum()), len(values))


def _top_share_range(facts: Facts) -> Range:
    """What the log-normal law gives to its largest 5 %, and what whales add at most."""
    spread = _usual_spread(facts)
    body = 0.5 * math.erfc((_QUANTILE_95 - spread) / math.sqrt(2))
    return Range(body - 0.15, body + 0.45)


def lost_value(tenant: TenantColumns) -> Figure | None:
    """The value of lost deals, against that of won and open ones."""
    deals = tenant.deals
    pipeline = int(deals.value[~deals.is_lost & (deals.value > 0)].sum())
    lost = deals.value[deals.is_lost & (deals.value > 0)]
    return Figure(int(lost.sum()) / pipeline, len(lost)) if pipeline else None


def _lost_value_range(facts: Facts) -> Range | None:
    wanted = facts.lost_value_ratio
    return None if wanted is None else Range(0.9 * wanted, 1.1 * wanted)


def silent_leads(tenant: TenantColumns) -> Figure | None:
    """Leads that never had an activity, of those that were there for a month."""
    contacts, of = tenant.contacts, tenant.activities.contact
    leads = (contacts.status == "lead") & (contacts.created_us < tenant.facts.end_us - 30 * 86_400_000_000)
    if not leads.any() or not len(of):
        return None
    counts = np.bincount(of[of != MISSING], minlength=len(contacts))
    return Figure(float((counts[leads] == 0).mean()), int(leads.sum()))


def dearest_months(tenant: TenantColumns) -> Figure | None:
    """The mean won deal of the dearest month, against the median month; months with few deals aside."""
    means = [
        (float(tenant.deals.value[group].mean()), month_text(int(tenant.deals.month[group[0]])))
        for group in _groups(tenant, _LEAST_OF_MEAN)
        if tenant.deals.outcome[group[0]] == WON
    ]
    if not means:
        return None
    worst = max(means)
    return Figure(worst[0] / float(np.median([mean for mean, _ in means])), len(means), worst[1])


#: What amounts look like follows the prices of the trade.
_OF_PRICES: Final = frozenset({"products"})

MEASURES: Final = (
    Measure(
        name="size_to_value",
        title="rank correlation of company size and deal value, within a month",
        population="deals with a company, of months with six or more",
        least=400,
        expected=Expected(
            declared=lambda facts: (
                Range(0.3, 0.5)
                if facts.industry in {"saas", "trading", "finserv"} and facts.private_share == 0
                else None
            ),
            words="0.30 to 0.50 (saas, trading, finserv, without private customers)",
        ),
        unit=Unit.NUMBER,
        source=_STORIES,
        function=size_to_value,
    ),
    Measure(
        name="value_to_cycle",
        title="rank correlation of value and length of closed deals, within a month",
        population="closed deals of months with six or more",
        least=400,
        expected=Expected(Range(0.2, 0.4)),
        unit=Unit.NUMBER,
        source=_STORIES,
        function=value_to_cycle,
    ),
    Measure(
        name="value_to_activities",
        title="rank correlation of the value of a deal and its activities, within a month",
        population="deals of months with six or more",
        least=400,
        expected=Expected(Range(0.2, 0.4)),
        unit=Unit.NUMBER,
        source=_STORIES,
        function=value_to_activities,
    ),
    Measure(
        name="written_amounts",
        title="amounts that the trade writes by itself",
        population="deals of months with twelve or more of an outcome",
        least=100,
        expected=Expected(Range(low=0.80), industries={"ecommerce": Range(low=0.99)}),
        unit=Unit.SHARE,
        source=_STORIES,
        function=written_amounts,
        of_lists=_OF_PRICES,
    ),
    Measure(
        name="largest_is_odd",
        title="chance of so many months whose largest deal has an odd amount",
        population="months of six or more deals of an outcome",
        least=20,
        # Of a hundred sound tenants one is below 0.01 by chance.
        expected=only((*_ROUND, "realestate", "saas"), Range(low=0.001)),
        unit=Unit.PROBABILITY,
        source=_STORIES,
        function=largest_is_odd,
        of_lists=_OF_PRICES,
    ),
    Measure(
        name="single_odd_deals",
        title="months in which exactly one deal has an odd amount",
        population="months of six or more deals of an outcome",
        least=20,
        expected=only((*_ROUND, "realestate"), Range(high=0.005)),
        unit=Unit.SHARE,
        source=_STORIES,
        function=single_odd_deals,
        of_lists=_OF_PRICES,
    ),
    Measure(
        name="odd_by_outcome",
        title="distance between the shares of odd amounts of won, open and lost deals",
        population="deals of the rarest outcome",
        least=1000,
        expected=Expected(Range(high=0.05)),
        unit=Unit.SHARE,
        source=_STORIES,
        function=odd_by_outcome,
        of_lists=_OF_PRICES,
    ),
    Measure(
        name="equal_odd_amounts",
        title="deals whose odd amount another deal of the month has",
        population="deals with a value",
        least=100,
        expected=Expected(
            Range(high=0.0), industries=dict.fromkeys(("ecommerce", "saas"), Range(high=0.005))
        ),
        unit=Unit.SHARE,
        source=_STORIES,
        function=equal_odd_amounts,
        of_lists=_OF_PRICES,
    ),
    Measure(
        name="largest_lost_alike",
        title="largest tenth of lost deals: those with the commonest value",
        population="the largest tenth of lost deals",
        least=20,
        expected=Expected(Range(high=0.25)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=largest_lost_alike,
        of_lists=_OF_PRICES,
    ),
    Measure(
        name="price_spread",
        title="price a piece of the same product, 90 against 10 %, median over products",
        population="deals of products with ten or more",
        least=60,
        expected=Expected(
            industries={"saas": Range(1.0, 2.0), "ecommerce": Range(1.0, 1.6), "realestate": Range(1.0, 5.0)}
        ),
        unit=Unit.NUMBER,
        source=ASSUMPTION,
        function=price_spread,
        of_lists=_OF_PRICES,
    ),
    Measure(
        name="benford",
        title="mean deviation of first digits from Benford's law",
        population="deals with a value",
        least=400,
        expected=only(("saas",), Range(high=0.015)),
        unit=Unit.NUMBER,
        source="Nigrini: at most 0.015",
        function=benford,
        of_lists=_OF_PRICES,
    ),
    Measure(
        name="value_spread",
        title="spread of values (log) within a month and outcome, against that of the industry's range",
        population="deals with a value",
        least=200,
        expected=Expected(Range(0.80, 1.30)),
        unit=Unit.NUMBER,
        source=ASSUMPTION,
        function=value_spread,
    ),
    Measure(
        name="top_share",
        title="won value in the largest 5 % of won deals",
        population="won deals",
        least=100,
        expected=Expected(
            declared=_top_share_range,
            words="what the log-normal law gives, less 15 points to plus 45 (whales)",
        ),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=top_share,
        is_drawn=True,
    ),
    Measure(
        name="dearest_month",
        title="mean won deal of the dearest month, against the median month",
        population="months of twenty or more won deals",
        least=4,
        expected=Expected(Range(high=5.0)),
        unit=Unit.NUMBER,
        source=ASSUMPTION,
        function=dearest_months,
    ),
    Measure(
        name="lost_value",
        title="value of lost deals, against the pipeline",
        population="lost deals",
        least=50,
        expected=Expected(declared=_lost_value_range, words="`lost_value_ratio`, 10 % more or less"),
        unit=Unit.NUMBER,
        source="the blueprint",
        function=lost_value,
    ),
    Measure(
        name="silent_leads",
        title="leads of more than a month that nobody ever contacted",
        population="leads",
        least=100,
        expected=Expected(
            declared=lambda facts: Range(max(0.0, facts.drop_off_rate - 0.08), facts.drop_off_rate + 0.08),
            words="`drop_off_rate`, 8 points more or less",
        ),
        unit=Unit.SHARE,
        source="the blueprint",
        function=silent_leads,
        is_drawn=True,
    ),
)
