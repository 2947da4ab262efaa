"""The undo of a rewind, and what stops it: later jobs, and rows of people on what it would hide."""

from __future__ import annotations

from uuid import uuid4

import pytest

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.services.checkpoints.checkpoint import take_checkpoint
from demo_pipeline.services.checkpoints.rewind import changes_of, rewind_tenant
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.queries import digest
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.services.checkpoints.test_rewind import PLAN, people_work
from tests.services.patches.builders import execute, scalar


def test_an_undo_waits_for_what_came_after(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """A later job stops it until that one is undone, and so does a person's row on one that was put back."""
    settings = database_settings
    take_checkpoint(database, settings, tenant, "start")
    people_work(database)
    worked = digest(database, settings, tenant)
    report = rewind_tenant(database, settings, tenant, "start")
    patch = apply_patch(database, settings, tenant, PLAN)
    with pytest.raises(InputError, match=r"changed by 1 job since job .*\(patch .*rewind acme NAME"):
        undo_job(database, settings, report.job_id)
    undo_job(database, settings, patch.job_id)
    execute(
        database,
        "insert into crm.deals (tenant_id, id, contact_id) select c.tenant_id, gen_random_uuid(), c.id from"
        " crm.contacts c join demo.rewind_rows r on r.id = c.id and r.action = 'inserted' limit 1",
    )
    with pytest.raises(InputError, match="1 row that people made depends on rows that job"):
        undo_job(database, settings, report.job_id)
    execute(database, "delete from crm.deals where not demo_generated and deleted_at is null")
    undo_job(database, settings, report.job_id)
    assert digest(database, settings, tenant) == worked


def test_an_undo_leaves_a_later_name_of_the_tenant(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Where the rewind did not change the tenant's own row, its undo does not, either."""
    settings = database_settings
    take_checkpoint(database, settings, tenant, "start")
    execute(database, "update crm.contacts set first_name = 'Zoe'")
    report = rewind_tenant(database, settings, tenant, "start")
    execute(database, "update crm.tenants set name = 'Later' where slug = 'acme'")
    undo = undo_job(database, settings, report.job_id)
    assert changes_of(database, undo.job_id).tables == ["contacts"]
    assert scalar(database, "select name from crm.tenants where slug = 'acme'") == "Later"


def test_an_undo_waits_for_rows_on_what_was_restored(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """It would hide rows again that people had hidden: rows that they add to them since stop it."""
    settings = database_settings
    take_checkpoint(database, settings, tenant, "start")
    # Its contacts stay as they are, and refer to a hidden company from now on.
    execute(database, "update crm.companies set deleted_at = now()")
    ann = uuid4()
    execute(
        database,
        "insert into crm.contacts (tenant_id, id, first_name) select id, %s, 'Ann' from crm.tenants",
        ann,
    )
    worked = digest(database, settings, tenant)
    report = rewind_tenant(database, settings, tenant, "start")
    back = digest(database, settings, tenant)
    execute(
        database,
        "insert into crm.contacts (tenant_id, id, first_name, company_id, created_at)"
        " select tenant_id, gen_random_uuid(), 'Bob', id, '2025-01-31' from crm.companies limit 1",
    )
    with pytest.raises(InputError, match="1 row that people made depends on rows that job"):
        undo_job(database, settings, report.job_id)
    execute(database, "delete from crm.contacts where first_name = 'Bob'")
    undo = undo_job(database, settings, report.job_id)
    assert digest(database, settings, tenant) == worked
    # The undo brought Ann back, and its own undo would hide her again.
    execute(
        database,
        "insert into crm.activities (tenant_id, subject, contact_id)"
        " select tenant_id, 'Call', id from crm.contacts where id = %s",
        ann,
    )
    with pytest.raises(InputError, match="1 row that people made depends on rows that job"):
        undo_job(database, settings, undo.job_id)
    execute(database, "delete from crm.activities where subject = 'Call'")
    undo_job(database, settings, undo.job_id)
    assert digest(database, settings, tenant) == back
