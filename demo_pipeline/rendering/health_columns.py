"""The state of all tenants as tables and as JSON: for ``health`` and for the page of that name."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.table import Column, json_ready, programs, records

if TYPE_CHECKING:
    from demo_pipeline.services.health.state import OpenAlert, State
    from demo_pipeline.services.months.freshness import Freshness
    from demo_pipeline.storage.ledger.watched_figures import Figure

#: figure → its name for people
_FIGURES: Final = {
    "patch_failure_share": "patch attempts that failed",
    "patch_duration_seconds": "longest patch",
    "kpi_verification_failure_share": "KPI verifications that failed",
    "duplicate_detection_count": "duplicates detected",
    "non_demo_attempt_count": "attempts on a tenant that is not a demo",
}
#: attempts from which a rate alerts
_LEAST_ATTEMPTS: Final = 20


def _amount(figure: Figure, value: Any) -> str:
    """A value of a figure in its unit; "none" where nothing happened."""
    if value is None:
        return "none"
    if figure.name.is_share:
        return f"{value:.1%}"
    unit = " s" if figure.name.endswith("_seconds") else ""
    return f"{value:,.0f}{unit}"


def figure_verdict(figure: Figure) -> str:
    """What a figure says, in a word or two."""
    if figure.is_alert:
        return "alert"
    if figure.attempts is not None and figure.attempts < _LEAST_ATTEMPTS:
        return f"too few attempts (below {_LEAST_ATTEMPTS})"
    return "good"


FIGURE_COLUMNS: Final[tuple[Column[Figure], ...]] = (
    Column("name", "figure", text=lambda one: _FIGURES[one.name]),
    Column(
        "value",
        "last 7 days",
        lambda one: None if one.value is None else float(one.value),
        text=lambda one: _amount(one, one.value),
        is_number=True,
    ),
    Column(
        "threshold",
        "alert above",
        lambda one: float(one.threshold),
        text=lambda one: _amount(one, one.threshold),
        is_number=True,
    ),
    Column("attempts", "of attempts", is_number=True),
    Column("is_alert", "verdict", text=figure_verdict),
)

ALERT_COLUMNS: Final[tuple[Column[OpenAlert], ...]] = (
    Column("kind", "alert", lambda one: one.alert.kind),
    Column("subject", None, lambda one: one.alert.subject),
    Column("tenant", "tenant", lambda one: one.alert.tenant),
    Column("months", "months", lambda one: one.alert.months),
    Column("job_id", None, lambda one: one.alert.job_id),
    Column("run_id", None, lambda one: one.alert.run_id),
    Column("opened_at", "since", text=lambda one: instant_text(one.opened_at)),
    *programs("seen_at"),
    Column("what", "what", lambda one: one.alert.what),
    Column("remedy", "what to do", lambda one: one.alert.remedy),
    Column("command", None, lambda one: one.alert.command),
)

TENANT_COLUMNS: Final[tuple[Column[Freshness], ...]] = (
    Column("tenant", "tenant"),
    Column("state", "state"),
    Column("last_activity_at", "last activity", text=lambda one: instant_text(one.last_activity_at)),
    Column("loaded_until", "loaded until", text=lambda one: instant_text(one.loaded_until)),
    *programs("quiet_minutes allowed_minutes"),
)


def health_document(state: State) -> dict[str, Any]:
    """What ``health --json`` prints."""
    return {
        "healthy": state.is_healthy,
        "read_at": json_ready(state.read_at),
        "figures": records(FIGURE_COLUMNS, state.figures),
        "alerts": records(ALERT_COLUMNS, state.alerts),
        "tenants": records(TENANT_COLUMNS, state.tenants),
        "jobs": dict(state.jobs),
        "last_completed_at": json_ready(state.last_completed_at),
        "receivers": [one.name for one in state.receivers],
        "undelivered_notices": state.undelivered_count,
    }


def tenants_text(state: State) -> str:
    """How many tenants are in each state, in a sentence."""
    counts = Counter(one.state.value for one in state.tenants)
    parts = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    return f"{counted(len(state.tenants), 'tenant')}: {parts}" if parts else "no demo tenant yet"


def receivers_text(state: State) -> str:
    """The receivers of alerts, and how many notices are not delivered."""
    if not state.receivers:
        return "no receivers of alerts: DEMO_ALERT_URLS is not set"
    names = ", ".join(one.name for one in state.receivers)
    if not state.undelivered_count:
        return f"alerts go to {names}"
    return f"alerts go to {names}; {counted(state.undelivered_count, 'notice')} not delivered yet"


def instant_text(at: datetime | None) -> str:
    """An instant for people, to the minute; empty for None."""
    return "" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
