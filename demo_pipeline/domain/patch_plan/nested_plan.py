"""A plan in nested form: the keys of JSON, YAML or a program's mapping, as values with their places.

Knows the keys of a plan and how they may be spelled, and names every key that is unknown, given twice or of
the wrong kind, with its path (``months[2].metrics.dealsCreated``; lists count from 0). What the values mean
is in ``patch_plan.assemble``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeAlias, cast

from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.core.figures import METRICS
from demo_pipeline.domain.parsing.document import NestedDocument, NumberText, Path, Problems, Written
from demo_pipeline.domain.parsing.scalars import quoted, shortened
from demo_pipeline.domain.parsing.written_numbers import MOST_CHARACTERS
from demo_pipeline.domain.patch_plan.assemble import (
    METRIC_NAMES,
    WrittenMonth,
    WrittenPlan,
    nearest_name,
    plain_name,
)

PLAN_KEYS: Final = ("mode", "plan_type", "fingerprint", "seed", "tolerances", "months")
TOLERANCE_KEYS: Final = ("count", "value")
MONTH_KEYS: Final = ("month", "metrics")
#: keys of a month in a list of records
_RECORD_KEYS: Final = ("month", *METRICS)

#: A spreadsheet rounds such a number, a program does not.
_EXACT_EXPONENT: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]+")

#: path and value
_Item: TypeAlias = tuple[Path, Any]


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
    return bool({"plan_type", "mode", "fingerprint", "tolerances"} & set(top)) or (
        isinstance(entries, Sequence)
        and any(
            isinstance(entry, Mapping) and "metrics" in entry for entry in cast("Sequence[object]", entries)
        )
    )


def read_nested_plan(document: NestedDocument, problems: Problems) -> WrittenPlan:
    """What a document says: a plan, or a list of records with month and metrics, as pandas writes a table."""
    for double in document.doubles:
        problems.add(double.problem(place_of(double.path)), (double.line, 0))
    reader = _Reader(document, problems)
    tree: Any = document.tree
    return reader.plan(cast("Mapping[str, Any]", tree)) if isinstance(tree, Mapping) else reader.records(tree)


def place_of(path: Path) -> str:
    """``months[2].metrics.dealsCreated``."""
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{shortened(part)}" for part in path
    ).removeprefix(".")


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


@dataclass(frozen=True)
class _Reader:
    document: NestedDocument
    problems: Problems
    #: path → how many values were met before it
    ranks: dict[Path, int] = field(default_factory=dict[Path, int])

    def plan(self, tree: Mapping[str, Any]) -> WrittenPlan:
        if _is_other_table(tree):
            message = (
                "is a table in another form; write a list of records (pandas: to_json(orient='records'))"
            )
            self._problem((), "other_table", message)
            return WrittenPlan(months=[])
        top = dict(self._items(((), tree), PLAN_KEYS))
        if "months" not in top:
            self._problem((), "missing", "months is missing; list the months and what is asked of them")
        tolerances = dict(self._items(top.get("tolerances"), TOLERANCE_KEYS))
        return WrittenPlan(
            months=[*self._months(*top["months"], is_record=False)] if "months" in top else [],
            mode=self._scalar(top.get("mode")),
            plan_type=self._scalar(top.get("plan_type")),
            seed=self._scalar(top.get("seed")),
            fingerprint=self._scalar(top.get("fingerprint")),
            tolerance_count=self._scalar(tolerances.get("count")),
            tolerance_value=self._scalar(tolerances.get("value")),
        )

    def records(self, entries: Sequence[Any]) -> WrittenPlan:
        """A list of records: month and metrics side by side."""
        return WrittenPlan(months=[*self._months((), entries, is_record=True)])

    def _months(self, path: Path, value: object, *, is_record: bool) -> Iterator[WrittenMonth]:
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
            item: _Item = (below, cast("Mapping[str, Any]", entry))
            keys = dict(self._items(item, _RECORD_KEYS if is_record else MONTH_KEYS))
            month = keys.pop("month", None)
            figures = keys if is_record else dict(self._items(keys.get("metrics"), METRICS))
            if month is None or month[1] is None:
                self._problem(below, "missing", "month is missing; write it as YYYY-MM, like 2025-01")
                continue
            written = self._scalar(month)
            read = {metric: one for metric, item in figures.items() if (one := self._scalar(item))}
            if written is not None:
                yield WrittenMonth(month=written, figures=read)

    def _items(self, item: _Item | None, known: Collection[str]) -> Iterator[tuple[str, _Item]]:
        """Known key, path and value of what a mapping holds; what is unknown or given twice is a problem.

        Nothing for a mapping that is left out.
        """
        if item is None or item[1] is None:
            return
        path, value = item
        if not isinstance(value, Mapping):
            self._problem(path, "not_a_mapping", f"is not a mapping; its keys are {', '.join(known)}")
            return
        mapping = cast("Mapping[object, Any]", value)
        names = {plain_name(name): name for name in known}
        seen: set[str] = set()
        for key in getattr(mapping, "doubles", ()):
            self._problem((*path, key), "duplicate_key", f"{quoted(key)} is given twice; leave one out", key)
        for raw, one in mapping.items():
            key = str(raw)
            below = (*path, key)
            self.ranks[below] = len(self.ranks)
            name = names.get(plain_name(key))
            if name is None:
                self._unknown_key(below, key, known)
            elif name in seen:
                message = f"{quoted(key)} says again what {name} is; leave one of them out"
                self._problem(below, "duplicate_key", message, key)
            else:
                seen.add(name)
                yield name, (below, one)

    def _unknown_key(self, path: Path, key: str, known: Collection[str]) -> None:
        metric = METRIC_NAMES.get(plain_name(key))
        if known is MONTH_KEYS and metric is not None:
            close, hint = f"metrics.{metric}", "; it belongs under metrics"
        else:
            close = nearest_name(key, known)
            hint = f"; did you mean {close}?" if close else f"; known here: {', '.join(known)}"
        self._problem(path, "unknown_key", f"{quoted(key)} is an unknown key{hint}", key, close)

    def _scalar(self, item: _Item | None) -> Written | None:
        """One value as text; None where nothing is written, and where a mapping or list is."""
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
            line=self.document.line_of(path),
            rank=self._rank(path),
            is_literal=is_literal,
        )

    def _rank(self, path: Path) -> tuple[int, int]:
        return (self.document.line_of(path) or 0, self.ranks.get(path, 0))

    def _problem(
        self, path: Path, code: str, message: str, value: str | None = None, suggestion: str | None = None
    ) -> None:
        problem = Problem(
            code=code,
            message=message,
            field=place_of(path) or None,
            line=self.document.line_of(path),
            value=None if value is None else shortened(value),
            suggestion=suggestion,
        )
        self.problems.add(problem, self._rank(path))
