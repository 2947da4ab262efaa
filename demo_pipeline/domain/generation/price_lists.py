"""What amounts of a trade look like: the price list of a tenant, and the nearest amount that it explains.

A price list says for a wanted amount which product, how many pieces and which discount come nearest
(:meth:`PriceList.nearest`), and takes up small differences in steps of its own (:meth:`PriceList.absorb`), so
that sums can be met. Which deal takes what is left over in the end is not decided here (``prices``).

All amounts are minor units of the tenant's currency. Integers only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.arrow import Mask
from demo_pipeline.domain.core.deal_values import natural_values
from demo_pipeline.domain.core.random_streams import I64, U64, pick, scale
from demo_pipeline.domain.reference.countries import units_per_usd
from demo_pipeline.domain.reference.industries import Industry
from demo_pipeline.domain.reference.pricing import Pricing

#: What explains a value: the product alone, pieces of one product, a basket of several, or a product with a
#: reason of the trade for an amount that is not round.
PLAIN, PIECES, BASKET, ODD = range(4)
LINE_KINDS: Final = ("plain", "pieces", "basket", "odd")

#: Deals that are tried one by one, after those that take as much as they can.
_TRIED: Final = 48
_PER_MILLE: Final = 1000
_PERCENT: Final = 100
#: More pieces than anybody buys.
ANY_PIECES: Final = 1_000_000
#: Places of the law of deal sizes from which their mean is taken.
_SAMPLES: Final = 4096
#: Hundredths in which prices of shops end.
_ENDINGS: Final = (0, 90, 95, 99)
_POWERS: Final = np.array([10**n for n in range(19)], np.int64)
#: Bits of a draw that one choice uses up, so that the next choice is independent of it.
_NEXT: Final = np.uint64(20)
_LAST: Final = np.uint64(40)


@dataclass(frozen=True)
class Lines:
    """Values and what explains each, shape (n,)."""

    #: minor units
    value: I64
    #: place among the products
    product: I64
    pieces: I64
    #: a place in ``LINE_KINDS``
    kind: I64
    #: the amount of a step by which a value may be moved; 0: it stays
    unit: I64

    def __getitem__(self, rows: I64 | slice) -> Lines:
        """Some of the lines."""
        return Lines(
            self.value[rows], self.product[rows], self.pieces[rows], self.kind[rows], self.unit[rows]
        )


def plain_lines(lines: Lines, value: I64) -> Lines:
    """The products of the lines at other values, shape (n,), which no price explains."""
    return replace(lines, value=value, pieces=np.ones_like(value), kind=np.full_like(value, PLAIN))


def no_lines(count: int) -> Lines:
    """Lines to be filled in: worth nothing, of the first product."""
    return Lines(*(np.zeros(count, np.int64) for _ in range(5)))


class PriceList(ABC):
    """The prices of a tenant."""

    def __init__(self, pricing: Pricing, level: Fraction, unit: int) -> None:
        self.pricing = pricing
        self._level = level
        #: minor units of a unit of the currency
        self.unit = unit

    @abstractmethod
    def nearest(self, wanted: I64, draws: U64, level_percent: I64, most_pieces: I64) -> Lines:
        """Lines whose values are near the wanted ones, shape (n,); prices are at a level, per cent, each.

        They have at most ``most_pieces``, unless even the dearest product needs more.
        """

    def most_pieces(self, people: I64) -> I64:
        """How many pieces of one product customers of so many people buy at most; 0: a private person."""
        return np.full_like(people, ANY_PIECES)

    def largest(self, people: I64) -> I64:
        """The largest amounts that such customers usually pay, minor units."""
        return np.full_like(people, np.iinfo(np.int64).max)

    def costing(self, total: int, near: Lines) -> Lines:
        """The line of a single deal that is worth ``total``, whatever it is; ``near`` is the nearest line.

        A line costs exactly the total, or it is plain.
        """
        return near if int(near.value[0]) == total else plain_lines(near, np.array([total]))

    def absorb(self, lines: Lines, rest: int, order: I64, most: I64) -> int:
        """Move values in place, deal by deal in ``order``, so that they sum to ``rest`` more; what is left.

        No value moves by more than ``most``, shape (n,).
        """
        unit = lines.unit[order]
        steps = np.where(unit > 0, most[order] // np.maximum(unit, 1), 0)
        able = np.flatnonzero(steps)
        if len(able) == 0 or rest == 0:
            return rest
        rows, unit, steps = order[able], unit[able], steps[able]
        sign, need = (1, rest) if rest > 0 else (-1, -rest)
        reached = np.cumsum(unit * steps)
        full = int(np.searchsorted(reached, need, side="right"))
        moved = steps[: full + _TRIED].copy()
        if full:
            need -= int(reached[full - 1])
        for place in range(full, len(moved)):
            moved[place] = min(need // int(unit[place]), int(steps[place]))
            need -= int(moved[place] * unit[place])
            if need == 0:
                moved[place + 1 :] = 0
                break
        rows = rows[: len(moved)]
        lines.value[rows] += sign * moved * unit[: len(moved)]
        self._count(lines, rows, sign * moved)
        return sign * need

    def _count(self, lines: Lines, rows: I64, steps: I64) -> None:
        """Note that these rows were moved by so many steps: where steps are no pieces, nothing to do."""
        del lines, rows, steps

    def leave_uncounted(self, lines: Lines, is_over: Mask) -> None:
        """Change lines of more pieces than customers buy, where a line may leave out how many they are."""
        del lines, is_over

    def _scaled(self, usd_cents: int) -> int:
        return max(int(usd_cents * self._level), 1)


class PieceList(PriceList):
    """A list price for each piece and period, less a discount."""

    def __init__(self, pricing: Pricing, level: Fraction, unit: int) -> None:
        super().__init__(pricing, level, unit)
        self._price = np.array(
            [
                one.price_cents if pricing.is_declared else _tidy(self._scaled(one.price_cents))
                for one in pricing.products
            ],
            np.int64,
        )
        usual = np.array([one.usual for one in pricing.products], np.int64)
        #: of a piece, for all periods
        self._whole = whole = self._price * pricing.periods
        self._ranges = _Ranges(whole * usual[:, 0], whole * usual[:, 1])
        self._discount = np.array([one for one, _ in pricing.discounts], np.int64)
        self._weights = np.cumsum(np.array([weight for _, weight in pricing.discounts], np.int64))

    #: Fewer pieces have no discount.
    _FEWEST_DISCOUNTED: Final = 5
    #: Of a hundred people so many have a piece at most: sums are met with a few pieces more.
    _PIECES_PERCENT: Final = 90

    def most_pieces(self, people: I64) -> I64:
        # Unknown for private customers: no limit.
        return np.where(people > 0, people * self._PIECES_PERCENT // _PERCENT, ANY_PIECES)

    def largest(self, people: I64) -> I64:
        return int(self._whole.max()) * self.most_pieces(people)

    def nearest(self, wanted: I64, draws: U64, level_percent: I64, most_pieces: I64) -> Lines:
        del level_percent
        product = self._ranges.choose(wanted, draws)
        few = np.flatnonzero(self._whole[product] * most_pieces < wanted)
        product[few] = self._dearer(wanted[few], draws[few], most_pieces[few])
        whole = self._whole[product]
        discount = self._discount[pick(draws << _NEXT, self._weights)]
        # A discount that leaves a fraction of half a cent a month is not given.
        offered = whole * (_PER_MILLE - discount)
        discount[(offered % (_PER_MILLE // 2 * self.pricing.periods) != 0) | (offered % _PER_MILLE != 0)] = 0
        is_full = whole * (_PER_MILLE - discount) // _PER_MILLE * most_pieces < wanted
        discount[(wanted < whole * self._FEWEST_DISCOUNTED) | is_full] = 0
        unit = np.maximum(whole * (_PER_MILLE - discount) // _PER_MILLE, 1)
        pieces = np.maximum((wanted + unit // 2) // unit, 1)
        return Lines(pieces * unit, product, pieces, np.where(pieces > 1, PIECES, PLAIN), unit)

    def _dearer(self, wanted: I64, draws: U64, most_pieces: I64) -> I64:
        """Products of which so many pieces come to the amount; where there is none, the dearest."""
        is_enough = self._whole[:, None] * most_pieces >= wanted
        count = is_enough.sum(axis=0)
        order = np.argsort(~is_enough, axis=0, kind="stable")
        chosen = order[scale(draws, np.maximum(count, 1)), np.arange(len(wanted))]
        return np.where(count > 0, chosen, int(self._price.argmax()))

    def leave_uncounted(self, lines: Lines, is_over: Mask) -> None:
        lines.kind[is_over & (lines.kind == PIECES)] = PLAIN
        lines.pieces[is_over] = 1

    def _count(self, lines: Lines, rows: I64, steps: I64) -> None:
        lines.pieces[rows] += steps


class _Amounts(PriceList):
    """Products that are sold within a range of values each, at an amount that people write."""

    def __init__(self, pricing: Pricing, level: Fraction, unit: int) -> None:
        super().__init__(pricing, level, unit)
        low, high = (
            [
                one.usual[end] if pricing.is_declared else self._scaled(one.usual[end])
                for one in pricing.products
            ]
            for end in (0, 1)
        )
        self._ranges = _Ranges(np.array(low, np.int64), np.array(high, np.int64))

    def nearest(self, wanted: I64, draws: U64, level_percent: I64, most_pieces: I64) -> Lines:
        del most_pieces
        value = np.maximum(self._rounded(wanted, draws << _NEXT), 1)
        product = self._ranges.choose(wanted * _PERCENT // level_percent, draws)
        ones = np.ones(len(wanted), np.int64)
        return Lines(value, product, ones, np.full(len(wanted), PLAIN), self.step(value))

    @abstractmethod
    def step(self, value: I64) -> I64:
        """The step that amounts of this size are multiples of, at least 1; shape (n,)."""

    @abstractmethod
    def _rounded(self, wanted: I64, draws: U64) -> I64:
        """Near multiples of the step, some of them rounder than that."""


class WrittenList(_Amounts):
    """Amounts with two or three digits that count, most of them beginning as people like to."""

    #: of 64
    _LIKED: Final = 40
    _TWO_DIGITS: Final = 12
    _FIVES_FROM: Final = 15

    #: From so many units of the currency on amounts are whole units.
    _WHOLE_FROM: Final = 3

    def step(self, value: I64) -> I64:
        step = _POWERS[np.maximum(_digits(value) - 3, 0)]
        return np.where(value >= self._WHOLE_FROM * self.unit, np.maximum(step, self.unit), step)

    def _rounded(self, wanted: I64, draws: U64) -> I64:
        power = self.step(wanted)
        lead = (wanted + power // 2) // power
        lot = scale(draws, 64)
        # Of two digits people like fives: 45, not 43.
        fives = np.where(lead >= self._FIVES_FROM, (lead + 2) // 5 * 5, lead)
        liked = np.where(lead < 100, fives, _LEADS[np.searchsorted(_BETWEEN_LEADS, lead)])
        two = np.where(lead >= 100, (lead + 5) // 10 * 10, lead)
        chosen = np.where(lot < self._LIKED, liked, np.where(lot < 64 - self._TWO_DIGITS, two, lead))
        return chosen * power

    def absorb(self, lines: Lines, rest: int, order: I64, most: I64) -> int:
        # Beyond the next power of ten the step is another one.
        if rest > 0:
            most = np.minimum(most, _POWERS[np.minimum(_digits(lines.value), 18)] - lines.value)
        return super().absorb(lines, rest, order, most)


class SteppedList(_Amounts):
    """Multiples of a step that grows with the value; a quarter of the amounts is rounder than that."""

    _ROUNDER: Final = 5

    def __init__(self, pricing: Pricing, level: Fraction, unit: int) -> None:
        super().__init__(pricing, level, unit)
        # Steps are powers of ten times those of the pack, so that they stay round in any currency.
        power = Fraction(1)
        while power * 5 <= level:
            power *= 10
        while power > level * 2:
            power /= 10
        self._below = np.array([max(int(one * power), 1) for one, _ in pricing.steps_cents[:-1]], np.int64)
        self._steps = np.array([max(int(step * power), 1) for _, step in pricing.steps_cents], np.int64)

    def step(self, value: I64) -> I64:
        usual = self._steps[np.searchsorted(self._below, value, side="right")]
        # Two digits count at least, in small amounts too.
        return np.minimum(usual, _POWERS[np.maximum(_digits(value) - 2, 0)])

    def _rounded(self, wanted: I64, draws: U64) -> I64:
        step = self.step(wanted)
        rounder = np.where((scale(draws, 4) == 0) & (wanted > 40 * step), step * self._ROUNDER, step)
        return (wanted + rounder // 2) // rounder * rounder

    def absorb(self, lines: Lines, rest: int, order: I64, most: I64) -> int:
        limits = np.append(self._below, np.iinfo(np.int64).max)
        if rest > 0:
            power = _POWERS[np.minimum(_digits(lines.value), 18)]
            limit = np.minimum(limits[np.searchsorted(self._below, lines.value, side="right")], power)
            most = np.minimum(most, limit - lines.value)
        return super().absorb(lines, rest, order, most)


class BasketList(PriceList):
    """One catalogue price a product; baskets of one to three pieces, with shipping and vouchers."""

    #: Pieces of a basket, at most; firms order many of one product.
    _IN_A_BASKET: Final = 3
    #: Baskets of one piece, and of two, of 64; the others have the basket that comes nearest.
    _SINGLE: Final = 26
    _DOUBLE: Final = 20
    #: A basket of one or two pieces must come as near as this part of the wanted amount.
    _NEAR: Final = 16
    #: Amounts that are tried to meet a sum with two baskets.
    _SHIFTS: Final = 60

    def __init__(self, pricing: Pricing, level: Fraction, unit: int) -> None:
        super().__init__(pricing, level, unit)
        price = np.array(
            [
                one.price_cents if pricing.is_declared else _charm(one.price_cents, level)
                for one in pricing.products
            ],
            np.int64,
        )
        self._large = _large_orders(price)
        places = np.arange(len(price))
        first, second = (part.ravel() for part in np.meshgrid(places, places, indexing="ij"))
        pairs = first <= second
        first, second = first[pairs], second[pairs]
        third = np.repeat(places, len(first))
        tripled = third >= np.tile(second, len(places))
        sums = [
            price,
            price[first] + price[second],
            (np.tile(price[first] + price[second], len(places)) + price[third])[tripled],
        ]
        products = [places, first, np.tile(first, len(places))[tripled]]
        cost, free_from = (self._scaled(one) if one else 0 for one in pricing.shipping_cents)
        cost = _charm(pricing.shipping_cents[0], level) if cost else 0
        amounts = [np.where(one < free_from, one + cost, one) for one in sums]
        self._catalogues = tuple(
            _Catalogue.of(
                [amounts[place] for place in which], [products[place] for place in which], list(which), ()
            )
            for which in ((0,), (1,), (0, 1, 2))
        )
        vouchers = tuple(one for one, _ in pricing.discounts if one)
        self._all = _Catalogue.of(amounts, products, [0, 1, 2], vouchers)
        self._largest = int(amounts[1].max(initial=1))

    def most_pieces(self, people: I64) -> I64:
        return np.where(people > 0, ANY_PIECES, self._IN_A_BASKET)

    def largest(self, people: I64) -> I64:
        return np.where(people > 0, super().largest(people), self._largest)

    def nearest(self, wanted: I64, draws: U64, level_percent: I64, most_pieces: I64) -> Lines:
        del level_percent, most_pieces
        lines = no_lines(len(wanted))
        lot, unset = scale(draws, 64), np.ones(len(wanted), bool)
        large = wanted > self._largest
        if large.any():
            rows = np.flatnonzero(large)
            self._set(lines, rows, self._large, self._large.nearest(wanted[rows]))
            unset &= ~large
        for catalogue, below in zip(
            self._catalogues[:2], (self._SINGLE, self._SINGLE + self._DOUBLE), strict=True
        ):
            rows = np.flatnonzero(unset & (lot < below))
            place = catalogue.nearest(wanted[rows])
            near = np.abs(catalogue.amount[place] - wanted[rows]) * self._NEAR <= wanted[rows]
            self._set(lines, rows[near], catalogue, place[near])
            unset[rows[near]] = False
        rows = np.flatnonzero(unset)
        self._set(lines, rows, self._catalogues[2], self._catalogues[2].nearest(wanted[rows]))
        return lines

    @staticmethod
    def _set(lines: Lines, rows: I64, catalogue: _Catalogue, place: I64) -> None:
        lines.value[rows], lines.product[rows] = catalogue.amount[place], catalogue.product[place]
        lines.pieces[rows] = catalogue.pieces[place]
        lines.kind[rows] = np.where(catalogue.pieces[place] > 1, catalogue.several, PLAIN)

    def costing(self, total: int, near: Lines) -> Lines:
        if int(near.value[0]) == total:
            return near
        for catalogue in (self._all, self._large):
            if catalogue.has(np.array([total]))[0]:
                found = no_lines(1)
                self._set(found, np.array([0]), catalogue, catalogue.nearest(np.array([total])))
                return found
        return super().costing(total, near)

    def absorb(self, lines: Lines, rest: int, order: I64, most: I64) -> int:
        """Other baskets instead, until they sum up."""
        rest = self._moved(lines, rest, order, most)
        if rest == 0:
            return 0
        able = order[(most[order] >= abs(rest)) & (lines.value[order] + rest > 0)]
        fits = np.flatnonzero(self._all.has(lines.value[able] + rest))
        if len(fits):
            self._exchange(lines, int(able[fits[0]]), int(lines.value[able[fits[0]]]) + rest)
            return 0
        return self._by_two(lines, rest, able)

    def _moved(self, lines: Lines, rest: int, order: I64, most: I64) -> int:
        """Nearer baskets, deal by deal, while much is left."""
        for row in order[: _TRIED * 4].tolist():
            if abs(rest) * 4 <= int(most[row]):
                break
            value, limit = int(lines.value[row]), int(most[row])
            aim = value + max(-limit, min(limit, rest))
            place = int(self._all.nearest(np.array([aim]))[0])
            found = int(self._all.amount[place])
            if abs(found - value) <= limit and abs(rest - (found - value)) < abs(rest):
                rest -= found - value
                self._exchange(lines, row, found)
        return rest

    def _by_two(self, lines: Lines, rest: int, able: I64) -> int:
        """Two other baskets whose changes sum to ``rest``; or nothing changes."""
        for row in able[:3].tolist():
            value = int(lines.value[row])
            place = int(np.searchsorted(self._all.amount, value))
            near = self._all.amount[max(place - self._SHIFTS // 2, 0) : place + self._SHIFTS // 2]
            others = able[able != row][:64]
            needed = lines.value[others][None, :] + (rest - (near - value))[:, None]
            shift, other = np.nonzero(self._all.has(needed))
            if len(shift):
                self._exchange(lines, row, int(near[shift[0]]))
                self._exchange(lines, int(others[other[0]]), int(needed[shift[0], other[0]]))
                return 0
        return rest

    def _exchange(self, lines: Lines, row: int, amount: int) -> None:
        place = np.searchsorted(self._all.amount, amount)
        self._set(lines, np.array([row]), self._all, np.array([place]))


@dataclass(frozen=True)
class _Catalogue:
    """Amounts of baskets, ascending, each once, with one basket that comes to it."""

    amount: I64
    product: I64
    pieces: I64
    #: the kind of its lines of several pieces
    several: int = BASKET

    @classmethod
    def of(
        cls, amounts: list[I64], products: list[I64], which: list[int], vouchers: tuple[int, ...]
    ) -> _Catalogue:
        """From baskets of one, two and three pieces; ``which`` says of how many, from 0."""
        amount, product = np.concatenate(amounts), np.concatenate(products)
        pieces = np.repeat(np.array(which) + 1, [len(one) for one in amounts])
        every = [amount, *(amount * (_PER_MILLE - voucher) // _PER_MILLE for voucher in vouchers)]
        value, first = np.unique(np.concatenate(every), return_index=True)
        first %= len(amount)
        kept = value > 0
        return cls(value[kept], product[first][kept], pieces[first][kept])

    def nearest(self, wanted: I64) -> I64:
        """The places of the amounts that are nearest."""
        right = np.minimum(np.searchsorted(self.amount, wanted), len(self.amount) - 1)
        left = np.maximum(right - 1, 0)
        return np.where(wanted - self.amount[left] < self.amount[right] - wanted, left, right)

    def has(self, values: I64) -> Mask:
        """Whether each is the amount of a basket."""
        place = np.minimum(np.searchsorted(self.amount, values), len(self.amount) - 1)
        return self.amount[place] == values


def _large_orders(price: I64) -> _Catalogue:
    """Many pieces of one product, so many that the sum ends as prices do: 40 × 219.95 is 8,798.00."""
    quantity = np.array([*range(4, 60), *range(60, 200, 10), *range(200, 1001, 50)], np.int64)
    amount = (price[:, None] * quantity).ravel()
    product, pieces = np.repeat(np.arange(len(price)), len(quantity)), np.tile(quantity, len(price))
    ends_well = np.isin(amount % _PERCENT, _ENDINGS)
    kept = ends_well if ends_well.sum() >= len(price) else np.ones(len(amount), bool)
    value, first = np.unique(amount[kept], return_index=True)
    return _Catalogue(value, product[kept][first], pieces[kept][first], PIECES)


class _Ranges:
    """Values that products are sold at: from ``low`` to ``high``, shape (products,) each."""

    def __init__(self, low: I64, high: I64) -> None:
        #: where a range begins or has ended
        self._bounds = np.unique(np.concatenate([low, high + 1]))
        starts = np.append(self._bounds[0] - 1, self._bounds)
        fits = (low <= starts[:, None]) & (starts[:, None] <= high)
        for place in np.flatnonzero(~fits.any(axis=1)).tolist():
            # Nobody sells for that: the product whose range is nearest.
            fits[place, np.maximum(low - starts[place], starts[place] - high).argmin()] = True
        self._count = fits.sum(axis=1)
        #: the products of each interval come first, shape (intervals, products)
        self._products = np.argsort(~fits, axis=1, kind="stable")

    def choose(self, wanted: I64, draws: U64) -> I64:
        """A product for each value, by lot among those within whose range it is; beyond all, the nearest."""
        interval = np.searchsorted(self._bounds, wanted, side="right")
        return self._products[interval, scale(draws, self._count[interval])]


_CLASSES: Final = {
    "pieces": PieceList,
    "baskets": BasketList,
    "written": WrittenList,
    "stepped": SteppedList,
}


@lru_cache(64)
def price_list(pricing: Pricing, level: Fraction, unit: int) -> PriceList:
    """The prices of an industry at a level: minor units of a tenant's currency for a US cent of the pack.

    ``unit`` is how many minor units a unit of the currency has.
    """
    return _CLASSES[pricing.kind](pricing, level, unit)


def price_level(spec: TenantSpec, industry: Industry) -> Fraction:
    """The level of a tenant's prices, from its currency and the mean of its deals."""
    currency = Fraction(units_per_usd(spec.currency)) * 10**spec.currency.minor_digits / 100
    if industry.pricing.is_declared:
        # Products have prices of their own; what else is in the pack follows the currency.
        return currency
    total = spec.total
    value, count = total.closed_won_value, total.closed_won_count
    if not count:
        value, count = total.open_value, total.other_deals
    if not count or not value:
        return currency
    evenly = np.arange(_SAMPLES, dtype=np.uint64) * np.uint64(2**64 // _SAMPLES)
    usual = natural_values(evenly, industry.deal_quantiles, spec.whale_ppm, industry.largest_deal)
    ratio = Fraction(value, count) / (Fraction(int(usual.sum()), _SAMPLES) * currency)
    low, high = (Fraction(percent, _PERCENT) for percent in industry.pricing.level_percent)
    return currency * (ratio / low if ratio < low else ratio / high if ratio > high else 1)


def _digits(values: I64) -> I64:
    return np.searchsorted(_POWERS, values, side="right")


def _tidy(minor: int) -> int:
    """A list price: two digits that count."""
    step = 10 ** max(len(str(minor)) - 2, 0)
    return max((minor + step // 2) // step * step, 1)


def _charm(usd_cents: int, level: Fraction) -> int:
    """A price of a shop at a level: it ends as the pack's does, and from 200 on in a 9 before that."""
    whole, ending = divmod(usd_cents, _PERCENT)
    scaled = int(usd_cents * level)
    if scaled < _PERCENT:
        return max(scaled, 1)
    whole = scaled // _PERCENT
    if whole >= 200:
        whole = whole // 10 * 10 + 9
    return whole * _PERCENT + ending


def _leads() -> I64:
    """Three digits that people like amounts to begin with."""
    every = {*range(100, 1000, 50), *range(100, 200, 10), *range(125, 500, 25), *range(200, 500, 20)}
    every |= {*range(580, 1000, 100), *range(520, 1000, 100), *range(590, 1000, 100), 175, 225, 275, 325, 375}
    return np.array(sorted(every), np.int64)


_LEADS: Final = _leads()
_BETWEEN_LEADS: Final = (_LEADS[1:] + _LEADS[:-1]) // 2
