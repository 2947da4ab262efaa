"""Tags by which runs are found: the kind, the tenants, and the jobs once they are open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import dagster as dg

from demo_pipeline.defs.resources import DemoTenants
from demo_pipeline.defs.tenant_loads import Loaded, LoadRequest, Refused, jobs_of_run

KIND_TAG: Final = "demo/kind"
TENANT_TAG: Final = "demo/tenant"
JOB_TAG: Final = "demo/job_id"
#: who asked, where it was not a page or a schedule
REQUESTER_TAG: Final = "demo/requested_by"
#: the tenant of a run with more than one
SEVERAL: Final = "several"


class TenantTags:
    """Tags one run with its jobs, each as soon as it is known.

    One tenant: ``demo/tenant`` is its slug and ``demo/job_id`` its job. More: ``demo/tenant`` is
    ``several``, and there is a ``demo/tenant/<slug>`` for each, with its job.
    """

    def __init__(
        self, context: dg.OpExecutionContext, demo: DemoTenants, requests: Sequence[LoadRequest]
    ) -> None:
        self._context, self._demo = context, demo
        self._is_single = len(requests) == 1
        self._tagged: set[str] = set()
        self._write({TENANT_TAG: requests[0].tenant if self._is_single else SEVERAL})

    def add_open_job(self, request: LoadRequest) -> None:
        """Tag the job that runs now, found by the run in the ledger."""
        if request.tenant in self._tagged:
            return
        jobs = jobs_of_run(self._demo.database, self._demo.settings, [request], self._context.run_id)
        if request.tenant in jobs:
            self._tag(request, jobs[request.tenant])

    def add(self, result: Loaded | Refused) -> None:
        """Tag the job that has ended."""
        if isinstance(result, Loaded):
            self._tag(result.request, result.report.job_id)
        else:
            self.add_open_job(result.request)

    def _tag(self, request: LoadRequest, job_id: UUID) -> None:
        if request.tenant not in self._tagged:
            self._tagged.add(request.tenant)
            self._write({JOB_TAG if self._is_single else f"{TENANT_TAG}/{request.tenant}": str(job_id)})

    def _write(self, tags: dict[str, str]) -> None:
        self._context.instance.add_run_tags(self._context.run_id, tags)
