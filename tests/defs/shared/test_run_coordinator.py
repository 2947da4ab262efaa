"""Runs carry their tenant from the moment they are queued: the queue's limit per tenant counts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import dagster as dg
import pytest

from demo_pipeline.cli.kit.dagster_runs import CODE_LOCATION
from demo_pipeline.defs.asset_pages.show_job import show_job
from demo_pipeline.defs.patches.patch_job import apply_patch_job
from demo_pipeline.defs.shared.run_coordinator import ProjectRunCoordinator
from demo_pipeline.defs.shared.run_tags import (
    PARTITION_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    SEVERAL,
    TENANT_TAG,
)
from tests.fixtures.dagster_instance import DagsterHome

SHOWN: Final = {"ops": {"show": {"config": {"job_id": "-"}}}}


def queued(
    home: DagsterHome,
    tags: dict[str, str],
    job: dg.JobDefinition = show_job,
    config: Mapping[str, Any] = SHOWN,
) -> dg.DagsterRun:
    """A run as the pages make it, after it was submitted to the instance's coordinator."""
    from dagster._core.remote_origin import (  # noqa: TID251 - a run is queued only with one
        RegisteredCodeLocationOrigin,
        RemoteJobOrigin,
        RemoteRepositoryOrigin,
    )

    location = RegisteredCodeLocationOrigin(CODE_LOCATION)
    run = home.instance.create_run_for_job(
        job,
        tags=tags,
        run_config=config,
        status=dg.DagsterRunStatus.NOT_STARTED,
        remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job.name),
    )
    # The queue does not use the workspace.
    found = home.instance.run_coordinator.submit_run(dg.SubmitRunContext(run, cast("Any", None)))
    assert found.status is dg.DagsterRunStatus.QUEUED
    return found


def of_range(first: str, last: str) -> dict[str, str]:
    """The tags of a run over a range of partitions."""
    return {RANGE_START_TAG: first, RANGE_END_TAG: last}


@pytest.mark.parametrize(
    ("tags", "tenant"),
    [
        pytest.param({PARTITION_TAG: "2025-01|acme"}, "acme", id="one month"),
        pytest.param(of_range("2025-01|acme", "2025-03|acme"), "acme", id="months of one tenant"),
        pytest.param(of_range("2025-01|acme", "2025-03|beta"), None, id="months of two tenants"),
        pytest.param({PARTITION_TAG: "acme"}, "acme", id="a report"),
        pytest.param(of_range("acme", "beta"), None, id="two reports"),
        pytest.param({}, None, id="no partition"),
        pytest.param({TENANT_TAG: "beta", PARTITION_TAG: "2025-01|acme"}, "beta", id="tagged before"),
        pytest.param({TENANT_TAG: SEVERAL, PARTITION_TAG: "2025-01|acme"}, SEVERAL, id="tagged as several"),
    ],
)
def test_a_queued_run_has_its_tenant(
    shared_home: DagsterHome, tags: dict[str, str], tenant: str | None
) -> None:
    """A run of one tenant is tagged; a run of none or of several, or with the tag, stays as it is."""
    assert queued(shared_home, tags).tags.get(TENANT_TAG) == tenant


def test_a_queued_run_is_retried_from_its_first_op(shared_home: DagsterHome) -> None:
    """What its ops hand on is on the disk of one machine, and another one may retry it."""
    assert queued(shared_home, {}).tags["dagster/retry_strategy"] == "ALL_STEPS"
    given = {"dagster/retry_strategy": "FROM_FAILURE"}
    assert queued(shared_home, given).tags["dagster/retry_strategy"] == "FROM_FAILURE"


def test_a_run_from_the_launchpad_has_the_tenant_of_its_form(shared_home: DagsterHome) -> None:
    """The field ``tenant`` of the op's configuration counts."""
    form = {"ops": {"patch": {"config": {"tenant": "acme", "inbox_file": "spring.csv"}}}}
    assert queued(shared_home, {}, apply_patch_job, form).tags[TENANT_TAG] == "acme"


def test_the_instance_uses_it_with_one_run_a_tenant(shared_home: DagsterHome) -> None:
    """``dagster.yaml`` names the coordinator, and the queue's limit counts the tag that it adds."""
    assert isinstance(shared_home.instance.run_coordinator, ProjectRunCoordinator)
    queue = shared_home.instance.get_concurrency_config().run_queue_config
    assert queue is not None
    assert {"key": TENANT_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 1} in list(
        queue.tag_concurrency_limits
    )
