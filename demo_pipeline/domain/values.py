"""Deal values: natural sizes, scaled so that they sum to the target to the minor unit.

Assumptions: sizes are log-normal with a Pareto tail (the industry's frozen quantile tables). Stages:

1. a natural size for every deal from its draw;
2. scaled to the target with integers, at least one minor unit each;
3. rounded down to the step in which such amounts are quoted (two or three leading digits);
4. what is left goes out by largest remainder in whole steps, the rest to the largest deal.

Conservation: the result sums to the target, always. Known drawback: where the target is far from what
the industry's deals would sum to, all deals of that month are large (or small) together.
"""

from __future__ import annotations

import numpy as np

from demo_pipeline.domain.streams import I64, U64, quantile

_PPM = 1_000_000


def natural_values(draws: U64, whales: U64, body: I64, tail: I64, whale_ppm: int) -> I64:
    """Sizes as the industry has them, in the units of the tables, at least 1; shape (n,)."""
    is_whale = (whales >> np.uint64(44)).astype(np.int64) * _PPM < (whale_ppm << 20)
    return np.maximum(np.where(is_whale, quantile(draws, tail), quantile(draws, body)), 1)


def apportion_values(natural: I64, target_minor: int) -> I64:
    """Values (minor units, each ≥ 1) in proportion to ``natural`` that sum to ``target_minor``.

    ``target_minor`` below one unit a deal is a ``ValueError``.
    """
    count = len(natural)
    if target_minor < count:
        raise ValueError(f"{target_minor} minor units cannot be shared by {count} deals")
    if count == 0:
        if target_minor:
            raise ValueError(f"{target_minor} minor units and no deal to carry them")
        return np.empty(0, np.int64)
    sizes: list[int] = natural.tolist()
    total = sum(sizes)
    spare = target_minor - count
    scaled = [1 + size * spare // total for size in sizes]
    values = [value - value % _step(value) for value in scaled]
    left = target_minor - sum(values)
    # By what rounding took from each, relative to its step; ties by position.
    by_loss = sorted(range(count), key=lambda i: -((scaled[i] - values[i]) * _PPM // _step(scaled[i])))
    for i in by_loss:
        step = _step(scaled[i])
        if step <= left:
            values[i] += step
            left -= step
    values[max(range(count), key=lambda i: (values[i], -i))] += left
    return np.array(values, np.int64)


def _step(minor: int) -> int:
    """The step in which an amount of this size is quoted: 12,345.67 in hundreds, 89.90 in tenths."""
    digits = len(str(minor))
    if digits <= 3:
        return 1
    return 10 ** (digits - 3) if str(minor)[0] < "5" else 5 * 10 ** (digits - 3)
