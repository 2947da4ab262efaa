"""``dagster-webserver`` that answers its own page only: a program of its own, started with ``python -m``.

Dagster's server has no login and runs a GraphQL mutation that comes by plain GET, or from any page that the
user's browser has open. Listening on loopback does not help: the browser is on this machine. So requests
whose ``Host`` is not this server (DNS rebinding) or whose ``Origin`` is another are refused, and on
``/graphql`` everything but JSON by POST and the websocket.

No answer may be shown in a frame: another page could otherwise put the launchpad under the user's next click.
Malformed headers and malformed GraphQL documents are refused here, because Dagster answers some of them
with an internal error. Within the guard the server also answers ``/demo-day``, ``/health`` and ``/metrics``.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from typing import Any, Final, cast

import uvicorn
from dagster_webserver.cli import main
from dagster_webserver.webserver import DagsterWebserver
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo_pipeline.cli.serving.own_pages import OwnPages

#: The names of this server, with a port or without. A pattern and no URL parser: a parser accepts more
#: than a browser sends, and raises for the rest.
_OWN_HOST: Final = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.IGNORECASE | re.ASCII)
#: Headers that must not be there twice: two readers may choose different ones.
_SINGLE: Final = (b"host", b"origin", b"content-type", b"content-length", b"upgrade")
_BAD_REQUEST: Final = 400
_FORBIDDEN: Final = 403
_TOO_LARGE: Final = 413
#: A plan of 24 months in the launchpad is some kilobytes.
_MOST_BODY_BYTES: Final = 16 * 1024 * 1024
_NO_FRAMES: Final = "frame-ancestors 'none'"
#: Sent by uvicorn with every answer, also with those that it makes itself (an unreadable request).
ANSWER_HEADERS: Final = (("X-Frame-Options", "DENY"),)


class Unframed:
    """ASGI wrapper that forbids frames in the content security policy of every answer.

    Dagster's own policy has a nonce for its scripts, so this adds to it and never replaces it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_unframed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                policy = headers.get("content-security-policy", "").rstrip("; ")
                headers["content-security-policy"] = f"{policy}; {_NO_FRAMES}" if policy else _NO_FRAMES
            await send(message)

        await self._app(scope, receive, send_unframed)


class OwnPageOnly:
    """ASGI middleware that refuses what another site could have sent, and what is malformed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        reason = refusal(scope)
        if reason is not None and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        elif reason is not None:
            await _answer(_FORBIDDEN, reason, scope, receive, send)
        elif scope["type"] == "http" and _is_graphql(scope):
            await self._pass_document(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _pass_document(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole GraphQL request, and pass it on if it is one."""
        body = bytearray()
        is_complete = False
        while not is_complete:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            is_complete = not message.get("more_body", False)
            if len(body) > _MOST_BODY_BYTES:
                await _answer(_TOO_LARGE, "this GraphQL request is too large", scope, receive, send)
                return
        if (reason := malformed(bytes(body))) is not None:
            await _answer(_BAD_REQUEST, reason, scope, receive, send)
            return
        is_read = False

        async def replay() -> Message:
            nonlocal is_read
            if is_read:
                return await receive()
            is_read = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, replay, send)


async def _answer(status: int, reason: str, scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(f"{reason}\n", status_code=status)(scope, receive, send)


def refusal(scope: Scope) -> str | None:
    """Why a request is refused; None: it may pass."""
    headers = Headers(scope=scope)
    names = [name.lower() for name, _ in scope["headers"]]
    if any(names.count(name) > 1 for name in _SINGLE):
        return "a header is there twice"
    host = headers.get("host", "")
    if _OWN_HOST.fullmatch(host) is None:
        return "this server is for the machine that it runs on: open it as localhost or 127.0.0.1"
    origin = headers.get("origin")
    if scope["type"] == "websocket" and origin is None:
        # Every browser sends one; so do programs that mean well.
        return "a websocket needs an Origin"
    if origin is not None and origin != f"http://{host}":
        return "requests of other sites are refused"
    if scope["type"] == "http" and _is_graphql(scope):
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if scope["method"] != "POST" or kind != "application/json":
            return "GraphQL is answered as JSON by POST only"
    return None


def malformed(body: bytes) -> str | None:
    """Why a body is no GraphQL request; None: it is one."""
    try:
        document: Any = json.loads(body.decode())
    except (ValueError, RecursionError):
        return "the body is no JSON"
    if not isinstance(document, dict):
        return "a GraphQL request is a JSON object"
    fields = cast("dict[str, Any]", document)
    if not isinstance(fields.get("query"), str):
        return "a GraphQL request has a query, which is a string"
    if not isinstance(fields.get("variables"), dict | str | None):
        return "the variables of a GraphQL request are an object"
    if not isinstance(fields.get("operationName"), str | None):
        return "the operationName of a GraphQL request is a string"
    return None


def _is_graphql(scope: Scope) -> bool:
    return str(scope["path"]).rstrip("/").endswith("/graphql")


def guarded(app: ASGIApp) -> ASGIApp:
    """``app`` as it may be served: the guard around everything, also around its answers to its own errors."""
    return Unframed(OwnPageOnly(app))


def install() -> None:
    """Put the guard around everything that the server does, and the headers on everything that it sends."""
    server: Any = DagsterWebserver
    create_asgi_app = server.create_asgi_app

    # Not as middleware: Starlette's answer to an error of the application would pass it by.
    def create_guarded_app(self: object, **options: Any) -> ASGIApp:
        return guarded(OwnPages(create_asgi_app(self, **options)))

    server.create_asgi_app = create_guarded_app
    headers: Sequence[tuple[str, str]] = ANSWER_HEADERS
    uvicorn.run = functools.partial(uvicorn.run, headers=list(headers))


if __name__ == "__main__":
    install()
    main()
