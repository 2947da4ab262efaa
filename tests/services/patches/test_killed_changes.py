"""Whatever hides, shows, fills in or deletes rows is killed: all of it or nothing, and again is the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from demo_pipeline.domain.core.errors import NotFoundError
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.repairs.backfill import backfill
from demo_pipeline.services.repairs.repair import cleanup, dedupe, repair
from demo_pipeline.services.tenants.delete_tenant import delete_tenant
from demo_pipeline.services.tenants.queries import digest, list_jobs
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.seeded_random import SeededRandom
from tests.services.builders import BLUEPRINT, made, row_counts
from tests.services.patches.builders import SMALL, execute, fingerprint_of_all, fingerprint_of_others, plan
from tests.services.patches.processes import run_and_kill
from tests.services.repairs.damage import copy_company, plant_rows_of
from tests.services.repairs.test_backfill import provenance, strip

PLAN: Final = plan({"2025-02": {"contacts_created": 60, "deals_created": 20, "activities_created": 200}})
JOBS: Final = ("backfill", "repair", "dedupe", "cleanup", "undo")


def prepare(database: Database, settings: Settings, name: str) -> str:
    """Have ``acme`` need the change; the id of the job that it is about, if it is about one."""
    match name:
        case "backfill":
            strip(database, "acme")
        case "repair":
            plant_rows_of(database, uuid4(), rows=400)
        case "dedupe":
            copy_company(database)
        case _:
            job_id = apply_patch(database, settings, "acme", PLAN).job_id
            if name == "cleanup":
                execute(database, "DELETE FROM demo.job_months WHERE job_id = %s", job_id)
                execute(database, "UPDATE demo.job_ledger SET status = 'failed' WHERE id = %s", job_id)
            return str(job_id)
    return ""


def change(database: Database, settings: Settings, name: str, job: str) -> None:
    """The change itself."""
    asked: Mapping[str, Callable[[], object]] = {
        "backfill": lambda: backfill(database, settings, "acme"),
        "repair": lambda: repair(database, settings, "acme"),
        "dedupe": lambda: dedupe(database, settings, "acme"),
        "cleanup": lambda: cleanup(database, settings, UUID(job)),
        "undo": lambda: undo_job(database, settings, UUID(job)),
    }
    asked[name]()


def killed_job(
    database: Database,
    settings: Settings,
    environment: Mapping[str, str],
    name: str,
    blueprint: Mapping[str, Any] = BLUEPRINT,
    *,
    at: str = "",
    seconds: float = 0,
) -> None:
    """One job that is killed: all of it or nothing; again completes it; once more changes nothing."""
    made(database, settings, SMALL, slug="other")
    made(database, settings, blueprint)
    sound, whose = digest(database, settings, "acme"), provenance(database, "acme")
    others = fingerprint_of_others(database, "acme")
    job = prepare(database, settings, name)
    before = (digest(database, settings, "acme"), provenance(database, "acme"))
    run_and_kill(database, environment, name, job, at, seconds)
    latest = list_jobs(database, settings, "acme")[0]
    is_done = (latest.kind, latest.status) == (name, "completed")
    assert is_done == (at == "committed") or not at
    if not is_done:
        now = (digest(database, settings, "acme"), provenance(database, "acme"))
        assert now == before
    change(database, settings, name, job)
    after = (digest(database, settings, "acme"), provenance(database, "acme"))
    assert name == "dedupe" or after[0] == sound
    assert name != "backfill" or after[1] == whose
    assert [verdict.findings for verdict in verify(database, settings)] == [(), ()]
    change(database, settings, name, job)
    assert (digest(database, settings, "acme"), provenance(database, "acme")) == after
    assert fingerprint_of_others(database, "acme") == others


@pytest.mark.risk("P1")
@pytest.mark.parametrize(("name", "at"), [*((name, "verifying") for name in JOBS), ("undo", "committed")])
def test_p01_a_change_is_killed_at_its_end(
    database: Database, database_settings: Settings, database_env: dict[str, str], name: str, at: str
) -> None:
    """SIGKILL just before the commit leaves nothing, SIGKILL just after it everything."""
    killed_job(database, database_settings, database_env, name, SMALL, at=at)


@pytest.mark.long
@pytest.mark.risk("P1")
@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("name", JOBS)
def test_p01_a_change_is_killed_at_a_random_moment(
    database: Database, database_settings: Settings, database_env: dict[str, str], name: str, number: int
) -> None:
    """SIGKILL at any moment of half a second."""
    seconds = SeededRandom(number).below(500) / 1000
    killed_job(database, database_settings, database_env, name, seconds=seconds)


def killed_end(
    database: Database, settings: Settings, environment: Mapping[str, str], seconds: float
) -> None:
    """The end of a tenant that is killed: all rows are there, or none; the same again ends it."""
    made(database, settings, SMALL, slug="other")
    others = row_counts(database)
    made(database, settings)
    before = fingerprint_of_all(database)
    run_and_kill(database, environment, "delete", "", seconds=seconds)
    if row_counts(database) != others:
        assert fingerprint_of_all(database) == before
        delete_tenant(database, settings, "acme")
    assert row_counts(database) == others
    with pytest.raises(NotFoundError):
        delete_tenant(database, settings, "acme")
    assert verify(database, settings, "other")[0].is_as_expected


@pytest.mark.risk("P1")
def test_p01_the_end_of_a_tenant_is_killed(
    database: Database, database_settings: Settings, database_env: dict[str, str]
) -> None:
    """SIGKILL amid the deletion of a tenant."""
    killed_end(database, database_settings, database_env, 0.05)


@pytest.mark.long
@pytest.mark.risk("P1")
@pytest.mark.parametrize("number", range(12))
def test_p01_the_end_of_a_tenant_is_killed_at_a_random_moment(
    database: Database, database_settings: Settings, database_env: dict[str, str], number: int
) -> None:
    """SIGKILL at any moment of a fifth of a second."""
    killed_end(database, database_settings, database_env, SeededRandom(number).below(200) / 1000)
