"""Requests to the running server: foreign and malformed ones get a 4xx, none is an internal error."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from random import Random, SystemRandom  # noqa: TID251 - drawn input, and the seed is in the messages
from typing import Final

import pytest
from starlette.types import Scope

from demo_pipeline.cli.serving.guarded_webserver import malformed, refusal
from tests.fixtures.dagster_web import WebServer

QUERY: Final = b'{"query": "{ version }"}'
#: Parts of which malformed values are made.
PARTS: Final = (
    "[", "]", "[::1", "::", ":", ":99999999", ":x", "@", "/", "//", "http:", "http://[", "null", "%00", "%zz",
    "\x7f", "\xa0", "\xff", "\t", " ", ",", ";", "=", '"', "-1", "1e9", "0x10", "é", "127.0.0.1", "localhost",
    "application/json", "text/plain", "websocket", "h2c", "evil.example", "{", "}", "\\",
)  # fmt: skip
HEADERS: Final = (
    "Host", "Origin", "Content-Type", "Content-Length", "Upgrade", "Range", "Cookie", "X-Forwarded-For",
    "X-Forwarded-Proto", "Accept", "Transfer-Encoding", "Expect", "Sec-WebSocket-Protocol",
)  # fmt: skip
#: Values that were once an internal error, or that parsers disagree on.
KNOWN: Final = (
    ("Host", "[::1"),
    ("Host", "["),
    ("Host", "[::1]:99999999999"),
    ("Host", "localhost:3000:3000"),
    ("Host", "user@localhost"),
    ("Host", "localhost/x"),
    ("Host", ""),
    ("Origin", "http://[::1"),
    ("Origin", "http://["),
    ("Origin", "null"),
    ("Content-Type", "application/json\xff"),
    ("Content-Type", ";"),
    ("Content-Length", "-1"),
    ("Content-Length", "x"),
    ("Content-Length", "1e9"),
    ("Upgrade", "\xff"),
)
BODIES: Final = (
    b"",
    b"x",
    b"\xff\xfe",
    b"[]",
    b"null",
    b"1",
    b'"query"',
    b"{}",
    b'{"query": 1}',
    b'{"query": "{ version }", "variables": [1]}',
    b'{"query": "{ version }", "variables": "x"}',
    b'{"query": "{ version }", "operationName": 1}',
    b'{"query": "{ version"}',
    b"[" * 100_000,
    json.dumps({"query": "\ud800"}).encode(),
)


def exchange(web: WebServer, request: bytes) -> tuple[int, bytes]:
    """Send the bytes as they are; the status of the answer (0: the connection was closed) and its head."""
    port = int(web.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            try:
                part = connection.recv(65536)
            except ConnectionResetError:
                part = b""
            if not part:
                break
            answer += part
    head = answer.partition(b"\r\n\r\n")[0]
    return (int(head.split(b" ", 2)[1]) if head else 0), head.lower()


def raw(
    web: WebServer, *changed: tuple[str, str], body: bytes = QUERY, first: str = "POST /graphql"
) -> bytes:
    """A good GraphQL request with some of its headers replaced."""
    host = web.url.partition("://")[2]
    headers = {
        "Host": host,
        "Origin": web.url,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    for name, value in changed:
        headers[name] = value
        if name == "Upgrade":
            headers["Connection"] = "upgrade"
    lines = [f"{first} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def answer(url: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Status and body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, named), timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_the_server_has_the_guard(web: WebServer) -> None:
    """The real server refuses a query by GET or from another site, and answers its own pages."""
    query = json.dumps({"query": "{ version }"}).encode()
    url = f"{web.url}/graphql"
    status, body = answer(url, query, content_type="application/json", origin=web.url)
    assert (status, b"version" in body) == (200, True)
    assert answer(url, query, content_type="text/plain")[0] == 403
    assert answer(url, query, content_type="application/json", origin="http://evil.example")[0] == 403
    assert answer(f"{url}?query=%7Bversion%7D")[0] == 403
    assert answer(f"{web.url}/", host="evil.example")[0] == 403
    assert answer(f"{web.url}/")[0] == 200
    assert answer(f"{web.url}/health", host="evil.example")[0] == 403
    for path, text in {
        "/demo-day": b"Demo day",
        "/health": b"Demo tenants",
        "/metrics": b"demo_pipeline_watched_figure{",
    }.items():
        status, body = answer(f"{web.url}{path}")
        assert (status, text in body) == (200, True)


def test_a_malformed_request_is_refused_and_never_an_internal_error(web: WebServer) -> None:
    """Headers and bodies that no browser sends, known and drawn ones: 4xx, and no answer can be framed."""
    assert exchange(web, raw(web))[0] == 200
    for name, value in KNOWN:
        status, head = exchange(web, raw(web, (name, value)))
        assert 400 <= status < 500 or (status, name) == (200, "Upgrade"), (name, value, status)
        assert b"x-frame-options: deny" in head, (name, value)
    for body in BODIES:
        assert 400 <= exchange(web, raw(web, body=body))[0] < 500, body[:80]
    doubled = raw(web).replace(b"\r\n\r\n", b"\r\nHost: evil.example\r\n\r\n", 1)
    assert 400 <= exchange(web, doubled)[0] < 500
    for line in ("GET /\x00", "GET " + "/x" * 70_000, "get", "\xff / /", "POST http://["):
        status, head = exchange(web, raw(web, first=line, body=b""))
        assert 400 <= status < 500 or status == 0, line[:20]
        assert status == 0 or b"x-frame-options: deny" in head, line[:20]

    seed = SystemRandom().randrange(2**32)
    draw = Random(seed)
    for _ in range(300):
        name = draw.choice(HEADERS)
        value = "".join(draw.choices(PARTS, k=draw.randint(1, 3)))
        first = draw.choice(("POST /graphql", "GET /server_info", "GET /favicon.png"))
        # A handshake has no body: uvicorn lets the connection of one with a body hang.
        body = QUERY if first.startswith("POST") and name != "Upgrade" else b""
        status, _ = exchange(web, raw(web, (name, value), first=first, body=body))
        assert status < 500, (seed, name, value, first, status)
    # The server is the same as before.
    assert exchange(web, raw(web))[0] == 200


def test_a_malformed_websocket_is_refused_and_never_an_internal_error(web: WebServer) -> None:
    """A handshake that lacks or garbles one of its headers gets a 4xx."""
    host = web.url.partition("://")[2]
    good = {
        "Host": host,
        "Origin": web.url,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "graphql-ws",
    }

    def status(headers: dict[str, str]) -> int:
        lines = ["GET /graphql HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return exchange(web, "\r\n".join(lines).encode("latin-1"))[0]

    assert status(good) == 101
    for name in ("Host", "Origin", "Sec-WebSocket-Key", "Sec-WebSocket-Version"):
        for value in (None, "", "[::1", "http://[", "\xff", "evil.example"):
            changed = {key: found for key, found in good.items() if key != name}
            if value is not None:
                changed[name] = value
            assert 400 <= status(changed) < 500, (name, value)
    for value in ("[", "http://[::1", "\xff", ",,,"):
        assert status({**good, "Sec-WebSocket-Protocol": value}) < 500, value


def _scope(*headers: tuple[str, str], path: str = "/") -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
    }


@pytest.mark.parametrize("seed", range(20))
def test_the_guard_decides_about_any_headers(seed: int) -> None:
    """Whatever the headers say, the guard refuses or passes; only the own names pass."""
    draw = Random(seed)
    for _ in range(500):
        host = "".join(draw.choices(PARTS, k=draw.randint(0, 4)))
        origin = "".join(draw.choices(PARTS, k=draw.randint(0, 4)))
        reason = refusal(_scope(("host", host), ("origin", origin)))
        assert reason is not None or (
            origin == f"http://{host}" and host.startswith(("127", "local", "[::1]"))
        )


@pytest.mark.parametrize("body", BODIES)
def test_the_guard_passes_graphql_requests_only(body: bytes) -> None:
    """A body that Dagster cannot read is named before Dagster sees it; syntax within a query is Dagster's."""
    reason = malformed(body)
    is_shaped = body.startswith(b'{"query": "') and b"[1]" not in body and b": 1}" not in body
    assert (reason is None) == is_shaped
