"""The starter blueprint: a valid blueprint that explains each of its keys, and a plan that goes with it.

Meanings and defaults are the model's (``blueprint.keys``); what is added here are the values of one living
tenant. Where the files are put is the business of ``services.files.starter_folder``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from demo_pipeline.domain.blueprint.keys import BlueprintKey, blueprint_keys, example_lines
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.parsing.yaml_text import one_line
from demo_pipeline.domain.patch_plan.plan import MonthRequest, PatchPlan
from demo_pipeline.domain.patch_plan.writing import write_plan

STARTER_SLUG: Final = "brightwell"
#: what the starter declares; a key that is not here is written as a comment
_VALUES: Final[Mapping[str, Any]] = {
    "name": "Brightwell Software",
    "country": "US",
    "industry": "saas",
    "last_months": 12,
    "seed": "brightwell-1",
    "team_size": 8,
    "totals": {
        "leads_created": 420,
        "contacts_created": 640,
        "companies_created": 90,
        "deals_created": 150,
        "closed_won_count": 36,
        "closed_won_value": 486000,
        "pipeline_added_value": 1240000,
    },
    "growth": {"curve": "exponential", "monthly_rate": 0.05, "seasonality": True},
}
#: what the starter's plan adds to a month
_PLAN: Final[Mapping[str, int]] = {
    "contacts_created": 9,
    "leads_created": 6,
    "deals_created": 3,
    "closed_won_count": 1,
    "activities_created": 25,
}
_WIDTH: Final = 100
_HEAD: Final = """\
# yaml-language-server: $schema=schema.json
# A demo tenant, as you declare it. The name of the file is its slug. Change what you like, then look at its
# months: demo-pipeline tenant preview FILE
# Every key of a blueprint is here. A line that begins with # and no blank is a key that is left out: remove
# the # to set it.
"""


def starter_blueprint() -> str:
    """The text of the blueprint. Valid whenever it is provisioned: its span ends with that month."""
    blocks = [_HEAD, *("\n".join(_lines(key, _VALUES)) + "\n" for key in blueprint_keys())]
    return "\n".join(blocks)


def starter_plan(current: Month) -> str:
    """The text of a plan (CSV) for the month before ``current``, the running one."""
    return write_plan(PatchPlan(months=(MonthRequest(current + (-1), _PLAN),)), "csv")


def _lines(key: BlueprintKey, values: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """The meaning as comment, then the key with its value, its default, or commented out."""
    blank = "  " * depth
    start = f"{blank}# "
    yield from textwrap.wrap(_meaning(key), _WIDTH, initial_indent=start, subsequent_indent=start)
    value = values.get(key.name, key.default)
    if value is None:
        for number, example in enumerate(key.examples):
            if number:
                yield f"{start}or"
            yield from (f"{blank}#{line}" for line in example_lines(key.name, example))
    elif key.below:
        yield f"{blank}{key.name}:"
        for below in key.below:
            yield from _lines(below, value, depth + 1)
    else:
        yield f"{blank}{key.name}: {one_line(value)}"


def _meaning(key: BlueprintKey) -> str:
    """Meaning, allowed values and default in sentences."""
    if key.below:
        return key.meaning
    kinds = " or ".join(kind for kind in key.kinds if kind != "text")
    default = "" if key.default is None else f"Default: {one_line(key.default)}."
    return " ".join(
        part for part in (key.meaning, f"{kinds.capitalize()}." if kinds else "", default) if part
    )
