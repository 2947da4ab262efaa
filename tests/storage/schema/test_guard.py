"""The guard of the database: what the loader's login cannot do by any statement."""

from __future__ import annotations

from functools import partial
from typing import Any, LiteralString
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection, errors

from demo_pipeline.domain.core.errors import InputError, JobFailedError, NotADemoTenantError
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import job_ledger, tenants
from tests.fixtures.ledger_steps import (
    GENERATED,
    a_request,
    begun,
    fingerprint,
    finish,
    insert_generated,
    new_tenant,
    provisioned,
    real_tenant,
    under_claim,
)

#: what PostgreSQL or the guard answers to who may not
REFUSED = (errors.InsufficientPrivilege, errors.FeatureNotSupported)

Conn = Connection[Any]


@pytest.fixture
def victim(admin_conn: Conn) -> UUID:
    """A real customer's tenant."""
    return real_tenant(admin_conn)


@pytest.fixture
def demo(loader_conn: Conn) -> UUID:
    """A demo tenant."""
    return provisioned(loader_conn)


@pytest.mark.risk("P3", partial=True)
@pytest.mark.parametrize("table", GENERATED)
def test_no_claim_no_row(loader_conn: Conn, demo: UUID, table: str) -> None:
    """Without a claim even a running job's rows of a demo tenant are refused."""
    job_id = begun(loader_conn, demo)
    with pytest.raises(errors.InsufficientPrivilege):
        insert_generated(loader_conn, table, demo, job_id)


@pytest.mark.risk("P3", partial=True)
@pytest.mark.parametrize("table", GENERATED)
def test_no_row_in_a_real_tenant(
    loader_conn: Conn, admin_conn: Conn, demo: UUID, victim: UUID, table: str
) -> None:
    """With a claim of a demo tenant, no row gets into a real one, with or without provenance."""
    job_id, before = begun(loader_conn, demo), fingerprint(admin_conn, victim)
    for job in (job_id, None, uuid4()):
        row = partial(insert_generated, loader_conn, table, victim, job)
        with pytest.raises((errors.InsufficientPrivilege, errors.CheckViolation)):
            under_claim(loader_conn, demo, job_id, row)
    plain = f"insert into crm.{table} (tenant_id) values (%s)".encode()
    with pytest.raises(errors.InsufficientPrivilege):
        under_claim(loader_conn, demo, job_id, lambda: loader_conn.execute(plain, [victim]))
    assert fingerprint(admin_conn, victim) == before


@pytest.mark.risk("P3", partial=True)
@pytest.mark.parametrize("kind", ["unknown", "real"])
def test_only_demo_tenants_have_jobs(loader_conn: Conn, victim: UUID, kind: str) -> None:
    """A job can neither be registered, begun nor claimed for a tenant that is not a demo."""
    tenant_id = victim if kind == "real" else uuid4()
    request = a_request(tenant_id)
    with pytest.raises(NotADemoTenantError), loader_conn.transaction():
        job_ledger.register_job(loader_conn, request)
    with pytest.raises(NotADemoTenantError), loader_conn.transaction():
        job_ledger.begin_job(loader_conn, request)
    with pytest.raises(NotADemoTenantError), loader_conn.transaction():
        job_ledger.claim_job(loader_conn, tenant_id, request.job_id)
    with pytest.raises(NotADemoTenantError):
        tenants.tenant_state(loader_conn, tenant_id)


@pytest.mark.risk("P3", partial=True)
def test_an_existing_tenant_never_becomes_a_demo(loader_conn: Conn, admin_conn: Conn, victim: UUID) -> None:
    """Provisioning refuses the id and the slug of a real tenant, and leaves nothing behind."""
    for tenant in (new_tenant("other", tenant_id=victim), new_tenant("customer")):
        with pytest.raises(NotADemoTenantError), loader_conn.transaction():
            tenants.provision_tenant(loader_conn, tenant)
    row = admin_conn.execute("select count(*) from demo.tenant_metadata").fetchone()
    assert row == (0,)


def test_a_demo_is_provisioned_once(loader_conn: Conn, demo: UUID) -> None:
    """A second tenant of the same slug or id is an error of the input; a skipped incarnation fails."""
    for tenant in (new_tenant("acme", incarnation=2), new_tenant("other", tenant_id=demo)):
        with pytest.raises(InputError, match="exists already"), loader_conn.transaction():
            tenants.provision_tenant(loader_conn, tenant)
    with pytest.raises(JobFailedError, match="incarnation"), loader_conn.transaction():
        tenants.provision_tenant(loader_conn, new_tenant("fresh", incarnation=2))


@pytest.mark.risk("P7", partial=True)
@pytest.mark.parametrize("table", GENERATED)
def test_rows_only_under_the_claimed_tenant_and_job(loader_conn: Conn, demo: UUID, table: str) -> None:
    """Another demo tenant, an older, a foreign and no job are all refused; the claimed pair passes."""
    other = provisioned(loader_conn, "other")
    other_job = begun(loader_conn, other)
    older = begun(loader_conn, demo)
    with loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, older)
        assert insert_generated(loader_conn, table, demo, older) == 1
        finish(loader_conn, older)
    job_id = begun(loader_conn, demo)
    for tenant, job in ((other, other_job), (other, job_id), (demo, older), (demo, other_job), (demo, None)):
        row = partial(insert_generated, loader_conn, table, tenant, job)
        with pytest.raises((errors.InsufficientPrivilege, errors.CheckViolation)):
            under_claim(loader_conn, demo, job_id, row)
    with loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, job_id)
        assert insert_generated(loader_conn, table, demo, job_id) == 1
        finish(loader_conn, job_id)


@pytest.mark.risk("P7", partial=True)
@pytest.mark.parametrize("table", GENERATED)
def test_rows_without_provenance_are_refused(loader_conn: Conn, demo: UUID, table: str) -> None:
    """The loader makes no row that looks like a person's."""
    job_id = begun(loader_conn, demo)
    plain = f"insert into crm.{table} (tenant_id, demo_job_id) values (%s, %s)".encode()
    with pytest.raises(errors.InsufficientPrivilege):
        under_claim(loader_conn, demo, job_id, lambda: loader_conn.execute(plain, [demo, job_id]))


def test_on_conflict_do_nothing_works_on_all_tables(loader_conn: Conn, demo: UUID) -> None:
    """What the load needs: the same row twice is one row, in each of the eight tables."""
    job_id, row = begun(loader_conn, demo), uuid4()
    nothing = "on conflict do nothing"
    with loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, job_id)
        for expected in (1, 0):
            for table, name in (("users", "email"), ("pipeline_stages", "name"), ("tags", "name")):
                statement = f"insert into crm.{table} (tenant_id, id, {name}) values (%s, %s, 'x') {nothing}"
                assert loader_conn.execute(statement.encode(), [demo, row]).rowcount == expected
            for table in GENERATED:
                inserted = insert_generated(loader_conn, table, demo, job_id, tail=nothing, row_id=row)
                assert inserted == expected
            statement = (
                "insert into crm.contact_tags (tenant_id, id, contact_id, tag_id) values (%s, %s, %s, %s)"
                " on conflict do nothing"
            )
            assert loader_conn.execute(statement, [demo, row, row, row]).rowcount == expected
        finish(loader_conn, job_id)


def _attacks() -> list[Any]:
    """Statements of a loader with a claim; %(real)s is the real tenant, %(demo)s the claimed one."""
    attacks: dict[str, LiteralString] = {
        "move a row": "update crm.contacts set tenant_id = %(real)s",
        "change a value": "update crm.contacts set first_name = 'x'",
        "change an id": "update crm.contacts set id = gen_random_uuid()",
        "delete": "delete from crm.contacts where tenant_id = %(real)s",
        "truncate": "truncate crm.contacts cascade",
        "copy": "copy crm.contacts (tenant_id, id) from stdin",
        "upsert": "insert into crm.contacts (tenant_id, id, demo_generated, demo_job_id, demo_source_month,"
        " created_at) values (%(demo)s, %(row)s, true, %(job)s, '2025-01', '2025-01-15Z')"
        " on conflict (tenant_id, id) do update set tenant_id = %(real)s",
        "merge": "merge into crm.contacts c using (select 1) s on c.tenant_id = %(real)s"
        " when matched then delete",
        "merge insert": "merge into crm.tags t using (select 1) s on false"
        " when not matched then insert (tenant_id, name) values (%(real)s, 'x')",
        "tag": "insert into crm.tags (tenant_id, name) values (%(real)s, 'x')",
        "user": "insert into crm.users (tenant_id, email) values (%(real)s, 'x')",
        "stage": "insert into crm.pipeline_stages (tenant_id, name) values (%(real)s, 'x')",
        "rename the tenant": "update crm.tenants set name = 'x'",
        "new tenant": "insert into crm.tenants (slug, name) values ('x', 'x')",
        "metadata": "update demo.tenant_metadata set tenant_id = %(real)s",
        "new metadata": "insert into demo.tenant_metadata (tenant_id) values (%(real)s)",
        "ledger": "insert into demo.job_ledger (id, tenant_id) values (%(row)s, %(real)s)",
        "ledger update": "update demo.job_ledger set status = 'completed'",
        "read the ledger": "select * from demo.job_ledger",
        "read the jobs": "select * from demo.jobs",
        "read the kpis": "select * from demo.kpi_monthly",
        "audit": "delete from demo.audit_log",
        "owner": "set role demo_owner",
        "guard": "set role demo_guard",
        "views": "set role crm_views",
        "session": "set session authorization postgres",
        "row security": "set row_security = off; select * from crm.contacts",
        "replication role": "set session_replication_role = replica",
        "triggers": "alter table crm.contacts disable trigger all",
        "policies": "alter table crm.contacts disable row level security",
        "new policy": "create policy mine on crm.contacts using (true)",
        "the guard's lock": "select demo.lock_tenant(%(real)s)",
        "replace the claim": "create or replace function demo.current_claim() returns table"
        " (tenant_id uuid, job_id uuid) language sql as 'select null::uuid, null::uuid'",
        "a table of its own": "create table crm.mine (id int)",
        "a function of its own": "create function demo.mine() returns int language sql as 'select 1'",
        "the reader's views": "select * from crm_app.contacts",
    }
    return [pytest.param(statement, id=name.replace(" ", "-")) for name, statement in attacks.items()]


@pytest.mark.risk("P3", partial=True)
@pytest.mark.parametrize("statement", _attacks())
def test_a_claim_gives_nothing_else(
    loader_conn: Conn, admin_conn: Conn, demo: UUID, victim: UUID, statement: LiteralString
) -> None:
    """Each statement is refused outright and a real tenant stays as it was."""
    job_id, row, before = begun(loader_conn, demo), uuid4(), fingerprint(admin_conn, victim)
    names = {"real": victim, "demo": demo, "job": job_id, "row": row}
    with pytest.raises(REFUSED):
        under_claim(
            loader_conn,
            demo,
            job_id,
            lambda: insert_generated(loader_conn, "contacts", demo, job_id, row_id=row),
            lambda: psycopg.ClientCursor(loader_conn).execute(statement, names),
        )
    assert fingerprint(admin_conn, victim) == before


@pytest.mark.risk("P3", partial=True)
def test_updates_pass_real_tenants_by(loader_conn: Conn, admin_conn: Conn, demo: UUID, victim: UUID) -> None:
    """What the loader may update it updates in the claimed tenant alone, and sees no other row."""
    job_id, before = begun(loader_conn, demo), fingerprint(admin_conn, victim)
    with loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, job_id)
        insert_generated(loader_conn, "contacts", demo, job_id)
        assert loader_conn.execute("update crm.contacts set deleted_at = now()").rowcount == 1
        for table in ("users", "pipeline_stages", "tags", "contact_tags", "companies", "deals", "activities"):
            statement = f"update crm.{table} set deleted_at = now(), updated_at = now()"
            assert loader_conn.execute(statement.encode()).rowcount == 0
        assert loader_conn.execute("select id from crm.tenants").fetchall() == [(demo,)]
        finish(loader_conn, job_id)
    assert fingerprint(admin_conn, victim) == before


@pytest.mark.risk("P7", partial=True)
def test_provenance_is_written_once(loader_conn: Conn, admin_conn: Conn, demo: UUID) -> None:
    """The loader fills in absent provenance and cannot change what is there; the owner can take it away."""
    older, row = begun(loader_conn, demo), uuid4()
    with loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, older)
        insert_generated(loader_conn, "deals", demo, older, row_id=row)
        finish(loader_conn, older)
    job_id = begun(loader_conn, demo)
    change = "update crm.deals set demo_generated = %s, demo_job_id = %s, demo_source_month = %s"
    for values in ((False, None, None), (True, job_id, "2025-01")):
        attempt = partial(loader_conn.execute, change, values)
        with pytest.raises(errors.InsufficientPrivilege):
            under_claim(loader_conn, demo, job_id, attempt)
    assert admin_conn.execute(change, [False, None, None]).rowcount == 1
    with loader_conn.transaction():
        job_ledger.claim_job(loader_conn, demo, job_id)
        assert loader_conn.execute(change, [True, older, "2025-01"]).rowcount == 1
        finish(loader_conn, job_id)


@pytest.mark.risk("P3", partial=True)
def test_planted_objects_change_nothing(
    loader_conn: Conn, admin_conn: Conn, demo: UUID, victim: UUID
) -> None:
    """Functions, operators and tables in pg_temp, put first in the path, do not mislead the guard."""
    before = fingerprint(admin_conn, victim)
    for plant in (
        "create temp table tenant_metadata as select %s::uuid as tenant_id",
        "create function pg_temp.now() returns timestamptz language sql as 'select null::timestamptz'",
        "create function pg_temp.same(uuid, uuid) returns boolean language sql as 'select true'",
        "create operator pg_temp.= (leftarg = uuid, rightarg = uuid, function = pg_temp.same)",
        "create function pg_temp.pg_current_xact_id_if_assigned() returns xid8 stable return '9'::xid8",
    ):
        psycopg.ClientCursor(loader_conn).execute(plant.encode(), [victim] if "%s" in plant else None)
    loader_conn.execute("set search_path = pg_temp, crm, demo, pg_catalog")
    job_id = begun(loader_conn, demo)
    for tenant in (victim, demo):
        row = partial(insert_generated, loader_conn, "contacts", tenant, job_id)
        with pytest.raises(errors.InsufficientPrivilege):
            row()
    row = partial(insert_generated, loader_conn, "contacts", victim, job_id)
    with pytest.raises(errors.InsufficientPrivilege):
        under_claim(loader_conn, demo, job_id, row)
    assert fingerprint(admin_conn, victim) == before


@pytest.mark.risk("G6", partial=True)
def test_references_stay_in_the_tenant(admin_conn: Conn, victim: UUID) -> None:
    """Not even the owner can make a row that points into another tenant, or one of no tenant."""
    other = real_tenant(admin_conn, "other")
    row = admin_conn.execute("select id from crm.companies where tenant_id = %s", [victim]).fetchone()
    assert row is not None
    for table in ("contacts", "deals", "activities"):
        statement = f"insert into crm.{table} (tenant_id, company_id) values (%s, %s)"
        with pytest.raises(errors.ForeignKeyViolation):
            admin_conn.execute(statement.encode(), [other, row[0]])
    for table in GENERATED:
        columns = "tenant_id, name" if table == "companies" else "tenant_id, created_at"
        value = "'x'" if table == "companies" else "now()"
        with pytest.raises(errors.ForeignKeyViolation):
            admin_conn.execute(
                f"insert into crm.{table} ({columns}) values (%s, {value})".encode(), [uuid4()]
            )


@pytest.mark.risk("P3", partial=True)
def test_no_demo_row_in_a_real_tenant_by_anybody(
    admin_conn: Conn, loader_conn: Conn, demo: UUID, victim: UUID
) -> None:
    """The schema itself refuses a generated row in a real tenant, also to the administrator."""
    job_id = begun(loader_conn, demo)
    for table in GENERATED:
        with pytest.raises(errors.ForeignKeyViolation):
            insert_generated(admin_conn, table, victim, job_id)


@pytest.mark.parametrize(
    "statement",
    ["update demo.audit_log set event = 'x'", "delete from demo.audit_log", "truncate demo.audit_log"],
)
def test_the_audit_log_is_append_only(
    database: Database, loader_conn: Conn, demo: UUID, statement: LiteralString
) -> None:
    """Its owner, with the rights granted back, cannot change what is noted."""
    job_ledger.audit(loader_conn, "NON_DEMO_TENANT_BLOCKED", slug="customer", detail={"by": "a test"})
    with database.admin() as conn:
        found = conn.execute("select event, actor = session_user from demo.audit_log order by id").fetchall()
        assert found == [("TENANT_PROVISIONED", False), ("NON_DEMO_TENANT_BLOCKED", False)]
        conn.execute("set role demo_owner")
        with pytest.raises(errors.InsufficientPrivilege, match="permission denied"):
            conn.execute(statement)
        conn.execute("grant all on demo.audit_log to demo_owner")
        superuser = conn.execute("select rolsuper from pg_roles where rolname = session_user").fetchone()
        if superuser == (False,):
            with pytest.raises(errors.InsufficientPrivilege, match="append-only"):
                conn.execute(statement)
