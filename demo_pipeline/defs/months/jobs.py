"""Jobs for the launchpad, schedules and backfills: materialise months, provision tenants."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from demo_pipeline.defs.asset_pages.specs import ASSETS
from demo_pipeline.defs.shared.partitions import TENANT
from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_tags import KIND_TAG
from demo_pipeline.defs.shared.tenant_loads import error_json
from demo_pipeline.domain.core.errors import DemoError, InputError
from demo_pipeline.services.files.blueprint_files import blueprint_paths
from demo_pipeline.services.tenants.provision import provision_all
from demo_pipeline.services.tenants.queries import list_tenants

materialise_tenants = dg.define_asset_job(
    "materialise_tenants",
    selection=dg.AssetSelection.assets(*ASSETS),
    tags={KIND_TAG: "materialise"},
    description="Bring the selected months of the selected tenants to what their blueprints say. Any set of "
    "partitions will do: each tenant is one transaction, and a month that is right is left alone.",
)


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
