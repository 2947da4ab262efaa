"""The asset pages show the present tenant of a slug: the history of a deleted tenant is deleted.

``tenant delete`` does it. If Dagster could not be reached then, it is done for the next tenant of the slug by
``tenant provision``, by the sensor, or by a run before its first event of the tenant, whichever comes first;
once per tenant, also if several processes try.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import dagster as dg

from demo_pipeline.defs.asset_pages.specs import (
    ASSETS,
    TENANT_EXPORT,
    TENANT_READINESS,
    TENANT_RELEASE,
    TENANT_REPORT,
)
from demo_pipeline.defs.shared.instance_storage import AssetHistoryStorage
from demo_pipeline.defs.shared.partitions import MONTHS, TENANT, partition_key
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.tenants.queries import later_incarnations
from demo_pipeline.storage.ledger.tenants import Incarnation

_ASSETS: Final = tuple(
    map(dg.AssetKey, (*ASSETS, TENANT_READINESS, TENANT_RELEASE, TENANT_REPORT, TENANT_EXPORT))
)


def end_tenant(instance: dg.DagsterInstance, slug: str) -> None:
    """Remove a deleted tenant from the partitions, with its history; its runs are kept.

    Raises the errors of Dagster and of its database.
    """
    instance.delete_dynamic_partition(TENANT, slug)
    if isinstance(storage := instance.event_log_storage, AssetHistoryStorage):
        storage.end_tenant(slug, _ASSETS, _partitions(slug))


def begin_tenants(instance: dg.DagsterInstance, incarnations: Iterable[Incarnation]) -> tuple[str, ...]:
    """Delete the history of earlier tenants of these slugs; returns the slugs for which this call did it."""
    storage = instance.event_log_storage
    # Another storage class, from a foreign dagster.yaml.
    if not isinstance(storage, AssetHistoryStorage):
        return ()
    return tuple(
        one.slug
        for one in incarnations
        if storage.begin_tenant(
            one.slug,
            one.tenant_id,
            _ASSETS,
            _partitions(one.slug),
            predecessor_deleted_at=one.predecessor_deleted_at,
        )
    )


def begin_in_run(context: dg.OpExecutionContext, demo: DemoTenants, slugs: Sequence[str]) -> None:
    """Do the same before the first event of these tenants in a run."""
    try:
        incarnations = later_incarnations(demo.database, slugs)
    except DemoError as error:
        # The job of the tenant reports the error of the database.
        context.log.debug("not known which tenant of its slug it is: %s", error)
        return
    begin_tenants(context.instance, incarnations)


def _partitions(slug: str) -> list[str]:
    """The tenant's own partition, and those of its months."""
    months = map(Month.parse, MONTHS.get_partition_keys())
    return [slug, *(str(partition_key(slug, month)) for month in months)]
