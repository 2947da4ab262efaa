"""Who is in two meetings at once, computed apart from the generator."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

Meetings = dict[Any, list[tuple[datetime, datetime]]]


def meetings_of(activities: Iterable[Mapping[str, Any]]) -> Meetings:
    """Person → begin and end of each of their meetings, in order."""
    found: Meetings = defaultdict(list)
    for row in activities:
        if row["type"] == "meeting":
            start = row["scheduled_at"]
            found[row["created_by_id"]].append((start, start + timedelta(minutes=row["duration_minutes"])))
    return {person: sorted(meetings) for person, meetings in found.items()}


def overlaps(meetings: Meetings) -> list[tuple[datetime, datetime]]:
    """Begins of two meetings of one person that are at the same time."""
    return [
        (one[0], other[0])
        for of_person in meetings.values()
        for one, other in pairwise(of_person)
        if one[1] > other[0]
    ]
