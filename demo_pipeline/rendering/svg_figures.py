"""Pictures as SVG: the same bytes for the same figures.

Text stays text, in the reader's font; sizes of axes are fixed, so that no picture depends on the width of
letters. Settings of the user, the date and the library's own words are kept out. What pictures of reports and
of the documentation show, and in which colours, belongs there.
"""

from __future__ import annotations

import io
import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "demo_pipeline",
    # Shown in the reader's font, see _FONT.
    "font.size": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.linewidth": 0.8,
    "ytick.major.size": 0,
    "xtick.major.size": 3,
    "path.simplify": False,
    "hatch.linewidth": 0.7,
}
#: what says nothing of the picture: the library's own words, names of groups, turns by nothing, a font that
#: is said once for all texts
_NOISE: Final = re.compile(
    r"^ *<!--.*?-->\n| <metadata>.*?</metadata>\n| *<g id=\"[^\"]*\"/>\n|(?<=<g) id=\"[^\"]*\"(?=>)"
    r"| transform=\"rotate\(-0 [^)]*\)\"|font-size: 9px; font-family: [^;]*; ",
    re.DOTALL | re.MULTILINE,
)
_FONT: Final = "text{font:9px Helvetica,Arial,sans-serif}"
#: hundredths of a point are more than a screen shows
_LONG_NUMBER: Final = re.compile(r"-?\b[0-9]+\.[0-9]{3,}\b")


@contextmanager
def style(*, text: str, lines: str) -> Generator[None]:
    """Draw inside the block with the settings of this module, and with these colours of text and lines."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        texts = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color")
        mpl.rcParams.update({**dict.fromkeys(texts, text), "axes.edgecolor": lines, "grid.color": lines})
        yield


def canvas(width: float, height: float) -> Figure:
    """An empty figure, inches of 72 points."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def light_grid(axes: Axes) -> None:
    """Horizontal lines behind the data."""
    axes.set_axisbelow(True)
    axes.grid(axis="y", alpha=0.25, linewidth=0.8)


def svg(figure: Figure, *, background: str | None = None) -> str:
    """The figure as SVG without date, version and library; transparent without ``background``."""
    text = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(
        text,
        format="svg",
        metadata=nothing,
        transparent=background is None,
        facecolor=background or "none",
    )
    plain = _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.2f}", _NOISE.sub("", text.getvalue()))
    plain = plain.replace("</style>", f"{_FONT}</style>", 1)
    return "\n".join(line.strip() for line in plain.splitlines()) + "\n"
