"""Instants as people write them: ISO 8601, UTC without an offset; what is ambiguous is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from demo_pipeline.domain.core.instants import read_instant, read_since

NOW = datetime(2025, 6, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-01-31", datetime(2025, 1, 31, tzinfo=UTC)),
        ("2025-01-31T10:00", datetime(2025, 1, 31, 10, tzinfo=UTC)),
        ("2025-01-31 10:00:05", datetime(2025, 1, 31, 10, 0, 5, tzinfo=UTC)),
        ("2025-01-31T10:00:05.250000Z", datetime(2025, 1, 31, 10, 0, 5, 250_000, tzinfo=UTC)),
        ("2025-01-31t10:00z", datetime(2025, 1, 31, 10, tzinfo=UTC)),
        ("2025-01-31T10:00:00+01:00", datetime(2025, 1, 31, 9, tzinfo=UTC)),
        ("2025-01-31T10:00-0530", datetime(2025, 1, 31, 15, 30, tzinfo=UTC)),
        (" 2025-01-31 ", datetime(2025, 1, 31, tzinfo=UTC)),
    ],
)
def test_an_iso_8601_date_or_instant_is_read(text: str, instant: datetime) -> None:
    """A date is its first moment, and what has no offset is in UTC."""
    assert read_instant(text) == instant
    assert read_since(text, NOW) == instant


@pytest.mark.parametrize(
    "text",
    [
        *("", "2025", "1738317600", "20250131", "2025-01", "31/01/2025", "01-02-2025", "2025-1-31"),
        *("2025-02-30", "2025-01-31T25:00", "2025-01-31T10", "10:00", "2025-W05", "now", "yesterday"),
        *(
            "2025-01-31T10:00+99:00",
            "0001-01-01T00:00+10:00",
            "9999-12-31T23:59-10:00",
            "\u0662\u0660\u0662\u0665-\u0660\u0661-\u0660\u0661",
        ),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """A bare number is no Unix time, and no order of day and month is guessed; the message has the form."""
    with pytest.raises(ValueError, match="2025-01-31T10:00"):
        read_instant(text)
    with pytest.raises(ValueError, match="2025-01-31"):
        read_since(text, NOW)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90m", timedelta(minutes=90)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        ("2W", timedelta(weeks=2)),
    ],
)
def test_how_long_ago(text: str, ago: timedelta) -> None:
    """A number of minutes, hours, days or weeks, before now."""
    assert read_since(text, NOW) == NOW - ago


@pytest.mark.parametrize("text", ["0d", "-7d", "7", "7 d", "7y", "1.5h", "999999w"])
def test_durations_that_are_refused(text: str) -> None:
    """No sign, no fraction, no blank, no unit that differs in length, nothing before the calendar."""
    with pytest.raises(ValueError, match="write"):
        read_since(text, NOW)
