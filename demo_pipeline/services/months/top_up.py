"""Which tenants are behind the clock, and the months that bring them up to it.

Reads and judges; what makes the months is ``materialise``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from demo_pipeline.domain.core.errors import UnreadableTenantError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.generation.calendar import MINUTE_US, instant_us, tenant_calendar
from demo_pipeline.services.jobs.tenant_context import TenantContext, find_tenant_context
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import instant_of
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger.tenants import list_tenants


@dataclass(frozen=True, kw_only=True)
class TopUp:
    """Months of one tenant, from the one that was loaded last to the running one."""

    tenant: str
    first: Month
    last: Month


def top_ups(
    database: Database,
    settings: Settings,
    within: timedelta | None = None,
    *,
    on_unreadable: Callable[[UnreadableTenantError], None],
) -> list[TopUp]:
    """The tenants in whose working time some has passed since they were loaded last, by slug.

    Of a closed tenant time counts until its last month is over.

    ``within``: only where some of it passed within so long. A tenant's rows come in its working time alone:
    at night and on holidays there is nothing to load that was not there before. A tenant that cannot be read
    is passed to ``on_unreadable`` and left out.
    """
    subjects = list[TenantContext]()
    with database.admin(readonly=True) as conn:
        now = instant_of(conn, settings)
        for tenant in list_tenants(conn):
            try:
                subjects.append(find_tenant_context(conn, settings, tenant.slug, "show"))
            except UnreadableTenantError as error:
                on_unreadable(error)
    after = None if within is None else now - within
    return [
        TopUp(
            tenant=context.state.tenant.slug,
            first=_last_loaded(context),
            last=context.last_asked(Month.containing(now)),
        )
        for context in subjects
        if _has_worked(context, now, after)
    ]


def _last_loaded(context: TenantContext) -> Month:
    return max(context.loaded_months, default=context.spec.start_month)


def _has_worked(context: TenantContext, now: datetime, after: datetime | None) -> bool:
    """Whether working time has passed since the last month was loaded, and after ``after``."""
    last = _last_loaded(context)
    loaded = context.loaded_months.get(last)
    since = last.start if loaded is None else loaded.loaded_as_of
    if after is not None:
        since = max(since, after)
    now = min(now, context.last_asked(Month.containing(now)).end)
    if since >= now:
        return False
    calendar, first_minute = tenant_calendar(context.spec), instant_us(since) // MINUTE_US
    return any(
        bool((calendar.month(month).until(instant_us(now)).minutes >= first_minute).any())
        for month in Month.containing(since).until(context.last_asked(Month.containing(now)))
    )
