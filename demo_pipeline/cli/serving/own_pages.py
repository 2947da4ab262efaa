"""``/demo-day``, ``/health`` and ``/metrics`` beside Dagster's pages: read-only.

They are answered within the guard of the web server. What they show belongs to ``rendering``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final, Generic, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from demo_pipeline.domain.core.errors import DemoError
from demo_pipeline.rendering.demo_day_page import demo_day_html
from demo_pipeline.rendering.health_metrics import CONTENT_TYPE, metrics_text
from demo_pipeline.rendering.health_page import health_html
from demo_pipeline.rendering.live_page import POLICY
from demo_pipeline.services.health.state import read_state
from demo_pipeline.services.platform.ready_database import ready_database
from demo_pipeline.services.readiness.board import read_board
from demo_pipeline.settings import Settings, load_settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.connection.masking import masked

BOARD: Final = "/demo-day"
PAGE: Final = "/health"
METRICS: Final = "/metrics"
#: Answers within so many seconds show the same state, however many are asked for.
_SAME_SECONDS: Final = 2.0
_Read = TypeVar("_Read")


class _Kept(Generic[_Read]):
    """What was read last, for some seconds; one request at a time reads."""

    def __init__(self, read: Callable[[Database, Settings], _Read]) -> None:
        self._read = read
        self._lock = Lock()
        self._kept: _Read | None = None
        self._until = 0.0

    def get(self) -> _Read:
        """The state of now, or of some seconds ago."""
        with self._lock:
            if self._kept is None or monotonic() > self._until:
                self._kept = None
                settings = load_settings()
                self._kept = self._read(ready_database(settings), settings)
                self._until = monotonic() + _SAME_SECONDS
            return self._kept


class OwnPages:
    """ASGI wrapper that answers the three paths and passes everything else on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        state, board = _Kept(read_state), _Kept(read_board)
        self._pages: dict[str, Callable[[], Response]] = {
            BOARD: lambda: _html(demo_day_html(board.get())),
            PAGE: lambda: _html(health_html(state.get())),
            METRICS: lambda: Response(metrics_text(state.get()), headers={"Content-Type": CONTENT_TYPE}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in self._pages:
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
            return self._pages[path]()
        except DemoError as error:
            reason = masked(error.message)
            logging.getLogger(__name__).warning("%s: %s", path, reason)
            return PlainTextResponse(f"the state cannot be read: {reason}\n", status_code=503)


def _html(page: str) -> Response:
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})
