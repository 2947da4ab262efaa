"""Limits in money know the currency, spare values that follow the deals, and hold for every suggestion."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo_pipeline.domain.blueprint.checks import check_blueprint
from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import CapExceededError, InputError
from demo_pipeline.domain.core.figures import COUNT_METRICS, VALUE_METRICS, Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import MOST_DEAL_VALUE, Caps
from demo_pipeline.domain.parsing.document import NestedDocument, Problems
from demo_pipeline.domain.patch_plan.plan import MonthRequest, PatchPlan, PlanType
from demo_pipeline.domain.patch_plan.resolve import PlanBaseline, resolve_plan
from demo_pipeline.domain.reference.countries import CURRENCIES, units_per_usd
from demo_pipeline.domain.reference.industries import INDUSTRIES
from tests.builders.blueprints import resolved as resolved_tree
from tests.builders.currencies import EUR
from tests.hypothesis_profiles import examples

NOW = datetime(2025, 6, 20, 12, tzinfo=UTC)
START, LAST = Month.parse("2025-01"), Month.parse("2025-06")
SMALL = Caps(leads=50, other_contacts=20, companies=5, deals=20, activities=500, value=100_000)


def resolved(tree: dict[str, Any], caps: Caps | None = None) -> tuple[TenantSpec, tuple[str, ...]]:
    """A blueprint of six months with some keys changed."""
    whole: dict[str, Any] = {
        "name": "Seoul Homes",
        "country": "US",
        "industry": "realestate",
        "start_month": str(START),
        "end_month": str(LAST),
        "seed": "1",
    }
    return resolved_tree(whole | tree, "homes", NOW, lambda: "", caps or Caps())


def ground_of(spec: TenantSpec, has_contact: Callable[[Month], bool] = lambda _: True) -> PlanBaseline:
    """The tenant with the blueprint's figures."""
    return PlanBaseline(
        spec=spec,
        before=spec.by_month,
        running=LAST,
        has_contact=has_contact,
        has_worked=lambda _: True,
    )


def test_one_deal_of_every_industry_fits_in_every_currency() -> None:
    """In totals, in months and in a plan, also where every deal is one of the very large ones."""
    plan = PatchPlan(months=(MonthRequest(START, {"deals_created": 1, "closed_won_count": 1}),))
    month = {"month": str(START), "contacts_created": 1, "deals_created": 1, "closed_won_count": 1}
    for currency in CURRENCIES.values():
        for industry in INDUSTRIES:
            tree = {"currency": currency.code, "industry": industry, "realism": {"whale_ratio": "1"}}
            spec, warnings = resolved(tree | {"months": [month]})
            assert spec.total.closed_won_value > 0
            assert not [warning for warning in warnings if "decimals" not in warning]
            assert resolve_plan(plan, ground_of(spec), Caps()).total.closed_won_value > 0


@pytest.mark.parametrize("currency", CURRENCIES.values(), ids=str)
def test_the_cap_on_value_is_the_same_in_every_currency(currency: Currency) -> None:
    """100,000,000 US dollars at the frozen rate: that much passes, one minor unit more is refused."""
    most = currency.minor(units_per_usd(currency) * 10**8)
    spec, _ = resolved({"currency": currency.code, "months": [{"month": str(START), "contacts_created": 3}]})
    for asked in (most, most + 1):
        figures = {"contacts_created": 1, "deals_created": 1, "pipeline_added_value": currency.plain(asked)}
        plan = PatchPlan(
            months=(MonthRequest(START, {"deals_created": 1, "pipeline_added_value": currency.major(asked)}),)
        )
        tree = {"currency": currency.code, "totals": figures}
        if asked == most:
            assert resolved(tree)[0].total.pipeline_added_value == most
            assert resolve_plan(plan, ground_of(spec), Caps()).total.pipeline_added_value == most
            continue
        for refused in (lambda: resolved(tree), lambda: resolve_plan(plan, ground_of(spec), Caps())):  # noqa: B023
            with pytest.raises(CapExceededError, match=r"DEMO_CAP_VALUE, 100,000,000 US dollars") as caught:
                refused()
            assert f"{currency.shown(most)} {currency}" in caught.value.message


def test_values_that_follow_the_deals_are_not_capped() -> None:
    """As many deals as the cap on deals allows, whatever they are worth, and without a warning of value."""
    totals = {"contacts_created": 100, "deals_created": 15_000, "closed_won_count": 3_000}
    spec, warnings = resolved({"currency": "JPY", "totals": totals}, Caps(value=1))
    assert spec.total.pipeline_added_value > 150 * 10**8
    assert not warnings
    plan = PatchPlan(months=(MonthRequest(START, {"deals_created": 15_000}),))
    assert resolve_plan(plan, ground_of(spec), Caps(value=1)).total.pipeline_added_value > 150 * 10**8


@pytest.mark.parametrize(
    ("figures", "setting"),
    [
        ({"leads_created": 51, "contacts_created": 51}, "DEMO_CAP_LEADS"),
        ({"contacts_created": 21}, "DEMO_CAP_OTHER_CONTACTS"),
        ({"companies_created": 6}, "DEMO_CAP_COMPANIES"),
        ({"deals_created": 21}, "DEMO_CAP_DEALS"),
        ({"activities_created": 501}, "DEMO_CAP_ACTIVITIES"),
        ({"deals_created": 1, "pipeline_added_value": "100000.01"}, "DEMO_CAP_VALUE"),
    ],
)
def test_every_message_names_its_setting(figures: dict[str, Any], setting: str) -> None:
    """What is beyond a cap is refused, and what is near it is warned of, with the variable to change."""
    spec, _ = resolved({"months": [{"month": str(START), "contacts_created": 3}]}, SMALL)
    typed = {name: Decimal(one) if name in VALUE_METRICS else one for name, one in figures.items()}
    plan = PatchPlan(months=(MonthRequest(START, typed),))
    with pytest.raises(CapExceededError, match=rf"\({setting}\b"):
        resolve_plan(plan, ground_of(spec), SMALL)
    with pytest.raises(CapExceededError, match=rf"\({setting}\b"):
        resolved({"totals": {"contacts_created": 1, "activities_created": 0} | figures}, SMALL)
    near = {
        name: Decimal("99999.99") if name in VALUE_METRICS else int(one) - 1 for name, one in typed.items()
    }
    if "pipeline_added_value" in near:
        near["deals_created"] = 1
    _, warnings = resolved({"totals": {"contacts_created": 1, "activities_created": 0} | near}, SMALL)
    assert any(f"({setting}" in warning for warning in warnings), warnings


# -- suggestions -----------------------------------------------------------------------------------------

_COUNTS = st.one_of(st.none(), st.integers(0, 30), st.integers(0, 2_000))
_VALUES = st.one_of(st.none(), st.integers(0, 10), st.integers(0, 10**9)).map(
    lambda one: None if one is None else Decimal(one)
)
_FIGURES = st.fixed_dictionaries(
    dict.fromkeys(COUNT_METRICS, _COUNTS) | dict.fromkeys(VALUE_METRICS, _VALUES)
).map(lambda figures: {name: one for name, one in figures.items() if one is not None})
_MONTHS = st.dictionaries(st.sampled_from(list(START.until(LAST))), _FIGURES, min_size=1)
_CAPS = st.builds(
    Caps,
    leads=st.integers(0, 60),
    other_contacts=st.integers(1, 30),
    companies=st.integers(0, 9),
    deals=st.integers(0, 40),
    activities=st.integers(0, 600),
    value=st.integers(0, 10**6),
)
_CURRENCY = st.sampled_from(["USD", "JPY", "KRW", "KWD", "LBP"])


@settings(max_examples=examples(150))
@given(months=_MONTHS, caps=_CAPS, currency=_CURRENCY, section=st.sampled_from(["totals", "months"]))
def test_a_suggested_blueprint_is_within_all_caps(
    months: dict[Month, dict[str, Any]], caps: Caps, currency: str, section: str
) -> None:
    """What is suggested instead of figures that cannot be is provisioned as it is, whatever the caps are."""
    figures = (
        {"totals": months[min(months)]}
        if section == "totals"
        else {"months": [{"month": str(month), **one} for month, one in months.items()]}
    )
    tree = {
        "name": "Seoul Homes", "country": "US", "industry": "realestate", "currency": currency, "seed": "1",
        "start_month": str(START), "end_month": str(LAST), **figures,
    }  # fmt: skip
    problems = Problems()
    check_blueprint(NestedDocument(tree=tree), "homes", LAST, caps, problems)
    if problems.suggestion is not None:
        resolved(tree | problems.suggestion, caps)


@settings(max_examples=examples(150))
@given(
    months=_MONTHS,
    caps=_CAPS,
    currency=_CURRENCY,
    plan_type=st.sampled_from(PlanType),
    contacts=st.sampled_from([0, 9]),
)
def test_a_suggested_plan_is_within_all_caps(
    months: dict[Month, dict[str, Any]], caps: Caps, currency: str, plan_type: PlanType, contacts: int
) -> None:
    """What is suggested instead of a plan that cannot be resolves as it is, whatever the caps are."""
    totals = {"companies_created": 9, "contacts_created": contacts, "deals_created": contacts}
    spec, _ = resolved({"currency": currency, "totals": totals})
    ground = ground_of(spec, lambda _: contacts > 0)
    plan = PatchPlan(
        plan_type=plan_type,
        months=tuple(MonthRequest(month, figures) for month, figures in sorted(months.items())),
    )
    try:
        resolve_plan(plan, ground, caps)
    except CapExceededError:
        pass
    except InputError as error:
        if error.suggestion is not None:
            resolve_plan(PatchPlan.from_json(error.suggestion), ground, caps)


def test_a_suggestion_lowers_what_is_beyond_a_cap_and_says_so() -> None:
    """Figures that cannot be and that are too many: both reasons, and a plan that works at once."""
    spec, _ = resolved({"months": [{"month": str(START), "contacts_created": 3}]})
    asked = {"leads_created": 60_000, "contacts_created": 10}
    with pytest.raises(InputError) as caught:
        resolve_plan(PatchPlan(months=(MonthRequest(START, asked),)), ground_of(spec), Caps())
    assert not isinstance(caught.value, CapExceededError)
    assert [problem.code for problem in caught.value.problems] == ["leads_exceed_contacts", "cap_exceeded"]
    [month] = caught.value.suggestion["months"]
    assert month["metrics"] == {"leads_created": 50_000, "contacts_created": 50_000}


# -- what the tables hold --------------------------------------------------------------------------------


def test_a_month_of_many_large_deals_can_be_named_as_a_target() -> None:
    """In a currency of small units a month's value is larger than any deal's, in targets and suggestions."""
    totals = {"contacts_created": 9, "deals_created": 12_000, "closed_won_count": 3_000}
    spec, _ = resolved({"currency": "LBP", "totals": totals})
    there = dict(zip(spec.months, spec.figures, strict=True))[START]
    pipeline = EUR.major(there.pipeline_added_value)
    assert pipeline > MOST_DEAL_VALUE
    asked = {"deals_created": there.deals_created + 1, "pipeline_added_value": pipeline + 7}
    plan = PatchPlan(plan_type=PlanType.TARGETS, months=(MonthRequest(START, asked),))
    assert resolve_plan(plan, ground_of(spec), Caps()).total.pipeline_added_value == 700
    wrong = {"leads_created": 10**6, "contacts_created": 1, "pipeline_added_value": pipeline}
    with pytest.raises(InputError) as caught:
        resolve_plan(
            PatchPlan(plan_type=PlanType.TARGETS, months=(MonthRequest(START, wrong),)),
            ground_of(spec),
            Caps(),
        )
    assert PatchPlan.from_json(caught.value.suggestion)


def test_a_value_that_no_deal_can_have_is_refused_before_anything_is_made() -> None:
    """A cap can be raised, a column cannot: the refusal names the month and the most there can be."""
    spec, _ = resolved({"currency": "LBP", "months": [{"month": str(START), "contacts_created": 3}]})
    asked = {"deals_created": 1, "pipeline_added_value": MOST_DEAL_VALUE + Decimal("0.01")}
    plan = PatchPlan(months=(MonthRequest(START, asked),))
    with pytest.raises(InputError, match=r"2025-01.*9,999,999,999,999\.99.*one deal") as caught:
        resolve_plan(plan, ground_of(spec), Caps(value=10**12))
    assert caught.value.problems[0].code == "value_too_large"
    asked["pipeline_added_value"] = MOST_DEAL_VALUE
    plan = PatchPlan(months=(MonthRequest(START, asked),))
    assert resolve_plan(plan, ground_of(spec), Caps(value=10**12)).total == Figures(
        deals_created=1, pipeline_added_value=10**15 - 1
    )
