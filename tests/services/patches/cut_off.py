"""One patch that tests disturb in every way, what it comes to undisturbed, and what is true after a cut."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.tenants.queries import digest, list_jobs, show_job
from demo_pipeline.services.tenants.verify import verify
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.postgres import PostgresServer, new_database
from tests.services.builders import make_tenant, row_counts
from tests.services.patches.builders import plan

#: The months are not made yet, so that the blueprint's rows come on the way: both jobs are all or nothing.
PLAN = plan(
    {
        "2025-02": {"leads_created": 200, "contacts_created": 300, "companies_created": 40},
        "2025-05": {"deals_created": 150, "closed_won_count": 40, "activities_created": 1500},
    }
)
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


@contextmanager
def undisturbed_run(server: PostgresServer, folder: Path) -> Generator[tuple[str, float]]:
    """The digest of the tenant after a patch that nothing disturbs, and how many seconds that takes."""
    settings = Settings(home=folder).model_copy(update={"now": NOW})
    with new_database(server) as database:
        make_tenant(database, settings)
        report = apply_patch(database, settings, "acme", PLAN)
        yield digest(database, settings, "acme"), report.seconds


def assert_retry_completes(
    database: Database, settings: Settings, expected: str, error_code: str = "interrupted"
) -> None:
    """Nothing is there, the attempt is told failed; the next call completes the same job."""
    assert {table: count for table, count in row_counts(database).items() if count} == {"tenants": 1}
    [job] = [job for job in list_jobs(database, settings, "acme") if job.kind == "patch"]
    report = apply_patch(database, settings, "acme", PLAN)
    assert (report.job_id, report.already_applied) == (job.id, False)
    attempts = show_job(database, job.id).attempts
    assert [attempt.status for attempt in attempts] == ["failed", "completed"]
    assert attempts[0].error_code == error_code
    assert_done(database, settings, expected)


def assert_done(database: Database, settings: Settings, expected: str) -> None:
    """The patch is there, once, as if nothing had happened."""
    assert digest(database, settings, "acme") == expected
    assert all(verdict.is_as_expected for verdict in verify(database, settings))
    assert apply_patch(database, settings, "acme", PLAN).already_applied
    assert digest(database, settings, "acme") == expected
