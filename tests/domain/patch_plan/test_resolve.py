"""From a plan to deltas: what is asked is what is made, or everything that is wrong and a plan that works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.errors import CapExceededError, InputError
from demo_pipeline.domain.core.figures import COUNT_METRICS, METRICS, VALUE_METRICS, Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import Caps
from demo_pipeline.domain.patch_plan.plan import MonthRequest, PatchPlan, PlanType, Tolerances
from demo_pipeline.domain.patch_plan.resolve import PlanBaseline, Resolved, resolve_plan, shows_targets
from tests.assertions.generated_rows import spec_of
from tests.builders.currencies import EUR, JPY

START, LAST = Month.parse("2025-01"), Month.parse("2025-06")
MONTHS = list(START.until(LAST))
THERE = Figures(
    leads_created=5,
    contacts_created=8,
    companies_created=2,
    deals_created=6,
    closed_won_count=2,
    closed_won_value=50_000,
    pipeline_added_value=90_000,
    activities_created=30,
)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> TenantSpec:
    """A tenant of six months in dollars."""
    blueprint = {
        "name": "Larkmoor Nord",
        "country": "US",
        "industry": "saas",
        "start_month": str(START),
        "end_month": str(LAST),
        "seed": "7",
        "months": [{"month": str(START), "contacts_created": 3}],
    }
    now = datetime(2025, 6, 20, 12, tzinfo=UTC)
    folder: Path = tmp_path_factory.mktemp("spec")
    return spec_of(folder, blueprint, now)


def ground_of(
    spec: TenantSpec,
    *,
    before: Mapping[Month, Figures] | None = None,
    has_contact: Callable[[Month], bool] = lambda _: True,
    has_worked: Callable[[Month], bool] = lambda _: True,
    has_won_stage: bool = True,
) -> PlanBaseline:
    """The same figures in every month, unless said otherwise."""
    return PlanBaseline(
        spec=spec,
        before=FiguresByMonth(dict.fromkeys(MONTHS, THERE) if before is None else before),
        running=LAST,
        has_contact=has_contact,
        has_worked=has_worked,
        has_won_stage=has_won_stage,
    )


def plan_of(figures: Mapping[Month, Mapping[str, Any]], *, targets: bool = False) -> PatchPlan:
    """A plan; money as text."""
    return PatchPlan(
        plan_type=PlanType.TARGETS if targets else PlanType.DELTAS,
        months=tuple(
            MonthRequest(
                month,
                {name: Decimal(one) if name in VALUE_METRICS else int(one) for name, one in asked.items()},
            )
            for month, asked in sorted(figures.items())
        ),
    )


def refused(plan: PatchPlan, baseline: PlanBaseline) -> tuple[set[str], PatchPlan | None]:
    """The codes of what is wrong, and what is suggested."""
    with pytest.raises(InputError) as caught:
        resolve_plan(plan, baseline, Caps())
    suggestion = caught.value.suggestion
    return {problem.code for problem in caught.value.problems}, (
        None if suggestion is None else PatchPlan.from_json(suggestion)
    )


@st.composite
def feasible_figures(draw: st.DrawFn) -> Figures:
    """What one month can gain where contacts are there."""
    leads, others = draw(st.integers(0, 50)), draw(st.integers(0, 50))
    won, rest = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    won_value = won + draw(st.integers(0, 10**7)) if won else 0
    open_value = draw(st.integers(0, 10**7)) if rest else 0
    return Figures(
        leads_created=leads,
        contacts_created=leads + others,
        companies_created=draw(st.integers(0, 9)),
        deals_created=won + rest,
        closed_won_count=won,
        closed_won_value=won_value,
        pipeline_added_value=won_value + open_value,
        activities_created=draw(st.integers(0, 99)),
    )


@given(
    deltas=st.dictionaries(st.sampled_from(MONTHS), feasible_figures(), min_size=1),
    is_targets=st.booleans(),
)
def test_what_is_asked_is_what_is_made(
    spec: TenantSpec, deltas: dict[Month, Figures], *, is_targets: bool
) -> None:
    """Deltas and targets that give all figures come out as they went in."""
    asked = {month: (delta + THERE if is_targets else delta).to_json(EUR) for month, delta in deltas.items()}
    resolved = resolve_plan(plan_of(asked, targets=is_targets), ground_of(spec), Caps())
    assert resolved.deltas == deltas
    assert resolved.targets == {month: delta + THERE for month, delta in deltas.items()}
    assert resolved.total == sum(deltas.values(), Figures())


_AMOUNTS = st.integers(0, 10**6).map(EUR.plain)
_ANY_PLAN = st.dictionaries(
    st.sampled_from([START + -1, *MONTHS, LAST + 1]),
    st.fixed_dictionaries(
        {},
        optional={name: _AMOUNTS if name in VALUE_METRICS else st.integers(0, 20) for name in METRICS},
    ),
    min_size=1,
)


@given(
    asked=_ANY_PLAN,
    is_targets=st.booleans(),
    first_contact=st.integers(0, 7),
    worked=st.booleans(),
    has_won_stage=st.booleans(),
)
def test_any_plan_is_exact_or_has_a_nearest_one(
    spec: TenantSpec,
    asked: dict[Month, dict[str, Any]],
    *,
    is_targets: bool,
    first_contact: int,
    worked: bool,
    has_won_stage: bool,
) -> None:
    """Whatever is asked, on whatever ground: resolved, or refused with a plan that is resolved as it is."""
    baseline = ground_of(
        spec,
        before={month: THERE for month in MONTHS if month - START >= first_contact},
        has_contact=lambda month: month - START >= first_contact,
        has_worked=lambda month: worked or month < LAST,
        has_won_stage=has_won_stage,
    )
    plan = plan_of(asked, targets=is_targets)
    error: InputError | None = None
    try:
        resolve_plan(plan, baseline, Caps())
    except InputError as caught:
        error = caught
    if error is not None:
        assert error.problems
        if error.suggestion is None:
            return
        plan = PatchPlan.from_json(error.suggestion)
    _assert_exact(plan, baseline, resolve_plan(plan, baseline, Caps()))


def _assert_exact(plan: PatchPlan, baseline: PlanBaseline, resolved: Resolved) -> None:
    for request in plan.months:
        delta, target = resolved.deltas[request.month], resolved.targets[request.month]
        assert target == baseline.before.get(request.month, Figures()) + delta
        shown = (target if plan.plan_type is PlanType.TARGETS else delta).to_json(EUR)
        for metric, figure in request.given.items():
            assert Decimal(str(shown[metric])) == figure
        for metric in COUNT_METRICS:
            assert metric in request.given or delta[metric] == 0
        assert delta.leads_created <= delta.contacts_created
        assert delta.closed_won_count <= delta.closed_won_value <= delta.pipeline_added_value
        assert delta.closed_won_count <= delta.deals_created


def test_absent_values_follow_the_deals(spec: TenantSpec) -> None:
    """Won and open deals bring what such deals are worth; without deals nothing; the same every time."""
    asked = {START: {"deals_created": 6, "closed_won_count": 2}, LAST: {"contacts_created": 1}}
    baseline = ground_of(spec)
    resolved = resolve_plan(plan_of(asked), baseline, Caps())
    assert resolved == resolve_plan(plan_of(asked), baseline, Caps())
    delta = resolved.deltas[START]
    assert 100_000 < delta.closed_won_value < delta.pipeline_added_value
    assert resolved.deltas[LAST] == Figures(contacts_created=1)


def test_a_target_below_what_is_there(spec: TenantSpec) -> None:
    """Refused for each figure that is too low; what is suggested is what is there."""
    asked = {START: {"contacts_created": 7, "closed_won_value": "499.99", "activities_created": 31}}
    codes, suggestion = refused(plan_of(asked, targets=True), ground_of(spec))
    assert codes == {"target_below_current"}
    assert suggestion is not None
    assert suggestion.months[0].given == {
        "contacts_created": 8,
        "closed_won_value": Decimal("500.00"),
        "activities_created": 31,
    }


def test_targets_are_refused_in_their_own_figures(spec: TenantSpec) -> None:
    """What each problem names and suggests is on top of what is there, and works as it is."""
    asked = {START: {"leads_created": 22, "contacts_created": 10, "closed_won_count": 3}}
    plan = plan_of(asked, targets=True)
    with pytest.raises(InputError) as caught:
        resolve_plan(plan, ground_of(spec), Caps())
    told = {problem.code: problem for problem in caught.value.problems}
    leads = told["leads_exceed_contacts"]
    assert (leads.value, leads.suggestion) == ("22", {"contacts_created": 25})
    assert "beyond what is there, 17 leads are more than 2 contacts" in leads.message
    won = told["won_exceed_deals"]
    assert (won.value, won.suggestion) == ("3", {"deals_created": 7})
    assert "1 won deal is more than 0 deals" in won.message
    mended = {START: asked[START] | leads.suggestion | won.suggestion}
    resolve_plan(plan_of(mended, targets=True), ground_of(spec), Caps())


def test_all_problems_at_once(spec: TenantSpec) -> None:
    """Months and figures that are wrong are told together, and only what is left is suggested."""
    asked = {
        START + -1: {"contacts_created": 1},
        START: {"leads_created": 5, "contacts_created": 3},
        MONTHS[1]: {"deals_created": 1, "closed_won_count": 2},
        LAST + 1: {"contacts_created": 1},
    }
    codes, suggestion = refused(plan_of(asked), ground_of(spec))
    assert codes == {"before_span", "future_month", "leads_exceed_contacts", "won_exceed_deals"}
    assert suggestion is not None
    assert [request.month for request in suggestion.months] == [START, MONTHS[1]]


@pytest.mark.parametrize("targets", [False, True])
def test_no_month_is_left(spec: TenantSpec, *, targets: bool) -> None:
    """Where no month can be, nothing is suggested."""
    _, suggestion = refused(plan_of({LAST + 1: {"contacts_created": 1}}, targets=targets), ground_of(spec))
    assert suggestion is None


def test_no_working_time_yet(spec: TenantSpec) -> None:
    """The running month before its first working minutes: refused, unless nothing is asked of it."""
    baseline = ground_of(spec, has_worked=lambda month: month < LAST)
    codes, suggestion = refused(plan_of({LAST: {"companies_created": 1}}), baseline)
    assert (codes, suggestion) == ({"no_working_time"}, None)
    resolved = resolve_plan(plan_of({LAST: {"companies_created": 0}}), baseline, Caps())
    assert not resolved.total


def test_nobody_is_there_yet(spec: TenantSpec) -> None:
    """The first deal needs a contact: of the plan's own, or one that a later month gives up."""
    baseline = ground_of(spec, before={}, has_contact=lambda _: False)
    deals = {"deals_created": 1, "pipeline_added_value": "9.00"}
    codes, suggestion = refused(plan_of({START: deals, LAST: {"contacts_created": 2}}), baseline)
    assert codes == {"deals_without_contact"}
    assert suggestion is not None
    assert [request.given["contacts_created"] for request in suggestion.months] == [1, 1]
    own = {START: {"contacts_created": 1, **deals}, LAST: deals}
    assert resolve_plan(plan_of(own), baseline, Caps()).total.deals_created == 2


def test_no_stage_for_won_deals(spec: TenantSpec) -> None:
    """Refused with the remedy; deals that are not won can be made."""
    baseline = ground_of(spec, has_won_stage=False)
    asked = {"deals_created": 3, "closed_won_count": 1, "closed_won_value": "1.00"}
    codes, suggestion = refused(plan_of({START: asked}), baseline)
    assert codes == {"no_won_stage"}
    assert suggestion is not None
    assert resolve_plan(suggestion, baseline, Caps()).deltas[START].deals_created == 3


def test_decimals_that_the_currency_has_not(spec: TenantSpec) -> None:
    """In yen a fraction is refused, and cut in what is suggested."""
    baseline = ground_of(replace(spec, currency=JPY), before={})
    asked = {START: {"deals_created": 1, "closed_won_value": "0", "pipeline_added_value": "7.50"}}
    codes, suggestion = refused(plan_of(asked), baseline)
    assert codes == {"too_many_decimals"}
    assert suggestion is not None
    assert suggestion.months[0].given["pipeline_added_value"] == 7


def test_beyond_a_cap(spec: TenantSpec) -> None:
    """Caps count the plan's own rows, of all months, whatever is there; before anything is drawn."""
    caps = Caps(deals=10)
    asked = {START: {"deals_created": 6}, LAST: {"deals_created": 5}}
    with pytest.raises(CapExceededError, match="11 deals are beyond the cap of 10"):
        resolve_plan(plan_of(asked), ground_of(spec), caps)
    with pytest.raises(CapExceededError):
        resolve_plan(plan_of({START: {"deals_created": 10**9}}), ground_of(spec), Caps())
    targets = {month: {"deals_created": THERE.deals_created + 5} for month in (START, LAST)}
    assert resolve_plan(plan_of(targets, targets=True), ground_of(spec), caps).total.deals_created == 10


@pytest.mark.parametrize(
    ("figure", "tolerances", "is_shown"),
    [
        ({"contacts_created": 8}, Tolerances(), True),
        ({"contacts_created": 9}, Tolerances(), False),
        ({"contacts_created": 9}, Tolerances(count=1), True),
        ({"contacts_created": 10}, Tolerances(count=1), False),
        ({"closed_won_value": "500.00"}, Tolerances(), True),
        ({"closed_won_value": "500.01"}, Tolerances(), False),
        ({"closed_won_value": "505.00"}, Tolerances(value=Decimal("0.01")), True),
        ({"closed_won_value": "506.00"}, Tolerances(value=Decimal("0.01")), False),
        ({}, Tolerances(), True),
    ],
)
def test_whether_targets_are_shown(
    spec: TenantSpec, figure: dict[str, Any], tolerances: Tolerances, *, is_shown: bool
) -> None:
    """Every figure that is given, within its tolerance; what is not given does not matter."""
    plan = replace(plan_of({START: figure}, targets=True), tolerances=tolerances)
    assert shows_targets(plan, ground_of(spec)) is is_shown


def test_tolerances_never_change_what_is_made(spec: TenantSpec) -> None:
    """They decide whether targets that were reached count as still there; what is made is exact."""
    exact = plan_of({START: {"contacts_created": 30, "deals_created": 9}}, targets=True)
    loose = replace(exact, tolerances=Tolerances(count=25, value=Decimal(1)))
    assert resolve_plan(loose, ground_of(spec), Caps()) == resolve_plan(exact, ground_of(spec), Caps())
    assert shows_targets(loose, ground_of(spec))
    assert not shows_targets(exact, ground_of(spec))
