"""The asset ``tenant_export``: a tenant's rows as files in the folder ``exports``, one partition a tenant."""

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

_KIND: Final = "export"


class ExportConfig(dg.Config):
    """The form of the launchpad."""

    #: parquet, csv or xlsx
    format: str = "parquet"


@dg.asset(
    name=specs.TENANT_EXPORT,
    partitions_def=TENANTS,
    deps=[
        dg.AssetDep(specs.TENANT_RELEASE, partition_mapping=dg.MultiToSingleDimensionPartitionMapping(TENANT))
    ],
    group_name=specs.GROUPS[specs.KPI_SNAPSHOT],
    description=specs.EXPORT_DESCRIPTION,
    tags=specs.TAGS,
    owners=list(specs.OWNERS),
    code_version=specs.CODE_VERSION,
    backfill_policy=dg.BackfillPolicy.single_run(),
    # An output would mark every partition of the run.
    output_required=False,
)
def tenant_export(
    context: dg.AssetExecutionContext, config: ExportConfig, demo: DemoTenants
) -> Iterator[Any]:
    """One folder a tenant; a tenant that cannot be exported does not prevent the others."""
    # Other runs of this code location do without Arrow's files.
    from demo_pipeline.rendering.export_columns import export_table
    from demo_pipeline.rendering.table import markdown
    from demo_pipeline.services.tenants.export import export

    context.instance.add_run_tags(context.run.run_id, {KIND_TAG: _KIND})
    begin_in_run(context.op_execution_context, demo, context.partition_keys)
    demo.settings.exports.mkdir(parents=True, exist_ok=True)
    errors: list[dict[str, Any]] = []
    for slug in context.partition_keys:
        try:
            written = export(
                demo.database,
                demo.settings,
                slug,
                demo.settings.exports / slug,
                config.format,
                is_replacing=True,
            )
        except DemoError as error:
            errors.append(error_json(error, slug))
            continue
        yield dg.AssetMaterialization(
            specs.TENANT_EXPORT,
            partition=slug,
            metadata={
                "folder": dg.MetadataValue.path(str(written.folder)),
                "tables": dg.MetadataValue.md(markdown(export_table(written))),
                "rows": written.row_count,
                "months_not_released": len(written.unreleased),
                "digest": written.digest,
                "certificate_holds": written.certificate.holds,
                "read_at": dg.MetadataValue.timestamp(written.as_of),
            },
        )
    if errors:
        raise dg.Failure(
            "; ".join(f"{one['tenant']}: {one['message']}" for one in errors),
            metadata={"errors": dg.MetadataValue.json(errors)},
            allow_retries=False,
        )
