"""``/demo-day``, ``/health``, ``/metrics``: what they say, to whom, and what when the database is away."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from html.parser import HTMLParser

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Scope

from demo_pipeline.cli.serving.guarded_webserver import guarded
from demo_pipeline.cli.serving.own_pages import OwnPages
from demo_pipeline.storage.ledger import job_ledger
from demo_pipeline.storage.ledger.incidents import AlertRecord, record_alerts
from demo_pipeline.storage.ledger.watched_figures import WatchedFigure


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str


@pytest.fixture
def app(database_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ASGIApp:
    """The two pages within the guard, before an application that says that it is another one."""
    for name, value in database_env.items():
        monkeypatch.setenv(name, value)
    return guarded(OwnPages(PlainTextResponse("another")))


def ask(app: ASGIApp, path: str, method: str = "GET", host: str = "127.0.0.1:3000") -> Answer:
    """One request."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": method, "path": path, "headers": [(b"host", host.encode())]}

    async def run() -> None:
        await app(scope, receive, send)

    asyncio.run(run())
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(sent[0]["status"], headers, body.decode())


class Tags(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_of_a_healthy_installation(app: ASGIApp, kranz: str) -> None:
    """Figures, tenants, jobs; self-contained, in no frame, not kept."""
    page = ask(app, "/health")
    assert page.status == 200
    for text in (
        "✓ healthy",
        "patch attempts that failed",
        "DEMO_ALERT_URLS is not set",
        kranz,
        "1 completed",
    ):
        assert text in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"
    tags = Tags(page.text).found
    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in tags}
    assert not [attributes for _, attributes in tags if {"src", "style", "onload"} & set(attributes)]


def test_the_board_shows_every_tenant(app: ASGIApp, kranz: str, admin_conn: psycopg.Connection) -> None:
    """Light, reasons and commands; a name that is markup is text; as self-contained as the other page."""
    admin_conn.execute("update crm.tenants set name = '<b>Kranz</b>'")
    admin_conn.execute(
        "update demo.tenant_metadata set plan = plan || jsonb_build_object('name', '<b>Kranz</b>')"
    )
    page = ask(app, "/demo-day")
    assert page.status == 200
    for text in (
        "✗ 1 of 1 tenant not ready",
        f"demo-pipeline ready {kranz}",
        f"demo-pipeline release {kranz}",
    ):
        assert text in page.text
    assert "&lt;b&gt;Kranz&lt;/b&gt;" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    tags = {tag for tag, _ in Tags(page.text).found}
    assert not {"b", "script", "img", "link", "iframe"} & tags


def test_the_page_says_what_is_wrong(app: ASGIApp, kranz: str, admin_conn: psycopg.Connection) -> None:
    """With the command and the run's page; text that comes from elsewhere is no markup."""
    job_ledger.audit(admin_conn, "NON_DEMO_TENANT_BLOCKED", slug="<script>alert(1)</script>")
    detail = {"what": "the run failed: <b>&\x1b[2J", "remedy": "see its page", "run_id": '"><script>'}
    with admin_conn.transaction():
        ((now,),) = admin_conn.execute("select now()").fetchall()
        finding = AlertRecord(kind="failed_run", subject="x", detail=detail)
        record_alerts(admin_conn, [finding], kinds=[], looked_at=now, receivers=[])
    page = ask(app, "/health")
    assert "✗ 2 alerts" in page.text
    assert "Requests for a tenant that is not a demo were refused." in page.text
    assert 'href="/runs/&quot;&gt;&lt;script&gt;"' in page.text
    assert "The run failed: &lt;b&gt;&amp;\\u001b[2J." in page.text
    assert "script" not in {tag for tag, _ in Tags(page.text).found}


def test_metrics_are_gauges_of_prometheus(app: ASGIApp, kranz: str, admin_conn: psycopg.Connection) -> None:
    """Read by its own parser: figures, tenants, jobs, alerts, notices and the last success."""
    job_ledger.audit(admin_conn, "NON_DEMO_TENANT_BLOCKED", slug="customer")
    answer = ask(app, "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {one.name: one for one in text_string_to_metric_families(answer.text)}
    assert {one.type for one in families.values()} == {"gauge"}
    samples = {
        (sample.name.removeprefix("demo_pipeline_"), *sample.labels.values()): sample.value
        for family in families.values()
        for sample in family.samples
    }
    for figure in WatchedFigure:
        is_alert = figure is WatchedFigure.NON_DEMO_ATTEMPTS
        assert samples["watched_figure", figure.value] == is_alert
        assert samples["watched_figure_alert", figure.value] == is_alert
    assert samples["watched_figure_threshold", "patch_duration_seconds"] == 120
    assert [samples["tenants", state] for state in ("fresh", "stale", "closed")] == [0, 0, 1]
    assert (samples["jobs", "completed"], samples["jobs", "failed"]) == (1, 0)
    assert (samples["alerts", "non_demo_attempt"], samples["alerts", "stale_tenant"]) == (1, 0)
    assert samples["undelivered_notices",] == 0
    ((last,),) = admin_conn.execute("select max(completed_at) from demo.jobs").fetchall()
    assert samples["last_completed_job_timestamp_seconds",] == pytest.approx(last.timestamp())


@pytest.mark.parametrize("path", ["/demo-day", "/health", "/metrics"])
def test_they_are_for_reading_and_for_this_machine(app: ASGIApp, path: str) -> None:
    """GET and HEAD; another name of the server is refused by the guard; other paths are not theirs."""
    assert ask(app, path, "HEAD").status == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer = ask(app, path, method)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert ask(app, path, host="evil.example").status == 403
    assert ask(app, f"{path}/more").text == "another"


@pytest.mark.parametrize("path", ["/demo-day", "/health", "/metrics"])
def test_without_a_database_they_are_unavailable(
    app: ASGIApp, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 503 and the reason, without the password; the next request finds it again."""
    with monkeypatch.context() as away:
        away.setenv("DEMO_DATABASE_URL", "postgresql://me:hunter2-tango@127.0.0.1:9/crm")
        answer = ask(app, path)
        assert answer.status == 503
        assert "no PostgreSQL answers at 127.0.0.1:9" in answer.text
        assert "hunter2" not in answer.text
    assert ask(app, path).status == 200
