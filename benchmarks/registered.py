"""Many registered tenants: how long the asset page and the daemon's ticks take."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final

from playwright.sync_api import Page, sync_playwright

from benchmarks.arena import Arena
from benchmarks.fleet import write_blueprints
from benchmarks.home import PROGRAM, Home, open_home
from benchmarks.process import ROOT, clean_environment, work
from benchmarks.results import Result

_DAGSTER_WORK: Final = "benchmarks.dagster_work"
_WITH_MONTHS: Final = ("fleet-0000", "fleet-0001")
_GOALS: Final = {"planning of the top-up": 5.0}
_PATIENCE_MS: Final = 120_000
_LOADS: Final = 3


def registered(_arena: Arena, tenant_count: int) -> Iterator[Result]:
    """Register tenants without months, two with months among them, and look at the pages."""
    with open_home() as home:
        write_blueprints(home.blueprints, tenant_count)
        home.run("run", *_WITH_MONTHS)
        made = work("register", {"folder": str(home.blueprints)}, home.environment, _DAGSTER_WORK)
        yield Result(
            what=f"registration of {tenant_count:,} tenants without months",
            unit="s",
            samples=(made["wall"],),
            note=f"CPU-seconds of the client: {made['cpu']:.1f}",
        )
        for name, seconds in work("ticks", {}, home.environment, _DAGSTER_WORK).items():
            yield Result(
                what=f"{name}, {tenant_count:,} tenants registered",
                unit="s",
                samples=(seconds["wall"],),
                goal=_GOALS.get(name),
                is_more_better=False,
                note=f"CPU-seconds of the client: {seconds['cpu']:.1f}",
            )
        yield Result(
            what=f"asset page of kpi_snapshot until its partitions are listed, {tenant_count:,} tenants",
            unit="s",
            samples=_page_loads(home),
            goal=3,
            is_more_better=False,
        )


def _page_loads(home: Home) -> tuple[float, ...]:
    """Seconds of each load of the page in a new browser, without the first, which warms the server."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise RuntimeError("Chromium is missing: apt-get install chromium")
    with _served(home) as url, sync_playwright() as playwright:
        seconds: list[float] = []
        for _ in range(_LOADS + 1):
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
            )
            seconds.append(_load(browser.new_page(viewport={"width": 1440, "height": 900}), url))
            browser.close()
    return tuple(seconds[1:])


def _load(page: Page, url: str) -> float:
    started_at = perf_counter()
    page.goto(f"{url}/assets/kpi_snapshot?view=partitions")
    page.get_by_text(_WITH_MONTHS[0], exact=True).first.wait_for(timeout=_PATIENCE_MS)
    return perf_counter() - started_at


@contextmanager
def _served(home: Home) -> Generator[str]:
    """The URL of the web server, with the daemon beside it."""
    process = subprocess.Popen(
        [PROGRAM, "serve"],
        cwd=ROOT,
        env=clean_environment(home.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
