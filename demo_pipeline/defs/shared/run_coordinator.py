"""The run coordinator that ``dagster.yaml`` names: Dagster's queue, which adds two tags to each run.

The queue's limit of one run a tenant counts runs with the tag ``demo/tenant``. Schedules, sensors and the
command line set it. A run that a person launches on the pages has no such tag, so it is added here, before
the run is queued.

A run that is tried again automatically begins with its first op. Dagster would begin with the op that failed,
and read the outputs of those before it, which are on the disk of the machine where they were made.

The settings of the queue are in ``concurrency`` of ``dagster.yaml``.
"""

from __future__ import annotations

from typing import Final

import dagster as dg

from demo_pipeline.defs.shared.run_tags import TENANT_TAG, tenant_of

#: Dagster's own: what an automatic retry executes
_RETRY_TAG: Final = "dagster/retry_strategy"
_ALL_STEPS: Final = "ALL_STEPS"


class ProjectRunCoordinator(dg.QueuedRunCoordinator[dg.DagsterInstance]):
    """Adds ``demo/tenant`` to each run of one tenant and how it is retried, and queues it."""

    def submit_run(self, context: dg.SubmitRunContext) -> dg.DagsterRun:
        """Tag and queue a run. A run of no tenant, or of several, has no tenant as a tag."""
        run = context.dagster_run
        tags: dict[str, str] = {}
        if _RETRY_TAG not in run.tags:
            tags[_RETRY_TAG] = _ALL_STEPS
        if TENANT_TAG not in run.tags and (tenant := tenant_of(run)) is not None:
            tags[TENANT_TAG] = tenant
        if tags:
            self._instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)
