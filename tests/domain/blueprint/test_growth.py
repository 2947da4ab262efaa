"""The curves have the shape that they are named after, on any machine."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal, localcontext
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo_pipeline.domain.blueprint.growth import (
    CURVES,
    VARIANCE_PPM,
    Curve,
    Growth,
    curve_at,
    month_weight,
    month_weights,
)
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.random_streams import Stream

_START = Month.parse("2025-01")
_STREAM = Stream(("seed", "slug"))


def _curve(curve: Curve, rate: str, months: int) -> list[Decimal]:
    growth = Growth(curve=curve, monthly_rate=Decimal(rate))
    return [curve_at(growth, months, index) for index in range(months)]


def test_linear_grows_by_the_same_amount() -> None:
    """Each month adds the rate, of the first month."""
    assert _curve("linear", "0.5", 4) == [1, Decimal("1.5"), 2, Decimal("2.5")]


def test_a_falling_line_stays_above_zero() -> None:
    """A line that would cross zero levels off at a hundredth."""
    assert _curve("linear", "-0.4", 5)[-2:] == [Decimal("0.01")] * 2


def test_exponential_grows_by_the_same_factor() -> None:
    """Each month is the one before times one plus the rate."""
    assert _curve("exponential", "0.1", 3) == [1, Decimal("1.1"), Decimal("1.21")]


def test_logistic_is_at_half_its_height_in_the_middle() -> None:
    """It rises all the time, first faster, then slower, and is symmetric about the middle."""
    curve = _curve("logistic", "0.3", 13)
    assert curve[6] == Decimal("0.5")
    steps = [after - before for before, after in pairwise(curve)]
    assert min(steps) > 0
    assert steps[:6] == sorted(steps[:6])
    assert all(abs(a + b - 1) < Decimal("1e-40") for a, b in zip(curve, reversed(curve), strict=True))


def test_step_is_level_for_a_quarter() -> None:
    """Three months alike, then three months' growth at once."""
    curve = _curve("step", "0.1", 7)
    assert curve == [1, 1, 1, *[Decimal("1.331")] * 3, Decimal("1.771561")]


def test_seasons_and_variance_scale_a_month() -> None:
    """A month of 150 percent weighs one and a half times its curve, give or take the variance."""
    growth = Growth(monthly_rate=Decimal(0), season_percent=(150, *[100] * 11))
    weight = month_weight(growth, _START, 12, 0, _STREAM)
    assert abs(weight / Decimal("1.5") - 1) <= Decimal(VARIANCE_PPM) / 1_000_000
    assert weight != Decimal("1.5")


@given(
    curve=st.sampled_from(CURVES),
    rate=st.decimals("-0.999999", 10, places=6),
    months=st.integers(1, 24),
)
def test_weights_are_positive_whole_numbers(curve: Curve, rate: Decimal, months: int) -> None:
    """No rate makes a weight vanish or blow up, in the span or after it."""
    growth = Growth(curve=curve, monthly_rate=rate)
    weights = month_weights(growth, _START, months, _STREAM)
    assert len(weights) == months
    assert all(1 <= weight <= 10**12 for weight in weights)
    assert max(weights) == 10**12
    assert month_weight(growth, _START, months, months + 24, _STREAM) > 0


def test_the_callers_decimal_context_changes_nothing() -> None:
    """Low precision and another rounding in the host program leave the weights as they are."""
    growth = Growth(curve="logistic", monthly_rate=Decimal("0.17"), season_percent=tuple(range(90, 114, 2)))
    weights = month_weights(growth, _START, 24, _STREAM)
    with localcontext() as context:
        context.prec, context.rounding = 4, ROUND_UP
        assert month_weights(growth, _START, 24, _STREAM) == weights


def test_another_stream_moves_months_by_the_variance_only() -> None:
    """Two metrics do not move in step, and neither leaves the curve by more than the variance."""
    growth = Growth(monthly_rate=Decimal(0))
    one, other = (
        [month_weight(growth, _START, 24, i, _STREAM.child(name)) for i in range(24)]
        for name in ("leads", "deals")
    )
    assert one != other
    assert all(abs(weight - 1) <= Decimal("0.03") for weight in (*one, *other))


def test_growth_survives_being_stored() -> None:
    """What is stored with a tenant comes back equal."""
    growth = Growth(curve="step", monthly_rate=Decimal("-0.050"), season_percent=tuple(range(95, 107)))
    assert Growth.from_json(growth.to_json()) == growth


@pytest.mark.parametrize("curve", CURVES)
def test_flat_growth_is_flat(curve: Curve) -> None:
    """A rate of zero gives the same weight to every month, whatever the curve."""
    assert len(set(_curve(curve, "0", 24))) == 1
