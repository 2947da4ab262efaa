"""A plan as a tree: what JSON, YAML or a program's mapping says, as values with their places.

Knows the keys of a plan and how they may be spelled, and names every key that is unknown, given twice or of
the wrong kind, with its path (``months[2].metrics.dealsCreated``; lists count from 0). What the values mean
is in ``patch_plan.reading``, how bytes become a tree is the services'.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeAlias, cast

from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.core.figures import METRICS
from demo_pipeline.domain.parsing.written_numbers import MOST_CHARACTERS, shortened, shown
from demo_pipeline.domain.patch_plan.reading import (
    METRIC_NAMES,
    Findings,
    Written,
    WrittenMonth,
    WrittenPlan,
    nearest_name,
    plain_name,
)

PLAN_KEYS: Final = ("mode", "plan_type", "seed", "tolerances", "months")
TOLERANCE_KEYS: Final = ("count", "value")
MONTH_KEYS: Final = ("month", "metrics")

Path: TypeAlias = "tuple[str | int, ...]"

#: What a spreadsheet has rounded, and a program has not.
_EXACT_EXPONENT: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+")


@dataclass(frozen=True)
class NumberText:
    """A number of JSON as it was written: it passes through no float, and keeps its zeros as a seed."""

    text: str


class JsonObject(dict[str, Any]):
    """An object of JSON that remembers which of its keys were given twice; the first counts."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__()
        doubles: list[str] = []
        for key, value in pairs:
            if key in self:
                doubles.append(key)
            else:
                self[key] = value
        self.doubles = tuple(doubles)


def is_blueprint(tree: object) -> bool:
    """Whether a tree has keys that every blueprint has and no plan."""
    return isinstance(tree, Mapping) and {"name", "country", "industry"} <= set(
        cast("Mapping[str, Any]", tree)
    )


def is_plan(tree: object) -> bool:
    """Whether a tree has keys that only a plan has."""
    if not isinstance(tree, Mapping):
        return False
    top = cast("Mapping[str, object]", tree)
    entries = top.get("months")
    return bool({"plan_type", "mode", "tolerances"} & set(top)) or (
        isinstance(entries, Sequence)
        and any(
            isinstance(entry, Mapping) and "metrics" in entry for entry in cast("Sequence[object]", entries)
        )
    )


def _is_other_table(tree: Mapping[str, Any]) -> bool:
    """Whether a tree is a table as pandas writes it in another way than as records.

    By columns (``{"month": {"0": "2025-01"}, ...}``), in parts (``{"columns": [...], "data": [...]}``), or
    with a record for each value of the index.
    """
    if "data" in tree and not {"columns", "schema"}.isdisjoint(tree):
        return True
    columns = {plain_name(str(key)[:80]) for key, value in tree.items() if isinstance(value, Mapping | list)}
    entries = [cast("Mapping[object, Any]", value) for value in tree.values() if isinstance(value, Mapping)]
    below = {plain_name(str(key)[:80]) for entry in entries for key in list(entry)[:100]}
    return not columns.isdisjoint(METRIC_NAMES) or (
        "months" not in tree and len(entries) == len(tree) and not below.isdisjoint(METRIC_NAMES)
    )


def read_tree(
    tree: Mapping[str, Any] | Sequence[Any],
    findings: Findings,
    line_of: Callable[[Path], int | None] = lambda _: None,
) -> WrittenPlan:
    """What the tree says: a plan, or a list of records with month and metrics, as pandas writes a table.

    ``line_of`` tells where in a file a path stands.
    """
    reader = _TreeReader(findings, line_of)
    return reader.plan(tree) if isinstance(tree, Mapping) else reader.records(tree)


def place_of(path: Path) -> str:
    """``months[2].metrics.dealsCreated``."""
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{shortened(part)}" for part in path
    ).removeprefix(".")


@dataclass(frozen=True)
class _TreeReader:
    findings: Findings
    line_of: Callable[[Path], int | None]
    #: path → how many values were met before it
    ranks: dict[Path, int] = field(default_factory=dict[Path, int])

    def plan(self, tree: Mapping[str, Any]) -> WrittenPlan:
        if _is_other_table(tree):
            message = (
                "is a table in another form; write a list of records (pandas: to_json(orient='records'))"
            )
            self._problem((), "other_table", message)
            return WrittenPlan(months=[])
        top = dict(self._items(tree, (), PLAN_KEYS))
        if "months" not in top:
            self._problem((), "missing", "months is missing; list the months and what is asked of them")
        tolerances = dict(self._mapping(top.get("tolerances"), ("tolerances",), TOLERANCE_KEYS))
        return WrittenPlan(
            months=[*self._months(*top["months"])] if "months" in top else [],
            mode=self._scalar(top.get("mode")),
            plan_type=self._scalar(top.get("plan_type")),
            seed=self._scalar(top.get("seed")),
            tolerance_count=self._scalar(tolerances.get("count")),
            tolerance_value=self._scalar(tolerances.get("value")),
        )

    def records(self, entries: Sequence[Any]) -> WrittenPlan:
        """A list of records: month and metrics side by side."""
        if not entries:
            self._problem((), "empty_list", "lists no month; list at least one")
        return WrittenPlan(
            months=[month for index, one in enumerate(entries) for month in self._record(index, one)]
        )

    def _record(self, index: int, entry: object) -> Iterator[WrittenMonth]:
        path: Path = (index,)
        self.ranks[path] = len(self.ranks)
        if not isinstance(entry, Mapping):
            self._problem(path, "not_a_mapping", "is not a record with month and metrics")
            return
        keys = dict(self._items(cast("Mapping[str, Any]", entry), path, ("month", *METRICS)))
        yield from self._written(path, keys.pop("month", None), keys)

    def _written(
        self, path: Path, month: tuple[Path, Any] | None, figures: Mapping[str, tuple[Path, Any]]
    ) -> Iterator[WrittenMonth]:
        if month is None or month[1] is None:
            self._problem(path, "missing", "month is missing; write it as YYYY-MM, like 2025-01")
            return
        written = self._scalar(month)
        read = {metric: self._scalar(item) for metric, item in figures.items()}
        if written is not None:
            yield WrittenMonth(
                month=written, figures={metric: one for metric, one in read.items() if one is not None}
            )

    def _months(self, path: Path, value: object) -> Iterator[WrittenMonth]:
        if not isinstance(value, list | tuple):
            self._problem(path, "not_a_list", "is not a list; write one entry for each month")
            return
        entries = cast("Sequence[object]", value)
        if not entries:
            self._problem(path, "empty_list", "lists no month; list at least one")
        for index, entry in enumerate(entries):
            below = (*path, index)
            self.ranks[below] = len(self.ranks)
            if not isinstance(entry, Mapping):
                self._problem(below, "not_a_mapping", "is not a mapping with month and metrics")
                continue
            keys = dict(self._items(cast("Mapping[str, Any]", entry), below, MONTH_KEYS))
            figures = dict(self._mapping(keys.get("metrics"), below, METRICS))
            yield from self._written(below, keys.get("month"), figures)

    def _mapping(
        self, item: tuple[Path, Any] | None, path: Path, known: Sequence[str]
    ) -> Iterator[tuple[str, tuple[Path, Any]]]:
        """The items of a mapping that may be left out."""
        if item is None or item[1] is None:
            return
        path, value = item
        if isinstance(value, Mapping):
            yield from self._items(cast("Mapping[str, Any]", value), path, known)
        else:
            self._problem(path, "not_a_mapping", f"is not a mapping; its keys are {', '.join(known)}")

    def _items(
        self, mapping: Mapping[str, Any], path: Path, known: Sequence[str]
    ) -> Iterator[tuple[str, tuple[Path, Any]]]:
        """Known key, path and value of each item; what is unknown or given twice is a problem."""
        names = {plain_name(name): name for name in known}
        seen: set[str] = set()
        for key in getattr(mapping, "doubles", ()):
            self._problem((*path, key), "duplicate_key", f"{shown(key)} is given twice; leave one out", key)
        for raw, value in mapping.items():
            key = str(raw)
            self.ranks[*path, key] = len(self.ranks)
            name = names.get(plain_name(key))
            if name is None:
                self._unknown_key((*path, key), key, known)
            elif name in seen:
                message = f"{shown(key)} says again what {name} is; leave one of them out"
                self._problem((*path, key), "duplicate_key", message, key)
            else:
                seen.add(name)
                yield name, ((*path, key), value)

    def _unknown_key(self, path: Path, key: str, known: Sequence[str]) -> None:
        metric = METRIC_NAMES.get(plain_name(key))
        if known is MONTH_KEYS and metric is not None:
            close, hint = f"metrics.{metric}", "; it belongs under metrics"
        else:
            close = nearest_name(key, known)
            hint = f"; did you mean {close}?" if close else f"; known here: {', '.join(known)}"
        self._problem(path, "unknown_key", f"{shown(key)} is no key of a plan{hint}", key, close)

    def _scalar(self, item: tuple[Path, Any] | None) -> Written | None:
        """One value as text; none where nothing is written or what is written is no value."""
        if item is None:
            return None
        path, value = item
        text, is_literal = "", True
        match value:
            case None:
                return None
            case str():
                text, is_literal = value, bool(_EXACT_EXPONENT.fullmatch(value))
            case NumberText():
                text = value.text
            case int() if not isinstance(value, bool):
                # Python refuses to write out numbers of many thousand digits.
                text = str(value) if value.bit_length() < 4 * MOST_CHARACTERS else "1e99"
            case float() | Decimal():
                text = str(value)
            case _:
                self._problem(path, "not_a_value", "is neither text nor a number; write one value")
                return None
        return Written(
            text=text,
            place=place_of(path),
            line=self.line_of(path),
            rank=self._rank(path),
            is_literal=is_literal,
        )

    def _rank(self, path: Path) -> tuple[int, int]:
        return (self.line_of(path) or 0, self.ranks.get(path, 0))

    def _problem(
        self, path: Path, code: str, message: str, value: str | None = None, suggestion: str | None = None
    ) -> None:
        self.findings.add(
            Problem(
                code=code,
                message=message,
                field=place_of(path) or None,
                line=self.line_of(path),
                value=None if value is None else shortened(value),
                suggestion=suggestion,
            ),
            self._rank(path),
        )
