"""The main job against a real database: exact, whole or not at all, once, the same in any order."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.errors import (
    BusyError,
    InputError,
    JobFailedError,
    NotADemoTenantError,
    VerificationError,
)
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.jobs.steps import JobCaller
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.extend import extend_tenant
from demo_pipeline.services.tenants.queries import digest, kpis, list_jobs, show_job
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import tenants
from tests.fixtures.postgres import MakeDatabase
from tests.services.builders import BLUEPRINT, figures_in, made, make_tenant, row_counts

JANUARY, JUNE = Month.parse("2025-01"), Month.parse("2025-06")


def at(settings: Settings, instant: datetime) -> Settings:
    """The settings as of another instant."""
    return settings.model_copy(update={"now": instant})


def spec_in(database: Database, slug: str = "acme") -> TenantSpec:
    """The spec that is stored with a tenant."""
    with database.admin(readonly=True) as conn:
        return TenantSpec.from_json(tenants.get_tenant(conn, slug).plan)


def test_every_month_is_exact_and_verified(database: Database, database_settings: Settings) -> None:
    """The figures in the database, computed apart from our SQL, are the plan's, and verify agrees."""
    report = made(database, database_settings)
    spec = spec_in(database)
    expected = dict(zip(spec.months, spec.figures, strict=True))
    assert figures_in(database, "acme") == expected
    assert {one.month: one.after for one in report.months} == expected
    assert kpis(database, database_settings, "acme").months == expected
    assert spec.total.closed_won_value == 31_000_000
    assert spec.total.pipeline_added_value == 78_000_050
    assert verify(database, database_settings)[0].is_as_expected
    assert report.created["contacts"] == 220
    assert not report.already_applied


def test_a_second_time_changes_nothing(database: Database, database_settings: Settings) -> None:
    """The same request again is the same job: no row, no attempt, and the event says so."""
    first = made(database, database_settings)
    before = digest(database, database_settings, "acme")
    again = materialise(database, database_settings, "acme")
    assert again.already_applied
    assert again.job_id == first.job_id
    assert digest(database, database_settings, "acme") == before
    assert len(show_job(database, first.job_id).attempts) == 1
    lines = (database_settings.home / "log" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["event"] for line in lines] == [
        "PATCH_JOB_STARTED",
        "PATCH_JOB_COMPLETED",
        "PATCH_IDEMPOTENCY_DETECTED",
    ]


@pytest.mark.risk("G5")
def test_g05_order_of_months_does_not_matter(
    make_database: MakeDatabase, database_settings: Settings
) -> None:
    """One by one, backwards, in one run, and in two databases: the same digest."""
    orders: list[list[tuple[Month | None, Month | None]]] = [
        [(None, None)],
        [(month, month) for month in JANUARY.until(JUNE)],
        [(month, month) for month in reversed(list(JANUARY.until(JUNE)))],
        [(Month.parse("2025-03"), Month.parse("2025-04")), (None, None)],
    ]
    digests: set[str] = set()
    for order in orders:
        database = make_database()
        make_tenant(database, database_settings)
        for first, last in order:
            materialise(database, database_settings, "acme", first, last)
        digests.add(digest(database, database_settings, "acme"))
        assert verify(database, database_settings)[0].is_as_expected
    assert len(digests) == 1


def test_running_month_is_topped_up_to_the_month_made_at_once(
    make_database: MakeDatabase, database_settings: Settings
) -> None:
    """Slices of a running month, each verified, end in the rows of a month made at once."""
    blueprint = BLUEPRINT | {"end_month": "2025-06"}
    start = at(database_settings, datetime(2025, 6, 3, 12, tzinfo=UTC))
    sliced = make_database()
    make_tenant(sliced, start, blueprint)
    counts: list[int] = []
    for instant in ((2025, 6, 3, 12), (2025, 6, 11, 9), (2025, 6, 24, 17), (2025, 7, 1, 0)):
        now = at(database_settings, datetime(*instant, tzinfo=UTC))
        report = materialise(sliced, now, "acme")
        assert verify(sliced, now)[0].is_as_expected, verify(sliced, now)
        counts.append(report.created.get("activities", 0))
        assert materialise(sliced, now, "acme").already_applied
    assert all(counts)

    whole = make_database()
    make_tenant(whole, start, blueprint)
    materialise(whole, at(database_settings, datetime(2025, 7, 1, tzinfo=UTC)), "acme")
    assert digest(whole, database_settings, "acme") == digest(sliced, database_settings, "acme")


def test_months_after_the_span_continue_it(database: Database, database_settings: Settings) -> None:
    """A month that an extension adds follows the curve, and is verified like the others."""
    made(database, database_settings)
    extend_tenant(database, database_settings, "acme", JUNE + 2)
    report = materialise(database, database_settings, "acme", JUNE + 1, JUNE + 2)
    assert [str(one.month) for one in report.months] == ["2025-07", "2025-08"]
    assert all(one.after == one.expected and one.after for one in report.months)
    assert verify(database, database_settings)[0].is_as_expected


def test_rows_of_people_stay_and_are_drift(database: Database, database_settings: Settings) -> None:
    """Contacts made by hand before and after a load are left alone, counted, and reported as drift."""
    make_tenant(database, database_settings)
    with database.admin() as conn:
        conn.execute(
            "INSERT INTO crm.contacts (tenant_id, first_name, last_name, status, created_at) "
            "SELECT id, 'Ada', 'Byron', 'lead', '2025-02-11 10:00Z' FROM crm.tenants"
        )
    report = materialise(database, database_settings, "acme")
    assert sum(one.drift.contacts_created for one in report.months) == 1
    assert figures_in(database, "acme")[Month.parse("2025-02")].leads_created == (
        spec_in(database).figures_of(Month.parse("2025-02")).leads_created + 1
    )
    verdict = verify(database, database_settings)[0]
    assert {(one.month, one.metric) for one in verdict.findings} == {
        ("2025-02", "leads_created"),
        ("2025-02", "contacts_created"),
    }
    assert materialise(database, database_settings, "acme").already_applied


def test_rows_that_went_missing_are_made_again(database: Database, database_settings: Settings) -> None:
    """Rows removed from the database come back as they were, by a job of their own."""
    first = made(database, database_settings)
    before = digest(database, database_settings, "acme")
    with database.admin() as conn:
        conn.execute("DELETE FROM crm.activities WHERE created_at < '2025-03-01'")
    assert not verify(database, database_settings)[0].is_as_expected
    report = materialise(database, database_settings, "acme")
    assert report.job_id != first.job_id
    assert set(report.created) == {"activities"}
    assert digest(database, database_settings, "acme") == before


def test_a_real_tenant_is_refused_and_audited(database: Database, database_settings: Settings) -> None:
    """A tenant that is no demo: refused, logged, audited; its rows are as they were."""
    with database.admin() as conn:
        conn.execute("INSERT INTO crm.tenants (slug, name) VALUES ('acme', 'A customer')")
    before = row_counts(database)
    with pytest.raises(NotADemoTenantError):
        materialise(database, database_settings, "acme")
    with pytest.raises(NotADemoTenantError):
        make_tenant(database, database_settings)
    assert row_counts(database) == before
    with database.admin(readonly=True) as conn:
        events = conn.execute("SELECT event, slug FROM demo.audit_log ORDER BY id").fetchall()
    assert events == [("NON_DEMO_TENANT_BLOCKED", "acme")] * 2


@pytest.mark.parametrize(
    ("first", "last", "code"),
    [
        ("2024-12", None, "before_span"),
        ("2025-02", "2025-01", "empty_range"),
        ("2025-01", "2099-01", "future_month"),
    ],
)
def test_months_outside_are_refused(
    database: Database, database_settings: Settings, first: str, last: str | None, code: str
) -> None:
    """Before the span, in the future, or the wrong way round: the input is wrong, nothing is tried."""
    make_tenant(database, database_settings)
    with pytest.raises(InputError) as caught:
        materialise(
            database, database_settings, "acme", Month.parse(first), Month.parse(last) if last else None
        )
    assert [problem.code for problem in caught.value.problems] == [code]
    assert row_counts(database)["contacts"] == 0


def test_a_wrong_kpi_commits_nothing(database: Database, database_settings: Settings) -> None:
    """A value that changes on its way into the table is found before the commit: no row, a failed job."""
    make_tenant(database, database_settings)
    with database.admin() as conn:
        conn.execute(
            "CREATE FUNCTION crm.skew() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN NEW.value := NEW.value + 0.01; RETURN NEW; END $$"
        )
        conn.execute(
            "CREATE TRIGGER skew BEFORE INSERT ON crm.deals FOR EACH ROW "
            "WHEN (NEW.demo_source_month = '2025-04') EXECUTE FUNCTION crm.skew()"
        )
    with pytest.raises(VerificationError) as caught:
        materialise(database, database_settings, "acme")
    assert "2025-04 closed_won_value" in caught.value.message
    assert {table: count for table, count in row_counts(database).items() if count} == {"tenants": 1}
    job = list_jobs(database, database_settings, "acme")[0]
    assert (job.status, job.error_code) == ("failed", "verification_failed")
    with database.admin() as conn:
        conn.execute("DROP TRIGGER skew ON crm.deals")
    assert materialise(database, database_settings, "acme").job_id == job.id
    assert verify(database, database_settings)[0].is_as_expected


@pytest.mark.risk("G1")
def test_g01_a_load_beyond_its_timeout_leaves_nothing(
    database: Database, database_settings: Settings
) -> None:
    """Job, statement and lock timeouts: no row, a failed job that names it, a retry that succeeds."""
    make_tenant(database, database_settings)
    hurried = database_settings.model_copy(update={"job_timeout_seconds": 0.000_1})
    with pytest.raises(JobFailedError, match=r"longer than 0\.0001 s"):
        materialise(database, hurried, "acme")
    with database.admin() as conn:
        conn.execute(
            "CREATE FUNCTION crm.dawdle() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END $$"
        )
        conn.execute(
            "CREATE TRIGGER dawdle BEFORE INSERT ON crm.contacts FOR EACH ROW EXECUTE FUNCTION crm.dawdle()"
        )
    impatient = Database(
        admin_url=database.admin_url, loader_url=database.loader_url, statement_timeout_seconds=0.5
    )
    with pytest.raises(JobFailedError, match="statement timeout"):
        materialise(impatient, database_settings, "acme")
    waiting = replace(impatient, statement_timeout_seconds=60, lock_timeout_seconds=0.3)
    with database.admin() as conn, conn.transaction():
        conn.execute("SELECT FROM crm.tenants FOR UPDATE")
        with pytest.raises(JobFailedError, match="lock timeout"):
            materialise(waiting, database_settings, "acme")
    assert row_counts(database)["contacts"] == 0
    job = list_jobs(database, database_settings, "acme")[0]
    assert job.status == "failed"
    assert "timeout" in (job.error_message or "")
    with database.admin() as conn:
        conn.execute("DROP TRIGGER dawdle ON crm.contacts")
    report = materialise(database, database_settings, "acme")
    assert report.job_id == job.id
    assert [one.status for one in show_job(database, job.id).attempts] == [
        *["failed"] * 3,
        "completed",
    ]


def test_who_waits_too_long_is_told_so(database: Database, database_settings: Settings) -> None:
    """A tenant that another session holds: busy after the wait, and nothing was tried."""
    make_tenant(database, database_settings)
    with database.loader() as conn:
        tenant_id = tenants.demo_tenant_id(conn, "acme")
        with tenants.hold_tenant(conn, tenant_id, 1), pytest.raises(BusyError):
            materialise(database, database_settings.model_copy(update={"wait_seconds": 0.2}), "acme")
    assert row_counts(database)["contacts"] == 0


@pytest.mark.risk("G9")
def test_g09_twenty_at_once_are_one_job(database: Database, database_settings: Settings) -> None:
    """Twenty identical requests at once: one job does it, nineteen are told that it was done."""
    make_tenant(database, database_settings)
    reports: list[Any] = []

    def ask() -> None:
        reports.append(materialise(database, database_settings, "acme"))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.already_applied for report in reports) == [False] + [True] * 19
    assert len({report.job_id for report in reports}) == 1
    spec = spec_in(database)
    assert figures_in(database, "acme") == dict(zip(spec.months, spec.figures, strict=True))


def test_progress_can_be_read_from_another_connection(
    database: Database, database_settings: Settings
) -> None:
    """While a job runs, demo.jobs shows its steps to a second connection; the caller hears them too."""
    make_tenant(database, database_settings)
    with database.admin() as conn:
        conn.execute(
            "CREATE FUNCTION crm.dawdle() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_sleep(0.8); RETURN NULL; END $$"
        )
        # What the first one delays is reported while the second one waits.
        for table in ("deals", "activities"):
            conn.execute(f"CREATE TRIGGER dawdle AFTER INSERT ON crm.{table} EXECUTE FUNCTION crm.dawdle()")
    heard: list[int] = []
    seen: set[tuple[int, str]] = set()
    done = threading.Event()

    def watch() -> None:
        with psycopg.connect(database.admin_url, autocommit=True) as conn:
            while not done.wait(0.05):
                seen.update(conn.execute("SELECT progress, current_step FROM demo.jobs").fetchall())

    watcher = threading.Thread(target=watch)
    watcher.start()
    caller = JobCaller(on_progress=lambda percent, _: heard.append(percent))
    materialise(database, database_settings, "acme", caller=caller)
    done.set()
    watcher.join()
    assert heard == sorted(heard)
    assert heard[-1] == 100
    assert any(0 < percent < 100 for percent, _ in seen), seen


def test_another_blueprint_of_the_same_slug_is_refused(
    database: Database, database_settings: Settings, tmp_path: Path
) -> None:
    """The span is fixed at provisioning: a changed file is refused with what differs, the same is fine."""
    make_tenant(database, database_settings)
    make_tenant(database, database_settings)
    with pytest.raises(InputError, match=r"\(name differs: name '.*' then, 'Another name' now\)") as one:
        make_tenant(database, database_settings, BLUEPRINT | {"name": "Another name"})
    assert "delete the tenant with all its rows first" in one.value.message
    long = BLUEPRINT | {"name": "Another name", "totals": {"contacts_created": 1}}
    with pytest.raises(InputError, match=r"\(name, totals differ: name '.*' then, 'Another name' now\)"):
        make_tenant(database, database_settings, long)
    assert row_counts(database)["tenants"] == 1


def test_an_empty_figure_is_zero_not_absent(database: Database, database_settings: Settings) -> None:
    """KPIs list every month of the span, also those in which nothing was asked for."""
    months = [{"month": "2025-03", "contacts_created": 4}]
    blueprint = {key: value for key, value in BLUEPRINT.items() if key != "totals"} | {"months": months}
    made(database, database_settings, blueprint)
    table = kpis(database, database_settings, "acme")
    assert [str(month) for month in table.months] == [str(month) for month in JANUARY.until(JUNE)]
    assert table.months[JANUARY] == Figures()
    assert table.months[Month.parse("2025-03")] == Figures(contacts_created=4)
