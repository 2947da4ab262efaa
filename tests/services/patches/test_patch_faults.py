"""Patches that are cut off: nothing is left, the attempt is told failed, and a retry does what was asked."""

from __future__ import annotations

import json
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from psycopg.errors import ForeignKeyViolation

from demo_pipeline.domain.core.errors import DemoError, InputError, JobFailedError, VerificationError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.retry import retry_job
from demo_pipeline.services.tenants.queries import list_jobs
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.builders.currencies import EUR
from tests.fixtures.sessions import wait_for_loaders
from tests.seeded_random import SeededRandom
from tests.services.builders import BLUEPRINT, make_tenant, row_counts
from tests.services.months.test_faults import cutting_proxy
from tests.services.months.user_edits import People
from tests.services.patches.builders import (
    GENERATED,
    execute,
    expected_by_ledger,
    figures_of,
    plan,
    tenant_rows,
)
from tests.services.patches.cut_off import NOW, PLAN, assert_done, assert_retry_completes
from tests.services.patches.processes import answer, start, wait_ready


@pytest.fixture
def settings(database_settings: Settings) -> Settings:
    """Settings at an instant, so that a tenant is the same in every database."""
    return database_settings.model_copy(update={"now": NOW})


@pytest.fixture
def environment(database_env: dict[str, str]) -> dict[str, str]:
    """The same for a process."""
    return {**database_env, "DEMO_NOW": NOW.isoformat()}


def _kill_at_random(
    database: Database,
    settings: Settings,
    environment: dict[str, str],
    undisturbed: tuple[str, float],
    number: int,
) -> None:
    make_tenant(database, settings)
    process = start(environment, "acme", PLAN)
    wait_ready([process])
    time.sleep(SeededRandom(number).below(1500) / 1000 * undisturbed[1])
    process.kill()
    process.communicate()
    wait_for_loaders(database)
    jobs = [job for job in list_jobs(database, settings, "acme") if job.kind == "patch"]
    if jobs and jobs[0].status == "completed":
        assert_done(database, settings, undisturbed[0])
    elif jobs:
        assert_retry_completes(database, settings, undisturbed[0])
    else:
        assert row_counts(database)["users"] == 0
        apply_patch(database, settings, "acme", PLAN)
        assert_done(database, settings, undisturbed[0])


@pytest.mark.risk("P1")
@pytest.mark.parametrize("number", range(3))
def test_p01_killed_at_a_random_moment(
    database: Database,
    settings: Settings,
    environment: dict[str, str],
    undisturbed: tuple[str, float],
    number: int,
) -> None:
    """SIGKILL at any moment: the whole patch, blueprint's rows included, or nothing; then the same digest."""
    _kill_at_random(database, settings, environment, undisturbed, number)


@pytest.mark.long
@pytest.mark.risk("P1")
@pytest.mark.parametrize("number", range(1000, 1100))
def test_p01_killed_at_a_hundred_random_moments(
    database: Database,
    settings: Settings,
    environment: dict[str, str],
    undisturbed: tuple[str, float],
    number: int,
) -> None:
    """The same at a hundred more moments."""
    _kill_at_random(database, settings, environment, undisturbed, number)


@pytest.mark.risk("P1")
@pytest.mark.parametrize("step", ["loading contacts", "loading activities", "verifying"])
def test_p01_killed_at_a_step(
    database: Database,
    settings: Settings,
    environment: dict[str, str],
    undisturbed: tuple[str, float],
    step: str,
) -> None:
    """SIGKILL with rows of the blueprint in, with rows of the patch in, and just before the commit."""
    make_tenant(database, settings)
    process = start(environment, "acme", PLAN, signal=signal.SIGKILL, at=step)
    assert answer(process) is None
    assert process.returncode == -signal.SIGKILL
    wait_for_loaders(database)
    assert_retry_completes(database, settings, undisturbed[0])


@pytest.mark.risk("P1")
def test_p01_interrupted(
    database: Database, settings: Settings, environment: dict[str, str], undisturbed: tuple[str, float]
) -> None:
    """Ctrl-C amid the load: rolled back, told so, exit 130."""
    make_tenant(database, settings)
    process = start(environment, "acme", PLAN, signal=signal.SIGINT, at="loading activities")
    said = answer(process)
    assert (process.returncode, said["error"]) == (130, "interrupted")
    assert_retry_completes(database, settings, undisturbed[0])


@pytest.mark.risk("P2", partial=True)
def test_p02_killed_between_commit_and_answer(
    database: Database, settings: Settings, environment: dict[str, str], undisturbed: tuple[str, float]
) -> None:
    """SIGKILL once the commit is through and nobody was told: the next call says already applied."""
    make_tenant(database, settings)
    process = start(environment, "acme", PLAN, signal=signal.SIGKILL, at="committed")
    assert answer(process) is None
    assert process.returncode == -signal.SIGKILL
    assert_done(database, settings, undisturbed[0])


@pytest.mark.risk("P2", partial=True)
def test_p02_answer_lost_on_the_way(
    database: Database, settings: Settings, undisturbed: tuple[str, float]
) -> None:
    """The connection dies with the answer to the commit in it: the job finds out that it is done."""
    make_tenant(database, settings)
    cuts: list[bool] = []
    with cutting_proxy(database, cuts) as through:
        report = apply_patch(through, settings, "acme", PLAN)
    assert any(cuts)
    assert (report.status, report.already_applied, report.is_passed) == ("completed", False, True)
    assert_done(database, settings, undisturbed[0])


def plant(database: Database, table: str, body: str, when: str = "AFTER INSERT") -> None:
    """A trigger of the administrator that does something for each statement, or row (BEFORE)."""
    each = "EACH ROW" if when.startswith("BEFORE") else "EACH STATEMENT"
    execute(
        database,
        f"CREATE FUNCTION crm.planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$",
    )
    execute(
        database, f"CREATE TRIGGER planted {when} ON crm.{table} FOR {each} EXECUTE FUNCTION crm.planted()"
    )


def uproot(database: Database) -> None:
    """The end of what was planted."""
    execute(database, "DROP FUNCTION crm.planted CASCADE")


#: name → table, body of the trigger, when it fires, error, its message, and the code of the attempt's end
PLANTED: dict[str, tuple[str, str, str, type[DemoError], str, str]] = {
    "connection-cut": (
        "deals", "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL;", "AFTER INSERT",
        JobFailedError, "connection", "job_failed",
    ),
    "statement-timeout": (
        "activities", "PERFORM pg_sleep(5); RETURN NULL;", "AFTER INSERT",
        JobFailedError, "statement timeout", "job_failed",
    ),
    "cancelled": (
        "activities", "PERFORM pg_cancel_backend(pg_backend_pid()); RETURN NULL;", "AFTER INSERT",
        JobFailedError, "cancelled", "job_failed",
    ),
    "a-row-left-out": (
        "activities", "IF new.id::text LIKE '%7' THEN RETURN NULL; END IF; RETURN new;", "BEFORE INSERT",
        VerificationError, "activities_created", "verification_failed",
    ),
    "a-cent-more": (
        "deals", "new.value := new.value + 0.01; RETURN new;", "BEFORE INSERT",
        VerificationError, "value", "verification_failed",
    ),
    "another-month": (
        "contacts", "new.created_at := new.created_at - interval '1 month'; RETURN new;", "BEFORE INSERT",
        JobFailedError, "row-level security policy for table .contacts.", "job_failed",
    ),
    "an-orphan": (
        "deals", "new.contact_id := gen_random_uuid(); RETURN new;", "BEFORE INSERT",
        JobFailedError, "deals_contact_fkey", "job_failed",
    ),
    "a-company-of-its-own": (
        "deals", "new.company_id := NULL; RETURN new;", "BEFORE INSERT",
        VerificationError, "have its company", "verification_failed",
    ),
}  # fmt: skip


@pytest.mark.risk("P1")
@pytest.mark.parametrize("name", PLANTED)
def test_p01_planted(
    database: Database, settings: Settings, undisturbed: tuple[str, float], name: str
) -> None:
    """What fails amid the patch takes everything back with it, is told by its name, and is retried."""
    table, body, when, kind, message, code = PLANTED[name]
    make_tenant(database, settings)
    plant(database, table, body, when)
    hasty = replace(database, statement_timeout_seconds=2)
    with pytest.raises(kind, match=message):
        apply_patch(hasty if name == "statement-timeout" else database, settings, "acme", PLAN)
    uproot(database)
    assert_retry_completes(database, settings, undisturbed[0], code)


@pytest.mark.risk("P1")
def test_p01_retried_by_its_id(
    database: Database, settings: Settings, undisturbed: tuple[str, float]
) -> None:
    """The failed job itself can be taken up, and once done says so."""
    make_tenant(database, settings)
    plant(database, "deals", "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL;")
    with pytest.raises(JobFailedError):
        apply_patch(database, settings, "acme", PLAN)
    uproot(database)
    [job] = [job for job in list_jobs(database, settings, "acme") if job.kind == "patch"]
    assert job.status == "failed"
    assert not retry_job(database, settings, job.id).already_applied
    assert retry_job(database, settings, job.id).already_applied
    assert_done(database, settings, undisturbed[0])
    lines = (settings.home / "log" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [event["event"] for event in map(json.loads, lines) if event.get("job_id") == str(job.id)]
    assert events[:4] == [
        "PATCH_JOB_STARTED",
        "PATCH_JOB_FAILED",
        "PATCH_JOB_STARTED",
        "PATCH_JOB_COMPLETED",
    ]
    assert set(events[4:]) == {"PATCH_IDEMPOTENCY_DETECTED"}


def undo_a_patch(
    database: Database, settings: Settings, asked: dict[str, Any]
) -> tuple[JobReport, list[JobReport]]:
    """Apply patches until one can be undone: one on whose rows people hang theirs meanwhile is kept."""
    applied: list[JobReport] = []
    for number in range(10):
        applied.append(apply_patch(database, settings, "acme", plan({"2025-03": asked}, seed=f"u{number}")))
        try:
            return undo_job(database, settings, applied[-1].job_id, with_dependents=True), applied
        except InputError as refused:
            if refused.problems[0].code != "people_hang_on_it":
                raise
    raise AssertionError("people hung a row on each of ten patches")


@pytest.mark.risk("P1")
def test_p01_people_work_all_the_while(database: Database, settings: Settings) -> None:
    """People edit, add and hide rows while patches come and go: each figure moves by what was asked."""
    make_tenant(database, settings)
    apply_patch(database, settings, "acme", PLAN)
    people = People(database, "acme", Month.parse(BLUEPRINT["start_month"]))
    draws, stopped, errors = SeededRandom(5), threading.Event(), list[BaseException]()

    def work() -> None:
        try:
            while not stopped.is_set():
                # A deal that a patch has just given an activity cannot be deleted; its user tries another.
                with suppress(ForeignKeyViolation):
                    people.act(draws, NOW, 5)
        except BaseException as error:  # noqa: BLE001 - looked at below
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        asked: dict[str, Any] = {"contacts_created": 20, "deals_created": 10, "activities_created": 60}
        reports = [
            apply_patch(database, settings, "acme", plan({"2025-03": asked}, seed=str(number)))
            for number in range(6)
        ]
        undone, last = undo_a_patch(database, settings, asked)
        reports += last
    finally:
        stopped.set()
        thread.join()
    assert errors == []
    assert all(report.is_passed for report in [*reports, undone])
    rows = tenant_rows(database, "acme")
    for report in reports:
        own = [row for table in GENERATED for row in rows[table].values()]
        made = [row for row in own if row["demo_job_id"] == report.job_id]
        assert len(made) <= 90
        [result] = report.months
        assert (result.delta.contacts_created, result.delta.deals_created) == (20, 10)
    # What differs from the ledger is what people did, and verify tells just that.
    expected, found = expected_by_ledger(database, settings, "acme"), figures_of(rows, EUR)
    told = {finding.month for finding in verify(database, settings, "acme")[0].findings if finding.metric}
    assert told == {str(month) for month in {*expected, *found} if expected.get(month) != found.get(month)}
