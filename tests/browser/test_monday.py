"""A Monday at the pages: made, backfilled, broken, understood, healed, released, looked at and changed.

Everything is as ``serve`` starts it: web server, daemon, runs in processes of their own. Every step of the
person is one of the browser. Its pictures stay in the test's folder, ``pytest --basetemp=FOLDER``.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from demo_pipeline.domain.core.months import Month
from demo_pipeline.services.tenants.release import ReleaseState, read_releases
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.dagster_web import answers, free_port
from tests.fixtures.embedded_server import wait_until

#: a run is queued, begins in a process of its own and ends; on busy cores a backfill takes minutes
RUN_MS = 300_000
RUN_SECONDS = RUN_MS / 1000
#: the sensor ticks once a minute
RELEASE_SECONDS = 600
TENANTS = ("acme", "birch", "cedar")
MONTHS = ("2025-01", "2025-02", "2025-03")
ALL = {f"{month}|{slug}" for month in MONTHS for slug in TENANTS}
PLAN = """\
ops:
  patch:
    config:
      tenant: acme
      plan: {months: [{month: 2025-03, metrics: {contacts_created: 3}}]}
"""


@contextmanager
def serve(home: DagsterHome) -> Generator[str]:
    """``demo-pipeline serve``, ended as by Ctrl-C."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "demo_pipeline.cli.main", "serve", "--port", str(port)],
        env={**os.environ, **home.environment},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        assert answers(f"{url}/server_info", process)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def backfills(home: DagsterHome) -> set[str]:
    """The states of all backfills."""
    return {one.status.value for one in home.instance.get_backfills()}


def is_released(home: DagsterHome, slug: str, month: str) -> bool:
    """Whether a month is released, and not changed since."""
    found = read_releases(home.database, home.settings, slug)
    return found.state(Month.parse(month)) is ReleaseState.RELEASED


class Person:
    """Somebody at the pages."""

    def __init__(self, page: Page, url: str, pictures: Path) -> None:
        self.page, self._url, self._pictures = page, url, pictures
        page.set_default_timeout(RUN_MS)

    def open(self, place: str) -> None:
        """Go to a page."""
        self.page.goto(f"{self._url}/{place}")

    def keep(self, name: str) -> None:
        """A picture of what is seen, to be looked at."""
        self.page.screenshot(path=self._pictures / f"{name}.png")

    def materialise(self, asset: str, *tenants: str, months: str | None = None) -> None:
        """Fill in the dialog of an asset, and launch what it offers: a run or a backfill."""
        self.open(f"assets/{asset}")
        self._press("Materialize")
        if months is not None:
            # The other assets of the month come along.
            self._press("Confirm")
            field = self.page.get_by_placeholder("ex: 2020-01")
            field.fill(months)
            field.press("Enter")
        self.page.get_by_text("Select a partition or create one").click()
        for tenant in tenants:
            self.page.get_by_text(tenant, exact=True).locator("visible=true").last.click()
        # A click beside the list closes it.
        self.page.get_by_text("Launch runs to materialize").click()
        self.keep(f"dialog-{asset}-{len(tenants)}")
        self._press("Launch")
        # Leaving the page before would be too early.
        expect(self.page.get_by_text("Launch runs to materialize")).to_have_count(0, timeout=RUN_MS)

    def launch(self, job: str, config: str | None = None) -> None:
        """Launch a job from its form, which is filled in already, or with another configuration."""
        self.open(f"locations/demo_pipeline/jobs/{job}/playground")
        expect(self.page.get_by_text("No errors")).to_be_visible(timeout=RUN_MS)
        if config is not None:
            self.page.locator(".CodeMirror").first.click()
            self.page.keyboard.press("Control+A")
            self.page.keyboard.insert_text(config)
            expect(self.page.get_by_text("No errors")).to_be_visible(timeout=RUN_MS)
        self._press("Launch Run")
        self.page.wait_for_url("**/runs/*")

    def select(self, *names: str) -> None:
        """Select a month, then a tenant, in the lists of partitions."""
        for name in names:
            self.page.get_by_text(name, exact=True).locator("visible=true").first.click()

    def execute(self, check: str | None = None) -> None:
        """Press the button of one check of all tenants, or of all of them."""
        self.open(f"assets/tenants?view=checks&checkDetail={check or 'no_drift_now'}")
        button = "^Execute$" if check else "^Execute all$"
        self.page.locator("button").filter(has_text=re.compile(button)).click()

    def sees(self, check: str, state: str) -> None:
        """Wait for a check to be shown in a state, in the list on the left."""
        entry = self.page.locator("span", has_text=re.compile(f"^{check}$")).locator("xpath=../..")
        expect(entry.filter(has_text=state).first).to_be_visible(timeout=RUN_MS)

    def sees_only_passed_checks(self, count: int) -> None:
        """Wait until the list on the left has no other state than passed."""
        expect(self.page.get_by_text("Succeeded", exact=True)).to_have_count(count, timeout=RUN_MS)
        for state in ("Failed", "Skipped", "Not Evaluated", "Missing"):
            expect(self.page.get_by_text(state, exact=True)).to_have_count(0, timeout=RUN_MS)

    def _press(self, button: str) -> None:
        self.page.locator("button", has_text=button).locator("visible=true").last.click()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_monday(dagster_home: DagsterHome, page: Page, outside_requests: list[str], tmp_path: Path) -> None:
    """A month, a backfill, lost rows seen before anything heals them, a release, plots, a patch, a report."""
    dagster_home.provision(*TENANTS)
    with serve(dagster_home) as url:
        person = Person(page, url, tmp_path)
        person.materialise("kpi_snapshot", "acme", months="2025-01")
        wait_until(lambda: dagster_home.materialised("kpi_snapshot") == {"2025-01|acme"}, RUN_SECONDS)

        # April is after the end of all three: it is left out, and nobody is told of a failure.
        person.materialise("kpi_snapshot", *TENANTS, months="[2025-01...2025-04]")
        wait_until(lambda: dagster_home.materialised("kpi_snapshot") == ALL, RUN_SECONDS)
        wait_until(lambda: "REQUESTED" not in backfills(dagster_home), RUN_SECONDS)
        person.open("runs?view=backfills")
        expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=RUN_MS)
        expect(page.get_by_text("Failure", exact=True)).to_have_count(0, timeout=RUN_MS)
        person.keep("backfill")
        person.open("assets/kpi_snapshot?view=checks")
        person.sees_only_passed_checks(9)
        person.keep("checks-green")
        person.execute()
        person.sees_only_passed_checks(9)
        person.keep("checks-of-all-green")

        # A row that is lost while a release is under way would make its run fail, as it should.
        wait_until(lambda: dagster_home.materialised("tenant_release") == ALL, RELEASE_SECONDS)
        dagster_home.query(
            "update crm.activities set deleted_at = now() where id = (select a.id from crm.activities a"
            " join crm.tenants t on t.id = a.tenant_id where t.slug = 'birch'"
            " and demo_source_month = '2025-02' order by a.id limit 1) returning id"
        )
        person.execute("nothing_is_missing_now")
        person.sees("nothing_is_missing_now", "Failed")
        reason = "1 month of 1 tenant; birch: 2025-02: 1 of 30 activities are missing"
        expect(page.locator("body")).to_contain_text(reason, timeout=RUN_MS)
        person.keep("check-red")
        person.launch("verify_tenants")
        expect(page.get_by_text("Failure", exact=True).first).to_be_visible(timeout=RUN_MS)
        person.open("assets/kpi_snapshot?view=checks&checkDetail=nothing_is_missing")
        person.sees("nothing_is_missing", "Failed")
        person.sees("references_are_whole", "Succeeded")
        page.get_by_text("Partitions", exact=True).nth(1).click()
        person.select("2025-02", "birch")
        expect(page.locator("body")).to_contain_text(
            "2025-02: 1 of 30 activities are missing", timeout=RUN_MS
        )
        # At one look: nobody has to open it.
        expect(page.locator("body")).to_contain_text(
            "as materialising the month does: demo-pipeline generate birch"
        )
        person.keep("month-red")

        person.materialise("kpi_snapshot", "birch", months="2025-02")
        person.open("assets/kpi_snapshot?view=checks")
        person.sees_only_passed_checks(9)

        wait_until(lambda: is_released(dagster_home, "birch", "2025-02"), RELEASE_SECONDS)
        person.open("assets/tenant_release?view=partitions")
        expect(page.get_by_text("Materialized (9)")).to_be_visible(timeout=RUN_MS)
        person.keep("released")

        person.open("assets/kpi_snapshot")
        page.get_by_text("Plots", exact=True).click()
        expect(page.locator("canvas")).to_have_count(8, timeout=RUN_MS)
        person.keep("plots")

        person.launch("apply_patch", PLAN)
        expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=RUN_MS)
        person.open("assets/kpi_snapshot?view=partitions&partition=2025-03%7Cacme")
        changed = page.locator("table table tr", has_text="Contacts created").filter(has_text="+3")
        expect(changed).to_be_visible(timeout=RUN_MS)
        person.keep("patched")

        person.materialise("tenant_report", "acme")
        wait_until(lambda: dagster_home.materialised("tenant_report") == {"acme"}, RUN_SECONDS)
        person.open("assets/tenant_report?view=partitions&partition=acme")
        page.locator("tr", has_text="pictures").get_by_text("Show Markdown").click()
        expect(page.locator('img[src^="data:image/svg+xml"]')).to_have_count(12, timeout=RUN_MS)
        person.keep("report")
        # The release of the patched month may be under way still.
        assert backfills(dagster_home) <= {"COMPLETED_SUCCESS", "REQUESTED"}
    assert outside_requests == []
