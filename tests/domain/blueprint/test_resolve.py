"""A blueprint becomes months that sum to it exactly, each possible by itself, the same everywhere."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal, localcontext
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings

from demo_pipeline.domain.blueprint.resolve import open_deals_count
from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.errors import CapExceededError, InputError
from demo_pipeline.domain.core.figures import COUNT_METRICS, METRICS, Figures, figure_json
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import Caps, infeasible
from demo_pipeline.domain.reference.industries import load_industry
from tests.builders.blueprints import NOW, feasible_blueprints, infeasible_blueprints, resolved
from tests.builders.currencies import EUR, USD
from tests.hypothesis_profiles import examples

TREE: dict[str, Any] = {
    "name": "Larkmoor Nord",
    "country": "DE",
    "industry": "saas",
    "start_month": "2025-01",
    "end_month": "2025-12",
    "seed": "1337",
    "totals": {
        "leads_created": 2000,
        "contacts_created": 2500,
        "companies_created": 200,
        "deals_created": 400,
        "closed_won_count": 100,
        "closed_won_value": "150000.00",
        "pipeline_added_value": "500000.00",
        "activities_created": 9000,
    },
    "growth": {"curve": "exponential", "monthly_rate": "0.15"},
}


#: The eight figures of each month of the plan above, in the order of METRICS.
GOLDEN = [
    (68, 85, 7, 13, 3, 368545, 1879209, 309),
    (80, 100, 8, 16, 4, 893469, 2372245, 354),
    (89, 112, 9, 18, 4, 484068, 1430430, 403),
    (108, 134, 10, 21, 5, 483138, 3381679, 476),
    (121, 151, 12, 25, 7, 770483, 2048370, 526),
    (136, 171, 14, 26, 6, 1140334, 2822274, 635),
    (159, 199, 16, 32, 9, 831005, 3277838, 697),
    (182, 229, 18, 38, 10, 1900625, 5108240, 841),
    (206, 259, 21, 44, 12, 1309533, 5117033, 950),
    (244, 305, 24, 47, 11, 2674872, 6165290, 1106),
    (280, 348, 29, 56, 13, 2048289, 8485018, 1271),
    (327, 407, 32, 64, 16, 2095639, 7912374, 1432),
]


def no_seed() -> str:
    """For blueprints that have one."""
    raise AssertionError("the blueprint has a seed")


def spec_of(slug: str = "larkmoor", **keys: Any) -> TenantSpec:
    """The blueprint above with some keys changed, resolved; ``None`` leaves one out."""
    tree = {key: value for key, value in {**TREE, **keys}.items() if value is not None}
    return resolved(tree, slug, NOW, lambda: "made")[0]


def assert_possible(spec: TenantSpec) -> None:
    """Every month by itself, in the order of time."""
    assert infeasible(spec.figures, currency=spec.currency, months=list(spec.months)) == ()


@settings(max_examples=examples(500))
@given(feasible_blueprints())
def test_months_sum_to_what_was_declared_and_are_possible(tree: dict[str, Any]) -> None:
    """To the unit and to the minor unit, for totals and for months; what was left out follows the deals."""
    spec, _ = resolved(tree, "larkmoor", NOW, no_seed)
    assert (str(spec.start_month), str(spec.end_month)) == (tree["start_month"], tree["end_month"])
    assert_possible(spec)
    if "totals" in tree:
        declared = [(tree["totals"], spec.total)]
    else:
        listed = {entry["month"]: entry for entry in tree["months"]}
        declared = [(listed.get(str(month), {}), spec.figures_of(month)) for month in spec.months]
    for wanted, figures in declared:
        for metric in METRICS:
            if metric in wanted:
                assert figure_json(metric, figures[metric], spec.currency) == wanted[metric]
            elif metric == "activities_created" and "totals" in tree:
                percent = load_industry(spec.industry).activities_per_contact_percent
                assert figures[metric] == figures.contacts_created * percent // 100
            elif metric in COUNT_METRICS:
                assert figures[metric] == 0


@settings(max_examples=examples(100))
@given(feasible_blueprints())
def test_a_stored_plan_comes_back_equal_and_goes_on_possibly(tree: dict[str, Any]) -> None:
    """Through JSON and back nothing changes, and the months after the span are possible too."""
    spec, _ = resolved(tree, "larkmoor", NOW, no_seed)
    stored = TenantSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert stored == spec
    assert stored.to_json() == spec.to_json()
    after = [stored.figures_of(spec.end_month + ahead) for ahead in range(1, 13)]
    assert after == [spec.figures_of(spec.end_month + ahead) for ahead in range(1, 13)]
    assert infeasible([*spec.figures, *after], currency=spec.currency) == ()


@settings(max_examples=examples(100))
@given(infeasible_blueprints())
def test_an_impossible_blueprint_is_refused_and_its_suggestion_resolves(tree: dict[str, Any]) -> None:
    """The suggestion is not only accepted: months can be made of it."""
    with pytest.raises(InputError) as caught:
        resolved(tree, "larkmoor", NOW, no_seed)
    assert caught.value.exit_code == 2
    assert caught.value.details["suggestion"] == caught.value.suggestion
    mended = {**tree, **caught.value.suggestion}
    assert_possible(resolved(mended, "larkmoor", NOW, no_seed)[0])


def test_a_plan_is_what_it_has_always_been() -> None:
    """Golden: counts and values of one plan, so that no change of the planner goes unseen."""
    spec = spec_of()
    assert [tuple(figures[metric] for metric in METRICS) for figures in spec.figures] == GOLDEN


def test_growth_is_seen_in_every_kind_of_row() -> None:
    """A year of 15 percent a month: each month larger than the one before last, in all counts."""
    figures = spec_of().figures
    for metric in COUNT_METRICS:
        assert all(
            later[metric] > earlier[metric] for earlier, later in zip(figures, figures[2:], strict=False)
        )
    assert figures[-1].leads_created > 4 * figures[0].leads_created


def test_months_differ_in_their_ratios() -> None:
    """The keyed variance: no two months have the same leads per contact, and none is far off."""
    shares = [Decimal(f.leads_created) / f.contacts_created for f in spec_of().figures]
    assert len(set(shares)) > 6
    assert all(abs(share - Decimal("0.8")) < Decimal("0.05") for share in shares)


def test_seed_and_slug_change_the_plan_and_nothing_else_does() -> None:
    """The plan is a function of blueprint, seed and slug."""
    plan = spec_of().figures
    assert spec_of().figures == plan
    assert spec_of(seed="1338").figures != plan
    assert spec_of(slug="larkmoor-two").figures != plan
    assert spec_of(name="Other House", team_size=20, mail_domain="crm.kranz.de").figures == plan
    blueprint = TREE
    with localcontext() as context:
        context.prec, context.rounding = 5, ROUND_UP
        assert resolved(blueprint, "larkmoor", NOW, no_seed)[0].figures == plan


@pytest.mark.parametrize("total", [1, 2, 5, 11])
def test_totals_smaller_than_the_span_come_out(total: int) -> None:
    """Fewer of everything than there are months: exact, and deals only where a contact exists."""
    spec = spec_of(
        start_month="2024-01",
        end_month="2025-12",
        totals={
            "leads_created": total,
            "contacts_created": total,
            "companies_created": 1,
            "deals_created": total,
            "closed_won_count": total,
            "closed_won_value": f"0.{total:02}",
            "activities_created": total,
        },
    )
    assert_possible(spec)
    assert spec.total.closed_won_value == spec.total.pipeline_added_value == total
    assert all(figures.closed_won_value == figures.closed_won_count for figures in spec.figures)


def test_months_are_taken_as_they_are() -> None:
    """Exact figures: a listed month is what it says, an unlisted one is 0, the order does not matter."""
    spec = spec_of(
        totals=None,
        growth=None,
        months=[
            {"month": "2025-03", "deals_created": 2, "pipeline_added_value": "100.10"},
            {"month": "2025-01", "leads_created": 3, "contacts_created": 4},
        ],
    )
    assert spec.figures[0] == Figures(leads_created=3, contacts_created=4)
    assert spec.figures[1] == Figures()
    assert spec.figures[2] == Figures(deals_created=2, pipeline_added_value=10010)
    assert spec.growth is None


def test_absent_values_follow_the_deals() -> None:
    """By the industry's sizes and in the tenant's currency: of the right order, and not the mean."""
    deals = {"contacts_created": 100, "deals_created": 400, "closed_won_count": 100}
    usual = load_industry("saas").typical_deal_usd
    for currency, per_usd, digits in (("USD", 1, 2), ("JPY", 150, 0)):
        blueprint = {**TREE, "totals": deals, "currency": currency}
        total = resolved(blueprint, "larkmoor", NOW, no_seed)[0].total
        mean = Decimal(total.closed_won_value) / 100 / 10**digits / per_usd
        assert Decimal("0.3") * usual < mean < 5 * usual
        assert mean != usual
        assert total.open_value > 0


def test_a_won_value_left_out_leaves_room_in_a_given_pipeline() -> None:
    """It is part of the pipeline: all of it if every deal is won, no more than its share otherwise."""
    deals = {
        "contacts_created": 9,
        "deals_created": 10,
        "closed_won_count": 10,
        "pipeline_added_value": "5.00",
    }
    assert spec_of(totals=deals).total.closed_won_value == 500
    some = spec_of(totals={**deals, "closed_won_count": 5}).total
    assert 5 <= some.closed_won_value < 500
    assert some.pipeline_added_value == 500


@pytest.mark.parametrize(
    ("others", "won", "expected"), [(0, 5, 0), (1, 50, 1), (300, 0, 300), (300, 20, 230), (300, 100, 100)]
)
def test_open_deals_are_what_the_win_rate_leaves(others: int, won: int, expected: int) -> None:
    """As many are lost as the win rate says, at least a third stays open."""
    assert open_deals_count(others, won, 22) == expected


def test_the_curve_goes_on_after_the_span() -> None:
    """Months after the span grow as before, with the last month's ratios."""
    spec = spec_of()
    after = [spec.figures_of(spec.end_month + ahead) for ahead in range(1, 7)]
    for before, later in pairwise([spec.figures[-1], *after]):
        assert (
            Decimal("1.08") < Decimal(later.activities_created) / before.activities_created < Decimal("1.22")
        )
    last, won = spec.figures[-1], after[0].closed_won_count
    # What a won deal is worth on average stays, to the minor unit.
    assert after[0].closed_won_value == last.closed_won_value * won // last.closed_won_count
    assert (
        abs(after[0].leads_created * last.contacts_created / after[0].contacts_created - last.leads_created)
        < 2
    )


def test_months_given_one_by_one_go_on_as_the_last() -> None:
    """The last month is repeated, values included."""
    spec = spec_of(
        totals=None,
        growth=None,
        end_month="2025-02",
        months=[{"month": "2025-02", "contacts_created": 4, "deals_created": 1, "pipeline_added_value": "7"}],
    )
    assert spec.figures_of(Month.parse("2026-08")) == spec.figures[-1]


def test_there_is_nothing_before_the_span() -> None:
    """A month before the first is refused."""
    with pytest.raises(ValueError, match="2024-12 is before the first month of larkmoor, 2025-01"):
        spec_of().figures_of(Month.parse("2024-12"))


def test_defaults_come_from_country_industry_and_now() -> None:
    """Time zone and currency of the country, activities of the industry, end in the month of now."""
    spec = spec_of(end_month=None, seed=None, growth=None, totals={"contacts_created": 1000})
    assert (spec.timezone, spec.currency) == ("Europe/Berlin", EUR)
    assert str(spec.end_month) == "2026-11"
    assert spec.seed == "made"
    assert spec.total.activities_created == 10 * load_industry("saas").activities_per_contact_percent
    assert spec.growth is not None
    assert (spec.growth.curve, spec.growth.monthly_rate) == ("linear", Decimal("0.05"))
    assert set(spec.growth.season_percent) == {100}
    assert sum(share for _, share in spec.channel_ppm) == 1_000_000
    assert (spec.drop_off_ppm, spec.whale_ppm, spec.response_sla_minutes) == (200_000, 50_000, 240)


def test_now_is_read_in_utc() -> None:
    """New Year's Eve in New York is January in UTC."""
    now = datetime.fromisoformat("2025-12-31T22:00:00-05:00")
    blueprint = {**TREE, "end_month": None}
    assert str(resolved(blueprint, "larkmoor", now, no_seed)[0].end_month) == "2026-01"
    late = {**TREE, "end_month": "2026-02"}
    with pytest.raises(InputError, match="2026-02 is in the future"):
        resolved(late, "larkmoor", now, no_seed)


def test_an_unknown_country_is_made_as_us_with_a_warning() -> None:
    """Stored as what the rows will look like; the warning says so."""
    blueprint = {**TREE, "country": "NO"}
    spec, warnings = resolved(blueprint, "larkmoor", NOW, no_seed)
    assert (spec.country, spec.timezone, spec.currency) == ("US", "America/New_York", USD)
    (warning,) = warnings
    assert "NO" in warning
    assert "US" in warning


def test_what_a_slug_or_mail_domain_gives_away_is_a_warning() -> None:
    """The operator chose them, and is told."""
    blueprint = {**TREE, "mail_domain": "demo.kranz.de"}
    _, warnings = resolved(blueprint, "sample-one", NOW, no_seed)
    assert len(warnings) == 2
    assert resolved(TREE, "larkmoor", NOW, no_seed)[1] == ()


def test_beyond_a_cap_is_refused_before_any_draw() -> None:
    """A number that would fill the memory is refused at once, with every cap it exceeds."""
    tree = {**TREE, "totals": {"contacts_created": 9 * 10**12, "deals_created": 10**12}}
    with pytest.raises(CapExceededError) as caught:
        resolved(tree, "larkmoor", NOW, no_seed)
    assert {p.metric for p in caught.value.problems} == {
        "contacts_created",
        "deals_created",
        "activities_created",
    }


def test_what_is_near_a_cap_is_warned_of() -> None:
    """As many as the cap allows are made, and the cap is named."""
    tree = {**TREE, "totals": {"contacts_created": 1, "deals_created": 50}}
    _, warnings = resolved(tree, "larkmoor", NOW, no_seed, Caps(deals=50))
    assert any("near the cap of 50 (DEMO_CAP_DEALS)" in warning for warning in warnings)


def test_a_plan_is_refused_with_all_its_problems() -> None:
    """A program that built its blueprint itself gets the same rules as a file."""
    broken = {**TREE, "start_month": "2019-01", "end_month": "2019-02", "totals": {"leads_created": 1}}
    with pytest.raises(InputError) as caught:
        resolved(broken, "no|slug", datetime(2026, 1, 1, tzinfo=UTC), no_seed)
    assert [problem.code for problem in caught.value.problems] == [
        "bad_slug",
        "start_too_early",
        "leads_exceed_contacts",
    ]


def test_equal_plans_have_equal_documents() -> None:
    """What is stored is canonical, and names money as text."""
    spec = spec_of()
    document = spec.to_json()
    assert json.dumps(document) == json.dumps(spec_of().to_json())
    assert document["figures"][0]["closed_won_value"] == f"{spec.figures[0].closed_won_value / 100:.2f}"
    assert TenantSpec.from_json(document) == spec
    assert replace(spec, seed="x").to_json() != document
