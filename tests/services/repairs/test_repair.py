"""Rows that ought not to be there: found by name, shown, hidden by a job that can be taken back."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid4

import pytest

from demo_pipeline.domain.core.errors import InputError, JobFailedError, NotADemoTenantError
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.repairs.repair import cleanup, dedupe, repair
from demo_pipeline.services.retry import retry_job
from demo_pipeline.services.tenants.queries import digest, list_jobs, show_job
from demo_pipeline.services.tenants.verify import Check, verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.ledger_steps import real_tenant
from tests.services.builders import made
from tests.services.patches.builders import (
    SMALL,
    assert_as_expected,
    execute,
    fingerprint_of_all,
    fingerprint_of_others,
    plan,
    scalar,
)
from tests.services.patches.test_patch_faults import plant, uproot
from tests.services.repairs.damage import copy_company, guards_off, plant_rows_of, tenant_id_of

PLAN: Final = plan({"2025-02": {"contacts_created": 5, "deals_created": 2, "activities_created": 4}})
#: child, reference, its constraint, parent
REFERENCES: Final = (
    ("companies", "owner_id", "companies_owner_fkey", "users"),
    ("contacts", "owner_id", "contacts_owner_fkey", "users"),
    ("contacts", "company_id", "contacts_company_fkey", "companies"),
    ("contact_tags", "contact_id", "contact_tags_contact_fkey", "contacts"),
    ("contact_tags", "tag_id", "contact_tags_tag_fkey", "tags"),
    ("deals", "owner_id", "deals_owner_fkey", "users"),
    ("deals", "stage_id", "deals_stage_fkey", "pipeline_stages"),
    ("deals", "company_id", "deals_company_fkey", "companies"),
    ("deals", "contact_id", "deals_contact_fkey", "contacts"),
    ("activities", "created_by_id", "activities_created_by_fkey", "users"),
    ("activities", "company_id", "activities_company_fkey", "companies"),
    ("activities", "contact_id", "activities_contact_fkey", "contacts"),
    ("activities", "deal_id", "activities_deal_fkey", "deals"),
)


def found_by(database: Database, settings: Settings) -> set[Check]:
    """Which checks of ``acme`` find anything."""
    return {finding.check for finding in verify(database, settings, "acme")[0].findings}


def test_a_sound_tenant_needs_nothing(database: Database, database_settings: Settings) -> None:
    """Nothing to repair, no copies; no job is made; people's rows and edits are not in question."""
    made(database, database_settings, SMALL)
    apply_patch(database, database_settings, "acme", PLAN)
    execute(
        database,
        "INSERT INTO crm.contacts (tenant_id, first_name)"
        " SELECT id, 'Ada' FROM crm.tenants, generate_series(1, 2)",
    )
    before = fingerprint_of_all(database)
    for service in (repair, dedupe):
        found = service(database, database_settings, "acme")
        assert (found.plan.is_empty, found.plan.along, found.report) == (True, {}, None)
    assert fingerprint_of_all(database) == before
    assert found_by(database, database_settings) == {Check.DRIFT}


@pytest.mark.risk("G2")
def test_g02_planted_orphans_are_found_and_repaired(database: Database, database_settings: Settings) -> None:
    """Every reference that can lead nowhere: reported by name, deleted with its dependents, and replaced."""
    made(database, database_settings)
    constraints = [(table, constraint) for table, _, constraint, _ in REFERENCES]
    with guards_off(database, *constraints) as conn:
        for number, (table, reference, _, _) in enumerate(REFERENCES):
            conn.execute(
                (
                    f"UPDATE crm.{table} SET {reference} = gen_random_uuid() WHERE id = (SELECT id"
                    f" FROM crm.{table} WHERE {reference} IS NOT NULL ORDER BY id OFFSET %s LIMIT 1)"
                ).encode(),
                [number],
            )
    planted = digest(database, database_settings, "acme")
    verdict = verify(database, database_settings, "acme")[0]
    assert {one.message for one in verdict.findings if one.check is Check.REFERENCES} == {
        f"1 {table}: {reference} leads to {parent} that do not exist"
        for table, reference, _, parent in REFERENCES
    }
    everything = fingerprint_of_all(database)
    shown = repair(database, database_settings, "acme", is_dry=True)
    assert fingerprint_of_all(database) == everything
    assert [group.table for group in shown.plan.groups][: len(REFERENCES)] == [row[0] for row in REFERENCES]
    done = repair(database, database_settings, "acme")
    assert done.plan == shown.plan
    assert done.report is not None
    assert found_by(database, database_settings) == {Check.DRIFT, Check.MISSING}
    assert repair(database, database_settings, "acme").plan.is_empty
    hidden = digest(database, database_settings, "acme")
    assert hidden != planted
    materialise(database, database_settings, "acme")
    assert_as_expected(database, database_settings)


@pytest.mark.risk("G2")
def test_g02_a_repair_can_be_taken_back(database: Database, database_settings: Settings) -> None:
    """Its undo brings back every byte; to repair again is another job. Other tenants are as they were."""
    made(database, database_settings, SMALL)
    made(database, database_settings, SMALL, slug="other")
    with guards_off(database, ("contacts", "contacts_owner_fkey")) as conn:
        conn.execute(
            "UPDATE crm.contacts SET owner_id = gen_random_uuid() WHERE id ="
            " (SELECT contact_id FROM crm.deals WHERE tenant_id = %s LIMIT 1)",
            [tenant_id_of(database)],
        )
    others, planted = fingerprint_of_others(database, "acme"), digest(database, database_settings, "acme")
    done = repair(database, database_settings, "acme")
    assert done.report is not None
    assert done.plan.along["deals"] >= 1
    hidden = digest(database, database_settings, "acme")
    undone = undo_job(database, database_settings, done.report.job_id)
    assert undone.notes == ("what repair had hidden is there again: verify reports it",)
    assert digest(database, database_settings, "acme") == planted
    assert undo_job(database, database_settings, done.report.job_id).already_applied
    with pytest.raises(InputError, match="repair again"):
        undo_job(database, database_settings, undone.job_id)
    again = repair(database, database_settings, "acme")
    assert again.report is not None
    assert again.report.job_id not in {done.report.job_id, undone.job_id}
    assert digest(database, database_settings, "acme") == hidden
    materialise(database, database_settings, "acme")
    assert all(verdict.is_as_expected for verdict in verify(database, database_settings))
    assert fingerprint_of_others(database, "acme") == others


@pytest.mark.risk("G2")
def test_g02_the_end_of_a_company_takes_its_people_along(
    database: Database, database_settings: Settings
) -> None:
    """A company deleted for good: its contacts, deals and activities go, and are made up for."""
    made(database, database_settings)
    tables = [(table, name) for table, column, name, _ in REFERENCES if column == "company_id"]
    with guards_off(database, *tables) as conn:
        conn.execute(
            "DELETE FROM crm.companies WHERE id = (SELECT min(company_id::text)::uuid FROM crm.deals)"
        )
    done = repair(database, database_settings, "acme")
    assert {group.table for group in done.plan.groups} == {"contacts", "deals", "activities"}
    assert done.plan.short
    assert found_by(database, database_settings) == {Check.DRIFT, Check.MISSING}
    assert materialise(database, database_settings, "acme").kind == "heal"
    assert_as_expected(database, database_settings)


@pytest.mark.risk("G2")
def test_g02_people_who_hang_on_it_stop_a_repair(database: Database, database_settings: Settings) -> None:
    """Refused with the list; nothing is hidden. What people made is theirs."""
    made(database, database_settings, SMALL)
    with guards_off(database, ("contacts", "contacts_company_fkey")) as conn:
        contact = conn.execute(
            "UPDATE crm.contacts SET company_id = gen_random_uuid() WHERE id = ("
            "SELECT contact_id FROM crm.deals ORDER BY id LIMIT 1) RETURNING tenant_id, id"
        ).fetchall()[0]
        deal = conn.execute(
            "INSERT INTO crm.deals (tenant_id, contact_id) VALUES (%s, %s) RETURNING id",
            contact,
        ).fetchall()[0][0]
    before = fingerprint_of_all(database)
    for is_dry in (True, False):
        with pytest.raises(InputError, match="1 row that people made depends on") as refused:
            repair(database, database_settings, "acme", is_dry=is_dry)
        assert refused.value.problems[1].value == str(deal)
    assert fingerprint_of_all(database) == before


@pytest.mark.risk("G2")
def test_g02_a_broken_life_cycle_is_repaired(database: Database, database_settings: Settings) -> None:
    """A contact before its company, a deal open in a stage that is won: hidden, and made up for."""
    made(database, database_settings, SMALL)
    with guards_off(database) as conn:
        conn.execute(
            "UPDATE crm.contacts c SET created_at = p.created_at - interval '1 s',"
            " demo_source_month = to_char((p.created_at - interval '1 s') AT TIME ZONE 'UTC', 'YYYY-MM')"
            " FROM crm.companies p WHERE p.id = c.company_id AND c.id = ("
            "SELECT id FROM crm.contacts WHERE company_id IS NOT NULL ORDER BY id LIMIT 1)"
        )
        conn.execute(
            "UPDATE crm.deals SET closed_at = NULL WHERE id = ("
            "SELECT id FROM crm.deals WHERE closed_at IS NOT NULL ORDER BY id LIMIT 1)"
        )
    assert Check.LIFE_CYCLES in found_by(database, database_settings)
    reasons = {group.reason for group in repair(database, database_settings, "acme").plan.groups}
    assert "break the rule: contacts come after their company" in reasons
    assert "break the rule: deals are closed if and only if their stage is won or lost" in reasons
    materialise(database, database_settings, "acme")
    assert_as_expected(database, database_settings)


@pytest.mark.risk("P2")
def test_p02_copies_are_found_and_one_of_each_stays(database: Database, database_settings: Settings) -> None:
    """A company copied with all that hangs on it: the copies go, the rest stays as it was, byte for byte."""
    made(database, database_settings)
    told = _contacts(database)
    copies = copy_company(database)
    assert all(copies.values())
    planted = digest(database, database_settings, "acme")
    assert found_by(database, database_settings) == {Check.DRIFT, Check.DUPLICATES}
    shown = dedupe(database, database_settings, "acme", is_dry=True)
    assert {group.table: len(group.ids) for group in shown.plan.groups} == copies
    assert digest(database, database_settings, "acme") == planted
    done = dedupe(database, database_settings, "acme")
    assert done.report is not None
    assert not done.plan.short
    assert_as_expected(database, database_settings)
    assert dedupe(database, database_settings, "acme").report is None
    undo_job(database, database_settings, done.report.job_id)
    assert digest(database, database_settings, "acme") == planted
    assert repair(database, database_settings, "acme").report is not None
    assert_as_expected(database, database_settings)
    assert _contacts(database) == told


def _contacts(database: Database) -> list[tuple[object, ...]]:
    """What contacts say, ids aside: of two that say the same either may stay."""
    with database.admin(readonly=True) as conn:
        return conn.execute(
            "SELECT first_name, last_name, email, phone, created_at FROM crm.contacts"
            " WHERE deleted_at IS NULL ORDER BY 1, 2, 3, 4, 5"
        ).fetchall()


@pytest.mark.risk("P1")
def test_p01_rows_of_a_job_that_failed_are_cleaned_up(
    database: Database, database_settings: Settings
) -> None:
    """Rows of a job that says failed: told, hidden, back with the undo; a completed one keeps its rows."""
    made(database, database_settings, SMALL)
    sound = digest(database, database_settings, "acme")
    done = apply_patch(database, database_settings, "acme", PLAN)
    with pytest.raises(InputError, match="job undo"):
        cleanup(database, database_settings, done.job_id)
    execute(database, "DELETE FROM demo.job_months WHERE job_id = %s", done.job_id)
    execute(database, "UPDATE demo.job_ledger SET status = 'failed' WHERE id = %s", done.job_id)
    planted = digest(database, database_settings, "acme")
    assert Check.PROVENANCE in found_by(database, database_settings)
    cleaned = cleanup(database, database_settings, done.job_id)
    assert cleaned.report is not None
    assert {group.table: len(group.ids) for group in cleaned.plan.groups} == {
        "contacts": 5,
        "deals": 2,
        "activities": 4,
    }
    assert digest(database, database_settings, "acme") == sound
    assert_as_expected(database, database_settings)
    assert cleanup(database, database_settings, done.job_id).report is None
    undo_job(database, database_settings, cleaned.report.job_id)
    assert digest(database, database_settings, "acme") == planted


def test_rows_of_no_job_are_repaired(database: Database, database_settings: Settings) -> None:
    """Rows that name a job that there never was."""
    made(database, database_settings, SMALL)
    sound = digest(database, database_settings, "acme")
    plant_rows_of(database, uuid4())
    assert found_by(database, database_settings) == {Check.DRIFT, Check.PROVENANCE}
    done = repair(database, database_settings, "acme")
    assert [(group.table, len(group.ids)) for group in done.plan.groups] == [("contacts", 3)]
    assert digest(database, database_settings, "acme") == sound
    assert_as_expected(database, database_settings)


def test_a_completed_job_without_rows_is_told(database: Database, database_settings: Settings) -> None:
    """All rows of a patch deleted for good: told with its job; made up for, nothing is left to tell."""
    made(database, database_settings, SMALL)
    done = apply_patch(database, database_settings, "acme", PLAN)
    with guards_off(database, ("contact_tags", "contact_tags_contact_fkey")) as conn:
        conn.execute(
            "DELETE FROM crm.contact_tags WHERE contact_id IN ("
            "SELECT id FROM crm.contacts WHERE demo_job_id = %s)",
            [done.job_id],
        )
        for table in ("activities", "deals", "contacts"):
            conn.execute(f"DELETE FROM crm.{table} WHERE demo_job_id = %s".encode(), [done.job_id])
    told = [one.message for one in verify(database, database_settings, "acme")[0].findings]
    assert f"job {done.job_id} (patch) made 11 rows and none is there" in told
    materialise(database, database_settings, "acme")
    assert_as_expected(database, database_settings)


def test_a_repair_that_failed_is_tried_again(database: Database, database_settings: Settings) -> None:
    """A statement that fails in its midst: nothing is hidden, and a retry of its job does it."""
    made(database, database_settings, SMALL)
    sound = digest(database, database_settings, "acme")
    plant_rows_of(database, uuid4())
    planted = digest(database, database_settings, "acme")
    plant(database, "contacts", "RAISE EXCEPTION 'planted';", "AFTER UPDATE")
    with pytest.raises(JobFailedError, match="planted"):
        repair(database, database_settings, "acme")
    uproot(database)
    assert digest(database, database_settings, "acme") == planted
    [failed] = [job for job in list_jobs(database, database_settings, "acme") if job.status == "failed"]
    assert failed.kind == "repair"
    assert retry_job(database, database_settings, failed.id).job_id == failed.id
    assert digest(database, database_settings, "acme") == sound
    assert_as_expected(database, database_settings)


@pytest.mark.parametrize("kind", ["repair", "dedupe"])
def test_a_real_tenant_is_refused(database: Database, database_settings: Settings, kind: str) -> None:
    """Nobody repairs customers, and the attempt is written down."""
    with database.admin() as conn:
        real_tenant(conn)
    service = {"repair": repair, "dedupe": dedupe}[kind]
    with pytest.raises(NotADemoTenantError):
        service(database, database_settings, "customer")
    assert (
        scalar(database, "SELECT count(*) FROM demo.audit_log WHERE event = 'NON_DEMO_TENANT_BLOCKED'") == 1
    )


def test_undo_of_a_patch_knows_what_a_repair_hid(database: Database, database_settings: Settings) -> None:
    """What a repair hid of a patch was nobody's deletion, and comes back only with its patch."""
    made(database, database_settings, SMALL)
    sound = digest(database, database_settings, "acme")
    done = apply_patch(database, database_settings, "acme", PLAN)
    patched = digest(database, database_settings, "acme")
    with guards_off(database, ("contacts", "contacts_owner_fkey")) as conn:
        row: tuple[UUID, UUID] = conn.execute(
            "UPDATE crm.contacts c SET owner_id = gen_random_uuid()"
            " FROM (SELECT id, owner_id FROM crm.contacts WHERE demo_job_id = %s ORDER BY id LIMIT 1) o"
            " WHERE c.id = o.id RETURNING c.id, o.owner_id",
            [done.job_id],
        ).fetchall()[0]
    repaired = repair(database, database_settings, "acme")
    assert repaired.report is not None
    undone = undo_job(database, database_settings, done.job_id)
    assert digest(database, database_settings, "acme") == sound
    assert not show_job(database, undone.job_id).job.metrics["changed_by_people"]
    with pytest.raises(InputError, match="was undone since"):
        undo_job(database, database_settings, repaired.report.job_id)
    undo_job(database, database_settings, undone.job_id)
    undo_job(database, database_settings, repaired.report.job_id)
    execute(database, "UPDATE crm.contacts SET owner_id = %s WHERE id = %s", row[1], row[0])
    assert digest(database, database_settings, "acme") == patched
    assert_as_expected(database, database_settings)
    assert {job.status for job in list_jobs(database, database_settings, "acme")} == {"completed"}
