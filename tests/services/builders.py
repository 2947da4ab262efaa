"""Steps that tests of services take: a tenant from a blueprint tree, its months made, its rows read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.jobs.report import JobReport
from demo_pipeline.services.months.materialise import materialise
from demo_pipeline.services.tenants.provision import provision
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.assertions.generated_rows import figures_of, write_blueprint
from tests.builders.currencies import EUR

#: About 1,900 rows in six months that are over.
BLUEPRINT: dict[str, Any] = {
    "name": "Brightwater Supplies",
    "country": "US",
    "industry": "saas",
    "start_month": "2025-01",
    "end_month": "2025-06",
    "seed": "42",
    "totals": {
        "leads_created": 150,
        "contacts_created": 220,
        "companies_created": 40,
        "deals_created": 80,
        "closed_won_count": 21,
        "closed_won_value": "310000.00",
        "pipeline_added_value": "780000.50",
        "activities_created": 900,
    },
}

#: The tables that a tenant's rows are in.
TABLES = ("users", "pipeline_stages", "tags", "contact_tags", "companies", "contacts", "deals", "activities")


def make_tenant(
    database: Database, settings: Settings, blueprint: Mapping[str, Any] = BLUEPRINT, slug: str = "acme"
) -> str:
    """Provision a blueprint tree; its slug."""
    settings.home.mkdir(parents=True, exist_ok=True)
    folder = settings.home / "blueprints"
    folder.mkdir(exist_ok=True)
    return provision(database, settings, write_blueprint(folder, blueprint, slug)).slug


def made(
    database: Database, settings: Settings, blueprint: Mapping[str, Any] = BLUEPRINT, slug: str = "acme"
) -> JobReport:
    """Provision a blueprint tree and make its span."""
    return materialise(database, settings, make_tenant(database, settings, blueprint, slug))


def row_counts(database: Database) -> dict[str, int]:
    """Rows of every table of ``crm``, all tenants."""
    with database.admin(readonly=True) as conn:
        return {
            table: conn.execute(f"SELECT count(*) FROM crm.{table}").fetchall()[0][0]
            for table in ("tenants", *TABLES)
        }


def figures_in(database: Database, slug: str, currency: Currency = EUR) -> dict[Month, Figures]:
    """The KPIs of a tenant, computed in Python from its rows as the CRM's reader sees them."""
    with database.admin() as conn, conn.transaction():
        found = conn.execute("SELECT id FROM crm.tenants WHERE slug = %s", (slug,)).fetchall()
        conn.execute("SET LOCAL ROLE crm_reader")
        conn.execute("SELECT set_config('app.tenant_id', %s, true)", (str(found[0][0]),))
        rows: dict[str, list[dict[str, Any]]] = {}
        for table in TABLES:
            cursor = conn.execute(f"SELECT * FROM crm_app.{table}")
            names = [column.name for column in cursor.description or ()]
            rows[table] = [dict(zip(names, row, strict=True)) for row in cursor]
    return figures_of(rows, currency)
