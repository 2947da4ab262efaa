"""Rows that a reconcile deletes: every target exact, no held row, no dependent left, every time the same."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from random import Random  # noqa: TID251 - drawn from Hypothesis
from typing import LiteralString

from hypothesis import given
from hypothesis import strategies as st

from demo_pipeline.domain.core.figures import Figures, Parts
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import nearest_feasible
from demo_pipeline.domain.patch_plan.row_choice import (
    Held,
    LivingRow,
    MonthGoal,
    RowChoice,
    RowGraph,
    choose_rows,
    figures_of,
)

JANUARY = Month.parse("2025-01")
MONTHS = [JANUARY + offset for offset in range(4)]


def some_rows(random: Random, companies: int = 6) -> list[LivingRow]:
    """A tenant of four months: companies, their contacts, deals and activities, some of them held."""
    rows: list[LivingRow] = []

    def add(
        table: LiteralString,
        after: Month,
        part: str,
        value: int = 0,
        *,
        company: bytes | None = None,
        contact: bytes | None = None,
        deal: bytes | None = None,
        is_lost: bool = False,
    ) -> LivingRow:
        number = len(rows)
        row = LivingRow(
            id=number.to_bytes(16, "big"),
            table=table,
            month=random.choice([month for month in MONTHS if month >= after]),
            part=part,
            value=value,
            is_lost=is_lost,
            created_us=random.randrange(10**6),
            company_id=company,
            contact_id=contact,
            deal_id=deal,
            held=random.choices([Held.FREE, Held.PEOPLE, Held.EDITED, Held.HERO], [30, 1, 1, 1])[0],
        )
        rows.append(row)
        return row

    for _ in range(companies):
        company = add("companies", JANUARY, "companies")
        for _ in range(random.randrange(4)):
            part = random.choice(["leads", "other_contacts"])
            contact = add("contacts", company.month, part, company=company.id)
            add_about = partial(add, company=company.id, contact=contact.id)
            for _ in range(random.randrange(3)):
                kind = random.choice(["won", "open", "lost"])
                deal = add_about(
                    "deals",
                    contact.month,
                    "won_deals" if kind == "won" else "other_deals",
                    0 if kind == "lost" else random.randrange(1, 100_000),
                    is_lost=kind == "lost",
                )
                for _ in range(random.randrange(3)):
                    add_about("activities", deal.month, "activities", deal=deal.id)
            for _ in range(random.randrange(3)):
                add_about("activities", contact.month, "activities")
    random.shuffle(rows)
    return rows


def random_goals(random: Random, graph: RowGraph) -> dict[Month, MonthGoal]:
    """Goals of some months that rows can show: above what stays, feasible beyond it."""
    now = figures_of(graph.rows)
    goals: dict[Month, MonthGoal] = {}
    for month in random.sample(MONTHS, random.randrange(1, 4)):
        here = now.at(month).parts
        floor = (now - graph.free_figures([month])).at(month).parts
        top = [
            stays + int((there - stays) * random.choice([0, 0.5, 1, 1, 1.5]))
            for stays, there in zip(floor, here, strict=True)
        ]
        beyond = Figures.of_parts(Parts(*(a - b for a, b in zip(top, floor, strict=True))))
        (rest,) = nearest_feasible([beyond], contacts_before=1)
        goals[month] = MonthGoal(here, (Figures.of_parts(floor) + rest).parts)
    return goals


def check(graph: RowGraph, goals: Mapping[Month, MonthGoal], choice: RowChoice) -> None:
    """Everything that must be true of a choice."""
    deleted = {row.id for row in choice.deleted}
    assert not choice.unreached
    assert not [row for row, held in zip(graph.rows, graph.held, strict=True) if held and row.id in deleted]
    assert not [
        row
        for row in graph.rows
        if row.id not in deleted and {row.company_id, row.contact_id, row.deal_id} & deleted
    ]
    assert choice.deleted_figures == figures_of(choice.deleted)
    now = figures_of(graph.rows)
    after = now - choice.deleted_figures + choice.made
    for month in MONTHS:
        wanted = Figures.of_parts(goals[month].target) if month in goals else now.at(month)
        assert after.at(month) == wanted
        made = choice.made.at(month)
        assert all(part >= 0 for part in made.parts)
        assert nearest_feasible([made], contacts_before=1) == (made,)


@given(st.randoms(use_true_random=False))
def test_every_goal_that_can_be_is_reached(random: Random) -> None:
    """All eight figures of all months; rows that are held stay, whole life cycles go."""
    rows = some_rows(random)
    graph = RowGraph(rows)
    goals = random_goals(random, graph)
    choice = choose_rows(graph, goals)
    check(graph, goals, choice)
    random.shuffle(rows)
    assert choose_rows(RowGraph(rows), goals) == choice


@given(st.randoms(use_true_random=False))
def test_rows_that_stay_are_listed_in_one_order(random: Random) -> None:
    """A preview and its job say the same, in whatever order the database gives the rows."""
    rows = some_rows(random)
    wanted = [(month, part) for month in MONTHS for part in Parts._fields]
    held = [RowGraph(rows).held_rows(*one) for one in wanted]
    random.shuffle(rows)
    assert [RowGraph(rows).held_rows(*one) for one in wanted] == held


@given(st.randoms(use_true_random=False))
def test_hardly_more_rows_than_must_go(random: Random) -> None:
    """Where counts alone fall and nothing hangs on older rows, no row goes that has to come back."""
    rows = [replaced(row) for row in some_rows(random, companies=10)]
    graph = RowGraph(rows)
    now = figures_of(rows).at(JANUARY)
    fall = min(3, now.activities_created)
    goal = MonthGoal(now.parts, now.parts._replace(activities=now.activities_created - fall))
    choice = choose_rows(graph, {JANUARY: goal})
    assert [row.table for row in choice.deleted] == ["activities"] * fall
    assert not choice.made


def replaced(row: LivingRow) -> LivingRow:
    return row._replace(held=Held.FREE, month=JANUARY)
