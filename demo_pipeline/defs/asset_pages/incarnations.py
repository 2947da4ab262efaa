"""Dagster shows the present tenant of a slug: what it recorded of a deleted one is forgotten.

``tenant delete`` forgets it. Where Dagster could not be reached then, the first of these does it for the next
tenant of the slug: ``tenant provision``, the sensor, or a run before its first event of the tenant. It is
done once for a tenant, however many processes find it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import dagster as dg

from demo_pipeline.defs.asset_pages.specs import ASSETS
from demo_pipeline.defs.shared.instance_storage import AssetHistoryStorage
from demo_pipeline.defs.shared.partitions import MONTHS, TENANT, partition_key
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.tenants.incarnations import later_incarnations
from demo_pipeline.storage.ledger.incarnations import Incarnation

_ASSETS: Final = tuple(map(dg.AssetKey, ASSETS))


def end_tenant(instance: dg.DagsterInstance, slug: str) -> None:
    """Take a deleted tenant out of the partitions, with what was recorded of it; its runs stay.

    Raises whatever Dagster and its database raise.
    """
    instance.delete_dynamic_partition(TENANT, slug)
    if isinstance(storage := instance.event_log_storage, AssetHistoryStorage):
        storage.end_tenant(slug, _ASSETS, _partitions(slug))


def begin_tenants(instance: dg.DagsterInstance, incarnations: Iterable[Incarnation]) -> tuple[str, ...]:
    """Forget what belongs to earlier tenants of these slugs; the slugs for which it was not yet done."""
    storage = instance.event_log_storage
    # Somebody's own storage, from a dagster.yaml of their own.
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
    """The same before the first event of these tenants in a run."""
    try:
        incarnations = later_incarnations(demo.database, slugs)
    except DemoError as error:
        # The job of the tenant says what is wrong with the database.
        context.log.debug("not known which tenant of its slug it is: %s", error)
        return
    begin_tenants(context.instance, incarnations)


def _partitions(slug: str) -> list[str]:
    return [str(partition_key(slug, Month.parse(month))) for month in MONTHS.get_partition_keys()]
