"""Which tenants have fewer rows than is expected of them, and the months that put it right.

Reads and judges; what makes the rows is ``materialise``. Rows that people added are no reason to heal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from demo_pipeline.domain.blueprint.healing import Heal, stored_heal
from demo_pipeline.domain.core.errors import DemoError, NotFoundError
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.feasibility import is_short
from demo_pipeline.services.jobs.tenant_context import check_instant, open_snapshot
from demo_pipeline.services.months.month_range import month_range
from demo_pipeline.services.months.pending_load import is_made
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger.tenants import list_tenants
from demo_pipeline.storage.rows.kpis import all_figures


@dataclass(frozen=True, kw_only=True)
class Healing:
    """A tenant whose rows are fewer than expected, and all its months that have begun."""

    tenant: str
    #: the tenant's own choice
    choice: Heal
    first: Month
    last: Month
    #: months with a figure below what is expected; none: rows of the blueprint are not loaded yet
    short: tuple[Month, ...]

    @property
    def reason(self) -> str:
        """What is missing, in a few words."""
        if not self.short:
            return "rows of the blueprint are missing"
        return f"figures are below what is expected in {', '.join(map(str, self.short))}"


def healings(
    database: Database, settings: Settings, *, on_unreadable: Callable[[str, DemoError], None]
) -> list[Healing]:
    """The tenants that lack rows which :func:`materialise` would make, by slug.

    A tenant that cannot be read, or by whose clock nothing can be made, is passed to ``on_unreadable``.
    """
    found: list[Healing] = []
    with database.pooled() as kept:
        with kept.admin(readonly=True) as conn:
            slugs = [tenant.slug for tenant in list_tenants(conn)]
        for slug in slugs:
            try:
                healing = _healing(kept, settings, slug)
            except NotFoundError:
                continue  # deleted meanwhile
            except DemoError as error:
                on_unreadable(slug, error)
                continue
            if healing is not None:
                found.append(healing)
    return found


def _healing(database: Database, settings: Settings, slug: str) -> Healing | None:
    with open_snapshot(database, settings, slug, "show") as (conn, context, as_of):
        asked = month_range(context, None, None, as_of)
        check_instant(context, as_of, settings)
        there = all_figures(conn, context.state.tenant.tenant_id, context.spec.currency)
        recorded = context.recorded_months.intersection(asked.months)
        short = sorted(month for month in recorded if is_short(context.expected(month), there.at(month)))
        if not short and is_made(conn, context, asked.last, as_of):
            return None
    choice = stored_heal(context.state.tenant.blueprint)
    return Healing(tenant=slug, choice=choice, first=asked.first, last=asked.last, short=tuple(short))
