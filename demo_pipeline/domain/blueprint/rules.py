"""What must hold between the fields of a blueprint: span, slug, sections, decimals, feasible figures.

Every rule reports on its own and works on what could be read (``Readable``), so that all problems of a
file are named together. Single values are judged in ``scalars``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from demo_pipeline.domain.blueprint.schema import MonthEntry, Totals
from demo_pipeline.domain.caps import within_caps
from demo_pipeline.domain.core.currency import MOST_MINOR_DIGITS, Currency
from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS, Figures, figure_json
from demo_pipeline.domain.core.months import FIRST_MONTH, MOST_MONTHS, Month
from demo_pipeline.domain.feasibility import (
    RULES,
    Caps,
    cap_problems,
    infeasible,
    nearest_feasible,
)
from demo_pipeline.domain.parsing.scalars import quoted

_SLUG: Final = re.compile(r"[a-z][a-z0-9-]{1,38}")
_HUNDREDTHS: Final = Currency("", MOST_MINOR_DIGITS)
_CONTACT_METRICS: Final = frozenset({"month", "contacts_created", "leads_created"})


#: keys whose presence matters to other keys
SECTIONS: Final = ("start_month", "end_month", "last_months", "totals", "months", "growth")


@dataclass(frozen=True, kw_only=True)
class Readable:
    """What could be read of a blueprint, as far as the rules between fields need it."""

    start: Month | None
    end: Month | None
    currency: Currency | None
    #: of a readable industry: activities for 100 contacts, where totals do not say
    activities_percent: int | None
    totals: Totals | None
    #: months of a span that ends with the current one
    last_months: int | None = None
    #: place in the list, entry
    months: tuple[tuple[int, MonthEntry], ...]
    #: which of SECTIONS are declared, readable or not
    sections: frozenset[str]
    #: dotted paths that could not be read
    unreadable: frozenset[str] = field(default_factory=frozenset[str])


_NOT_WITH_LAST_MONTHS: Final = {
    "start_month": "the span ends with the month of provisioning; leave one of them out",
    "end_month": "the span ends with the month of provisioning; leave one of them out",
    "months": "exact months need a start_month; give totals, or leave last_months out",
}


def check_between(read: Readable, current: Month, caps: Caps) -> tuple[list[Problem], dict[str, Any] | None]:
    """Every broken rule, and the part of a blueprint that mends infeasible figures (JSON-ready).

    The part is within ``caps``; caps that the mended figures would exceed are problems too.
    """
    problems = [*_section_problems(read.sections), *_span_problems(read, current)]
    problems += _month_problems(read, current)
    # Without a readable currency the figures are judged in hundredths, and their decimals are not.
    currency = read.currency or _HUNDREDTHS
    if read.currency is not None:
        problems += _decimal_problems(read, currency)
    wrong_figures: list[Problem] = []
    suggestion: dict[str, Any] | None = None
    section, declared = "", list[Totals | MonthEntry]()
    if read.totals is not None and "months" not in read.sections:
        section, declared = "totals", [read.totals]
        wrong_figures = _totals_problems(read, read.totals, currency)
    elif read.months and "totals" not in read.sections:
        in_order = sorted(read.months, key=lambda pair: pair[1].month)
        section, declared = "months", [entry for _, entry in in_order]
        wrong_figures = _months_problems(read, in_order, currency)
    problems += wrong_figures
    if wrong_figures and read.currency is not None:
        beyond, mended = _mended(declared, read, caps, currency)
        problems += [
            replace(problem, field=f"totals.{problem.metric}" if section == "totals" else "months")
            for problem in beyond
        ]
        if mended is not None:
            suggestion = {section: mended[0] if section == "totals" else mended}
    # A fragment that holds other mistakes would not help who pastes it.
    is_whole = not read.unreadable and not any(
        p.code in {"month_twice", "month_outside_span"} for p in problems
    )
    return problems, suggestion if is_whole else None


def check_slug(slug: str) -> tuple[Problem, ...]:
    """A slug is 2 to 39 of ``a-z 0-9 -`` and begins with a letter."""
    if _SLUG.fullmatch(slug):
        return ()
    proposed = re.sub(r"[^a-z0-9]+", "-", slug.lower()).lstrip("-0123456789")[:39].strip("-")
    suggestion = proposed if _SLUG.fullmatch(proposed) else None
    hint = f"; {suggestion}.yaml would do" if suggestion else ""
    return (
        Problem(
            code="bad_slug",
            field="slug",
            value=slug,
            message=f"{quoted(slug)} (the file's name) is no slug: 2 to 39 of a-z, 0-9 and -, "
            f"a letter first{hint}",
            suggestion=suggestion,
        ),
    )


def stand_in(declared: Totals | MonthEntry, currency: Currency) -> Figures:
    """Complete figures for the rules: an absent value is the least that its deals allow.

    Absent activities are 0. Decimals beyond the currency's are cut.
    """

    def minor(amount: Decimal) -> int:
        return currency.minor(amount, ROUND_DOWN)

    won = declared.closed_won_count
    won_value, pipeline = declared.closed_won_value, declared.pipeline_added_value
    if won_value is not None:
        least_won = minor(won_value)
    elif pipeline is not None and won and declared.deals_created <= won:
        least_won = max(won, minor(pipeline))
    else:
        least_won = won
    return Figures(
        leads_created=declared.leads_created,
        contacts_created=declared.contacts_created,
        companies_created=declared.companies_created,
        deals_created=declared.deals_created,
        closed_won_count=won,
        closed_won_value=least_won,
        pipeline_added_value=minor(pipeline) if pipeline is not None else least_won,
        activities_created=declared.activities_created or 0,
    )


def declared_value(declared: Totals | MonthEntry, currency: Currency) -> int:
    """The value that a person gave, in minor units; what follows the deals is not counted."""
    figures = stand_in(declared, currency)
    if declared.pipeline_added_value is not None:
        return max(figures.pipeline_added_value, figures.closed_won_value)
    return figures.closed_won_value if declared.closed_won_value is not None else 0


def _section_problems(sections: frozenset[str]) -> list[Problem]:
    problems: list[Problem] = []
    if {"totals", "months"} <= sections:
        problems.append(
            Problem(
                code="totals_and_months",
                field="months",
                message="is given beside totals; leave one of them out",
            )
        )
    elif not {"totals", "months"} & sections:
        problems.append(
            Problem(
                code="no_figures",
                field="totals",
                message="is missing; give totals over the span, or months with exact figures",
            )
        )
    if "growth" in sections and "months" in sections:
        problems.append(
            Problem(
                code="growth_with_months",
                field="growth",
                message="goes with totals only; months are exact figures already, leave it out",
            )
        )
    return problems


def _span_problems(read: Readable, current: Month) -> list[Problem]:
    start, end = read.start, read.end
    problems: list[Problem] = []
    if "last_months" in read.sections:
        return [
            Problem(
                code="last_months_with_span", field=key, message=f"does not go with last_months; {remedy}"
            )
            for key, remedy in _NOT_WITH_LAST_MONTHS.items()
            if key in read.sections
        ]
    if "start_month" not in read.sections:
        message = "is missing; give the first month, or last_months"
        problems.append(Problem(code="missing", field="start_month", message=message))

    def add(code: str, where: str, month: Month, message: str, suggestion: Month) -> None:
        problems.append(
            Problem(code=code, field=where, value=str(month), message=message, suggestion=str(suggestion))
        )

    if start is not None and start < FIRST_MONTH:
        add(
            "start_too_early",
            "start_month",
            start,
            f"{start} is before {FIRST_MONTH}, the first month there is",
            FIRST_MONTH,
        )
    for where, month in (("start_month", start), ("end_month", end)):
        if month is not None and month > current:
            add(
                "future_month",
                where,
                month,
                f"{month} is in the future; the latest is {current}, this month",
                current,
            )
    if start is None or start > current or (end is None and "end_month" in read.unreadable):
        return problems
    last = end or current
    if last < start:
        add("end_before_start", "end_month", last, f"{last} is before start_month {start}", start)
    elif last - start >= MOST_MONTHS:
        latest = start + (MOST_MONTHS - 1)
        what = f"{start} to {last}{'' if end else ' (this month, since end_month is left out)'}"
        add(
            "span_too_long",
            "end_month" if end else "start_month",
            last if end else start,
            f"{what} are {last - start + 1} months; {MOST_MONTHS} are the most: "
            f"end_month {latest} at the latest",
            latest if end else last + (1 - MOST_MONTHS),
        )
    return problems


def _month_problems(read: Readable, current: Month) -> list[Problem]:
    problems: list[Problem] = []
    first_place: dict[Month, int] = {}
    last = read.end or (current if "end_month" not in read.unreadable else None)
    for place, entry in read.months:
        where, month = f"months.{place}.month", entry.month
        if month in first_place:
            problems.append(
                Problem(
                    code="month_twice",
                    field=where,
                    value=str(month),
                    month=str(month),
                    message=f"{month} is listed twice (entry {first_place[month] + 1} of months has it too); "
                    "leave one out",
                )
            )
        first_place.setdefault(month, place)
        if (read.start is not None and month < read.start) or (last is not None and month > last):
            problems.append(
                Problem(
                    code="month_outside_span",
                    field=where,
                    value=str(month),
                    month=str(month),
                    message=f"{month} is outside of the span {read.start or '...'} to {last or '...'}; "
                    "leave it out or change start_month and end_month",
                )
            )
    return problems


def _decimal_problems(read: Readable, currency: Currency) -> list[Problem]:
    declared = [("totals", read.totals)] if read.totals is not None else []
    sections = [*declared, *((f"months.{place}", entry) for place, entry in read.months)]
    problems: list[Problem] = []
    for where, section in sections:
        for metric in VALUE_METRICS:
            amount: Decimal | None = getattr(section, metric)
            if amount is not None and amount != round(amount, currency.minor_digits):
                kept = f"{round(amount, currency.minor_digits):.{currency.minor_digits}f}"
                problems.append(
                    Problem(
                        code="too_many_decimals",
                        field=f"{where}.{metric}",
                        value=str(amount),
                        metric=metric,
                        message=f"{amount} has more than the {currency.minor_digits} decimals that amounts "
                        f"in {currency} are kept with; write {kept}",
                        suggestion=kept,
                    )
                )
    return problems


def _totals_problems(read: Readable, totals: Totals, currency: Currency) -> list[Problem]:
    unknown = {path.removeprefix("totals.") for path in read.unreadable if path.startswith("totals.")}
    return [
        replace(problem, field=f"totals.{problem.metric}")
        for problem in infeasible([stand_in(totals, currency)], currency=currency)
        if not unknown & set(RULES[problem.code])
    ]


def _months_problems(
    read: Readable, in_order: Sequence[tuple[int, MonthEntry]], currency: Currency
) -> list[Problem]:
    unknown: dict[str, set[str]] = {}
    for path in read.unreadable:
        if path.startswith("months."):
            place, _, key = path.removeprefix("months.").partition(".")
            unknown.setdefault(place, set()).add(key or "month")
    are_contacts_known = not any(keys & _CONTACT_METRICS for keys in unknown.values())
    places = {str(entry.month): str(place) for place, entry in in_order}
    found = infeasible(
        [stand_in(entry, currency) for _, entry in in_order],
        currency=currency,
        months=[entry.month for _, entry in in_order],
    )
    return [
        replace(problem, field=f"months.{places[problem.month or '']}.{problem.metric}")
        for problem in found
        if not unknown.get(places[problem.month or ""], set()) & set(RULES[problem.code])
        and (are_contacts_known or not problem.code.endswith("_without_contact"))
    ]


def _mended(
    declared: Sequence[Totals | MonthEntry],
    read: Readable,
    caps: Caps,
    currency: Currency,
) -> tuple[tuple[Problem, ...], list[dict[str, Any]] | None]:
    """Caps that the nearest figures exceed, and these figures within the caps; None: there are none.

    With the keys that were declared and those that change.
    """
    given = [stand_in(one, currency) for one in declared]
    has_value = [one.closed_won_value is not None or one.pipeline_added_value is not None for one in declared]

    def beyond(figures: Sequence[Figures]) -> tuple[Problem, ...]:
        return cap_problems(
            sum(figures, Figures()),
            caps,
            currency=currency,
            declared_value=sum(
                one.pipeline_added_value for one, has in zip(figures, has_value, strict=True) if has
            ),
        )

    nearest = nearest_feasible(given)
    lowered = nearest_feasible(within_caps(nearest, caps, currency=currency, has_value=has_value))
    if beyond(lowered):
        return beyond(nearest), None
    # In totals, activities that are left out follow the contacts, and are capped as well.
    percent = read.activities_percent if read.totals is not None else None
    mended: list[dict[str, Any]] = []
    for one, before, after in zip(declared, given, lowered, strict=True):
        month = {"month": str(one.month)} if isinstance(one, MonthEntry) else {}
        figures = {
            metric: figure_json(metric, after[metric], currency)
            for metric in METRICS
            if (metric in one.model_fields_set and getattr(one, metric) is not None)
            or (metric not in VALUE_METRICS and after[metric] != before[metric])
        }
        follow = after.contacts_created * (percent or 0) // 100
        if one.activities_created is None and follow > caps.activities:
            figures["activities_created"] = caps.activities
        mended.append({**month, **figures})
    return beyond(nearest), mended
