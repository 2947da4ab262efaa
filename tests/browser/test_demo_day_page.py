"""The board in a real browser: the light in words and in colours that can be read, on every screen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, Literal

import psycopg
import pytest
import uvicorn
from playwright.sync_api import Page
from starlette.responses import PlainTextResponse

from demo_pipeline.cli.serving.guarded_webserver import guarded
from demo_pipeline.cli.serving.own_pages import OwnPages
from demo_pipeline.services.readiness.examination import examine_each
from demo_pipeline.services.tenants.release import release
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from tests.fixtures.dagster_web import free_port
from tests.services.builders import made
from tests.services.patches.builders import SMALL

SLUG: Final = "acme"
#: The contrast of an element's text with what is behind it (WCAG 2.2, 1.4.3).
CONTRAST: Final = """
element => {
    const parts = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(one => one / 255)
        .map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
        .reduce((sum, one, index) => sum + one * [0.2126, 0.7152, 0.0722][index], 0);
    let behind = element;
    const isClear = one => parts(getComputedStyle(one).backgroundColor)[3] === 0;
    while (behind && isClear(behind)) behind = behind.parentElement;
    const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
    const page = isDark ? [18, 18, 18] : [255, 255, 255];
    const ground = behind ? parts(getComputedStyle(behind).backgroundColor) : page;
    const [a, b] = [light(parts(getComputedStyle(element).color)), light(ground)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
}
"""


@pytest.fixture
def url(database_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the page, within the guard and with its content security policy."""
    for name, value in database_env.items():
        monkeypatch.setenv(name, value)
    port = free_port()
    app: Any = guarded(OwnPages(PlainTextResponse("another")))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}/demo-day"
    server.should_exit = True
    thread.join(20)


def open_page(page: Page, url: str) -> None:
    """Load the page, once the server answers."""
    for _ in range(50):
        with suppress(Exception):
            page.goto(url)
            return
        page.wait_for_timeout(100)
    page.goto(url)


def test_the_board_from_green_to_red(
    page: Page,
    url: str,
    database: Database,
    database_settings: Settings,
    admin_conn: psycopg.Connection,
) -> None:
    """A ready tenant, and then one in which people worked: words beside colours, commands, no overflow."""
    made(database, database_settings, SMALL)
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    release(database, database_settings, SLUG, requested_by="a test")
    list(examine_each(database, database_settings, [SLUG], requested_by="a test"))
    open_page(page, url)
    assert page.locator("h1").inner_text() == "Demo day: ✓ Ready"
    assert page.get_by_role("row").count() == 2
    assert page.get_by_role("columnheader").all_inner_texts()[:3] == ["tenant", "light", "jobs"]
    assert page.locator(".light").inner_text() == "✓ ready"
    assert page.locator("td.mark").all_inner_texts()[0].split() == ["✓", "met"]
    assert page.locator("article").count() == 0

    admin_conn.execute("insert into crm.contacts (tenant_id, first_name) select id, 'Test' from crm.tenants")
    list(examine_each(database, database_settings, [SLUG], requested_by="a test"))
    admin_conn.execute("delete from demo.month_releases where month = '2025-02'")
    page.wait_for_timeout(2_100)
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(url)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            for place in (".light", "td.mark.bad", "td.mark.good", "h1 .bad", ".soft"):
                assert page.locator(place).first.evaluate(CONTRAST) >= 4.5, (place, scheme)
    assert page.locator("h1").inner_text() == "Demo day: ✗ 1 of 1 tenant not ready"
    assert page.locator(".light").inner_text() == "✗ not ready"
    assert page.locator("h2").inner_text() == f"Larkmoor Nord {SLUG}"
    headings = page.locator("article h3").all_inner_texts()
    assert headings == [
        "Contacts.first_name: 'test', 1 time (nothing_reveals_a_demo).",
        "1 month (2025-02) is not released.",
    ]
    assert page.locator("code").all_inner_texts() == [f"demo-pipeline release {SLUG}"]
    page.get_by_role("link", name="Health").click()
    assert page.get_by_role("link", name="Health").get_attribute("aria-current") == "page"
    assert messages == []
