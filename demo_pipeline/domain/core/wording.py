"""Numbers in sentences, with a comma before each three digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: table → one of its rows, and several, where that is not the table's name with and without *s*
_ROWS: Final = {
    "activities": ("activity", "activities"),
    "companies": ("company", "companies"),
    "contact_tags": ("tag on a contact", "tags on contacts"),
    "pipeline_stages": ("pipeline stage", "pipeline stages"),
}


def counted(count: int, one: str, many: str = "") -> str:
    """``"1 deal"``, ``"2,000 deals"``; ``many`` where that is not ``one`` and an *s*."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def grouped(number: int | str) -> str:
    """A number in a sentence: ``1234567`` is ``1,234,567``, ``"25000.00"`` is ``25,000.00``."""
    whole, point, rest = str(number).partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.removeprefix('-')):,}{point}{rest}"


def rows_text(counts: Mapping[str, int]) -> str:
    """Rows by table in a sentence, ``310 companies, 1 tag on a contact``, without tables that have none.

    Of table ``tenants`` there is one row: ``the tenant itself``.
    """
    return ", ".join(
        "the tenant itself"
        if table == "tenants"
        else counted(count, *_ROWS.get(table, (table.removesuffix("s"), table)))
        for table, count in counts.items()
        if count
    )


def are(count: int) -> str:
    """The verb after :func:`counted`."""
    return "is" if count == 1 else "are"
