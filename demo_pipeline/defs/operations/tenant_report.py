"""The asset ``tenant_report``: one partition a tenant, drawn when it is asked for.

It reads and draws. Runs that make months do not contain it, and import nothing of what draws.
"""

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from demo_pipeline.defs.asset_pages import specs
from demo_pipeline.defs.asset_pages.incarnations import begin_in_run
from demo_pipeline.defs.shared.partitions import TENANT, TENANTS
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import error_json
from demo_pipeline.defs.shared.run_tags import KIND_TAG
from demo_pipeline.domain.core.errors import DemoError

_KIND: Final = "report"


@dg.asset(
    name=specs.TENANT_REPORT,
    partitions_def=TENANTS,
    deps=[
        dg.AssetDep(specs.KPI_SNAPSHOT, partition_mapping=dg.MultiToSingleDimensionPartitionMapping(TENANT))
    ],
    group_name=specs.GROUPS[specs.KPI_SNAPSHOT],
    description=specs.REPORT_DESCRIPTION,
    tags=specs.TAGS,
    owners=list(specs.OWNERS),
    code_version=specs.CODE_VERSION,
    backfill_policy=dg.BackfillPolicy.single_run(),
    # An output would mark every partition of the run.
    output_required=False,
)
def tenant_report(context: dg.AssetExecutionContext, demo: DemoTenants) -> Iterator[Any]:
    """One materialisation a tenant; a tenant that cannot be read does not prevent the others."""
    # What draws costs a second to import: other runs of this code location do without.
    from demo_pipeline.defs.asset_pages.report_metadata import report_metadata
    from demo_pipeline.services.tenants.report import read_report

    context.instance.add_run_tags(context.run.run_id, {KIND_TAG: _KIND})
    begin_in_run(context.op_execution_context, demo, context.partition_keys)
    errors: list[dict[str, Any]] = []
    for slug in context.partition_keys:
        try:
            report = read_report(demo.database, demo.settings, slug)
        except DemoError as error:
            errors.append(error_json(error, slug))
            continue
        yield dg.AssetMaterialization(specs.TENANT_REPORT, partition=slug, metadata=report_metadata(report))
    if errors:
        raise dg.Failure(
            "; ".join(f"{one['tenant']}: {one['message']}" for one in errors),
            metadata={"errors": dg.MetadataValue.json(errors)},
            allow_retries=False,
        )
