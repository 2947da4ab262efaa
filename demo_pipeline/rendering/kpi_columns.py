"""Tables of the eight KPIs: months with all metrics, and single figures before and after a change.

Used by the command line and by Dagster's pages. Which figures a result has is decided there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import METRICS, Figures, FiguresByMonth, figure_json, figure_text
from demo_pipeline.rendering.table import Column, Table

#: a month, or ``total``, with its figures
MonthRow: TypeAlias = "tuple[Any, Figures]"


def kpi_columns(currency: Currency) -> list[Column[MonthRow]]:
    """The month and the eight KPIs."""

    def column(metric: str) -> Column[MonthRow]:
        return Column(
            metric,
            METRICS[metric].short_label,
            lambda row: figure_json(metric, row[1][metric], currency),
            text=lambda row: figure_text(metric, row[1][metric], currency),
            is_number=True,
        )

    return [Column("month", "month", lambda row: row[0]), *map(column, METRICS)]


def kpi_table(title: str, months: FiguresByMonth, currency: Currency) -> Table[MonthRow]:
    """A row for each month, and their sums."""
    return Table(kpi_columns(currency), list(months.items()), title=title, total=("total", months.total))


@dataclass(frozen=True, kw_only=True)
class FigureRow:
    """One metric of one month, in several states."""

    month: str
    metric: str
    currency: Currency
    #: state → figure in units or minor units, as ``{"before": 3, "after": 5}``
    figures: Mapping[str, int]


def figure_rows(
    month: Any, currency: Currency, states: Mapping[str, Figures], metrics: Iterable[str] = METRICS
) -> list[FigureRow]:
    """A row for each metric of a month; ``states``: state → the month's figures in it."""
    return [
        FigureRow(
            month=str(month),
            metric=metric,
            currency=currency,
            figures={state: figures[metric] for state, figures in states.items()},
        )
        for metric in metrics
    ]


def figure_column(
    state: str,
    title: str | None = None,
    *,
    is_signed: bool = False,
    is_strong: Callable[[FigureRow], bool] = lambda _: False,
    description: str = "",
) -> Column[FigureRow]:
    """The figures of one state; ``is_signed``: with a sign, as a difference."""
    show = signed_text if is_signed else figure_text
    return Column(
        state,
        title or state,
        lambda row: figure_json(row.metric, row.figures[state], row.currency),
        text=lambda row: show(row.metric, row.figures[state], row.currency),
        is_number=True,
        is_strong=is_strong,
        description=description,
    )


def label_column(currency: Currency) -> Column[FigureRow]:
    """The metric in words, under the currency of the values."""
    return Column("", str(currency), text=lambda row: METRICS[row.metric].long_label)


def signed_text(metric: str, difference: int, currency: Currency) -> str:
    """A difference for people: ``+1,234``, ``-5.00``, ``0``."""
    text = figure_text(metric, difference, currency)
    return f"+{text}" if difference > 0 else text


#: columns for the month and the metric of a figure
MONTH: Final[Column[FigureRow]] = Column("month", "month")
METRIC: Final[Column[FigureRow]] = Column("metric", "metric")
