"""Pieces of Markdown that the generated pages share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def head(title: str, source: str) -> str:
    """The title of a page, and what to change in its place."""
    return f"# {title}\n\n<!-- Written by make docs. Change {source} instead. -->"


def cell(text: str) -> str:
    """Text that fits a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def percent(share: float) -> str:
    """A share from 0 to 1 in whole percent."""
    return f"{share * 100:.0f} %"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells on one line each. A title that ends with ``:`` is a column of numbers."""
    rule = "|".join("---:" if title.endswith(":") else "---" for title in titles)
    lines = [f"| {' | '.join(title.removesuffix(':') for title in titles)} |", f"|{rule}|"]
    lines += [f"| {' | '.join(map(cell, row))} |" for row in rows]
    return "\n".join(lines)


def page(blocks: Iterable[str]) -> str:
    """Blocks with a blank line between them."""
    return "\n\n".join(blocks) + "\n"
