"""What is wrong with a declared blueprint: its keys and values, and the rules between them, all at once.

Reads a document into a ``Blueprint``. A value that cannot be read is a problem, and the rules between fields
that need it are left out: they work on what could be read (``_Readable``). The result, ``CheckedBlueprint``,
is what ``blueprint.resolve`` takes: nothing is checked twice. Single values are judged in
``parsing.scalars``, figures in ``feasibility``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, localcontext
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from demo_pipeline.domain.blueprint.list_checks import ListContext, list_problems
from demo_pipeline.domain.blueprint.lists import ROW_MODELS
from demo_pipeline.domain.blueprint.schema import (
    SECTION_MODELS,
    Blueprint,
    DeclaredFigures,
    MonthEntry,
    Totals,
)
from demo_pipeline.domain.core.currency import MOST_MINOR_DIGITS, Currency
from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS, AskedFigures, Figures, figure_json
from demo_pipeline.domain.core.months import FIRST_MONTH, MOST_MONTHS, Month
from demo_pipeline.domain.feasibility import (
    DEFAULT_CAPS,
    RULES,
    Caps,
    cap_problems,
    infeasible,
    nearest_feasible,
    within_caps,
)
from demo_pipeline.domain.parsing.document import NestedDocument, Problems
from demo_pipeline.domain.parsing.scalars import nearest, parse_country, parse_currency, parse_month, quoted
from demo_pipeline.domain.reference.countries import CURRENCIES, load_locale, resolve_country
from demo_pipeline.domain.reference.industries import INDUSTRIES, load_industry

_SLUG: Final = re.compile(r"[a-z][a-z0-9-]{1,38}")
_HUNDREDTHS: Final = Currency("", MOST_MINOR_DIGITS)
_IN_SECTION: Final = re.compile(r"(?P<section>totals|months\.\d+)(?:\.(?P<key>.+))?")
_CONTACT_METRICS: Final = frozenset({"month", "contacts_created", "leads_created"})
#: keys whose presence matters to other keys
_SECTIONS: Final = ("start_month", "end_month", "last_months", "totals", "months", "growth")

_T = TypeVar("_T")
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class CheckedBlueprint:
    """A blueprint without a problem, and what its resolution needs; only ``check_blueprint`` makes one."""

    slug: str
    blueprint: Blueprint
    #: declared, or the country's
    currency: Currency
    #: first and last month, by the UTC month of now
    span: tuple[Month, Month]
    #: figures over the span; None: they are declared by month
    totals: AskedFigures | None
    months: Mapping[Month, AskedFigures]
    #: by which the suggestion was made, and by which it is to be resolved
    caps: Caps


def check_blueprint(
    document: NestedDocument, slug: str, current: Month, caps: Caps, problems: Problems
) -> CheckedBlueprint | None:
    """Read a declared blueprint (text as written, or proper types); ``current`` is the month of now, UTC.

    What is wrong is added to ``problems``, each with its line, and the part of a blueprint that corrects
    infeasible figures, within ``caps``, as their suggestion. None if there is any problem, earlier ones
    included.
    """
    # The caller may have set another decimal context.
    with localcontext(Context(prec=50)):
        blueprint, read = _read(document, slug, current, caps, problems)
    if problems or blueprint is None:
        return None
    assert read.currency is not None  # of a blueprint without a problem
    return CheckedBlueprint(
        slug=slug,
        blueprint=blueprint,
        currency=read.currency,
        span=blueprint.span(current),
        totals=read.totals and read.totals.asked,
        months={section.month: section.asked for section in read.months if section.month is not None},
        caps=caps,
    )


def blueprint_from_tree(
    tree: Mapping[str, Any], slug: str, current: Month, caps: Caps = DEFAULT_CAPS
) -> CheckedBlueprint:
    """The blueprint that a program declares, in the shape of a file. Raises ``InputError``."""
    problems = Problems()
    checked = check_blueprint(NestedDocument(tree=tree), slug, current, caps, problems)
    if checked is None:
        raise problems.error(slug)
    return checked


def _read(
    document: NestedDocument, slug: str, current: Month, caps: Caps, problems: Problems
) -> tuple[Blueprint | None, _Readable]:
    found = list(check_slug(slug))
    for double in document.doubles:
        problems.add(double.problem(".".join(map(str, double.path))), (double.line, 0))
    blueprint: Blueprint | None = None
    details: Sequence[ErrorDetails] = ()
    try:
        blueprint = Blueprint.model_validate(document.tree)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A list of which no entry could be read is not empty.
        found += [_problem(one) for one in details if one["type"] != "too_short" or not one["input"]]
    read = _readable(document.tree, blueprint, details)
    between, problems.suggestion = _check_between(read, current, caps)
    between += list_problems(document.tree.get("lists"), _list_context(document.tree, read))
    for problem in (*found, *between):
        path = tuple(int(part) if part.isdecimal() else part for part in (problem.field or "").split("."))
        line = document.line_of(path)
        problems.add(replace(problem, line=line), (line or 0, 0))
    return blueprint, read


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


# -- keys and values -----------------------------------------------------------------------------------


def _problem(detail: ErrorDetails) -> Problem:
    """One of pydantic's errors as a problem."""
    path = tuple(detail["loc"])
    value = detail.get("input")
    shown = None if isinstance(value, (dict, list, tuple)) or value is None else str(value)[:200]
    context = detail.get("ctx", {})
    suggestion = context.get("suggestion")
    code, message = detail["type"], detail["msg"]
    match code:
        case "missing":
            message, shown = "is missing; it has no default", None
        case "extra_forbidden":
            code = "unknown_key"
            suggestion, hint = _nearest_key(path)
            message = f"{quoted(path[-1])} is an unknown key{hint}"
        case "model_type" | "model_attributes_type" | "dict_type":
            code = "not_a_mapping"
            message = "is not a mapping; write keys with values below it"
        case "tuple_type" | "list_type" if path[0] == "lists":
            code = "not_a_list"
            message = "is neither a list of rows nor a table of them; write one row a line, or a file's name"
        case "too_short" if path[0] == "lists":
            code, message = "empty_list", "lists nothing; give rows, or leave the list out"
        case "too_long" if path[0] == "lists":
            code, message = "list_too_long", f"has more than {context['max_length']:,} rows; leave some out"
        case "tuple_type" | "list_type":
            code = "not_a_list"
            message = "is not a list; write one entry a line, like - {month: 2025-01, leads_created: 30}"
        case "too_short":
            code, message = "empty_list", "lists no month; list at least one"
        case _:
            pass
    return Problem(
        code=code, message=message, field=".".join(map(str, path)), value=shown, suggestion=suggestion
    )


def _nearest_key(path: Sequence[str | int]) -> tuple[str | None, str]:
    model = SECTION_MODELS[str(path[0])] if len(path) > 1 else Blueprint
    if len(path) > 3:
        # lists.surnames.3.name
        model = ROW_MODELS[str(path[1])]
    key, known = str(path[-1]), list(model.model_fields)
    for section, below in SECTION_MODELS.items():
        if len(path) == 1 and key in below.model_fields:
            return f"{section}.{key}", f"; it belongs under {section}"
    # People write their own program's spelling: leadsCreated.
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
    close = nearest(snake, known)
    return close, f"; did you mean {close}?" if close else f"; known here: {', '.join(known)}"


@dataclass(frozen=True, kw_only=True)
class _Section:
    """Figures that are declared together, as far as they could be read."""

    #: ``totals``, ``months.3``
    path: str
    #: None: totals
    month: Month | None
    asked: AskedFigures


@dataclass(frozen=True, kw_only=True)
class _Readable:
    """What could be read of a blueprint, as far as the rules between fields need it."""

    start: Month | None
    end: Month | None
    #: none: the figures are in hundredths
    currency: Currency | None
    #: of a readable industry: activities for 100 contacts, where totals do not say
    activities_percent: int | None
    totals: _Section | None
    #: in the order of the list
    months: tuple[_Section, ...]
    #: which of _SECTIONS are declared, readable or not
    sections: frozenset[str]
    #: dotted paths that could not be read
    unreadable: frozenset[str]


def _readable(
    tree: Mapping[str, Any], blueprint: Blueprint | None, details: Sequence[ErrorDetails]
) -> _Readable:
    """Of ``tree``, which ``blueprint`` is read from; None: it has the errors ``details``."""
    paths = {tuple(detail["loc"]): detail["type"] for detail in details}
    unreadable = {".".join(map(str, path)) for path in paths}
    for path, kind in paths.items():
        # A misspelt key is as good as an unreadable one: its figure is not 0.
        if kind == "extra_forbidden" and len(path) > 1 and (close := _nearest_key(path)[0]):
            unreadable.add(".".join(map(str, (*path[:-1], close))))
    country, code = _try(parse_country, tree.get("country")), _try(parse_currency, tree.get("currency"))
    currency = CURRENCIES[code] if code is not None else None
    if tree.get("currency") is None and country is not None:
        currency = load_locale(resolve_country(country)).currency

    def asked(section: DeclaredFigures) -> AskedFigures:
        # Without a readable currency the figures are judged in hundredths, and their decimals are not.
        return AskedFigures.of(section.given, currency or _HUNDREDTHS)

    industry = tree.get("industry")
    if blueprint is None:
        listed = cast("object", tree.get("months"))
        totals = _partial(Totals, tree.get("totals"), unreadable, "totals")
        months = [
            _partial(MonthEntry, entry, unreadable, f"months.{place}")
            for place, entry in enumerate(cast("list[object]", listed) if isinstance(listed, list) else [])
        ]
    else:
        totals, months = blueprint.totals, list(blueprint.months or ())
    return _Readable(
        start=_try(parse_month, tree.get("start_month")),
        end=_try(parse_month, tree.get("end_month")),
        currency=currency,
        activities_percent=(
            load_industry(industry).activities_per_contact_percent if industry in INDUSTRIES else None
        ),
        totals=totals and _Section(path="totals", month=None, asked=asked(totals)),
        months=tuple(
            _Section(path=f"months.{place}", month=entry.month, asked=asked(entry))
            for place, entry in enumerate(months)
            if entry is not None
        ),
        sections=frozenset(name for name in _SECTIONS if tree.get(name) is not None),
        unreadable=frozenset(unreadable),
    )


def _list_context(tree: Mapping[str, Any], read: _Readable) -> ListContext:
    """What lists are held against."""
    country, industry = _try(parse_country, tree.get("country")), tree.get("industry")
    sections = (read.totals,) if read.totals is not None else read.months
    return ListContext(
        country=None if country is None else resolve_country(country),
        industry=industry if industry in INDUSTRIES else None,
        currency=read.currency,
        contact_count=sum(one.asked.figures.contacts_created for one in sections),
    )


def _try(parse: Callable[[object], _T], value: object) -> _T | None:
    try:
        return parse(value) if value is not None else None
    except PydanticCustomError:
        return None


def _partial(model: type[_Model], raw: object, unreadable: set[str], path: str) -> _Model | None:
    """A mapping without the keys that could not be read; none where it cannot be read at all."""
    if not isinstance(raw, dict):
        return None
    values = cast("dict[str, object]", raw)
    try:
        return model.model_validate(
            {key: value for key, value in values.items() if f"{path}.{key}" not in unreadable}
        )
    except ValidationError:
        return None


# -- rules between fields ------------------------------------------------------------------------------

_NOT_WITH_LAST_MONTHS: Final = {
    "start_month": "the span ends with the month of provisioning; leave one of them out",
    "end_month": "the span ends with the month of provisioning; leave one of them out",
    "months": "exact months need a start_month; give totals, or leave last_months out",
}


def _check_between(
    read: _Readable, current: Month, caps: Caps
) -> tuple[list[Problem], dict[str, Any] | None]:
    """Every broken rule, and the part of a blueprint that mends infeasible figures (JSON-ready).

    The part is within ``caps``; caps that the mended figures would exceed are problems too.
    """
    problems = [*_section_problems(read.sections), *_span_problems(read, current)]
    problems += _month_problems(read, current)
    currency = read.currency or _HUNDREDTHS
    if read.currency is not None:
        problems += _decimal_problems(read, currency)
    suggestion: dict[str, Any] | None = None
    section, declared = "", list[_Section]()
    if read.totals is not None and "months" not in read.sections:
        section, declared = "totals", [read.totals]
    elif read.months and "totals" not in read.sections:
        section, declared = "months", sorted(read.months, key=lambda one: one.month or FIRST_MONTH)
    wrong_figures = _figure_problems(read, declared, currency)
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


def _span_problems(read: _Readable, current: Month) -> list[Problem]:
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


def _month_problems(read: _Readable, current: Month) -> list[Problem]:
    problems: list[Problem] = []
    first_place: dict[Month, int] = {}
    last = read.end or (current if "end_month" not in read.unreadable else None)
    for place, section in enumerate(read.months):
        where, month = f"{section.path}.month", section.month
        if month is None:
            continue
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


def _decimal_problems(read: _Readable, currency: Currency) -> list[Problem]:
    problems: list[Problem] = []
    for section in (*([read.totals] if read.totals is not None else []), *read.months):
        for metric in VALUE_METRICS:
            amount = section.asked.given.get(metric)
            if amount is not None and amount != round(amount, currency.minor_digits):
                kept = f"{round(amount, currency.minor_digits):.{currency.minor_digits}f}"
                problems.append(
                    Problem(
                        code="too_many_decimals",
                        field=f"{section.path}.{metric}",
                        value=str(amount),
                        metric=metric,
                        message=f"{amount} has more than the {currency.minor_digits} decimals that amounts "
                        f"in {currency} are kept with; write {kept}",
                        suggestion=kept,
                    )
                )
    return problems


def _figure_problems(read: _Readable, declared: Sequence[_Section], currency: Currency) -> list[Problem]:
    """Rules that figures break, but for those whose figures could not be read."""
    unknown: dict[str, set[str]] = {}
    for path in read.unreadable:
        if match := _IN_SECTION.fullmatch(path):
            unknown.setdefault(match["section"], set()).add(match["key"] or "month")
    are_contacts_known = not any(keys & _CONTACT_METRICS for keys in unknown.values())
    paths = {None if one.month is None else str(one.month): one.path for one in declared}
    months = [one.month for one in declared if one.month is not None]
    problems: list[Problem] = []
    figures = [one.asked.figures for one in declared]
    for problem in infeasible(figures, currency=currency, months=months or None):
        path = paths[problem.month]
        is_known = not unknown.get(path, set()) & set(RULES[problem.code])
        if is_known and (are_contacts_known or not problem.code.endswith("_without_contact")):
            problems.append(replace(problem, field=f"{path}.{problem.metric}"))
    return problems


def _mended(
    declared: Sequence[_Section],
    read: _Readable,
    caps: Caps,
    currency: Currency,
) -> tuple[tuple[Problem, ...], list[dict[str, Any]] | None]:
    """Caps that the nearest figures exceed, and these figures within the caps; None: there are none.

    With the keys that were declared and those that change.
    """
    least = [one.asked.figures for one in declared]
    has_value = [bool(one.asked.given_values) for one in declared]

    def beyond(figures: Sequence[Figures]) -> tuple[Problem, ...]:
        return cap_problems(
            sum(figures, Figures()),
            caps,
            currency=currency,
            declared_value=sum(
                one.pipeline_added_value for one, has in zip(figures, has_value, strict=True) if has
            ),
        )

    nearest = nearest_feasible(least)
    lowered = nearest_feasible(within_caps(nearest, caps, currency=currency, has_value=has_value))
    if beyond(lowered):
        return beyond(nearest), None
    # In totals, activities that are left out follow the contacts, and are capped as well.
    percent = read.activities_percent if read.totals is not None else None
    mended: list[dict[str, Any]] = []
    for one, before, after in zip(declared, least, lowered, strict=True):
        month = {} if one.month is None else {"month": str(one.month)}
        figures = {
            metric: figure_json(metric, after[metric], currency)
            for metric in METRICS
            if metric in one.asked.given or (metric not in VALUE_METRICS and after[metric] != before[metric])
        }
        follow = after.contacts_created * (percent or 0) // 100
        if "activities_created" not in one.asked.given and follow > caps.activities:
            figures["activities_created"] = caps.activities
        mended.append({**month, **figures})
    return beyond(nearest), mended
