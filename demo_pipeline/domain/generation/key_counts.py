"""How often each of many 64-bit numbers was there, in little more than four bytes a number.

For what grows with a tenant. Numbers that come together are kept together, ascending, so that most share
their upper half with the one before. What the numbers mean is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from demo_pipeline.domain.core.random_streams import I64

_HALF = 32


@dataclass(frozen=True)
class _Part:
    """Numbers, ascending."""

    #: upper halves, each once, and how many numbers have it
    high: I64
    count: I64
    #: lower halves, one a number
    low: NDArray[np.uint32]

    def values(self) -> I64:
        values = np.repeat(self.high << _HALF, self.count)
        values |= self.low
        return values


@dataclass
class KeyCounts:
    """Numbers, each as often as it was added."""

    _parts: list[_Part] = field(default_factory=list[_Part])

    def add(self, numbers: I64) -> None:
        """More numbers, in any order."""
        values = np.sort(numbers)
        high, count = np.unique(values >> _HALF, return_counts=True)
        self._parts.append(_Part(high, count, values.astype(np.uint32)))

    def count(self, numbers: I64) -> I64:
        """How often each was added, shape (n,)."""
        order = np.argsort(numbers, kind="stable")
        ordered, found = numbers[order], np.zeros(len(numbers), np.int64)
        for part in self._parts:
            values = part.values()
            found += np.searchsorted(values, ordered, side="right") - np.searchsorted(values, ordered)
        count = np.empty_like(found)
        count[order] = found
        return count
