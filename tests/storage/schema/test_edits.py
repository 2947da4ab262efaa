"""Edits of generated rows are recorded, whoever makes them and however; nothing else ever is."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any, Final
from uuid import UUID

import pytest
from psycopg import Connection, errors

from demo_pipeline.storage.connection.database import Database
from tests.fixtures.ledger_steps import (
    GENERATED,
    begun,
    finish,
    insert_generated,
    provisioned,
    real_tenant,
    under_claim,
)
from tests.storage.schema.test_reader import serve

Conn = Connection[Any]

#: statements by which a CRM, an import or an administrator changes a row; none sets ``updated_at`` to now
EDITS: Final = {
    "an update": "update {table} set {text} = 'Edited' where {own}",
    "an update of its own value and another": "update {table} set {text} = {text}, updated_at = '2025-03-01Z'"
    " where {own}",
    "an update from a query": "update {table} r set {text} = v.text from (values ('Edited')) v (text)"
    " where {own}",
    "cleared": "update {table} set {text} = '' where {own}",
    "an upsert": "insert into {table} (tenant_id, id, {text}) select tenant_id, id, 'Edited' from {table}"
    " where {own} on conflict (tenant_id, id) do update set {text} = excluded.{text}",
    "a merge": "merge into {table} r using (select 'Edited' as text) s on {own}"
    " when matched then update set {text} = s.text",
    "in a query": "with changed as (update {table} set {text} = 'Edited' where {own} returning 1)"
    " select * from changed",
    "moved to another month": "update {table} set created_at = '2025-03-01Z' where {own}",
    "removed": "update {table} set deleted_at = now() where {own}",
    "removed and brought back": "update {table} set deleted_at = now() where {own};"
    "update {table} set deleted_at = null where {own}",
}
TEXTS: Final = {"companies": "name", "contacts": "first_name", "deals": "title", "activities": "subject"}


def recorded(conn: Conn) -> list[tuple[Any, ...]]:
    """All that is recorded."""
    return conn.execute("select tenant_id, job_id, id from demo.edited_rows order by 1, 2, 3").fetchall()


def demo_with_rows(loader: Conn, slug: str = "acme") -> tuple[UUID, UUID]:
    """A demo tenant with a generated row in each table that has provenance, and its job."""
    tenant = provisioned(loader, slug)
    job = begun(loader, tenant)
    steps = [lambda table=table: insert_generated(loader, table, tenant, job) for table in GENERATED]
    under_claim(loader, tenant, job, *steps, lambda: finish(loader, job))
    return tenant, job


@pytest.mark.parametrize("way", ["tables", "views"])
def test_every_edit_of_a_generated_row_is_recorded(loader_conn: Conn, admin_conn: Conn, way: str) -> None:
    """Once, with the row's tenant and job, by the CRM's views as by its tables."""
    tenant, job = demo_with_rows(loader_conn)
    ids = sorted(
        admin_conn.execute(f"select id from crm.{table}".encode()).fetchall()[0][0] for table in GENERATED
    )
    serve(admin_conn, tenant)
    for name, edit in EDITS.items():
        # A view shows no row that was removed, and before PostgreSQL 17 MERGE takes none as its target.
        is_for_tables = name == "removed and brought back" or (
            name == "a merge" and admin_conn.info.server_version < 170_000
        )
        schema = "crm" if way == "tables" or is_for_tables else "crm_app"
        with admin_conn.transaction(force_rollback=True):
            if schema == "crm_app":
                admin_conn.execute("set local role crm_views")
            for table, statement in product(GENERATED, edit.split(";")):
                values = {
                    "table": f"{schema}.{table}",
                    "text": TEXTS[table],
                    "own": f"tenant_id = '{tenant}'",
                }
                assert admin_conn.execute(statement.format_map(values).encode()).rowcount == 1
            admin_conn.execute("reset role")
            assert recorded(admin_conn) == [(tenant, job, row) for row in ids], name


def test_every_column_counts(loader_conn: Conn, admin_conn: Conn) -> None:
    """Whatever column of a generated row changes, one that a CRM added and that has no ``=`` too."""
    tenant, _ = demo_with_rows(loader_conn)
    admin_conn.execute("alter table crm.contacts add column extra json, add column place point")
    kinds = {"uuid": "null", "timestamp with time zone": "now()", "date": "now()", "integer": "7",
             "numeric": "7", "json": "'{}'", "point": "'(1, 2)'"}  # fmt: skip
    for table in GENERATED:
        columns = admin_conn.execute(
            "select column_name, data_type from information_schema.columns where table_schema = 'crm'"
            " and table_name = %s and column_name not like 'demo%%' and column_name <> 'tenant_id'"
            " and column_name <> 'id'",
            [table],
        ).fetchall()
        assert len(columns) > 10
        values = {"type": "'call'", "status": "'other'"}
        for column, kind in columns:
            if column.endswith("_id"):
                # References to rows that would have to be there.
                continue
            admin_conn.execute("delete from demo.edited_rows")
            value = values.get(column, kinds.get(kind, "'changed'"))
            statement = f"update crm.{table} set {column} = {value} where tenant_id = %s"
            admin_conn.execute(statement.encode(), [tenant])
            assert len(recorded(admin_conn)) == 1, (table, column)


def test_columns_can_be_altered_and_dropped(admin_conn: Conn, loader_conn: Conn) -> None:
    """The triggers depend on no column: a CRM's migrations go on as they did."""
    tenant, _ = demo_with_rows(loader_conn)
    admin_conn.execute("alter table crm.contacts add column score integer")
    admin_conn.execute("alter table crm.contacts alter column score type bigint")
    # As without the trigger: the views' columns are what stands in the way of others.
    admin_conn.execute("update crm.contacts set score = 1 where tenant_id = %s", [tenant])
    assert len(recorded(admin_conn)) == 1
    admin_conn.execute("alter table crm.contacts drop column score")
    admin_conn.execute("update crm.contacts set last_name = 'x' where tenant_id = %s", [tenant])
    assert len(recorded(admin_conn)) == 1


def test_nothing_else_is_recorded(loader_conn: Conn, admin_conn: Conn, database: Database) -> None:
    """No row of a customer or of a person, no update that changes nothing, no provenance that comes back."""
    tenant, job = demo_with_rows(loader_conn)
    customer = real_tenant(admin_conn)
    for table, text in TEXTS.items():
        person = "gen_random_uuid()"
        admin_conn.execute(
            f"insert into crm.{table} (tenant_id, id, {text}) values (%s, {person}, 'Mine')".encode(),
            [tenant],
        )
        admin_conn.execute(f"update crm.{table} set {text} = 'x' where not demo_generated".encode())
        admin_conn.execute(f"update crm.{table} set {text} = {text}".encode())
        admin_conn.execute(
            f"update crm.{table} set demo_generated = false, demo_job_id = null, demo_source_month = null"
            " where demo_generated".encode()
        )
        admin_conn.execute(
            f"update crm.{table} set demo_generated = true, demo_job_id = %s, demo_source_month = '2025-01'"
            f" where tenant_id = %s and {text} = 'Row'".encode(),
            [job, tenant],
        )
    assert recorded(admin_conn) == []
    # Not even a demo's row that a restore put into a customer's tenant.
    with database.admin() as conn:
        conn.execute("set role demo_owner")
        conn.execute("alter table crm.contacts drop constraint contacts_job_fkey")
    admin_conn.execute(
        "insert into crm.contacts (tenant_id, demo_generated, demo_job_id, demo_source_month)"
        " values (%s, true, %s, '2025-01')",
        [customer, job],
    )
    admin_conn.execute("update crm.contacts set phone = '1' where tenant_id = %s", [customer])
    assert recorded(admin_conn) == []


def test_jobs_are_not_people(loader_conn: Conn, admin_conn: Conn) -> None:
    """What a job hides and shows again is no edit; in the transaction of its claim alone."""
    tenant, _ = demo_with_rows(loader_conn)
    other, other_job = demo_with_rows(loader_conn, "other")
    job = begun(loader_conn, tenant)

    def hide_and_show() -> None:
        for table in GENERATED:
            loader_conn.execute(f"update crm.{table} set deleted_at = clock_timestamp()".encode())
            loader_conn.execute(f"update crm.{table} set deleted_at = null".encode())

    under_claim(loader_conn, tenant, job, hide_and_show, lambda: finish(loader_conn, job))
    assert recorded(admin_conn) == []
    admin_conn.execute("update crm.contacts set phone = '1' where tenant_id = %s", [other])
    assert [row[:2] for row in recorded(admin_conn)] == [(other, other_job)]


@pytest.mark.risk("P3", "P7", partial=True)
def test_no_loader_writes_the_record_or_reads_anothers(loader_conn: Conn, admin_conn: Conn) -> None:
    """With a claim or without: no row in, none out, and only those of the claimed tenant can be read."""
    tenant, job = demo_with_rows(loader_conn)
    other, _ = demo_with_rows(loader_conn, "other")
    admin_conn.execute("update crm.contacts set phone = '1'")
    before = recorded(admin_conn)
    assert {row[0] for row in before} == {tenant, other}
    next_job = begun(loader_conn, tenant)
    for statement in (
        f"insert into demo.edited_rows values ('{tenant}', '{job}', gen_random_uuid())",
        "insert into demo.edited_rows select * from demo.edited_rows on conflict do nothing",
        "update demo.edited_rows set id = gen_random_uuid()",
        "delete from demo.edited_rows",
        "truncate demo.edited_rows",
        "select demo.record_edit()",
        "select demo.forget_edits()",
        "alter table demo.edited_rows disable row level security",
        "alter table crm.contacts disable trigger contacts_record_edit",
        "drop trigger contacts_record_edit on crm.contacts",
        "set session_replication_role = replica",
        "create trigger t before insert on demo.edited_rows for each row execute function demo.record_edit()",
    ):
        step = partial(loader_conn.execute, statement.encode())
        for attempt in (step, partial(under_claim, loader_conn, tenant, next_job, step)):
            with pytest.raises((errors.InsufficientPrivilege, errors.FeatureNotSupported)):
                attempt()
    assert recorded(loader_conn) == []
    seen: list[Any] = []
    under_claim(
        loader_conn,
        tenant,
        next_job,
        lambda: seen.extend(recorded(loader_conn)),
        lambda: finish(loader_conn, next_job),
    )
    assert seen == [row for row in before if row[0] == tenant]
    assert recorded(admin_conn) == before


@pytest.mark.risk("P7", partial=True)
def test_the_crm_neither_sees_nor_needs_the_record(loader_conn: Conn, admin_conn: Conn) -> None:
    """The application's roles have no right on it, and edits need none."""
    for role in ("crm_reader", "crm_views"):
        with admin_conn.transaction(force_rollback=True):
            admin_conn.execute(f"set local role {role}".encode())
            with pytest.raises(errors.InsufficientPrivilege):
                admin_conn.execute("select * from demo.edited_rows")


def test_an_edit_beside_a_job_succeeds_as_in_a_customer(
    database: Database, loader_conn: Conn, admin_conn: Conn
) -> None:
    """REPEATABLE READ, and the ledger changes after the snapshot: the edit of another row goes through."""
    tenant, _ = demo_with_rows(loader_conn)
    with database.admin() as person:
        person.execute("begin isolation level repeatable read")
        person.execute("select count(*) from crm.contacts")
        job = begun(loader_conn, tenant)
        under_claim(loader_conn, tenant, job, lambda: finish(loader_conn, job))
        person.execute("update crm.contacts set phone = '1' where tenant_id = %s", [tenant])
        person.execute("commit")
    assert len(recorded(admin_conn)) == 1


def test_the_record_goes_with_its_tenant(loader_conn: Conn, admin_conn: Conn) -> None:
    """A deleted tenant leaves no record of edits; another one's stays."""
    tenant, _ = demo_with_rows(loader_conn)
    other, _ = demo_with_rows(loader_conn, "other")
    admin_conn.execute("update crm.contacts set phone = '1'")
    admin_conn.execute("select demo.delete_tenant(%s, 'a test')", [tenant])
    assert [row[0] for row in recorded(admin_conn)] == [other]
