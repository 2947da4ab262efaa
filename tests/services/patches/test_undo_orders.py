"""Random patches undone in random orders and restored: every state on the way comes back, byte for byte."""

from __future__ import annotations

from uuid import UUID

import pytest

from demo_pipeline.domain.patch_plan.plan import PatchPlan
from demo_pipeline.services.patches.patch import apply_patch
from demo_pipeline.services.patches.undo import undo_job
from demo_pipeline.services.tenants.queries import digest, list_jobs
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.builders.currencies import EUR
from tests.seeded_random import SeededRandom
from tests.services.patches.builders import assert_as_expected, figures_of, lessened, plan, tenant_rows


def random_plan(draws: SeededRandom) -> PatchPlan:
    """A small plan of one or two of the three months."""
    months = draws.some_of(["2025-01", "2025-02", "2025-03"], draws.between(1, 2))
    return plan(
        {
            month: {
                "leads_created": (leads := draws.below(3)),
                "contacts_created": leads + draws.below(3),
                "companies_created": draws.below(3),
                "deals_created": 3 + (won := draws.below(3)),
                "closed_won_count": won,
                "activities_created": draws.below(9),
            }
            for month in months
        },
        seed=str(draws.bits(64)),
    )


@pytest.mark.risk("P10", partial=True)
@pytest.mark.parametrize("number", range(2))
def test_p10_undone_in_reverse(
    database: Database, database_settings: Settings, tenant: str, number: int
) -> None:
    """Random patches undone from the last to the first, and restored: every digest on the way returns."""
    draws = SeededRandom(number)
    digests = [digest(database, database_settings, tenant)]
    jobs: list[UUID] = []
    for _ in range(4):
        jobs.append(apply_patch(database, database_settings, tenant, random_plan(draws)).job_id)
        digests.append(digest(database, database_settings, tenant))
    undone: list[UUID] = []
    for job, before in zip(reversed(jobs), reversed(digests[:-1]), strict=True):
        undone.append(undo_job(database, database_settings, job).job_id)
        assert digest(database, database_settings, tenant) == before
        assert_as_expected(database, database_settings)
    for job, after in zip(reversed(undone), digests[1:], strict=True):
        undo_job(database, database_settings, job)
        assert digest(database, database_settings, tenant) == after
        assert_as_expected(database, database_settings)


def _undone_in_any_order(database: Database, settings: Settings, number: int) -> None:
    draws = SeededRandom(number)
    jobs = [apply_patch(database, settings, "acme", random_plan(draws)).job_id for _ in range(4)]
    draws.shuffle(jobs)
    first = figures_of(tenant_rows(database, "acme"), EUR)
    stack: list[tuple[UUID, str]] = []
    for job in jobs:
        before = digest(database, settings, "acme")
        stack.append((undo_job(database, settings, job, with_dependents=True).job_id, before))
        assert_as_expected(database, settings)
    of_patches = {job.id for job in list_jobs(database, settings, "acme") if job.kind == "patch"}
    rows = tenant_rows(database, "acme")
    assert figures_of(rows, EUR, of_patches) == {}
    assert lessened(first, figures_of(rows, EUR)) != {}
    for job, before in reversed(stack):
        undo_job(database, settings, job)
        assert digest(database, settings, "acme") == before
        assert_as_expected(database, settings)


@pytest.mark.risk("P10", partial=True)
@pytest.mark.parametrize("number", range(10, 12))
def test_p10_undone_in_any_order(
    database: Database, database_settings: Settings, tenant: str, number: int
) -> None:
    """Random patches undone in any order with their dependents; restored in reverse all comes back."""
    assert tenant == "acme"
    _undone_in_any_order(database, database_settings, number)


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.risk("P10", partial=True)
@pytest.mark.parametrize("number", range(100, 130))
def test_p10_undone_in_thirty_orders(
    database: Database, database_settings: Settings, tenant: str, number: int
) -> None:
    """The same for thirty more."""
    assert tenant == "acme"
    _undone_in_any_order(database, database_settings, number)
