"""What people do in a demo tenant meanwhile: their rows stay, ours come back, and drift is told."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from demo_pipeline.domain.core.errors import CapExceededError, InputError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.preview import preview
from demo_pipeline.services.tenants.extend import extend_tenant
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.services.tenants.queries import digest, list_jobs
from demo_pipeline.services.tenants.verify import Check, verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.clock import current_instant
from demo_pipeline.storage.connection.database import Database
from tests.assertions.generated_rows import write_blueprint
from tests.services.builders import BLUEPRINT, made, make_tenant, row_counts
from tests.services.patches.builders import plan

JULY = Month.parse("2025-07")


def execute(database: Database, statement: str) -> None:
    """One statement of the administrator."""
    with database.admin() as conn:
        conn.execute(statement.encode())


def test_rows_replaced_by_hand_do_not_hide_missing_ones(
    database: Database, database_settings: Settings
) -> None:
    """As many rows made by hand as were removed: the figures agree, and the blueprint's are missing."""
    made(database, database_settings)
    before = digest(database, database_settings, "acme")
    execute(
        database,
        "WITH gone AS (DELETE FROM crm.activities WHERE demo_source_month = '2025-01' "
        "RETURNING tenant_id, created_at) "
        "INSERT INTO crm.activities (tenant_id, type, created_at) "
        "SELECT tenant_id, 'note', created_at FROM gone",
    )
    [missing] = verify(database, database_settings)[0].findings
    assert (missing.check, missing.month, missing.table) == (Check.MISSING, "2025-01", "activities")
    report = materialise(database, database_settings, "acme")
    assert report.created["activities"] > 0
    execute(database, "DELETE FROM crm.activities WHERE NOT demo_generated")
    assert digest(database, database_settings, "acme") == before


def test_new_rows_make_up_for_hidden_ones(database: Database, database_settings: Settings) -> None:
    """Rows that people hid stay hidden; others take their place, once, and the figures are as expected."""
    made(database, database_settings)
    execute(
        database,
        "UPDATE crm.activities SET deleted_at = greatest(now(), created_at) "
        "WHERE demo_source_month = '2025-02'",
    )
    drift, missing = verify(database, database_settings)[0].findings
    assert (drift.check, drift.metric) == (Check.DRIFT, "activities_created")
    assert (missing.check, missing.table) == (Check.MISSING, "activities")
    report = materialise(database, database_settings, "acme")
    assert (report.kind, report.is_passed) == ("heal", True)
    assert verify(database, database_settings)[0].is_as_expected
    assert materialise(database, database_settings, "acme").already_applied
    assert len(list_jobs(database, database_settings, "acme")) == 2


def test_what_new_rows_cannot_mend_is_drift_and_no_new_job(
    database: Database, database_settings: Settings
) -> None:
    """A won deal that people lost: one more would be a deal too many. Told as drift, however often asked."""
    first = made(database, database_settings)
    execute(
        database,
        "UPDATE crm.deals SET stage_id = (SELECT id FROM crm.pipeline_stages WHERE is_lost LIMIT 1) "
        "WHERE id = (SELECT d.id FROM crm.deals d JOIN crm.pipeline_stages s ON s.id = d.stage_id "
        "WHERE s.is_won LIMIT 1)",
    )
    for _ in range(2):
        report = materialise(database, database_settings, "acme")
        assert report.already_applied
        assert report.job_id == first.job_id
        assert sum(one.drift.closed_won_count for one in report.months) == -1
    assert len(list_jobs(database, database_settings, "acme")) == 1


def test_a_stage_that_people_changed_does_not_stop_the_next_month(
    database: Database, database_settings: Settings
) -> None:
    """A stage turned into a won one changes the figures, which is drift; new months load all the same."""
    made(database, database_settings)
    execute(database, "UPDATE crm.pipeline_stages SET is_won = true WHERE name = 'Discovery'")
    extend_tenant(database, database_settings, "acme", JULY)
    report = materialise(database, database_settings, "acme", JULY, JULY)
    assert report.created["deals"] > 0
    metrics = {one.metric for one in verify(database, database_settings)[0].findings}
    assert "closed_won_count" in metrics


def test_a_row_moved_to_another_month_is_not_made_twice(
    database: Database, database_settings: Settings
) -> None:
    """A month finds its rows where people moved them; what it lacks then, another row makes up for."""
    before = sum(made(database, database_settings).created.values())
    with database.admin() as conn:
        conn.execute(
            "UPDATE crm.activities SET demo_generated = false, created_at = created_at + interval '40 days', "
            "updated_at = updated_at + interval '40 days' "
            "WHERE id = (SELECT id FROM crm.activities WHERE demo_source_month = '2025-01' LIMIT 1)"
        )
        conn.execute(
            "DELETE FROM crm.activities WHERE id = (SELECT id FROM crm.activities "
            "WHERE demo_source_month = '2025-01' AND demo_generated LIMIT 1)"
        )
    report = materialise(database, database_settings, "acme")
    # The deleted one is made again by the blueprint's job, another one makes up for the one that was moved.
    assert [part.created["activities"] for part in report.jobs] == [1, 1]
    assert report.created["activities"] == 2
    assert not any(one.drift.activities_created for one in report.months if one.month == Month.of(2025, 1))
    # The one that was deleted, and one for the one that was moved.
    assert sum(row_counts(database).values()) - 1 == before + 1


def test_a_tag_set_again_by_hand_stops_nothing(database: Database, database_settings: Settings) -> None:
    """A contact's tag removed and set again by a person is as good as ours."""
    made(database, database_settings)
    with database.admin() as conn:
        conn.execute("UPDATE crm.contact_tags SET id = gen_random_uuid() WHERE created_at < '2025-02-01'")
        conn.execute(
            "DELETE FROM crm.activities WHERE id = (SELECT id FROM crm.activities "
            "WHERE demo_source_month = '2025-01' LIMIT 1)"
        )
    assert materialise(database, database_settings, "acme").created["activities"] == 1


@pytest.mark.risk("G1", partial=True)
def test_g01_months_after_the_span_have_caps_too(database: Database, database_settings: Settings) -> None:
    """A curve that explodes after the span is not extended beyond a cap: refused with it, before any work."""
    steep = BLUEPRINT | {"growth": {"curve": "exponential", "monthly_rate": "3.0"}}
    made(database, database_settings, steep)
    before = row_counts(database)
    with pytest.raises(CapExceededError, match=r"500,?000"):
        extend_tenant(database, database_settings, "acme", JULY + 8)
    assert row_counts(database) == before


def test_an_instant_before_the_tenant_is_refused(database: Database, database_settings: Settings) -> None:
    """DEMO_NOW at a moment when the tenant was not there: the input is wrong, nothing is tried."""
    make_tenant(database, database_settings)
    long_ago = current_instant(database, database_settings) - timedelta(days=400)
    past = database_settings.model_copy(update={"now": long_ago})
    with pytest.raises(InputError, match="before acme was provisioned"):
        materialise(database, past, "acme")
    found = preview(database, past, "acme", plan({"2025-01": {"contacts_created": 1}}))
    assert (found.feasible, found.exit_code) == (False, 2)
    assert [problem.code for problem in found.problems] == ["before_provisioning"]


def test_provisioned_by_several_at_once(database: Database, database_settings: Settings) -> None:
    """Six identical provisionings at once: one makes the tenant, five find it."""
    folder = database_settings.home / "blueprints"
    folder.mkdir(parents=True)
    path = write_blueprint(folder, BLUEPRINT)
    results: list[Any] = []

    def ask() -> None:
        results.append(provision(database, database_settings, path))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.is_new for one in results) == [False] * 5 + [True]
    assert row_counts(database)["tenants"] == 1


def test_a_tenant_unknown_to_the_statistics_loads_through_primary_keys(
    database: Database, database_settings: Settings
) -> None:
    """After ANALYZE a new tenant looks empty to the planner; its checks must not read all its rows each."""
    made(database, database_settings, slug="first")
    made(database, database_settings, slug="second")
    execute(database, "ANALYZE")
    reads = "SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE schemaname = 'crm'"

    def tuples_read() -> int:
        with database.admin() as conn:
            conn.execute("SELECT pg_stat_force_next_flush()")
            return int(conn.execute(reads.encode()).fetchall()[0][0])

    before = tuples_read()
    report = made(database, database_settings, slug="third")
    rows = sum(report.created.values())
    # Six foreign keys a row at most, and the checks before the commit; one scan a row would be rows².
    assert tuples_read() - before < 60 * rows
