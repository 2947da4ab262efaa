"""Figures by month: arithmetic, months without rows, and the written forms."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo_pipeline.domain.core.figures import METRICS, NO_MONTHS, Figures, FiguresByMonth, Parts
from demo_pipeline.domain.core.months import Month
from tests.builders.currencies import EUR

JANUARY = Month.of(2025, 1)
_FIGURES = st.builds(Figures, **{field.name: st.integers(-99, 99) for field in fields(Figures)})
_BY_MONTH = st.dictionaries(st.integers(0, 5).map(lambda offset: JANUARY + offset), _FIGURES).map(
    FiguresByMonth
)


@given(one=_BY_MONTH, other=_BY_MONTH)
def test_sums_and_differences_are_exact_over_the_months_of_both(
    one: FiguresByMonth, other: FiguresByMonth
) -> None:
    """Taking off what was added gives the same figures; a total is the sum of the months."""
    both = one + other
    assert set(both) == {*one, *other}
    assert both - other == one + other.over(other) - other
    assert all((both - other).at(month) == one.at(month) for month in both)
    assert (-one) + one == NO_MONTHS.over(one)
    assert both.total == one.total + other.total
    for metric in METRICS:
        assert both.total[metric] == sum(figures[metric] for figures in both.values())


def test_a_month_without_rows_is_read_on_purpose() -> None:
    """``at`` gives zeros, ``[]`` refuses; ``over`` lists what it is asked for and nothing else."""
    months = FiguresByMonth({JANUARY: Figures(deals_created=1)})
    assert months.at(JANUARY + 1) == Figures()
    with pytest.raises(KeyError):
        months[JANUARY + 1]
    assert months.over([JANUARY + 1]) == {JANUARY + 1: Figures()}
    assert months.over([JANUARY, JANUARY + 1]).nonzero() == months


def test_months_come_in_order_of_time() -> None:
    """However they were handed in; ``|`` replaces months."""
    months = FiguresByMonth({JANUARY + offset: Figures(deals_created=offset) for offset in (3, 1, 2)})
    assert list(months) == [JANUARY + 1, JANUARY + 2, JANUARY + 3]
    assert (months | {JANUARY: Figures()}).at(JANUARY) == Figures()
    assert (months | {JANUARY + 1: Figures(deals_created=9)}).total.deals_created == 14


@given(months=_BY_MONTH)
def test_documents_are_read_as_they_were_written(months: FiguresByMonth) -> None:
    """The mapping and the rows say the same."""
    document = months.to_json(EUR)
    assert FiguresByMonth.from_json(document, EUR) == months
    assert months.to_rows(EUR) == [{"month": month, **row} for month, row in document.items()]
    assert hash(FiguresByMonth.from_json(document, EUR)) == hash(months)


@given(months=st.lists(_FIGURES, max_size=5))
def test_the_parts_of_a_month_say_all_of_its_figures(months: list[Figures]) -> None:
    """Figures are the sums of their disjoint parts, by month and by column of months."""
    assert [Figures.of_parts(one.parts) for one in months] == months
    columns = Parts(*zip(*(one.parts for one in months), strict=True)) if months else Parts(*[()] * 8)
    assert list(Figures.of_columns(columns)) == months
    assert all(one.parts.leads + one.parts.other_contacts == one.contacts_created for one in months)


@given(one=st.builds(Figures.of_parts, st.builds(Parts[int], *[st.integers(0, 99)] * 8)))
def test_scaled_figures_keep_the_mean_value_of_their_deals(one: Figures) -> None:
    """Counts are scaled part by part; a value follows its deals, and there is none without deals."""
    twice, none = one.scaled(lambda count: 2 * count), one.scaled(lambda _: 0)
    assert (twice.leads_created, twice.other_deals) == (2 * one.leads_created, 2 * one.other_deals)
    assert twice.closed_won_value == (2 * one.closed_won_value if one.closed_won_count else 0)
    assert twice.open_value == (2 * one.open_value if one.other_deals else 0)
    assert none == Figures()
