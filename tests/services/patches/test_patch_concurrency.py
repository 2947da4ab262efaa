"""Many patches at once: one job where they ask the same, their sum where not, and tenants that never wait."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

from demo_pipeline.domain.core.errors import BusyError
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.jobs.steps import JobCaller
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.queries import digest, kpis, list_jobs
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger.tenants import hold_tenant
from tests.builders.currencies import EUR
from tests.services.builders import BLUEPRINT, made, make_tenant
from tests.services.patches.builders import execute, figures_of, plan, scalar, tenant_rows
from tests.services.patches.processes import answer, start, wait_ready

T = TypeVar("T")

MARCH = Month.parse("2025-03")
SOME = plan({"2025-03": {"leads_created": 6, "contacts_created": 9, "deals_created": 4}})


def at_once(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """Each in a thread, all begun together; their results in order."""
    barrier = threading.Barrier(len(tasks))

    def run(task: Callable[[], T]) -> T:
        barrier.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return [future.result() for future in [pool.submit(run, task) for task in tasks]]


@pytest.mark.risk("P2")
@pytest.mark.parametrize("count", [8, pytest.param(20, marks=pytest.mark.long)])
def test_p02_processes_ask_the_same(
    database: Database, database_settings: Settings, database_env: dict[str, str], tmp_path: Path, count: int
) -> None:
    """One of many applies it, the others are told so; no row twice, and each detection is logged."""
    made(database, database_settings)
    before = kpis(database, database_settings, "acme").months
    gate = tmp_path / "gate"
    processes = [start(database_env, "acme", SOME, at=gate) for _ in range(count)]
    wait_ready(processes)
    gate.touch()
    answers = [answer(process) for process in processes]
    assert [process.returncode for process in processes] == [0] * count
    assert len({told["job_id"] for told in answers}) == 1
    assert sorted(told["already_applied"] for told in answers) == [False] + [True] * (count - 1)
    after = kpis(database, database_settings, "acme").months
    assert after[MARCH] - before[MARCH] == Figures(
        leads_created=6,
        contacts_created=9,
        deals_created=4,
        pipeline_added_value=(after[MARCH] - before[MARCH]).pipeline_added_value,
    )
    assert {month: figures for month, figures in after.items() if month != MARCH} == {
        month: figures for month, figures in before.items() if month != MARCH
    }
    assert len([job for job in list_jobs(database, database_settings) if job.kind == "patch"]) == 1
    log = (database_settings.home / "log" / "events.jsonl").read_text(encoding="utf-8")
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events.count("PATCH_IDEMPOTENCY_DETECTED") == count - 1
    assert verify(database, database_settings)[0].is_as_expected


@pytest.mark.risk("P2")
def test_p02_again_is_on_purpose(database: Database, database_settings: Settings) -> None:
    """The same plan twice is one job; with again it is the next one, and that one twice is one, too."""
    made(database, database_settings)
    first = apply_patch(database, database_settings, "acme", SOME)
    rows = digest(database, database_settings, "acme")
    same = apply_patch(database, database_settings, "acme", SOME)
    assert (same.already_applied, same.job_id) == (True, first.job_id)
    assert digest(database, database_settings, "acme") == rows
    again = apply_patch(database, database_settings, "acme", SOME, again=True)
    assert not again.already_applied
    assert again.job_id != first.job_id
    [one], [other] = first.months, again.months
    assert other.delta.contacts_created == one.delta.contacts_created == 9
    assert apply_patch(database, database_settings, "acme", SOME).already_applied
    assert verify(database, database_settings)[0].is_as_expected


def test_twenty_plans_on_one_tenant(database: Database, database_settings: Settings) -> None:
    """All are applied, one after the other, and the figures are their sum."""
    made(database, database_settings)
    before = kpis(database, database_settings, "acme").months
    plans = [
        plan({"2025-03": {"contacts_created": number, "activities_created": 2 * number}, "2025-04": {}})
        for number in range(1, 21)
    ]
    reports = at_once(
        [lambda one=one: apply_patch(database, database_settings, "acme", one) for one in plans]
    )
    assert not any(report.already_applied for report in reports)
    assert len({report.job_id for report in reports}) == 20
    after = kpis(database, database_settings, "acme").months
    assert after[MARCH] - before[MARCH] == Figures(contacts_created=210, activities_created=420)
    numbers = [job.number for job in list_jobs(database, database_settings, "acme")]
    assert sorted(numbers) == list(range(1, 22))
    contacts = tenant_rows(database, "acme")["contacts"].values()
    emails = [row["email"] for row in contacts if row["email"] is not None]
    assert len(set(emails)) == len(emails)
    assert verify(database, database_settings)[0].is_as_expected


@pytest.mark.parametrize("count", [8, pytest.param(20, marks=pytest.mark.long)])
def test_many_tenants_at_once(database: Database, database_settings: Settings, count: int) -> None:
    """No error, and no job waits for a row, a transaction or a tenant of another one."""
    slugs = [f"tenant-{number}" for number in range(count)]
    small = BLUEPRINT | {"end_month": "2025-03", "totals": BLUEPRINT["totals"] | {"activities_created": 100}}
    for slug in slugs:
        make_tenant(database, database_settings, small, slug)
    stopped, waits = threading.Event(), set[tuple[str, str]]()

    def watch() -> None:
        with database.admin() as conn:
            while not stopped.is_set():
                # Everybody's for a moment each: the counter of requests, and the end of a table's file.
                waits.update(
                    conn.execute(
                        "SELECT locktype, mode FROM pg_locks WHERE NOT granted AND database ="
                        " (SELECT oid FROM pg_database WHERE datname = current_database())"
                        " AND locktype <> 'extend' AND (locktype, (classid::bigint << 32) | objid::bigint) <>"
                        " ('advisory', hashtextextended('demo requests', 0))"
                    ).fetchall()
                )
                time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        reports = at_once(
            [lambda slug=slug: apply_patch(database, database_settings, slug, SOME) for slug in slugs]
        )
    finally:
        stopped.set()
        watcher.join()
    assert all(report.is_passed and not report.already_applied for report in reports)
    assert waits == set()
    assert all(verdict.is_as_expected for verdict in verify(database, database_settings))


def test_targets_at_once_do_not_overshoot(database: Database, database_settings: Settings) -> None:
    """Four requests for the same target in different words: the figure is the target, whoever came first."""
    made(database, database_settings)
    there = kpis(database, database_settings, "acme").months[MARCH]
    target = {"2025-03": {"contacts_created": there.contacts_created + 30}}
    plans = [plan(target, targets=True, seed=str(number)) for number in range(4)]
    reports = at_once(
        [lambda one=one: apply_patch(database, database_settings, "acme", one) for one in plans]
    )
    after = kpis(database, database_settings, "acme").months[MARCH]
    assert after == there + Figures(contacts_created=30)
    assert sorted(report.created.get("contacts", 0) for report in reports) == [0, 0, 0, 30]
    assert verify(database, database_settings)[0].is_as_expected


def test_a_patch_and_its_undo_at_once(database: Database, database_settings: Settings) -> None:
    """Ten undos of one patch and ten more patches at once: one undo, and the sum of the patches."""
    made(database, database_settings)
    before = figures_of(tenant_rows(database, "acme"), EUR)
    patch = apply_patch(database, database_settings, "acme", SOME)
    plans = [plan({"2025-03": {"companies_created": 1}}, seed=str(number)) for number in range(10)]
    reports = at_once(
        [
            *[lambda: undo_job(database, database_settings, patch.job_id) for _ in range(10)],
            *[lambda one=one: apply_patch(database, database_settings, "acme", one) for one in plans],
        ]
    )
    undos = reports[:10]
    assert len({report.job_id for report in undos}) == 1
    assert sum(not report.already_applied for report in undos) == 1
    after = figures_of(tenant_rows(database, "acme"), EUR)
    assert after[MARCH] - before[MARCH] == Figures(companies_created=10)
    assert verify(database, database_settings)[0].is_as_expected


def test_a_tenant_that_is_held(database: Database, database_settings: Settings) -> None:
    """A job that waits longer than the limit is busy, and leaves nothing, not even a job."""
    made(database, database_settings)
    tenant = scalar(database, "SELECT id FROM crm.tenants")
    hasty = database_settings.model_copy(update={"wait_seconds": 0.3})
    jobs = len(list_jobs(database, database_settings))
    with database.loader() as conn, hold_tenant(conn, tenant, 1):
        begun = time.monotonic()
        with pytest.raises(BusyError, match="for longer than"):
            apply_patch(database, hasty, "acme", SOME)
        assert time.monotonic() - begun < 5
    assert len(list_jobs(database, database_settings)) == jobs
    assert not apply_patch(database, hasty, "acme", SOME).already_applied


def test_a_tenant_that_cannot_be_let_go_is_free_all_the_same(
    database: Database, database_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the connection would be used again: it is closed, and its lock is gone with it."""
    made(database, database_settings)
    tenant = scalar(database, "SELECT id FROM crm.tenants")

    def cancelled() -> None:
        raise psycopg.errors.QueryCanceled("canceling statement due to statement timeout")

    with database.pooled() as kept:
        with kept.loader() as conn, hold_tenant(conn, tenant, 1):
            monkeypatch.setattr(conn, "transaction", cancelled)
        assert conn.closed
        with database.loader() as other, hold_tenant(other, tenant, 5):
            pass


def test_requests_beyond_the_rate(database: Database, database_settings: Settings) -> None:
    """Beyond so many a minute for one tenant, or in all, a request is busy; a minute later it is not."""
    for slug in ("acme", "other"):
        made(database, database_settings, slug=slug)
    execute(database, "DELETE FROM demo.requests")
    few = database_settings.model_copy(update={"rate_per_tenant": 2, "rate_total": 3})
    for _ in range(2):
        apply_patch(database, few, "acme", SOME)
    with pytest.raises(BusyError, match="DEMO_RATE_PER_TENANT"):
        apply_patch(database, few, "acme", SOME)
    apply_patch(database, few, "other", SOME)
    with pytest.raises(BusyError, match="DEMO_RATE_TOTAL"):
        apply_patch(database, few, "other", SOME)
    execute(database, "UPDATE demo.requests SET at = at - interval '1 minute'")
    assert apply_patch(database, few, "acme", SOME).already_applied


def test_a_stage_is_deleted_under_the_patch(database: Database, database_settings: Settings) -> None:
    """What new rows were to refer to is gone before they are in: they are made again without it."""
    months = [{"month": "2025-01", "contacts_created": 5, "companies_created": 2}]
    blueprint = {name: value for name, value in BLUEPRINT.items() if name != "totals"} | {"months": months}
    made(database, database_settings, blueprint)
    deleted: list[int] = []

    def on_progress(_: int, step: str) -> None:
        if step == "loading contacts" and not deleted:
            deleted.append(
                execute(database, "DELETE FROM crm.pipeline_stages WHERE NOT is_won AND NOT is_lost")
            )

    wanted = plan({"2025-01": {"contacts_created": 4, "deals_created": 20}})
    report = apply_patch(
        database, database_settings, "acme", wanted, caller=JobCaller(on_progress=on_progress)
    )
    assert deleted[0] > 0
    assert report.is_passed
    assert report.created["deals"] == 20
    deals = tenant_rows(database, "acme")["deals"].values()
    assert any(deal["stage_id"] is None for deal in deals)
