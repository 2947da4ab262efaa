"""Whether a tenant is fresh: as much has happened of late as usually happens there.

A tenant is judged by its own pace, which is the mean gap between its last activities in working time. It is
stale once more working time than three such gaps, and than an hour, has passed since its last activity and
since it was loaded, and rows have been due for an hour: evenings are quieter than mornings, and a blueprint
may ask for nothing. What makes a tenant fresh again is ``materialise``; ``top_up`` finds who is behind the
clock at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from psycopg import Connection

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.errors import UnreadableTenantError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.jobs.tenant_context import find_tenant_context
from demo_pipeline.settings import Settings
from demo_pipeline.storage.ledger.tenants import TenantSummary, list_tenants, read_spec
from demo_pipeline.storage.rows.activity_pace import ActivityPace, activity_paces

_GAPS: Final = 3
LEAST_ALLOWED_MINUTES: Final = 60
#: where there are too few activities for a pace: three working days
UNKNOWN_PACE_MINUTES: Final = 3 * 14 * 60


class FreshnessState(StrEnum):
    """How up to date a tenant is."""

    FRESH = "fresh"
    STALE = "stale"
    #: nothing is due any more, which counts as fresh
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """The judgement of one tenant."""

    tenant: str
    state: FreshnessState
    #: None: there is no activity
    last_activity_at: datetime | None
    #: None: nothing of the blueprint is loaded
    loaded_until: datetime | None
    #: working minutes since the later of the two; None: not counted, since less than an hour has passed, or
    #: there is neither
    quiet_minutes: int | None
    #: working minutes after which it is stale; None: not asked for
    allowed_minutes: int | None

    @property
    def is_fresh(self) -> bool:
        return self.state is not FreshnessState.STALE

    @property
    def reason(self) -> str:
        """Why a stale tenant is stale."""
        if self.quiet_minutes is None or self.allowed_minutes is None:
            return "nothing is loaded yet"
        quiet, allowed = _hours(self.quiet_minutes), _hours(self.allowed_minutes)
        return f"no activity for {quiet} of working time, and more than {allowed} is stale at its pace"


def tenant_freshness(
    conn: Connection[Any],
    settings: Settings,
    now: datetime,
    tenant_id: UUID | None = None,
    *,
    on_unreadable: Callable[[UnreadableTenantError], None],
) -> Iterator[Freshness]:
    """The judgements of all living demo tenants, by slug, or of one; for administrators.

    A tenant that cannot be read is passed to ``on_unreadable`` and left out.
    """
    paces = activity_paces(conn, now, tenant_id)
    for tenant in list_tenants(conn, tenant_id=tenant_id):
        # One may be provisioned between the two statements.
        if (pace := paces.get(tenant.tenant_id)) is not None:
            try:
                found = judge(tenant, pace, now)
                if not found.is_fresh and not _is_behind(conn, settings, tenant, now):
                    found = replace(found, state=FreshnessState.FRESH)
                yield found
            except UnreadableTenantError as error:
                on_unreadable(error)


def judge(tenant: TenantSummary, pace: ActivityPace, now: datetime) -> Freshness:
    """The judgement of a tenant at ``now`` by its pace alone; a pure function.

    Raises ``UnreadableTenantError``.
    """
    latest = max((at for at in (pace.last_at, pace.loaded_until) if at is not None), default=None)
    quiet = allowed = None
    if tenant.end_month is not None:
        state = FreshnessState.CLOSED
    elif latest is None:
        is_late = now - tenant.provisioned_at > timedelta(minutes=LEAST_ALLOWED_MINUTES)
        state = FreshnessState.STALE if is_late else FreshnessState.FRESH
    elif now - latest <= timedelta(minutes=LEAST_ALLOWED_MINUTES):
        # No calendar is needed: no more working time can have passed.
        state = FreshnessState.FRESH
    else:
        spec = read_spec(tenant.slug, pace.plan)
        quiet, allowed = _working_minutes(spec, latest, now), _allowed_minutes(spec, pace)
        state = FreshnessState.STALE if quiet > allowed else FreshnessState.FRESH
    return Freshness(
        tenant=tenant.slug,
        state=state,
        last_activity_at=pace.last_at,
        loaded_until=pace.loaded_until,
        quiet_minutes=quiet,
        allowed_minutes=allowed,
    )


def _is_behind(conn: Connection[Any], settings: Settings, tenant: TenantSummary, now: datetime) -> bool:
    """Whether rows of the blueprint have been due for an hour that are not loaded."""
    # Generates the rows of a month, and imports all that this needs.
    from demo_pipeline.services.months.pending_load import is_made

    context = find_tenant_context(conn, settings, tenant.slug, "health")
    due = now - timedelta(minutes=LEAST_ALLOWED_MINUTES)
    return not is_made(conn, context, Month.containing(due), due)


def _allowed_minutes(spec: TenantSpec, pace: ActivityPace) -> int:
    if pace.activity_count < 2 or pace.first_at is None or pace.last_at is None:
        return UNKNOWN_PACE_MINUTES
    worked = _working_minutes(spec, pace.first_at, pace.last_at)
    return max(LEAST_ALLOWED_MINUTES, _GAPS * worked // (pace.activity_count - 1))


def _working_minutes(spec: TenantSpec, after: datetime, until: datetime) -> int:
    """Minutes of the tenant's working time between two instants."""
    # Imports numpy, which a command that reads does without where every tenant is fresh.
    from demo_pipeline.domain.generation.calendar import MINUTE_US, instant_us, tenant_calendar

    calendar = tenant_calendar(spec)
    first, last = instant_us(after) // MINUTE_US, instant_us(until) // MINUTE_US
    return sum(
        int(((minutes >= first) & (minutes < last)).sum())
        for month in Month.containing(after).until(Month.containing(until))
        for minutes in (calendar.month(month).minutes,)
    )


def _hours(minutes: int) -> str:
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"
