"""A plan is sound in itself, and equal plans have one document."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import ROUND_UP, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given

from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.parsing.written_numbers import other_currencies
from demo_pipeline.domain.patch_plan.plan import (
    MOST_COUNT,
    MOST_VALUE,
    MonthRequest,
    PatchPlan,
    PlanType,
    Tolerances,
)
from tests.builders.plans import plans

_JANUARY = Month.parse("2025-01")


def test_the_document_says_what_was_asked_and_nothing_else() -> None:
    """Figures in the order of the eight metrics, money as text with two decimals, no seed."""
    plan = PatchPlan(
        seed="1337",
        months=(
            MonthRequest(
                _JANUARY, {"closed_won_value": Decimal("1E+3"), "contacts_created": 40, "leads_created": 0}
            ),
        ),
    )
    assert json.dumps(plan.to_json()) == json.dumps(
        {
            "mode": "additive",
            "plan_type": "deltas",
            "tolerances": {"count": 0, "value": "0"},
            "months": [
                {
                    "month": "2025-01",
                    "metrics": {"leads_created": 0, "contacts_created": 40, "closed_won_value": "1000.00"},
                }
            ],
        }
    )


@given(plans())
def test_a_stored_plan_comes_back_equal(plan: PatchPlan) -> None:
    """Through JSON text, as the ledger keeps it, with the seed beside it."""
    stored = json.loads(json.dumps(plan.to_json()))
    assert PatchPlan.from_json(stored, seed=plan.seed) == plan
    assert PatchPlan.from_json(stored).to_json() == plan.to_json()


@given(plans())
def test_the_spelling_of_an_amount_is_not_in_the_document(plan: PatchPlan) -> None:
    """Zeros at the end, exponents, a negative zero, and the precision of the program around it."""
    spelled = replace(
        plan,
        months=tuple(
            MonthRequest(
                request.month,
                {
                    metric: figure
                    if isinstance(figure, int)
                    else Decimal(f"{figure.normalize()}")
                    if figure
                    else Decimal("-0.0")
                    for metric, figure in request.given.items()
                },
            )
            for request in plan.months
        ),
    )
    with localcontext() as context:
        context.prec, context.rounding = 3, ROUND_UP
        assert spelled.to_json() == plan.to_json()
    assert spelled == plan


@pytest.mark.parametrize(
    "figures",
    [
        {"leads_created": -1},
        {"leads_created": MOST_COUNT + 1},
        {"closed_won_value": Decimal("-0.01")},
        {"closed_won_value": MOST_VALUE + 1},
        {"closed_won_value": Decimal("0.001")},
        {"closed_won_value": Decimal("NaN")},
        {"closed_won_value": Decimal("Infinity")},
        {"closed_won_value": Decimal("1e-999999")},
    ],
)
def test_a_figure_out_of_bounds_is_no_request(figures: dict[str, Any]) -> None:
    """A program cannot make what the database could not hold."""
    with pytest.raises(ValueError, match="out of bounds"):
        MonthRequest(_JANUARY, figures)


@pytest.mark.parametrize("months", [[], [1, 1], [2, 1], list(range(25))])
def test_months_are_one_to_twenty_four_in_order(months: list[int]) -> None:
    """None, one twice, the wrong order and one too many are no plan."""
    with pytest.raises(ValueError, match="months are not"):
        PatchPlan(months=tuple(MonthRequest(_JANUARY + offset, {}) for offset in months))


@pytest.mark.parametrize("month", ["2019-12", "2100-01"])
def test_a_month_that_cannot_be_patched_is_no_request(month: str) -> None:
    """Before the first month of data, or beyond the calendar."""
    with pytest.raises(ValueError, match=month):
        MonthRequest(Month.parse(month), {})


@pytest.mark.parametrize(
    "values",
    [{"count": -1}, {"value": Decimal("1.1")}, {"value": Decimal("NaN")}, {"value": Decimal("1e-7")}],
)
def test_tolerances_are_units_and_a_share(values: dict[str, Any]) -> None:
    """Not negative, the share at most the whole target."""
    with pytest.raises(ValueError, match="tolerances"):
        Tolerances(**values)


def test_the_range_of_a_plan_is_its_first_and_last_month() -> None:
    """With months left out between them."""
    plan = PatchPlan(
        plan_type=PlanType.TARGETS,
        months=(MonthRequest(_JANUARY, {}), MonthRequest(_JANUARY + 7, {"deals_created": 1})),
    )
    assert (str(plan.first_month), str(plan.last_month)) == ("2025-01", "2025-08")
    assert [dict(request.given) for request in plan.months] == [{}, {"deals_created": 1}]


def test_an_unknown_metric_is_no_request() -> None:
    """A misspelt figure is named instead of left out."""
    with pytest.raises(ValueError, match="deal_created"):
        MonthRequest(_JANUARY, {"deal_created": 1})


def test_a_sign_may_mean_several_currencies() -> None:
    """A dollar of any country fits a dollar tenant, a euro does not."""
    assert other_currencies({"$", "USD"}, "USD") == ()
    assert other_currencies({"$", "EUR", "kr"}, "AUD") == ("EUR", "kr")
    assert other_currencies({"¥"}, "CNY") == ()
