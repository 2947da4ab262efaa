"""Amounts of money: whole minor units of one currency, and how they are written.

Everything calculates in minor units (``int``); amounts in major units exist only where people and documents
write them. Which currencies there are, and what they are worth, is reference data
(``domain.reference.countries``).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Final, Literal

from demo_pipeline.domain.core.wording import grouped

#: The CRM's columns have two decimals: a currency with three is kept in hundredths.
MOST_MINOR_DIGITS: Final = 2

Rounding = Literal["ROUND_DOWN", "ROUND_FLOOR", "ROUND_HALF_EVEN", "ROUND_HALF_UP"]
_CONTEXTS: Final[dict[str, Context]] = {
    rounding: Context(prec=50, rounding=rounding)
    for rounding in (ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP)
}
_EXACT: Final = _CONTEXTS[ROUND_HALF_EVEN]


@dataclass(frozen=True)
class Currency:
    """A currency as a tenant's amounts are kept in it; as text, its code."""

    #: ISO 4217
    code: str
    #: decimals of an amount in major units, 0 to 2
    minor_digits: int

    def __str__(self) -> str:
        return self.code

    def major(self, minor: int) -> Decimal:
        """Minor units as an amount in major units, with all of the currency's decimals."""
        return Decimal(minor).scaleb(-self.minor_digits, _EXACT)

    def minor(self, amount: Decimal, rounding: Rounding | None = None) -> int:
        """An amount in major units as minor units; without ``rounding`` exactly, or a ``ValueError``."""
        context = _CONTEXTS[rounding or ROUND_HALF_EVEN]
        scaled = amount.scaleb(self.minor_digits, context)
        whole = scaled.to_integral_value(context=context)
        if rounding is None and whole != scaled:
            raise ValueError(f"{amount} has more than {self.minor_digits} decimals")
        return int(whole)

    def plain(self, minor: int) -> str:
        """Minor units as documents and files have them, in major units: ``25000.00``."""
        return f"{self.major(minor):f}"

    def shown(self, minor: int) -> str:
        """Minor units as people read them, in major units: ``25,000.00``."""
        return grouped(self.plain(minor))
