"""The schedule that keeps demo tenants fresh.

Hourly, because a tenant that is shown in the afternoon should have had a morning; but for the tenants only
in whose own working time some has passed within that hour, since rows come at no other time. At midnight
UTC every tenant that is behind has its turn, whatever its hour: so nothing that a pause of the daemon left
out stays out for longer than a day.
"""

from datetime import timedelta
from typing import Final

import dagster as dg

from demo_pipeline.defs.months.assets import materialise_tenants
from demo_pipeline.defs.months.run_requests import months_requests
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.services.months.top_up import top_ups

_NAME: Final = "top_up_running_month"


@dg.schedule(
    name=_NAME,
    job=materialise_tenants,
    cron_schedule="0 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Brings every tenant up to now: what has happened of the running month, and all months since "
    "the one that was loaded last; a closed tenant until its last month is over. Hourly in each tenant's own "
    "working time, and once at midnight UTC for all that are behind. One run a tenant; a tenant that is as "
    "expected is left alone.",
)
def top_up_running_month(
    context: dg.ScheduleEvaluationContext, demo: DemoTenants
) -> list[dg.RunRequest] | dg.SkipReason:
    """One run over the months of each tenant that is behind."""
    tick = context.scheduled_execution_time
    within = None if tick.hour == 0 else timedelta(hours=1)
    found = top_ups(
        demo.database,
        demo.settings,
        within,
        on_unreadable=lambda error: context.log.warning("left out: %s", error.message),
    )
    if not found:
        return dg.SkipReason("no tenant has worked since it was loaded")
    return months_requests(context.instance, found, schedule=_NAME, tick=f"{tick:%Y-%m-%dT%H}")
