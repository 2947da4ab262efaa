"""The ledger and the scheduling lock: how jobs begin, end, fail, are interrupted and are read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import Connection, errors

from demo_pipeline.domain.core.errors import BusyError, JobFailedError, NotADemoTenantError, NotFoundError
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger, tenants
from demo_pipeline.storage.ledger.job_ledger import JobFilter
from demo_pipeline.storage.ledger.tenants import MonthState, hold_tenant
from tests.builders.currencies import EUR
from tests.fixtures.ledger_steps import (
    JANUARY,
    NOW,
    a_request,
    begun,
    finish,
    insert_generated,
    new_tenant,
    provisioned,
    real_tenant,
    under_claim,
)

Conn = Connection[Any]


@pytest.fixture
def demo(loader_conn: Conn) -> UUID:
    """A demo tenant."""
    return provisioned(loader_conn)


def status(admin: Conn, job_id: UUID) -> str:
    """A job's status."""
    return job_ledger.get_job(admin, job_id).status


def test_a_job_from_registration_to_the_end(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """Pending, running, completed; what it was asked and what it found is read back."""
    request = a_request(demo, plan={"a": 1}, tolerances={"count": 0}, requested_by="me")
    assert job_ledger.register_job(loader_conn, request) == 1
    assert job_ledger.register_job(loader_conn, request) == 1
    assert status(admin_conn, request.job_id) == "pending"
    opened = job_ledger.begin_job(loader_conn, replace(request, dagster_run_id="run"))
    assert opened == job_ledger.AttemptHandle(attempt=1, number=1)
    assert status(admin_conn, request.job_id) == "running"
    job_ledger.report_progress(loader_conn, request.job_id, 140, "loading")
    job = job_ledger.get_job(admin_conn, request.job_id)
    assert (job.progress, job.current_step) == (100, "loading")
    figures = Figures(deals_created=2, closed_won_count=1, closed_won_value=1999, pipeline_added_value=2000)
    loaded = MonthState(
        month=JANUARY, loaded_as_of=NOW, is_whole=True, figures=figures, versions=("2026.11/2026.11",)
    )
    with loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, request.job_id)
        job_ledger.finish_job(
            loader_conn,
            request.job_id,
            before={"b": 1},
            after={"c": 2},
            diff={"2025-01": {"after": {"leads_created": 3}}},
            metrics={"e": 4},
            months=[loaded],
            currency=EUR,
        )
    job = job_ledger.get_job(admin_conn, request.job_id)
    assert (job.status, job.progress, job.slug, job.number) == ("completed", 100, "acme", 1)
    assert (job.before_kpis, job.after_kpis, job.diff_report, job.metrics) == (
        {"b": 1},
        {"c": 2},
        {"2025-01": {"after": {"leads_created": 3}}},
        {"e": 4},
    )
    assert job.seconds is not None
    assert job.seconds >= 0
    assert (job.plan, job.as_of, job.dagster_run_id, job.requested_by) == ({"a": 1}, NOW, "run", "me")
    (attempt,) = job_ledger.list_attempts(admin_conn, request.job_id)
    assert (attempt.attempt, attempt.status, attempt.dagster_run_id) == (1, "completed", "run")
    state = tenants.tenant_state(loader_conn, demo)
    assert state.months == {JANUARY: loaded}
    assert [(item.job_id, item.status, item.first_month) for item in state.jobs] == [
        (request.job_id, "completed", JANUARY)
    ]


@pytest.mark.risk("P2", partial=True)
def test_a_completed_job_is_not_begun_again(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """The second identical request is told so; neither job nor attempts change."""
    request = a_request(demo)
    job_ledger.begin_job(loader_conn, request)
    with loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, request.job_id)
        finish(loader_conn, request.job_id)
    job = job_ledger.get_job(admin_conn, request.job_id)
    assert job_ledger.begin_job(loader_conn, request) is None
    assert job_ledger.get_job(admin_conn, request.job_id) == job
    assert len(job_ledger.list_attempts(admin_conn, request.job_id)) == 1


@pytest.mark.risk("P1", partial=True)
def test_a_failed_job_is_told_and_retried(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """The failure is kept with its attempt; the retry is attempt 2 of the same job and number."""
    request = a_request(demo)
    job_ledger.begin_job(loader_conn, request)
    assert job_ledger.fail_job(loader_conn, demo, request.job_id, 1, "timeout", "took too long")
    job = job_ledger.get_job(admin_conn, request.job_id)
    assert (job.status, job.error_code, job.error_message) == ("failed", "timeout", "took too long")
    assert job_ledger.begin_job(loader_conn, request) == job_ledger.AttemptHandle(attempt=2, number=1)
    assert not job_ledger.fail_job(loader_conn, demo, request.job_id, 1, "late", "the first one's answer")
    job = job_ledger.get_job(admin_conn, request.job_id)
    assert (job.status, job.error_code, job.progress) == ("running", None, 0)
    first, second = job_ledger.list_attempts(admin_conn, request.job_id)
    assert (first.status, first.error_code, second.status) == ("failed", "timeout", "running")


@pytest.mark.risk("P1", partial=True)
def test_an_abandoned_job_is_marked_by_the_next_comer(
    loader_conn: Conn, admin_conn: Conn, demo: UUID
) -> None:
    """A job that says running while nobody holds its tenant was interrupted, and says so from then on."""
    dead, following = begun(loader_conn, demo), begun(loader_conn, demo)
    job = job_ledger.get_job(admin_conn, dead)
    assert (job.status, job.error_code) == ("failed", "interrupted")
    (attempt,) = job_ledger.list_attempts(admin_conn, dead)
    assert (attempt.status, attempt.error_code) == ("failed", "interrupted")
    assert attempt.ended_at is not None
    with pytest.raises(JobFailedError, match="is not running"), loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, dead)
    assert status(admin_conn, following) == "running"


@pytest.mark.risk("G9", partial=True)
def test_who_holds_the_tenant_is_not_told_dead(
    database: Database, loader_conn: Conn, admin_conn: Conn, demo: UUID
) -> None:
    """While a session holds the tenant, no other one waits longer than asked, begins, or marks its job."""
    with hold_tenant(loader_conn, demo, 1):
        job_id = begun(loader_conn, demo)
        with database.loader() as second:
            with pytest.raises(BusyError, match="held tenant"), hold_tenant(second, demo, 0.05):
                pass
            with pytest.raises(BusyError, match="another session holds"):
                job_ledger.begin_job(second, a_request(demo))
        assert status(admin_conn, job_id) == "running"
    with database.loader() as second, hold_tenant(second, demo, 1):
        begun(second, demo)
    assert status(admin_conn, job_id) == "failed"


def test_the_hold_ends_with_an_error(database: Database, loader_conn: Conn, demo: UUID) -> None:
    """An error inside, a broken transaction included, lets the next one in."""

    def break_in_a_transaction() -> None:
        with hold_tenant(loader_conn, demo, 1):
            loader_conn.execute("begin")
            loader_conn.execute("select 1 / 0")

    with pytest.raises(errors.DivisionByZero):
        break_in_a_transaction()
    with database.loader() as second, hold_tenant(second, demo, 0.5):
        pass


def test_a_job_of_the_same_id_must_be_the_same(loader_conn: Conn, demo: UUID) -> None:
    """An id comes from content: the same id with another content or tenant is refused."""
    request = a_request(demo)
    job_ledger.register_job(loader_conn, request)
    other = provisioned(loader_conn, "other")
    for changes in (
        {"kind": "patch"},
        {"ordinal": 1},
        {"seed": "8"},
        {"plan_type": "deltas"},
        {"tenant_id": other},
    ):
        with pytest.raises(JobFailedError, match="another job"):
            job_ledger.begin_job(loader_conn, replace(request, **changes))


def test_jobs_of_a_tenant_are_numbered(loader_conn: Conn, demo: UUID) -> None:
    """Each new job has the next number, failed ones included; another tenant counts for itself."""
    numbers = [job_ledger.register_job(loader_conn, a_request(demo)) for _ in range(3)]
    other = provisioned(loader_conn, "other")
    assert [*numbers, job_ledger.register_job(loader_conn, a_request(other))] == [1, 2, 3, 1]
    assert tenants.tenant_state(loader_conn, demo).tenant.next_job_number == 4


@pytest.mark.risk("P1", partial=True)
def test_a_rolled_back_job_leaves_nothing(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """Rows, months and the end of the job are one transaction; progress goes on beside it."""
    job_id = begun(loader_conn, demo)
    with loader_conn.transaction(force_rollback=True):
        job_ledger.claim_job(loader_conn, demo, job_id)
        insert_generated(loader_conn, "contacts", demo, job_id)
        finish(loader_conn, job_id)
    assert admin_conn.execute("select count(*) from crm.contacts").fetchone() == (0,)
    assert status(admin_conn, job_id) == "running"


def test_progress_never_waits_for_the_data(
    database: Database, loader_conn: Conn, admin_conn: Conn, demo: UUID
) -> None:
    """A second connection stores progress, for all to see, while the data transaction is open."""

    def progress() -> tuple[int, str | None]:
        job = job_ledger.get_job(admin_conn, job_id)
        return job.progress, job.current_step

    job_id = begun(loader_conn, demo)
    with database.loader() as second, loader_conn.transaction():
        second.execute("set lock_timeout = '200ms'")
        job_ledger.claim_job(loader_conn, demo, job_id)
        job_ledger.report_progress(second, job_id, 50, "loading")
        assert progress() == (50, "loading")
        finish(loader_conn, job_id)
        job_ledger.report_progress(second, job_id, 90, "verifying")
        assert progress() == (90, "verifying")


@pytest.mark.parametrize(
    "figures",
    [
        Figures(leads_created=2, contacts_created=1),
        Figures(deals_created=0, closed_won_count=1),
        Figures(deals_created=1, closed_won_value=2, pipeline_added_value=1),
    ],
)
def test_impossible_months_are_not_recorded(loader_conn: Conn, demo: UUID, figures: Figures) -> None:
    """The database refuses figures that no rows can have."""
    job_id = begun(loader_conn, demo)
    month = MonthState(
        month=JANUARY, loaded_as_of=NOW, is_whole=True, figures=figures, versions=("2026.11/2026.11",)
    )
    end = partial(job_ledger.finish_job, loader_conn, job_id, months=[month], currency=EUR)
    with pytest.raises(errors.CheckViolation):
        under_claim(loader_conn, demo, job_id, end)


def test_money_and_instants_survive_the_way_through_json(loader_conn: Conn, demo: UUID) -> None:
    """The largest amount, and an instant with microseconds, come back as they went in any time zone."""
    loader_conn.execute("set timezone = 'Asia/Kolkata'")
    figures = Figures(
        deals_created=1, closed_won_value=99_999_999_999_999_901, pipeline_added_value=99_999_999_999_999_999
    )
    at = datetime(2025, 1, 31, 23, 59, 59, 999_990, tzinfo=UTC)
    month = MonthState(
        month=JANUARY, loaded_as_of=at, is_whole=False, figures=figures, versions=("2026.11/2026.11",)
    )
    job_id = begun(loader_conn, demo)
    with loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, job_id)
        job_ledger.finish_job(loader_conn, job_id, months=[month], currency=EUR)
    assert tenants.tenant_state(loader_conn, demo).months[JANUARY] == month


def test_tenants_are_found_by_their_slug(loader_conn: Conn, admin_conn: Conn) -> None:
    """Demo, real and unknown names are told apart; of a real tenant nothing else is told."""
    tenant, real = new_tenant(), real_tenant(admin_conn)
    tenants.provision_tenant(loader_conn, tenant)
    found = tenants.find_tenant(loader_conn, "acme")
    assert (found.tenant_id, found.is_demo, found.last_incarnation) == (tenant.tenant_id, True, 1)
    hidden = tenants.find_tenant(loader_conn, "customer")
    assert (hidden.tenant_id, hidden.exists, hidden.is_demo) == (None, True, False)
    assert not tenants.find_tenant(loader_conn, "nobody").exists
    assert str(real) not in repr(hidden)
    for conn in (loader_conn, admin_conn):
        got = tenants.get_tenant(conn, "acme")
        assert (got.tenant_id, got.blueprint, got.plan) == (
            tenant.tenant_id,
            tenant.blueprint,
            tenant.plan,
        )
        assert (got.created_at, got.provisioned_at) == (tenant.created_at, NOW)
        with pytest.raises(NotADemoTenantError):
            tenants.get_tenant(conn, "customer")
        with pytest.raises(NotFoundError):
            tenants.get_tenant(conn, "nobody")


def test_lists_for_administrators(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """Tenants by slug with their last job; jobs the latest first, of one slug or of all."""
    provisioned(loader_conn, "aaa")
    first, second = begun(loader_conn, demo), begun(loader_conn, demo)
    assert [(item.slug, item.last_job_status) for item in tenants.list_tenants(admin_conn)] == [
        ("aaa", None),
        ("acme", "running"),
    ]
    assert [job.id for job in job_ledger.find_jobs(admin_conn, JobFilter())] == [second, first]
    assert [job.id for job in job_ledger.list_jobs(admin_conn, "acme")] == [second, first]
    assert job_ledger.list_jobs(admin_conn, "aaa") == []
    with pytest.raises(NotFoundError):
        job_ledger.get_job(admin_conn, uuid4())
    assert job_ledger.get_job(admin_conn, first).range_start_month == str(Month.parse("2025-01"))
