"""The assets: names, dependencies, descriptions and columns for their pages. Not their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

from demo_pipeline.domain.model import MODEL
from demo_pipeline.domain.reference.versions import LISTS_VERSION

TABLES: Final = MODEL.counted
KPI_SNAPSHOT: Final = "kpi_snapshot"
ASSETS: Final = (*TABLES, KPI_SNAPSHOT)
#: one partition a tenant, beside the assets of its months
TENANT_REPORT: Final = "tenant_report"
#: a tenant's rows as files
TENANT_EXPORT: Final = "tenant_export"
#: the record that a month may be shown
TENANT_RELEASE: Final = "tenant_release"
#: whether a tenant can be shown
TENANT_READINESS: Final = "tenant_readiness"
#: asset → what it comes from
DEPENDENCIES: Final[Mapping[str, tuple[str, ...]]] = {
    "companies": (),
    "contacts": ("companies",),
    "deals": ("contacts",),
    "activities": ("deals", "contacts"),
    KPI_SNAPSHOT: TABLES,
}
GROUPS: Final = {**dict.fromkeys(TABLES, "tenant_tables"), KPI_SNAPSHOT: "tenant_kpis"}
OWNERS: Final = ("team:demo-data",)
TAGS: Final = {"dagster/kind/postgres": ""}
#: what new tenants are made with; a tenant keeps the lists that it was made with
CODE_VERSION: Final = f"1-lists-{LISTS_VERSION}"

_ALL_OR_NOTHING: Final = """

All rows of a tenant's selected months are loaded in **one transaction**, together with those of the other
three tables, and committed only once all eight KPIs of every month are exact. Running a partition again
changes nothing unless rows are missing.
"""
DESCRIPTIONS: Final = {
    "companies": "Companies of a demo tenant, by the month in which the CRM came to know them. Names and "
    "domains are unique within the tenant; addresses are real places of its country; domains and phone "
    f"numbers reach nobody.{_ALL_OR_NOTHING}",
    "contacts": "People of a demo tenant, leads among them. Each belongs to a company that exists by then "
    f"(a few to none), with an e-mail address of that company's domain.{_ALL_OR_NOTHING}",
    "deals": "Deals of a demo tenant, by the month in which they were opened. Each belongs to a contact and "
    "that contact's company; won values add up to the plan **to the minor unit**. Closing dates and "
    f"probabilities fit the stage and the industry's sales cycle.{_ALL_OR_NOTHING}",
    "activities": "Notes, calls, e-mails, meetings and tasks about a contact and, where there is one, that "
    "contact's deal, in the tenant's working hours. No text comes twice within a deal."
    f"{_ALL_OR_NOTHING}",
    KPI_SNAPSHOT: "The eight KPIs of a tenant's month, read again after the commit: what the plan "
    "expects, what was there before, what is there now, and the drift that people's own changes have "
    "caused since.\n\nA partition that is not materialised has no rows of its run in the database: a KPI "
    "that is off by one unit or one cent rolls back everything, and the failed check says which.",
}
RELEASE_DESCRIPTION: Final = (
    "The record that a tenant's month may be shown. It is requested by itself once every check of "
    "`kpi_snapshot` of severity ERROR has passed for the month, and a check that does not pass keeps it "
    "back. It hides nothing from the CRM.\n\nA job that changes a released month makes the record out of "
    "date until the checks have passed again. To release a month that is kept back, materialise it with a "
    "`reason` in the launchpad; the audit log keeps it. `demo-pipeline release SLUG` does the same."
)
REPORT_DESCRIPTION: Final = (
    "A tenant at a glance: its story in words, hero accounts, pictures of all months, what is open, and the "
    "checks, read in one snapshot when the partition is materialised. It changes nothing in the CRM.\n\n"
    "`demo-pipeline report SLUG -o FILE.html` writes the same as a page to be handed out."
)
READINESS_DESCRIPTION: Final = (
    "Whether a tenant can be shown, as its last examination found: fresh, checked, released, nothing changed "
    "since its checkpoint, scan and certificate clean, hero accounts there, no job or alert open. Each "
    "reason why not has the command that cures it. It changes nothing in the CRM.\n\nThe schedule "
    "`examine_every_morning` materialises it at six in each tenant's time zone, once it is switched on. The "
    "page `/demo-day` beside this one shows all tenants as they are now."
)
EXPORT_DESCRIPTION: Final = (
    "All that a tenant sees, as files in the folder `exports` of DEMO_HOME: Parquet, CSV for dbt, or an "
    "Excel workbook, chosen in the launchpad. It replaces the tenant's earlier export there and changes "
    "nothing in the CRM. Months that are not released are exported, too; `manifest.json` and the number "
    "`months_not_released` say so.\n\n`demo-pipeline export SLUG DIR` writes the same elsewhere."
)


def column_schema(table: str) -> dg.TableSchema:
    """The columns of a table of schema ``crm``."""
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                column.kind.value,
                description=column.description or None,
                constraints=dg.TableColumnConstraints(nullable=column.is_nullable),
            )
            for column in MODEL[table].columns
        ]
    )


def definition_metadata(asset: str) -> dict[str, Any]:
    """An asset's metadata, before it is ever materialised."""
    if asset == KPI_SNAPSHOT:
        return {"dagster/table_name": "demo.kpi_monthly"}
    return {"dagster/table_name": f"crm.{asset}", "dagster/column_schema": column_schema(asset)}
