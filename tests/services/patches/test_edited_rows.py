"""Rows of ours that people edited: undo lists them, repair leaves them, verify notes them, no job stops."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import pytest

from demo_pipeline.domain.core.errors import VerificationError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.repairs.backfill import backfill
from demo_pipeline.services.repairs.repair import cleanup, dedupe, repair
from demo_pipeline.services.tenants.extend import extend_tenant
from demo_pipeline.services.tenants.queries import digest, show_job
from demo_pipeline.services.tenants.verify import Check, inspect, verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.services.builders import made
from tests.services.patches.builders import SMALL, assert_as_expected, execute, plan, scalar
from tests.services.patches.test_patch_faults import plant, uproot
from tests.services.repairs.damage import copy_company, guards_off

PLANNED: Final = {"contacts_created": 5, "deals_created": 3, "activities_created": 6}
PLAN: Final = plan({"2025-02": PLANNED})
TABLES: Final = ("companies", "contacts", "deals", "activities")
JULY: Final = Month.parse("2025-07")
#: what people change of one row, so that it breaks the rules for our own rows; figures may change too
EDITS: Final = (
    ("contacts", "created_at = (SELECT min(created_at) - interval '1 day' FROM crm.companies)"),
    ("contacts", "company_id = (SELECT id FROM crm.companies ORDER BY id DESC LIMIT 1)"),
    ("contacts", "status = 'customer'"),
    ("contacts", "updated_at = created_at - interval '1 year'"),
    ("contacts", "created_at = '2031-01-01Z', updated_at = '2031-01-01Z'"),
    ("companies", "created_at = created_at + interval '200 days'"),
    ("companies", "created_at = '2020-02-01Z'"),
    ("deals", "created_at = '2020-02-01Z'"),
    ("deals", "closed_at = '2020-02-01Z'"),
    ("deals", "closed_at = NULL"),
    ("deals", "company_id = NULL, contact_id = NULL"),
    ("deals", "stage_id = (SELECT id FROM crm.pipeline_stages WHERE is_lost LIMIT 1)"),
    ("deals", "value = value + 1"),
    ("activities", "created_at = '2020-02-01Z'"),
    ("activities", "completed_at = '2020-02-01Z'"),
    ("activities", "deal_id = NULL, contact_id = NULL"),
    ("activities", "completed_at = '2031-01-01Z'"),
)


def rows_of_job(database: Database, table: str, job_id: UUID) -> list[UUID]:
    """The ids of a job's rows."""
    with database.admin(readonly=True) as conn:
        query = f"SELECT id FROM crm.{table} WHERE demo_job_id = %s ORDER BY id"
        return [row for (row,) in conn.execute(query.encode(), [job_id])]


def changed_by(database: Database, undo_id: UUID) -> set[str]:
    """The rows that an undo says people changed."""
    return {row["id"] for row in show_job(database, undo_id).job.metrics["changed_by_people"]}


def edit_all(database: Database) -> list[tuple[str, UUID]]:
    """Each edit, of a row of its own; the rows, by table."""
    edited: list[tuple[str, UUID]] = []
    with database.admin() as conn:
        for table, change in EDITS:
            more = " AND closed_at IS NOT NULL" if change == "closed_at = NULL" else ""
            row = conn.execute(
                f"UPDATE crm.{table} SET {change} WHERE id = (SELECT id FROM crm.{table} WHERE demo_generated"
                f" AND deleted_at IS NULL{more}"
                " AND NOT EXISTS (SELECT FROM demo.edited_rows e WHERE e.id = crm."
                f"{table}.id) ORDER BY created_at, id LIMIT 1) RETURNING id".encode()
            ).fetchall()
            edited.append((table, row[0][0]))
    return edited


@pytest.mark.risk("P10", partial=True)
def test_p10_an_edit_that_leaves_updated_at_alone_is_listed_by_undo(
    database: Database, database_settings: Settings
) -> None:
    """By SQL or by a CRM that does not set it: a change, a removal that was taken back, of every table."""
    made(database, database_settings, SMALL)
    job = apply_patch(
        database, database_settings, "acme", plan({"2025-02": {"companies_created": 2, **PLANNED}})
    ).job_id
    edited = [rows_of_job(database, table, job)[0] for table in TABLES]
    for table, row, change in zip(
        TABLES,
        edited,
        ("city = 'Leeds'", "phone = NULL", "title = 'Renewal'", "subject = 'Call'"),
        strict=True,
    ):
        execute(database, f"UPDATE crm.{table} SET {change} WHERE id = %s", row)
    returned = rows_of_job(database, "activities", job)[1]
    execute(database, "UPDATE crm.activities SET deleted_at = now() WHERE id = %s", returned)
    execute(database, "UPDATE crm.activities SET deleted_at = NULL WHERE id = %s", returned)
    undone = undo_job(database, database_settings, job)
    assert changed_by(database, undone.job_id) == {str(row) for row in (*edited, returned)}
    assert undone.notes == ("5 of its rows had been changed or deleted by people",)


@pytest.mark.risk("P10", partial=True)
def test_p10_edited_rows_of_other_jobs_that_go_along_are_listed(
    database: Database, database_settings: Settings
) -> None:
    """What depends on a patch's rows and was edited is hidden with them, and listed with them."""
    made(database, database_settings, SMALL)
    contacts = apply_patch(
        database, database_settings, "acme", plan({"2025-01": {"contacts_created": 60}}, seed="all of them")
    ).job_id
    later = apply_patch(
        database, database_settings, "acme", plan({"2025-03": {"activities_created": 20}})
    ).job_id
    execute(database, "UPDATE crm.activities SET subject = 'Mine' WHERE demo_job_id = %s", later)
    undone = undo_job(database, database_settings, contacts, with_dependents=True)
    metrics = show_job(database, undone.job_id).job.metrics
    dependents = {row["id"] for row in metrics["dependents"]}
    assert dependents
    assert changed_by(database, undone.job_id) == dependents
    assert undone.notes[-1] == f"{len(dependents)} of those had been changed by people"


def test_edits_from_before_the_record_are_known_by_their_time(
    database: Database, database_settings: Settings
) -> None:
    """Without a record, a row whose updated_at is later than its job counts as edited."""
    made(database, database_settings, SMALL)
    job = apply_patch(database, database_settings, "acme", PLAN).job_id
    row, unseen = rows_of_job(database, "contacts", job)[:2]
    with guards_off(database) as conn:
        conn.execute("UPDATE crm.contacts SET phone = NULL, updated_at = now() WHERE id = %s", [row])
        conn.execute("UPDATE crm.contacts SET phone = NULL WHERE id = %s", [unseen])
    assert verify(database, database_settings, "acme")[0].notes == ("edited by people: 1 contacts",)
    undone = undo_job(database, database_settings, job)
    assert changed_by(database, undone.job_id) == {str(row)}


def test_what_jobs_do_is_no_edit(database: Database, database_settings: Settings) -> None:
    """Materialise, patch, undo, its undo, repair, its undo, cleanup, backfill: nothing is recorded."""
    made(database, database_settings, SMALL)
    patched = apply_patch(database, database_settings, "acme", PLAN)
    undone = undo_job(database, database_settings, patched.job_id)
    undo_job(database, database_settings, undone.job_id)
    copy_company(database)
    hidden = repair(database, database_settings, "acme").report
    assert hidden is not None
    undo_job(database, database_settings, hidden.job_id)
    assert dedupe(database, database_settings, "acme").report is not None
    with guards_off(database) as conn:
        conn.execute(
            "UPDATE crm.contacts SET demo_generated = false, demo_job_id = NULL, demo_source_month = NULL"
        )
    assert backfill(database, database_settings, "acme").job_id is not None
    assert scalar(database, "SELECT count(*) FROM demo.edited_rows") == 0
    assert verify(database, database_settings, "acme")[0].notes == ()


def test_a_tag_that_a_person_set_again_stays_theirs(database: Database, database_settings: Settings) -> None:
    """A restore leaves our hidden tag hidden where the person's is there, and says so; nothing fails."""
    made(database, database_settings)
    patched = apply_patch(
        database, database_settings, "acme", plan({"2025-02": {"contacts_created": 60}}, seed="tags")
    )
    tags = "SELECT count(*) FROM crm.contact_tags WHERE deleted_at IS NULL"
    before = scalar(database, tags)
    undone = undo_job(database, database_settings, patched.job_id)
    hidden = before - scalar(database, tags)
    assert hidden > 0
    execute(
        database,
        "INSERT INTO crm.contact_tags (tenant_id, contact_id, tag_id)"
        " SELECT tenant_id, contact_id, tag_id FROM crm.contact_tags WHERE deleted_at IS NOT NULL LIMIT 1",
    )
    restored = undo_job(database, database_settings, undone.job_id)
    assert restored.notes == (
        "1 tag stayed hidden, because people have set the same tag on the same contact since",
    )
    assert scalar(database, tags) == before
    assert show_job(database, restored.job_id).job.metrics["tags_set_again"] == 1


def test_no_edit_stops_a_job_and_verify_notes_them(database: Database, database_settings: Settings) -> None:
    """Every edit at once: months load, patches, undos and heals pass; only figures are findings."""
    made(database, database_settings)
    edited = edit_all(database)
    execute(database, "UPDATE crm.tenants SET created_at = '2025-06-01Z'")
    verdict = verify(database, database_settings, "acme")[0]
    # Rows that were moved to another month are missing where they were.
    assert {one.check for one in verdict.findings} == {Check.DRIFT, Check.MISSING}
    assert verdict.notes[0].startswith("edited by people: ")
    assert any("deals come after their contact" in note for note in verdict.notes)
    assert not inspect(database, database_settings, "acme", {Check.LIFE_CYCLES}).verdict.findings
    assert repair(database, database_settings, "acme").plan.is_empty
    before = _contents(database, edited)
    extend_tenant(database, database_settings, "acme", JULY)
    assert materialise(database, database_settings, "acme", JULY, JULY).is_passed
    everything = {
        "companies_created": 3,
        "contacts_created": 30,
        "deals_created": 12,
        "activities_created": 90,
    }
    months: dict[str, dict[str, int]] = dict.fromkeys(("2025-01", "2025-04", "2025-07"), everything)
    patched = apply_patch(database, database_settings, "acme", plan(months))
    assert patched.is_passed
    undone = undo_job(database, database_settings, patched.job_id)
    assert undone.is_passed
    assert undo_job(database, database_settings, undone.job_id).is_passed
    materialise(database, database_settings, "acme")
    assert _contents(database, edited) == before
    assert {one.check for one in verify(database, database_settings, "acme")[0].findings} == {Check.DRIFT}


def test_edits_without_a_figure_leave_a_tenant_as_expected(
    database: Database, database_settings: Settings
) -> None:
    """While figures and references hold, verify is content and says what was edited."""
    made(database, database_settings, SMALL)
    execute(
        database,
        "UPDATE crm.contacts SET company_id = NULL WHERE id IN (SELECT contact_id FROM crm.deals LIMIT 1)",
    )
    execute(database, "UPDATE crm.activities SET completed_at = created_at - interval '1 day', phone = NULL"
            .replace(", phone = NULL", ""))  # fmt: skip
    verdict = verify(database, database_settings, "acme")[0]
    assert verdict.is_as_expected
    assert len(verdict.notes) >= 3
    assert repair(database, database_settings, "acme").plan.is_empty


def _contents(database: Database, rows: list[tuple[str, UUID]]) -> list[Any]:
    """What rows say, provenance and deletion included."""
    with database.admin(readonly=True) as conn:
        return [
            conn.execute(f"SELECT to_jsonb(r) FROM crm.{table} r WHERE id = %s".encode(), [row]).fetchall()
            for table, row in rows
        ]


@pytest.mark.risk("G2", partial=True)
def test_g02_a_stage_that_people_changed_is_named_and_no_deal_is_hidden(
    database: Database, database_settings: Settings
) -> None:
    """Repair names the stage, and sets it as it was only when asked to; every byte is as before then."""
    made(database, database_settings)
    sound = digest(database, database_settings, "acme")
    for condition, change, outcome in (
        ("is_won", "is_won = false", "won"),
        ("is_lost", "is_lost = false", "lost"),
        ("NOT is_won AND NOT is_lost", "is_won = true", "open"),
    ):
        stage, deals = _busiest_stage(database, condition)
        execute(database, f"UPDATE crm.pipeline_stages SET {change} WHERE id = %s", stage)
        changed = digest(database, database_settings, "acme")
        shown = repair(database, database_settings, "acme", is_dry=True).plan
        assert (shown.groups, shown.kept) == ((), ())
        assert [(one.id, one.outcome, one.deal_count) for one in shown.stages] == [(stage, outcome, deals)]
        verdict = verify(database, database_settings, "acme")[0]
        assert {one.check for one in verdict.findings} == {Check.DRIFT}
        assert any("--restore-stages" in note for note in verdict.notes)
        done = repair(database, database_settings, "acme")
        assert (done.report, done.restored_stages) == (None, 0)
        assert digest(database, database_settings, "acme") == changed
        done = repair(database, database_settings, "acme", with_stages=True)
        assert (done.report, done.restored_stages) == (None, 1)
        assert digest(database, database_settings, "acme") == sound
    assert_as_expected(database, database_settings)
    assert scalar(database, "SELECT count(*) FROM demo.audit_log WHERE event = 'STAGES_RESTORED'") == 3
    # A won stage that is lost now: its deals are closed and contradict nothing; the figures say so.
    stage, _ = _busiest_stage(database, "is_won")
    execute(database, "UPDATE crm.pipeline_stages SET is_won = false, is_lost = true WHERE id = %s", stage)
    plan = repair(database, database_settings, "acme").plan
    # Hero accounts with won deals are selected anew, and nothing else.
    assert (plan.groups, plan.kept, plan.stages) == ((), (), ())


def _busiest_stage(database: Database, condition: str) -> tuple[UUID, int]:
    """The stage with the most deals, and how many."""
    with database.admin(readonly=True) as conn:
        return conn.execute(
            "SELECT s.id, count(*) FROM crm.pipeline_stages s JOIN crm.deals d ON d.stage_id = s.id"
            f" WHERE {condition} GROUP BY s.id ORDER BY 2 DESC, 1 LIMIT 1".encode()
        ).fetchall()[0]


@pytest.mark.risk("G2", partial=True)
def test_g02_no_repair_hides_an_edited_row_or_what_it_depends_on(
    database: Database, database_settings: Settings
) -> None:
    """A copy that a person edited, a copied company with an edited contact, an edited orphan: they stay."""
    made(database, database_settings)
    copies = copy_company(database)
    assert copies["deals"]
    # The newest row of each kind is the copy: version 4 ids, in no order; the edit makes the deal no copy.
    deal = scalar(
        database,
        "SELECT d.id FROM crm.deals d JOIN crm.deals o ON o.title = d.title AND o.created_at = d.created_at"
        " AND o.id <> d.id AND d.id::text ~ '^.{14}4' LIMIT 1",
    )
    execute(database, "UPDATE crm.deals SET title = 'Renewal' WHERE id = %s", deal)
    with guards_off(database, ("activities", "activities_created_by_fkey")) as conn:
        orphan = conn.execute(
            "UPDATE crm.activities SET created_by_id = gen_random_uuid() WHERE id = (SELECT id FROM"
            " crm.activities WHERE deal_id IS NULL ORDER BY id LIMIT 1) RETURNING id"
        ).fetchall()[0][0]
    execute(database, "UPDATE crm.activities SET subject = 'Mine' WHERE id = %s", orphan)
    done = repair(database, database_settings, "acme")
    assert done.report is not None
    kept = {row for group in done.plan.kept for row in group.ids}
    assert orphan in kept
    hidden = {row for group in done.plan.groups for row in group.ids}
    assert not kept & hidden
    for row in ("contact_id", "company_id"):
        table = {"contact_id": "contacts", "company_id": "companies"}[row]
        parent = scalar(database, f"SELECT {row} FROM crm.deals WHERE id = %s", deal)
        assert parent in kept
        assert scalar(
            database, f"SELECT count(*) FROM crm.{table} WHERE id = %s AND deleted_at IS NULL", parent
        )
    assert scalar(database, "SELECT count(*) FROM crm.deals WHERE id = %s AND deleted_at IS NULL", deal) == 1
    assert repair(database, database_settings, "acme").report is None


@pytest.mark.risk("G2", partial=True)
def test_g02_a_cleanup_leaves_an_edited_row(database: Database, database_settings: Settings) -> None:
    """Of a job that was not completed, what people edited stays, with what it depends on."""
    made(database, database_settings, SMALL)
    job = apply_patch(database, database_settings, "acme", PLAN).job_id
    execute(database, "DELETE FROM demo.job_months WHERE job_id = %s", job)
    execute(database, "UPDATE demo.job_ledger SET status = 'failed' WHERE id = %s", job)
    row = rows_of_job(database, "activities", job)[0]
    execute(database, "UPDATE crm.activities SET subject = 'Mine' WHERE id = %s", row)
    done = cleanup(database, database_settings, job)
    assert done.report is not None
    assert row in {one for group in done.plan.kept for one in group.ids}
    assert scalar(database, "SELECT count(*) FROM crm.activities WHERE id = %s AND deleted_at IS NULL", row)


def test_a_gate_still_judges_what_the_job_itself_wrote(
    database: Database, database_settings: Settings
) -> None:
    """A contact that a faulty loader makes before its company of the same job is refused, edits or none."""
    made(database, database_settings, SMALL)
    execute(database, "UPDATE crm.contacts SET phone = NULL")
    plant(database, "contacts", "new.company_id := NULL; RETURN new;", "BEFORE INSERT")
    wrong = {"2025-03": {"companies_created": 3, "contacts_created": 30, "deals_created": 9}}
    with pytest.raises(VerificationError, match="have its company"):
        apply_patch(database, database_settings, "acme", plan(wrong))
    uproot(database)
