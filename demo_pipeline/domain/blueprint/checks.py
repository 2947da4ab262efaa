"""What is wrong with a declared blueprint, all of it at once.

Reads a tree as it was declared into a ``Blueprint``. A field that cannot be read is named, and the rules
between fields (``blueprint.rules``) that need it are left out rather than guessed at. Lines of a file
are added by who read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from demo_pipeline.domain.blueprint.rules import (
    SECTIONS,
    Readable,
    check_between,
    check_slug,
)
from demo_pipeline.domain.blueprint.schema import (
    Blueprint,
    ChannelMix,
    GrowthChoice,
    MonthEntry,
    Realism,
    Totals,
)
from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import DEFAULT_CAPS, Caps
from demo_pipeline.domain.parsing.scalars import nearest, parse_country, parse_currency, parse_month, quoted
from demo_pipeline.domain.reference.countries import CURRENCIES, load_locale, resolve_country
from demo_pipeline.domain.reference.industries import INDUSTRIES, load_industry

_SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "totals": Totals,
    "growth": GrowthChoice,
    "channel_mix": ChannelMix,
    "realism": Realism,
    "months": MonthEntry,
}
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A blueprint, or everything that is wrong with it."""

    #: none if there are problems
    blueprint: Blueprint | None
    problems: tuple[Problem, ...] = ()
    #: the part of a blueprint that mends infeasible figures, JSON-ready
    suggestion: dict[str, Any] | None = None


def check_tree(tree: Mapping[str, Any], slug: str, current: Month, caps: Caps = DEFAULT_CAPS) -> Checked:
    """Read a declared tree (text as written, or proper types); ``current`` is the month of now, UTC.

    A suggestion is within ``caps``.
    """
    problems = list(check_slug(slug))
    blueprint: Blueprint | None = None
    try:
        blueprint = Blueprint.model_validate(tree)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems += [_problem(detail) for detail in details]
        readable = _readable_tree(tree, details)
    else:
        readable = _readable_blueprint(blueprint)
    between, suggestion = check_between(readable, current, caps)
    problems += between
    return Checked(blueprint=None if problems else blueprint, problems=tuple(problems), suggestion=suggestion)


def check_blueprint(blueprint: Blueprint, slug: str, current: Month, caps: Caps = DEFAULT_CAPS) -> Checked:
    """The rules between the fields of a blueprint that was read, and its slug."""
    between, suggestion = check_between(_readable_blueprint(blueprint), current, caps)
    problems = (*check_slug(slug), *between)
    return Checked(blueprint=None if problems else blueprint, problems=problems, suggestion=suggestion)


def complete_declaration(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored blueprint (JSON) with every key of today: a key that is younger than it has its default."""
    return _complete(Blueprint, stored)


def _complete(model: type[BaseModel], stored: Mapping[str, Any]) -> dict[str, Any]:
    complete = model.model_construct().model_dump(mode="json") | dict(stored)
    sections = _SECTIONS if model is Blueprint else {}
    for key, section in sections.items():
        value: Any = complete.get(key)
        if isinstance(value, dict):
            complete[key] = _complete(section, cast("dict[str, Any]", value))
        elif isinstance(value, list):
            complete[key] = [_complete(section, entry) for entry in cast("list[dict[str, Any]]", value)]
    return complete


def _problem(detail: ErrorDetails) -> Problem:
    """One of pydantic's errors in our words."""
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
            message = f"{quoted(path[-1])} is no key of a blueprint{hint}"
        case "model_type" | "model_attributes_type" | "dict_type":
            code = "not_a_mapping"
            message = "is not a mapping; write keys with values below it"
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
    model = _SECTIONS[str(path[0])] if len(path) > 1 else Blueprint
    key, known = str(path[-1]), list(model.model_fields)
    for section, below in _SECTIONS.items():
        if len(path) == 1 and key in below.model_fields:
            return f"{section}.{key}", f"; it belongs under {section}"
    # People write their own program's spelling: leadsCreated.
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
    close = nearest(snake, known)
    return close, f"; did you mean {close}?" if close else f"; known here: {', '.join(known)}"


def _readable_blueprint(blueprint: Blueprint) -> Readable:
    return Readable(
        start=blueprint.start_month,
        end=blueprint.end_month,
        last_months=blueprint.last_months,
        currency=blueprint.own_currency,
        activities_percent=load_industry(blueprint.industry).activities_per_contact_percent,
        totals=blueprint.totals,
        months=tuple(enumerate(blueprint.months or ())),
        sections=frozenset(name for name in SECTIONS if getattr(blueprint, name) is not None),
    )


def _readable_tree(tree: Mapping[str, Any], details: Sequence[ErrorDetails]) -> Readable:
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
    industry = tree.get("industry")
    months = cast("object", tree.get("months"))
    entries = cast("list[object]", months) if isinstance(months, list) else []
    read = (
        (place, _section(MonthEntry, entry, unreadable, f"months.{place}"))
        for place, entry in enumerate(entries)
    )
    return Readable(
        start=_try(parse_month, tree.get("start_month")),
        end=_try(parse_month, tree.get("end_month")),
        currency=currency,
        activities_percent=(
            load_industry(industry).activities_per_contact_percent if industry in INDUSTRIES else None
        ),
        totals=_section(Totals, tree.get("totals"), unreadable, "totals"),
        months=tuple((place, entry) for place, entry in read if entry is not None),
        sections=frozenset(name for name in SECTIONS if tree.get(name) is not None),
        unreadable=frozenset(unreadable),
    )


def _try(parse: Callable[[object], T], value: object) -> T | None:
    try:
        return parse(value) if value is not None else None
    except PydanticCustomError:
        return None


_Model = TypeVar("_Model", bound=BaseModel)


def _section(model: type[_Model], raw: object, unreadable: set[str], path: str) -> _Model | None:
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
