"""A Monday at the pages: which tenants are right, why a check failed, healed, green, released.

Everything is as ``serve`` starts it: web server, daemon, runs in processes of their own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.browser import STEP_TIMEOUT_MS
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.dagster_web import answers, free_port
from tests.fixtures.embedded_server import wait_until

#: a run is queued, begins in a process of its own and ends
RUN_MS = 120_000
#: the sensor ticks once a minute
RELEASE_SECONDS = 240
ALL = {f"{month}|acme" for month in ("2025-01", "2025-02", "2025-03")}


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


def check(page: Page, name: str, state: str) -> None:
    """Wait for a check to be shown in a state, in the list on the left."""
    entry = page.locator("span", has_text=name).filter(has_text=state).last
    expect(entry).to_be_visible(timeout=RUN_MS)


@pytest.mark.long
def test_lost_rows_are_seen_understood_healed_and_the_month_is_released(
    dagster_home: DagsterHome, page: Page, outside_requests: list[str]
) -> None:
    """The buttons show it without healing it; the month's check says what to do; then all is green."""
    dagster_home.provision("acme")
    assert dagster_home.materialise("acme").success
    dagster_home.query(
        "update crm.activities set deleted_at = now() where id ="
        " (select id from crm.activities where demo_source_month = '2025-02' order by id limit 1)"
        " returning id"
    )
    with serve(dagster_home) as url:
        page.goto(f"{url}/assets/tenants?view=checks")
        page.get_by_role("button", name="Execute all").click(timeout=STEP_TIMEOUT_MS)
        check(page, "nothing_is_missing_now", "Failed")
        check(page, "references_are_whole_now", "Succeeded")
        page.get_by_text("nothing_is_missing_now").first.click()
        expect(page.locator("body")).to_contain_text("1 month of 1 tenant", timeout=STEP_TIMEOUT_MS)

        page.goto(f"{url}/locations/demo_pipeline/jobs/verify_tenants/playground")
        page.get_by_role("button", name="Launch Run").click(timeout=RUN_MS)
        page.goto(f"{url}/assets/kpi_snapshot?view=checks&checkDetail=nothing_is_missing")
        check(page, "nothing_is_missing", "Failed")

        assert dagster_home.materialise("acme").success
        page.goto(f"{url}/assets/kpi_snapshot?view=checks")
        for name in ("kpis_match_plan", "nothing_is_missing", "no_drift", "tenant_is_fresh"):
            check(page, name, "Succeeded")
        expect(page.get_by_text("Failed", exact=True)).to_have_count(0)

        wait_until(lambda: dagster_home.materialised("tenant_release") == ALL, RELEASE_SECONDS)
        page.goto(f"{url}/assets/tenant_release?view=partitions")
        expect(page.get_by_text("Materialized (3)")).to_be_visible(timeout=RUN_MS)
    assert outside_requests == []
