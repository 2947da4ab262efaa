"""What people do and when: work before a close, habits, meetings, tasks, hours of arrival."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from demo_pipeline.domain.model import ACTIVITY_TYPES, ARRIVAL_SOURCES
from demo_pipeline.domain.scorecard.columns import (
    DAY_US,
    MISSING,
    TenantColumns,
    at,
    local_clock,
    local_us,
    month_of,
)
from demo_pipeline.domain.scorecard.measure import ASSUMPTION, Expected, Figure, Measure, Range, Unit
from demo_pipeline.domain.scorecard.statistics import Bools, Ints, cramers_v

_CONTRACT: Final = "rule of the product"
_MEETING, _TASK = ACTIVITY_TYPES.index("meeting"), ACTIVITY_TYPES.index("task")
#: working hours: from the first to before the second, local time
_FIRST_HOUR, _END_HOUR = 7, 21
#: activities that a person must have for their habits to be known
_KNOWN_HABITS: Final = 60


def _in_working_hours(instants_us: Ints, timezone: str) -> Bools:
    weekday, hour = local_clock(instants_us, timezone)
    return (weekday < 5) & (hour >= _FIRST_HOUR) & (hour < _END_HOUR)


def _before_close(tenant: TenantColumns) -> Bools:
    """Activities about a closed deal, between its creation and its close."""
    deals, activities = tenant.deals, tenant.activities
    deal = activities.deal
    if not len(deals):
        return np.zeros(len(activities), bool)
    return (
        (deal != MISSING)
        & at(deals.is_closed, deal)
        & (activities.created_us >= at(deals.created_us, deal))
        & (activities.created_us <= at(deals.closed_us, deal))
    )


def won_without_work(tenant: TenantColumns) -> Figure | None:
    """Won deals without an activity about them before their close."""
    deals, activities = tenant.deals, tenant.activities
    won = deals.is_won & deals.is_closed
    size = int(won.sum())
    # Fewer activities than deals: the month's figures leave some deals without work.
    if not size or len(activities) < 2 * len(deals):
        return None
    worked = np.zeros(len(deals), bool)
    worked[activities.deal[_before_close(tenant)]] = True
    return Figure(float((~worked[won]).mean()), size)


def work_grows(tenant: TenantColumns) -> Figure | None:
    """Activities about a won deal that lie in the second half of its time."""
    deals, activities = tenant.deals, tenant.activities
    chosen = _before_close(tenant)
    deal = activities.deal[chosen]
    judged = deals.is_won[deal] & (deals.cycle_days[deal] >= 2)
    deal, when = deal[judged], activities.created_us[chosen][judged]
    if not len(deal):
        return None
    passed = (when - deals.created_us[deal]) / (deals.closed_us[deal] - deals.created_us[deal])
    return Figure(float((passed >= 0.5).mean()), len(deal))


def agreed_before_loss(tenant: TenantColumns) -> Figure | None:
    """Lost deals whose last activity says that it is agreed."""
    deals, activities = tenant.deals, tenant.activities
    chosen = np.flatnonzero(_before_close(tenant))
    chosen = chosen[deals.is_lost[activities.deal[chosen]]] if len(chosen) else chosen
    if not len(chosen):
        return None
    chosen = chosen[np.lexsort((activities.created_us[chosen], activities.deal[chosen]))]
    deal = activities.deal[chosen]
    last = chosen[np.append(deal[1:] != deal[:-1], True)]
    return Figure(float(activities.sounds_agreed[last].mean()), len(last))


def tasks_in_working_hours(tenant: TenantColumns) -> Figure | None:
    """Tasks that are due Monday to Friday in working hours."""
    activities = tenant.activities
    due = activities.scheduled_us[(activities.type == _TASK) & (activities.scheduled_us != MISSING)]
    if not len(due):
        return None
    return Figure(float(_in_working_hours(due, tenant.facts.timezone).mean()), len(due))


def overlapping_meetings(tenant: TenantColumns) -> Figure | None:
    """Meetings that begin before an earlier one of the same person has ended."""
    activities = tenant.activities
    chosen = (activities.type == _MEETING) & (activities.scheduled_us != MISSING)
    chosen &= (activities.author != MISSING) & (activities.minutes != MISSING)
    author, start = activities.author[chosen], activities.scheduled_us[chosen]
    if not len(start):
        return None
    order = np.lexsort((start, author))
    author, start = author[order], start[order]
    end = start + activities.minutes[chosen][order] * 60_000_000
    # The latest end so far of each person: ends are raised by a step for each person.
    step = int(end.max() - start.min()) + 1
    latest = np.maximum.accumulate(end + author * step)
    overlaps = (author[1:] == author[:-1]) & (start[1:] + author[1:] * step < latest[:-1])
    return Figure(float(overlaps.sum()) / len(start), len(start))


def _habits(tenant: TenantColumns) -> tuple[Ints, Bools]:
    """Authors with enough activities, and which activities are theirs."""
    author = tenant.activities.author
    counts = np.bincount(author[author != MISSING], minlength=len(tenant.users))
    known = np.flatnonzero(counts >= _KNOWN_HABITS)
    return known, np.isin(author, known)


def hours_differ(tenant: TenantColumns) -> Figure | None:
    """How far the mean hours of work of two people differ, beyond chance: a standard deviation."""
    known, theirs = _habits(tenant)
    if len(known) < 3:
        return None
    local = local_us(tenant.activities.created_us[theirs], tenant.facts.timezone)
    minutes, author = local % DAY_US / 60_000_000, tenant.activities.author[theirs]
    groups = [minutes[author == one] for one in known]
    chance = float(np.mean([group.var() / len(group) for group in groups]))
    between = float(np.var([group.mean() for group in groups], ddof=1))
    return Figure(math.sqrt(max(0.0, between - chance)), int(theirs.sum()))


def types_differ(tenant: TenantColumns) -> Figure | None:
    """How much the kinds of activity depend on the person: Cramér's V."""
    known, theirs = _habits(tenant)
    if len(known) < 3:
        return None
    table = np.zeros((len(tenant.users), len(ACTIVITY_TYPES)), np.int64)
    np.add.at(table, (tenant.activities.author[theirs], tenant.activities.type[theirs]), 1)
    found = cramers_v(table)
    return None if found is None else Figure(found, int(theirs.sum()))


def pace_differs(tenant: TenantColumns) -> Figure | None:
    """How much the activities a month differ from person to person: their coefficient of variation."""
    known, theirs = _habits(tenant)
    if len(known) < 3:
        return None
    author, month = tenant.activities.author[theirs], month_of(tenant.activities.created_us[theirs])
    paces = [(author == one).sum() / len(np.unique(month[author == one])) for one in known]
    return Figure(float(np.std(paces) / np.mean(paces)), int(theirs.sum()))


def _arrivals(tenant: TenantColumns) -> Bools:
    """Contacts that arrived by themselves."""
    return np.array([one in ARRIVAL_SOURCES for one in tenant.contacts.source], bool)


def private_evenings(tenant: TenantColumns) -> Figure | None:
    """Private customers who arrive by themselves after 17:00 or at a weekend."""
    contacts = tenant.contacts
    chosen = _arrivals(tenant) & (contacts.company == MISSING)
    if not chosen.any():
        return None
    weekday, hour = local_clock(contacts.created_us[chosen], tenant.facts.timezone)
    return Figure(float(((weekday >= 5) | (hour >= 17)).mean()), int(chosen.sum()))


def business_arrivals(tenant: TenantColumns) -> Figure | None:
    """Contacts of firms who arrive by themselves outside working hours."""
    contacts = tenant.contacts
    chosen = _arrivals(tenant) & (contacts.company != MISSING)
    if not chosen.any():
        return None
    inside = _in_working_hours(contacts.created_us[chosen], tenant.facts.timezone)
    return Figure(float((~inside).mean()), int(chosen.sum()))


def arrivals_at_night(tenant: TenantColumns) -> Figure | None:
    """Contacts who arrive by themselves between midnight and five."""
    chosen = _arrivals(tenant)
    if not chosen.any():
        return None
    _, hour = local_clock(tenant.contacts.created_us[chosen], tenant.facts.timezone)
    return Figure(float((hour < 5).mean()), int(chosen.sum()))


def staff_outside_hours(tenant: TenantColumns) -> Figure | None:
    """Activities that people of the team wrote outside working hours."""
    created = tenant.activities.created_us
    if not len(created):
        return None
    return Figure(float((~_in_working_hours(created, tenant.facts.timezone)).mean()), len(created))


MEASURES: Final = (
    Measure(
        name="won_without_work",
        title="won deals without an activity about them before the close",
        population="won deals",
        least=30,
        expected=Expected(Range(high=0.05), industries={"ecommerce": Range(high=0.30)}),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=won_without_work,
    ),
    Measure(
        name="work_grows",
        title="activities about a won deal in the second half of its time",
        population="activities about won deals of two days or more",
        least=100,
        expected=Expected(Range(0.52, 0.85)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=work_grows,
        is_drawn=True,
    ),
    Measure(
        name="agreed_before_loss",
        title="lost deals whose last activity says that they are agreed",
        population="lost deals with activities",
        least=30,
        expected=Expected(Range(high=0.02)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=agreed_before_loss,
    ),
    Measure(
        name="tasks_in_working_hours",
        title="tasks that are due in working hours",
        population="tasks with a due date",
        least=30,
        expected=Expected(Range(low=0.99)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=tasks_in_working_hours,
    ),
    Measure(
        name="overlapping_meetings",
        title="meetings that overlap an earlier one of the same person",
        population="meetings",
        least=30,
        expected=Expected(Range(high=0.0)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=overlapping_meetings,
    ),
    Measure(
        name="hours_differ",
        title="differences between people in the mean hour of their work, beyond chance",
        population=f"activities of people with {_KNOWN_HABITS} or more",
        least=500,
        expected=Expected(Range(10.0, 150.0)),
        unit=Unit.MINUTES,
        source=ASSUMPTION,
        function=hours_differ,
    ),
    Measure(
        name="types_differ",
        title="how much the kind of activity depends on the person (Cramér's V)",
        population=f"activities of people with {_KNOWN_HABITS} or more",
        least=500,
        expected=Expected(Range(0.04, 0.40)),
        unit=Unit.NUMBER,
        source=ASSUMPTION,
        function=types_differ,
    ),
    Measure(
        name="pace_differs",
        title="variation of activities a month from person to person",
        population=f"activities of people with {_KNOWN_HABITS} or more",
        least=500,
        expected=Expected(Range(0.10, 1.0)),
        unit=Unit.NUMBER,
        source=ASSUMPTION,
        function=pace_differs,
    ),
    Measure(
        name="private_evenings",
        title="private customers who arrive by themselves in the evening or at a weekend",
        population="contacts without a company who arrive by themselves",
        least=100,
        expected=Expected(
            declared=lambda facts: Range(0.5, 0.85) if facts.private_share >= 0.5 else None,
            words="50 % to 85 %, where half of the contacts or more are private",
        ),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=private_evenings,
        is_drawn=True,
    ),
    Measure(
        name="business_arrivals",
        title="contacts of firms who arrive by themselves outside working hours",
        population="contacts with a company who arrive by themselves",
        least=100,
        expected=Expected(Range(0.05, 0.50)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=business_arrivals,
        is_drawn=True,
    ),
    Measure(
        name="arrivals_at_night",
        title="contacts who arrive by themselves between midnight and five",
        population="contacts who arrive by themselves",
        least=1000,
        expected=Expected(Range(0.004, 0.12)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=arrivals_at_night,
        is_drawn=True,
    ),
    Measure(
        name="staff_outside_hours",
        title="activities that people of the team wrote outside working hours",
        population="activities",
        least=100,
        expected=Expected(Range(high=0.0)),
        unit=Unit.SHARE,
        source=_CONTRACT,
        function=staff_outside_hours,
    ),
)
