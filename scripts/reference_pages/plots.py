"""Colours of the pictures of the documentation: readable on a light and on a dark page.

The background is transparent and every colour has enough contrast with both.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final

from demo_pipeline.rendering import svg_figures

BLUE: Final = "#2f81f7"
ORANGE: Final = "#d9730d"
GREY: Final = "#6e7781"
FAINT: Final = "#8b949e"


def style() -> AbstractContextManager[None]:
    """Draw inside the block in these colours."""
    return svg_figures.style(text=GREY, lines=FAINT)
