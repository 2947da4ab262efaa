"""Deal values: natural sizes, scaled so that they sum to the target to the minor unit.

Assumptions: sizes are log-normal (the industry's frozen quantile table) with a Pareto tail. Every deal has

1. a natural size from its draw (:func:`natural_values`);
2. its share of the target, with integers, at least one minor unit (:func:`in_proportion`).

``generation.prices`` finds values near these shares that the price list explains. Only where it finds none,
:func:`apportion_values` is the fallback:

3. shares are rounded down to the step in which such amounts are quoted (two or three leading digits);
4. what is left goes out by largest remainder in whole steps, the rest to the largest deal.

Conservation: the result of the fallback sums to the target, always. Known drawback: where the target is far
from what the industry's deals would sum to, all deals of that month are large (or small) together.
"""

from __future__ import annotations

import numpy as np

from demo_pipeline.domain.core.random_streams import I64, U64, quantile

_PPM = 1_000_000
_WORD = 2**63
_DEPTH_BITS = 34
_POWERS = np.array([10**n for n in range(18)], np.int64)


def natural_values(draws: U64, body: I64, whale_ppm: int, largest: int) -> I64:
    """Sizes as the industry has them, in the units of the table ``body``, at least 1; shape (n,).

    ``whale_ppm`` is the share of the deals, from above, that follow a Pareto law of exponent 1 instead of the
    table: it begins where the table has got to by then, and ends at ``largest``. A higher ratio raises larger
    deals by more than smaller ones, so value concentrates in the largest deals.
    """
    sizes = quantile(draws, body)
    # From above, in units of 2**-34: the product below has 64 bits.
    depth = (~draws >> np.uint64(64 - _DEPTH_BITS)).astype(np.int64) + 1
    bound = (whale_ppm << _DEPTH_BITS) // _PPM
    whales = np.flatnonzero(depth <= bound)
    if len(whales):
        begin = ~np.array([(bound - 1) << (64 - _DEPTH_BITS)], np.uint64)
        start = int(quantile(begin, body)[0])
        sizes[whales] = np.maximum(sizes[whales], np.minimum(start * bound // depth[whales], largest))
    return np.maximum(sizes, 1)


def apportion_values(natural: I64, target_minor: int) -> I64:
    """Values (minor units, each ≥ 1) in proportion to ``natural`` that sum to ``target_minor``.

    ``target_minor`` below one unit a deal is a ``ValueError``.
    """
    scaled = in_proportion(natural, target_minor)
    if len(scaled) == 0:
        return scaled
    step = _steps(scaled)
    values = scaled - scaled % step
    left = target_minor - int(values.sum())
    # By what rounding took from each, relative to its step; ties by position.
    by_loss = np.argsort(-((scaled - values) * _PPM // step), kind="stable")
    for i, one in zip(by_loss.tolist(), step[by_loss].tolist(), strict=True):
        if one <= left:
            values[i] += one
            left -= one
            if left == 0:
                break
    values[np.argmax(values)] += left
    return values


def in_proportion(natural: I64, target_minor: int) -> I64:
    """At least 1 each, in proportion to ``natural``; in all below ``target_minor`` by a unit a deal at most.

    ``target_minor`` below one unit a deal is a ``ValueError``.
    """
    count = len(natural)
    if target_minor < count:
        raise ValueError(f"{target_minor} minor units cannot be shared by {count} deals")
    if count == 0:
        if target_minor:
            raise ValueError(f"{target_minor} minor units and no deal to carry them")
        return np.empty(0, np.int64)
    spare, total = target_minor - count, int(natural.sum())
    if int(natural.max()) * spare < _WORD:
        return 1 + natural * spare // total
    # Python's integers: the products exceed 64 bits.
    return np.array([1 + size * spare // total for size in natural.tolist()], np.int64)


def _steps(minor: I64) -> I64:
    """The steps in which amounts of this size are quoted: 12,345.67 in hundreds, 89.90 in tenths."""
    digits = np.searchsorted(_POWERS, minor, side="right")
    step = _POWERS[np.maximum(digits - 3, 0)]
    return np.where(digits <= 3, 1, np.where(minor < 5 * _POWERS[np.maximum(digits - 1, 0)], step, 5 * step))
