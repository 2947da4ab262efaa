"""Do the figures hold? The gate before a commit, and the comparison with what is expected after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, Figures, figure_json, figure_text
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


def mismatches(expected: Mapping[Month, Figures], actual: Mapping[Month, Figures]) -> tuple[Mismatch, ...]:
    """Every metric of every month of either mapping that differs; an absent month is all zeros."""
    nothing = Figures()
    return tuple(
        Mismatch(month, metric, wanted[metric], found[metric])
        for month in sorted({*expected, *actual})
        if (wanted := expected.get(month, nothing)) != (found := actual.get(month, nothing))
        for metric in METRICS
        if wanted[metric] != found[metric]
    )


def after_change(before: Mapping[Month, Figures], change: Mapping[Month, Figures]) -> dict[Month, Figures]:
    """What must be there once ``change`` was added to ``before``."""
    nothing = Figures()
    return {month: before.get(month, nothing) + change.get(month, nothing) for month in {*before, *change}}
