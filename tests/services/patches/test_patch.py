"""What patches must never do again, each mistake by its name; the running month, months beyond, and caps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from demo_pipeline.domain.core.errors import CapExceededError, InputError, NotADemoTenantError, NotFoundError
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.patch_plan.plan import PatchPlan
from demo_pipeline.services.jobs.steps import JobCaller
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.preview import preview
from demo_pipeline.services.patches.split import split_plan
from demo_pipeline.services.tenants.extend import extend_tenant
from demo_pipeline.services.tenants.queries import digest, kpis, list_jobs, show_tenant
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.assertions.meetings import meetings_of, overlaps
from tests.builders.currencies import EUR
from tests.fixtures.ledger_steps import real_tenant
from tests.services.builders import BLUEPRINT, made, make_tenant
from tests.services.patches.builders import (
    execute,
    expected_by_ledger,
    figures_of,
    fingerprint_of_all,
    plan,
    scalar,
    tenant_rows,
    unsound,
)

MARCH, APRIL, JULY = (Month.parse(month) for month in ("2025-03", "2025-04", "2025-07"))
#: a Wednesday afternoon in the middle of a month
WEDNESDAY = datetime(2026, 3, 11, 14, 30, tzinfo=UTC)
RUNNING: dict[str, Any] = BLUEPRINT | {"start_month": "2026-01", "end_month": "2026-03"}


YEN: dict[str, Any] = BLUEPRINT | {
    "currency": "JPY",
    "industry": "ecommerce",
    "totals": BLUEPRINT["totals"] | {"closed_won_value": "310000", "pipeline_added_value": "780000"},
}


def at(settings: Settings, now: datetime) -> Settings:
    """The settings at an instant."""
    return settings.model_copy(update={"now": now})


def job_rows(database: Database, slug: str, report_id: object) -> dict[str, int]:
    """How many rows of each table are a job's."""
    rows = tenant_rows(database, slug)
    return {
        table: sum(row.get("demo_job_id") == report_id for row in rows[table].values())
        for table in ("companies", "contacts", "deals", "activities")
    }


def test_the_running_month_has_no_future(database: Database, database_settings: Settings) -> None:
    """A patch of the running month makes no row, no closing and no completion later than now."""
    early = at(database_settings, WEDNESDAY)
    made(database, early, RUNNING)
    report = apply_patch(
        database,
        early,
        "acme",
        plan({"2026-03": {"contacts_created": 60, "deals_created": 50, "closed_won_count": 20,
                          "activities_created": 400}}),
    )  # fmt: skip
    rows = tenant_rows(database, "acme")
    spec = show_tenant(database, early, "acme").spec
    assert unsound(spec, rows, report.job_id, WEDNESDAY) == []
    assert report.is_passed
    assert verify(database, early)[0].is_as_expected


def test_patched_amid_a_month_and_topped_up_at_its_end(
    database: Database, database_settings: Settings
) -> None:
    """What comes of the blueprint later is the same as without the patch; both are expected, and there."""
    early, late = at(database_settings, WEDNESDAY), at(database_settings, datetime(2026, 4, 2, tzinfo=UTC))
    asked: dict[str, int | str] = {"contacts_created": 10, "deals_created": 3, "activities_created": 20}
    made(database, early, RUNNING)
    report = apply_patch(database, early, "acme", plan({"2026-03": asked}))
    patched = figures_of(tenant_rows(database, "acme"), EUR, {report.job_id})
    assert materialise(database, late, "acme").created["activities"] > 0
    assert verify(database, late)[0].is_as_expected
    rows = tenant_rows(database, "acme")
    spec = show_tenant(database, late, "acme").spec
    march = Month.parse("2026-03")
    assert figures_of(rows, EUR)[march] == spec.figures_of(march) + patched[march]
    made(database, early, RUNNING, slug="untouched")
    materialise(database, late, "untouched")
    untouched = tenant_rows(database, "untouched")
    for table, own in untouched.items():
        of_blueprint = [row for row in rows[table].values() if row.get("demo_job_id") != report.job_id]
        if table != "contact_tags":
            assert len(of_blueprint) == len(own), table


def test_meetings_of_patches_keep_out_of_the_way(database: Database, database_settings: Settings) -> None:
    """Nobody is in two meetings at once: of the blueprint, of patches, and of the days after a patch."""
    early, late = at(database_settings, WEDNESDAY), at(database_settings, datetime(2026, 4, 2, tzinfo=UTC))
    totals = RUNNING["totals"] | {"activities_created": 900}
    made(database, early, RUNNING | {"industry": "realestate", "team_size": 3, "totals": totals})
    more = {"activities_created": 150}
    for months in (("2026-01", "2026-02"), ("2026-02", "2026-03"), ("2026-01",), ("2026-03",)):
        apply_patch(database, early, "acme", plan(dict.fromkeys(months, more)))
    materialise(database, late, "acme")
    apply_patch(database, late, "acme", plan({"2026-03": more}))
    meetings = meetings_of(tenant_rows(database, "acme")["activities"].values())
    assert sum(map(len, meetings.values())) > 150
    assert overlaps(meetings) == []
    assert verify(database, late)[0].is_as_expected


def test_a_patch_brings_the_running_month_up_to_date(database: Database, database_settings: Settings) -> None:
    """The blueprint's rows of the days since come first, as a job of their own; the patch is on top."""
    early, later = (
        at(database_settings, WEDNESDAY),
        at(database_settings, datetime(2026, 3, 25, tzinfo=UTC)),
    )
    made(database, early, RUNNING)
    before = kpis(database, early, "acme").months
    report = apply_patch(database, later, "acme", plan({"2026-03": {"companies_created": 2}}))
    after = kpis(database, later, "acme").months
    march = Month.parse("2026-03")
    assert report.months[0].delta == Figures(companies_created=2)
    assert after[march].activities_created > before[march].activities_created
    kinds = [(job.kind, job.status) for job in list_jobs(database, later, "acme")]
    assert sorted(kinds) == [("materialise", "completed")] * 2 + [("patch", "completed")]
    assert verify(database, later)[0].is_as_expected


def test_targets_are_no_deltas(database: Database, database_settings: Settings) -> None:
    """The figure of a TARGETS plan is what the month shows afterwards, in the report and in the ledger."""
    made(database, database_settings)
    there = kpis(database, database_settings, "acme").months[MARCH]
    wanted = plan({"2025-03": {"contacts_created": there.contacts_created + 7}}, targets=True)
    report = apply_patch(database, database_settings, "acme", wanted)
    [result] = report.months
    assert result.target == result.after == there + Figures(contacts_created=7)
    assert result.delta == Figures(contacts_created=7)
    assert kpis(database, database_settings, "acme").months[MARCH] == result.target
    assert expected_by_ledger(database, database_settings, "acme")[MARCH] == result.target


def test_targets_that_are_shown_are_done(database: Database, database_settings: Settings) -> None:
    """The same TARGETS again is the same job while the months show them, and a new one once they do not."""
    made(database, database_settings)
    there = kpis(database, database_settings, "acme").months[MARCH].contacts_created
    wanted = plan({"2025-03": {"contacts_created": there + 7}}, targets=True)
    first = apply_patch(database, database_settings, "acme", wanted)
    assert apply_patch(database, database_settings, "acme", wanted).already_applied
    execute(
        database,
        "UPDATE crm.contacts SET deleted_at = now() WHERE id IN"
        " (SELECT id FROM crm.contacts WHERE demo_job_id = %s LIMIT 3)",
        first.job_id,
    )
    second = apply_patch(database, database_settings, "acme", wanted)
    assert (second.already_applied, second.created["contacts"]) == (False, 3)
    assert kpis(database, database_settings, "acme").months[MARCH].contacts_created == there + 7
    assert apply_patch(database, database_settings, "acme", wanted).already_applied
    assert verify(database, database_settings)[0].is_as_expected


@pytest.mark.parametrize("targets", [False, True])
def test_no_activity_that_nobody_asked_for(
    database: Database, database_settings: Settings, *, targets: bool
) -> None:
    """Contacts alone bring contacts alone, none of them a lead; asked for, activities come."""
    made(database, database_settings)
    there = kpis(database, database_settings, "acme").months[MARCH]
    more = there.contacts_created + 5 if targets else 5
    report = apply_patch(
        database, database_settings, "acme", plan({"2025-03": {"contacts_created": more}}, targets=targets)
    )
    assert report.months[0].delta == Figures(contacts_created=5)
    assert job_rows(database, "acme", report.job_id) == {
        "companies": 0, "contacts": 5, "deals": 0, "activities": 0
    }  # fmt: skip
    asked = plan({"2025-03": {"activities_created": 9}})
    report = apply_patch(database, database_settings, "acme", asked)
    assert report.months[0].delta == Figures(activities_created=9)


def test_won_deals_differ_in_value(database: Database, database_settings: Settings) -> None:
    """The month's won value is shared out, and not evenly; its sum is exact to the cent."""
    made(database, database_settings)
    wanted = plan(
        {"2025-03": {"deals_created": 20, "closed_won_count": 20, "closed_won_value": "100000.01",
                     "pipeline_added_value": "100000.01"}}
    )  # fmt: skip
    report = apply_patch(database, database_settings, "acme", wanted)
    deals = tenant_rows(database, "acme")["deals"].values()
    values = [deal["value"] for deal in deals if deal["demo_job_id"] == report.job_id]
    assert len(set(values)) > 10
    assert str(sum(values)) == "100000.01"


def test_nobody_has_an_address_twice(database: Database, database_settings: Settings) -> None:
    """Patch upon patch, and the blueprint's later months: addresses, names and domains are unique."""
    make_tenant(database, database_settings)
    for number in range(4):
        wanted = plan({"2025-02": {"contacts_created": 200, "companies_created": 30}}, seed=str(number))
        apply_patch(database, database_settings, "acme", wanted)
    materialise(database, database_settings, "acme")
    rows = tenant_rows(database, "acme")
    for table, name in (("contacts", "email"), ("companies", "name"), ("companies", "domain")):
        values = [row[name] for row in rows[table].values() if row[name] is not None]
        assert len(set(values)) == len(values), (table, name)


def test_a_blueprint_month_without_rows_has_a_team_all_the_same(
    database: Database, database_settings: Settings
) -> None:
    """The first patch of a tenant whose first months are empty: users, stages and tags are there before."""
    months = [{"month": "2025-06", "contacts_created": 3}]
    blueprint = {name: value for name, value in BLUEPRINT.items() if name != "totals"} | {"months": months}
    make_tenant(database, database_settings, blueprint)
    wanted = plan({"2025-01": {"contacts_created": 5, "deals_created": 2, "closed_won_count": 1}})
    report = apply_patch(database, database_settings, "acme", wanted)
    rows = tenant_rows(database, "acme")
    assert len(rows["users"]) > 0
    owners = [row["owner_id"] for row in rows["contacts"].values()]
    assert None not in owners
    assert report.is_passed


def test_a_stage_deleted_and_another_turned(database: Database, database_settings: Settings) -> None:
    """Months yet to be made meet stages that people deleted and changed: made, patched, and as it says."""
    blueprint = BLUEPRINT | {"end_month": "2025-03"}
    make_tenant(database, database_settings, blueprint)
    materialise(database, database_settings, "acme", last=Month.parse("2025-01"))
    open_stages = (
        "NOT is_won AND NOT is_lost AND NOT EXISTS (SELECT FROM crm.deals d WHERE d.stage_id = s.id)"
    )
    execute(database, "UPDATE crm.deals SET stage_id = NULL WHERE closed_at IS NULL")
    name = scalar(database, f"SELECT name FROM crm.pipeline_stages s WHERE {open_stages} LIMIT 1")
    execute(database, "DELETE FROM crm.pipeline_stages WHERE name = %s", name)
    execute(
        database,
        "UPDATE crm.pipeline_stages SET is_won = true WHERE id ="
        f" (SELECT id FROM crm.pipeline_stages s WHERE {open_stages} LIMIT 1)",
    )
    before = figures_of(tenant_rows(database, "acme"), EUR)
    wanted = plan({"2025-02": {"deals_created": 6, "closed_won_count": 2}})
    report = apply_patch(database, database_settings, "acme", wanted)
    assert report.is_passed
    assert report.months[0].delta.closed_won_count == 2
    assert before != figures_of(tenant_rows(database, "acme"), EUR)


def test_months_before_the_span_and_in_the_future(database: Database, database_settings: Settings) -> None:
    """Both are refused at once, with the plan that is left; nothing is written."""
    made(database, database_settings)
    before = fingerprint_of_all(database)
    some: dict[str, int | str] = {"contacts_created": 1}
    with pytest.raises(InputError) as caught:
        apply_patch(
            database, database_settings, "acme", plan({"2024-12": some, "2025-02": some, "2030-01": some})
        )
    assert {problem.code for problem in caught.value.problems} == {"before_span", "future_month"}
    assert fingerprint_of_all(database) == before
    assert [month["month"] for month in caught.value.suggestion["months"]] == ["2025-02"]


def test_months_after_the_span_go_on_first(database: Database, database_settings: Settings) -> None:
    """A patch of a month that an extension added: the blueprint's own months up to there come first."""
    made(database, database_settings)
    extend_tenant(database, database_settings, "acme", JULY)
    spec = show_tenant(database, database_settings, "acme").spec
    wanted = plan({"2025-07": {"companies_created": 2}})
    owed = preview(database, database_settings, "acme", wanted).rows_before
    report = apply_patch(database, database_settings, "acme", wanted)
    shown = kpis(database, database_settings, "acme").months[JULY]
    assert shown == spec.figures_of(JULY) + Figures(companies_created=2)
    assert report.months[0].before == spec.figures_of(JULY)
    assert report.notes == (f"{owed} missing rows of the blueprint came first, in a job of their own",)
    assert verify(database, database_settings)[0].is_as_expected


@pytest.mark.risk("P5", partial=True)
def test_p05_months_on_the_way_have_caps_too(database: Database, database_settings: Settings) -> None:
    """A living tenant's month beyond a cap: a plan, its preview and its split are refused before any work."""
    living = {key: value for key, value in BLUEPRINT.items() if key != "end_month"}
    june = database_settings.model_copy(update={"now": datetime(2025, 6, 15, tzinfo=UTC)})
    made(database, june, living)
    before = fingerprint_of_all(database)
    strict = database_settings.model_copy(update={"now": datetime(2025, 9, 1, tzinfo=UTC)})
    object.__setattr__(strict, "caps", strict.caps.model_copy(update={"activities": 100}))
    wanted = plan({str(JULY + 1): {"contacts_created": 1}})
    with pytest.raises(CapExceededError, match="100"):
        apply_patch(database, strict, "acme", wanted)
    assert preview(database, strict, "acme", wanted).exit_code == 3
    with pytest.raises(CapExceededError):
        split_plan(database, strict, "acme", wanted)
    assert fingerprint_of_all(database) == before


@pytest.mark.risk("P5")
def test_p05_beyond_a_cap_and_in_pieces(database: Database, database_settings: Settings) -> None:
    """A plan beyond a cap is refused with the cap; its pieces, each atomic, come to the same to the cent."""
    made(database, database_settings)
    before = kpis(database, database_settings, "acme").months
    caps = database_settings.caps.model_copy(update={"leads": 100, "activities": 300, "deals": 30})
    tight = database_settings.model_copy()
    object.__setattr__(tight, "caps", caps)
    figures: dict[str, int | str] = {
        "leads_created": 120, "contacts_created": 130, "deals_created": 70, "closed_won_count": 11,
        "closed_won_value": "9999.99", "pipeline_added_value": "20000.00", "activities_created": 500,
    }  # fmt: skip
    wanted = plan({"2025-03": figures, "2025-04": {"companies_created": 3}})
    with pytest.raises(CapExceededError, match="cap of 100"):
        apply_patch(database, tight, "acme", wanted)
    assert kpis(database, database_settings, "acme").months == before
    pieces = split_plan(database, tight, "acme", wanted)
    assert len(pieces) > 1
    for piece in pieces:
        assert not apply_patch(database, tight, "acme", piece).already_applied
    after = kpis(database, database_settings, "acme").months
    assert after[MARCH] - before[MARCH] == Figures.from_json(figures, EUR)
    assert after[APRIL] - before[APRIL] == Figures(companies_created=3)
    for piece in split_plan(database, tight, "acme", wanted):
        assert apply_patch(database, tight, "acme", piece).already_applied
    assert verify(database, database_settings)[0].is_as_expected


def test_values_follow_the_deals_of_each_piece(database: Database, database_settings: Settings) -> None:
    """Yen homes beyond the cap on deals: no piece is refused for values that nobody declared."""
    made(database, database_settings, YEN | {"industry": "realestate"})
    before = kpis(database, database_settings, "acme").months
    tight = database_settings.model_copy()
    object.__setattr__(tight, "caps", database_settings.caps.model_copy(update={"deals": 30, "value": 1}))
    wanted = plan({"2025-03": {"contacts_created": 2, "deals_created": 70, "closed_won_count": 11}})
    pieces = split_plan(database, tight, "acme", wanted)
    assert len(pieces) == 3
    assert [apply_patch(database, tight, "acme", piece).is_passed for piece in pieces] == [True] * 3
    gained = kpis(database, database_settings, "acme").months[MARCH] - before[MARCH]
    assert (gained.deals_created, gained.closed_won_count) == (70, 11)
    assert gained.closed_won_value > 11
    again = split_plan(database, tight, "acme", wanted)
    assert all(apply_patch(database, tight, "acme", piece).already_applied for piece in again)
    assert verify(database, database_settings)[0].is_as_expected


@pytest.mark.risk("P3", partial=True)
def test_p03_a_real_tenant_is_refused(database: Database, database_settings: Settings) -> None:
    """A real customer is patched by no plan: refused, audited, and every row as it was."""
    with database.admin() as conn:
        real_tenant(conn)
    before = fingerprint_of_all(database).tables
    wanted = plan({"2025-03": {"contacts_created": 1}})
    with pytest.raises(NotADemoTenantError):
        apply_patch(database, database_settings, "customer", wanted)
    with pytest.raises(NotADemoTenantError):
        preview(database, database_settings, "customer", wanted)
    with pytest.raises(NotFoundError):
        apply_patch(database, database_settings, "nobody", wanted)
    after = fingerprint_of_all(database).tables
    assert {name for name in after if after[name] != before[name]} == {"demo.audit_log"}
    assert scalar(database, "SELECT event FROM demo.audit_log ORDER BY id DESC LIMIT 1") == (
        "NON_DEMO_TENANT_BLOCKED"
    )


def test_too_many_decimals(database: Database, database_settings: Settings) -> None:
    """Yen have none: refused, with the amount cut."""
    made(database, database_settings, YEN)
    wanted = plan({"2025-03": {"deals_created": 1, "closed_won_value": "0", "pipeline_added_value": "7.50"}})
    with pytest.raises(InputError, match="more decimals than JPY") as caught:
        apply_patch(database, database_settings, "acme", wanted)
    report = apply_patch(database, database_settings, "acme", PatchPlan.from_json(caught.value.suggestion))
    assert report.months[0].delta == Figures(deals_created=1, pipeline_added_value=7)


def test_values_with_more_decimals_than_the_currency(database: Database, database_settings: Settings) -> None:
    """People may enter half a yen; what a patch adds on top stays exact."""
    made(database, database_settings, YEN)
    execute(
        database,
        "INSERT INTO crm.deals (tenant_id, value, created_at)"
        " SELECT id, 10.50, '2025-03-10Z' FROM crm.tenants",
    )
    for number in range(2):
        wanted = plan({"2025-03": {"deals_created": 2, "closed_won_value": "0", "pipeline_added_value": "7"}},
                      seed=str(number))  # fmt: skip
        report = apply_patch(database, database_settings, "acme", wanted)
        assert report.months[0].delta == Figures(deals_created=2, pipeline_added_value=7)


def test_what_is_told_while_it_runs(database: Database, database_settings: Settings) -> None:
    """Progress rises to 100, and a plan that asks for nothing makes a job that changes nothing."""
    made(database, database_settings)
    told: list[int] = []
    caller = JobCaller(on_progress=lambda percent, _: told.append(percent))
    apply_patch(
        database, database_settings, "acme", plan({"2025-03": {"activities_created": 60}}), caller=caller
    )
    assert told == sorted(told)
    assert told[-1] == 100
    before = digest(database, database_settings, "acme")
    report = apply_patch(database, database_settings, "acme", plan({"2025-03": {}}))
    assert (sum(report.created.values()), report.is_passed) == (0, True)
    assert digest(database, database_settings, "acme") == before
