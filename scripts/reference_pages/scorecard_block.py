"""The generated block of ``docs/believability.md``: every measure of the scorecard.

The rest of the page is written by hand; only what is between the marks is replaced.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from demo_pipeline.domain.scorecard.catalogue import SECTIONS
from demo_pipeline.domain.scorecard.measure import Measure
from scripts.reference_pages.markdown import table

PAGE: Final = Path("docs/believability.md")
BEGIN: Final = "<!-- scorecard: begin (written by make docs) -->"
END: Final = "<!-- scorecard: end -->"
_TITLES: Final = ("measure", "what is measured", "expected", "least sample", "source")


def render(root: Path) -> dict[Path, str]:
    """The page with a new block. ``ValueError`` where the page has lost its marks."""
    text = (root / PAGE).read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has lost its marks; write {BEGIN} and {END} where the measures belong")
    return {PAGE: f"{before}{BEGIN}\n{_block()}\n{END}{after}"}


def _block() -> str:
    parts = [
        f"### {section}\n\n{table(_TITLES, map(_row, measures))}" for section, measures in SECTIONS.items()
    ]
    return "\n\n".join(parts)


def _row(measure: Measure) -> tuple[str, ...]:
    return (
        f"`{measure.name}`",
        measure.title,
        measure.expected.text(measure.unit),
        f"{measure.least:,} {measure.population}",
        measure.source,
    )
