"""The page ``/health``: one self-contained HTML document, without scripts and without requests of its own."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.domain.core.terminal_text import neutral
from demo_pipeline.domain.core.wording import counted
from demo_pipeline.rendering.health_columns import (
    FIGURE_COLUMNS,
    TENANT_COLUMNS,
    instant_text,
    receivers_text,
    tenants_text,
)
from demo_pipeline.rendering.table import Column

if TYPE_CHECKING:
    from demo_pipeline.services.health.state import OpenAlert, State

#: seconds after which a browser loads the page again
REFRESH_SECONDS: Final = 60
_STYLE: Final = """
:root { color-scheme: light dark; --line: #c9ced6; --soft: #5b6470; --bad: #a3241c; --good: #1d6b3a; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3c434d; --soft: #a4acb8; --bad: #ff8a80; --good: #7fd49a; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
.soft { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { font-weight: 600; text-align: left; color: var(--soft); white-space: nowrap; }
th, td { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.instant { white-space: nowrap; }
article { border-left: .25rem solid var(--bad); padding: .1rem 0 .1rem 1rem; margin: 1rem 0; }
article h3 { font-size: 1rem; margin: 0; }
code { font-size: .9em; }
article p { margin: .25rem 0; overflow-wrap: anywhere; }
"""
_HASH: Final = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
#: the content security policy of the page: its style, and nothing else
POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"


def health_html(state: State) -> str:
    """The page."""
    title = "Healthy" if state.is_healthy else "Alerts"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">',
            f"<title>{title} – demo tenants</title><style>{_STYLE}</style></head><body>",
            f"<header><h1>Demo tenants: {_verdict(state)}</h1>",
            _soft(f"Read {instant_text(state.read_at)}; {receivers_text(state)}."),
            "</header><main>",
            *_alerts(state.alerts),
            "<h2>Watched figures, last 7 days</h2>",
            _table(FIGURE_COLUMNS, state.figures, is_bad=lambda one: one.is_alert),
            "<h2>Tenants</h2>",
            _soft(tenants_text(state)),
            _table(TENANT_COLUMNS, state.tenants, is_bad=lambda one: not one.is_fresh),
            "<h2>Jobs</h2>",
            _soft(_jobs_text(state)),
            "</main></body></html>",
            "",
        ]
    )


def _verdict(state: State) -> str:
    if state.is_healthy:
        return '<span class="good">✓ healthy</span>'
    return f'<span class="bad">✗ {counted(len(state.alerts), "alert")}</span>'


def _jobs_text(state: State) -> str:
    last = state.last_completed_at
    jobs = ", ".join(f"{count:,} {status}" for status, count in state.jobs.items()) or "no job yet"
    return f"{jobs}; the last was completed {instant_text(last)}" if last else jobs


def _soft(text: str, markup: str = "") -> str:
    return f'<p class="soft">{_text(text)}{markup}</p>'


def _alerts(alerts: Sequence[OpenAlert]) -> Iterator[str]:
    if alerts:
        yield "<h2>What is wrong, and what to do</h2>"
    for opened in alerts:
        alert = opened.alert
        place = [alert.tenant, alert.months, alert.job_id and f"job {alert.job_id}"]
        place += [f"since {instant_text(opened.opened_at)}" if opened.opened_at else None]
        place += [f"seen {instant_text(opened.seen_at)}" if alert.kind.is_of_dagster else None]
        yield "<article>"
        yield f"<h3>{_text(_sentence(alert.kind.headline(1)))}</h3>"
        yield _soft(" · ".join(part for part in place if part), _run_link(alert.run_id))
        yield f"<p>{_text(_sentence(alert.what))}</p>"
        yield f"<p><strong>What to do:</strong> {_advice(alert.remedy, alert.command)}</p>"
        yield "</article>"


def _advice(remedy: str, command: str | None) -> str:
    if command is None:
        return _text(_sentence(remedy))
    return f"{_text(_sentence(remedy).removesuffix('.'))}: <code>{_text(command)}</code>"


def _run_link(run_id: str | None) -> str:
    # The page is served beside Dagster's own pages.
    return "" if run_id is None else f' · <a href="/runs/{_text(run_id)}">its run</a>'


def _table(columns: Sequence[Column[Any]], rows: Sequence[Any], *, is_bad: Callable[[Any], bool]) -> str:
    """A table; empty without rows."""
    shown = [column for column in columns if column.title is not None]

    def cell(column: Column[Any], row: Any) -> str:
        return f"<td{_class(column, is_bad=is_bad(row))}>{_text(column.show(row))}</td>"

    head = "".join(f'<th scope="col"{_class(column)}>{_text(str(column.title))}</th>' for column in shown)
    lines = ["<tr>" + "".join(cell(column, row) for column in shown) + "</tr>" for row in rows]
    if not lines:
        return ""
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="scroll"><table>{body}</table></div>'


def _class(column: Column[Any], *, is_bad: bool = False) -> str:
    names = [
        *(["number"] if column.is_number else []),
        *(["instant"] if column.name.endswith(("_at", "_until")) else []),
        *(["bad"] if is_bad else []),
    ]
    return f' class="{" ".join(names)}"' if names else ""


def _sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _text(text: str) -> str:
    return escape(neutral(text))
