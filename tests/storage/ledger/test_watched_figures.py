"""The watched figures: what counts, for how long, and from where on each alerts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Final
from uuid import UUID

import pytest
from psycopg import Connection, errors

from demo_pipeline.domain.core.job_kinds import JobKind
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger, watched_figures
from demo_pipeline.storage.ledger.tenants import hold_tenant
from demo_pipeline.storage.ledger.watched_figures import Figure, WatchedFigure
from tests.fixtures.ledger_steps import a_request, ended_attempts, provisioned

Conn = Connection[Any]
AddAttempts = Callable[..., UUID]
#: before the last 7 days
LONG_AGO: Final = timedelta(days=7, hours=1)


@pytest.fixture
def acme(loader_conn: Conn) -> UUID:
    """A demo tenant."""
    return provisioned(loader_conn)


def figure(conn: Conn, name: WatchedFigure) -> Figure:
    """One of the figures."""
    return {one.name: one for one in watched_figures.read_figures(conn)}[name]


@pytest.fixture
def add_attempts(loader_conn: Conn, admin_conn: Conn, acme: UUID) -> Callable[..., UUID]:
    """Ended attempts at patches of the tenant."""
    return partial(ended_attempts, loader_conn, admin_conn, acme)


def test_without_jobs_there_is_nothing_to_alert(admin_conn: Conn) -> None:
    """Five figures in a fixed order; none has a value that alerts."""
    figures = watched_figures.read_figures(admin_conn)
    assert [one.name for one in figures] == list(WatchedFigure)
    assert not any(one.is_alert for one in figures)
    assert watched_figures.alerting_events(admin_conn) == []
    assert watched_figures.failed_jobs(admin_conn) == []


@pytest.mark.parametrize(
    ("failed", "good", "value", "verdict"),
    [
        (19, 0, "1.0000", "good"),
        (1, 19, "0.0500", "good"),
        (2, 18, "0.1000", "alert"),
        (0, 40, "0.0000", "good"),
    ],
)
def test_patches_that_fail(
    admin_conn: Conn, add_attempts: AddAttempts, failed: int, good: int, value: str, verdict: str
) -> None:
    """More than 5 % of at least 20 attempts; older attempts and other jobs do not count."""
    add_attempts(failed, error_code="job_failed")
    add_attempts(good)
    add_attempts(30, error_code="job_failed", ago=LONG_AGO)
    add_attempts(30, kind=JobKind.MATERIALISE, error_code="job_failed")
    found = figure(admin_conn, WatchedFigure.PATCH_FAILURES)
    assert (found.attempts, found.value, found.is_alert) == (
        failed + good,
        Decimal(value),
        verdict == "alert",
    )


@pytest.mark.parametrize(
    ("failed", "good", "verdict"), [(19, 0, "good"), (2, 18, "good"), (3, 17, "alert"), (5, 50, "good")]
)
def test_kpi_verifications_that_fail(
    admin_conn: Conn, add_attempts: AddAttempts, failed: int, good: int, verdict: str
) -> None:
    """More than 10 % of at least 20 attempts at jobs of any kind; other reasons to fail do not count."""
    add_attempts(failed, kind=JobKind.MATERIALISE, error_code="verification_failed")
    add_attempts(good - 1 if good else 0)
    add_attempts(1 if good else 0, error_code="job_failed")
    add_attempts(30, error_code="verification_failed", ago=LONG_AGO)
    found = figure(admin_conn, WatchedFigure.VERIFICATION_FAILURES)
    assert (found.attempts, found.is_alert) == (failed + good, verdict == "alert")


@pytest.mark.parametrize(("seconds", "verdict"), [(120, "good"), (121, "alert")])
def test_patches_that_take_long(
    admin_conn: Conn, add_attempts: AddAttempts, seconds: int, verdict: str
) -> None:
    """More than 120 s, one attempt is enough; the job is named. Other jobs may take longer."""
    job = add_attempts(1, seconds=seconds)
    add_attempts(1, kind=JobKind.MATERIALISE, seconds=900)
    add_attempts(1, seconds=900, ago=LONG_AGO)
    # Found dead after a day.
    add_attempts(1, seconds=86_400, error_code="interrupted")
    found = figure(admin_conn, WatchedFigure.PATCH_DURATION)
    assert (found.value, found.is_alert) == (seconds, verdict == "alert")
    events = watched_figures.alerting_events(admin_conn)
    assert [(one.figure, one.job_id, one.slug) for one in events] == [
        (found.name, job, "acme")
    ] * found.is_alert


def test_a_patch_that_runs_takes_long_while_somebody_runs_it(
    loader_conn: Conn, admin_conn: Conn, acme: UUID
) -> None:
    """It alerts before it has ended; one whose process died is a failed job instead."""
    request = a_request(acme, kind=JobKind.PATCH)
    with hold_tenant(loader_conn, acme, 5):
        job_ledger.begin_job(loader_conn, request)
        for table in ("job_ledger", "job_attempts"):
            admin_conn.execute(f"update demo.{table} set started_at = now() - interval '10 minutes'".encode())
        assert figure(admin_conn, WatchedFigure.PATCH_DURATION).is_alert
        assert watched_figures.failed_jobs(admin_conn) == []
    assert not figure(admin_conn, WatchedFigure.PATCH_DURATION).is_alert
    [abandoned] = watched_figures.failed_jobs(admin_conn)
    assert (abandoned.job_id, abandoned.is_abandoned) == (request.job_id, True)


def test_a_job_that_ends_while_it_is_looked_at_was_not_abandoned(
    database: Database, loader_conn: Conn, acme: UUID
) -> None:
    """Locks are not part of a snapshot: within it the job is running still, and its lock is gone."""
    request = a_request(acme, kind=JobKind.PATCH)
    with database.snapshot() as reader:
        with hold_tenant(loader_conn, acme, 5):
            handle = job_ledger.begin_job(loader_conn, request)
            assert handle is not None
            watched_figures.read_figures(reader)
            job_ledger.fail_job(loader_conn, acme, request.job_id, handle.attempt, "job_failed", "no space")
        assert watched_figures.failed_jobs(reader) == []


def test_copies_and_requests_are_told_apart_by_the_kind_of_their_job(
    admin_conn: Conn, add_attempts: AddAttempts, acme: UUID
) -> None:
    """Both are duplicates: a job that removed copies, and a patch that was requested again."""
    add_attempts(1, kind=JobKind.DEDUPE)
    patch = add_attempts(1)
    job_ledger.audit(admin_conn, "PATCH_IDEMPOTENCY_DETECTED", slug="acme", tenant_id=acme, job_id=patch)
    events = watched_figures.alerting_events(admin_conn)
    assert [one.kind for one in events] == [JobKind.DEDUPE, JobKind.PATCH]


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ("PATCH_IDEMPOTENCY_DETECTED", WatchedFigure.DUPLICATES),
        ("NON_DEMO_TENANT_BLOCKED", WatchedFigure.NON_DEMO_ATTEMPTS),
    ],
)
def test_what_must_not_happen_alerts_the_first_time(
    admin_conn: Conn, acme: UUID, event: str, name: WatchedFigure
) -> None:
    """Each subject is one event, however often it happened; after 7 days it is over."""
    for _ in range(2):
        job_ledger.audit(admin_conn, event, slug="acme", tenant_id=acme, job_id=acme)
    found = figure(admin_conn, name)
    assert (found.value, found.is_alert) == (2, True)
    [seen] = watched_figures.alerting_events(admin_conn)
    assert (seen.figure, seen.slug, seen.count) == (name, "acme", 2)
    admin_conn.execute("alter table demo.audit_log disable trigger user")
    admin_conn.execute("grant update on demo.audit_log to demo_owner")
    admin_conn.execute("update demo.audit_log set at = at - interval '7 days 1 hour'")
    assert not figure(admin_conn, name).is_alert
    assert watched_figures.alerting_events(admin_conn) == []


def test_a_failed_job_counts_until_its_tenant_completes_one(
    admin_conn: Conn, add_attempts: AddAttempts
) -> None:
    """For 7 days, unless a person interrupted it."""
    job = add_attempts(1, error_code="job_failed")
    add_attempts(1, error_code="job_failed", ago=LONG_AGO)
    add_attempts(1, error_code="interrupted")
    assert [one.job_id for one in watched_figures.failed_jobs(admin_conn)] == [job]
    add_attempts(1, ago=timedelta(minutes=1))
    assert watched_figures.failed_jobs(admin_conn) == []


def test_only_administrators_read_figures_and_incidents(loader_conn: Conn, admin_conn: Conn) -> None:
    """Neither a job's login nor the CRM's reader has any right on them."""
    names = ("held_tenants", "recent_attempts", "watched_events", "watched_figures")
    tables = ("incidents", "incident_notices")
    for name in (*names, *tables):
        for role in ("demo_loader", "crm_reader", "crm_views", "demo_guard", "public"):
            (may,) = admin_conn.execute(
                "select has_table_privilege(%s, 'demo.' || %s, 'select, insert, update, delete')",
                [role, name],
            ).fetchone() or (True,)
            assert not may, (role, name)
        with pytest.raises(errors.InsufficientPrivilege):
            loader_conn.execute(f"select from demo.{name}".encode())
