"""The end of a demo tenant: all of its rows, at once; what happened stays written down."""

from __future__ import annotations

import psycopg

from demo_pipeline.services.jobs.failures import as_demo_error
from demo_pipeline.services.jobs.tenant_context import find_tenant_id
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import tenants

_KIND = "tenant delete"


def delete_tenant(
    database: Database, settings: Settings, slug: str, *, requested_by: str | None = None
) -> dict[str, int]:
    """Delete a demo tenant; rows by table. Its name is free then, for the next incarnation.

    Waits for its running job. Raises ``NotFoundError``, ``NotADemoTenantError``, ``BusyError``.
    """
    try:
        with database.admin() as conn:
            # Not in the transaction: what is refused is audited all the same.
            tenant_id = find_tenant_id(conn, settings, slug, _KIND)
            with conn.transaction():
                return tenants.delete_tenant(conn, tenant_id, settings.wait_seconds, requested_by, slug)
    except psycopg.Error as error:
        raise as_demo_error(error, database, has_begun=True) from error
