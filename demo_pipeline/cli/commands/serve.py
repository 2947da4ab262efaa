"""``serve``: the Dagster UI and daemon, until Ctrl-C."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from demo_pipeline.cli.kit.console import say, write_document, write_text
from demo_pipeline.cli.kit.parameters import (
    MAIN_PANEL,
    Commands,
    Json,
    example,
    flag,
    option,
    positive_number,
)
from demo_pipeline.cli.kit.session import open_session

_LAST_PORT: Final = 65535

app = Commands(position=3, panel=MAIN_PANEL)


def _port(text: str) -> int:
    port = positive_number(text)
    if port > _LAST_PORT:
        raise typer.BadParameter(f"{text!a} is not a port; write a number from 1 to {_LAST_PORT}")
    return port


@app.command(epilog=example("serve", "serve --port 3100 --read-only"))
def serve(
    *,
    port: Annotated[
        int | None, option("--port", "PORT", "A port of this machine; 3000, or a free one, without.", _port)
    ] = None,
    read_only: Annotated[
        bool, flag("--read-only", "Nothing can be started or stopped from the pages.")
    ] = False,
    json: Json = False,
) -> None:
    """Open the Dagster UI with what is there, and its daemon, until Ctrl-C.

    Prints the address once the pages answer. They are for this machine only, there is no login. The page
    /health shows what demo-pipeline health does, and /metrics the same for Prometheus.
    """
    session = open_session()
    from demo_pipeline.cli.serving.processes import serve_command
    from demo_pipeline.services.health.receivers import receivers_of

    receivers = ", ".join(one.name for one in receivers_of(session.settings))

    def report(url: str) -> None:
        if json:
            write_document({"url": url})
        else:
            write_text(url)
            say(f"{url}/demo-day shows which tenants can be shown, {url}/health what is wrong and what to do")
            say("Ctrl-C ends it")

    say("starting Dagster ...")
    say(f"alerts: {receivers or 'no receivers; set DEMO_ALERT_URLS (docs/alerts.md)'}")
    say(f"the inbox for plans: {session.settings.inbox_folder.absolute()}/<tenant>/")
    serve_command(
        session.settings,
        session.database,
        port=port,
        read_only=read_only,
        on_ready=report,
        on_stop=lambda: say("stopping ..."),
    )
