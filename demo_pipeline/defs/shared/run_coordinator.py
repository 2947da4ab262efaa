"""The run coordinator that ``dagster.yaml`` names: Dagster's queue, with the tenant as a tag of each run.

The queue's limit of one run a tenant counts runs with the tag ``demo/tenant``. Schedules, sensors and the
command line set it. A run that a person launches on the pages has no such tag, so it is added here, before
the run is queued. The settings of the queue are in ``concurrency`` of ``dagster.yaml``.
"""

from __future__ import annotations

import dagster as dg

from demo_pipeline.defs.shared.run_tags import TENANT_TAG, tenant_of


class ProjectRunCoordinator(dg.QueuedRunCoordinator[dg.DagsterInstance]):
    """Adds ``demo/tenant`` to each run of one tenant, and queues it."""

    def submit_run(self, context: dg.SubmitRunContext) -> dg.DagsterRun:
        """Tag and queue a run. A run of no tenant, or of several, is not tagged."""
        run = context.dagster_run
        if TENANT_TAG not in run.tags and (tenant := tenant_of(run)) is not None:
            self._instance.add_run_tags(run.run_id, {TENANT_TAG: tenant})
        return super().submit_run(context)
