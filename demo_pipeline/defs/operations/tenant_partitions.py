"""Tenants as Dagster partitions: the job that provisions them, the sensor that follows the database."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from demo_pipeline.defs.asset_pages.incarnations import begin_tenants, end_tenant
from demo_pipeline.defs.shared.partitions import TENANT, TENANTS
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import error_json
from demo_pipeline.defs.shared.run_tags import KIND_TAG
from demo_pipeline.domain.core.errors import DemoError, InputError
from demo_pipeline.services.files.blueprint_files import blueprint_paths
from demo_pipeline.services.tenants.provision import provision_all
from demo_pipeline.services.tenants.queries import later_incarnations, list_tenants


class ProvisionConfig(dg.Config):
    """Which blueprints to provision."""

    #: names of files in the blueprint folder; none: all of them
    files: list[str] = Field(default_factory=list[str])


@dg.op
def provision(context: dg.OpExecutionContext, config: ProvisionConfig, demo: DemoTenants) -> list[str]:
    """Make the tenants, and a partition for each demo tenant there is."""
    unreadable: list[dict[str, Any]] = []
    try:
        paths = _chosen(demo.settings.blueprints, config.files)
        made = provision_all(
            demo.database,
            demo.settings,
            paths,
            requested_by="dagster",
            on_unreadable=lambda slug, error: unreadable.append(error_json(error, slug)),
        )
    except DemoError as error:
        raise dg.Failure(
            error.message,
            metadata={"errors": dg.MetadataValue.json([error_json(error)])},
            allow_retries=False,
        ) from error
    for one in made:
        span = f"{one.first_month} to {one.last_month}"
        context.log.info("%s, %s: %s", one.slug, span, "provisioned" if one.is_new else "was there")
        for warning in one.warnings:
            context.log.warning("%s: %s", one.slug, warning)
    slugs = [tenant.slug for tenant in list_tenants(demo.database)]
    context.instance.add_dynamic_partitions(TENANT, slugs)
    if unreadable:
        # The others are provisioned.
        raise dg.Failure(
            "; ".join(one["message"] for one in unreadable),
            metadata={"errors": dg.MetadataValue.json(unreadable)},
            allow_retries=False,
        )
    return [one.slug for one in made]


@dg.job(
    tags={KIND_TAG: "provision"},
    description="Provision every blueprint of the folder (or the files that are named) and show each tenant "
    "as a partition. A tenant that is there already is left alone; no data is loaded.",
)
def provision_tenants() -> None:
    """From blueprint files to tenants without data."""
    provision()


def _chosen(folder: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """The blueprints of the folder, or those named; by name only, so that no other file is read."""
    there = {path.name: path for path in blueprint_paths(folder)}
    if unknown := [name for name in names if name not in there]:
        raise InputError(f"not in {folder}: {', '.join(unknown)}; there are: {', '.join(there) or 'none'}")
    return tuple(there[name] for name in names) if names else tuple(there.values())


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
