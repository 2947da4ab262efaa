"""Results for people and programs: a table in the terminal, a page of the documentation, JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.process import ROOT
from benchmarks.results import Result, Results
from demo_pipeline.rendering.table import Column, Table, markdown, plain_text, terminal_text

PAGE: Final = ROOT / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- measured: begin (written by make bench) -->"
FIRST_CONTACT: Final = "<!-- measured: begin (written by python -m benchmarks.first_contact) -->"
END: Final = "<!-- measured: end -->"
_VERDICTS: Final = {True: "yes", False: "no", None: ""}
_COLUMNS: Final[tuple[Column[Result], ...]] = (
    Column("what", "what"),
    Column("median", "median", text=lambda row: row.shown, is_number=True),
    Column("spread", "least .. most", is_number=True),
    Column("runs", "runs", lambda row: len(row.samples), is_number=True),
    Column("goal", "goal", text=lambda row: row.goal_shown, is_number=True),
    Column("reached", "reached", text=lambda row: _VERDICTS[row.is_reached]),
)


def show(results: Results, console: Console) -> None:
    """The table, and what it was measured with."""
    table = Table(
        _COLUMNS,
        results.rows,
        title="Benchmarks: medians",
        colour=lambda row: {True: "green", False: "red", None: None}[row.is_reached],
    )
    console.file.write(
        (terminal_text(table, console.file) if console.is_terminal else plain_text(table)) + "\n"
    )
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
        markdown(Table(_COLUMNS, results.rows)),
        "",
        *(f"- *{row.what}*: {row.note}" for row in results.rows if row.note),
        *(f"- {title}: {facts}" for title, facts in _facts(results).items()),
    ]
    return "\n".join(lines)
