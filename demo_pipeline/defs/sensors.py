"""The sensor that keeps Dagster's tenants those of the database, whoever makes or deletes them."""

import dagster as dg

from demo_pipeline.defs.partitions import TENANT, TENANTS
from demo_pipeline.defs.resources import DemoTenants
from demo_pipeline.services.reading import list_tenants


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    # Nothing is launched; Dagster wants to know on whose behalf it ticks.
    asset_selection=dg.AssetSelection.assets("kpi_snapshot"),
    description="Adds a partition for every demo tenant in the database and takes away those of deleted "
    "ones. It launches nothing.",
)
def sync_tenants(context: dg.SensorEvaluationContext, demo: DemoTenants) -> dg.SensorResult:
    """Compare the database with the partitions."""
    there = {tenant.slug for tenant in list_tenants(demo.database)}
    known = set(context.instance.get_dynamic_partitions(TENANT))
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if there - known:
        requests.append(TENANTS.build_add_request(sorted(there - known)))
    if known - there:
        requests.append(TENANTS.build_delete_request(sorted(known - there)))
    return dg.SensorResult(dynamic_partitions_requests=requests)
