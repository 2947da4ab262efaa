"""The end of a demo tenant: no row of it is left, its history is, and its name begins anew."""

from __future__ import annotations

import time

import pytest

from demo_pipeline.domain.core.errors import BusyError, InputError, NotADemoTenantError, NotFoundError
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.retry import retry_job
from demo_pipeline.services.tenants.delete_tenant import delete_tenant
from demo_pipeline.services.tenants.queries import digest, list_jobs, show_tenant
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger.tenants import hold_tenant
from tests.fixtures.ledger_steps import real_tenant
from tests.services.builders import BLUEPRINT, TABLES, made
from tests.services.patches.builders import (
    execute,
    fingerprint_of_all,
    fingerprint_of_others,
    plan,
    scalar,
    tenant_rows,
)

SOME = plan({"2025-03": {"contacts_created": 9, "deals_created": 4, "activities_created": 9}})


def test_nothing_is_left_but_its_history(database: Database, database_settings: Settings) -> None:
    """Every row of the tenant goes, people's and hidden ones too; jobs, attempts and audit stay."""
    made(database, database_settings, slug="other")
    made(database, database_settings)
    patch = apply_patch(database, database_settings, "acme", SOME)
    undo_job(database, database_settings, patch.job_id)
    execute(
        database,
        "INSERT INTO crm.contacts (tenant_id) SELECT id FROM crm.tenants WHERE slug = 'acme'",
    )
    tenant = scalar(database, "SELECT id FROM crm.tenants WHERE slug = 'acme'")
    rows = {table: len(found) for table, found in tenant_rows(database, "acme").items()}
    others = fingerprint_of_others(database, "acme")
    jobs = [job.id for job in list_jobs(database, database_settings, "acme")]
    taken = delete_tenant(database, database_settings, "acme", requested_by="a test")
    assert taken == rows
    for table in TABLES:
        assert scalar(database, f"SELECT count(*) FROM crm.{table} WHERE tenant_id = %s", tenant) == 0
    after = fingerprint_of_all(database)
    for table in ("tenants", *TABLES):
        assert after.tables[f"crm.{table}"] == others.tables[table]
    kept = [job.id for job in list_jobs(database, database_settings) if job.slug == "acme"]
    assert kept == jobs
    assert scalar(database, "SELECT count(*) FROM demo.tenant_metadata WHERE tenant_id = %s", tenant) == 1
    told = scalar(database, "SELECT detail FROM demo.audit_log WHERE event = 'TENANT_DELETED'")
    assert (told["incarnation"], told["requested_by"], told["rows"]) == (1, "a test", rows)
    with pytest.raises(NotFoundError):
        digest(database, database_settings, "acme")
    with pytest.raises(NotFoundError):
        delete_tenant(database, database_settings, "acme")
    assert verify(database, database_settings)[0].tenant == "other"


def test_its_name_begins_anew(database: Database, database_settings: Settings) -> None:
    """The next incarnation has rows and jobs of its own, and the same plan is another job there."""
    made(database, database_settings)
    first = apply_patch(database, database_settings, "acme", SOME)
    rows = tenant_rows(database, "acme")
    delete_tenant(database, database_settings, "acme")
    again = made(database, database_settings)
    assert not again.already_applied
    assert show_tenant(database, database_settings, "acme").context.state.tenant.incarnation == 2
    second = apply_patch(database, database_settings, "acme", SOME)
    assert (second.already_applied, second.job_id == first.job_id) == (False, False)
    anew = tenant_rows(database, "acme")
    tenants = {row["tenant_id"] for found in anew.values() for row in found.values()}
    assert len(tenants) == 1
    assert tenants.isdisjoint({row["tenant_id"] for row in rows["contacts"].values()})
    assert verify(database, database_settings)[0].is_as_expected
    with pytest.raises(InputError, match="deleted since"):
        retry_job(database, database_settings, first.job_id)


def test_another_seed_shows_other_people(database: Database, database_settings: Settings) -> None:
    """A seed that is made once is made anew: the next incarnation shows other people."""
    unseeded = {name: value for name, value in BLUEPRINT.items() if name != "seed"}
    made(database, database_settings, unseeded)
    people = {row["email"] for row in tenant_rows(database, "acme")["contacts"].values()}
    delete_tenant(database, database_settings, "acme")
    made(database, database_settings, unseeded)
    others = {row["email"] for row in tenant_rows(database, "acme")["contacts"].values()}
    assert len(people & others) < len(people) // 10


@pytest.mark.risk("P3", partial=True)
def test_p03_a_real_tenant_is_not_deleted(database: Database, database_settings: Settings) -> None:
    """A real customer is refused by the code, audited, and refused by the database itself."""
    with database.admin() as conn:
        tenant = real_tenant(conn)
    before = fingerprint_of_all(database).tables
    with pytest.raises(NotADemoTenantError):
        delete_tenant(database, database_settings, "customer")
    with pytest.raises(Exception, match="is not a demo tenant"):
        execute(database, "SELECT demo.delete_tenant(%s, 'a test')", tenant)
    after = fingerprint_of_all(database).tables
    assert {name for name in after if after[name] != before[name]} == {"demo.audit_log"}


def test_it_waits_for_its_job(database: Database, database_settings: Settings) -> None:
    """While a job holds the tenant it stays; after the wait the request is busy and nothing is gone."""
    made(database, database_settings)
    before = digest(database, database_settings, "acme")
    tenant = scalar(database, "SELECT id FROM crm.tenants")
    hasty = database_settings.model_copy(update={"wait_seconds": 0.3})
    with (
        database.loader() as conn,
        hold_tenant(conn, tenant, 1),
        pytest.raises(BusyError, match="held tenant"),
    ):
        delete_tenant(database, hasty, "acme")
    assert digest(database, database_settings, "acme") == before
    assert delete_tenant(database, hasty, "acme")["contacts"] > 0


def test_a_large_tenant_goes_in_time(database: Database, database_settings: Settings) -> None:
    """Time grows with the rows and not with their square: no reference is looked for row by row."""
    totals = BLUEPRINT["totals"] | {
        "contacts_created": 2000, "companies_created": 1500, "activities_created": 12_000
    }  # fmt: skip
    made(database, database_settings, BLUEPRINT | {"totals": totals})
    begun = time.monotonic()
    delete_tenant(database, database_settings, "acme")
    assert time.monotonic() - begun < 10
