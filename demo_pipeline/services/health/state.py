"""The state of all demo tenants, read at one moment: figures, tenants, jobs, and what is wrong.

What Dagster alone knows (failed runs, failing checks) is taken from the incidents that its sensor recorded.
Recording and sending do not belong here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import Connection

from demo_pipeline.domain.core.errors import DatabaseError, UnreadableTenantError
from demo_pipeline.services.health.alerts import (
    Alert,
    AlertKind,
    FailedRun,
    FailingChecks,
    alert_of,
    check_alert,
    figure_alerts,
    job_alert,
    refused_alert,
    run_alert,
    stale_alert,
    unreadable_alert,
)
from demo_pipeline.services.health.receivers import Receiver, receivers_of
from demo_pipeline.services.inbox.refused import RefusedPlan, refused_plans
from demo_pipeline.services.months.freshness import Freshness, tenant_freshness
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import instant_of, server_clock
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.connection.masking import masked
from demo_pipeline.storage.ledger import incidents, watched_figures
from demo_pipeline.storage.ledger.watched_figures import Figure

#: how long what happened once counts
WINDOW: Final = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class OpenAlert:
    """An alert, and its incident as far as it was recorded."""

    alert: Alert
    #: None: not recorded yet
    opened_at: datetime | None
    #: when it was found last
    seen_at: datetime


@dataclass(frozen=True, kw_only=True)
class State:
    """What ``health`` shows."""

    #: by the database server's clock
    read_at: datetime
    figures: tuple[Figure, ...]
    alerts: tuple[OpenAlert, ...]
    tenants: tuple[Freshness, ...]
    #: status → count
    jobs: Mapping[str, int]
    last_completed_at: datetime | None
    receivers: tuple[Receiver, ...]
    #: notices that receivers have not been sent yet
    undelivered_count: int

    @property
    def is_healthy(self) -> bool:
        return not self.alerts

    @property
    def alert_counts(self) -> dict[str, int]:
        """How many alerts there are of each kind, zeros included."""
        kinds = [opened.alert.kind for opened in self.alerts]
        return {kind.value: kinds.count(kind) for kind in AlertKind}


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search without Dagster's records found."""

    looked_at: datetime
    figures: tuple[Figure, ...]
    tenants: tuple[Freshness, ...]
    alerts: tuple[Alert, ...]
    #: plans of the inbox that were refused, also those that are settled
    refused: tuple[RefusedPlan, ...]
    #: Dagster runs whose job is among the alerts
    alerted_runs: frozenset[str]


def read_state(database: Database, settings: Settings) -> State:
    """Figures, tenants, jobs and alerts as they are now. Raises ``DatabaseError``."""
    try:
        return _read_state(database, settings)
    except psycopg.Error as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DatabaseError(f"PostgreSQL went away or refused ({masked(reason)}); try again") from error


def _read_state(database: Database, settings: Settings) -> State:
    receivers = receivers_of(settings)
    with database.snapshot() as conn:
        found = search(conn, settings)
        return State(
            read_at=found.looked_at,
            figures=found.figures,
            alerts=open_alerts(conn, found),
            tenants=found.tenants,
            jobs=watched_figures.jobs_by_status(conn),
            last_completed_at=watched_figures.last_completed_at(conn),
            receivers=receivers,
            undelivered_count=incidents.undelivered_count(conn, [one.digest for one in receivers]),
        )


def open_alerts(conn: Connection[Any], found: Found) -> tuple[OpenAlert, ...]:
    """What a search found, and what Dagster alone knows as its sensor recorded it."""
    recorded = {(one.kind, one.subject): one for one in incidents.open_incidents(conn)}
    of_dagster = [
        alert_of(one.kind, one.subject, one.detail)
        for one in recorded.values()
        if AlertKind(one.kind).is_of_dagster
    ]
    return tuple(_open_alerts([*found.alerts, *of_dagster], recorded, found.looked_at))


def _open_alerts(
    alerts: Iterable[Alert], recorded: Mapping[tuple[str, str], incidents.Incident], now: datetime
) -> Iterator[OpenAlert]:
    for alert in alerts:
        incident = recorded.get((alert.kind, alert.subject))
        yield OpenAlert(
            alert=alert,
            opened_at=None if incident is None else incident.opened_at,
            # What Dagster alone knows is as old as the last look of its sensor.
            seen_at=incident.seen_at if incident is not None and alert.kind.is_of_dagster else now,
        )


def search(conn: Connection[Any], settings: Settings, tenant_id: UUID | None = None) -> Found:
    """Look for everything that is wrong, but for what Dagster alone knows; for administrators.

    ``tenant_id``: only rows of this tenant are read; others that are stale or unreadable are not found.
    """
    looked_at = server_clock(conn)
    figures = tuple(watched_figures.read_figures(conn))
    jobs = watched_figures.failed_jobs(conn)
    refused = refused_plans(settings, looked_at - WINDOW)
    unreadable: list[UnreadableTenantError] = []
    now = instant_of(conn, settings)
    tenants = tuple(tenant_freshness(conn, settings, now, tenant_id, on_unreadable=unreadable.append))
    failed_ids = {str(job.job_id) for job in jobs}
    return Found(
        looked_at=looked_at,
        figures=figures,
        tenants=tenants,
        alerts=(
            *figure_alerts(figures, watched_figures.alerting_events(conn)),
            *map(job_alert, jobs),
            # A plan whose job failed is one incident, the job's.
            *(
                refused_alert(plan)
                for plan in refused
                if not plan.is_settled and plan.job_id not in failed_ids
            ),
            *(stale_alert(one) for one in tenants if not one.is_fresh),
            *map(unreadable_alert, unreadable),
        ),
        refused=tuple(refused),
        alerted_runs=frozenset(job.dagster_run_id for job in jobs if job.dagster_run_id is not None),
    )


def dagster_alerts(
    conn: Connection[Any], found: Found, runs: Iterable[FailedRun], failing: Iterable[FailingChecks]
) -> Iterator[Alert]:
    """What only Dagster knows: not what a failed job, a refused plan or a failing check says already."""
    runs, failing = list(runs), list(failing)
    run_ids = {run.run_id for run in runs} | {one.run_id for one in failing}
    # An attempt that nobody could end counts as running until the next one.
    known = watched_figures.runs_with_failed_jobs(conn, run_ids) | found.alerted_runs
    known_runs = known | {plan.dagster_run_id for plan in found.refused}
    yield from (check_alert(one) for one in failing if one.run_id not in known)
    yield from (run_alert(run) for run in runs if run.run_id not in known_runs and not run.has_failed_checks)
