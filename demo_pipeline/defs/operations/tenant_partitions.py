"""The sensor that keeps Dagster's tenants those of the database, whoever makes or deletes them."""

import dagster as dg

from demo_pipeline.defs.asset_pages.incarnations import begin_tenants, end_tenant
from demo_pipeline.defs.shared.partitions import TENANT, TENANTS
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.services.tenants.incarnations import later_incarnations
from demo_pipeline.services.tenants.queries import list_tenants


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    # Nothing is launched; Dagster wants to know on whose behalf it ticks.
    asset_selection=dg.AssetSelection.assets("kpi_snapshot"),
    description="Adds a partition for every demo tenant in the database and takes away those of deleted "
    "ones, with what was recorded of them. It launches nothing.",
)
def sync_tenants(context: dg.SensorEvaluationContext, demo: DemoTenants) -> dg.SensorResult:
    """Compare the database with the partitions."""
    # In this order: a tenant that is made between the two must not look deleted.
    known = set(context.instance.get_dynamic_partitions(TENANT))
    there = {tenant.slug for tenant in list_tenants(demo.database)}
    for slug in sorted(known - there):
        end_tenant(context.instance, slug)
        context.log.info("%s is deleted: its partitions are forgotten", slug)
    for slug in begin_tenants(context.instance, later_incarnations(demo.database)):
        context.log.info("%s is another tenant now: the partitions of the deleted one are forgotten", slug)
    added = sorted(there - known)
    requests = [TENANTS.build_add_request(added)] if added else []
    return dg.SensorResult(dynamic_partitions_requests=requests)
