"""The claim: who gets one, what it is bound to, and when it ends."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection, errors

from demo_pipeline.domain.core.errors import JobFailedError
from demo_pipeline.storage.ledger import job_ledger
from tests.fixtures.ledger_steps import a_request, begun, finish, insert_generated, provisioned, under_claim

Conn = Connection[Any]


@pytest.fixture
def demo(loader_conn: Conn) -> UUID:
    """A demo tenant."""
    return provisioned(loader_conn)


@pytest.mark.risk("P7", partial=True)
def test_one_claim_a_transaction(loader_conn: Conn, demo: UUID) -> None:
    """A second claim is refused before and after the first one ends."""
    other = provisioned(loader_conn, "other")
    other_job, job_id = begun(loader_conn, other), begun(loader_conn, demo)
    end = partial(finish, loader_conn, job_id)
    again = partial(job_ledger.claim_job, loader_conn, other, other_job)
    for steps in ([again], [end, again]):
        with pytest.raises(JobFailedError, match="has had its claim"):
            under_claim(loader_conn, demo, job_id, *steps)


def test_only_a_running_job_is_claimed(loader_conn: Conn, demo: UUID) -> None:
    """Pending, unknown, foreign and completed jobs give no claim."""
    pending = a_request(demo)
    with loader_conn.transaction():
        job_ledger.register_job(loader_conn, pending)
    other = provisioned(loader_conn, "other")
    for tenant, job in ((demo, pending.job_id), (demo, uuid4()), (demo, begun(loader_conn, other))):
        with pytest.raises(JobFailedError, match="is not running"), loader_conn.transaction():
            job_ledger.claim_job(loader_conn, tenant, job)
    done = begun(loader_conn, demo)
    with loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, done)
        finish(loader_conn, done)
    with pytest.raises(JobFailedError, match="is completed"), loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, done)


@pytest.mark.risk("P7", partial=True)
def test_the_claim_ends_with_finish_and_with_the_transaction(
    loader_conn: Conn, admin_conn: Conn, demo: UUID
) -> None:
    """No row after finish, after commit, or after the savepoint of the claim was rolled back."""
    job_id = begun(loader_conn, demo)
    with loader_conn.transaction(force_rollback=True):
        with loader_conn.transaction(force_rollback=True):
            job_ledger.claim_job(loader_conn, demo, job_id)
            insert_generated(loader_conn, "contacts", demo, job_id)
        with pytest.raises(errors.InsufficientPrivilege):
            insert_generated(loader_conn, "contacts", demo, job_id)
    with loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, job_id)
        finish(loader_conn, job_id)
        with pytest.raises(errors.InsufficientPrivilege), loader_conn.transaction():
            insert_generated(loader_conn, "contacts", demo, job_id)
        with pytest.raises(JobFailedError, match="not claimed"), loader_conn.transaction():
            finish(loader_conn, job_id)
    with pytest.raises(errors.InsufficientPrivilege):
        insert_generated(loader_conn, "contacts", demo, job_id)
    assert admin_conn.execute("select count(*) from crm.contacts").fetchone() == (0,)


@pytest.mark.risk("P1", partial=True)
def test_unfinished_rows_cannot_be_committed(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """A job that forgets to finish, and so to verify, cannot commit."""
    job_id = begun(loader_conn, demo)
    row = partial(insert_generated, loader_conn, "contacts", demo, job_id)
    with pytest.raises(psycopg.Error, match="claimed and not finished"):
        under_claim(loader_conn, demo, job_id, row)
    assert admin_conn.execute("select count(*) from crm.contacts").fetchone() == (0,)


@pytest.mark.risk("P3", partial=True)
def test_a_claim_is_bound_to_transaction_and_time(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """A metadata row with a transaction id that is now another's, as after a restore, gives no claim."""
    job_id = begun(loader_conn, demo)
    with loader_conn.transaction(force_rollback=True):
        xid = loader_conn.execute("select pg_current_xact_id()::text").fetchone()
        assert xid is not None
        admin_conn.execute(
            "update demo.tenant_metadata"
            " set claim_xid = %s::xid8, claim_at = '2020-01-01', claim_job_id = %s",
            [xid[0], job_id],
        )
        with pytest.raises(errors.InsufficientPrivilege):
            insert_generated(loader_conn, "contacts", demo, job_id)
