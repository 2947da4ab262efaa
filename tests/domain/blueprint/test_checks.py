"""All that is wrong with a blueprint is said at once, and nothing that is not wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings

from demo_pipeline.domain.blueprint.checks import check_blueprint, check_slug
from demo_pipeline.domain.blueprint.schema import Blueprint, complete_declaration
from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import DEFAULT_CAPS, RULES
from demo_pipeline.domain.parsing.document import NestedDocument, Problems
from demo_pipeline.domain.reference.countries import CURRENCIES
from tests.builders.blueprints import NOW, feasible_blueprints, infeasible_blueprints
from tests.hypothesis_profiles import examples

CURRENT = Month.containing(NOW)
FRAME: dict[str, Any] = {
    "name": "Kranz Logistik",
    "country": "DE",
    "industry": "saas",
    "start_month": "2025-01",
    "end_month": "2025-12",
}


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A blueprint, or what is wrong with it."""

    blueprint: Blueprint | None
    problems: tuple[Problem, ...]
    suggestion: Any


def check_tree(tree: dict[str, Any], slug: str, current: Month) -> Checked:
    """Check a tree by the default caps."""
    problems = Problems()
    checked = check_blueprint(NestedDocument(tree=tree), slug, current, DEFAULT_CAPS, problems)
    return Checked(
        blueprint=checked.blueprint if checked is not None else None,
        problems=problems.listed,
        suggestion=problems.suggestion,
    )


def check(slug: str = "kranz", **keys: Any) -> Checked:
    """Check the frame with some keys changed; ``None`` leaves one out."""
    return check_tree(
        {key: value for key, value in {**FRAME, **keys}.items() if value is not None}, slug, CURRENT
    )


def codes(checked: Checked) -> set[tuple[str, str | None]]:
    """Code and field of all problems."""
    return {(problem.code, problem.field) for problem in checked.problems}


@settings(max_examples=examples(500))
@given(feasible_blueprints())
def test_feasible_blueprints_are_accepted(tree: dict[str, Any]) -> None:
    """No rule refuses what can be."""
    checked = check_tree(tree, "kranz", CURRENT)
    assert checked.problems == ()
    assert checked.blueprint is not None


@settings(max_examples=examples(500))
@given(infeasible_blueprints())
def test_infeasible_blueprints_get_a_suggestion_that_is_feasible(tree: dict[str, Any]) -> None:
    """What is suggested can be pasted into the blueprint, is accepted, and changes declared keys only."""
    checked = check_tree(tree, "kranz", CURRENT)
    assert checked.blueprint is None
    assert checked.problems
    assert {problem.code for problem in checked.problems} <= set(RULES)
    assert checked.suggestion is not None
    (section,) = checked.suggestion
    assert section in tree
    mended = check_tree({**tree, **checked.suggestion}, "kranz", CURRENT)
    assert mended.problems == ()


def test_everything_is_said_at_once() -> None:
    """Unknown keys, bad values, a bad span, a bad slug and impossible figures come together."""
    checked = check(
        slug="Kranz|Nord",
        name="Demo House",
        industry="sas",
        start_month="2023-01",
        end_month="2025-01",
        colour="blue",
        team_size="1",
        totals={
            "leads_created": "9",
            "contacts_created": "5",
            "closed_won_value": "10.0051",
            "closed_won_count": "1",
            "deals_created": "1",
            "pipeline_added_value": "4.00",
        },
        channel_mix={"seo": "0.5"},
    )
    assert codes(checked) == {
        ("bad_slug", "slug"),
        ("tell_tale_word", "name"),
        ("unknown_industry", "industry"),
        ("span_too_long", "end_month"),
        ("unknown_key", "colour"),
        ("out_of_range", "team_size"),
        ("shares_do_not_sum", "channel_mix"),
        ("too_many_decimals", "totals.closed_won_value"),
        ("leads_exceed_contacts", "totals.leads_created"),
        ("pipeline_below_won_value", "totals.pipeline_added_value"),
    }
    # Pasted, it would still hold the other mistakes.
    assert checked.suggestion is None


RULES_BROKEN: list[tuple[dict[str, Any], set[tuple[str, str | None]]]] = [
    ({"totals": {}}, set()),
    ({}, {("no_figures", "totals")}),
    ({"totals": {}, "months": [{"month": "2025-01"}]}, {("totals_and_months", "months")}),
    (
        {"months": [{"month": "2025-01"}], "growth": {"curve": "linear"}},
        {("growth_with_months", "growth")},
    ),
    (
        {"totals": {}, "start_month": "2019-12", "end_month": "2020-05"},
        {("start_too_early", "start_month")},
    ),
    ({"totals": {}, "start_month": "2026-12", "end_month": None}, {("future_month", "start_month")}),
    ({"totals": {}, "end_month": "2026-12"}, {("future_month", "end_month")}),
    ({"totals": {}, "end_month": "2024-12"}, {("end_before_start", "end_month")}),
    ({"totals": {}, "start_month": "2024-12", "end_month": "2026-11"}, set()),
    ({"totals": {}, "start_month": "2024-11", "end_month": "2026-11"}, {("span_too_long", "end_month")}),
    ({"totals": {}, "start_month": "2024-11", "end_month": None}, {("span_too_long", "start_month")}),
    ({"totals": {}, "start_month": "2024-12", "end_month": None}, set()),
    (
        {"months": [{"month": "2025-02"}, {"month": "2025-03"}, {"month": "2025-02"}]},
        {("month_twice", "months.2.month")},
    ),
    (
        {"months": [{"month": "2024-12"}, {"month": "2026-01"}]},
        {("month_outside_span", "months.0.month"), ("month_outside_span", "months.1.month")},
    ),
    (
        {"currency": "JPY", "totals": {"closed_won_value": "0.5", "pipeline_added_value": "0.50"}},
        {
            ("too_many_decimals", "totals.closed_won_value"),
            ("too_many_decimals", "totals.pipeline_added_value"),
        },
    ),
    ({"totals": {"leads_created": "5"}}, {("leads_exceed_contacts", "totals.leads_created")}),
    (
        {"months": [{"month": "2025-01", "activities_created": "5"}]},
        {("activities_without_contact", "months.0.activities_created")},
    ),
]


@pytest.mark.parametrize(("keys", "expected"), RULES_BROKEN)
def test_each_rule_between_fields(keys: dict[str, Any], expected: set[tuple[str, str | None]]) -> None:
    """Each rule is broken alone and names its own field."""
    assert codes(check(**keys)) == expected


def test_rules_that_need_an_unreadable_figure_say_nothing() -> None:
    """A misspelt or bad figure is not taken for 0: one mistake is one problem."""
    assert codes(check(totals={"leads_created": "5", "contact_created": "9"})) == {
        ("unknown_key", "totals.contact_created")
    }
    assert codes(check(totals={"leads_created": "5", "contacts_created": "nine"})) == {
        ("not_a_whole_number", "totals.contacts_created")
    }
    assert codes(
        check(
            months=[{"month": "2025-01", "contacts_created": "x"}, {"month": "2025-02", "deals_created": "1"}]
        )
    ) == {("not_a_whole_number", "months.0.contacts_created")}


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("industy", "industry"),
        ("timeZone", "timezone"),
        ("startMonth", "start_month"),
        ("deals_created", "totals.deals_created"),
        ("curve", "growth.curve"),
        ("qqq", None),
    ],
)
def test_an_unknown_key_gets_the_nearest_that_there_is(key: str, suggestion: str | None) -> None:
    """A person sees what was meant, or what there is."""
    (problem,) = check(totals={}, **{key: "5"}).problems
    assert (problem.code, problem.field, problem.suggestion) == ("unknown_key", key, suggestion)
    assert (suggestion or "known here: name, country").rpartition(".")[
        2
    ] in problem.message or suggestion in (
        "totals.deals_created",
        "growth.curve",
    )


def test_remedies_name_what_would_be_right() -> None:
    """The latest end, the code of the country, the amount that the currency has."""
    (problem,) = check(totals={}, start_month="2024-01", end_month="2026-01").problems
    assert problem.suggestion == "2025-12"
    (problem,) = check(totals={}, country="UK").problems
    assert problem.suggestion == "GB"
    (problem,) = check(
        totals={"contacts_created": 1, "deals_created": 1, "pipeline_added_value": "7.1249"}
    ).problems
    assert problem.suggestion == "7.12"


@pytest.mark.parametrize("slug", ["ab", "a-1", "kranz-logistik", "a" * 39])
def test_good_slugs(slug: str) -> None:
    """Two to 39 characters, a letter first."""
    assert check_slug(slug) == ()


@pytest.mark.parametrize(
    ("slug", "suggestion"),
    [
        ("a", None),
        ("Kranz|Nord", "kranz-nord"),
        ("1st", "st"),
        ("a" * 40, "a" * 39),
        ("kranz_nord", "kranz-nord"),
        ("", None),
        ("größe", "gr-e"),
        ("ab\n", "ab"),
        ("../x1", "x1"),
    ],
)
def test_bad_slugs(slug: str, suggestion: str | None) -> None:
    """A bad slug is shown with one that would do, if there is one."""
    (problem,) = check_slug(slug)
    assert (problem.code, problem.value, problem.suggestion) == ("bad_slug", slug, suggestion)


@pytest.mark.parametrize(("currency", "digits"), [("EUR", 2), ("JPY", 0), ("KWD", 2)])
def test_amounts_have_the_decimals_that_currency_and_database_have(currency: str, digits: int) -> None:
    """The database keeps two; a dinar is planned in hundredths."""
    assert CURRENCIES[currency].minor_digits == digits


@pytest.mark.parametrize(
    "tree", [{}, {"totals": None}, {"name": {"a": 1}, "months": {"a": 1}, "totals": [1]}]
)
def test_any_tree_is_answered_with_problems(tree: dict[str, Any]) -> None:
    """Whatever the shape, the answer is a list of problems."""
    checked = check_tree(tree, "kranz", CURRENT)
    assert checked.blueprint is None
    assert {"name", "country", "industry", "start_month"} <= {p.field for p in checked.problems}


TOTALS: dict[str, Any] = {"contacts_created": 12, "activities_created": 30}


def test_the_last_months_replace_the_span() -> None:
    """``last_months`` goes with totals, and with no month of a span and no exact months."""
    assert check(start_month=None, end_month=None, last_months=6, totals=TOTALS).problems == ()
    both = check(last_months=6, totals=TOTALS)
    assert codes(both) == {("last_months_with_span", "start_month"), ("last_months_with_span", "end_month")}
    exact = check(start_month=None, end_month=None, last_months=6, months=[{"month": "2025-01"}])
    assert codes(exact) == {("last_months_with_span", "months")}
    neither = check(start_month=None, totals=TOTALS)
    assert codes(neither) == {("missing", "start_month")}
    assert "last_months" in neither.problems[0].message


@pytest.mark.parametrize("count", ["0", "25", "twelve", "1.5"])
def test_the_last_months_are_one_to_24(count: str) -> None:
    """Another number is refused with the bounds."""
    checked = check(start_month=None, end_month=None, last_months=count, totals=TOTALS)
    assert [problem.field for problem in checked.problems] == ["last_months"]


def test_a_key_that_is_younger_than_a_stored_blueprint_has_its_default() -> None:
    """A blueprint that was stored before a key existed equals today's file without that key."""
    blueprint = check(totals=TOTALS).blueprint
    assert blueprint is not None
    today = blueprint.model_dump(mode="json")
    older = {key: value for key, value in today.items() if key not in {"last_months", "heal"}}
    older["realism"] = {key: value for key, value in today["realism"].items() if key != "whale_ratio"}
    assert complete_declaration(older) == today
