"""A suggestion as YAML that can be pasted into a blueprint or plan.

Our reader takes scalars as written, so text needs quotes only where YAML itself would stumble.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

_BARE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*( [A-Za-z0-9_.-]+)*")
_NOTHING: Final = frozenset({"null", "Null", "NULL"})


def as_yaml(value: Any) -> str:
    """JSON-ready data as YAML; a list of mappings has one mapping a line."""
    return "\n".join(_lines(value))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in cast("Mapping[str, Any]", value).items():
            if _is_nested(item):
                yield f"{key}:"
                yield from (f"  {line}" for line in _lines(item))
            else:
                yield f"{key}: {_flow(item)}"
    elif _is_list(value):
        yield from (f"- {_flow(item)}" for item in value)
    else:
        yield _flow(value)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Any]", value).items()
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in pairs) + "}"
    if _is_list(value):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str) and _BARE.fullmatch(value) and value not in _NOTHING:
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _is_nested(value: Any) -> bool:
    return bool(value) and (isinstance(value, Mapping) or _is_list(value))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
