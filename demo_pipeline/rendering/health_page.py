"""The page ``/health``: one self-contained HTML document, without scripts and without requests of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.health_columns import (
    FIGURE_COLUMNS,
    TENANT_COLUMNS,
    instant_text,
    receivers_text,
    tenants_text,
)
from demo_pipeline.rendering.live_page import advice, live_html, scrollable_table, sentence, soft, text
from demo_pipeline.rendering.table import Column

if TYPE_CHECKING:
    from demo_pipeline.services.health.state import OpenAlert, State

#: seconds after which a browser loads the page again
REFRESH_SECONDS: Final = 60


def health_html(state: State) -> str:
    """The page."""
    title = "Healthy" if state.is_healthy else "Alerts"
    return live_html(
        f"{title} – demo tenants",
        f"Demo tenants: {_verdict(state)}",
        f"Read {instant_text(state.read_at)}; {receivers_text(state)}.",
        [
            *_alerts(state.alerts),
            "<h2>Watched figures, last 7 days</h2>",
            _table(FIGURE_COLUMNS, state.figures, is_bad=lambda one: one.is_alert),
            "<h2>Tenants</h2>",
            soft(tenants_text(state)),
            _table(TENANT_COLUMNS, state.tenants, is_bad=lambda one: not one.is_fresh),
            "<h2>Jobs</h2>",
            soft(_jobs_text(state)),
        ],
        path="/health",
        refresh_seconds=REFRESH_SECONDS,
    )


def _verdict(state: State) -> str:
    if state.is_healthy:
        return '<span class="good">✓ healthy</span>'
    return f'<span class="bad">✗ {counted(len(state.alerts), "alert")}</span>'


def _jobs_text(state: State) -> str:
    last = state.last_completed_at
    jobs = ", ".join(f"{count:,} {status}" for status, count in state.jobs.items()) or "no job yet"
    return f"{jobs}; the last was completed {instant_text(last)}" if last else jobs


def _alerts(alerts: Sequence[OpenAlert]) -> Iterator[str]:
    if alerts:
        yield "<h2>What is wrong, and what to do</h2>"
    for opened in alerts:
        alert = opened.alert
        place = [alert.tenant, alert.months, alert.job_id and f"job {alert.job_id}"]
        place += [f"since {instant_text(opened.opened_at)}" if opened.opened_at else None]
        place += [f"seen {instant_text(opened.seen_at)}" if alert.kind.is_of_dagster else None]
        yield "<article>"
        yield f"<h3>{text(sentence(alert.kind.headline(1)))}</h3>"
        yield soft(" · ".join(part for part in place if part), _run_link(alert.run_id))
        yield f"<p>{text(sentence(alert.what))}</p>"
        yield f"<p><strong>What to do:</strong> {advice(alert.remedy, alert.command)}</p>"
        yield "</article>"


def _run_link(run_id: str | None) -> str:
    # The page is served beside Dagster's own pages.
    return "" if run_id is None else f' · <a href="/runs/{text(run_id)}">its run</a>'


def _table(columns: Sequence[Column[Any]], rows: Sequence[Any], *, is_bad: Callable[[Any], bool]) -> str:
    """A table; empty without rows."""
    shown = [column for column in columns if column.title is not None]

    def cell(column: Column[Any], row: Any) -> str:
        return f"<td{_class(column, is_bad=is_bad(row))}>{text(column.show(row))}</td>"

    head = "".join(f'<th scope="col"{_class(column)}>{text(str(column.title))}</th>' for column in shown)
    lines = ["<tr>" + "".join(cell(column, row) for column in shown) + "</tr>" for row in rows]
    if not lines:
        return ""
    return scrollable_table(head, lines)


def _class(column: Column[Any], *, is_bad: bool = False) -> str:
    names = [
        *(["number"] if column.is_number else []),
        *(["instant"] if column.name.endswith(("_at", "_until")) else []),
        *(["bad"] if is_bad else []),
    ]
    return f' class="{" ".join(names)}"' if names else ""
