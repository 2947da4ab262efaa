"""Bars as text: heights, the lowest bar, and the months of a trend."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from demo_pipeline.domain.core.figures import METRICS, Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.rendering.sparks import spark, trend_markdown
from tests.builders.currencies import EUR

JANUARY = Month.of(2025, 1)
#: as many digits as a figure of the CRM can have
LARGEST = 10**15 - 1


@given(st.lists(st.integers(-5, LARGEST), max_size=60))
def test_bars_rise_with_the_values(values: list[int]) -> None:
    """One bar a value; a larger value is never lower, the largest is full, and only zero is the lowest."""
    bars = spark(values)
    assert len(bars) == len(values)
    for value, bar in zip(values, bars, strict=True):
        assert (bar == "▁") == (value <= 0)
        assert (bar == "█") >= (value == max(values) > 0)
        assert all(bar >= other for less, other in zip(values, bars, strict=True) if less <= value)


def test_a_trend_ends_with_its_month_and_has_no_gap() -> None:
    """A month without rows is a zero; months after the last one are left out."""
    months = FiguresByMonth(
        {JANUARY: Figures(deals_created=4), JANUARY + 2: Figures(deals_created=2), JANUARY + 3: Figures()}
    )
    lines = trend_markdown(months, JANUARY + 2, EUR).splitlines()
    assert lines[0] == "| EUR | 2025-01 to 2025-03 | 2025-03 |"
    assert "| Deals created | █▁▅ | 2 |" in lines
    assert len(lines) == 2 + len(METRICS)


def test_a_trend_of_many_months_stays_short_enough_to_be_shown_at_once() -> None:
    """Dagster folds 1,000 characters or more; the last 24 months with the largest figures are fewer."""
    whole = Figures(**dict.fromkeys(METRICS, LARGEST))
    months = FiguresByMonth((month, whole) for month in JANUARY.until(JANUARY + 59))
    text = trend_markdown(months, JANUARY + 59, EUR)
    assert f"| {JANUARY + 36} to {JANUARY + 59} |" in text
    assert len(text) < 1000


def test_a_tenant_without_rows_has_a_trend_of_zeros() -> None:
    """The only month is the one that is asked for."""
    assert "| Value won | ▁ | 0.00 |" in trend_markdown(FiguresByMonth(), JANUARY, EUR)
