"""The asset page in a real browser: what a person sees of a materialised and of a refused partition."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.dagster_web import WebServer

#: Dagster asks for news every few seconds; on busy cores the answer takes its time.
PATIENCE_MS = 60_000


def partition_page(web: WebServer, asset: str, partition: str) -> str:
    """The address of one partition of an asset."""
    return f"{web.url}/assets/{asset}?view=partitions&partition={partition.replace('|', '%7C')}"


def kpi_table(page: Page) -> Locator:
    """The table of KPIs, which is a value in the table of metadata."""
    return page.locator("table table", has_text="Pipeline added")


def cells(page: Page, label: str) -> Locator:
    """One KPI: its name, expected, before, after, drift."""
    return kpi_table(page).locator("tbody tr", has_text=label).locator("td")


def test_a_materialised_partition_shows_its_kpi_table(
    dagster_home: DagsterHome, web: WebServer, page: Page, outside_requests: list[str]
) -> None:
    """All eight KPIs, expected, before and after, at one look, with nothing asked of the internet."""
    dagster_home.provision("acme")
    assert dagster_home.materialise("acme").success
    page.goto(partition_page(web, "kpi_snapshot", "2025-01|acme"))
    expect(cells(page, "Value won")).to_have_text(
        ["Value won", "1,500.55", "0.00", "1,500.55", "0.00"], timeout=PATIENCE_MS
    )
    expect(cells(page, "Leads created")).to_have_text(["Leads created", "12", "0", "12", "0"])
    expect(kpi_table(page).locator("tbody tr")).to_have_count(8)
    expect(page.get_by_text("Materialized", exact=True).first).to_be_visible()
    assert outside_requests == []


def test_a_wrong_kpi_shows_a_failed_check_on_an_unmaterialised_partition(
    dagster_home: DagsterHome, web: WebServer, page: Page
) -> None:
    """The check has failed, with the figure and the partition; the partition itself has no data."""
    dagster_home.provision("acme")
    dagster_home.spoil_values("acme")
    assert not dagster_home.materialise("acme", "2025-01", "2025-01").success
    page.goto(f"{web.url}/assets/kpi_snapshot?view=checks&checkDetail=kpis_match_plan")
    main = page.locator("body")
    expect(main).to_contain_text("closed_won_value: 1,500.58 instead of 1,500.55", timeout=PATIENCE_MS)
    expect(main).to_contain_text("Failed")
    expect(main).to_contain_text("2025-01|acme")
    page.goto(partition_page(web, "kpi_snapshot", "2025-01|acme"))
    expect(page.get_by_text("Materialized (0)")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("Failed (1)")).to_be_visible()
    expect(kpi_table(page)).to_have_count(0)


@pytest.mark.risk("P8")
def test_p08_the_table_in_an_open_page_changes_with_the_run(
    dagster_home: DagsterHome, web: WebServer, page: Page
) -> None:
    """A page that is open while a run commits shows the new figures by itself, read after the commit."""
    dagster_home.provision("acme")
    assert dagster_home.materialise("acme", "2025-01", "2025-01").success
    page.goto(f"{web.url}/assets/kpi_snapshot?view=overview")
    expect(cells(page, "Companies created")).to_have_text(
        ["Companies created", "6", "0", "6", "0"], timeout=PATIENCE_MS
    )
    page.evaluate("window.wasNotReloaded = true")
    with dagster_home.database.admin() as conn:
        conn.execute(
            "insert into crm.companies (tenant_id, name, created_at)"
            " select id, 'By hand', '2025-01-15 12:00Z' from crm.tenants where slug = 'acme'"
        )
    assert dagster_home.materialise("acme", "2025-01", "2025-01").success
    expect(cells(page, "Companies created")).to_have_text(
        ["Companies created", "6", "7", "7", "+1"], timeout=PATIENCE_MS
    )
    assert page.evaluate("window.wasNotReloaded") is True
