"""What cannot be is refused, and the nearest figures that can be are named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import CapExceededError
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import (
    RULES,
    Caps,
    cap_warnings,
    check_caps,
    infeasible,
    nearest_feasible,
)
from tests.builders.currencies import EUR, USD

#: Small numbers, so that every rule is at its edge often.
_FIGURES = st.builds(
    Figures,
    leads_created=st.integers(0, 4),
    contacts_created=st.integers(0, 4),
    companies_created=st.integers(0, 4),
    deals_created=st.integers(0, 4),
    closed_won_count=st.integers(0, 4),
    closed_won_value=st.integers(0, 6),
    pipeline_added_value=st.integers(0, 6),
    activities_created=st.integers(0, 4),
)
_SPANS = st.lists(_FIGURES, min_size=1, max_size=6)


def is_possible(figures: list[Figures] | tuple[Figures, ...]) -> bool:
    """The rules said again, in one breath: an independent judge."""
    contacts = 0
    for one in figures:
        contacts += one.contacts_created
        won, value, pipeline = one.closed_won_count, one.closed_won_value, one.pipeline_added_value
        if one.leads_created > one.contacts_created or won > one.deals_created:
            return False
        if (value == 0) != (won == 0) or value < won or pipeline < value:
            return False
        if pipeline > value and one.deals_created == won:
            return False
        if contacts == 0 and one.deals_created + one.activities_created > 0:
            return False
    return True


@given(_SPANS)
def test_problems_are_named_exactly_where_figures_are_impossible(figures: list[Figures]) -> None:
    """No problem without a reason, none overlooked; each has a code, a metric and a sentence."""
    problems = infeasible(figures, currency=EUR)
    assert bool(problems) == (not is_possible(figures))
    assert all(p.code in RULES and p.metric == RULES[p.code][0] and p.message for p in problems)


@given(_SPANS)
def test_the_nearest_figures_are_possible_and_their_own_nearest(figures: list[Figures]) -> None:
    """What is suggested is accepted, and what is possible already stays as it is."""
    nearest = nearest_feasible(figures)
    assert is_possible(nearest)
    assert nearest_feasible(nearest) == nearest
    if is_possible(figures):
        assert nearest == tuple(figures)


@given(_SPANS)
def test_the_nearest_figures_stay_within_caps(figures: list[Figures]) -> None:
    """Caps that leave room for what each month asks for leave room for the nearest figures."""
    caps = Caps(
        leads=sum(one.leads_created for one in figures),
        # A span without a single contact gets its first one.
        other_contacts=max(1, sum(max(0, one.other_contacts) for one in figures)),
        companies=sum(one.companies_created for one in figures),
        deals=sum(max(one.deals_created, one.closed_won_count) for one in figures),
        activities=sum(one.activities_created for one in figures),
        value=sum(
            max(one.pipeline_added_value, one.closed_won_value, one.closed_won_count) for one in figures
        ),
    )
    total = sum(nearest_feasible(figures), Figures())
    check_caps(total, caps, currency=Currency("USD", 0), declared_value=total.pipeline_added_value)


@pytest.mark.parametrize(
    ("given_figures", "code", "suggestion"),
    [
        ({"leads_created": 9}, "leads_exceed_contacts", {"contacts_created": 9}),
        (
            {"deals_created": 1, "closed_won_count": 2, "closed_won_value": 10, "pipeline_added_value": 10},
            "won_exceed_deals",
            {"deals_created": 2},
        ),
        (
            {"closed_won_value": 500, "pipeline_added_value": 500, "deals_created": 1},
            "won_value_without_won_deals",
            {"closed_won_value": "0.00"},
        ),
        (
            {"deals_created": 3, "closed_won_count": 3, "closed_won_value": 2, "pipeline_added_value": 2},
            "won_value_too_small",
            {"closed_won_value": "0.03"},
        ),
        (
            {"deals_created": 3, "closed_won_count": 1, "closed_won_value": 900, "pipeline_added_value": 500},
            "pipeline_below_won_value",
            {"pipeline_added_value": "9.00"},
        ),
        (
            {"deals_created": 1, "closed_won_count": 1, "closed_won_value": 900, "pipeline_added_value": 950},
            "pipeline_without_open_deals",
            {"pipeline_added_value": "9.00"},
        ),
    ],
)
def test_each_rule_names_metric_value_and_remedy(
    given_figures: dict[str, int], code: str, suggestion: dict[str, Any]
) -> None:
    """One broken rule, one problem, with what to write instead."""
    figures = Figures(**{"contacts_created": 5, **given_figures})
    (problem,) = infeasible([figures], currency=EUR, months=[Month.parse("2025-03")])
    assert (problem.code, problem.month, problem.suggestion) == (code, "2025-03", suggestion)
    for value in suggestion.values():
        assert str(value) in problem.message


def test_a_contact_is_brought_forward_rather_than_added() -> None:
    """Deals before the first contact: the next month gives one up, a lead only if it has nobody else."""
    early = Figures(deals_created=2)
    leads = Figures(leads_created=3, contacts_created=3)
    assert nearest_feasible([early, leads]) == (
        Figures(deals_created=2, contacts_created=1, leads_created=1),
        Figures(leads_created=2, contacts_created=2),
    )
    mixed = Figures(leads_created=3, contacts_created=4)
    assert nearest_feasible([early, mixed]) == (
        Figures(deals_created=2, contacts_created=1),
        Figures(leads_created=3, contacts_created=3),
    )


def test_contacts_that_exist_already_serve() -> None:
    """Deals and activities may hang on contacts of before."""
    figures = [Figures(deals_created=1, activities_created=4)]
    assert len(infeasible(figures, currency=EUR)) == 2
    assert infeasible(figures, currency=EUR, contacts_before=1) == ()
    assert nearest_feasible(figures, contacts_before=1) == tuple(figures)


def test_all_caps_are_named_at_once_with_cap_and_value() -> None:
    """A refusal beyond the caps says each cap and what was asked."""
    total = Figures(
        leads_created=50_001,
        contacts_created=70_002,
        companies_created=5_001,
        deals_created=1,
        closed_won_count=20_001,
        pipeline_added_value=10_000_000_001,
        activities_created=500_001,
    )
    with pytest.raises(CapExceededError) as caught:
        check_caps(total, Caps(), currency=USD, declared_value=total.pipeline_added_value)
    assert caught.value.exit_code == 3
    assert len(caught.value.problems) == 6
    for asked, cap in (
        ("50001", "50000"),
        ("20001", "20000"),
        ("5001", "5000"),
        ("500001", "500000"),
        ("100000000.01", "100000000.00"),
    ):
        assert any(
            asked in p.message.replace(",", "") and cap in p.message.replace(",", "")
            for p in caught.value.problems
        )


def test_what_is_at_the_caps_passes_with_a_warning() -> None:
    """Exactly the caps are allowed, and said to take a while."""
    caps = Caps(leads=10, other_contacts=10, companies=10, deals=10, activities=10, value=10)
    total = Figures(
        leads_created=10,
        contacts_created=20,
        companies_created=8,
        deals_created=10,
        pipeline_added_value=1000,
        activities_created=7,
    )
    check_caps(total, caps, currency=USD, declared_value=1000)
    warnings = cap_warnings(total, caps, currency=USD, declared_value=1000)
    assert len(warnings) == 5
    assert not any("activities" in warning for warning in warnings)
