"""Figures that are lowered: exact in all months, never at people's cost, confirmed, undone to the byte."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest

from demo_pipeline.domain.core.errors import BusyError, InputError, NotADemoTenantError, UnconfirmedError
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.patch_plan.plan import PatchPlan
from demo_pipeline.domain.reference.versions import figures_version, present_version
from demo_pipeline.services.checkpoints.checkpoint import take_checkpoint
from demo_pipeline.services.checkpoints.rewind import rewind_tenant
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.preview import preview
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.repairs.repair import repair
from demo_pipeline.services.retry import retry_job
from demo_pipeline.services.tenants.extend import extend_tenant
from demo_pipeline.services.tenants.queries import digest, show_job, show_tenant
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.builders.currencies import USD
from tests.fixtures.ledger_steps import real_tenant
from tests.fixtures.postgres import TENANTS
from tests.services.builders import made, make_tenant
from tests.services.patches.builders import (
    execute,
    figures_of,
    fingerprint_of_all,
    plan,
    scalar,
    tenant_rows,
)
from tests.services.patches.reconcile_builders import reconcile_plan

MARCH: Final = Month.parse("2025-03")
#: takes rows of later months along
LOWER: Final = reconcile_plan(
    {
        "2025-03": {
            "leads_created": 10,
            "contacts_created": 22,
            "companies_created": 5,
            "deals_created": 12,
            "pipeline_added_value": "155000.67",
            "activities_created": 90,
        }
    }
)
NEWEST: Final = reconcile_plan({"2025-06": {"activities_created": 120}})


@pytest.fixture
def roomy(database: Database, database_settings: Settings) -> str:
    """A tenant of six months and 1,900 rows: its hero accounts leave room to lower figures."""
    assert database.admin_url == database_settings.database_url
    return "acme"


def _make(database: Database, settings: Settings) -> None:
    made(database, settings)


TENANTS["roomy"] = _make


def shown(database: Database) -> dict[Month, Figures]:
    """The figures in the tables, computed apart from the SQL under test."""
    return figures_of(tenant_rows(database, "acme"), USD)


def confirmed(database: Database, settings: Settings, wanted: PatchPlan) -> PatchPlan:
    """The plan with the fingerprint of its preview."""
    seen = preview(database, settings, "acme", wanted).reconcile
    assert seen is not None
    return replace(wanted, fingerprint=seen.fingerprint)


def assert_sound(database: Database, settings: Settings) -> None:
    """``verify`` finds nothing, nothing is to be repaired, and materialising has nothing to do."""
    from demo_pipeline.services.tenants.verify import verify

    assert [verdict.findings for verdict in verify(database, settings)] == [()]
    assert repair(database, settings, "acme", is_dry=True).plan.is_empty
    before = digest(database, settings, "acme")
    materialise(database, settings, "acme")
    assert digest(database, settings, "acme") == before


@pytest.mark.risk("P10", partial=True)
def test_p10_every_target_is_exact_and_undone_to_the_byte(
    database: Database, database_settings: Settings, roomy: str
) -> None:
    """Targets are met, other months show what they did; undo, its undo and that one's return each digest."""
    before, first = shown(database), digest(database, database_settings, roomy)
    rows = tenant_rows(database, roomy)
    seen = preview(database, database_settings, roomy, LOWER)
    report = apply_patch(database, database_settings, roomy, LOWER, is_confirmed=True)
    after = shown(database)
    [request] = LOWER.months
    target = USD.minor(Decimal(request.given["pipeline_added_value"]))
    wanted = {**request.given, "pipeline_added_value": target}
    assert {metric: after[MARCH][metric] for metric in wanted} == wanted
    # Nobody asked for other values: the won ones stay.
    assert after[MARCH].closed_won_value == before[MARCH].closed_won_value
    assert {**after, MARCH: before[MARCH]} == before
    assert report.is_passed
    # What the preview said is what was done.
    assert seen.reconcile is not None
    assert sum(change.hidden for change in seen.reconcile.changes) == sum(report.hidden.values())
    assert sum(change.made for change in seen.reconcile.changes) == sum(
        count for table, count in report.created.items() if table != "contact_tags"
    )
    assert any(change.month != MARCH for change in seen.reconcile.changes)
    assert_sound(database, database_settings)
    lowered, lowered_rows = digest(database, database_settings, roomy), tenant_rows(database, roomy)
    # Nothing but deleted_at of any row was written.
    assert all(
        {**lowered_rows[table][key], "deleted_at": None} == {**row, "deleted_at": None}
        for table in rows
        for key, row in rows[table].items()
    )
    job = report.job_id
    for _ in range(2):
        undone = undo_job(database, database_settings, job)
        assert digest(database, database_settings, roomy) == first
        assert show_job(database, report.job_id).job.undone_by == undone.job_id
        assert (sum(undone.shown.values()), sum(undone.hidden.values())) == (
            sum(report.hidden.values()),
            sum(report.created.values()) - report.created.get("contact_tags", 0),
        )
        assert_sound(database, database_settings)
        undo_job(database, database_settings, undone.job_id)
        assert digest(database, database_settings, roomy) == lowered
        now = tenant_rows(database, roomy)
        assert all(now[table] == lowered_rows[table] for table in now)
        assert_sound(database, database_settings)


@pytest.mark.risk("P10", partial=True)
def test_an_undone_reconcile_leaves_later_months_as_they_were(
    database: Database, database_settings: Settings
) -> None:
    """The blueprint's rows go on byte for byte, with months made beside it, and after a rewind over it."""
    # All jobs at one instant.
    settings = database_settings.model_copy(update={"now": datetime(2026, 11, 1, tzinfo=UTC)})
    slug = make_tenant(database, settings)
    january, february = Month.of(2025, 1), Month.of(2025, 2)
    materialise(database, settings, slug, last=january)
    lower = {str(january): {"activities_created": shown(database)[january].activities_created - 1}}
    take_checkpoint(database, settings, slug, "start")
    materialise(database, settings, slug)
    whole, contacts = digest(database, settings, slug), shown(database)[february].contacts_created
    rewind_tenant(database, settings, slug, "start")

    # It makes the whole of February beside itself.
    wide = reconcile_plan({**lower, str(february): {"contacts_created": contacts}})
    report = apply_patch(database, settings, slug, wide, is_confirmed=True)
    assert report.first_job_id is not None
    undo_job(database, settings, report.job_id)
    for month in (MARCH, None):
        materialise(database, settings, slug, last=month)
    assert digest(database, settings, slug) == whole

    rewind_tenant(database, settings, slug, "start")
    apply_patch(database, settings, slug, reconcile_plan(lower), is_confirmed=True)
    # From figures.
    materialise(database, settings, slug)
    assert digest(database, settings, slug) != whole
    rewind_tenant(database, settings, slug, "start")
    materialise(database, settings, slug)
    assert digest(database, settings, slug) == whole
    assert_sound(database, settings)


def test_the_same_choice_every_time(database: Database, database_settings: Settings, roomy: str) -> None:
    """Five previews have one fingerprint, and so has the job; it is asked for once."""
    prints = {
        seen.reconcile.fingerprint
        for _ in range(5)
        if (seen := preview(database, database_settings, roomy, LOWER)).reconcile is not None
    }
    [fingerprint] = prints
    plan_ = replace(LOWER, fingerprint=fingerprint)
    report = apply_patch(database, database_settings, roomy, plan_)
    assert show_job(database, report.job_id).job.metrics["fingerprint"] == fingerprint
    again = apply_patch(database, database_settings, roomy, LOWER)
    assert (again.already_applied, again.job_id) == (True, report.job_id)


@pytest.mark.risk("P10", partial=True)
def test_p10_what_nobody_confirmed_is_refused(
    database: Database, database_settings: Settings, roomy: str
) -> None:
    """Without confirmation, with a fingerprint of another plan, or of before a change: nothing is done."""
    other = confirmed(database, database_settings, NEWEST)
    # Another activity goes in place of the edited one: all figures are the same.
    old, chosen = other, preview(database, database_settings, roomy, NEWEST).reconcile
    assert chosen is not None
    execute(
        database,
        "UPDATE crm.activities SET subject = 'Called again' WHERE id = %s",
        chosen.hidden_rows["activities"][0],
    )
    before = fingerprint_of_all(database)
    for wanted, code in (
        (LOWER, "unconfirmed"),
        (replace(LOWER, fingerprint=other.fingerprint), "out_of_date"),
        (old, "out_of_date"),
    ):
        with pytest.raises(UnconfirmedError) as caught:
            apply_patch(database, database_settings, roomy, wanted)
        assert (caught.value.problems[0].code, caught.value.exit_code) == (code, 2)
        now = preview(database, database_settings, roomy, wanted).reconcile
        assert now is not None
        assert caught.value.details["preview"]["fingerprint"] == now.fingerprint
        assert fingerprint_of_all(database) == before
    assert apply_patch(
        database, database_settings, roomy, confirmed(database, database_settings, LOWER)
    ).is_passed


@pytest.mark.risk("P10", partial=True)
def test_p10_rows_of_people_and_heroes_stay(
    database: Database, database_settings: Settings, roomy: str
) -> None:
    """Everything down to its floor: what people made, edited or tagged stays, with all that it depends on."""
    deal, contact, company = _held_by_people(database)
    people = _rows_of_people(database, contact, deal)
    heroes = execute_rows(
        database, "SELECT contact_id, company_id, deal_id, earlier_deal_id FROM demo.whole_hero_accounts"
    )
    nothing = reconcile_plan({month: dict.fromkeys(ALL, 0) for month in map(str, sorted(shown(database)))})
    with pytest.raises(InputError) as caught:
        apply_patch(database, database_settings, roomy, nothing, is_confirmed=True)
    reasons = " ".join(problem.message for problem in caught.value.problems)
    for reason in ("made by people", "changed by people", "tagged by people", "part of a hero account"):
        assert reason in reasons
    assert str(deal) in reasons
    floor = PatchPlan.from_json(caught.value.suggestion)
    report = apply_patch(database, database_settings, roomy, floor, is_confirmed=True)
    assert report.is_passed
    assert sum(report.hidden.values()) > 500
    assert _rows_of_people(database, contact, deal) == people
    rows = tenant_rows(database, roomy)
    for table, key in (("deals", deal), ("contacts", contact), ("companies", company)):
        assert rows[table][key]["deleted_at"] is None
    ids = {one for row in heroes for one in row if one is not None}
    hidden = {key for table in rows for key, row in rows[table].items() if row["deleted_at"] is not None}
    assert ids
    assert not ids & hidden
    # And no living row of ours depends on a hidden one.
    for table, column in (("contacts", "company_id"), ("deals", "contact_id"), ("activities", "deal_id")):
        assert not [
            row for row in rows[table].values() if row["deleted_at"] is None and row[column] in hidden
        ]


ALL: Final = (
    "leads_created", "contacts_created", "companies_created", "deals_created", "closed_won_count",
    "closed_won_value", "pipeline_added_value", "activities_created",
)  # fmt: skip


def execute_rows(database: Database, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What a query of the administrator returns."""
    with database.admin(readonly=True) as conn:
        return conn.execute(query.encode(), values or None).fetchall()


def _held_by_people(database: Database) -> tuple[UUID, UUID, UUID]:
    """A deal that people called about, with its contact and company; an edit and a tag elsewhere."""
    heroes = "SELECT company_id FROM demo.hero_accounts WHERE company_id IS NOT NULL"
    [(deal, contact, company), *_] = execute_rows(
        database,
        f"SELECT id, contact_id, company_id FROM crm.deals WHERE company_id NOT IN ({heroes})"
        " AND created_at >= '2025-03-01' ORDER BY id LIMIT 1",
    )
    execute(
        database,
        "INSERT INTO crm.activities (tenant_id, type, subject, deal_id, contact_id, created_at)"
        " SELECT tenant_id, 'call', 'Spoke', id, contact_id, now() FROM crm.deals WHERE id = %s",
        deal,
    )
    execute(
        database,
        "UPDATE crm.contacts SET phone = '+1 202 555 0100' WHERE id = (SELECT id FROM crm.contacts"
        f" WHERE company_id NOT IN ({heroes}) AND id <> %s ORDER BY id DESC LIMIT 1)",
        contact,
    )
    execute(
        database,
        "INSERT INTO crm.contact_tags (tenant_id, contact_id, tag_id) SELECT c.tenant_id, c.id, t.id"
        " FROM crm.contacts c JOIN crm.tags t ON t.tenant_id = c.tenant_id AND NOT EXISTS (SELECT FROM"
        " crm.contact_tags o WHERE o.contact_id = c.id) WHERE c.id <> %s"
        f" AND c.company_id NOT IN ({heroes}) ORDER BY c.id DESC LIMIT 1 OFFSET 1",
        contact,
    )
    return deal, contact, company


def _rows_of_people(database: Database, *touched: UUID) -> str:
    """A hash of all that people made or edited."""
    return str(
        scalar(
            database,
            "SELECT sum(hashtextextended(r, 0)::numeric) FROM ("
            " SELECT a::text AS r FROM crm.activities a WHERE NOT demo_generated"
            " UNION ALL SELECT c::text FROM crm.contacts c JOIN demo.edited_rows e USING (tenant_id, id)"
            " UNION ALL SELECT t::text FROM crm.contact_tags t WHERE substr(t.id::text, 15, 1) = '4'"
            " UNION ALL SELECT d::text FROM crm.deals d WHERE d.id = ANY(%s)) rows",
            list(touched),
        )
    )


def test_values_can_fall_and_rise_with_their_deals_unchanged(
    database: Database, database_settings: Settings, roomy: str
) -> None:
    """To the cent: a value lower or higher than it is, with as many deals as there are."""
    before = shown(database)
    june = Month.parse("2025-06")
    for cents in (-1, 1_234_567):
        value = USD.plain(before[june].pipeline_added_value + cents)
        wanted = reconcile_plan({"2025-06": {"pipeline_added_value": value}})
        report = apply_patch(database, database_settings, roomy, wanted, is_confirmed=True)
        assert 1 <= report.hidden["deals"] == report.created["deals"] <= 2
        after = shown(database)
        moved = replace(before[june], pipeline_added_value=before[june].pipeline_added_value + cents)
        assert after == {**before, june: moved}
        assert_sound(database, database_settings)


def test_values_that_are_not_asked_go_with_their_deals(
    database: Database, database_settings: Settings, roomy: str
) -> None:
    """Fewer deals and no word of values: no deal is made anew for them."""
    before = shown(database)
    june = Month.parse("2025-06")
    wanted = reconcile_plan({"2025-06": {"deals_created": before[june].deals_created - 3}})
    report = apply_patch(database, database_settings, roomy, wanted, is_confirmed=True)
    assert (report.hidden["deals"], report.created["deals"]) == (3, 0)
    assert report.is_passed
    assert_sound(database, database_settings)


def test_patches_and_reconciles_undone_in_any_order(
    database: Database, database_settings: Settings, roomy: str
) -> None:
    """A reconcile hides rows of a patch: either is taken back first, or the other one is named."""
    first = digest(database, database_settings, roomy)
    patch = apply_patch(
        database,
        database_settings,
        roomy,
        plan({"2025-06": {"contacts_created": 9, "activities_created": 30}}),
    )
    patched = digest(database, database_settings, roomy)
    lower = apply_patch(
        database,
        database_settings,
        roomy,
        reconcile_plan({"2025-06": {"contacts_created": 36, "activities_created": 130}}),
        is_confirmed=True,
    )
    lowered = digest(database, database_settings, roomy)
    undo_lower = undo_job(database, database_settings, lower.job_id)
    assert digest(database, database_settings, roomy) == patched
    undo_patch = undo_job(database, database_settings, patch.job_id)
    assert digest(database, database_settings, roomy) == first
    with pytest.raises(InputError) as caught:
        undo_job(database, database_settings, undo_lower.job_id)
    assert caught.value.problems[0].code in {"undone_since", "rows_are_in_use"}
    undo_job(database, database_settings, undo_patch.job_id)
    undo_job(database, database_settings, undo_lower.job_id)
    assert digest(database, database_settings, roomy) == lowered
    assert_sound(database, database_settings)
    # The other way round: the patch first, with what depends on its rows.
    undo_patch = undo_job(database, database_settings, patch.job_id, with_dependents=True)
    assert_sound(database, database_settings)
    with pytest.raises(InputError) as caught:
        undo_job(database, database_settings, lower.job_id)
    assert caught.value.problems[0].code == "undone_since"
    undo_job(database, database_settings, undo_patch.job_id)
    assert digest(database, database_settings, roomy) == lowered
    undo_job(database, database_settings, lower.job_id)
    assert digest(database, database_settings, roomy) == patched


def test_healing_makes_up_for_what_people_take_of_it(
    database: Database, database_settings: Settings, roomy: str
) -> None:
    """A reconciled month is right as it is; what people hide then is made again up to its targets."""
    report = apply_patch(database, database_settings, roomy, LOWER, is_confirmed=True)
    lowered = shown(database)
    execute(
        database,
        "UPDATE crm.activities SET deleted_at = greatest(clock_timestamp(), created_at) WHERE id IN ("
        "SELECT id FROM crm.activities WHERE deleted_at IS NULL AND demo_job_id = %s LIMIT 3)",
        report.job_id,
    )
    assert shown(database) != lowered
    healed = materialise(database, database_settings, roomy)
    assert healed.kind == "heal"
    assert shown(database) == lowered
    assert_sound(database, database_settings)
    undo_job(database, database_settings, report.job_id)
    assert_sound(database, database_settings)


def test_a_failed_job_is_tried_again_as_it_was_confirmed(
    database: Database, database_settings: Settings, roomy: str
) -> None:
    """A retry needs no new confirmation as long as it comes to the same."""
    wanted = confirmed(database, database_settings, LOWER)
    execute(
        database,
        "CREATE FUNCTION crm.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'not now'; END $$",
    )
    execute(
        database,
        "CREATE TRIGGER refuse BEFORE INSERT ON crm.deals FOR EACH ROW EXECUTE FUNCTION crm.refuse()",
    )
    before = digest(database, database_settings, roomy)
    with pytest.raises(Exception, match="not now"):
        apply_patch(database, database_settings, roomy, wanted)
    assert digest(database, database_settings, roomy) == before
    execute(database, "DROP TRIGGER refuse ON crm.deals")
    job = scalar(database, "SELECT id FROM demo.job_ledger WHERE status = 'failed'")
    report = retry_job(database, database_settings, job)
    assert report.is_passed
    assert report.job_id == job


def test_missing_rows_of_the_blueprint_come_first(
    database: Database, database_settings: Settings, roomy: str
) -> None:
    """Rows that the blueprint lacks are made in the same request, and the targets hold with them."""
    execute(
        database,
        "DELETE FROM crm.activities WHERE id IN (SELECT id FROM crm.activities"
        " WHERE demo_source_month = '2025-02' LIMIT 20)",
    )
    seen = preview(database, database_settings, roomy, LOWER)
    assert seen.rows_before == 20
    assert seen.reconcile is not None
    wanted = replace(LOWER, fingerprint=seen.reconcile.fingerprint)
    report = apply_patch(database, database_settings, roomy, wanted)
    assert report.is_passed
    assert len(report.jobs) == 2
    assert_sound(database, database_settings)


def test_later_months_refer_to_what_is_left(
    database: Database, database_settings: Settings, roomy: str
) -> None:
    """Months that are made after it have exact figures, and no row of theirs depends on a hidden one."""
    wanted = reconcile_plan({"2025-06": {"leads_created": 8, "contacts_created": 14, "deals_created": 11}})
    report = apply_patch(database, database_settings, roomy, wanted, is_confirmed=True)
    extend_tenant(database, database_settings, roomy, Month.parse("2025-07"))
    july = materialise(database, database_settings, roomy)
    assert july.created["activities"] > 100
    rows = tenant_rows(database, roomy)
    for table, column in (("contacts", "company_id"), ("deals", "contact_id"), ("activities", "contact_id")):
        parents = rows["companies" if column == "company_id" else "contacts"]
        assert not [
            row
            for row in rows[table].values()
            if row["demo_source_month"] == "2025-07"
            and row[column] is not None
            and parents[row[column]]["deleted_at"] is not None
        ]
    assert_sound(database, database_settings)
    undo_job(database, database_settings, report.job_id)
    assert_sound(database, database_settings)
    # No generator makes rows again that were made from figures.
    extend_tenant(database, database_settings, roomy, Month.parse("2025-08"))
    materialise(database, database_settings, roomy)
    assert [
        (str(month), state.versions)
        for month, state in show_tenant(database, database_settings, roomy).context.loaded_months.items()
        if state.versions != (present_version(),)
    ] == [("2025-07", (figures_version(),)), ("2025-08", (figures_version(),))]
    assert_sound(database, database_settings)


def test_undone_patches_keep_their_names(database: Database, database_settings: Settings, roomy: str) -> None:
    """Also those beside an undone reconcile: no company has the domain of another one, hidden or not."""
    companies = len(tenant_rows(database, roomy)["companies"])
    wanted = reconcile_plan({"2025-06": {"activities_created": 30}})
    jobs = [apply_patch(database, database_settings, roomy, wanted, is_confirmed=True).job_id]
    more = plan({"2025-06": {"companies_created": 5}})
    jobs.append(apply_patch(database, database_settings, roomy, more).job_id)
    for job_id in reversed(jobs):
        undo_job(database, database_settings, job_id)
    many = plan({"2025-06": {"companies_created": companies}})
    apply_patch(database, database_settings, roomy, many)
    domains = [row["domain"] for row in tenant_rows(database, roomy)["companies"].values() if row["domain"]]
    assert len(domains) == len(set(domains)) > companies
    assert_sound(database, database_settings)


def test_an_extension_is_undone_beside_it(
    database: Database, database_settings: Settings, roomy: str
) -> None:
    """Months of an extension that were lowered go with it, and return with it; in between it stays undone."""
    extension = extend_tenant(database, database_settings, roomy, Month.parse("2025-07"))
    materialise(database, database_settings, roomy)
    extended = digest(database, database_settings, roomy)
    july = shown(database)[Month.parse("2025-07")]
    wanted = reconcile_plan(
        {"2025-07": {"contacts_created": july.contacts_created + 2, "activities_created": 140}}
    )
    report = apply_patch(database, database_settings, roomy, wanted, is_confirmed=True)
    lowered = digest(database, database_settings, roomy)
    undone = undo_job(database, database_settings, extension.job_id, with_dependents=True)
    assert_sound(database, database_settings)
    with pytest.raises(InputError) as caught:
        undo_job(database, database_settings, report.job_id)
    assert caught.value.problems[0].code == "extension_undone"
    undo_job(database, database_settings, undone.job_id)
    assert digest(database, database_settings, roomy) == lowered
    assert_sound(database, database_settings)
    undo_job(database, database_settings, report.job_id)
    assert digest(database, database_settings, roomy) == extended
    assert_sound(database, database_settings)


@pytest.mark.risk("P3", partial=True)
def test_p03_a_real_tenant_is_never_reconciled(
    database: Database, database_settings: Settings, roomy: str
) -> None:
    """Refused with 3 and audited, confirmed or not."""
    assert roomy
    with database.admin() as conn:
        real_tenant(conn)
    for is_confirmed in (False, True):
        with pytest.raises(NotADemoTenantError) as caught:
            apply_patch(database, database_settings, "customer", NEWEST, is_confirmed=is_confirmed)
        assert caught.value.exit_code == 3
    assert (
        scalar(database, "SELECT count(*) FROM demo.audit_log WHERE event = 'NON_DEMO_TENANT_BLOCKED'") == 2
    )


def test_people_who_edit_all_the_while_stop_it(
    database: Database, database_settings: Settings, roomy: str
) -> None:
    """Each try meets a row that was changed under it: after the last one it is busy, and nothing is done."""
    execute(
        database,
        "CREATE FUNCTION crm.collide() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'changed' USING errcode = '40001'; END $$",
    )
    execute(
        database,
        "CREATE TRIGGER collide BEFORE UPDATE ON crm.activities FOR EACH ROW WHEN"
        " (new.deleted_at IS NOT NULL) EXECUTE FUNCTION crm.collide()",
    )
    before = digest(database, database_settings, roomy)
    with pytest.raises(BusyError, match="people") as caught:
        apply_patch(database, database_settings, roomy, NEWEST, is_confirmed=True)
    assert caught.value.exit_code == 5
    assert digest(database, database_settings, roomy) == before
