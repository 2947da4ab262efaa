"""JSON text as a tree of plain values, numbers as they were written; what is no JSON is refused by name.

Text comes from people and programs: how deep it is nested and how much it holds is looked at before it is
parsed. Keys given twice are kept with the object (``JsonObject``), numbers go through no float.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.parsing.written_numbers import shown
from demo_pipeline.domain.patch_plan.tree import JsonObject, NumberText
from demo_pipeline.services.files.yaml_files import MOST_DEPTH, MOST_VALUES

#: A string, ended or not, or what opens, closes and separates. Linear: nothing in it is tried twice.
_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)


class NotJsonError(ValueError):
    """The text cannot be read as one JSON object; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def read_json(text: str) -> Mapping[str, Any] | Sequence[Any]:
    """One object or list of JSON. Raises ``NotJsonError``."""
    _measure(text)
    try:
        tree = json.loads(
            text,
            object_pairs_hook=JsonObject,
            parse_int=NumberText,
            parse_float=NumberText,
            # NaN and Infinity, which are no JSON: refused with their place, where their field is known.
            parse_constant=NumberText,
        )
    except json.JSONDecodeError as error:
        near = shown(text[error.pos : error.pos + 20]) if error.pos < len(text) else "the end"
        if error.msg == "Extra data" and text.lstrip().startswith("{") and text[error.pos :].startswith("{"):
            message = "has one record a line; write a list of records (pandas: to_json without lines=True)"
            raise NotJsonError(Problem(code="json_lines", line=error.lineno, message=message)) from None
        message = f"is not JSON: {error.msg.lower()} at column {error.colno}, before {near}"
        raise NotJsonError(Problem(code="not_json", line=error.lineno, message=message)) from None
    if not isinstance(tree, dict | list):
        message = "is neither an object nor a list; write {...} with the key months, or a list of records"
        raise NotJsonError(Problem(code="not_a_mapping", line=1, message=message))
    return cast("Mapping[str, Any] | Sequence[Any]", tree)


def _measure(text: str) -> None:
    depth = values = 0
    for found in _TOKEN.finditer(text):
        match found[0]:
            case "{" | "[":
                depth, values = depth + 1, values + 1
            case "}" | "]":
                depth -= 1
            case ",":
                values += 1
            case _:
                continue
        if depth > MOST_DEPTH or values > MOST_VALUES:
            code, what = (
                ("too_deep", f"is nested deeper than {MOST_DEPTH} levels")
                if depth > MOST_DEPTH
                else ("too_many_values", f"has more than {MOST_VALUES} values")
            )
            line = text.count("\n", 0, found.start()) + 1
            raise NotJsonError(Problem(code=code, line=line, message=f"{what}; that is no plan"))
