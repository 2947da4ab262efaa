"""Incidents: what is wrong is recorded once, and each receiver is sent one alert and one recovery notice.

Delivery is at least once: a notice is marked delivered after its receiver accepted it, in the transaction
that holds it. Only where that commit fails is it sent again. A receiver that is away gets its notices later,
in their order; other receivers are not affected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Final

from demo_pipeline.domain.core.terminal_text import neutral
from demo_pipeline.services.health.alerts import (
    WITHOUT_DAGSTER,
    Alert,
    AlertKind,
    FailedRun,
    FailingChecks,
    alert_of,
)
from demo_pipeline.services.health.receivers import Receiver, receivers_of, send
from demo_pipeline.services.health.state import dagster_alerts, search
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.connection.masking import masked
from demo_pipeline.storage.ledger import incidents
from demo_pipeline.storage.ledger.incidents import Notice, Recorded

#: No other message is begun after so many seconds; what is left is sent at the next call.
_SEND_SECONDS: Final = 30.0
#: incidents that one message describes; the others are counted
_MOST_DESCRIBED: Final = 20


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What became of the notices that were due."""

    #: messages that were sent
    sent: int
    #: a sentence for each receiver that could not be reached
    failures: tuple[str, ...]


def record_alerts(
    database: Database,
    settings: Settings,
    *,
    runs: Sequence[FailedRun] | None = None,
    failing: Sequence[FailingChecks] | None = None,
) -> Recorded:
    """Look for everything that is wrong, open incidents of it, and close those that are over.

    ``runs``, ``failing``: what Dagster knows; None: not known, and incidents of these kinds stay as they are.
    """
    receivers = [one.digest for one in receivers_of(settings)]
    alerts, kinds = list[Alert](), list(WITHOUT_DAGSTER)
    with database.snapshot() as conn:
        found = search(conn, settings)
        alerts += found.alerts
        if runs is not None and failing is not None:
            alerts += dagster_alerts(conn, found, runs, failing)
            kinds += [kind for kind in AlertKind if kind.is_of_dagster]
    with database.admin() as conn, conn.transaction():
        return incidents.record_alerts(
            conn,
            [alert.record() for alert in alerts],
            kinds=kinds,
            looked_at=found.looked_at,
            receivers=receivers,
        )


def deliver_notices(database: Database, settings: Settings) -> Delivery:
    """Send every receiver what it has not been sent; one that fails is tried again at the next call."""
    started, sent, failures = monotonic(), 0, list[str]()
    with database.admin() as conn:
        for receiver in receivers_of(settings):
            reason: str | None = None
            while reason is None and monotonic() - started < _SEND_SECONDS:
                with conn.transaction():
                    notices = incidents.due_notices(conn, receiver.digest)
                    if not notices:
                        break
                    reason = _send(receiver, notices, settings)
                    if reason is None:
                        incidents.mark_delivered(conn, receiver.digest, notices)
                        sent += 1
            if reason is not None:
                failures.append(f"{receiver.name}: {reason}; its notices are kept and sent again")
    return Delivery(sent=sent, failures=tuple(failures))


def send_test(settings: Settings) -> dict[str, str | None]:
    """Send every receiver a message that says it is a test: receiver → why it was not delivered, or None."""
    return {
        one.name: send(
            one,
            "demo-pipeline: a test",
            "This is a test of the alerts of demo-pipeline. Nothing is wrong.",
            is_recovery=True,
        )
        for one in receivers_of(settings)
    }


def _send(receiver: Receiver, notices: Sequence[Notice], settings: Settings) -> str | None:
    is_recovery = notices[0].is_recovery
    title = AlertKind(notices[0].kind).headline(len(notices))
    state = "resolved" if is_recovery else "alert"
    described = [_describe(one, settings) for one in notices[:_MOST_DESCRIBED]]
    if (more := len(notices) - _MOST_DESCRIBED) > 0:
        described.append(f"and {more:,} more; demo-pipeline health lists all")
    body = neutral(masked("\n\n".join(described)))
    return send(receiver, f"demo-pipeline {state}: {title}", body, is_recovery=is_recovery)


def _describe(notice: Notice, settings: Settings) -> str:
    """What, where, since when and what to do; of a recovery what it was and how long."""
    alert = alert_of(notice.kind, notice.subject, notice.detail)
    where = {
        "tenant": alert.tenant,
        "months": alert.months,
        "job": alert.job_id,
        "run": _run_page(alert, settings),
    }
    lines = [alert.what, *(f"{name}: {value}" for name, value in where.items() if value)]
    if notice.is_recovery and notice.closed_at is not None:
        lines.append(
            f"from {_instant(notice.opened_at)} to {_instant(notice.closed_at)}: it is not found any more, "
            "or is older than 7 days"
        )
    else:
        lines += [f"since: {_instant(notice.opened_at)}", f"what to do: {alert.advice}"]
    return "\n".join(lines)


def _run_page(alert: Alert, settings: Settings) -> str | None:
    if alert.run_id is None:
        return None
    return alert.run_id if settings.pages_url is None else f"{settings.pages_url}/runs/{alert.run_id}"


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
