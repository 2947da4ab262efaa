"""Reports in a real browser: nothing asked of the network, no label on another, small screens and paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, Request

from demo_pipeline.rendering.report_page import overview_page, tenant_page
from demo_pipeline.services.tenants.report import Overview, TenantOverview, TenantReport
from tests.builders.reports import HOSTILE, empty_report, report_of

REPORTS: Final = {
    "year": report_of(text=HOSTILE),
    "month": report_of(month_count=1),
    "two-years": report_of(month_count=24),
    "five-years": report_of(month_count=60, currency="JPY"),
    "empty": empty_report(),
}
MOST_BYTES: Final = 2_000_000
#: Pairs of texts of one picture that overlap, and texts that leave their picture, by more than a pixel.
OVERLAPS: Final = """
() => [...document.querySelectorAll("figure > svg")].flatMap(svg => {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")]
        .map(one => [one.textContent.trim(), one.getBoundingClientRect()]).filter(([text]) => text);
    const found = [];
    texts.forEach(([text, a], index) => {
        if (a.left < frame.left - 1 || a.right > frame.right + 1
            || a.top < frame.top - 1 || a.bottom > frame.bottom + 1) found.push(`outside: ${text}`);
        for (const [other, b] of texts.slice(index + 1))
            if (a.left + 1 < b.right && b.left + 1 < a.right && a.top + 1 < b.bottom && b.top + 1 < a.bottom)
                found.push(`overlap: ${text} and ${other}`);
    });
    return found;
})
"""
#: Names of the pictures as assistive technology has them.
NAMES: Final = """
() => [...document.querySelectorAll("figure > svg")].map(svg => [
    svg.getAttribute("role"), ...svg.getAttribute("aria-labelledby").split(" ")
        .map(id => document.getElementById(id)?.textContent ?? "")])
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page of each report, and the overview of all."""
    folder = tmp_path_factory.mktemp("pages")
    for name, report in REPORTS.items():
        (folder / f"{name}.html").write_text(tenant_page(report), encoding="utf-8")
    overview = Overview(as_of=REPORTS["year"].as_of, tenants=tuple(map(_line, REPORTS.items())))
    links = {name: f"{name}.html" for name in REPORTS}
    (folder / "overview.html").write_text(overview_page(overview, links), encoding="utf-8")
    return folder


@pytest.fixture
def messages(page: Page) -> Iterator[list[str]]:
    """What the page asked for beside itself, and its messages on the console; none at the end."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))

    def note(request: Request) -> None:
        if not request.is_navigation_request():
            found.append(request.url)

    page.on("request", note)
    yield found
    assert found == []


@pytest.mark.parametrize("name", REPORTS)
def test_a_page_asks_for_nothing_and_labels_do_not_overlap(
    pages: Path, page: Page, messages: list[str], name: str
) -> None:
    """One request, for less than 2 MB; pictures have names and sentences; a small screen scrolls down only.

    Whatever the number of months and the size of the figures, no label is on another or outside its picture.
    """
    assert (pages / f"{name}.html").stat().st_size < MOST_BYTES
    for width in (1400, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto((pages / f"{name}.html").as_uri())
        assert page.evaluate(OVERLAPS) == [], width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").inner_text()
    assert page.locator("script").count() == 0
    pictures: list[list[str]] = page.evaluate(NAMES)
    assert len(pictures) == (0 if name == "empty" else 12)
    for role, title, sentence in pictures:
        assert role == "img"
        assert title
        assert len(sentence) > 10


def test_a_page_prints_without_cutting_tables(pages: Path, page: Page, messages: list[str]) -> None:
    """On paper of A4 no table is wider than the sheet, and the printed file has pages."""
    # The width between the margins.
    page.set_viewport_size({"width": 688, "height": 1000})
    page.emulate_media(media="print")
    for name in ("year", "five-years", "overview"):
        page.goto((pages / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 688, name
        assert b"/Type /Page" in page.pdf(format="A4"), name


def test_the_overview_leads_to_each_page(pages: Path, page: Page, messages: list[str]) -> None:
    """A link opens the tenant's page; on a small screen the overview is no wider than that."""
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto((pages / "overview.html").as_uri())
    assert page.locator("tbody tr").count() == len(REPORTS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator('a[href="month.html"]').first.click()
    assert page.locator("h1").inner_text() == REPORTS["month"].spec.name


def test_a_page_works_without_scripts(pages: Path, browser: Browser) -> None:
    """Tables of figures open and close, though the browser runs no script."""
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto((pages / "year.html").as_uri())
        table = page.locator("details table").first
        assert not table.is_visible()
        page.locator("summary").first.click()
        assert table.is_visible()
    finally:
        context.close()


def _line(item: tuple[str, TenantReport]) -> Any:
    name, report = item
    return TenantOverview(
        slug=name,
        verdict=report.verdict,
        spec=report.spec,
        end_month=report.end_month,
        freshness=report.freshness,
        months=report.months,
    )
