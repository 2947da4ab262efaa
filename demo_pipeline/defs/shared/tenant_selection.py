"""The tenants that a person selects in the launchpad: by slug, or all."""

from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from demo_pipeline.defs.shared.resources import DemoTenants
from demo_pipeline.defs.shared.run_failures import refusal_failure
from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.services.tenants.queries import list_tenants


class TenantSelection(dg.Config):
    """Tenants by their slugs."""

    tenants: list[str] = Field(
        default_factory=list[str], description="Slugs of demo tenants. None: all of them."
    )


def selected_slugs(demo: DemoTenants, asked: Sequence[str] = ()) -> list[str]:
    """The slugs that were asked for, in order, or all. Fails the run for one that is no demo tenant."""
    there = [tenant.slug for tenant in list_tenants(demo.database)]
    if unknown := sorted(set(asked) - set(there)):
        error = InputError(f"no demo tenants: {', '.join(unknown)}; there are: {', '.join(there) or 'none'}")
        raise refusal_failure(error, None)
    return sorted(set(asked)) or there
