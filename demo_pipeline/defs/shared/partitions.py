"""Partitions: one per demo tenant and UTC month. Tenants come and go, months begin by themselves.

A key is ``2025-01|acme``: Dagster sorts dimensions by name. The running month is a partition too; what has
happened of it is in the tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import dagster as dg

from demo_pipeline.domain.core.months import Month

TENANT: Final = "tenant"
MONTH: Final = "month"
#: a bundled tenant, which the forms of the launchpad begin with
EXAMPLE_TENANT: Final = "larkmoor"

TENANTS = dg.DynamicPartitionsDefinition(name=TENANT)
MONTHS = dg.MonthlyPartitionsDefinition(start_date="2020-01", fmt="%Y-%m", end_offset=1)
TENANT_MONTHS = dg.MultiPartitionsDefinition({TENANT: TENANTS, MONTH: MONTHS})


def partition_key(slug: str, month: Month) -> dg.MultiPartitionKey:
    """The key of a tenant's month."""
    return dg.MultiPartitionKey({TENANT: slug, MONTH: str(month)})


def months_by_tenant(keys: Iterable[str]) -> dict[str, tuple[Month, ...]]:
    """The months of each tenant in any set of keys, in order; tenants by name."""
    grouped: dict[str, set[Month]] = {}
    for key in keys:
        # Slugs have no bar (blueprints are refused with one), months neither.
        month, _, slug = key.partition("|")
        grouped.setdefault(slug, set()).add(Month.parse(month))
    return {slug: tuple(sorted(grouped[slug])) for slug in sorted(grouped)}
