"""Two versions of lists and generator in one tenant: exact figures, rows that are never mixed up."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from demo_pipeline.domain.core.figures import METRICS, Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.reference import versions
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.preview import preview
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.repairs.backfill import backfill
from demo_pipeline.services.tenants.queries import digest, show_tenant
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.services.builders import BLUEPRINT, figures_in, made
from tests.services.patches.builders import execute, plan, tenant_rows

OLD = "1999.01/1999.01"
MARCH, JUNE, JULY, AUGUST = (Month.of(2025, number) for number in (3, 6, 7, 8))
LIVING: dict[str, Any] = {key: value for key, value in BLUEPRINT.items() if key != "end_month"}


def at(settings: Settings, *instant: int) -> Settings:
    """The same settings at another instant, UTC."""
    return settings.model_copy(update={"now": datetime(*instant, tzinfo=UTC)})


def made_by_an_older_version(
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    blueprint: dict[str, Any] = BLUEPRINT,
) -> None:
    """A tenant whose months record a version that is not the present one."""
    with monkeypatch.context() as patched:
        patched.setattr(versions, "LISTS_VERSION", "1999.01")
        patched.setattr(versions, "GENERATOR_VERSION", "1999.01")
        made(database, settings, blueprint)


def versions_of(database: Database, settings: Settings) -> dict[Month, tuple[str, ...]]:
    """What each month records."""
    months = show_tenant(database, settings, "acme").context.state.months
    return {month: state.versions for month, state in months.items()}


def test_an_incomplete_month_is_made_up_for_by_additional_rows(
    database: Database, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing of another version's month comes as other rows, exact in every figure."""
    settings = at(database_settings, 2025, 9, 1)
    made_by_an_older_version(database, settings, monkeypatch)
    there, rows = figures_in(database, "acme"), tenant_rows(database, "acme")
    lost = [row["id"] for row in rows["activities"].values() if row["demo_source_month"] == str(MARCH)][:20]
    execute(database, "DELETE FROM crm.activities WHERE id = ANY(%s)", lost)

    materialise(database, settings, "acme")
    assert figures_in(database, "acme") == there
    now = tenant_rows(database, "acme")
    assert not set(lost) & set(now["activities"])
    new = [row for key, row in now["activities"].items() if key not in rows["activities"]]
    assert len(new) == 20
    assert {row["demo_source_month"] for row in new} == {str(MARCH)}
    # Nothing else was touched: no second team, no row of another month.
    for table, before in rows.items():
        assert {key: row for key, row in now[table].items() if key in before} == {
            key: row for key, row in before.items() if key not in lost
        }
        assert table == "activities" or set(now[table]) == set(before)
    found = versions_of(database, settings)
    assert found.pop(MARCH) == (OLD, versions.figures_version())
    assert set(found.values()) == {(OLD,)}
    assert verify(database, settings, "acme")[0].is_as_expected
    # And once more changes nothing.
    before = digest(database, settings, "acme")
    assert materialise(database, settings, "acme").already_applied
    assert digest(database, settings, "acme") == before


def test_the_next_month_of_a_living_tenant_refers_to_what_is_there(
    database: Database, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made by the present version on the rows of the other one, which stay as they are."""
    june = at(database_settings, 2025, 6, 30, 23)
    made_by_an_older_version(database, june, monkeypatch, LIVING)
    rows = tenant_rows(database, "acme")

    august = at(database_settings, 2025, 9, 1)
    materialise(database, august, "acme", last=AUGUST)
    spec = show_tenant(database, august, "acme").spec
    months = figures_in(database, "acme")
    assert {month: months[month] for month in (JULY, AUGUST)} == {
        month: spec.figures_of(month) for month in (JULY, AUGUST)
    }
    now = tenant_rows(database, "acme")
    for table, before in rows.items():
        assert {key: now[table][key] for key in before} == before
    for table in ("users", "pipeline_stages", "tags"):
        assert set(now[table]) == set(rows[table])
    referred = {
        row["contact_id"] for row in now["activities"].values() if row["demo_source_month"] == str(JULY)
    }
    assert referred & set(rows["contacts"])
    found = versions_of(database, august)
    present = versions.figures_version()
    assert (found[Month.of(2025, 5)], found[JULY], found[AUGUST]) == ((OLD,), (present,), (present,))
    assert verify(database, august, "acme")[0].is_as_expected
    # Whose rows they are can still be told from their ids.
    execute(
        database,
        "UPDATE crm.contacts SET demo_generated = false, demo_job_id = NULL, demo_source_month = NULL",
    )
    told = backfill(database, august, "acme")
    assert not any(told.unattributed.values())
    assert verify(database, august, "acme")[0].is_as_expected


def test_a_running_month_by_two_versions_never_counts_for_less(
    database: Database, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It grows slice by slice, no metric falls, and once it is over it shows its whole figures."""
    made_by_an_older_version(database, at(database_settings, 2025, 6, 11, 16), monkeypatch)
    loaded = figures_in(database, "acme")[JUNE]
    spec = show_tenant(database, database_settings, "acme").spec
    for day in (11, 13, 18, 24, 28):
        settings = at(database_settings, 2025, 6, day, 20)
        materialise(database, settings, "acme")
        now = figures_in(database, "acme")[JUNE]
        assert all(loaded[metric] <= now[metric] <= spec.figures[-1][metric] for metric in METRICS)
        assert verify(database, settings, "acme")[0].is_as_expected
        assert all(
            fact <= datetime(2025, 6, day, 20, tzinfo=UTC)
            for table in ("contacts", "deals", "activities")
            for row in tenant_rows(database, "acme")[table].values()
            for name in ("created_at", "closed_at", "completed_at")
            if (fact := row.get(name)) is not None
        )
        loaded = now
    over = at(database_settings, 2025, 7, 1)
    materialise(database, over, "acme")
    assert sum(figures_in(database, "acme").values(), Figures()) == spec.total
    assert versions_of(database, over)[JUNE] == (OLD, versions.figures_version())
    assert verify(database, over, "acme")[0].is_as_expected


def test_plans_and_undo_hold_across_versions(
    database: Database, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan beyond loaded months makes them first, as its preview says, and is taken back to the byte."""
    made_by_an_older_version(database, at(database_settings, 2025, 7, 1), monkeypatch, LIVING)
    settings = at(database_settings, 2025, 9, 1)
    asked = plan({str(AUGUST): {"contacts_created": 4, "companies_created": 3, "activities_created": 6}})
    seen = preview(database, settings, "acme", asked)
    report = apply_patch(database, settings, "acme", asked)
    assert {result.month: result.after for result in report.months} == seen.targets
    assert seen.blueprint[JULY] == figures_in(database, "acme")[JULY]
    assert verify(database, settings, "acme")[0].is_as_expected
    rows = tenant_rows(database, "acme")
    # A name comes twice under two legal forms, but has one domain.
    for table, column in (("companies", "name"), ("companies", "domain"), ("contacts", "email")):
        texts = Counter(row[column] for row in rows[table].values() if row[column])
        assert texts.most_common(1)[0][1] == 1
    undo_job(database, settings, report.job_id)
    spec = show_tenant(database, settings, "acme").spec
    assert figures_in(database, "acme")[AUGUST] == spec.figures_of(AUGUST)
    assert verify(database, settings, "acme")[0].is_as_expected


def test_rows_that_came_before_a_plan_are_told_from_their_ids(
    database: Database, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job that made them has no report of its own: its plan's job says what it made."""
    made_by_an_older_version(database, at(database_settings, 2025, 7, 1), monkeypatch, LIVING)
    settings = at(database_settings, 2025, 9, 1)
    apply_patch(database, settings, "acme", plan({str(AUGUST): {"contacts_created": 4}}))
    rows = tenant_rows(database, "acme")["contacts"]
    execute(
        database,
        "UPDATE crm.contacts SET demo_generated = false, demo_job_id = NULL, demo_source_month = NULL",
    )
    assert not any(backfill(database, settings, "acme").unattributed.values())
    told = tenant_rows(database, "acme")["contacts"]
    assert {key: row["demo_job_id"] for key, row in told.items()} == {
        key: row["demo_job_id"] for key, row in rows.items()
    }
