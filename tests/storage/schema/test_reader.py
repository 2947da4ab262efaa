"""The CRM's reader: one tenant at a time through the views of ``crm_app``, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString
from uuid import UUID

import pytest
from psycopg import Connection, errors

from demo_pipeline.storage.connection.database import Database
from tests.fixtures.ledger_steps import (
    begun,
    finish,
    insert_generated,
    provisioned,
    real_tenant,
    under_claim,
)

TABLES = (
    "tenants",
    "users",
    "pipeline_stages",
    "tags",
    "contact_tags",
    "companies",
    "contacts",
    "deals",
    "activities",
)
PROVENANCE = {"demo_generated", "demo_job_id", "demo_source_month"}
Conn = Connection[Any]


@pytest.fixture
def reader(database: Database) -> Iterator[Conn]:
    """A session of the CRM's application server."""
    with database.admin() as conn:
        conn.execute("set role crm_reader")
        yield conn


def serve(reader: Conn, tenant: UUID | str) -> None:
    """Say which tenant is served."""
    reader.execute("select set_config('app.tenant_id', %s, false)", [str(tenant)])


def counts(reader: Conn) -> dict[str, int]:
    """Rows that the reader sees, by view."""
    found: dict[str, int] = {}
    for table in TABLES:
        row = reader.execute(f"select count(*) from crm_app.{table}".encode()).fetchone()
        assert row is not None
        found[table] = row[0]
    return found


@pytest.mark.risk("G6", partial=True)
def test_the_reader_sees_one_tenant(admin_conn: Conn, reader: Conn) -> None:
    """Each tenant shows its own rows in every view, and no view shows another's."""
    for slug in ("one", "two"):
        tenant = real_tenant(admin_conn, slug)
        serve(reader, tenant)
        assert counts(reader) == dict.fromkeys(TABLES, 1)
        assert reader.execute("select slug from crm_app.tenants").fetchall() == [(slug,)]
        for table in TABLES[1:]:
            seen = reader.execute(f"select distinct tenant_id from crm_app.{table}".encode()).fetchall()
            assert seen == [(tenant,)]


@pytest.mark.risk("G6", partial=True)
@pytest.mark.parametrize(
    "setting",
    [None, "", "x", "00000000-0000-0000-0000-000000000000", "{tenant}x", " {tenant}", "{tenant}\n", "%"],
)
def test_without_a_good_setting_there_is_nothing(admin_conn: Conn, reader: Conn, setting: str | None) -> None:
    """A missing, malformed or unknown tenant shows no row, and is no error that tells something."""
    tenant = real_tenant(admin_conn)
    if setting is not None:
        serve(reader, setting.replace("{tenant}", str(tenant)))
    assert counts(reader) == dict.fromkeys(TABLES, 0)


def test_deleted_rows_are_not_shown(admin_conn: Conn, reader: Conn) -> None:
    """A soft-deleted row is gone for the CRM."""
    serve(reader, real_tenant(admin_conn))
    for table in TABLES:
        admin_conn.execute(f"update crm.{table} set deleted_at = now()".encode())
    assert counts(reader) == dict.fromkeys(TABLES, 0)


@pytest.mark.risk("G7", partial=True)
def test_views_are_the_tables_without_provenance(admin_conn: Conn) -> None:
    """Same names, same columns in the same order, same types, and no column that tells of a demo."""
    query = """
        select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        where c.relnamespace = %s::regnamespace and c.relkind = %s and a.attnum > 0 and not a.attisdropped
        order by c.relname, a.attnum
    """
    tables = admin_conn.execute(query, ["crm", "r"]).fetchall()
    views = admin_conn.execute(query, ["crm_app", "v"]).fetchall()
    assert views == [row for row in tables if row[1] not in PROVENANCE]
    assert {row[0] for row in views} == set(TABLES)
    options = admin_conn.execute(
        "select distinct reloptions from pg_class where relnamespace = 'crm_app'::regnamespace"
    ).fetchall()
    assert options == [(["security_barrier=true"],)]


@pytest.mark.risk("G6", partial=True)
@pytest.mark.parametrize(
    "statement",
    [
        "select * from crm.contacts",
        "select demo_generated from crm.contacts",
        "select * from demo.tenant_metadata",
        "select * from demo.jobs",
        "select * from demo.kpi_monthly",
        "select demo.tenant_state(gen_random_uuid())",
        "select * from demo.current_claim()",
        "insert into crm_app.contacts (tenant_id) values (gen_random_uuid())",
        "update crm_app.contacts set first_name = 'x'",
        "delete from crm_app.contacts",
        "create view crm_app.mine as select 1 as one",
        "truncate crm.contacts",
    ],
)
def test_the_reader_may_nothing_else(admin_conn: Conn, reader: Conn, statement: LiteralString) -> None:
    """No table, no function, no write, whatever tenant is served."""
    serve(reader, real_tenant(admin_conn))
    with pytest.raises(errors.InsufficientPrivilege):
        reader.execute(statement)


@pytest.mark.risk("G6", partial=True)
def test_a_leaky_function_sees_no_hidden_row(database: Database, admin_conn: Conn) -> None:
    """A cheap function in the reader's own condition is not run on rows that it may not see."""
    tenant = real_tenant(admin_conn, "one")
    other = real_tenant(admin_conn, "two")
    admin_conn.execute("update crm.contacts set first_name = 'Secret' where tenant_id = %s", [other])
    admin_conn.execute(
        "insert into crm.contacts (tenant_id, first_name, deleted_at) values (%s, 'Gone', now())", [tenant]
    )
    with database.admin() as conn:
        heard: list[str] = []
        conn.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
        conn.execute("set role crm_reader")
        conn.execute(
            """
            create function pg_temp.tell(text) returns boolean language plpgsql cost 0.0001 as
            $$ begin raise notice '%', $1; return true; end $$
            """
        )
        serve(conn, tenant)
        conn.execute("select count(*) from crm_app.contacts where pg_temp.tell(first_name)")
    assert heard == ["Ann"]


def test_people_write_through_the_views_where_granted(
    database: Database, admin_conn: Conn, loader_conn: Conn
) -> None:
    """Rows made by people have no provenance, edited ones keep theirs, other tenants stay out of reach."""
    demo, other = provisioned(loader_conn), real_tenant(admin_conn)
    job = begun(loader_conn, demo)
    under_claim(
        loader_conn,
        demo,
        job,
        lambda: insert_generated(loader_conn, "contacts", demo, job),
        lambda: finish(loader_conn, job),
    )
    with database.admin() as conn:
        # crm_views stands for a role that was granted more than crm_reader.
        conn.execute("set role crm_views")
        serve(conn, demo)
        conn.execute("insert into crm_app.contacts (tenant_id, first_name) values (%s, 'Person')", [demo])
        assert conn.execute("update crm_app.contacts set last_name = 'Edited'").rowcount == 2
        with pytest.raises(errors.InsufficientPrivilege):
            conn.execute("insert into crm_app.contacts (tenant_id) values (%s)", [other])
    found = admin_conn.execute(
        "select first_name, last_name, demo_generated, demo_job_id from crm.contacts"
        " where tenant_id = %s order by demo_generated",
        [demo],
    ).fetchall()
    assert found == [("Person", "Edited", False, None), ("Row", "Edited", True, job)]
