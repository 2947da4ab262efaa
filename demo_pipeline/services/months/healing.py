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
from demo_pipeline.services.jobs.tenant_context import open_snapshot
from demo_pipeline.services.months.pending_load import read_months
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger.tenants import list_tenants


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
        state = read_months(conn, settings, context, as_of)
    short = tuple(month for month, (expected, there) in state.differing.items() if is_short(expected, there))
    if not short and state.is_made:
        return None
    choice = stored_heal(context.state.tenant.blueprint)
    return Healing(tenant=slug, choice=choice, first=state.asked.first, last=state.asked.last, short=short)
