"""Results for people and programs: a table in the terminal, a page of the documentation, JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.process import ROOT
from benchmarks.results import Result, Results

PAGE: Final = ROOT / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- measured: begin (written by make bench) -->"
FIRST_CONTACT: Final = "<!-- measured: begin (written by python -m benchmarks.first_contact) -->"
END: Final = "<!-- measured: end -->"
_VERDICTS: Final = {True: "yes", False: "no", None: ""}


def show(results: Results, console: Console) -> None:
    """The table, and what it was measured with."""
    table = Table(title="Benchmarks: medians", title_justify="left")
    for name, justify in (
        ("what", "left"),
        ("median", "right"),
        ("least .. most", "right"),
        ("runs", "right"),
        ("goal", "right"),
        ("reached", "left"),
    ):
        table.add_column(name, justify="right" if justify == "right" else "left", overflow="fold")
    for row in results.rows:
        style = {True: "green", False: "red", None: None}[row.is_reached]
        table.add_row(*_cells(row), style=style)
    console.print(table)
    for row in results.rows:
        if row.note:
            console.print(f"[dim]{row.what}:[/dim] {row.note}", highlight=False)
    for title, facts in _facts(results).items():
        console.print(f"[dim]{title}:[/dim] {facts}", highlight=False)


def write_page(results: Results, mark: str = BEGIN) -> None:
    """Put the measured part into the page, after the line ``mark``; what stands around it is kept."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else f"# Benchmarks\n\n{mark}\n{END}\n"
    before, begin, rest = text.partition(mark)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.relative_to(ROOT)} lacks the lines {mark} and {END}")
    PAGE.write_text(f"{before}{mark}\n{_markdown(results)}\n{END}{after}", encoding="utf-8")


def write_json(results: Results, path: Path) -> None:
    """Every sample."""
    path.write_text(json.dumps(asdict(results), indent=2) + "\n", encoding="utf-8")


def _cells(row: Result) -> tuple[str, ...]:
    return (row.what, row.shown, row.spread, str(len(row.samples)), row.goal_shown, _VERDICTS[row.is_reached])


def _facts(results: Results) -> dict[str, str]:
    facts = {
        "machine": "; ".join(f"{name} {value}" for name, value in results.machine.items()),
        "versions": ", ".join(f"{name} {value}" for name, value in results.versions.items()),
        "settings": "; ".join(f"{name}: {value}" for name, value in results.settings.items()),
    }
    return {title: fact for title, fact in facts.items() if fact}


def _markdown(results: Results) -> str:
    lines = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}.",
        "",
        "| what | median | least .. most | runs | goal | reached |",
        "|---|---:|---:|---:|---:|---|",
        *("| " + " | ".join(_cells(row)) + " |" for row in results.rows),
        "",
        *(f"- *{row.what}*: {row.note}" for row in results.rows if row.note),
        *(f"- {title}: {facts}" for title, facts in _facts(results).items()),
    ]
    return "\n".join(lines)
