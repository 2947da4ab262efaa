"""The schedule that heals tenants by their own choice: the key ``heal`` of their blueprints.

Which tenants lack rows is judged in ``services.months.healing``. Every morning, after all tenants are
verified: what people deleted the day before is there again when a tenant is shown.
"""

from typing import Final

import dagster as dg

from demo_pipeline.defs.months.assets import materialise_tenants
from demo_pipeline.defs.months.run_requests import months_requests
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.services.months.healing import healings

_NAME: Final = "heal_tenants"


@dg.schedule(
    name=_NAME,
    job=materialise_tenants,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Makes the missing rows of every tenant whose blueprint says `heal: auto`: one run a tenant, "
    "over all its months. Tenants that say `heal: ask`, which is the default, are named with the command "
    "that heals them, and are not changed. Rows that people added are left alone. "
    "Every morning at 06:00 UTC, after `verify_every_morning`.",
)
def heal_tenants(
    context: dg.ScheduleEvaluationContext, demo: DemoTenants
) -> list[dg.RunRequest] | dg.SkipReason:
    """One run over the months of each tenant that lacks rows and heals by itself; the others are named."""
    notes: list[str] = []
    found = healings(
        demo.database,
        demo.settings,
        on_unreadable=lambda slug, error: notes.append(f"{slug} is left out: {error.message}"),
    )
    notes += [
        f"{one.tenant} is not healed, as its blueprint says heal: ask; {one.reason}; "
        f"to heal it: demo-pipeline generate {one.tenant}"
        for one in found
        if one.choice == "ask"
    ]
    healed = [one for one in found if one.choice == "auto"]
    if not healed:
        return dg.SkipReason("\n".join(notes) or "no tenant lacks rows")
    for note in notes:
        context.log.warning("%s", note)
    tick = f"heal {context.scheduled_execution_time:%Y-%m-%dT%H:%M}"
    return months_requests(context.instance, healed, schedule=_NAME, tick=tick)
