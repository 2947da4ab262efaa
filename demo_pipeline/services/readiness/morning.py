"""Which tenants a schedule examines: those whose morning has come since they were examined last."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final

from demo_pipeline.domain.core.timezones import load_timezone
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger.examinations import examination_times

#: in the tenant's time zone: before the first demo of the day
MORNING: Final = time(6)


def tenants_due(database: Database, now: datetime) -> list[str]:
    """Slugs of demo tenants that were not examined since their last morning, sorted.

    A tenant that was never examined is due.
    """
    with database.admin(readonly=True) as conn:
        found = examination_times(conn)
    return [
        one.slug
        for one in found
        if one.examined_at is None or one.examined_at < last_morning(now, _zone(one.timezone))
    ]


def last_morning(now: datetime, zone: tzinfo) -> datetime:
    """The last instant up to ``now`` (aware) at which it was morning in a time zone."""
    today = now.astimezone(zone).date()
    morning = datetime.combine(today, MORNING, zone)
    return morning if morning <= now else datetime.combine(today - timedelta(days=1), MORNING, zone)


def _zone(name: str | None) -> tzinfo:
    """A tenant's time zone; UTC if the stored name is not a time zone."""
    try:
        return UTC if name is None else load_timezone(name)
    except ValueError:
        return UTC
