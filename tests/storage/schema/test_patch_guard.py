"""The guard's part in patches: the blueprint's job beside, undos, requests, and the end of a tenant."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection, errors

from demo_pipeline.domain.core.errors import JobFailedError, NotADemoTenantError
from demo_pipeline.domain.core.figures import Figures, FiguresByMonth
from demo_pipeline.storage.ledger import job_ledger, tenants
from tests.builders.currencies import EUR
from tests.fixtures.ledger_steps import (
    GENERATED,
    JANUARY,
    a_request,
    begun,
    fingerprint,
    finish,
    insert_generated,
    provisioned,
    real_tenant,
)

Conn = Connection[Any]


@pytest.fixture
def demo(loader_conn: Conn) -> UUID:
    """A demo tenant."""
    return provisioned(loader_conn)


def registered(loader: Conn, tenant_id: UUID, **changes: Any) -> UUID:
    """The id of a committed job that nobody has begun."""
    request = a_request(tenant_id, **changes)
    with loader.transaction():
        job_ledger.register_job(loader, request)
    return request.job_id


def completed(loader: Conn, tenant_id: UUID, kind: str = "patch") -> UUID:
    """The id of a job that is done, with a contact in January."""
    request = a_request(tenant_id, kind=kind)
    with loader.transaction():
        job_ledger.begin_job(loader, request)
    with loader.transaction():
        job_ledger.claim_job(loader, tenant_id, request.job_id)
        insert_generated(loader, "contacts", tenant_id, request.job_id)
        finish(loader, request.job_id)
    return request.job_id


def under_both(
    loader: Conn, tenant_id: UUID, job: UUID, beside: UUID | None, *steps: Callable[[], object]
) -> None:
    """One transaction that claims a job and the one beside it, and takes the steps."""
    with loader.transaction():
        job_ledger.claim_job(loader, tenant_id, job, beside)
        for step in steps:
            step()


def status(admin: Conn, job_id: UUID) -> str:
    """What the ledger says of a job."""
    row = admin.execute("select status from demo.job_ledger where id = %s", [job_id]).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.risk("P7", partial=True)
@pytest.mark.parametrize("table", GENERATED)
def test_rows_of_the_job_and_of_the_one_beside(
    loader_conn: Conn, admin_conn: Conn, demo: UUID, table: str
) -> None:
    """A claim takes rows of its job and of the blueprint's beside it, and completes both."""
    beside, job = registered(loader_conn, demo), begun(loader_conn, demo)
    with loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, job, beside)
        for owner in (job, beside):
            assert insert_generated(loader_conn, table, demo, owner) == 1
        job_ledger.finish_job(loader_conn, job, blueprint_metrics={"created": {table: 1}}, currency=EUR)
    assert (status(admin_conn, job), status(admin_conn, beside)) == ("completed", "completed")
    assert [one.status for one in job_ledger.list_attempts(admin_conn, beside)] == ["completed"]


@pytest.mark.risk("P7", partial=True)
@pytest.mark.parametrize("table", GENERATED)
def test_no_rows_of_a_job_that_is_not_claimed(loader_conn: Conn, demo: UUID, table: str) -> None:
    """Another open job, another tenant's job beside, and rows after the end are all refused."""
    other = provisioned(loader_conn, "other")
    beside, open_one, foreign = (
        registered(loader_conn, demo),
        registered(loader_conn, demo),
        registered(loader_conn, other),
    )
    job = begun(loader_conn, demo)
    for tenant, owner in ((demo, open_one), (demo, foreign), (other, foreign), (other, beside)):
        row = partial(insert_generated, loader_conn, table, tenant, owner)
        with pytest.raises((errors.InsufficientPrivilege, errors.CheckViolation)):
            under_both(loader_conn, demo, job, beside, row)
    with loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, job, beside)
        finish(loader_conn, job)
        with pytest.raises(errors.InsufficientPrivilege), loader_conn.transaction():
            insert_generated(loader_conn, table, demo, beside)


@pytest.mark.risk("P7", partial=True)
def test_what_may_stand_beside(loader_conn: Conn, demo: UUID) -> None:
    """Only an open job of the blueprint of the same tenant: none of people's, none done, none of others."""
    other = provisioned(loader_conn, "other")
    refused = {
        "another tenant's": registered(loader_conn, other),
        "a patch": registered(loader_conn, demo, kind="patch"),
        "a completed one": completed(loader_conn, demo, kind="materialise"),
        "an unknown one": uuid4(),
    }
    job = begun(loader_conn, demo)
    refused["itself"] = job
    for name, beside in refused.items():
        with pytest.raises(JobFailedError, match="no open job"), loader_conn.transaction():
            job_ledger.claim_job(loader_conn, demo, job, beside)
        assert name


@pytest.mark.risk("P1", partial=True)
def test_rolled_back_neither_job_is_done(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """Both jobs and both jobs' rows go back together."""
    beside, job = registered(loader_conn, demo), begun(loader_conn, demo)
    with loader_conn.transaction(force_rollback=True):
        job_ledger.claim_job(loader_conn, demo, job, beside)
        insert_generated(loader_conn, "contacts", demo, beside)
        finish(loader_conn, job)
    assert (status(admin_conn, job), status(admin_conn, beside)) == ("running", "pending")
    assert admin_conn.execute("select count(*) from crm.contacts").fetchone() == (0,)


def test_changes_are_recorded_once_and_summed(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """What completed jobs changed of the expected figures, to the cent; the loader cannot write it itself."""
    for value in (1005, -5):
        job = begun(loader_conn, demo)
        with loader_conn.transaction():
            job_ledger.claim_job(loader_conn, demo, job)
            job_ledger.finish_job(
                loader_conn,
                job,
                changes=FiguresByMonth({JANUARY: Figures(closed_won_value=value)}),
                currency=EUR,
            )
        assert job_ledger.recorded_changes(admin_conn, demo, job, EUR) == {
            JANUARY: Figures(closed_won_value=value)
        }
    state = tenants.tenant_state(loader_conn, demo)
    assert state.changes == {JANUARY: Figures(closed_won_value=1000)}
    for statement in ("insert into demo.job_months (tenant_id) values (null)", "delete from demo.job_months"):
        with pytest.raises(errors.InsufficientPrivilege):
            loader_conn.execute(statement.encode())


@pytest.mark.risk("P10", partial=True)
def test_only_a_claimed_undo_marks_a_job(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """Outside a claim, as another kind, for another tenant's or an open job, or twice: refused."""
    other = provisioned(loader_conn, "other")
    patch, foreign = completed(loader_conn, demo), completed(loader_conn, other)
    pending = registered(loader_conn, demo, kind="patch")
    undo = a_request(demo, kind="undo")
    with loader_conn.transaction():
        job_ledger.begin_job(loader_conn, undo)

    def mark(job: UUID, *, is_undone: bool = True) -> None:
        job_ledger.mark_undone(loader_conn, undo.job_id, job, is_undone=is_undone)

    with pytest.raises(JobFailedError, match="not claimed"), loader_conn.transaction():
        mark(patch)
    for job, is_undone in ((foreign, True), (pending, True), (uuid4(), True), (patch, False)):
        step = partial(mark, job, is_undone=is_undone)
        with pytest.raises(JobFailedError, match="cannot be marked"):
            under_both(loader_conn, demo, undo.job_id, None, step)
    with loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, undo.job_id)
        mark(patch)
        with pytest.raises(JobFailedError, match="cannot be marked"), loader_conn.transaction():
            mark(patch)
        finish(loader_conn, undo.job_id)
    assert job_ledger.get_job(admin_conn, patch).undone_by == undo.job_id
    materialise = begun(loader_conn, demo)
    as_another = partial(job_ledger.mark_undone, loader_conn, materialise, patch, is_undone=False)
    with pytest.raises(JobFailedError, match="is not an undo"):
        under_both(loader_conn, demo, materialise, None, as_another)


def test_requests_are_counted_by_the_minute(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """As many as the limits allow, for a tenant and in all; what is refused does not count; old ones go."""
    other = provisioned(loader_conn, "other")
    assert [job_ledger.admit_request(loader_conn, demo, 2, 9) for _ in range(4)] == [True, True, False, False]
    assert [job_ledger.admit_request(loader_conn, other, 9, 3) for _ in range(2)] == [True, False]
    admin_conn.execute("update demo.requests set at = at - interval '61 seconds'")
    assert job_ledger.admit_request(loader_conn, demo, 2, 3)
    assert admin_conn.execute("select count(*) from demo.requests").fetchone() == (1,)
    with pytest.raises(errors.InsufficientPrivilege):
        loader_conn.execute("delete from demo.requests")


@pytest.mark.risk("P3", partial=True)
def test_the_loader_ends_no_tenant(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """The end of a tenant is the administrator's: the loader is refused, with a claim and without."""
    before, job = fingerprint(admin_conn, demo), begun(loader_conn, demo)
    end = partial(loader_conn.execute, "select demo.delete_tenant(%s, 'a job')", [demo])
    with pytest.raises(errors.InsufficientPrivilege):
        end()
    empty = partial(loader_conn.execute, "delete from crm.contacts where tenant_id = %s", [demo])
    for step in (end, empty):
        with pytest.raises(errors.InsufficientPrivilege):
            under_both(loader_conn, demo, job, None, step)
    assert fingerprint(admin_conn, demo) == before


@pytest.mark.risk("P3", partial=True)
def test_a_real_tenant_has_no_end(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """The function refuses a real tenant and an unknown one; a demo's end leaves real rows as they are."""
    victim = real_tenant(admin_conn)
    before = fingerprint(admin_conn, victim)
    for tenant in (victim, uuid4()):
        with pytest.raises(NotADemoTenantError), admin_conn.transaction():
            tenants.delete_tenant(admin_conn, tenant, 1, "a test")
    completed(loader_conn, demo)
    with admin_conn.transaction():
        assert tenants.delete_tenant(admin_conn, demo, 1, "a test")["contacts"] == 1
    assert fingerprint(admin_conn, victim) == before
    with pytest.raises(NotADemoTenantError), admin_conn.transaction():
        tenants.delete_tenant(admin_conn, demo, 1, "a test")


def test_open_jobs_end_with_their_tenant(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """Pending and abandoned jobs of a deleted tenant are told failed, and why; no attempt stays running."""
    pending, running = registered(loader_conn, demo), begun(loader_conn, demo)
    with admin_conn.transaction():
        tenants.delete_tenant(admin_conn, demo, 1, None)
    for job in (pending, running):
        assert (
            job_ledger.get_job(admin_conn, job).status,
            job_ledger.get_job(admin_conn, job).error_code,
        ) == (
            "failed",
            "tenant_deleted",
        )
    assert [one.status for one in job_ledger.list_attempts(admin_conn, running)] == ["failed"]
    with pytest.raises(psycopg.Error), loader_conn.transaction():
        loader_conn.execute("select demo.claim_job(%s, %s, null)", [demo, running])
