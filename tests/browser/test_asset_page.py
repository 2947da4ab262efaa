"""The asset page in a real browser: what a person sees of a month that is made, refused or patched."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.dagster_web import WebServer

#: Dagster asks for news every few seconds; on busy cores the answer takes its time.
PATIENCE_MS = 60_000
LAUNCHPAD = "/locations/demo_pipeline.definitions/jobs/apply_patch/playground"
PLAN = {"months": [{"month": "2025-01", "metrics": {"companies_created": 2, "contacts_created": 3}}]}


def partition_page(web: WebServer, asset: str, partition: str) -> str:
    """The address of one partition of an asset."""
    return f"{web.url}/assets/{asset}?view=partitions&partition={partition.replace('|', '%7C')}"


def kpi_table(page: Page) -> Locator:
    """The table of KPIs, which is a value in the table of metadata, beside that of the bars."""
    return page.locator("table table", has_text="Pipeline added").filter(has_text="Drift")


def cells(page: Page, label: str) -> Locator:
    """One KPI: its name, expected, after, drift, before."""
    return kpi_table(page).locator("tbody tr", has_text=label).locator("td")


def test_a_materialised_partition_shows_its_kpi_table(
    shared_home: DagsterHome, web: WebServer, page: Page, outside_requests: list[str]
) -> None:
    """All eight KPIs, expected, before and after, at one look, with nothing asked of the internet."""
    shared_home.provision("acme")
    assert shared_home.materialise("acme").success
    page.goto(partition_page(web, "kpi_snapshot", "2025-01|acme"))
    expect(cells(page, "Value won")).to_have_text(
        ["Value won", "1,500.55", "1,500.55", "0.00", "0.00"], timeout=PATIENCE_MS
    )
    expect(cells(page, "Leads created")).to_have_text(["Leads created", "12", "12", "0", "0"])
    expect(kpi_table(page).locator("tbody tr")).to_have_count(8)
    expect(page.get_by_text("Materialized", exact=True).first).to_be_visible()
    assert outside_requests == []


def test_the_first_page_shows_runs_of_the_command_line(
    shared_home: DagsterHome, web: WebServer, page: Page
) -> None:
    """Dagster's first page is a timeline, which leaves out runs that belong to no code location."""
    shared_home.provision("rowan")
    assert shared_home.materialise("rowan", "2025-01", "2025-01").success
    page.goto(web.url)
    expect(page.get_by_role("link", name="materialise_tenants")).to_be_visible(timeout=PATIENCE_MS)


def test_a_wrong_kpi_shows_a_failed_check_on_an_unmaterialised_partition(
    shared_home: DagsterHome, web: WebServer, page: Page
) -> None:
    """The check has failed, with the figure and the partition; the partition itself has no data."""
    shared_home.provision("oaken")
    shared_home.spoil_values("oaken")
    assert not shared_home.materialise("oaken", "2025-01", "2025-01").success
    page.goto(f"{web.url}/assets/kpi_snapshot?view=checks&checkDetail=kpis_match_plan")
    main = page.locator("body")
    expect(main).to_contain_text("closed_won_value: 1,500.58 instead of 1,500.55", timeout=PATIENCE_MS)
    expect(main).to_contain_text("Failed")
    expect(main).to_contain_text("2025-01|oaken")
    page.goto(partition_page(web, "kpi_snapshot", "2025-01|oaken"))
    materialised = shared_home.materialised("kpi_snapshot")
    assert "2025-01|oaken" not in materialised
    expect(page.get_by_text(f"Materialized ({len(materialised)})")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("Failed (1)")).to_be_visible()
    expect(kpi_table(page)).to_have_count(0)


@pytest.mark.risk("P8")
def test_p08_the_table_in_an_open_page_changes_with_the_run(
    shared_home: DagsterHome, web: WebServer, page: Page
) -> None:
    """A page that is open while a run commits shows the new figures by itself, read after the commit."""
    shared_home.provision("linden")
    assert shared_home.materialise("linden", "2025-01", "2025-01").success
    page.goto(f"{web.url}/assets/kpi_snapshot?view=overview")
    expect(cells(page, "Companies created")).to_have_text(
        ["Companies created", "6", "6", "0", "0"], timeout=PATIENCE_MS
    )
    page.evaluate("window.wasNotReloaded = true")
    with shared_home.database.admin() as conn:
        conn.execute(
            "insert into crm.companies (tenant_id, name, created_at)"
            " select id, 'By hand', '2025-01-15 12:00Z' from crm.tenants where slug = 'linden'"
        )
    assert shared_home.materialise("linden", "2025-01", "2025-01").success
    expect(cells(page, "Companies created")).to_have_text(
        ["Companies created", "6", "7", "+1", "7"], timeout=PATIENCE_MS
    )
    assert page.evaluate("window.wasNotReloaded") is True


def change_row(page: Page, label: str) -> Locator:
    """One KPI of the table of changes."""
    table = page.locator("table table", has_text="target")
    return table.locator("tbody tr", has_text=label).locator("td")


def test_a_patch_begins_in_the_launchpad_and_ends_on_the_asset_page(
    shared_home: DagsterHome, web: WebServer, page: Page, outside_requests: list[str]
) -> None:
    """The example is there without an error, ready to launch; the page shows what a patch changed."""
    shared_home.provision("birch")
    assert shared_home.materialise("birch", "2025-01", "2025-01").success
    page.goto(f"{web.url}{LAUNCHPAD}")
    main = page.locator("body")
    expect(main).to_contain_text("tenant: larkmoor", timeout=PATIENCE_MS)
    expect(main).to_contain_text("closed_won_value: '12500.00'")
    expect(main).to_contain_text("No errors", timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Launch Run")).to_be_enabled()

    config = {"ops": {"patch": {"config": {"tenant": "birch", "plan": PLAN}}}}
    assert shared_home.launch("apply_patch", config).success
    page.goto(f"{web.url}/assets/kpi_snapshot?view=partitions&partition=2025-01%7Cbirch")
    expect(change_row(page, "Companies created")).to_have_text(
        ["Companies created", "6", "+2", "8", "8"], timeout=PATIENCE_MS
    )
    expect(change_row(page, "Activities created")).to_have_text(["Activities created", "40", "0", "40", "40"])
    expect(main).to_contain_text("apply_patch")
    page.goto(f"{web.url}/assets/companies?view=partitions&partition=2025-01%7Cbirch")
    expect(page.locator("table table", has_text="Companies created").locator("tbody td")).to_have_text(
        ["Companies created", "6", "+2", "8"], timeout=PATIENCE_MS
    )
    assert outside_requests == []


def test_a_report_shows_its_pictures(
    shared_home: DagsterHome, web: WebServer, page: Page, outside_requests: list[str]
) -> None:
    """The story is there at once; one click shows every picture, drawn and named."""
    shared_home.provision("pictured")
    assert shared_home.materialise("pictured").success
    with ThreadPoolExecutor(1) as executor:
        # Dagster runs an event loop for it, and this thread has the browser's.
        assert executor.submit(shared_home.draw_reports, "pictured").result().success
    page.goto(f"{web.url}/assets/tenant_report?view=partitions&partition=pictured")
    expect(page.locator("body")).to_contain_text("Kranz Logistik gained 44 contacts", timeout=PATIENCE_MS)
    page.locator("tr", has_text="pictures").get_by_text("Show Markdown").click()
    pictures = page.locator('img[src^="data:image/svg+xml"]')
    expect(pictures).to_have_count(12, timeout=PATIENCE_MS)
    shown = pictures.evaluate_all("all => all.map(one => [one.alt, one.complete && one.naturalWidth > 100])")
    assert {is_drawn for _, is_drawn in shown} == {True}
    assert "Contacts created by month" in {name for name, _ in shown}
    assert outside_requests == []
