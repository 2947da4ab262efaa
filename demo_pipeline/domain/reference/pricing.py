"""How the prices of an industry come about: catalogue, pieces, discounts, amounts as people write them.

The facts are in ``industry.json`` of a pack, under ``pricing``; the names of the products are in its words,
in the same order. How a value is found that such prices explain is ``generation.prices``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from demo_pipeline.domain.reference.own_lists import OwnProduct

#: ``pieces``: a list price by piece and period, with discounts. ``baskets``: one to three pieces of a
#: catalogue. ``written``: amounts with two or three digits that count. ``stepped``: multiples of a step that
#: grows with the value.
PricingKind: TypeAlias = Literal["pieces", "baskets", "written", "stepped"]

_CENTS: Final = 100
#: Kinds whose products have a range of values.
_OF_RANGES: Final = frozenset[PricingKind]({"written", "stepped"})
#: Pieces of a tenant's own product that a deal may have, without being unusual.
_MOST_PIECES: Final = 500


@dataclass(frozen=True)
class Product:
    """What is sold. Amounts are US cents, before they are taken to a tenant's price level.

    Those of declared prices are minor units of its currency.
    """

    #: list price of a piece and period; 0 where only a range is known
    price_cents: int
    #: pieces, or values in cents, that an ordinary deal has: the least and the most
    usual: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Pricing:
    """The ``pricing`` of an industry."""

    kind: PricingKind
    products: tuple[Product, ...]
    #: deals whose price is not round for a reason of the trade, per cent
    odd_percent: int
    #: Prices follow the currency. Where a tenant's mean deal is below the first or above the second of these
    #: percentages of the usual mean, prices follow the mean from there on.
    level_percent: tuple[int, int]
    #: ``pieces``: periods that a deal is for
    periods: int
    #: ``pieces`` and ``baskets``: discount per mille and its weight
    discounts: tuple[tuple[int, int], ...]
    #: ``baskets``: cost of shipping, and the value of a basket from which it is free, cents
    shipping_cents: tuple[int, int]
    #: ``stepped``: values in cents below which a step in cents holds, ascending; the last one for all above
    steps_cents: tuple[tuple[int, int], ...]
    #: whether prices differ by city
    by_city: bool
    #: prices are a tenant's own: minor units of its currency, which stay as they are in every city
    is_declared: bool = False

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Pricing:
        """From ``industry.json``, which has whole US dollars, or dollars with cents."""
        kind: PricingKind = raw["kind"]
        fewest_free: list[float] = raw.get("shipping_usd", [0, 0])
        return cls(
            kind=kind,
            products=tuple(_product(one) for one in raw["products"]),
            odd_percent=raw["odd_percent"],
            level_percent=(raw["level_percent"][0], raw["level_percent"][1]),
            periods=raw.get("periods", 1),
            discounts=tuple((one, weight) for one, weight in raw.get("discounts_per_mille", [[0, 1]])),
            shipping_cents=(cents(fewest_free[0]), cents(fewest_free[1])),
            steps_cents=tuple((below * _CENTS, step * _CENTS) for below, step in raw.get("steps_usd", [])),
            by_city=raw.get("by_city", False),
        )

    def of_own(self, products: Sequence[OwnProduct]) -> Pricing:
        """The same trade with products of a tenant's own, which have list prices, or all have ranges.

        What has a list price is sold by the piece, or in baskets where the trade sells those; what has a
        range is sold at amounts as the trade writes them.
        """
        has_ranges = products[0].most_minor is not None
        usual_kind = self.kind if has_ranges == (self.kind in _OF_RANGES) else None
        return replace(
            self,
            kind=usual_kind or ("written" if has_ranges else "pieces"),
            products=tuple(
                Product(one.price_minor, (1, _MOST_PIECES))
                if one.most_minor is None
                else Product(0, (one.price_minor, one.most_minor))
                for one in products
            ),
            periods=1,
            is_declared=True,
        )


def _product(raw: Mapping[str, Any]) -> Product:
    if "value_usd" in raw:
        low, high = raw["value_usd"]
        return Product(0, (low * _CENTS, high * _CENTS))
    low, high = raw.get("pieces", [1, 1])
    return Product(cents(raw["price_usd"]), (low, high))


def cents(dollars: float) -> int:
    """US dollars with at most two decimals as cents."""
    return round(dollars * _CENTS)
