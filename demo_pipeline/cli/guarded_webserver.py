"""``dagster-webserver`` that answers its own page only: ``python -m demo_pipeline.cli.guarded_webserver``.

Dagster's server has no login and runs a GraphQL mutation that comes by plain GET, or from any page that the
user's browser has open. Listening on loopback does not help: the browser is on this machine. So requests
whose ``Host`` is not this server (DNS rebinding) or whose ``Origin`` is another are refused, and on
``/graphql`` everything but JSON by POST and the websocket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from dagster_webserver.cli import main
from dagster_webserver.webserver import DagsterWebserver
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_OWN_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_FORBIDDEN: Final = 403


class OwnPageOnly:
    """ASGI middleware that refuses what another site could have sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = refusal(scope) if scope["type"] in {"http", "websocket"} else None
        if reason is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await PlainTextResponse(f"{reason}\n", status_code=_FORBIDDEN)(scope, receive, send)


def refusal(scope: Scope) -> str | None:
    """Why a request is refused; None: it may pass."""
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if urlsplit(f"//{host}").hostname not in _OWN_NAMES:
        return "this server is for the machine that it runs on: open it as localhost or 127.0.0.1"
    origin = headers.get("origin")
    if scope["type"] == "websocket" and origin is None:
        # Every browser sends one; so do programs that mean well.
        return "a websocket needs an Origin"
    if origin is not None and (urlsplit(origin).scheme != "http" or urlsplit(origin).netloc != host):
        return "requests of other sites are refused"
    if scope["type"] == "http" and str(scope["path"]).rstrip("/").endswith("/graphql"):
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if scope["method"] != "POST" or kind != "application/json":
            return "GraphQL is answered as JSON by POST only"
    return None


def install() -> None:
    """Put the guard before everything else that the server does."""
    server: Any = DagsterWebserver
    inner: Callable[[object], Sequence[Middleware]] = server.build_middleware

    def build_middleware(self: object) -> list[Middleware]:
        return [Middleware(OwnPageOnly), *inner(self)]

    server.build_middleware = build_middleware


if __name__ == "__main__":
    install()
    main()
