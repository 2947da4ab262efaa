"""A case of a measure: rows that hold, measured green, and rows with a planted fault, measured red."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from demo_pipeline.domain.scorecard.columns import TenantColumns
from demo_pipeline.domain.scorecard.statistics import Ints, shuffled

Case = tuple[TenantColumns, TenantColumns]


class Cases(dict[str, Callable[[], Case]]):
    """Cases by the name of their measure."""

    def add(self, make: Callable[[], Case]) -> Callable[[], Case]:
        """Register the case of the measure that has the function's name."""
        self[make.__name__] = make
        return make


def both(make: Callable[[Any], TenantColumns], good: Any, bad: Any) -> Case:
    """The same tenant with one argument that differs."""
    return make(good), make(bad)


def lot(count: int, of: int, key: int = 0) -> Ints:
    """``count`` numbers from 0 to ``of`` - 1, mixed."""
    return (shuffled(count, key) % of).astype(np.int64)
