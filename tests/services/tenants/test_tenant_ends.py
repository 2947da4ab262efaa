"""Closed and living tenants: what a blueprint asks for after its span, extensions, and plans out there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from demo_pipeline.domain.blueprint.growth import MOST_LIVING_RATE
from demo_pipeline.domain.core.errors import CapExceededError, InputError, UnreadableTenantError
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import Caps
from demo_pipeline.domain.patch_plan.shapes import Shape
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.months.top_up import top_ups
from demo_pipeline.services.patches.drafts import draft_plan
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.preview import preview
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.delete_tenant import delete_tenant
from demo_pipeline.services.tenants.extend import extend_tenant, preview_extension
from demo_pipeline.services.tenants.queries import digest, kpis, list_tenants, show_tenant
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.services.builders import BLUEPRINT, figures_in, made, make_tenant
from tests.services.patches.builders import execute, plan, scalar

LAST = Month.parse("2025-06")
JULY, AUGUST, SEPTEMBER = (LAST + 1, LAST + 2, LAST + 3)
#: of the tenant's clock: everything below lies before it
NOW = datetime(2025, 10, 15, 12, tzinfo=UTC)
LIVING: dict[str, Any] = {
    **{key: value for key, value in BLUEPRINT.items() if key not in {"start_month", "end_month"}},
    "last_months": 6,
    "growth": {"curve": "exponential", "monthly_rate": 0.5},
}
CHANGE: Mapping[str, int | str] = {
    "contacts_created": 50,
    "deals_created": 10,
    "closed_won_count": 3,
    "closed_won_value": "25000.00",
    "pipeline_added_value": "25000.00",
}


@pytest.fixture
def settings(database_settings: Settings) -> Settings:
    """At an instant four months after the closed tenant's end."""
    return database_settings.model_copy(update={"now": NOW})


def raised(error: UnreadableTenantError) -> None:
    """Every tenant here can be read."""
    raise error


def at(settings: Settings, instant: datetime) -> Settings:
    """The same settings at another instant."""
    return settings.model_copy(update={"now": instant})


def rows_by_month(database: Database) -> dict[Month, int]:
    """Living rows of the four counted tables, by month."""
    return {month: figures.row_count for month, figures in figures_in(database, "acme").items()}


# -- a closed tenant -------------------------------------------------------------------------------------


def test_a_plan_after_the_end_makes_its_own_rows_only(database: Database, settings: Settings) -> None:
    """After the end of a closed tenant a plan finds what is in the database, and adds what it asks for."""
    made(database, settings)
    before = rows_by_month(database)
    report = apply_patch(database, settings, "acme", plan({str(JULY): CHANGE}))
    created = {table: count for table, count in report.created.items() if table != "contact_tags"}
    assert created == {"companies": 0, "contacts": 50, "deals": 10, "activities": 0}
    now = figures_in(database, "acme")[JULY]
    assert (now.contacts_created, now.deals_created, now.closed_won_count) == (50, 10, 3)
    assert now.closed_won_value == 25_000_00
    # One contact months later makes one row, and none on the way.
    apply_patch(database, settings, "acme", plan({str(SEPTEMBER): {"contacts_created": 1}}))
    assert rows_by_month(database) == {**before, JULY: 60, SEPTEMBER: 1}
    assert verify(database, settings, "acme")[0].is_as_expected


def test_a_month_with_a_recorded_change_is_a_month_of_the_tenant(
    database: Database, settings: Settings
) -> None:
    """Such a month after the end is generated, healed, verified and shown like any other."""
    made(database, settings)
    apply_patch(database, settings, "acme", plan({str(AUGUST): {"contacts_created": 5}}))
    there = figures_in(database, "acme")
    # The months of the tenant, without the one between that nobody asked for.
    report = materialise(database, settings, "acme")
    assert [result.month for result in report.months] == [*Month.parse("2025-01").until(LAST), AUGUST]
    execute(
        database,
        "UPDATE crm.contacts SET deleted_at = now() WHERE id IN (SELECT id FROM crm.contacts"
        " WHERE demo_source_month = '2025-08' LIMIT 2)",
    )
    assert not verify(database, settings, "acme")[0].is_as_expected
    assert materialise(database, settings, "acme", AUGUST, AUGUST).created["contacts"] == 2
    assert figures_in(database, "acme") == there
    assert verify(database, settings, "acme")[0].is_as_expected
    assert AUGUST in kpis(database, settings, "acme").months


@pytest.mark.parametrize(
    ("first", "last"), [(JULY, JULY), (None, AUGUST), (Month.parse("2025-03"), SEPTEMBER), (SEPTEMBER, None)]
)
def test_a_range_after_the_end_is_refused_whole(
    database: Database, settings: Settings, first: Month | None, last: Month | None
) -> None:
    """A range that touches a month which nobody asked for makes nothing; the refusal names the extension."""
    made(database, settings)
    apply_patch(database, settings, "acme", plan({str(AUGUST): {"contacts_created": 5}}))
    before = rows_by_month(database)
    with pytest.raises(InputError, match=r"tenant extend acme --to 2025-0[79]") as refused:
        materialise(database, settings, "acme", first, last)
    assert [problem.code for problem in refused.value.problems] == ["after_end"]
    assert rows_by_month(database) == before


# -- extensions ------------------------------------------------------------------------------------------


def test_an_extension_asks_for_more_of_the_curve(database: Database, settings: Settings) -> None:
    """An extension makes no rows; then the months are generated, on top of what plans added there."""
    made(database, settings)
    apply_patch(database, settings, "acme", plan({str(JULY): CHANGE}))
    patched = figures_in(database, "acme")
    seen = preview_extension(database, settings, "acme", AUGUST)
    assert list(seen.figures) == [JULY, AUGUST]
    assert seen.now == {JULY: patched[JULY]}
    report = extend_tenant(database, settings, "acme", AUGUST)
    assert report.kind == "extend"
    assert figures_in(database, "acme") == patched
    assert verify(database, settings, "acme")[0].pending == (JULY, AUGUST)
    assert extend_tenant(database, settings, "acme", AUGUST).job_id == report.job_id

    materialise(database, settings, "acme")
    spec = show_tenant(database, settings, "acme").spec
    assert seen.figures == {month: spec.figures_of(month) for month in (JULY, AUGUST)}
    assert figures_in(database, "acme") == {
        **patched,
        JULY: patched[JULY] + spec.figures_of(JULY),
        AUGUST: spec.figures_of(AUGUST),
    }
    verdict = verify(database, settings, "acme")[0]
    assert (verdict.is_as_expected, verdict.pending) == (True, ())


def test_a_plan_that_comes_before_its_months_are_generated_says_what_comes_first(
    database: Database, settings: Settings
) -> None:
    """The preview shows what is there, what the blueprint adds first, and the plan's change, apart."""
    made(database, settings)
    extend_tenant(database, settings, "acme", AUGUST)
    asked = plan({str(AUGUST): {"contacts_created": 3}})
    seen = preview(database, settings, "acme", asked)
    spec = show_tenant(database, settings, "acme").spec
    assert seen.now == {AUGUST: Figures()}
    assert seen.blueprint == {month: spec.figures_of(month) for month in (JULY, AUGUST)}
    assert seen.deltas == {AUGUST: Figures(contacts_created=3)}
    assert seen.before == {AUGUST: spec.figures_of(AUGUST)}
    assert seen.targets == {AUGUST: spec.figures_of(AUGUST) + Figures(contacts_created=3)}
    assert any(
        f"{JULY} {spec.figures_of(JULY).row_count:,}" in warning and "outnumber" in warning
        for warning in seen.warnings
    )
    report = apply_patch(database, settings, "acme", asked)
    assert [(result.before, result.after) for result in report.months] == [
        (seen.before[AUGUST], seen.targets[AUGUST])
    ]


def test_the_undo_of_an_extension_hides_its_rows(database: Database, settings: Settings) -> None:
    """It gives the digest of before, its own undo that of after, and a plan's rows stay."""
    made(database, settings)
    apply_patch(database, settings, "acme", plan({str(JULY): CHANGE}))
    before = digest(database, settings, "acme")
    extension = extend_tenant(database, settings, "acme", AUGUST)
    materialise(database, settings, "acme")
    after = digest(database, settings, "acme")

    undo = undo_job(database, settings, extension.job_id)
    assert undo.is_passed
    assert digest(database, settings, "acme") == before
    assert show_tenant(database, settings, "acme").context.end_month == LAST
    # The six of the blueprint, and July with the plan's rows.
    assert list_tenants(database)[0].loaded_month_count == 7
    verdict = verify(database, settings, "acme")[0]
    assert (verdict.is_as_expected, verdict.pending) == (True, ())
    with pytest.raises(InputError, match="tenant extend acme --to 2025-08"):
        materialise(database, settings, "acme", JULY, AUGUST)

    undo_job(database, settings, undo.job_id)
    assert digest(database, settings, "acme") == after
    assert verify(database, settings, "acme")[0].is_as_expected

    # Undone for good and extended once more: the figures are exact again.
    undone = undo_job(database, settings, extension.job_id)
    again = extend_tenant(database, settings, "acme", JULY)
    assert again.job_id != extension.job_id
    materialise(database, settings, "acme")
    spec = show_tenant(database, settings, "acme").spec
    assert verify(database, settings, "acme")[0].is_as_expected
    assert AUGUST not in figures_in(database, "acme")
    assert figures_in(database, "acme")[JULY].activities_created == spec.figures_of(JULY).activities_created
    with pytest.raises(InputError, match=str(again.job_id)):
        undo_job(database, settings, undone.job_id)


def test_an_extension_that_was_undone_is_not_undone_twice(database: Database, settings: Settings) -> None:
    """The second undo is the first one, also where the tenant was extended further since."""
    made(database, settings)
    extension = extend_tenant(database, settings, "acme", JULY)
    undo = undo_job(database, settings, extension.job_id)
    extend_tenant(database, settings, "acme", AUGUST)
    again = undo_job(database, settings, extension.job_id)
    assert (again.job_id, again.already_applied) == (undo.job_id, True)
    assert show_tenant(database, settings, "acme").context.end_month == AUGUST


def test_rows_that_depend_on_an_extension_stop_its_undo(database: Database, settings: Settings) -> None:
    """A plan's rows on the blueprint's rows of the added months stop it, unless they are to go along."""
    made(database, settings)
    extension = extend_tenant(database, settings, "acme", JULY)
    materialise(database, settings, "acme")
    later = extend_tenant(database, settings, "acme", AUGUST)
    with pytest.raises(InputError, match=str(later.job_id)):
        undo_job(database, settings, extension.job_id)
    undo_job(database, settings, later.job_id)
    patch = apply_patch(database, settings, "acme", plan({str(JULY): {"activities_created": 40}}))
    with pytest.raises(InputError, match="with-dependents") as refused:
        undo_job(database, settings, extension.job_id)
    assert {problem.code for problem in refused.value.problems} == {"jobs_hang_on_it"}
    report = undo_job(database, settings, extension.job_id, with_dependents=True)
    assert report.is_passed
    assert verify(database, settings, "acme")[0].is_as_expected
    # Activities of the plan that depended on older rows are still there, and still its own.
    left = figures_in(database, "acme").get(JULY, Figures())
    assert left == Figures(activities_created=left.activities_created)
    undo_job(database, settings, patch.job_id)
    assert JULY not in figures_in(database, "acme")
    assert verify(database, settings, "acme")[0].is_as_expected


def test_an_extension_ends_with_its_tenant(database: Database, settings: Settings) -> None:
    """The next tenant of the slug has the blueprint's end, and the extension cannot be undone any more."""
    made(database, settings)
    extension = extend_tenant(database, settings, "acme", JULY)
    materialise(database, settings, "acme")
    delete_tenant(database, settings, "acme")
    made(database, settings)
    assert show_tenant(database, settings, "acme").context.end_month == LAST
    assert JULY not in figures_in(database, "acme")
    again = extend_tenant(database, settings, "acme", AUGUST)
    assert again.job_id != extension.job_id
    with pytest.raises(InputError, match="has been deleted since"):
        undo_job(database, settings, extension.job_id)


@pytest.mark.parametrize(
    ("last", "code", "words"),
    [
        ("2025-06", "not_after_end", "until 2025-06"),
        ("2024-12", "not_after_end", "until 2025-06"),
        ("2025-11", "future_month", "2025-10"),
    ],
)
def test_an_extension_that_cannot_be_is_refused(
    database: Database, settings: Settings, last: str, code: str, words: str
) -> None:
    """Not after the end, or in the future: refused with the month that can be, and nothing is recorded."""
    make_tenant(database, settings)
    with pytest.raises(InputError, match=words) as refused:
        extend_tenant(database, settings, "acme", Month.parse(last))
    assert [problem.code for problem in refused.value.problems] == [code]
    assert scalar(database, "SELECT count(*) FROM demo.jobs WHERE kind = 'extend'") == 0


def test_an_extension_has_at_most_24_months_and_its_caps(database: Database, settings: Settings) -> None:
    """More months are refused with the furthest one, and figures beyond a cap with the setting."""
    blueprint = {**BLUEPRINT, "start_month": "2022-01", "end_month": "2022-06"}
    make_tenant(database, settings, blueprint)
    with pytest.raises(InputError, match="extend to 2024-06 first"):
        extend_tenant(database, settings, "acme", Month.parse("2024-07"))
    strict = settings.model_copy()
    object.__setattr__(strict, "caps", settings.caps.model_copy(update={"activities": 1_500}))
    with pytest.raises(CapExceededError):
        extend_tenant(database, strict, "acme", Month.parse("2024-06"))
    extend_tenant(database, strict, "acme", Month.parse("2022-08"))


def test_an_extension_goes_along_the_declared_curve(database: Database, settings: Settings) -> None:
    """A closed tenant that doubles each month doubles in its extension too: nobody slowed it down."""
    blueprint = {**BLUEPRINT, "growth": {"curve": "exponential", "monthly_rate": 1}}
    make_tenant(database, settings, blueprint)
    added = list(preview_extension(database, settings, "acme", AUGUST).figures.values())
    assert 1.8 < added[1].activities_created / added[0].activities_created < 2.2


# -- living tenants --------------------------------------------------------------------------------------


def test_the_last_months_end_with_the_month_of_provisioning(database: Database, settings: Settings) -> None:
    """``last_months`` is the span that ends now; totals hold for it once its last month is over."""
    made(database, settings, LIVING)
    context = show_tenant(database, settings, "acme").context
    assert (context.spec.start_month, context.spec.end_month) == (Month.parse("2025-05"), Month.of(2025, 10))
    assert context.end_month is None
    whole = context.spec.total
    so_far = sum(figures_in(database, "acme").values(), Figures())
    assert so_far.activities_created < whole.activities_created
    later = at(settings, NOW + timedelta(days=20))
    materialise(database, later, "acme", last=Month.of(2025, 10))
    months = figures_in(database, "acme")
    assert sum((months[month] for month in context.spec.months), Figures()) == whole
    # The same file a month later is the same blueprint.
    assert made(database, later, LIVING).created["activities"] > 0


def test_a_living_tenant_goes_on_without_running_away(database: Database, settings: Settings) -> None:
    """After its span it grows by at most two per cent a month, up to the running month, by default too."""
    made(database, settings, LIVING)
    later = at(settings, datetime(2026, 4, 20, tzinfo=UTC))
    assert verify(database, later, "acme")[0].pending == tuple(Month.of(2025, 11).until(Month.of(2026, 4)))
    report = materialise(database, later, "acme")
    assert report.months[-1].month == Month.of(2026, 4)
    spec = show_tenant(database, later, "acme").spec
    span, after = spec.figures[-1], spec.figures_of(Month.of(2026, 3))
    # Five months at two per cent, and three per cent of variance at either end.
    assert span.activities_created < after.activities_created
    most = float((1 + MOST_LIVING_RATE) ** 5) * 1.03 / 0.97
    assert after.activities_created <= span.activities_created * most + 1
    assert figures_in(database, "acme")[Month.of(2026, 3)] == after
    assert verify(database, later, "acme")[0].is_as_expected


def test_each_month_that_is_added_is_held_by_the_caps(database: Database, settings: Settings) -> None:
    """A living tenant may be years behind: the caps bound each added month, not their sum."""
    make_tenant(database, settings, LIVING)
    later = at(settings, datetime(2026, 10, 1, tzinfo=UTC))
    spec = show_tenant(database, later, "acme").spec
    # Without the last month: it holds what is so large that it would be refused.
    months = [
        spec.figures_of(month).activities_created for month in (spec.end_month + 1).until(Month.of(2026, 9))
    ]
    largest = max(months)
    fitting, tight = later.model_copy(), later.model_copy()
    object.__setattr__(fitting, "caps", later.caps.model_copy(update={"activities": largest}))
    object.__setattr__(tight, "caps", later.caps.model_copy(update={"activities": largest - 1}))
    with pytest.raises(CapExceededError):
        materialise(database, tight, "acme", last=Month.of(2026, 9))
    assert materialise(database, fitting, "acme", last=Month.of(2026, 9)).created["activities"] > largest


def test_a_living_tenant_is_not_extended(database: Database, settings: Settings) -> None:
    """It goes on by itself, and the refusal says so."""
    make_tenant(database, settings, LIVING)
    with pytest.raises(InputError, match="living"):
        extend_tenant(database, settings, "acme", Month.of(2025, 10))


def test_a_blueprint_with_months_repeats_its_last_one(database: Database, settings: Settings) -> None:
    """Without an end and with exact months, the months after the span are as the last one."""
    one = {"contacts_created": 6, "deals_created": 2, "activities_created": 9}
    blueprint = {
        **{key: value for key, value in BLUEPRINT.items() if key not in {"totals", "end_month"}},
        "start_month": "2025-09",
        "months": [{"month": "2025-09", "contacts_created": 2}, {"month": "2025-10", **one}],
    }
    make_tenant(database, settings, blueprint)
    later = at(settings, datetime(2026, 1, 10, tzinfo=UTC))
    materialise(database, later, "acme", last=Month.of(2025, 12))
    months = figures_in(database, "acme")
    october = show_tenant(database, later, "acme").spec.figures[-1]
    assert months[Month.of(2025, 12)] == months[Month.of(2025, 11)] == october


def test_a_file_without_an_end_stays_the_same_file_for_years(database: Database, settings: Settings) -> None:
    """A file is read as of its tenant's provisioning: it may not be called too long later on."""
    blueprint = {key: value for key, value in BLUEPRINT.items() if key != "end_month"}
    early = at(settings, datetime(2025, 3, 3, tzinfo=UTC))
    make_tenant(database, early, blueprint)
    # The span to here would have 25 months if it were provisioned now.
    late = at(settings, datetime(2026, 11, 5, tzinfo=UTC))
    old = {**blueprint, "start_month": "2024-10"}
    make_tenant(database, at(settings, datetime(2025, 3, 3, tzinfo=UTC)), old, "older")
    assert make_tenant(database, late, old, "older") == "older"
    with pytest.raises(InputError, match="24 are the most"):
        make_tenant(database, late, old, "younger")


# -- what keeps tenants fresh, and drafts ----------------------------------------------------------------


def test_schedules_top_up_closed_tenants_until_their_last_month_is_over(
    database: Database, settings: Settings
) -> None:
    """A closed tenant is due until its last month is loaded whole, a living one for ever."""
    closing = {**BLUEPRINT, "end_month": "2025-10"}
    made(database, settings, closing, "closing")
    made(database, settings, BLUEPRINT, "closed")
    made(database, settings, LIVING, "living")
    later = at(settings, datetime(2025, 11, 12, 15, tzinfo=UTC))
    due = {one.tenant: (one.first, one.last) for one in top_ups(database, later, on_unreadable=raised)}
    october, november = Month.of(2025, 10), Month.of(2025, 11)
    assert due == {"closing": (october, october), "living": (october, november)}
    materialise(database, later, "closing", october, october)
    assert {one.tenant for one in top_ups(database, later, on_unreadable=raised)} == {"living"}


def test_a_draft_after_the_end_shows_the_growth_that_was_asked_for(
    database: Database, settings: Settings
) -> None:
    """A drafted growth is a fifth above the last month, and the preview shows nothing but the plan."""
    made(database, settings)
    draft = draft_plan(database, settings, "acme", Shape.GROW, percent=Decimal(20))
    seen = preview(database, settings, "acme", draft.plan)
    last = figures_in(database, "acme")[LAST]
    assert seen.blueprint == {}
    assert list(seen.targets) == [JULY]
    assert seen.now == {JULY: Figures()}
    assert seen.deltas[JULY] == seen.targets[JULY]
    assert seen.targets[JULY].contacts_created == round(last.contacts_created * 1.2)


def test_the_caps_of_settings_are_those_of_the_domain(settings: Settings) -> None:
    """The tests above change caps by their names: these are all there are."""
    assert set(settings.caps.model_dump()) == set(Caps.__dataclass_fields__)
