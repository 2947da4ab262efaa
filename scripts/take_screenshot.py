"""Take the pictures of the documentation: a partition of ``kpi_snapshot`` in Dagster's page, and a report.

    .venv/bin/python scripts/take_screenshot.py [docs/images]

Makes the bundled tenants in a throw-away home, starts the web server, opens the pages in headless Chromium.
Two minutes. Needs Chromium, and Playwright of the development requirements.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, sync_playwright

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "docs" / "images"
PICTURES: Final = ("asset-page.png", "report.png")
TENANT: Final = "larkmoor"
PARTITION: Final = "2025-10%7Clarkmoor"
PATIENCE_MS: Final = 120_000
MOST_BYTES: Final = 300_000


def take(page: Page, url: str, target: Path) -> None:
    """Open the partition and save what is seen."""
    page.goto(f"{url}/assets/kpi_snapshot?view=partitions&partition={PARTITION}")
    page.get_by_text("Pipeline added").first.wait_for(timeout=PATIENCE_MS)
    page.mouse.move(0, 0)
    page.wait_for_timeout(2_000)
    page.screenshot(path=target)


def take_report(page: Page, text: str, target: Path) -> None:
    """Save the upper part of a report."""
    page.set_content(text)
    page.set_viewport_size({"width": 1180, "height": 1480})
    page.screenshot(path=target)


def main() -> None:
    """Make, serve, look, and leave nothing behind."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    asset_page, report_page = (folder / name for name in PICTURES)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is missing: apt-get install chromium fonts-liberation")
    with tempfile.TemporaryDirectory(prefix="demo-screenshot-") as home:
        # The embedded server of a run by root has another account, which must pass through.
        Path(home).chmod(0o711)
        for name in [name for name in os.environ if name.startswith(("DEMO_", "DAGSTER_"))]:
            del os.environ[name]
        os.environ["DEMO_HOME"] = f"{home}/demo"

        from demo_pipeline.cli.kit.dagster_runs import run_materialisation
        from demo_pipeline.cli.serving.processes import serve_command
        from demo_pipeline.rendering.report_page import tenant_page
        from demo_pipeline.services.files.blueprint_files import blueprint_paths
        from demo_pipeline.services.platform.ready_database import ready_database
        from demo_pipeline.services.tenants.provision import provision_all
        from demo_pipeline.services.tenants.report import read_report
        from demo_pipeline.settings import load_settings
        from demo_pipeline.storage.embedded import server

        settings = load_settings()
        try:
            database = ready_database(settings)
            made = provision_all(database, settings, blueprint_paths(settings.blueprints))
            run_materialisation(settings, database, [tenant.slug for tenant in made])
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=chromium,
                    args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
                )
                page = browser.new_page(
                    viewport={"width": 1440, "height": 900},
                    locale="en-GB",
                    timezone_id="UTC",
                    color_scheme="light",
                )

                def look(url: str) -> None:
                    take(page, url, asset_page)
                    take_report(page, tenant_page(read_report(database, settings, TENANT)), report_page)
                    browser.close()
                    os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C

                serve_command(settings, database, on_ready=look, on_stop=lambda: None)
        finally:
            server.stop(settings.home)
    for target in (asset_page, report_page):
        size = target.stat().st_size
        if size > MOST_BYTES:
            sys.exit(f"{target} has {size:,} bytes, more than {MOST_BYTES:,}")
        print(f"{target}: {size:,} bytes")


if __name__ == "__main__":
    main()
