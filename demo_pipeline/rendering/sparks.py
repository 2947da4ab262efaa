"""Bars of a row of figures as text, ``▁▂▅█``: for places where a picture is too much.

The figures themselves belong beside them: a bar shows the course only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, FiguresByMonth, figure_text
from demo_pipeline.domain.core.months import Month
from demo_pipeline.rendering.table import Table, markdown, text_columns

#: the lowest bar is zero
_BARS: Final = "▁▂▃▄▅▆▇█"
#: months of a trend: more make the Markdown longer than Dagster's page shows at once
_MOST_MONTHS: Final = 24


def spark(values: Sequence[int]) -> str:
    """One bar for each value, the highest of them full; a value of 0 or less is the lowest bar."""
    most, steps = max(values, default=0), len(_BARS) - 1
    # Rounded up, so that one of a thousand does not look like none.
    return "".join(_BARS[-(-value * steps // most) if value > 0 else 0] for value in values)


def trend_markdown(months: FiguresByMonth, last: Month, currency: Currency) -> str:
    """The course of each metric over the months up to ``last``, at most 24, and its figure in ``last``.

    Months without rows between the first and the last count as zeros.
    """
    first = max(min(months, default=last), last + (1 - _MOST_MONTHS))
    shown = months.over(first.until(last))
    columns = text_columns(str(currency), f"{first} to {last}", str(last), numbers={str(last)})
    rows = [
        (
            metric.long_label,
            spark([figures[name] for figures in shown.values()]),
            figure_text(name, shown.at(last)[name], currency),
        )
        for name, metric in METRICS.items()
    ]
    return markdown(Table(columns, rows))
