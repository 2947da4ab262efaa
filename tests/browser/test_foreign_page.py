"""A page of another site in the same browser, and a server that is for looking only: neither changes a thing.

A page of another site cannot show an answer of the server in a frame either, whatever kind of answer it is.

Each try asks for a tenant to be added to the partitions, which is seen in the instance where it works.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocket

from tests.fixtures.browser import STEP_TIMEOUT_MS
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.dagster_web import WebServer, web_server

#: Path → status, one of each kind of answer that a frame can ask for.
_ANSWERS: Final = {
    "/": 200,
    "/locations/demo_pipeline.definitions/jobs/apply_patch/playground?config=x": 200,
    "/server_info": 200,
    "/demo-day": 200,
    "/health": 200,
    "/metrics": 200,
    "/favicon.png": 200,
    "/graphql": 403,
    "/logs/none/none.err": 404,
    "/download_debug/none": 500,
}
#: Path → a text that the page shows once it works.
_PAGES: Final = {
    "/assets/kpi_snapshot": "kpi_snapshot",
    "/runs": "Runs",
    "/locations/demo_pipeline.definitions/jobs/apply_patch/playground": "Launch",
}
#: A page of the server that takes the browser no time.
_OWN_PAGE: Final = "/server_info"
_FRAME: Final = """url => new Promise(done => {
    const frame = document.createElement("iframe");
    frame.onload = () => done(); frame.src = url; document.body.append(frame)})"""
_MUTATION: Final = """
mutation {
  addDynamicPartition(
    partitionKey: "%s"
    partitionsDefName: "tenant"
    repositorySelector: {
      repositoryName: "__repository__", repositoryLocationName: "demo_pipeline.definitions"
    }
  ) { __typename }
}
"""
#: kind of request → what a page does to send ``query`` to ``url``
_TRIES: Final = {
    "json": """([url, query]) => fetch(url, {method: "POST", credentials: "include",
        headers: {"Content-Type": "application/json"}, body: JSON.stringify({query})})
        .then(r => r.text()).catch(String)""",
    "plain": """([url, query]) => fetch(url, {method: "POST", mode: "no-cors", credentials: "include",
        headers: {"Content-Type": "text/plain"}, body: JSON.stringify({query})})
        .then(String).catch(String)""",
    "get": """([url, query]) => fetch(url + "?query=" + encodeURIComponent(query), {mode: "no-cors"})
        .then(String).catch(String)""",
    "image": """([url, query]) => new Promise(done => {
        const image = new Image(); image.onload = image.onerror = () => done("asked");
        image.src = url + "?query=" + encodeURIComponent(query)})""",
    "form": """([url, query]) => new Promise(done => {
        const frame = document.createElement("iframe"); frame.name = "answer"; document.body.append(frame);
        const form = document.createElement("form"); const field = document.createElement("input");
        form.method = "POST"; form.action = url; form.target = "answer"; field.name = "query";
        field.value = query; form.append(field); document.body.append(form);
        frame.onload = () => done("sent"); form.submit()})""",
    "websocket": """([url, query]) => new Promise(done => {
        const socket = new WebSocket(url.replace("http", "ws"), "graphql-ws");
        socket.onopen = () => {
            socket.send(JSON.stringify({type: "connection_init", payload: {}}));
            socket.send(JSON.stringify({id: "1", type: "start", payload: {query}}));
            setTimeout(() => done("open"), 2000)};
        socket.onerror = () => done("refused")})""",
}


class _Empty(BaseHTTPRequestHandler):
    """A site with nothing on it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>another site</title><body>")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        pass


@contextmanager
def another_site() -> Generator[str]:
    """The address of a page that is not ours, on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Empty)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def anywhere(browser: Browser) -> Iterator[BrowserContext]:
    """A profile that goes wherever a name leads."""
    context = browser.new_context()
    context.set_default_timeout(STEP_TIMEOUT_MS)
    yield context
    context.close()


def tenants(home: DagsterHome) -> set[str]:
    """The tenants that have partitions."""
    return set(home.instance.get_dynamic_partitions("tenant"))


def ask(page: Page, kind: str, url: str, *, tenant: str | None = None) -> str:
    """Have a page ask for a tenant, by default one named like the try; what the page got to know."""
    return str(page.evaluate(_TRIES[kind], [f"{url}/graphql", _MUTATION % (tenant or kind)]))


def test_no_answer_can_be_framed(web: WebServer, anywhere: BrowserContext) -> None:
    """Pages, files, refusals and errors: a page of another site gets an empty frame for each of them."""
    page = anywhere.new_page()
    with another_site() as site:
        for path, status in _ANSWERS.items():
            page.goto(site)
            page.evaluate(_FRAME, web.url + path)
            [frame] = [frame for frame in page.frames if frame is not page.main_frame]
            assert frame.url == "chrome-error://chromewebdata/", path
            # The browser shows what it refuses to frame in a window of its own.
            shown = page.goto(web.url + path, wait_until="commit")
            assert shown is not None
            assert shown.status == status, path
            headers = shown.headers
            assert headers["x-frame-options"] == "DENY", path
            assert headers["content-security-policy"].endswith("frame-ancestors 'none'"), path
    own = page.goto(web.url, wait_until="commit")
    assert own is not None
    assert "script-src 'nonce-" in own.headers["content-security-policy"], "Dagster's own policy is kept"


def test_the_pages_work_under_the_policy(
    shared_home: DagsterHome, web: WebServer, anywhere: BrowserContext
) -> None:
    """Assets, runs and launchpad render, the live updates arrive, and the browser reports no violation."""
    shared_home.provision("acme")
    page = anywhere.new_page()
    said: list[str] = []
    sockets: list[str] = []
    received: list[object] = []
    page.on("console", lambda message: said.append(message.text))

    def on_socket(socket: WebSocket) -> None:
        sockets.append(socket.url)
        socket.on("framereceived", lambda payload: received.append(payload))  # noqa: PLW0108 - wrapped by name

    page.on("websocket", on_socket)
    for path, text in _PAGES.items():
        page.goto(web.url + path)
        page.get_by_text(text).first.wait_for()
    page.wait_for_timeout(1000)
    assert [line for line in said if "Content Security Policy" in line or "Refused to" in line] == []
    assert sockets
    assert received


def test_another_site_changes_nothing(
    shared_home: DagsterHome, web: WebServer, anywhere: BrowserContext
) -> None:
    """Whatever a foreign page sends, by name tricks too, is refused; the own page is answered."""
    before = tenants(shared_home)
    page = anywhere.new_page()
    with another_site() as site:
        page.goto(site)
        said = {kind: ask(page, kind, web.url) for kind in _TRIES}
    assert said["websocket"] == "refused"
    assert "addDynamicPartition" not in said["json"]
    # A name that leads to this machine makes the foreign page's origin and host agree: DNS rebinding.
    rebound = page.goto(web.url.replace("127.0.0.1", "evil.localhost"))
    assert rebound is not None
    assert rebound.status == 403
    assert tenants(shared_home) == before

    page.goto(web.url + _OWN_PAGE)
    assert "AddDynamicPartitionSuccess" in ask(page, "json", web.url)
    assert tenants(shared_home) == before | {"json"}


def test_read_only_pages_change_nothing(shared_home: DagsterHome, anywhere: BrowserContext) -> None:
    """With --read-only the own page may look, and is told that it may do nothing."""
    before = tenants(shared_home)
    page = anywhere.new_page()
    with web_server(shared_home, "--read-only") as web:
        page.goto(web.url + _OWN_PAGE)
        assert "UnauthorizedError" in ask(page, "json", web.url, tenant="read-only")
    assert tenants(shared_home) == before
