"""Many tenants' jobs at once, with faults at random, while customers and idle demos stand by.

The faults come from one number, which is printed; ``DEMO_TEST_SEED`` sets it, to see the same once more.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.services.jobs import steps
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.queries import digest, list_jobs
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.attacks.field import CATALOGUE, a_customer
from tests.fixtures.ledger_steps import fingerprint
from tests.long_tests import part
from tests.seeded_random import SeededRandom
from tests.services.builders import made, make_tenant
from tests.services.patches.builders import SMALL, plan

FAULTS = ("none", "killed", "cancelled", "statement-timeout", "verification", "lost-row")


@dataclass(frozen=True, kw_only=True)
class Battle:
    """Tenants at work and the number that decides what befalls them."""

    database: Database
    settings: Settings
    slugs: tuple[str, ...]
    number: int


class _Sabotage:
    """What befalls a job, by its thread: each step of every job asks here."""

    def __init__(self) -> None:
        self._plans = threading.local()

    def arm(self, fault: str, at: int) -> None:
        """The next job of this thread suffers ``fault`` when its ``at``-th load comes; 0: never."""
        self._plans.fault, self._plans.left = fault, at

    def strike(self, conn: psycopg.Connection[Any]) -> None:
        """Called before each load."""
        fault = getattr(self._plans, "fault", "none")
        self._plans.left = getattr(self._plans, "left", 0) - 1
        if self._plans.left != 0:
            return
        match fault:
            case "killed":
                conn.execute("select pg_terminate_backend(pg_backend_pid())")
            case "cancelled":
                conn.execute("select pg_cancel_backend(pg_backend_pid()), pg_sleep(5)")
            case "statement-timeout":
                conn.execute("set local statement_timeout = '20ms'")
                conn.execute("select pg_sleep(5)")
            case "lost-row":
                conn.execute("update crm.users set deleted_at = now() where role = 'owner'")
                conn.execute("select 1 / 0")
            case _:
                return

    @property
    def is_verification_broken(self) -> bool:
        return getattr(self._plans, "fault", "") == "verification"


def _work(battle: Battle, slug: str, draws: SeededRandom, sabotage: _Sabotage) -> None:
    """A life of jobs: months made, patches, an undo; each may fail, and the last one may not."""
    deeds: list[Callable[[], Any]] = [
        lambda: materialise(battle.database, battle.settings, slug),
        lambda: apply_patch(
            battle.database, battle.settings, slug,
            plan({"2025-02": {"contacts_created": draws.between(1, 9), "activities_created": 3}}),
        ),
        lambda: undo_job(
            battle.database, battle.settings,
            next(job.id for job in list_jobs(battle.database, battle.settings, slug)
                 if job.kind == "patch" and job.status == "completed" and job.undone_by is None),
            with_dependents=True,
        ),
    ]  # fmt: skip
    for _ in range(5):
        sabotage.arm(draws.one_of(FAULTS), 1)
        try:
            draws.one_of(deeds)()
        except (DemoError, StopIteration):
            continue
    sabotage.arm("none", 0)
    materialise(battle.database, battle.settings, slug)


def _fight(database: Database, settings: Settings, count: int) -> None:
    number = int(os.environ.get("DEMO_TEST_SEED") or secrets.randbelow(10**6))
    sys.stdout.write(f"DEMO_TEST_SEED={number}\n")
    settings = settings.model_copy(update={"rate_total": 10_000})
    idle = ("idle-one", "idle-two")
    with database.admin() as admin:
        customers = [a_customer(admin, {}, f"customer-{place}") for place in range(3)]
    for slug in idle:
        made(database, settings, SMALL, slug)
    slugs = tuple(f"busy-{place:02}" for place in range(count))
    for slug in slugs:
        make_tenant(database, settings, SMALL | {"seed": slug}, slug)

    def bystanders() -> list[Any]:
        with database.admin() as admin:
            return [
                admin.execute(CATALOGUE.encode()).fetchall(),
                *(fingerprint(admin, tenant) for tenant in customers),
                *(digest(database, settings, slug) for slug in idle),
            ]

    before = bystanders()
    battle = Battle(
        database=replace(database, lock_timeout_seconds=30), settings=settings, slugs=slugs, number=number
    )
    sabotage, real_load, real_figures = _Sabotage(), steps.load, steps.all_figures

    def load(conn: Any, tenant: UUID, job: UUID, rows: Any) -> Any:
        sabotage.strike(conn)
        return real_load(conn, tenant, job, rows)

    def figures(conn: Any, tenant: UUID, currency: Currency) -> Any:
        found = real_figures(conn, tenant, currency)
        if sabotage.is_verification_broken and conn.info.transaction_status.name == "INTRANS" and found:
            # A month that the job believes to be there, until it looks again.
            missed = list(found)[threading.get_ident() % len(found)]
            found = found.over(month for month in found if month != missed)
            sabotage.arm("none", 0)
        return found

    seen: list[list[Any]] = []
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.5):
            seen.append(bystanders())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "load", load)
        patch.setattr(steps, "all_figures", figures)
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            with ThreadPoolExecutor(min(count, 8)) as pool:
                ends = [
                    pool.submit(_work, battle, slug, SeededRandom(number * 100 + place), sabotage)
                    for place, slug in enumerate(slugs)
                ]
                for end in ends:
                    end.result()
        finally:
            is_over.set()
            watcher.join()
    assert bystanders() == before
    assert all(one == before for one in seen)
    jobs = [job for slug in slugs for job in list_jobs(database, settings, slug)]
    with database.admin(readonly=True) as conn:
        attempts = conn.execute("select status, count(*) from demo.job_attempts group by 1").fetchall()
    assert {status for status, _ in attempts} == {"completed", "failed"}
    assert all(job.status != "running" for job in jobs)
    assert all(verdict.is_as_expected for verdict in verify(database, settings)), number


@pytest.mark.risk("P3", "P7", "G9", partial=True)
def test_bystanders_of_five(database: Database, database_settings: Settings) -> None:
    """Five tenants work and fail at once: every customer and every idle demo is as it was, at any moment."""
    started = time.monotonic()
    _fight(database, database_settings, 5)
    assert time.monotonic() - started < 120


@pytest.mark.long(divides=True)
@pytest.mark.risk("P3", "P7", "G9", partial=True)
def test_bystanders_of_twenty(database: Database, database_settings: Settings) -> None:
    """The same with twenty."""
    _fight(database, database_settings, max(5, part(20)))
