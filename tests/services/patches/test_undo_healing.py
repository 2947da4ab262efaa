"""Patches taken back where rows stand in for others that people hid: what stays, what goes, what is owed."""

from __future__ import annotations

from uuid import UUID

import pytest

from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.queries import digest, list_jobs
from demo_pipeline.services.tenants.verify import Check, verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.builders.currencies import EUR
from tests.services.patches.builders import (
    assert_as_expected,
    execute,
    expected_by_ledger,
    figures_of,
    lessened,
    plan,
    scalar,
    tenant_rows,
)

CONTACTS = plan({"2025-02": {"leads_created": 10, "contacts_created": 15, "companies_created": 4}})
DEALS = plan({"2025-02": {"deals_created": 12, "closed_won_count": 5, "activities_created": 40}})


def blueprint_job(database: Database, settings: Settings) -> UUID:
    """The job that made the blueprint's rows."""
    return next(job.id for job in list_jobs(database, settings, "acme") if job.kind == "materialise")


def hide(database: Database, table: str, job: UUID, count: int, month: str = "2025-02") -> None:
    """People hide rows of a job on which nothing that lives hangs."""
    met = execute(
        database,
        f"UPDATE crm.{table} SET deleted_at = clock_timestamp() WHERE id IN (SELECT id FROM crm.{table} r"
        " WHERE demo_job_id = %s AND demo_source_month = %s AND deleted_at IS NULL AND NOT EXISTS"
        " (SELECT FROM crm.activities a"
        " WHERE a.deleted_at IS NULL AND r.id IN (a.contact_id, a.deal_id)) AND NOT EXISTS"
        " (SELECT FROM crm.deals d WHERE d.deleted_at IS NULL AND d.contact_id = r.id)"
        f" ORDER BY id LIMIT {count})",
        job,
        month,
    )
    assert met == count


def heal(database: Database, settings: Settings) -> UUID:
    """What people hid is made up for; the job that did it."""
    report = materialise(database, settings, "acme")
    assert (report.kind, report.is_passed) == ("heal", True)
    assert_as_expected(database, settings)
    return report.job_id


def living(database: Database, table: str, job: UUID) -> int:
    """How many rows of a job are there."""
    return int(
        scalar(
            database, f"SELECT count(*) FROM crm.{table} WHERE demo_job_id = %s AND deleted_at IS NULL", job
        )
    )


def healed_beside_a_patch(database: Database, settings: Settings) -> tuple[JobReport, UUID]:
    """Twelve hidden activities are made up for, some of them with people of a patch; patch and healing."""
    patch = apply_patch(database, settings, "acme", CONTACTS)
    hide(database, "activities", blueprint_job(database, settings), 12)
    return patch, heal(database, settings)


def test_rows_that_stand_in_for_others_stop_an_undo(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """They hang on the patch's rows: refused with the list; with dependents they go, and are owed again."""
    patch, healing = healed_beside_a_patch(database, database_settings)
    before = digest(database, database_settings, tenant)
    with pytest.raises(InputError, match="--with-dependents") as caught:
        undo_job(database, database_settings, patch.job_id)
    assert "others cannot be undone" in caught.value.message
    assert {problem.message for problem in caught.value.problems[1:]} == {f"activities row of job {healing}"}
    assert digest(database, database_settings, tenant) == before

    due = expected_by_ledger(database, database_settings, tenant)
    undone = undo_job(database, database_settings, patch.job_id, with_dependents=True)
    went = 12 - living(database, "activities", healing)
    assert 0 < went < 12
    assert undone.is_passed
    now = expected_by_ledger(database, database_settings, tenant)
    assert [figures.to_json(EUR) for figures in lessened(due, now).values()] == [
        result.delta.to_json(EUR) for result in patch.months
    ]
    drift, missing = verify(database, database_settings)[0].findings
    assert (drift.check, drift.month, drift.metric) == (Check.DRIFT, "2025-02", "activities_created")
    assert (missing.check, missing.month, missing.table) == (Check.MISSING, "2025-02", "activities")
    assert lessened(now, figures_of(tenant_rows(database, tenant), EUR))  # by as many as went
    [short] = lessened(now, figures_of(tenant_rows(database, tenant), EUR)).values()
    assert short.activities_created == went

    heal(database, database_settings)
    assert expected_by_ledger(database, database_settings, tenant) == now
    assert materialise(database, database_settings, tenant).already_applied


def test_what_went_along_before_is_made_up_for_by_nobody(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Rows that another undo took along were not lost to people: no row that stands in replaces them."""
    contacts = apply_patch(database, database_settings, tenant, CONTACTS)
    deals = apply_patch(database, database_settings, tenant, DEALS)
    undo_job(database, database_settings, contacts.job_id, with_dependents=True)
    assert living(database, "activities", deals.job_id) < 40
    assert living(database, "deals", deals.job_id) < 12
    hide(database, "deals", blueprint_job(database, database_settings), 1)
    heal(database, database_settings)
    undo_job(database, database_settings, deals.job_id)
    assert_as_expected(database, database_settings)
    assert materialise(database, database_settings, tenant).already_applied


def test_drift_that_targets_took_in_is_made_up_for_by_nobody(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Rows of people that TARGETS counted in are drift again afterwards, all of them, whatever was healed."""
    execute(
        database,
        "INSERT INTO crm.contacts (tenant_id, created_at)"
        " SELECT id, '2025-01-10Z' FROM crm.tenants, generate_series(1, 5)",
    )
    patch = apply_patch(
        database, database_settings, tenant, plan({"2025-01": {"contacts_created": 19}}, targets=True)
    )
    hide(database, "contacts", blueprint_job(database, database_settings), 2, "2025-01")
    heal(database, database_settings)
    undo_job(database, database_settings, patch.job_id, with_dependents=True)
    [surplus] = lessened(
        figures_of(tenant_rows(database, tenant), EUR),
        expected_by_ledger(database, database_settings, tenant),
    ).values()
    assert surplus.contacts_created == 5


def test_what_nobody_made_up_for_is_not_expected_after_an_undo(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Rows of a patch hidden after the healing of another: taken as they stand, and nothing is owed."""
    first = apply_patch(database, database_settings, tenant, CONTACTS)
    second = apply_patch(database, database_settings, tenant, CONTACTS, again=True)
    hide(database, "contacts", second.job_id, 2)
    heal(database, database_settings)
    hide(database, "contacts", first.job_id, 2)
    assert not verify(database, database_settings)[0].is_as_expected
    undo_job(database, database_settings, first.job_id, with_dependents=True)
    assert_as_expected(database, database_settings)
    assert materialise(database, database_settings, tenant).already_applied


def test_what_was_healed_comes_back_beside_its_stand_ins(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Brought back after its dependents were made up for anew: all comes back, and the surplus is told."""
    patch, healing = healed_beside_a_patch(database, database_settings)
    undone = undo_job(database, database_settings, patch.job_id, with_dependents=True)
    went = 12 - living(database, "activities", healing)
    heal(database, database_settings)
    undo_job(database, database_settings, undone.job_id)
    assert living(database, "activities", healing) == 12
    [finding] = verify(database, database_settings)[0].findings
    assert (finding.check, finding.metric) == (Check.DRIFT, "activities_created")
    [surplus] = lessened(
        figures_of(tenant_rows(database, tenant), EUR),
        expected_by_ledger(database, database_settings, tenant),
    ).values()
    assert surplus.activities_created == went
