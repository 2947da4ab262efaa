"""Do the figures hold? The gate before a commit, and the comparison with what is expected after it."""

from __future__ import annotations

from dataclasses import dataclass

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, FiguresByMonth, figure_json, figure_text
from demo_pipeline.domain.core.months import Month


@dataclass(frozen=True)
class Mismatch:
    """One metric of one month that is not what it must be. Values in minor units."""

    month: Month
    metric: str
    expected: int
    actual: int

    def describe(self, currency: Currency) -> str:
        """``2025-01 closed_won_value: 120.00 instead of 100.00``."""
        actual, expected = (
            figure_text(self.metric, figure, currency) for figure in (self.actual, self.expected)
        )
        return f"{self.month} {self.metric}: {actual} instead of {expected}"

    def to_json(self, currency: Currency) -> dict[str, int | str]:
        """JSON-ready; money as a string in major units."""
        expected, actual = (
            figure_json(self.metric, figure, currency) for figure in (self.expected, self.actual)
        )
        return {"month": str(self.month), "metric": self.metric, "expected": expected, "actual": actual}


def mismatches(expected: FiguresByMonth, actual: FiguresByMonth) -> tuple[Mismatch, ...]:
    """Every metric of every month of either mapping that differs; an absent month is all zeros."""
    return tuple(
        Mismatch(month, metric, wanted[metric], found[metric])
        for month in sorted({*expected, *actual})
        if (wanted := expected.at(month)) != (found := actual.at(month))
        for metric in METRICS
        if wanted[metric] != found[metric]
    )
