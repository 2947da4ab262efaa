"""Columns of a tenant, made by hand: what is not given is left out, or the same in every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import numpy as np

from demo_pipeline.domain.model import ACTIVITY_TYPES
from demo_pipeline.domain.scorecard.columns import (
    BLUEPRINT,
    MISSING,
    OPEN,
    Activities,
    Companies,
    Contacts,
    Deals,
    Facts,
    TenantColumns,
    Users,
)

_Table = TypeVar("_Table", Companies, Contacts, Deals, Activities)

#: months since 1970 of January 2025, and of December 2025
FIRST, LAST = 55 * 12, 55 * 12 + 11
FACTS: Final = Facts(
    country="GB",
    industry="saas",
    timezone="UTC",
    first_month=FIRST,
    last_month=LAST,
    as_of_us=int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 1_000_000,
)
#: columns that hold something even where a test says nothing
_USUAL: Final[dict[str, Any]] = {
    "origin": BLUEPRINT,
    "outcome": OPEN,
    "value": 100_00,
    "status": "prospect",
    "source": "seo",
    "type": ACTIVITY_TYPES.index("call"),
    "sounds_agreed": False,
    "subject_length": 20,
    "description_length": 100,
    "name": "Northgate Ltd",
    "title": "Licence",
}


def instant(month: int, day: int = 3, hour: float = 10) -> int:
    """An instant in a month of 2025 (0: January), in microseconds."""
    start = datetime(2025 + month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()
    return int((start + (day - 1) * 86_400 + hour * 3_600) * 1_000_000)


def rows(kind: type[_Table], count: int, **columns: Any) -> _Table:
    """``count`` rows of a table; a single value holds for all, a sequence is one a row, or is repeated."""
    made: dict[str, Any] = {}
    for one in fields(kind):
        given = columns.pop(one.name, _USUAL.get(one.name))
        is_text = one.type == "Texts"
        if given is None and not is_text:
            given = instant(1) if one.name == "created_us" else MISSING
        values = [given] if given is None or isinstance(given, str | int | bool) else list(given)
        column = np.empty(len(values), object if is_text else bool if one.type == "Bools" else np.int64)
        column[:] = values
        made[one.name] = np.resize(column, count)
    assert not columns, f"unknown columns: {', '.join(columns)}"
    return kind(**made)


def tenant(
    facts: Facts = FACTS,
    *,
    joined: Sequence[int] = (0,),
    companies: Companies | None = None,
    contacts: Contacts | None = None,
    deals: Deals | None = None,
    activities: Activities | None = None,
    stages: tuple[str, ...] = (),
    **changes: Any,
) -> TenantColumns:
    """A tenant with these tables; the others are empty. ``changes`` are facts."""
    return TenantColumns(
        facts=replace(facts, **changes),
        users=Users(
            created_us=np.array(joined, np.int64), first_name=np.array(["Nora"] * len(joined), object)
        ),
        companies=rows(Companies, 0) if companies is None else companies,
        contacts=rows(Contacts, 0) if contacts is None else contacts,
        deals=rows(Deals, 0) if deals is None else deals,
        activities=rows(Activities, 0) if activities is None else activities,
        stages=stages,
    )


def firms(count: int = 200, **columns: Any) -> TenantColumns:
    """A tenant that has companies and nothing else."""
    facts = {name: columns.pop(name) for name in ("country",) if name in columns}
    return tenant(companies=rows(Companies, count, **columns), **facts)
