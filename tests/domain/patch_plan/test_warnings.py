"""Warnings tell what is unusual: never what a written plan carries on from the months before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.figures import VALUE_METRICS, Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import Caps, nearest_feasible
from demo_pipeline.domain.patch_plan.plan import MonthRequest, PatchPlan
from demo_pipeline.domain.patch_plan.resolve import PlanBaseline, resolve_plan
from demo_pipeline.domain.patch_plan.shapes import MOST_PERCENT, Shape, shaped_plan
from demo_pipeline.domain.patch_plan.warnings import plan_warnings
from tests.builders.blueprints import resolved
from tests.builders.currencies import EUR
from tests.hypothesis_profiles import examples

NOW = datetime(2025, 12, 31, 12, tzinfo=UTC)
START, NEXT = Month.parse("2025-01"), Month.parse("2025-05")
NO_CAPS = Caps(
    **dict.fromkeys(("leads", "other_contacts", "companies", "deals", "activities", "value"), 10**12)
)
#: 20 deals, 5 of them won, as is usual in saas
USUAL = Figures(
    leads_created=30,
    contacts_created=40,
    companies_created=5,
    deals_created=20,
    closed_won_count=5,
    closed_won_value=500_000,
    pipeline_added_value=1_200_000,
    activities_created=140,
)


@pytest.fixture(scope="module")
def spec() -> TenantSpec:
    """A tenant in dollars."""
    tree = {
        "name": "Larkmoor Nord", "country": "US", "industry": "saas", "seed": "7",
        "start_month": str(START), "end_month": "2025-12",
        "months": [{"month": str(START), "contacts_created": 3}],
    }  # fmt: skip
    return resolved(tree, now=NOW)[0]


def warnings_of(spec: TenantSpec, plan: PatchPlan, before: Mapping[Month, Figures]) -> tuple[str, ...]:
    """What a preview warns of."""
    baseline = PlanBaseline(
        spec=spec,
        before=FiguresByMonth(before),
        running=Month.parse("2025-12"),
        has_contact=lambda _: True,
        has_worked=lambda _: True,
        first_other_contact_at=START.start,
    )
    return plan_warnings(resolve_plan(plan, baseline, NO_CAPS), baseline, NO_CAPS)


def deltas(**figures: Any) -> PatchPlan:
    """A plan of one month."""
    typed = {name: Decimal(one) if name in VALUE_METRICS else one for name, one in figures.items()}
    return PatchPlan(months=(MonthRequest(NEXT, typed),))


_COUNTS = st.integers(0, 3) | st.integers(0, 60)
_VALUES = st.integers(0, 500) | st.integers(0, 10**7)
_FIGURES = st.builds(
    Figures,
    leads_created=_COUNTS,
    contacts_created=_COUNTS,
    companies_created=_COUNTS,
    deals_created=_COUNTS,
    closed_won_count=_COUNTS,
    closed_won_value=_VALUES,
    pipeline_added_value=_VALUES,
    activities_created=_COUNTS,
)
_KNOWN = st.lists(_FIGURES, min_size=1, max_size=4).map(
    lambda figures: FiguresByMonth(
        zip(START.until(NEXT), nearest_feasible(figures, contacts_before=1), strict=False)
    )
)


@settings(max_examples=examples(200))
@given(known=_KNOWN, data=st.data())
def test_a_written_plan_is_no_reason_to_warn(
    spec: TenantSpec, known: FiguresByMonth, data: st.DataObject
) -> None:
    """Whatever the months before show: no shape is warned of for its ratios, nor for growth that is usual."""
    percent = Decimal(data.draw(st.integers(1, 30)))
    steep = Decimal(data.draw(st.integers(31, int(MOST_PERCENT))))
    average = data.draw(st.integers(1, len(known)))
    usual = [
        shaped_plan(Shape.COPY_LAST_MONTH, known, currency=EUR, month_count=3),
        shaped_plan(Shape.MATCH_AVERAGE, known, average_count=average, currency=EUR, month_count=2),
        shaped_plan(Shape.GROW, known, percent=percent, month_count=3, currency=EUR),
        shaped_plan(Shape.GROW, known, percent=-percent, month_count=3, currency=EUR),
        shaped_plan(Shape.HOLIDAY_DIP, known, currency=EUR, percent=percent),
        shaped_plan(Shape.Q4_SURGE, known, currency=EUR, percent=percent),
    ]
    large = [
        shaped_plan(Shape.GROW, known, percent=steep, month_count=2, currency=EUR),
        shaped_plan(Shape.Q4_SURGE, known, currency=EUR, percent=steep),
    ]
    for plan in usual:
        assert [one for one in warnings_of(spec, plan, known) if "no activity" not in one] == []
    for plan in large:
        found = warnings_of(spec, plan, known)
        assert not any("pipeline of" in one or "are won" in one for one in found), found


def test_what_a_plan_itself_makes_unusual_is_warned_of(spec: TenantSpec) -> None:
    """Another pipeline, another win rate, and more of everything than ever: each with its figures."""
    before = dict.fromkeys(START.until(NEXT + -1), USUAL)
    counts = {"contacts_created": 40, "deals_created": 20, "closed_won_count": 5, "activities_created": 140}
    base = counts | {"closed_won_value": "5000.00", "pipeline_added_value": "12000.00"}
    assert warnings_of(spec, deltas(**base), before) == ()
    richer = dict.fromkeys(before, replace(USUAL, closed_won_value=3_000_000, pipeline_added_value=6_000_000))
    [pipeline] = warnings_of(spec, deltas(**base | {"pipeline_added_value": "50000.00"}), richer)
    assert "a pipeline of 50,000.00 is more than 3 times the won value of 5,000.00" in pipeline
    [rate] = warnings_of(spec, deltas(**base | {"closed_won_count": 19}), {})
    assert "95 % of the deals are won, 22 % is usual in saas" in rate
    [growth] = warnings_of(spec, deltas(**base | {"contacts_created": 90}), before)
    assert "more than in any of the months before by contacts_created 125 %" in growth


def test_deals_without_any_activity_are_warned_of(spec: TenantSpec) -> None:
    """In the months whose deals have none; a single activity, or no deal, is enough to be silent."""
    [silent] = warnings_of(spec, deltas(contacts_created=3, deals_created=3), {NEXT: USUAL})
    assert "2025-05: deals are made and no activity" in silent
    assert "activities_created" in silent
    assert warnings_of(spec, deltas(deals_created=3, activities_created=1), {NEXT: USUAL}) == ()
    assert warnings_of(spec, deltas(contacts_created=3), {NEXT: USUAL}) == ()
