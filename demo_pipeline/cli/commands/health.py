"""``health``: the watched figures, what is wrong now and what to do, and a test of the alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from demo_pipeline.cli.kit.console import write_document, write_table, write_text
from demo_pipeline.cli.kit.parameters import MAIN_PANEL, Commands, Json, example, flag
from demo_pipeline.cli.kit.session import open_session, open_settings
from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.health_columns import (
    FIGURE_COLUMNS,
    health_document,
    instant_text,
    receivers_text,
    tenants_text,
)
from demo_pipeline.rendering.table import Table

if TYPE_CHECKING:
    from demo_pipeline.services.health.state import OpenAlert, State

#: exit code where something is wrong
UNHEALTHY: Final = 4
#: exit code where a test was not delivered
UNDELIVERED: Final = 1

app = Commands(position=4, panel=MAIN_PANEL)


@app.command(epilog=example("health", "health --json", "health --send-test"))
def health(
    *,
    send_test: Annotated[
        bool, flag("--send-test", "Send every receiver of DEMO_ALERT_URLS a message, and nothing else.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the watched figures of the last 7 days, and what is wrong now.

    Each alert says what, where and what to do: figures beyond their limits, failed jobs and runs, failing
    checks, refused inbox files, tenants that are stale. Failed runs and failing checks are those that the
    sensor alerts of the daemon has recorded. Exit code 4 if something is wrong.
    """
    if send_test:
        _send_test(json=json)
        return
    session = open_session()
    from demo_pipeline.services.health.state import read_state

    state = read_state(session.database, session.settings)
    if json:
        write_document(health_document(state))
    else:
        _write(state)
    if not state.is_healthy:
        raise typer.Exit(UNHEALTHY)


def _write(state: State) -> None:
    """The figures, a line about the tenants, and a paragraph for each alert."""
    colour = {True: "red", False: None}
    write_table(Table(FIGURE_COLUMNS, state.figures, colour=lambda one: colour[one.is_alert]))
    write_text("")
    for opened in state.alerts:
        write_text(f"{_headline(opened)}\n  {opened.alert.what}\n  what to do: {opened.alert.advice}\n")
    write_text(f"{tenants_text(state)}\n{receivers_text(state)}")
    write_text("healthy" if state.is_healthy else f"{counted(len(state.alerts), 'alert')}")


def _headline(opened: OpenAlert) -> str:
    """``stale_tenant larkmoor 2025-03, job 1f2e..., since ...``."""
    alert = opened.alert
    parts = [
        " ".join(part for part in (alert.kind.value, alert.tenant, alert.months) if part),
        f"job {alert.job_id}" if alert.job_id else "",
        f"run {alert.run_id}" if alert.run_id else "",
        f"since {instant_text(opened.opened_at)}" if opened.opened_at else "",
        f"seen {instant_text(opened.seen_at)}" if alert.kind.is_of_dagster else "",
    ]
    return ", ".join(part for part in parts if part)


def _send_test(*, json: bool) -> None:
    settings = open_settings()
    from demo_pipeline.services.health.incidents import send_test
    from demo_pipeline.services.health.receivers import check_receivers, receivers_of

    receivers = receivers_of(settings)
    if not receivers:
        message = "is not set, so there is no receiver; docs/alerts.md says how to set it"
        problem = Problem(code="no_receiver", field="DEMO_ALERT_URLS", message=message)
        raise InputError(f"DEMO_ALERT_URLS {message}", [problem])
    check_receivers(receivers)
    reasons = send_test(settings)
    if json:
        write_document({"receivers": [{"name": name, "error": reason} for name, reason in reasons.items()]})
    else:
        for name, reason in reasons.items():
            write_text(f"{name}: {'delivered' if reason is None else f'not delivered: {reason}'}")
    if any(reasons.values()):
        raise typer.Exit(UNDELIVERED)
