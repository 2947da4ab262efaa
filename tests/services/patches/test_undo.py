"""Patches taken back and brought back: byte for byte, with what hangs on them, whatever people did."""

from __future__ import annotations

from uuid import uuid4

import pytest

from demo_pipeline.domain.core.errors import InputError, NotFoundError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.retry import retry_job
from demo_pipeline.services.tenants.delete_tenant import delete_tenant
from demo_pipeline.services.tenants.queries import digest, kpis, list_jobs, show_job
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.builders.currencies import EUR
from tests.services.builders import made
from tests.services.patches.builders import (
    SMALL,
    assert_as_expected,
    execute,
    figures_of,
    plan,
    scalar,
    tenant_rows,
)

CONTACTS = plan({"2025-02": {"leads_created": 10, "contacts_created": 15, "companies_created": 4}})
DEALS = plan({"2025-03": {"deals_created": 12, "closed_won_count": 5, "activities_created": 40}})
JANUARY, FEBRUARY, MARCH = (Month.parse(month) for month in ("2025-01", "2025-02", "2025-03"))


@pytest.mark.risk("P10", partial=True)
def test_p10_undone_and_restored_byte_for_byte(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Undo brings back the digest before, updated_at included; the undo of the undo that after."""
    first = digest(database, database_settings, tenant)
    patch = apply_patch(database, database_settings, tenant, CONTACTS)
    patched = digest(database, database_settings, tenant)
    before = kpis(database, database_settings, tenant).months
    undone = undo_job(database, database_settings, patch.job_id)
    assert digest(database, database_settings, tenant) == first
    assert_as_expected(database, database_settings)
    assert undone.is_passed
    [result] = undone.months
    assert (result.month, result.before, result.after) == (
        FEBRUARY,
        before[FEBRUARY],
        kpis(database, database_settings, tenant).months[FEBRUARY],
    )
    assert show_job(database, patch.job_id).job.undone_by == undone.job_id
    restored = undo_job(database, database_settings, undone.job_id)
    assert digest(database, database_settings, tenant) == patched
    assert_as_expected(database, database_settings)
    assert show_job(database, undone.job_id).job.undone_by == restored.job_id
    assert show_job(database, patch.job_id).job.undone_by is None


def test_only_deleted_at_changes(database: Database, database_settings: Settings, tenant: str) -> None:
    """An undo deletes no row and touches no other column of any."""
    patch = apply_patch(database, database_settings, tenant, CONTACTS)
    before = tenant_rows(database, tenant)
    undo_job(database, database_settings, patch.job_id)
    after = tenant_rows(database, tenant)
    for table, rows in before.items():
        assert after[table].keys() == rows.keys()
        for key, row in rows.items():
            assert {**after[table][key], "deleted_at": None} == {**row, "deleted_at": None}


def test_asked_twice_it_is_one_undo(database: Database, database_settings: Settings, tenant: str) -> None:
    """A second undo of the same job is the first one; so is a second restore."""
    patch = apply_patch(database, database_settings, tenant, CONTACTS)
    undone = undo_job(database, database_settings, patch.job_id)
    again = undo_job(database, database_settings, patch.job_id)
    assert (again.already_applied, again.job_id) == (True, undone.job_id)
    restored = undo_job(database, database_settings, undone.job_id)
    again = undo_job(database, database_settings, undone.job_id)
    assert (again.already_applied, again.job_id) == (True, restored.job_id)
    once_more = undo_job(database, database_settings, patch.job_id)
    assert not once_more.already_applied
    assert_as_expected(database, database_settings)


def test_applied_again_after_the_undo(database: Database, database_settings: Settings, tenant: str) -> None:
    """The plan of an undone job is applied again by itself, as a new job with rows of its own."""
    first = apply_patch(database, database_settings, tenant, CONTACTS)
    patched = kpis(database, database_settings, tenant).months
    undo_job(database, database_settings, first.job_id)
    second = apply_patch(database, database_settings, tenant, CONTACTS)
    assert not second.already_applied
    assert second.job_id != first.job_id
    assert kpis(database, database_settings, tenant).months == patched
    rows = tenant_rows(database, tenant)["contacts"].values()
    living = [row["email"] for row in rows if row["deleted_at"] is None and row["email"]]
    assert len(set(living)) == len(living)
    assert_as_expected(database, database_settings)
    assert apply_patch(database, database_settings, tenant, CONTACTS).already_applied


@pytest.mark.risk("P10", partial=True)
def test_p10_rows_of_later_jobs_stop_it(database: Database, database_settings: Settings, tenant: str) -> None:
    """What hangs on the rows is listed and refused; with dependents it goes along, and returns."""
    contacts = apply_patch(database, database_settings, tenant, CONTACTS)
    deals = apply_patch(database, database_settings, tenant, DEALS)
    before = digest(database, database_settings, tenant)
    with pytest.raises(InputError, match="--with-dependents") as caught:
        undo_job(database, database_settings, contacts.job_id)
    assert str(deals.job_id) in str([problem.message for problem in caught.value.problems])
    assert digest(database, database_settings, tenant) == before
    undone = undo_job(database, database_settings, contacts.job_id, with_dependents=True)
    assert any("went along" in note for note in undone.notes)
    assert_as_expected(database, database_settings)
    rows = tenant_rows(database, tenant)
    hidden = {row["id"] for row in rows["contacts"].values() if row["deleted_at"] is not None}
    assert not [
        row
        for table in ("deals", "activities")
        for row in rows[table].values()
        if row["deleted_at"] is None and row["contact_id"] in hidden
    ]
    undo_job(database, database_settings, undone.job_id)
    assert digest(database, database_settings, tenant) == before
    assert_as_expected(database, database_settings)


def test_the_months_of_an_undo_are_all_that_it_changes(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Dependents may lie in other months than the patch: the undo's range has them, its own undo's, too."""
    contacts = apply_patch(
        database, database_settings, tenant, plan({"2025-01": {"contacts_created": 300}}, seed="all of them")
    )
    apply_patch(database, database_settings, tenant, plan({"2025-03": {"activities_created": 60}}))
    undone = undo_job(database, database_settings, contacts.job_id, with_dependents=True)
    assert {str(month.month) for month in undone.months if month.delta} == {"2025-01", "2025-03"}
    restored = undo_job(database, database_settings, undone.job_id)
    for job_id in (undone.job_id, restored.job_id):
        job = show_job(database, job_id).job
        assert (job.range_start_month, job.range_end_month) == ("2025-01", "2025-03")
    assert_as_expected(database, database_settings)


@pytest.mark.risk("P10", partial=True)
def test_p10_a_job_some_of_whose_rows_went_along(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """What an undo took along is not taken off again when its own job is undone, nor shown before that."""
    first = digest(database, database_settings, tenant)
    contacts = apply_patch(database, database_settings, tenant, CONTACTS)
    deals = apply_patch(database, database_settings, tenant, DEALS)
    both = digest(database, database_settings, tenant)
    taken = undo_job(database, database_settings, contacts.job_id, with_dependents=True)
    undone = undo_job(database, database_settings, deals.job_id)
    assert digest(database, database_settings, tenant) == first
    assert_as_expected(database, database_settings)
    assert not undone.notes
    with pytest.raises(InputError, match="undone since; bring that one back first") as caught:
        undo_job(database, database_settings, taken.job_id)
    assert str(deals.job_id) in caught.value.message
    assert digest(database, database_settings, tenant) == first
    undo_job(database, database_settings, undone.job_id)
    assert_as_expected(database, database_settings)
    undo_job(database, database_settings, taken.job_id)
    assert digest(database, database_settings, tenant) == both
    assert_as_expected(database, database_settings)


@pytest.mark.risk("P10", partial=True)
@pytest.mark.parametrize("with_dependents", [False, True])
def test_p10_rows_of_people_always_stop_it(
    database: Database, database_settings: Settings, tenant: str, *, with_dependents: bool
) -> None:
    """A person's note on a patch's contact: the undo is refused, names the row, and changes nothing."""
    patch = apply_patch(database, database_settings, tenant, CONTACTS)
    note = uuid4()
    execute(
        database,
        "INSERT INTO crm.activities (tenant_id, id, contact_id)"
        " SELECT tenant_id, %s, id FROM crm.contacts WHERE demo_job_id = %s LIMIT 1",
        note,
        patch.job_id,
    )
    before = digest(database, database_settings, tenant)
    with pytest.raises(InputError, match="people made") as caught:
        undo_job(database, database_settings, patch.job_id, with_dependents=with_dependents)
    assert str(note) in {problem.value for problem in caught.value.problems}
    assert digest(database, database_settings, tenant) == before
    execute(database, "UPDATE crm.activities SET deleted_at = now() WHERE id = %s", note)
    undo_job(database, database_settings, patch.job_id)
    assert_as_expected(database, database_settings)


def test_a_person_on_a_dependent_stops_it_too(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """A person's note on a later job's deal: with dependents that deal would go, so nothing goes."""
    contacts = apply_patch(database, database_settings, tenant, CONTACTS)
    deals = apply_patch(database, database_settings, tenant, DEALS)
    execute(
        database,
        "INSERT INTO crm.activities (tenant_id, deal_id) SELECT d.tenant_id, d.id FROM crm.deals d"
        " JOIN crm.contacts c ON c.id = d.contact_id WHERE d.demo_job_id = %s AND c.demo_job_id = %s LIMIT 1",
        deals.job_id,
        contacts.job_id,
    )
    with pytest.raises(InputError, match="people made"):
        undo_job(database, database_settings, contacts.job_id, with_dependents=True)


def test_what_people_changed_is_told_and_taken(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Rows that people changed, hid or deleted: told, taken as they stand, and every KPI is as before."""
    first = figures_of(tenant_rows(database, tenant), EUR)
    patch = apply_patch(database, database_settings, tenant, CONTACTS)
    of_patch = "id IN (SELECT id FROM crm.contacts WHERE demo_job_id = %s AND status = 'lead' {} LIMIT 2)"
    execute(
        database,
        "UPDATE crm.contacts SET status = 'customer', updated_at = now() WHERE " + of_patch.format(""),
        patch.job_id,
    )
    execute(
        database,
        "UPDATE crm.contacts SET deleted_at = now() WHERE " + of_patch.format("ORDER BY id DESC"),
        patch.job_id,
    )
    purged = execute(
        database,
        "DELETE FROM crm.companies c WHERE demo_job_id = %s AND NOT EXISTS"
        " (SELECT FROM crm.contacts k WHERE k.company_id = c.id)",
        patch.job_id,
    )
    assert purged > 0
    undone = undo_job(database, database_settings, patch.job_id)
    assert undone.notes == (
        "4 of its rows had been changed or deleted by people",
        f"{purged} of its rows had been deleted for good",
    )
    assert figures_of(tenant_rows(database, tenant), EUR) == first
    assert_as_expected(database, database_settings)
    # What people hid stays theirs: the restore brings back what the undo took, and nothing else.
    undo_job(database, database_settings, undone.job_id)
    rows = tenant_rows(database, tenant)["contacts"].values()
    assert sum(row["deleted_at"] is not None for row in rows) == 2


def test_drift_that_was_there_stays(database: Database, database_settings: Settings, tenant: str) -> None:
    """TARGETS take drift in; undone, they leave it exactly as it was, and verify tells it again."""
    execute(
        database,
        "INSERT INTO crm.contacts (tenant_id, created_at) SELECT id, '2025-02-10Z' FROM crm.tenants",
    )
    before = [finding.message for finding in verify(database, database_settings)[0].findings]
    assert before
    patch = apply_patch(
        database, database_settings, tenant, plan({"2025-02": {"contacts_created": 9}}, targets=True)
    )
    assert_as_expected(database, database_settings)
    undo_job(database, database_settings, patch.job_id)
    assert [finding.message for finding in verify(database, database_settings)[0].findings] == before


def test_a_company_that_people_deleted_stops_no_restore(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """A patch's deals hung on a company that was deleted before the undo; they return to where they were."""
    patch = apply_patch(database, database_settings, tenant, DEALS)
    execute(
        database,
        "UPDATE crm.companies SET deleted_at = now() WHERE id IN"
        " (SELECT company_id FROM crm.deals WHERE demo_job_id = %s)",
        patch.job_id,
    )
    before = digest(database, database_settings, tenant)
    undone = undo_job(database, database_settings, patch.job_id)
    undo_job(database, database_settings, undone.job_id)
    assert digest(database, database_settings, tenant) == before


def test_no_restore_onto_rows_that_are_hidden_since(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """Undone the last one first, patches come back the first one first; the other way round is refused."""
    contacts = apply_patch(database, database_settings, tenant, CONTACTS)
    deals = apply_patch(database, database_settings, tenant, DEALS)
    before = digest(database, database_settings, tenant)
    undone_deals = undo_job(database, database_settings, deals.job_id)
    undone_contacts = undo_job(database, database_settings, contacts.job_id)
    with pytest.raises(InputError, match="hidden since; bring those"):
        undo_job(database, database_settings, undone_deals.job_id)
    undo_job(database, database_settings, undone_contacts.job_id)
    undo_job(database, database_settings, undone_deals.job_id)
    assert digest(database, database_settings, tenant) == before
    assert_as_expected(database, database_settings)


def test_what_cannot_be_undone(database: Database, database_settings: Settings, tenant: str) -> None:
    """A blueprint's job, a restore, an unknown job, and a job of a tenant that was deleted since."""
    blueprint = list_jobs(database, database_settings, tenant)[0]
    with pytest.raises(InputError, match="only patches"):
        undo_job(database, database_settings, blueprint.id)
    with pytest.raises(NotFoundError):
        undo_job(database, database_settings, uuid4())
    patch = apply_patch(database, database_settings, tenant, CONTACTS)
    undone = undo_job(database, database_settings, patch.job_id)
    restored = undo_job(database, database_settings, undone.job_id)
    with pytest.raises(InputError, match="undo what it brought back"):
        undo_job(database, database_settings, restored.job_id)
    delete_tenant(database, database_settings, tenant)
    made(database, database_settings, SMALL)
    before = digest(database, database_settings, tenant)
    with pytest.raises(InputError, match="has been deleted since"):
        undo_job(database, database_settings, patch.job_id)
    assert digest(database, database_settings, tenant) == before


def test_a_job_that_failed_cannot_be_undone(
    database: Database, database_settings: Settings, tenant: str
) -> None:
    """There is nothing to take back; retried, the same job completes, and can be undone then."""
    execute(database, "ALTER TABLE crm.contacts ADD CONSTRAINT nobody CHECK (demo_job_id IS NULL) NOT VALID")
    with pytest.raises(Exception, match="nobody"):
        apply_patch(database, database_settings, tenant, CONTACTS)
    [job] = [job for job in list_jobs(database, database_settings, tenant) if job.kind == "patch"]
    with pytest.raises(InputError, match="only a completed one"):
        undo_job(database, database_settings, job.id)
    execute(database, "ALTER TABLE crm.contacts DROP CONSTRAINT nobody")
    assert retry_job(database, database_settings, job.id).job_id == job.id
    undo_job(database, database_settings, job.id)
    assert_as_expected(database, database_settings)


def test_an_undo_that_fails_is_retried(database: Database, database_settings: Settings, tenant: str) -> None:
    """A lock that is never given back fails the undo, which leaves nothing; the retry does it."""
    patch = apply_patch(database, database_settings, tenant, CONTACTS)
    before = digest(database, database_settings, tenant)
    hasty = Database(admin_url=database.admin_url, loader_url=database.loader_url, lock_timeout_seconds=0.2)
    with database.admin() as conn, conn.transaction(force_rollback=True):
        conn.execute("SELECT FROM crm.contacts WHERE demo_job_id = %s FOR UPDATE", (patch.job_id,))
        with pytest.raises(Exception, match="lock timeout"):
            undo_job(hasty, database_settings, patch.job_id)
    assert digest(database, database_settings, tenant) == before
    assert scalar(database, "SELECT undone_by FROM demo.jobs WHERE id = %s", patch.job_id) is None
    [job] = [job for job in list_jobs(database, database_settings, tenant) if job.kind == "undo"]
    assert job.status == "failed"
    assert retry_job(database, database_settings, job.id).job_id == job.id
    assert_as_expected(database, database_settings)
