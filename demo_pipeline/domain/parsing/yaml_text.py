"""Values as YAML text that the reader of files takes back as they are.

That reader takes scalars as written, so only text that YAML itself could not read has quotes: ``2025-01``
and ``1500.00`` have none, ``'null'`` has. How YAML is read does not belong here (``files.nested_files``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, Final, cast

from ruamel.yaml import YAML
from ruamel.yaml.resolver import VersionedResolver

_NULL: Final = ("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)$"))


class _OnlyNull(VersionedResolver):
    """Every plain scalar is text, but the ways to write nothing."""

    @property
    def versioned_resolver(self) -> dict[str, list[Any]]:
        return {first: [_NULL] for first in ("~", "n", "N", "")}


def one_line(value: Any) -> str:
    """A JSON-ready value on one line, ``{curve: exponential, monthly_rate: 0.15}``."""
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.Resolver = _OnlyNull
    yaml.default_flow_style = True
    yaml.sort_base_mapping_type_on_output = False
    yaml.allow_unicode = True
    # Wider than any value: nothing is wrapped.
    yaml.width = 1_000_000
    text = StringIO()
    yaml.dump(_as_text(value), text)
    return text.getvalue().removesuffix("...\n").removesuffix("\n")


def _as_text(value: Any) -> Any:
    """The same with every scalar as the text that is to be written."""
    match value:
        case Mapping():
            return {str(key): _as_text(item) for key, item in cast("Mapping[Any, Any]", value).items()}
        case str() | None:
            return value
        case Sequence():
            return [_as_text(item) for item in cast("Sequence[Any]", value)]
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)
