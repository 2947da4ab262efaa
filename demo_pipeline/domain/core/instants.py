"""Instants as people write them: ISO 8601 dates and times, and how long ago.

One grammar for every place where a person writes one (``DEMO_NOW``, ``job list --since``). What is ambiguous
is refused: a bare number, ``01/02/2025``, a year alone. Which clock *now* is does not belong here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

#: what to write, for messages
FORMS: Final = "2025-01-31, 2025-01-31T10:00 or 2025-01-31T10:00:00+01:00 (UTC without an offset)"
_FORM: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,6})?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?",
    re.ASCII | re.IGNORECASE,
)
_DURATION: Final = re.compile(r"([1-9]\d{0,5})([mhdw])", re.ASCII | re.IGNORECASE)
_UNITS: Final = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def read_instant(text: str) -> datetime:
    """An ISO 8601 date (its first moment) or instant, aware and in UTC.

    Raises ``ValueError`` whose message says what to write.
    """
    written = text.strip().upper()
    try:
        found = datetime.fromisoformat(written) if _FORM.fullmatch(written) else None
        if found is not None:
            return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{text[:60]!r} is not an ISO 8601 date or instant; write {FORMS}")


def read_since(text: str, now: datetime) -> datetime:
    """An instant, or how long before ``now``: ``90m``, ``24h``, ``7d``, ``2w``.

    Raises ``ValueError`` whose message says what to write.
    """
    if found := _DURATION.fullmatch(text.strip()):
        try:
            return now - int(found[1]) * _UNITS[found[2].lower()]
        except OverflowError:
            raise ValueError(
                f"{text[:60]!r} is longer ago than the calendar goes back; write a date"
            ) from None
    try:
        return read_instant(text)
    except ValueError:
        raise ValueError(
            f"{text[:60]!r} is neither an ISO 8601 date or instant nor a duration; write {FORMS}, or 24h, "
            "7d, 2w"
        ) from None
