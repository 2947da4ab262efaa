"""Patches in a real browser: the launchpad's example, and what the asset page shows after a patch."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.dagster_web import WebServer

#: Dagster asks for news every few seconds; on busy cores the answer takes its time.
PATIENCE_MS = 60_000
LAUNCHPAD = "/locations/demo_pipeline.definitions/jobs/apply_patch/playground"
PLAN = {"months": [{"month": "2025-01", "metrics": {"companies_created": 2, "contacts_created": 3}}]}


def change_row(page: Page, label: str) -> Locator:
    """One KPI of the table of changes."""
    table = page.locator("table table", has_text="target")
    return table.locator("tbody tr", has_text=label).locator("td")


def test_a_patch_begins_in_the_launchpad_and_ends_on_the_asset_page(
    dagster_home: DagsterHome, web: WebServer, page: Page, outside_requests: list[str]
) -> None:
    """The example is there without an error, ready to launch; the page shows what a patch changed."""
    dagster_home.provision("acme")
    assert dagster_home.materialise("acme", "2025-01", "2025-01").success
    page.goto(f"{web.url}{LAUNCHPAD}")
    main = page.locator("body")
    expect(main).to_contain_text("tenant: larkmoor", timeout=PATIENCE_MS)
    expect(main).to_contain_text("closed_won_value: '12500.00'")
    expect(main).to_contain_text("No errors", timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Launch Run")).to_be_enabled()

    config = {"ops": {"patch": {"config": {"tenant": "acme", "plan": PLAN}}}}
    assert dagster_home.launch("apply_patch", config).success
    page.goto(f"{web.url}/assets/kpi_snapshot?view=partitions&partition=2025-01%7Cacme")
    expect(change_row(page, "Companies created")).to_have_text(
        ["Companies created", "6", "8", "8", "+2"], timeout=PATIENCE_MS
    )
    expect(change_row(page, "Activities created")).to_have_text(["Activities created", "40", "40", "40", "0"])
    expect(main).to_contain_text("apply_patch")
    page.goto(f"{web.url}/assets/companies?view=partitions&partition=2025-01%7Cacme")
    expect(page.locator("table table", has_text="Companies created").locator("tbody td")).to_have_text(
        ["Companies created", "6", "8", "+2"], timeout=PATIENCE_MS
    )
    assert outside_requests == []
