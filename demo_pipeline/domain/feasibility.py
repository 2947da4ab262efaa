"""What figures can be true at all, what a cap allows, and the nearest figures that work.

A person counts as a lead and as a contact, a won deal as won and as a deal: the part never exceeds the
whole. Sizes, cycles and ratios of an industry shape the data and are no rule here. Nothing is read from
files; figures arrive complete, values in minor units.

The nearest plan raises the whole until it contains the part and leaves what was asked for otherwise:

1. contacts up to leads, deals up to won deals;
2. won value up to one minor unit a won deal; without won deals it is 0;
3. pipeline up to the won value; without open deals it is the won value;
4. the first deal or activity gets a contact: the next later month with contacts gives one up, so that the
   total stays; without such a month one is added.

It is feasible itself, its own nearest plan, and within the caps wherever the figures are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from demo_pipeline.domain.errors import CapExceededError, Problem
from demo_pipeline.domain.metrics import VALUE_METRICS, Figures, money
from demo_pipeline.domain.months import Month
from demo_pipeline.domain.wording import are, counted

#: code → the metrics that the rule compares; the first is the one that is named
RULES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "leads_exceed_contacts": ("leads_created", "contacts_created"),
        "won_exceed_deals": ("closed_won_count", "deals_created"),
        "won_value_without_won_deals": ("closed_won_value", "closed_won_count"),
        "won_value_too_small": ("closed_won_value", "closed_won_count"),
        "pipeline_below_won_value": ("pipeline_added_value", "closed_won_value", "closed_won_count"),
        "pipeline_without_open_deals": (
            "pipeline_added_value",
            "closed_won_value",
            "deals_created",
            "closed_won_count",
        ),
        "deals_without_contact": ("deals_created", "contacts_created", "leads_created"),
        "activities_without_contact": ("activities_created", "contacts_created", "leads_created"),
    }
)

#: from this share of a cap on there is a warning
_NEAR_CAP_PERCENT: Final = 80


@dataclass(frozen=True, kw_only=True)
class Caps:
    """The most rows and value that one blueprint or plan may ask for."""

    leads: int = 50_000
    #: contacts that are not leads
    other_contacts: int = 20_000
    companies: int = 5_000
    deals: int = 20_000
    activities: int = 500_000
    #: pipeline value in major units of the tenant's currency
    value: int = 100_000_000


def infeasible(
    figures: Sequence[Figures],
    *,
    minor_digits: int,
    months: Sequence[Month] | None = None,
    contacts_before: int = 0,
    there: Sequence[Figures] = (),
) -> tuple[Problem, ...]:
    """Every rule that figures break, month by month; empty: they are feasible.

    ``months`` names them (none: totals). ``contacts_before`` are the contacts that exist already. ``there``:
    the figures are what is to come to these, and problems name the sums, as they were asked for.
    """
    better = nearest_feasible(figures, contacts_before=contacts_before)
    problems: list[Problem] = []
    contacts = contacts_before
    for index, one in enumerate(figures):
        contacts += max(one.contacts_created, one.leads_created)
        for code, message in _broken(one, has_contact=contacts > 0, minor_digits=minor_digits).items():
            metric = RULES[code][0]
            base = there[index] if there else Figures()
            remedy = {
                name: figure_json(base + better[index], name, minor_digits)
                for name in RULES[code]
                if better[index][name] != one[name]
            }
            # Where an earlier month is what has to change, there is nothing to change in this one.
            advice = ", ".join(f"{name} {value}" for name, value in remedy.items()) or "a contact before"
            problems.append(
                Problem(
                    code=code,
                    message=f"{'beyond what is there, ' if there else ''}{message}; nearest: {advice}",
                    month=str(months[index]) if months is not None else None,
                    metric=metric,
                    value=str(figure_json(base + one, metric, minor_digits)),
                    suggestion=remedy or None,
                )
            )
    return tuple(problems)


def nearest_feasible(figures: Sequence[Figures], *, contacts_before: int = 0) -> tuple[Figures, ...]:
    """The nearest figures that work, see the top of this module; feasible figures stay as they are."""
    mended = [_nearest_month(one) for one in figures]
    if contacts_before > 0:
        return tuple(mended)
    for index, one in enumerate(mended):
        if one.contacts_created > 0:
            break
        if one.deals_created > 0 or one.activities_created > 0:
            giver = next((k for k in range(index, len(mended)) if mended[k].contacts_created > 0), None)
            is_lead = False
            if giver is not None:
                is_lead = mended[giver].other_contacts == 0
                mended[giver] = mended[giver] - Figures(contacts_created=1, leads_created=int(is_lead))
            mended[index] = one + Figures(contacts_created=1, leads_created=int(is_lead))
            break
    return tuple(mended)


def check_caps(total: Figures, caps: Caps, *, minor_digits: int) -> None:
    """Refuse figures beyond a cap (:class:`CapExceededError`, all caps at once).

    A part that exceeds its whole counts as the whole: 30,000 won deals are 30,000 deals.
    """
    problems = [
        Problem(
            code="cap_exceeded",
            metric=metric,
            value=shown,
            message=f"{shown} {what} are beyond the cap of {_cap(most, metric, minor_digits)}",
            suggestion={"cap": _cap(most, metric, minor_digits)},
        )
        for what, metric, asked, most in _against_caps(total, caps, minor_digits)
        if asked > most
        for shown in (_shown(asked, metric, minor_digits),)
    ]
    if problems:
        raise CapExceededError("; ".join(problem.message for problem in problems), problems)


def cap_warnings(total: Figures, caps: Caps, *, minor_digits: int) -> tuple[str, ...]:
    """A sentence for each figure that is near its cap (80 % and more), not beyond it."""
    return tuple(
        f"{_shown(asked, metric, minor_digits)} {what}: "
        f"near the cap of {_cap(most, metric, minor_digits)}, this will take a while"
        for what, metric, asked, most in _against_caps(total, caps, minor_digits)
        if asked <= most and asked * 100 >= most * _NEAR_CAP_PERCENT and asked > 0
    )


def won_with_leads(month: Month, won: int) -> str:
    """The warning for a month whose won deals have no contact but leads."""
    return (
        f"{month}: every contact that exists by then is a lead, so {counted(won, 'won deal')} "
        f"{are(won)} with leads; add contacts that are not leads (contacts_created above leads_created)"
    )


def figure_json(figures: Figures, metric: str, minor_digits: int) -> int | str:
    """One figure, JSON-ready: a count as a number, money as a string in major units."""
    return money(figures[metric], minor_digits) if metric in VALUE_METRICS else figures[metric]


def _broken(one: Figures, *, has_contact: bool, minor_digits: int) -> dict[str, str]:
    """Code and sentence of each rule that a month breaks."""
    won_value = money(one.closed_won_value, minor_digits)
    pipeline = money(one.pipeline_added_value, minor_digits)
    broken: dict[str, str] = {}
    if one.leads_created > one.contacts_created:
        broken["leads_exceed_contacts"] = (
            f"{counted(one.leads_created, 'lead')} {are(one.leads_created)} more than "
            f"{counted(one.contacts_created, 'contact')}, and leads are contacts"
        )
    if one.closed_won_count > one.deals_created:
        broken["won_exceed_deals"] = (
            f"{counted(one.closed_won_count, 'won deal')} {are(one.closed_won_count)} more than "
            f"{counted(one.deals_created, 'deal')}"
        )
    if one.closed_won_value > 0 and one.closed_won_count == 0:
        broken["won_value_without_won_deals"] = f"a won value of {won_value} needs a won deal"
    if one.closed_won_value < one.closed_won_count:
        broken["won_value_too_small"] = (
            f"a won value of {won_value} is less than {money(1, minor_digits)} "
            f"for each of {counted(one.closed_won_count, 'won deal')}"
        )
    if one.pipeline_added_value < one.closed_won_value:
        broken["pipeline_below_won_value"] = (
            f"a pipeline value of {pipeline} is less than the won value of {won_value}, which is part of it"
        )
    if one.pipeline_added_value > one.closed_won_value and one.deals_created <= one.closed_won_count:
        broken["pipeline_without_open_deals"] = (
            f"a pipeline value of {pipeline} is more than the won value of {won_value}, "
            "and there is no open deal to carry the rest"
        )
    if not has_contact and one.deals_created > 0:
        broken["deals_without_contact"] = (
            f"{counted(one.deals_created, 'deal')}, and no contact exists by then"
        )
    if not has_contact and one.activities_created > 0:
        broken["activities_without_contact"] = (
            f"{counted(one.activities_created, 'activity', 'activities')}, and no contact exists by then"
        )
    return broken


def _nearest_month(one: Figures) -> Figures:
    deals = max(one.deals_created, one.closed_won_count)
    won_value = max(one.closed_won_value, one.closed_won_count) if one.closed_won_count else 0
    has_open = deals > one.closed_won_count
    return replace(
        one,
        contacts_created=max(one.contacts_created, one.leads_created),
        deals_created=deals,
        closed_won_value=won_value,
        pipeline_added_value=max(one.pipeline_added_value, won_value) if has_open else won_value,
    )


def _against_caps(total: Figures, caps: Caps, minor_digits: int) -> tuple[tuple[str, str, int, int], ...]:
    """What, metric, asked and most, values in minor units."""
    value = max(total.pipeline_added_value, total.closed_won_value, total.closed_won_count)
    return (
        ("leads", "leads_created", total.leads_created, caps.leads),
        (
            "contacts that are not leads",
            "contacts_created",
            total.contacts_created - total.leads_created,
            caps.other_contacts,
        ),
        ("companies", "companies_created", total.companies_created, caps.companies),
        ("deals", "deals_created", max(total.deals_created, total.closed_won_count), caps.deals),
        ("activities", "activities_created", total.activities_created, caps.activities),
        ("of pipeline value", "pipeline_added_value", value, caps.value * 10**minor_digits),
    )


def _shown(asked: int, metric: str, minor_digits: int) -> str:
    return money(asked, minor_digits) if metric in VALUE_METRICS else str(asked)


def _cap(most: int, metric: str, minor_digits: int) -> Any:
    return money(most, minor_digits) if metric in VALUE_METRICS else most
