"""Failed partitions: those of good and of impossible months are cleared, the others stay failed."""

from __future__ import annotations

import dagster as dg
import pytest

from demo_pipeline.definitions import defs
from demo_pipeline.defs.asset_pages.specs import ASSETS
from demo_pipeline.defs.shared.partitions import TENANT_MONTHS
from demo_pipeline.defs.shared.run_tags import RANGE_END_TAG, RANGE_START_TAG
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.months.materialise import materialise
from tests.defs.operations.test_incarnations import shown, status
from tests.defs.operations.test_verification import lose_a_row
from tests.fixtures.dagster_instance import DagsterHome, output_metadata


def failed(home: DagsterHome, slug: str = "acme") -> set[str]:
    """Months of a tenant that the asset pages show as failed, the same for all five assets."""
    found = {
        frozenset(
            status(home, asset).deserialize_failed_partition_subsets(TENANT_MONTHS).get_partition_keys()
        )
        for asset in ASSETS
    }
    assert len(found) == 1
    return {month for month, _, tenant in (str(key).partition("|") for key in found.pop()) if tenant == slug}


def fail(home: DagsterHome, first: str, last: str, slug: str = "acme") -> str:
    """A run over months of a tenant whose process is lost; its id."""
    run = home.instance.create_run_for_job(
        defs().resolve_job_def("materialise_tenants"),
        tags={RANGE_START_TAG: f"{first}|{slug}", RANGE_END_TAG: f"{last}|{slug}"},
        status=dg.DagsterRunStatus.STARTED,
    )
    home.instance.report_run_failed(run)
    return run.run_id


def clear(home: DagsterHome, *tenants: str) -> dict[str, object]:
    """One run of the job; the metadata of its output."""
    config = {"ops": {"clear_failed": {"config": {"tenants": list(tenants)}}}}
    return output_metadata(home.launch("clear_failed_partitions", config))


@pytest.fixture
def acme(dagster_home: DagsterHome) -> DagsterHome:
    """A tenant of January to March 2025; months from December to March are failed, and nothing is loaded."""
    dagster_home.provision("acme")
    fail(dagster_home, "2024-12", "2025-03")
    assert failed(dagster_home) == {"2024-12", "2025-01", "2025-02", "2025-03"}
    return dagster_home


def test_impossible_months_are_cleared_and_missing_ones_stay_failed(acme: DagsterHome) -> None:
    """December is before the tenant's first month; of the others nothing is loaded, and the table says so."""
    found = clear(acme)
    assert (found["cleared"], found["still_failed"]) == (1, 3)
    assert "| acme | 2024-12 | cleared | it is before the tenant's first month, 2025-01 |" in str(
        found["months"]
    )
    assert "| acme | 2025-01 | still failed | nothing is loaded of it |" in str(found["months"])
    assert failed(acme) == {"2025-01", "2025-02", "2025-03"}
    assert shown(acme, "deals") == set()


def test_good_months_are_cleared_and_bad_ones_stay_failed(acme: DagsterHome) -> None:
    """Loaded outside Dagster and one row lost: that month stays; a month that was shown stays shown."""
    materialise(acme.database, acme.settings, "acme", Month.parse("2025-01"), Month.parse("2025-03"))
    acme.materialise("acme", last="2025-01")
    fail(acme, "2025-01", "2025-01")
    lose_a_row(acme)
    acme.provision("beta")
    assert clear(acme, "beta")["cleared"] == 0
    found = clear(acme, "acme")
    assert "| acme | 2025-02 | still failed | nothing\\_is\\_missing did not pass |" in str(found["months"])
    assert failed(acme) == {"2025-02"}
    assert shown(acme, "deals") == {"2025-01|acme"}
    # The next failure is shown again.
    run_id = fail(acme, "2025-03", "2025-03")
    assert failed(acme) == {"2025-02", "2025-03"}
    events = len(acme.instance.all_logs(run_id))
    clear(acme)
    assert failed(acme) == {"2025-02"}
    assert len(acme.instance.all_logs(run_id)) == events, "the page of the run is whole"


def test_an_unknown_tenant_is_refused(acme: DagsterHome) -> None:
    """A mistyped slug ends the run with those there are; nothing is cleared."""
    config = {"ops": {"clear_failed": {"config": {"tenants": ["acmee"]}}}}
    refused = acme.launch("clear_failed_partitions", config)
    assert not refused.success
    [failure] = refused.filter_events(lambda event: event.is_step_failure)
    assert "no demo tenants: acmee; there are: acme" in str(failure.step_failure_data.user_failure_data)
