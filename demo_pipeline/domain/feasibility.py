"""What figures can be true at all, what a cap and the tables allow, and the nearest figures that work.

A person counts as a lead and as a contact, a won deal as won and as a deal: the part never exceeds the whole.
Sizes, cycles and ratios of an industry shape the data and are no rule here. Nothing is read from files;
figures arrive complete, values in minor units. The cap on value is in US dollars and taken in the tenant's
currency at the frozen rate of the lists; it counts what a person declared, and never values that follow the
deals.

The nearest plan raises the whole until it contains the part and leaves what was asked for otherwise:

1. contacts up to leads, deals up to won deals;
2. won value up to one minor unit a won deal; without won deals it is 0;
3. pipeline up to the won value; without open deals it is the won value;
4. the first deal or activity gets a contact: the next later month with contacts gives one up, so that the
   total stays; without such a month one is added.

It is feasible itself, its own nearest plan, and within the caps wherever the figures are. Where they are not,
``within_caps`` lowers it to the caps, so that it can be used as it is.

People hide and change rows of a living tenant. Where figures fall short, new rows make up for it
(``shortfall``), as far as that takes no figure beyond what is expected of it; the rest, and every surplus,
is drift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Context, Decimal
from types import MappingProxyType
from typing import Final

from demo_pipeline.domain.core.apportion import apportion
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import CapExceededError, InputError, Problem
from demo_pipeline.domain.core.figures import (
    COUNT_METRICS,
    METRICS,
    PARTS,
    TABLES_OF_CONTACTS,
    VALUE_METRICS,
    WHOLES,
    Figures,
    FiguresByMonth,
    Parts,
    figure_json,
    figure_text,
)
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.core.wording import are, counted, grouped
from demo_pipeline.domain.reference.countries import units_per_usd

#: counts that contain others; counts of all rows that refer to a contact
_COUNTED_WHOLES: Final = tuple(name for name in COUNT_METRICS if name in WHOLES)
_OF_CONTACTS: Final = tuple(
    name for name in COUNT_METRICS if not METRICS[name].whole and METRICS[name].table in TABLES_OF_CONTACTS
)


def _exceeding(whole: str) -> str:
    """``leads_exceed_contacts``."""
    parts = "_and_".join(METRICS[part].short_label for part in WHOLES[whole])
    return f"{parts}_exceed_{METRICS[whole].short_label}"


def _contactless(metric: str) -> str:
    """``deals_without_contact``."""
    return f"{METRICS[metric].short_label}_without_contact"


#: code → the metrics that the rule compares; the first is the one that is named
RULES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        **{_exceeding(whole): (*WHOLES[whole], whole) for whole in _COUNTED_WHOLES},
        "won_value_without_won_deals": ("closed_won_value", "closed_won_count"),
        "won_value_too_small": ("closed_won_value", "closed_won_count"),
        "pipeline_below_won_value": ("pipeline_added_value", "closed_won_value", "closed_won_count"),
        "pipeline_without_open_deals": (
            "pipeline_added_value",
            "closed_won_value",
            "deals_created",
            "closed_won_count",
        ),
        **{_contactless(name): (name, "contacts_created", "leads_created") for name in _OF_CONTACTS},
    }
)

#: what ``crm.deals.value`` holds, ``numeric(15,2)``: one deal may carry all that a month declares
MOST_DEAL_VALUE: Final = Decimal("9999999999999.99")
#: what the figures of a month hold, ``numeric(17,2)``
MOST_MONTH_VALUE: Final = Decimal("999999999999999.99")
#: from this share of a cap on there is a warning
_NEAR_CAP_PERCENT: Final = 80
_CONTEXT: Final = Context(prec=50, rounding=ROUND_FLOOR)


@dataclass(frozen=True, kw_only=True)
class Caps:
    """The most rows and value that one blueprint or plan may ask for."""

    leads: int = 50_000
    #: contacts that are not leads
    other_contacts: int = 20_000
    companies: int = 5_000
    deals: int = 20_000
    activities: int = 500_000
    #: declared value, US dollars
    value: int = 100_000_000


DEFAULT_CAPS: Final = Caps()
#: cap on counts → what it counts, and the metric that is named
_CAPPED: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "leads": ("leads", "leads_created"),
        "other_contacts": ("contacts that are not leads", "contacts_created"),
        "companies": ("companies", "companies_created"),
        "deals": ("deals", "deals_created"),
        "activities": ("activities", "activities_created"),
    }
)


def infeasible(
    figures: Sequence[Figures],
    *,
    currency: Currency,
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
        for code, message in _broken(one, has_contact=contacts > 0, currency=currency).items():
            metric = RULES[code][0]
            base = there[index] if there else Figures()
            remedy = {
                name: figure_json(name, (base + better[index])[name], currency)
                for name in RULES[code]
                if better[index][name] != one[name]
            }
            # Where an earlier month is what has to change, there is nothing to change in this one.
            advice = (
                ", ".join(f"{name} {grouped(value)}" for name, value in remedy.items()) or "a contact before"
            )
            problems.append(
                Problem(
                    code=code,
                    message=f"{'beyond what is there, ' if there else ''}{message}; nearest: {advice}",
                    month=str(months[index]) if months is not None else None,
                    metric=metric,
                    value=str(figure_json(metric, (base + one)[metric], currency)),
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


def check_caps(total: Figures, caps: Caps, *, currency: Currency, declared_value: int = 0) -> None:
    """Refuse figures beyond a cap (:class:`CapExceededError`, all caps at once).

    A part that exceeds its whole counts as the whole: 30,000 won deals are 30,000 deals. ``declared_value``
    is the value that a person gave, in minor units.
    """
    if problems := cap_problems(total, caps, currency=currency, declared_value=declared_value):
        raise CapExceededError("; ".join(problem.message for problem in problems), problems)


def cap_problems(
    total: Figures, caps: Caps, *, currency: Currency, declared_value: int = 0
) -> tuple[Problem, ...]:
    """A problem for each cap that figures exceed, as :func:`check_caps` counts them."""
    return tuple(
        Problem(
            code="cap_exceeded",
            metric=limit.metric,
            value=str(limit.asked_json),
            message=f"{limit.asked_text} are beyond the cap of {limit.most_text} ({limit.setting})",
            suggestion={"cap": limit.most_json},
        )
        for limit in _limits(total, caps, currency, declared_value)
        if limit.asked > limit.most
    )


def cap_warnings(
    total: Figures, caps: Caps, *, currency: Currency, declared_value: int = 0
) -> tuple[str, ...]:
    """A sentence for each figure that is near its cap (80 % and more), not beyond it."""
    return tuple(
        f"{limit.asked_text}: near the cap of {limit.most_text} ({limit.setting}), this will take a while"
        if limit.metric not in VALUE_METRICS
        else f"{limit.asked_text}: near the cap of {limit.most_text} ({limit.setting})"
        for limit in _limits(total, caps, currency, declared_value)
        if limit.asked <= limit.most
        and limit.asked * 100 >= limit.most * _NEAR_CAP_PERCENT
        and limit.asked > 0
    )


def value_cap(caps: Caps, currency: Currency) -> int:
    """The cap on declared value in minor units of a currency. ``KeyError`` for an unknown currency."""
    amount = _CONTEXT.multiply(Decimal(caps.value), units_per_usd(currency))
    return currency.minor(amount, ROUND_FLOOR)


def within_caps(
    figures: Sequence[Figures], caps: Caps, *, currency: Currency, has_value: Sequence[bool]
) -> tuple[Figures, ...]:
    """Figures lowered to the caps, every month in proportion; within the caps they stay as they are.

    Leads and other contacts, won deals and other deals are lowered apart, so that no part exceeds its whole.
    ``has_value``: which of the months declare a value. A month may lose its contacts or open deals:
    ``nearest_feasible`` once more mends that.
    """
    count = len(figures)
    columns: dict[str, Sequence[int]] = {}
    for cap in _CAPPED:
        names = _parts_under(cap)
        counts = [getattr(one.parts, name) for name in names for one in figures]
        most = max(0, getattr(caps, cap))
        lowered = counts if sum(counts) <= most else apportion(most, counts)
        columns |= {name: lowered[i * count : (i + 1) * count] for i, name in enumerate(names)}
    won, other_deals = columns["won_deals"], columns["other_deals"]
    least = [*won, *(0 for _ in figures)]
    values = [
        *(max(one.closed_won_value if won[i] else 0, won[i]) for i, one in enumerate(figures)),
        *(one.open_value if other_deals[i] else 0 for i, one in enumerate(figures)),
    ]
    declared = [i for i in range(2 * count) if has_value[i % count]]
    most = max(value_cap(caps, currency), sum(least[i] for i in declared))
    if sum(values[i] for i in declared) > most:
        shares = apportion(most, [values[i] for i in declared], minimum=[least[i] for i in declared])
        for i, share in zip(declared, shares, strict=True):
            values[i] = share
    return Figures.of_columns(Parts(**columns, won_value=values[:count], open_value=values[count:]))


def check_storable(months: FiguresByMonth, declared: Mapping[Month, int], *, currency: Currency) -> None:
    """Refuse values that the tables cannot hold (``InputError``), whatever the cap on value is.

    ``declared``: month → the value that a person gave, in minor units.
    """
    problems: list[Problem] = []
    for month, figures in months.items():
        for asked, bound, what in (
            (declared.get(month, 0), MOST_DEAL_VALUE, "the most that one deal can have"),
            (figures.pipeline_added_value, MOST_MONTH_VALUE, "the most that a month can have"),
        ):
            most = currency.minor(bound, ROUND_FLOOR)
            if asked > most:
                message = (
                    f"{currency.shown(asked)} {currency} are more than "
                    f"{currency.shown(most)}, "
                    f"{what}; ask for less in this month"
                )
                problems.append(
                    Problem(
                        code="value_too_large",
                        month=str(month),
                        metric="pipeline_added_value",
                        value=currency.plain(asked),
                        message=message,
                        suggestion={"pipeline_added_value": currency.plain(most)},
                    )
                )
                break
    if problems:
        raise InputError("; ".join(map(str, problems)), problems)


def is_short(expected: Figures, there: Figures) -> bool:
    """Whether any figure falls short of what is expected."""
    return any(expected[metric] > there[metric] for metric in METRICS)


def shortfall(expected: Figures, there: Figures, *, has_contact: bool, has_won_stage: bool) -> Figures:
    """The largest feasible part of ``expected - there``. Values in minor units."""
    lacking = expected - there
    made = {metric: max(lacking[metric], 0) for metric in METRICS}
    if not (has_contact or made["contacts_created"]):
        made |= dict.fromkeys(_OF_CONTACTS, 0)
    for whole, parts in WHOLES.items():
        left = made[whole]
        for part in parts:
            made[part] = min(made[part], left)
            left -= made[part]
    most = Figures(**made)
    deals, pipeline, won_value = most.deals_created, most.pipeline_added_value, most.closed_won_value
    won = most.closed_won_count if has_won_stage else 0
    if won_value < won or (won == deals and won_value < min(pipeline, lacking.closed_won_value)):
        won = 0
    if won == 0:
        won_value = 0
    return replace(
        most,
        closed_won_count=won,
        closed_won_value=won_value,
        pipeline_added_value=pipeline if deals > won else won_value,
    )


def won_with_leads(month: Month, won: int) -> str:
    """The warning for a month whose won deals have no contact but leads."""
    return (
        f"{month}: every contact that exists by then is a lead, so {counted(won, 'won deal')} "
        f"{are(won)} with leads; add contacts that are not leads (contacts_created above leads_created)"
    )


def _broken(one: Figures, *, has_contact: bool, currency: Currency) -> dict[str, str]:
    """Code and sentence of each rule that a month breaks."""
    won_value = currency.shown(one.closed_won_value)
    pipeline = currency.shown(one.pipeline_added_value)
    broken: dict[str, str] = {}
    for whole in _COUNTED_WHOLES:
        asked = sum(one[part] for part in WHOLES[whole])
        if asked > one[whole]:
            kinds = [METRICS[part].plural for part in WHOLES[whole]]
            named = " and ".join(counted(one[part], *METRICS[part].noun) for part in WHOLES[whole])
            # That won deals are deals goes without saying.
            unlike = [kind for kind in kinds if METRICS[whole].plural not in kind]
            reason = f", and {' and '.join(unlike)} are {METRICS[whole].plural}" if unlike else ""
            broken[_exceeding(whole)] = (
                f"{named} {are(asked)} more than {counted(one[whole], *METRICS[whole].noun)}{reason}"
            )
    if one.closed_won_value > 0 and one.closed_won_count == 0:
        broken["won_value_without_won_deals"] = f"a won value of {won_value} needs a won deal"
    if one.closed_won_value < one.closed_won_count:
        broken["won_value_too_small"] = (
            f"a won value of {won_value} is less than {currency.plain(1)} "
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
    for metric in () if has_contact else _OF_CONTACTS:
        if one[metric] > 0:
            rows = counted(one[metric], *METRICS[metric].noun)
            broken[_contactless(metric)] = f"{rows}, and no contact exists by then"
    return broken


def _nearest_month(one: Figures) -> Figures:
    counts = {whole: max(one[whole], sum(one[part] for part in WHOLES[whole])) for whole in _COUNTED_WHOLES}
    raised = replace(one, **counts)
    won_value = max(one.closed_won_value, one.closed_won_count) if one.closed_won_count else 0
    has_open = raised.other_deals > 0
    return replace(
        raised,
        closed_won_value=won_value,
        pipeline_added_value=max(one.pipeline_added_value, won_value) if has_open else won_value,
    )


@dataclass(frozen=True, kw_only=True)
class _Limit:
    """One cap and what is asked of it, values in minor units."""

    what: str
    metric: str
    #: the environment variable, with what it says where that is another unit
    setting: str
    asked: int
    most: int
    currency: Currency

    @property
    def asked_text(self) -> str:
        return f"{self._text(self.asked)} {self.what}"

    @property
    def most_text(self) -> str:
        return self._text(self.most)

    @property
    def asked_json(self) -> int | str:
        return figure_json(self.metric, self.asked, self.currency)

    @property
    def most_json(self) -> int | str:
        return figure_json(self.metric, self.most, self.currency)

    def _text(self, number: int) -> str:
        shown = figure_text(self.metric, number, self.currency)
        return f"{shown} {self.currency}" if self.metric in VALUE_METRICS else shown


def _limits(total: Figures, caps: Caps, currency: Currency, declared_value: int) -> tuple[_Limit, ...]:
    """Every cap with what is asked of it."""
    rows = tuple(
        _Limit(
            what=what,
            metric=metric,
            setting=f"DEMO_CAP_{cap.upper()}",
            # A part that exceeds its whole counts as the whole.
            asked=sum(max(0, getattr(total.parts, name)) for name in _parts_under(cap)),
            most=getattr(caps, cap),
            currency=currency,
        )
        for cap, (what, metric) in _CAPPED.items()
    )
    value = _Limit(
        what="of pipeline value",
        metric="pipeline_added_value",
        setting=f"DEMO_CAP_VALUE, {caps.value:,} US dollars",
        asked=declared_value,
        most=value_cap(caps, currency),
        currency=currency,
    )
    return (*rows, value)


def _parts_under(cap: str) -> list[str]:
    """The parts of a month that a cap bounds together."""
    return [name for name, part in PARTS.items() if part.cap == cap]
