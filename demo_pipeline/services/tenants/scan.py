"""Whether a tenant could see that it is a demo: all that it sees, and all that its reader can find out."""

from __future__ import annotations

from dataclasses import dataclass

from demo_pipeline.domain.core.errors import DatabaseError
from demo_pipeline.services.jobs.tenant_context import find_tenant_id
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import tenants
from demo_pipeline.storage.rows import disclosure_scan
from demo_pipeline.storage.rows.disclosure_scan import Disclosure


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What ``scan`` says of one tenant."""

    tenant: str
    #: columns of all views
    columns: int
    #: values of text that are not null
    values: int
    #: in the tenant's own rows
    findings: tuple[Disclosure, ...]
    #: in the catalogue: these give every demo away, and are the same for each tenant of a scan
    reader_findings: tuple[Disclosure, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.findings or self.reader_findings)


def scan(database: Database, settings: Settings, slug: str | None = None) -> tuple[Scan, ...]:
    """Look through one tenant, or all, as the CRM's reader sees it.

    Reads every row of it. Raises ``NotFoundError``, ``NotADemoTenantError``, and ``DatabaseError`` where the
    reader sees nothing of a tenant: nothing was looked through then.
    """
    scans: list[Scan] = []
    with database.pooled() as kept:
        with kept.admin(readonly=True) as conn:
            slugs = [slug] if slug is not None else [one.slug for one in tenants.list_tenants(conn)]
        for each in slugs:
            with kept.snapshot() as conn:
                # Its plan is not read: a tenant whose plan is broken is looked through like any other.
                disclosure_scan.serve(conn, find_tenant_id(conn, settings, each, "scan"))
                looked = disclosure_scan.scan_values(conn)
                distributions = disclosure_scan.scan_distributions(conn)
                reader_findings = disclosure_scan.scan_catalogue(conn)
            if not looked.values:
                # Not even its name: the views or their policies are not as they were made.
                raise DatabaseError(
                    f"crm_reader sees nothing of tenant {each!r}, so there is nothing to look through: "
                    "views of crm_app or policies for crm_views are missing; restore them from a backup"
                )
            scans.append(
                Scan(
                    tenant=each,
                    columns=looked.columns,
                    values=looked.values,
                    findings=(*looked.findings, *distributions),
                    reader_findings=reader_findings,
                )
            )
    return tuple(scans)
