"""Shapes are targets that some rows can show, computed exactly from what is known."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS, Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import infeasible
from demo_pipeline.domain.patch_plan.plan import MOST_COUNT, PatchPlan, PlanType
from demo_pipeline.domain.patch_plan.shapes import Shape, shaped_plan
from tests.builders.currencies import EUR, JPY

_LAST: Final = Figures(
    leads_created=30,
    contacts_created=40,
    companies_created=5,
    deals_created=12,
    closed_won_count=4,
    closed_won_value=2_000_000,
    pipeline_added_value=3_600_000,
    activities_created=201,
)
_VALUES: Final = st.sampled_from((0, 1)) | st.integers(0, 10**8)
_SEPTEMBER: Final = Month.parse("2025-09")
_KNOWN: Final = FiguresByMonth({_SEPTEMBER: _LAST})


def figures_of(plan: PatchPlan, currency: Currency = EUR) -> list[Figures]:
    """What a plan asks for, in minor units; all eight figures are given."""
    assert plan.plan_type is PlanType.TARGETS
    return [
        Figures(
            **{
                metric: currency.minor(Decimal(figure)) if metric in VALUE_METRICS else int(figure)
                for metric, figure in request.given.items()
            }
        )
        for request in plan.months
        if set(request.given) == set(METRICS)
    ]


def months_of(plan: PatchPlan) -> list[str]:
    """The months of a plan."""
    return [str(request.month) for request in plan.months]


@st.composite
def known_months(draw: st.DrawFn) -> FiguresByMonth:
    """Months in a row as a CRM shows them, with what people did in them."""
    first = Month.parse("2024-01") + draw(st.integers(0, 11))
    known: dict[Month, Figures] = {}
    for offset in range(draw(st.integers(1, 6))):
        leads, won, rest = draw(st.integers(0, 99)), draw(st.integers(0, 9)), draw(st.integers(0, 20))
        # People leave won deals without a value; open deals may have none.
        won_value = draw(_VALUES) if won else 0
        open_value = draw(_VALUES) if rest else 0
        known[first + offset] = Figures(
            leads_created=leads,
            contacts_created=leads + draw(st.integers(0, 30)),
            companies_created=draw(st.integers(0, 9)),
            deals_created=won + rest,
            closed_won_count=won,
            closed_won_value=won_value,
            pipeline_added_value=won_value + open_value,
            activities_created=draw(st.integers(0, 300)),
        )
    return FiguresByMonth(known)


def test_a_copy_is_the_last_month() -> None:
    """The month after it has the same eight figures."""
    plan = shaped_plan(Shape.COPY_LAST_MONTH, _KNOWN | {_SEPTEMBER + (-1): Figures()}, currency=EUR)
    assert months_of(plan) == ["2025-10"]
    assert figures_of(plan) == [_LAST]


def test_growth_compounds_and_keeps_the_mean_values() -> None:
    """Ten percent a month on the last month, each figure rounded by itself."""
    plan = shaped_plan(Shape.GROW, _KNOWN, percent=Decimal(10), month_count=3, currency=EUR)
    assert months_of(plan) == ["2025-10", "2025-11", "2025-12"]
    figures = figures_of(plan)
    assert [one.leads_created for one in figures] == [33, 36, 40]
    assert [one.activities_created for one in figures] == [221, 243, 268]
    assert [(one.closed_won_count, one.closed_won_value) for one in figures] == [
        (4, 2_000_000),
        (5, 2_500_000),
        (5, 2_500_000),
    ]
    assert [one.open_value for one in figures] == [9 * 200_000, 10 * 200_000, 11 * 200_000]


def test_the_average_is_that_of_the_months_asked_for() -> None:
    """The two last of three, for as many months as are asked."""
    known = FiguresByMonth(
        {_SEPTEMBER: _LAST, _SEPTEMBER + 1: Figures(contacts_created=21), _SEPTEMBER + (-1): _LAST}
    )
    plan = shaped_plan(Shape.MATCH_AVERAGE, known, average_count=2, currency=EUR, month_count=2)
    assert months_of(plan) == ["2025-11", "2025-12"]
    assert [(one.leads_created, one.other_contacts) for one in figures_of(plan)] == [(15, 16), (15, 16)]
    assert [(one.closed_won_count, one.closed_won_value) for one in figures_of(plan)] == [(2, 1_000_000)] * 2


def test_a_dip_lowers_its_months_alone() -> None:
    """From October the next dip is December; up to there the level stays."""
    plan = shaped_plan(Shape.HOLIDAY_DIP, _KNOWN, currency=EUR)
    assert months_of(plan) == ["2025-10", "2025-11", "2025-12"]
    assert [one.leads_created for one in figures_of(plan)] == [30, 30, 21]


def test_a_surge_rises_to_december() -> None:
    """A third, two thirds, the whole of the surge."""
    plan = shaped_plan(Shape.Q4_SURGE, _KNOWN, currency=EUR, percent=Decimal(60))
    assert months_of(plan) == ["2025-10", "2025-11", "2025-12"]
    assert [one.leads_created for one in figures_of(plan)] == [36, 42, 48]


def test_a_shape_may_begin_in_a_month_that_is_known() -> None:
    """What is known from there on is not looked at."""
    known = FiguresByMonth({_SEPTEMBER: _LAST, _SEPTEMBER + 1: Figures(leads_created=1, contacts_created=1)})
    assert figures_of(shaped_plan(Shape.COPY_LAST_MONTH, known, currency=EUR, first=_SEPTEMBER + 1)) == [
        _LAST
    ]


@given(
    known=known_months(),
    currency=st.sampled_from((JPY, EUR)),
    percent=st.decimals("-99", 30, places=3),
    count=st.integers(1, 24),
)
def test_every_shape_is_feasible(
    known: FiguresByMonth, currency: Currency, percent: Decimal, count: int
) -> None:
    """Whatever people left behind: leads in contacts, won in deals, values that the deals can carry."""
    plans = [
        shaped_plan(Shape.COPY_LAST_MONTH, known, currency=currency, month_count=count),
        shaped_plan(Shape.GROW, known, percent=percent, month_count=count, currency=currency),
        shaped_plan(
            Shape.MATCH_AVERAGE, known, average_count=len(known), currency=currency, month_count=count
        ),
        shaped_plan(Shape.HOLIDAY_DIP, known, currency=currency),
        shaped_plan(Shape.Q4_SURGE, known, currency=currency, percent=abs(percent) + 1),
    ]
    for plan in plans:
        figures = figures_of(plan, currency)
        assert len(figures) == len(plan.months)
        assert infeasible(figures, currency=currency, contacts_before=1) == ()


@given(known=known_months(), percent=st.decimals("-99", 300, places=3))
def test_growth_is_within_half_a_unit_of_its_formula(known: FiguresByMonth, percent: Decimal) -> None:
    """The month after next is not the next one, rounded, once more."""
    last = known[max(known)]
    for power, one in enumerate(
        figures_of(shaped_plan(Shape.GROW, known, percent=percent, month_count=6, currency=EUR)), start=1
    ):
        exact = last.leads_created * (1 + Fraction(percent) / 100) ** power
        assert abs(one.leads_created - exact) <= Fraction(1, 2)


def test_what_is_no_shape_is_refused() -> None:
    """Nothing known, too many months, a season that is not in them, a rate that empties or overflows."""
    known = _KNOWN
    huge = FiguresByMonth({_SEPTEMBER: Figures(activities_created=MOST_COUNT)})
    for make in (
        lambda: shaped_plan(Shape.COPY_LAST_MONTH, known, currency=EUR, month_count=25),
        lambda: shaped_plan(Shape.COPY_LAST_MONTH, known, currency=EUR, first=_SEPTEMBER),
        lambda: shaped_plan(
            Shape.COPY_LAST_MONTH, known, currency=EUR, first=Month.parse("2099-12"), month_count=2
        ),
        lambda: shaped_plan(Shape.MATCH_AVERAGE, known, average_count=2, currency=EUR),
        lambda: shaped_plan(Shape.MATCH_AVERAGE, known, average_count=0, currency=EUR),
        lambda: shaped_plan(Shape.HOLIDAY_DIP, known, currency=EUR, month_count=2),
        lambda: shaped_plan(Shape.Q4_SURGE, known, currency=EUR, percent=Decimal(0)),
        lambda: shaped_plan(Shape.GROW, known, percent=Decimal(-100), month_count=1, currency=EUR),
        lambda: shaped_plan(Shape.GROW, known, percent=Decimal("1e-999999"), month_count=1, currency=EUR),
        lambda: shaped_plan(Shape.GROW, known, percent=Decimal("NaN"), month_count=1, currency=EUR),
        lambda: shaped_plan(Shape.GROW, huge, percent=Decimal(1), month_count=1, currency=EUR),
    ):
        with pytest.raises(InputError) as caught:
            make()
        assert caught.value.problems[0].message


def test_nothing_known_is_refused() -> None:
    """There is no last month of nothing."""
    with pytest.raises(InputError, match="figures of 0 months"):
        shaped_plan(Shape.COPY_LAST_MONTH, FiguresByMonth(), currency=EUR)
