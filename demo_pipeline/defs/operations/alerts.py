"""The sensor that finds what is wrong, records it as incidents, and alerts the receivers.

It is on by default: a receiver in ``DEMO_ALERT_URLS`` is all that alerts need. What is wrong, and how it is
described, is known to ``services.health``.
"""

import dagster as dg

from demo_pipeline.defs.operations.run_history import RunHistory
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.services.health.incidents import Delivery, Recorded, deliver_notices, record_alerts
from demo_pipeline.services.health.receivers import receivers_of
from demo_pipeline.storage.connection.clock import server_clock
from demo_pipeline.storage.ledger.tenants import deleted_slugs


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    # Nothing is launched; Dagster wants to know on whose behalf it ticks.
    asset_selection=dg.AssetSelection.assets("kpi_snapshot"),
    description="Looks for watched figures beyond their limits, failed jobs and runs, failing checks, "
    "refused inbox files and stale tenants; records each as an incident, and sends every receiver of "
    "`DEMO_ALERT_URLS` one alert and, once it is over, one recovery notice. It launches nothing. "
    "`demo-pipeline health` shows what it found.",
)
def alerts(context: dg.SensorEvaluationContext, demo: DemoTenants) -> dg.SensorResult:
    """Record first, then send: what is recorded is sent at a later tick if it cannot be sent now."""
    history = RunHistory.of_cursor(context.cursor)
    with demo.database.admin(readonly=True) as conn:
        now, deleted = server_clock(conn), deleted_slugs(conn)
    history.advance(context.instance, now, deleted)
    recorded = record_alerts(
        demo.database, demo.settings, runs=list(history.runs()), failing=list(history.checks())
    )
    delivery = deliver_notices(demo.database, demo.settings)
    for failure in delivery.failures:
        context.log.warning("%s", failure)
    is_alerted = bool(receivers_of(demo.settings))
    return dg.SensorResult(
        skip_reason=_summary(recorded, delivery, is_alerted=is_alerted), cursor=history.model_dump_json()
    )


def _summary(recorded: Recorded, delivery: Delivery, *, is_alerted: bool) -> str:
    """What the tick found and did, in a line."""
    if not is_alerted:
        sent = "no receivers: DEMO_ALERT_URLS is not set"
    elif delivery.failures:
        sent = f"{counted(delivery.sent, 'message')} sent; {'; '.join(delivery.failures)}"
    else:
        sent = f"{counted(delivery.sent, 'message')} sent"
    found = counted(recorded.open, "incident")
    return f"{found} open ({recorded.opened:,} new, {recorded.closed:,} over); {sent}"
