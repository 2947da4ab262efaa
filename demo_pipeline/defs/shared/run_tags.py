"""Tags of runs: the kind, the tenants, and the jobs once they are open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import dagster as dg

from demo_pipeline.defs.shared.bulk_event_log import STORAGE_ERRORS
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.tenant_loads import jobs_of_run
from demo_pipeline.services.jobs.report import JobReport

KIND_TAG: Final = "demo/kind"
TENANT_TAG: Final = "demo/tenant"
JOB_TAG: Final = "demo/job_id"
#: the job that made the blueprint's missing rows first, where a request caused two
FIRST_JOB_TAG: Final = "demo/blueprint_job_id"
#: the requester, if it was not a page or a schedule
REQUESTER_TAG: Final = "demo/requested_by"
#: fingerprint of the inbox file that a run was launched for
INBOX_TAG: Final = "demo/inbox_key"
#: ``done`` or ``refused``: the folder to which the run's file could not be moved
STUCK_TAG: Final = "demo/inbox_stuck"
#: Dagster's own: the first and the last partition of a run over a range
PARTITION_TAG: Final = "dagster/partition"
RANGE_START_TAG: Final = "dagster/asset_partition_range_start"
RANGE_END_TAG: Final = "dagster/asset_partition_range_end"
#: the tenant of a run with more than one
SEVERAL: Final = "several"


def tenant_of(run: dg.DagsterRun) -> str | None:
    """The tenant of a run by its tags, its partitions or the configuration of its op, in this order.

    None: no tenant is selected, or several.
    """
    if given := run.tags.get(TENANT_TAG):
        return None if given == SEVERAL else given
    ends = [run.tags[tag] for tag in (PARTITION_TAG, RANGE_START_TAG, RANGE_END_TAG) if tag in run.tags]
    # A partition is a tenant's month, or a tenant.
    selected = {key.rpartition("|")[2] for key in ends} or _configured_tenants(run.run_config)
    return selected.pop() if len(selected) == 1 else None


def _configured_tenants(run_config: Mapping[str, Any]) -> set[str]:
    """The value of ``tenant`` in the configuration of each op that has one."""
    ops: Mapping[str, Mapping[str, Any]] = run_config.get("ops", {})
    given = {op["config"].get("tenant") for op in ops.values() if "config" in op}
    return {tenant for tenant in given if isinstance(tenant, str) and tenant}


def first_job_tags(report: JobReport, key: str = FIRST_JOB_TAG) -> dict[str, str]:
    """The tag of the job that came before the request's own, if there is one."""
    return {} if report.first_job_id is None else {key: str(report.first_job_id)}


class TenantTags:
    """Tags one run with its jobs, each as soon as it is known.

    One tenant: ``demo/tenant`` is its slug and ``demo/job_id`` its job. More: ``demo/tenant`` is
    ``several``, and there is a ``demo/tenant/<slug>`` for each, with its job. A job that made the blueprint's
    missing rows first is ``demo/blueprint_job_id``, or ``demo/blueprint_job_id/<slug>``.

    Tags are for the pages: where Dagster's database is away, the job goes on, and they are written later.
    """

    def __init__(self, context: dg.OpExecutionContext, demo: DemoTenants, slugs: Sequence[str]) -> None:
        self._context, self._demo = context, demo
        self._is_single = len(slugs) == 1
        self._tagged: dict[str, UUID] = {}
        self._unwritten: dict[str, str] = {}
        # None where no selected month can have rows of its tenant.
        self._write({TENANT_TAG: slugs[0] if self._is_single else SEVERAL} if slugs else {})

    def add_open_job(self, slug: str) -> None:
        """Tag the tenant's job that runs now or has failed, found by the run in the ledger."""
        if slug in self._tagged:
            return
        jobs = jobs_of_run(self._demo.database, self._demo.settings, [slug], self._context.run_id)
        if slug in jobs:
            self.add(slug, jobs[slug])

    def add(self, slug: str, job_id: UUID) -> None:
        """Tag a job that is known, in place of one that came before it in the same request."""
        if self._tagged.get(slug) != job_id:
            self._tagged[slug] = job_id
            self._write({JOB_TAG if self._is_single else f"{TENANT_TAG}/{slug}": str(job_id)})

    def add_report(self, report: JobReport) -> None:
        """Tag all jobs of a request."""
        self.add(report.tenant, report.job_id)
        key = FIRST_JOB_TAG if self._is_single else f"{FIRST_JOB_TAG}/{report.tenant}"
        self._write(first_job_tags(report, key))

    def _write(self, tags: dict[str, str]) -> None:
        self._unwritten |= tags
        if not self._unwritten:
            return
        try:
            self._context.instance.add_run_tags(self._context.run_id, self._unwritten)
        except STORAGE_ERRORS as error:
            self._context.log.warning("the run is not tagged yet: %s", error)
        else:
            self._unwritten = {}
