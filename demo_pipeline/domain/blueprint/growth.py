"""The shape of a business over its months: how much of a total falls into which month.

A month's weight is curve × season × a small keyed variance. Everything is ``decimal`` at a fixed precision
with multiplication, division and square root only, all of them correctly rounded: the weights are the
same on every machine. Sharing totals out by these weights is not done here (``apportion``,
``blueprint.resolve``).

The curves and their formulas are in ``CURVE_TEXTS``.

Assumption (no public source found): a business is within 3 % of its curve in a month, see ``VARIANCE_PPM``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month

if TYPE_CHECKING:
    from demo_pipeline.domain.core.random_streams import Stream

Curve = Literal["linear", "exponential", "logistic", "step"]
CURVES: Final[tuple[str, ...]] = get_args(Curve)


@dataclass(frozen=True)
class CurveText:
    """What a curve is, for the reference."""

    #: sentences
    words: str
    #: the weight of month *i* (from 0) in a span of *n* months, with the monthly rate *r*
    formula: str


CURVE_TEXTS: Final[Mapping[Curve, CurveText]] = MappingProxyType(
    {
        "linear": CurveText(
            "Every month adds the same amount: the rate times the first month. A falling line stops at one "
            "hundredth of the first month.",
            "1 + r·i, at least 0.01",
        ),
        "exponential": CurveText(
            "Every month is larger than the one before by the rate: growth on growth.", "(1 + r)^i"
        ),
        "logistic": CurveText(
            "An S: grows by about the rate at first, is at half its height in the middle of the span, and "
            "levels off.",
            "1 ÷ (1 + (1 + r)^(m − i)) with m = (n − 1) ÷ 2",
        ),
        "step": CurveText(
            "Level for a quarter, then the growth of three months at once.", "(1 + r)^(3·⌊i ÷ 3⌋)"
        ),
    }
)

#: ``growth`` left out of a blueprint: gentle growth, no season.
DEFAULT_CURVE: Final[Curve] = "linear"
DEFAULT_MONTHLY_RATE: Final = Decimal("0.05")

#: the most by which a month's weight differs from its curve, millionths
VARIANCE_PPM: Final = 30_000
MONTHS_PER_STEP: Final = 3
NO_SEASON: Final = (100,) * 12
#: the most that a living tenant grows by in a month after its span: its curve must not run away
MOST_LIVING_RATE: Final = Decimal("0.02")

_PPM: Final = 1_000_000
_LEAST_LINEAR: Final = Decimal("0.01")
_WEIGHT_DIGITS: Final = 12


def _exact() -> Context:
    """Own precision and exponents: a host that changed decimal's defaults changes nothing here."""
    return Context(prec=50, rounding=ROUND_HALF_EVEN, Emin=-99_999, Emax=99_999)


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How a tenant grows, as it is stored with it."""

    curve: Curve = DEFAULT_CURVE
    #: growth a month, 0.15 is 15 %; above -1
    monthly_rate: Decimal = DEFAULT_MONTHLY_RATE
    #: January to December, percent of an ordinary month
    season_percent: tuple[int, ...] = NO_SEASON

    def slowed(self) -> Growth:
        """The growth of a living tenant after its span: at most ``MOST_LIVING_RATE`` a month."""
        return replace(self, monthly_rate=min(self.monthly_rate, MOST_LIVING_RATE))

    def to_json(self) -> dict[str, Any]:
        """Canonical and JSON-ready."""
        return {
            "curve": self.curve,
            "monthly_rate": str(self.monthly_rate),
            "season_percent": list(self.season_percent),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Growth:
        """The inverse of :meth:`to_json`."""
        return cls(
            curve=values["curve"],
            monthly_rate=Decimal(values["monthly_rate"]),
            season_percent=tuple(values["season_percent"]),
        )


def month_weights(growth: Growth, start: Month, month_count: int, variance: Stream) -> tuple[int, ...]:
    """The positive integer weights of the span's months, the largest about 10**12.

    ``variance`` is the stream of one metric, so that leads and deals do not move in step.
    """
    weights = [month_weight(growth, start, month_count, index, variance) for index in range(month_count)]
    with localcontext(_exact()):
        largest = max(weights)
        return tuple(
            max(1, int((weight / largest).scaleb(_WEIGHT_DIGITS).to_integral_value())) for weight in weights
        )


def month_weight(growth: Growth, start: Month, month_count: int, index: int, variance: Stream) -> Decimal:
    """The weight of month ``index`` (from 0; beyond the span the curve goes on), always positive."""
    month = start + index
    drawn = int(variance.child(str(month)).below("variance", 1, 2 * VARIANCE_PPM + 1)[0])
    with localcontext(_exact()):
        return (
            curve_at(growth, month_count, index)
            * max(1, growth.season_percent[month.number - 1])
            * (_PPM - VARIANCE_PPM + drawn)
            / (100 * _PPM)
        )


def curve_at(growth: Growth, month_count: int, index: int) -> Decimal:
    """The bare curve, without season and variance; see ``CURVE_TEXTS``."""
    with localcontext(_exact()):
        factor = 1 + growth.monthly_rate
        match growth.curve:
            case "linear":
                return max(_LEAST_LINEAR, 1 + growth.monthly_rate * index)
            case "exponential":
                return _power(factor, index)
            case "logistic":
                # Half months of distance to the middle, so that the exponent is whole.
                return 1 / (1 + _power(factor.sqrt(), month_count - 1 - 2 * index))
            case "step":
                return _power(factor, MONTHS_PER_STEP * (index // MONTHS_PER_STEP))


def continued(
    last: Figures, growth: Growth, start: Month, month_count: int, index: int, stream: Stream
) -> Figures:
    """Figures of month ``index`` beyond a span: the curve goes on, the last month's ratios stay.

    Each part is scaled by itself and keeps its mean value, so the month is feasible where ``last`` is.
    """
    variance = stream.child("continued")
    weight = month_weight(growth, start, month_count, index, variance)
    context = _exact()
    ratio = context.divide(weight, month_weight(growth, start, month_count, month_count - 1, variance))

    def scale(count: int) -> int:
        return int(context.multiply(Decimal(count), ratio).to_integral_value(ROUND_HALF_EVEN))

    return last.scaled(scale)


def _power(base: Decimal, exponent: int) -> Decimal:
    """By repeated multiplication: ``decimal``'s own power is not promised to be correctly rounded."""
    product = Decimal(1)
    for _ in range(abs(exponent)):
        product *= base
    return product if exponent >= 0 else 1 / product
