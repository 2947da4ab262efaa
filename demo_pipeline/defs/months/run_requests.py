"""The requests of schedules: one run of ``materialise_tenants`` over the months of each tenant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import dagster as dg

from demo_pipeline.defs.shared.partitions import TENANT, partition_key
from demo_pipeline.defs.shared.run_tags import RANGE_END_TAG, RANGE_START_TAG, REQUESTER_TAG, TENANT_TAG
from demo_pipeline.domain.core.months import Month


class TenantMonths(Protocol):
    """The months of one tenant that a run is to make."""

    @property
    def tenant(self) -> str: ...
    @property
    def first(self) -> Month: ...
    @property
    def last(self) -> Month: ...


def months_requests(
    instance: dg.DagsterInstance, wanted: Sequence[TenantMonths], *, schedule: str, tick: str
) -> list[dg.RunRequest]:
    """One run a tenant over its months. ``tick``: the same text, the same runs."""
    # A tenant may be younger than the last tick of the sensor that adds partitions.
    instance.add_dynamic_partitions(TENANT, [one.tenant for one in wanted])
    return [
        dg.RunRequest(
            run_key=f"{one.tenant} {tick}",
            tags={
                RANGE_START_TAG: partition_key(one.tenant, one.first),
                RANGE_END_TAG: partition_key(one.tenant, one.last),
                TENANT_TAG: one.tenant,
                REQUESTER_TAG: f"schedule {schedule}",
            },
        )
        for one in wanted
    ]
