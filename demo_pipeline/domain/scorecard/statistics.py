"""Statistics of the scorecard: ranks, correlation, tests, and a classifier that looks for seams.

Plain numpy in floating point: a score is judged against a range, and no row depends on it. The same rows give
the same figures. What is measured does not belong here.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

#: weight of the squared coefficients; a category of a few rows counts for little
_RIDGE: Final = 5.0


def ranks(values: NDArray[np.generic]) -> Floats:
    """Ranks from 1, shape (n,); equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse].astype(np.float64)


def spearman(left: NDArray[np.generic], right: NDArray[np.generic]) -> float | None:
    """Spearman's rank correlation; None where one side has a single value."""
    if len(left) < 3:
        return None
    a, b = ranks(left), ranks(right)
    a, b = a - a.mean(), b - b.mean()
    norm = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / norm if norm else None


def auc(scores: Floats, is_second: Bools) -> float:
    """The probability that a row of the second group has the higher score (Mann and Whitney)."""
    second = int(is_second.sum())
    first = len(scores) - second
    return float((ranks(scores)[is_second].sum() - second * (second + 1) / 2) / (first * second))


def shuffled(count: int, key: int) -> Ints:
    """A permutation of 0 to count - 1 that depends on ``key`` alone (splitmix64)."""
    with np.errstate(over="ignore"):
        state = (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        state ^= np.uint64((key + 1) * 0xD1342543DE82EF95 % 2**64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return np.argsort(state ^ (state >> np.uint64(31)), kind="stable")


def separability(first: Ints, second: Ints, fits: int = 5) -> float:
    """How well a linear discriminant separates two samples: the median AUC over several splits.

    Both have shape (n, features) and hold categories from 0. Each category of each feature is an indicator.
    Every fit learns from one half of each sample and is judged by the other; 0.5 is no difference, and a
    classifier that does worse than chance on rows that it has not seen found none.
    """
    levels = np.maximum(first.max(axis=0), second.max(axis=0)) + 1
    rows = np.concatenate([first, second]) + np.concatenate([[0], np.cumsum(levels)[:-1]])
    design = np.zeros((len(rows), int(levels.sum())))
    np.put_along_axis(design, rows, 1.0, axis=1)
    label = np.repeat([False, True], [len(first), len(second)])
    found = list[float]()
    for fit in range(fits):
        learns = np.concatenate(
            [shuffled(len(sample), 2 * fit + place) % 2 == 0 for place, sample in enumerate((first, second))]
        )
        weights = _discriminant(design[learns], label[learns])
        found.append(auc(design[~learns] @ weights, label[~learns]))
    return max(0.5, float(np.median(found)))


def _discriminant(design: Floats, label: Bools) -> Floats:
    """Coefficients of Fisher's linear discriminant, as a penalised regression on the label."""
    centred = label - label.mean()
    penalty = np.full(design.shape[1], _RIDGE)
    # numpy publishes no type of the result.
    solve: Any = np.linalg.solve
    return solve(design.T @ design + np.diag(penalty), design.T @ centred)


def categories(values: NDArray[np.generic], most: int = 10) -> Ints:
    """Values as categories from 0: each value its own, or ``most`` classes of about equal size."""
    _, inverse = np.unique(values, return_inverse=True)
    if int(inverse.max(initial=0)) < most:
        return inverse.astype(np.int64)
    edges: Floats = np.quantile(values.astype(np.float64), np.arange(1, most) / most)
    return np.searchsorted(np.unique(edges), values.astype(np.float64), side="right").astype(np.int64)


def two_sided(found: float, expected: float, variance: float) -> float | None:
    """How likely chance is at least as far from ``expected`` as ``found`` (normal, continuity corrected)."""
    if variance <= 0:
        return None
    distance = max(0.0, abs(found - expected) - 0.5) / math.sqrt(variance)
    return math.erfc(distance / math.sqrt(2))


def cramers_v(table: Ints) -> float | None:
    """Cramér's V of a table of counts, corrected for bias (Bergsma 2013)."""
    counts = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0].astype(np.float64)
    rows, columns, total = *counts.shape, counts.sum()
    if rows < 2 or columns < 2:
        return None
    expected = counts.sum(axis=1)[:, None] * counts.sum(axis=0) / total
    phi = float(((counts - expected) ** 2 / expected).sum()) / total
    phi = max(0.0, phi - (rows - 1) * (columns - 1) / (total - 1))
    least = min(rows - (rows - 1) ** 2 / (total - 1), columns - (columns - 1) ** 2 / (total - 1))
    return math.sqrt(phi / (least - 1)) if least > 1 else None
