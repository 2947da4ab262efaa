"""Checkpoints and rewinds: whatever people and jobs did since, the tenant is as it was, and the undo undoes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from demo_pipeline.services.checkpoints.checkpoint import take_checkpoint
from demo_pipeline.services.checkpoints.rewind import preview_rewind, rewind_tenant
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.queries import digest, list_jobs
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.services.patches.builders import assert_as_expected, execute, plan, scalar, tenant_rows

PLAN: Final = plan({"2025-02": {"contacts_created": 4, "deals_created": 2, "activities_created": 9}})


def people_work(database: Database) -> None:
    """What a demo leaves behind: edits, new rows, rows deleted softly and for good, of every table."""
    with database.admin() as conn, conn.transaction():
        [[tenant]] = conn.execute("select id from crm.tenants where slug = 'acme'").fetchall()

        def run(statement: str, *values: object) -> None:
            conn.execute(statement.encode(), [*values, tenant])

        a, b = (row for (row,) in conn.execute(
            "select id from crm.users where tenant_id = %s order by id limit 2", [tenant]).fetchall())  # fmt: skip
        # Two users swap their addresses, which are unique.
        emails = dict(
            conn.execute("select id, email from crm.users where tenant_id = %s", [tenant]).fetchall()
        )
        run("update crm.users set email = 'x' where id = %s and tenant_id = %s", a)
        run("update crm.users set email = %s where id = %s and tenant_id = %s", emails[a], b)
        run("update crm.users set email = %s where id = %s and tenant_id = %s", emails[b], a)
        stage, user, contact, deal = uuid4(), uuid4(), uuid4(), uuid4()
        run("insert into crm.users (email, id, tenant_id) values ('new@x.example', %s, %s)", user)
        run("insert into crm.pipeline_stages (name, id, tenant_id) values ('Later', %s, %s)", stage)
        run("update crm.pipeline_stages set name = name || '!' where tenant_id = %s")
        run("insert into crm.contacts (first_name, id, tenant_id) values ('Ann', %s, %s)", contact)
        run(
            "insert into crm.deals (contact_id, id, stage_id, tenant_id) values (%s, %s, %s, %s)",
            contact,
            deal,
            stage,
        )
        run("update crm.contacts set status = 'churned' where status = 'lead' and tenant_id = %s")
        run("update crm.deals set value = 7, stage_id = %s where tenant_id = %s", stage)
        # The same tags are set again under other ids.
        run("delete from crm.contact_tags where tenant_id = %s")
        run("insert into crm.contact_tags (tag_id, contact_id, tenant_id) select t.id, c.id, t.tenant_id"
            " from crm.tags t join crm.contacts c on c.tenant_id = t.tenant_id where t.tenant_id = %s")  # fmt: skip
        run("delete from crm.activities where id in (select id from crm.activities order by id limit 4)"
            " and tenant_id = %s")  # fmt: skip
        run("update crm.companies set deleted_at = now() where tenant_id = %s")
    with database.admin() as conn:
        conn.execute("update crm.tenants set name = 'Changed' where slug = 'acme'")
        gone = conn.execute(
            "select c.id from crm.contacts c where c.tenant_id = %s and c.demo_generated and not exists ("
            " select from crm.deals d where d.contact_id = c.id) limit 2", [tenant]).fetchall()  # fmt: skip
        for (row,) in gone:
            for table in ("activities", "contact_tags"):
                conn.execute(f"delete from crm.{table} where contact_id = %s".encode(), [row])
            conn.execute("delete from crm.contacts where id = %s", [row])


def everything(database: Database) -> dict[str, Any]:
    """All rows of the tenant, deleted ones included, and what schema demo knows of edits, months and heroes."""
    found: dict[str, Any] = dict(tenant_rows(database, "acme"))
    for table in ("edited_rows", "tenant_months", "hero_accounts"):
        found[table] = scalar(
            database, f"select coalesce(jsonb_agg(t order by t::text), '[]') from demo.{table} t"
        )
    found["tenant"] = scalar(database, "select to_jsonb(t) from crm.tenants t where slug = 'acme'")
    return found


def marks(database: Database) -> dict[UUID, UUID | None]:
    """Job → the job that undid it."""
    return {job.id: job.undone_by for job in list_jobs(database, None, "acme")} if False else {}


@pytest.mark.risk("P10", partial=True)
def test_whatever_people_did_is_as_it_was(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Of every table: added, edited, deleted softly or for good, swapped, set again. The undo undoes all of it."""
    settings = database_settings
    before = digest(database, settings, tenant)
    first = everything(database)
    take_checkpoint(database, settings, tenant, "start")
    people_work(database)
    worked = digest(database, settings, tenant)
    later = everything(database)
    assert worked != before
    shown = preview_rewind(database, settings, tenant, "start")
    report = rewind_tenant(database, settings, tenant, "start")
    assert digest(database, settings, tenant) == before
    assert shown.rows.total > 50
    now = everything(database)
    assert [now[table] for table in ("edited_rows", "tenant_months", "hero_accounts", "tenant")] == [
        first[table] for table in ("edited_rows", "tenant_months", "hero_accounts", "tenant")
    ]
    assert_as_expected(database, settings)
    undo = undo_job(database, settings, report.job_id)
    assert digest(database, settings, tenant) == worked
    undone = everything(database)
    for table, rows in later.items():
        if table in ("activities", "contacts", "contact_tags"):
            extra = undone[table].keys() - rows.keys()
            assert all(undone[table][row]["deleted_at"] for row in extra)
            assert {key: undone[table][key] for key in rows} == rows
        else:
            assert undone[table] == rows, table
    undo_job(database, settings, undo.job_id)
    assert digest(database, settings, tenant) == before
    undo_job(database, settings, report.job_id)
    assert digest(database, settings, tenant) == worked
