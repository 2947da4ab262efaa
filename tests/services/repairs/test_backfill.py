"""Provenance that got lost and is filled in again: whose rows they are is told from their ids."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import pytest

from demo_pipeline.domain.core.errors import JobFailedError, NotADemoTenantError
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.repairs.backfill import backfill
from demo_pipeline.services.retry import retry_job
from demo_pipeline.services.tenants.queries import digest, list_jobs
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.ledger_steps import fingerprint, real_tenant
from tests.services.builders import BLUEPRINT, made
from tests.services.patches.builders import GENERATED, SMALL, execute, plan, scalar, tenant_rows

PLAN: Final = plan(
    {
        "2025-01": {"companies_created": 2, "contacts_created": 7, "activities_created": 9},
        "2025-03": {"contacts_created": 3, "deals_created": 4, "closed_won_count": 1},
    }
)
Provenance = dict[str, dict[UUID, tuple[bool, UUID | None, str | None]]]


def provenance(database: Database, slug: str) -> Provenance:
    """What every row says of where it comes from."""
    rows = tenant_rows(database, slug)
    return {
        table: {
            key: (row["demo_generated"], row["demo_job_id"], row["demo_source_month"])
            for key, row in rows[table].items()
        }
        for table in GENERATED
    }


def strip(database: Database, slug: str, condition: str = "true") -> int:
    """Take the provenance of a tenant's rows away, as an administrator can."""
    return sum(
        execute(
            database,
            f"UPDATE crm.{table} SET demo_generated = false, demo_job_id = NULL, demo_source_month = NULL"
            f" WHERE {condition} AND tenant_id = (SELECT id FROM crm.tenants WHERE slug = %s)",
            slug,
        )
        for table in GENERATED
    )


def busy_life(database: Database, settings: Settings, blueprint: dict[str, Any] = SMALL) -> None:
    """A tenant with its span, a patch, the undo of another one, and months that were healed."""
    made(database, settings, blueprint)
    apply_patch(database, settings, "acme", PLAN)
    undo_job(database, settings, apply_patch(database, settings, "acme", replace(PLAN, seed="x")).job_id)
    execute(
        database,
        "UPDATE crm.activities SET deleted_at = now() WHERE deleted_at IS NULL AND id IN ("
        "SELECT id FROM crm.activities WHERE deleted_at IS NULL ORDER BY id LIMIT 3)",
    )
    assert materialise(database, settings, "acme").kind == "heal"


@pytest.mark.risk("P9")
def test_p09_every_row_gets_its_own_back(database: Database, database_settings: Settings) -> None:
    """Rows of the blueprint, a patch, an undone patch and a healing: each its job and month, as before."""
    busy_life(database, database_settings)
    before, visible = provenance(database, "acme"), digest(database, database_settings, "acme")
    count = sum(len(rows) for rows in before.values())
    assert len({job for rows in before.values() for _, job, _ in rows.values()}) == 4
    assert strip(database, "acme") == count
    found = backfill(database, database_settings, "acme")
    assert provenance(database, "acme") == before
    assert sum(one.without for one in found.before.values()) == count
    assert sum(one.without for one in found.after.values()) == 0
    assert sum(one.with_provenance for one in found.after.values()) == count
    assert not any(found.unattributed.values())
    assert digest(database, database_settings, "acme") == visible
    assert verify(database, database_settings)[0].is_as_expected
    assert materialise(database, database_settings, "acme").already_applied


@pytest.mark.risk("P9")
def test_p09_twice_is_once(database: Database, database_settings: Settings) -> None:
    """The second time finds nothing to fill in and makes no job; what has provenance keeps it."""
    busy_life(database, database_settings)
    before = provenance(database, "acme")
    strip(database, "acme", "id::text < '0196'")
    assert backfill(database, database_settings, "acme").job_id is not None
    jobs = len(list_jobs(database, database_settings, "acme"))
    again = backfill(database, database_settings, "acme")
    assert (again.job_id, again.before) == (None, again.after)
    assert len(list_jobs(database, database_settings, "acme")) == jobs
    assert provenance(database, "acme") == before


@pytest.mark.risk("P9")
def test_p09_what_nobody_drew_is_listed_and_left_alone(
    database: Database, database_settings: Settings
) -> None:
    """Rows that people made stay theirs; so do real tenants' rows, and those of other demos."""
    busy_life(database, database_settings)
    made(database, database_settings, BLUEPRINT, slug="other")
    with database.admin() as conn:
        customer = real_tenant(conn)
        theirs = fingerprint(conn, customer)
    strip(database, "other")
    stripped = provenance(database, "other")
    person = scalar(
        database,
        "SELECT gen_random_uuid()",
    )
    execute(
        database,
        "INSERT INTO crm.contacts (tenant_id, id, first_name)"
        " SELECT id, %s, 'Ada' FROM crm.tenants WHERE slug = 'acme'",
        person,
    )
    strip(database, "acme")
    found = backfill(database, database_settings, "acme")
    assert found.unattributed == {"companies": (), "contacts": (person,), "deals": (), "activities": ()}
    assert found.after["contacts"].without == 1
    assert provenance(database, "acme")["contacts"][person] == (False, None, None)
    assert provenance(database, "other") == stripped
    with database.admin() as conn:
        assert fingerprint(conn, customer) == theirs
    with pytest.raises(NotADemoTenantError):
        backfill(
            database,
            database_settings,
            scalar(database, "SELECT slug FROM crm.tenants WHERE id = %s", customer),
        )


@pytest.mark.risk("P9")
@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_p09_months_are_cut_in_utc(database: Database, database_settings: Settings, zone: str) -> None:
    """Whatever the time zone of the tenant and of the server's session."""
    country = "US" if zone.startswith("America") else "GB"
    busy_life(database, database_settings, {**SMALL, "timezone": zone, "country": country})
    before = provenance(database, "acme")
    execute(database, f"ALTER ROLE ALL IN DATABASE {_name(database)} SET timezone = '{zone}'")
    strip(database, "acme")
    backfill(database, database_settings, "acme")
    assert provenance(database, "acme") == before


@pytest.mark.risk("P9")
def test_p09_top_ups_of_a_running_month_are_told_apart(
    database: Database, database_settings: Settings
) -> None:
    """A month that was loaded in slices: each row belongs to the job that loaded it."""
    running = {**BLUEPRINT, "start_month": "2026-03", "end_month": "2026-04"}
    for day in (8, 20, 28):
        now = datetime(2026, 4, day, 12, tzinfo=UTC)
        settings = database_settings.model_copy(update={"now": now})
        made(database, settings, running) if day == 8 else materialise(database, settings, "acme")
    before = provenance(database, "acme")
    assert len({job for _, job, _ in before["activities"].values()}) == 3
    strip(database, "acme")
    later = database_settings.model_copy(update={"now": datetime(2026, 5, 2, tzinfo=UTC)})
    backfill(database, later, "acme")
    assert provenance(database, "acme") == before


@pytest.mark.risk("P9")
def test_p09_a_row_that_cannot_be_written_leaves_all_as_it_was(
    database: Database, database_settings: Settings
) -> None:
    """All or nothing; the failed job says why, and its retry completes."""
    busy_life(database, database_settings)
    before = provenance(database, "acme")
    strip(database, "acme")
    stripped = provenance(database, "acme")
    with database.admin() as conn:
        conn.execute("SET ROLE demo_owner")
        conn.execute(
            "CREATE FUNCTION crm.stop() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'no more'; END $$"
        )
        conn.execute(
            "CREATE TRIGGER stop BEFORE UPDATE ON crm.activities FOR EACH ROW EXECUTE FUNCTION crm.stop()"
        )
    with pytest.raises(JobFailedError, match="no more"):
        backfill(database, database_settings, "acme")
    assert provenance(database, "acme") == stripped
    with database.admin() as conn:
        conn.execute("SET ROLE demo_owner")
        conn.execute("DROP TRIGGER stop ON crm.activities")
    [failed] = [job for job in list_jobs(database, database_settings, "acme") if job.status == "failed"]
    assert retry_job(database, database_settings, failed.id).status == "completed"
    assert provenance(database, "acme") == before


@pytest.mark.risk("P9", partial=True)
def test_a_row_that_no_job_may_write_is_listed(database: Database, database_settings: Settings) -> None:
    """People removed a deal before it was made: it stays bare. Whatever else they changed is filled in."""
    busy_life(database, database_settings)
    strip(database, "acme")
    odd, closed, moved = (
        scalar(database, f"SELECT id FROM crm.deals ORDER BY id OFFSET {number} LIMIT 1")
        for number in range(3)
    )
    execute(database, "UPDATE crm.deals SET deleted_at = created_at - interval '1 day' WHERE id = %s", odd)
    execute(database, "UPDATE crm.deals SET closed_at = created_at - interval '1 day' WHERE id = %s", closed)
    execute(database, "UPDATE crm.deals SET updated_at = created_at - interval '1 day' WHERE id = %s", moved)
    found = backfill(database, database_settings, "acme")
    assert found.unattributed == {"companies": (), "contacts": (), "deals": (odd,), "activities": ()}


def _name(database: Database) -> str:
    with database.admin() as conn:
        return conn.info.dbname
