"""The metrics of ``/metrics``, in the text format of Prometheus."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest

if TYPE_CHECKING:
    from demo_pipeline.services.health.state import State

_PREFIX: Final = "demo_pipeline"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: states and statuses that are shown with zero as well
_TENANT_STATES: Final = ("fresh", "stale", "closed")
_JOB_STATUSES: Final = ("pending", "running", "completed", "failed")


def metrics_text(state: State) -> bytes:
    """All gauges, in a registry of their own: nothing is said about the process."""
    registry = CollectorRegistry()

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", text, labels, registry=registry)

    value = gauge("watched_figure", "A watched figure of the last 7 days; shares from 0 to 1.", "figure")
    threshold = gauge("watched_figure_threshold", "The value above which a figure alerts.", "figure")
    is_alert = gauge("watched_figure_alert", "1 where a figure alerts, else 0.", "figure")
    for figure in state.figures:
        # Without an attempt there is nothing to alert on, and a series that comes and goes is hard to watch.
        value.labels(figure.name.value).set(float(figure.value or 0))
        threshold.labels(figure.name.value).set(float(figure.threshold))
        is_alert.labels(figure.name.value).set(figure.is_alert)
    tenants = gauge("tenants", "Demo tenants by state.", "state")
    states = Counter(one.state.value for one in state.tenants)
    for name in _TENANT_STATES:
        tenants.labels(name).set(states[name])
    jobs = gauge("jobs", "Jobs of the ledger by status.", "status")
    for status in _JOB_STATUSES:
        jobs.labels(status).set(state.jobs.get(status, 0))
    alerts = gauge("alerts", "What is wrong now, by kind.", "kind")
    for kind, count in state.alert_counts.items():
        alerts.labels(kind).set(count)
    gauge("undelivered_notices", "Notices that receivers have not been sent yet.").set(
        state.undelivered_count
    )
    last = gauge("last_completed_job_timestamp_seconds", "When a job was completed last; 0 for never.")
    last.set(0 if state.last_completed_at is None else state.last_completed_at.timestamp())
    return generate_latest(registry)
