"""``/health`` and ``/metrics`` beside Dagster's pages: read-only.

They are answered within the guard of the web server. What they show belongs to ``rendering``.
"""

from __future__ import annotations

import logging
from threading import Lock
from time import monotonic
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.rendering.health_metrics import CONTENT_TYPE, metrics_text
from demo_pipeline.rendering.health_page import POLICY, health_html
from demo_pipeline.services.health.state import State, read_state
from demo_pipeline.services.platform.ready_database import ready_database
from demo_pipeline.settings import load_settings
from demo_pipeline.storage.connection.masking import masked

PAGE: Final = "/health"
METRICS: Final = "/metrics"
#: Answers within so many seconds show the same state, however many are asked for.
_SAME_SECONDS: Final = 2.0


class HealthPages:
    """ASGI wrapper that answers the two paths and passes everything else on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._lock = Lock()
        self._state: State | None = None
        self._read_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in {PAGE, METRICS}:
            await self._app(scope, receive, send)
            return
        if scope["method"] not in {"GET", "HEAD"}:
            allowed = {"Allow": "GET, HEAD"}
            response: Response = PlainTextResponse("GET only\n", status_code=405, headers=allowed)
        else:
            response = await run_in_threadpool(self._answer, str(scope["path"]))
        response.headers["Cache-Control"] = "no-store"
        await response(scope, receive, send)

    def _answer(self, path: str) -> Response:
        try:
            state = self._read()
        except DemoError as error:
            reason = masked(error.message)
            logging.getLogger(__name__).warning("%s: %s", path, reason)
            return PlainTextResponse(f"the state cannot be read: {reason}\n", status_code=503)
        if path == METRICS:
            return Response(metrics_text(state), headers={"Content-Type": CONTENT_TYPE})
        return HTMLResponse(health_html(state), headers={"Content-Security-Policy": POLICY})

    def _read(self) -> State:
        with self._lock:
            if self._state is None or monotonic() - self._read_at > _SAME_SECONDS:
                self._state = None
                settings = load_settings()
                self._state = read_state(ready_database(settings), settings)
                self._read_at = monotonic()
            return self._state
