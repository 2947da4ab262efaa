"""The request of a schedule for one run of ``materialise_tenants`` over the months of one tenant."""

from __future__ import annotations

import dagster as dg

from demo_pipeline.defs.shared.partitions import partition_key
from demo_pipeline.defs.shared.run_tags import RANGE_END_TAG, RANGE_START_TAG, REQUESTER_TAG, TENANT_TAG
from demo_pipeline.domain.core.months import Month


def months_request(slug: str, first: Month, last: Month, *, schedule: str, tick: str) -> dg.RunRequest:
    """One run over the months from ``first`` to ``last``. ``tick``: the same text, the same run."""
    return dg.RunRequest(
        run_key=f"{slug} {tick}",
        tags={
            RANGE_START_TAG: partition_key(slug, first),
            RANGE_END_TAG: partition_key(slug, last),
            TENANT_TAG: slug,
            REQUESTER_TAG: f"schedule {schedule}",
        },
    )
