"""The server that we start: whom it answers, how it begins and ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import psutil
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Message, Scope

from demo_pipeline.cli.serving.guarded_webserver import guarded, refusal
from demo_pipeline.cli.serving.processes import serve_command
from demo_pipeline.domain.core.errors import InputError
from demo_pipeline.storage.embedded.server import status
from tests.fixtures.dagster_instance import DagsterHome
from tests.fixtures.dagster_web import free_port
from tests.fixtures.embedded_server import forget, new_folder, wait_until

OWN = "127.0.0.1:3000"
_PROGRAM = """
import sys
from demo_pipeline.cli.serving.processes import serve_command
from demo_pipeline.services.platform.ready_database import ready_database
from demo_pipeline.settings import load_settings
settings = load_settings()
serve_command(
    settings,
    ready_database(settings),
    port=int(sys.argv[1]),
    on_ready=lambda url: print(url, flush=True),
    on_stop=lambda: print("stopping", flush=True),
)
print("ended", flush=True)
"""


def request(method: str = "POST", path: str = "/graphql", kind: str = "http", **headers: str) -> Scope:
    """An ASGI scope."""
    named = {"host": OWN, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return {
        "type": kind,
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }


@pytest.mark.parametrize(
    "scope",
    [
        request("GET", "/"),
        request("GET", "/assets/deals", host="localhost:3000"),
        request(content_type="application/json"),
        request(content_type="application/json; charset=utf-8", origin=f"http://{OWN}"),
        request(kind="websocket", origin=f"http://{OWN}"),
    ],
)
def test_what_the_own_page_sends_is_answered(scope: Scope) -> None:
    """Pages, GraphQL as JSON by POST, and the websocket from the own origin."""
    assert refusal(scope) is None


@pytest.mark.parametrize(
    "scope",
    [
        request("GET", "/", host="evil.example"),
        request("GET", "/", host="127.0.0.1.evil.example:3000"),
        request("GET", "/", host=""),
        request("GET"),
        request("GET", content_type="application/json"),
        request("GET", "/x/graphql/"),
        request(content_type="text/plain"),
        request(content_type="application/graphql"),
        request(content_type="application/x-www-form-urlencoded"),
        request(),
        request(content_type="application/json", origin="http://evil.example"),
        request(content_type="application/json", origin="http://127.0.0.1:4000"),
        request(content_type="application/json", origin=f"https://{OWN}"),
        request(content_type="application/json", origin="null"),
        request(kind="websocket"),
        request(kind="websocket", origin="http://evil.example"),
        request(kind="websocket", origin="http://evil.example", host="evil.example"),
    ],
)
def test_what_another_site_could_send_is_refused(scope: Scope) -> None:
    """A page that the user has open elsewhere starts no run: foreign hosts and origins, GET, plain text."""
    assert refusal(scope) is not None


async def _page(request: Request) -> Response:
    """An application with every kind of answer."""
    match request.path_params["kind"]:
        case "page":
            policy = "script-src 'nonce-1';" if "policy" in request.query_params else None
            return HTMLResponse("x", headers={"Content-Security-Policy": policy} if policy else None)
        case "redirect":
            return RedirectResponse("/page")
        case "refused":
            raise HTTPException(403)
        case _:
            raise RuntimeError


@pytest.mark.parametrize(
    ("path", "query", "host", "status", "policy"),
    [
        ("/page", b"", OWN, 200, "frame-ancestors 'none'"),
        ("/page", b"policy", OWN, 200, "script-src 'nonce-1'; frame-ancestors 'none'"),
        ("/redirect", b"", OWN, 307, "frame-ancestors 'none'"),
        ("/refused", b"", OWN, 403, "frame-ancestors 'none'"),
        ("/broken", b"", OWN, 500, "frame-ancestors 'none'"),
        ("/nowhere/at/all", b"", OWN, 404, "frame-ancestors 'none'"),
        ("/page", b"", "evil.example", 403, "frame-ancestors 'none'"),
    ],
)
def test_every_answer_forbids_frames(path: str, query: bytes, host: str, status: int, policy: str) -> None:
    """Pages, redirects, errors and refusals have the policy once; a policy that is there is kept."""
    app = Starlette(routes=[Route("/{kind}", _page)])
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {**request("GET", path, host=host), "query_string": query, "root_path": ""}

    async def run() -> None:
        try:
            await guarded(app)(scope, receive, send)
        except RuntimeError:
            assert status == 500  # Starlette answers and raises: the server's log has it

    asyncio.run(run())
    assert sent[0]["status"] == status
    found = [value.decode() for name, value in sent[0]["headers"] if name == b"content-security-policy"]
    assert found == [policy]


def test_a_port_that_is_taken_is_refused(shared_home: DagsterHome) -> None:
    """A port that somebody asked for is that port or an error with the remedy."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        with pytest.raises(InputError, match=f"port {port} is taken"):
            serve_command(
                shared_home.settings, shared_home.database, port=port, on_ready=print, on_stop=print
            )


def test_ctrl_c_ends_all_that_was_started(shared_home: DagsterHome) -> None:
    """Server, daemon and their code servers answer on loopback, and are gone after Ctrl-C.

    That they are about to be is said at once, while they are still there.
    """
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _PROGRAM, str(port)],
        env={**os.environ, **shared_home.environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}"
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) >= 2
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=60) as response:
            assert response.status == 200
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline().strip() == "stopping"
        assert any(child.is_running() for child in started)
        assert process.wait(timeout=60) == 0
        assert process.stdout.read().strip() == "ended"
        deadline = time.monotonic() + 30
        while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in started):
            assert time.monotonic() < deadline, started
            time.sleep(0.2)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.long
def test_an_embedded_server_that_crashed_is_started_again() -> None:
    """Both databases are gone at once, and nobody types a command: the next plan of the inbox is applied."""
    with new_folder() as folder:
        home, port = folder / "home", free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DEMO_")}
        environment |= {"DEMO_HOME": str(home)}

        def command(*arguments: str) -> subprocess.Popen[str]:
            program = [sys.executable, "-W", "ignore", "-m", "demo_pipeline.cli.main", *arguments]
            return subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True)

        assert command("run", "larkmoor").wait(timeout=300) == 0
        inbox = home / "inbox" / "larkmoor"
        inbox.mkdir(parents=True)
        process = command("serve", "--port", str(port))
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}"
            pid = status(home).pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: status(home).pid not in {None, pid}, 60)
            draft = inbox / "plan.csv.part"
            draft.write_text("month,contacts_created\n2025-08,5\n", encoding="utf-8")
            draft.rename(inbox / "plan.csv")
            wait_until((inbox / "done" / "plan.csv").exists, 240)
            assert process.poll() is None
            assert command("verify").wait(timeout=60) == 0
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
            forget(home)
