"""Shares always sum to the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo_pipeline.domain.core.apportion import apportion

_PARTS = st.lists(
    st.tuples(st.integers(0, 10**13), st.integers(0, 50), st.booleans()), min_size=1, max_size=24
)


@given(extra=st.integers(0, 10**9), parts=_PARTS)
def test_parts_sum_to_the_total_and_keep_minimum_and_mask(
    extra: int, parts: list[tuple[int, int, bool]]
) -> None:
    """Whatever the weights, minima and mask: exact, no part below its minimum, none that is not allowed."""
    weights = [weight for weight, _, _ in parts]
    allowed = [may for _, _, may in parts]
    minimum = [least if may else 0 for _, least, may in parts]
    total = sum(minimum) + extra
    if extra and not any(weight and may for weight, _, may in parts):
        with pytest.raises(ValueError, match="no part that may take them"):
            apportion(total, weights, minimum=minimum, allowed=allowed)
        return
    shares = apportion(total, weights, minimum=minimum, allowed=allowed)
    assert sum(shares) == total
    assert all(share >= least for share, least in zip(shares, minimum, strict=True))
    assert all(may or share == 0 for share, may in zip(shares, allowed, strict=True))


@given(total=st.integers(0, 10**9), weights=st.lists(st.integers(1, 10**12), min_size=1, max_size=24))
def test_no_part_is_a_unit_or_more_away_from_its_quota(total: int, weights: list[int]) -> None:
    """Largest remainder stays within one unit of the exact quota."""
    whole = sum(weights)
    for share, weight in zip(apportion(total, weights), weights, strict=True):
        assert abs(share * whole - total * weight) < whole


@pytest.mark.parametrize(
    ("total", "weights", "minimum", "expected"),
    [
        (10, [1, 1, 1], None, (4, 3, 3)),  # equal remainders: the earlier part first
        (100, [53_000, 24_000, 23_000], None, (53, 24, 23)),
        (7, [6, 3, 1], None, (4, 2, 1)),
        (10, [98, 1, 1], [0, 3, 3], (4, 3, 3)),  # binding minima leave the rest to the others
        (10, [1000, 10, 1], [0, 0, 5], (5, 0, 5)),
        (0, [], None, ()),
        (3, [0, 1], [1, 0], (1, 2)),  # a part without weight gets its minimum only
    ],
)
def test_shares_are_those_of_hamilton(
    total: int, weights: list[int], minimum: list[int] | None, expected: tuple[int, ...]
) -> None:
    """Known apportionments come out."""
    assert apportion(total, weights, minimum=minimum) == expected


@pytest.mark.parametrize(
    ("total", "weights", "minimum", "allowed", "reason"),
    [
        (-1, [1], None, None, "must not be negative"),
        (1, [-1], None, None, "must not be negative"),
        (1, [1], [2], None, "the minima sum to 2, more than the total 1"),
        (1, [1, 1], [1], None, "differ in length"),
        (1, [1], [1], [False], "a part that is not allowed has a minimum"),
        (1, [0], None, None, "1 units to share and no part that may take them"),
        (1, [], None, None, "1 units to share and no part that may take them"),
    ],
)
def test_what_cannot_be_shared_is_refused(
    total: int, weights: list[int], minimum: list[int] | None, allowed: list[bool] | None, reason: str
) -> None:
    """No share is invented where none exists, and the error names the reason."""
    with pytest.raises(ValueError, match=reason):
        apportion(total, weights, minimum=minimum, allowed=allowed)
