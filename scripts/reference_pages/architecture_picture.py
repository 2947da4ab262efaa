"""The picture of the architecture: which packages there are, and which may import which.

Drawn from what holds the architecture: the layers that ``pyproject.toml`` declares for import-linter, and the
first sentence of each package. A package that is added, moved or renamed is drawn by the next ``make docs``.
"""

from __future__ import annotations

import ast
import textwrap
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = "demo_pipeline"
#: Colours of the outer layers, top down: fill of the band, border of its boxes.
COLOURS: Final = {
    "workers": ("#eef8f8", "#2f7d7d"),
    "cli": ("#eef4fb", "#3b6ea5"),
    "defs": ("#f3effa", "#6b4fa0"),
    "rendering": ("#f2f2f2", "#666666"),
    "services": ("#eef7f0", "#3f8152"),
    "storage": ("#fbf4ea", "#a06d22"),
    "domain": ("#faeeee", "#a14848"),
}
WIDTH: Final = 1040
MARGIN: Final = 16
GAP: Final = 8
#: boxes beside each other; more of a layer go on below
MOST_BESIDE: Final = 6
HEAD: Final = 26
#: What one job does, in order; the part in the middle is one transaction.
STEPS: Final = (
    ("declare", "blueprint or plan"),
    ("validate", "all problems at once"),
    ("snapshot", "KPIs before"),
    ("deltas", "expected − found"),
    ("generate ⇄ load", "Arrow, COPY"),
    ("snapshot", "KPIs after"),
    ("verify", "change = delta"),
    ("commit", "or nothing"),
    ("report", "ledger, pages"),
)
TRANSACTION: Final = range(2, 8)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A package or module of an outer layer: its name, its first sentence, whether it is a single file."""

    name: str
    summary: str
    is_module: bool


def render() -> dict[str, str]:
    """The file's name below ``docs/reference`` and its SVG."""
    workers = _Band("workers", MARGIN, WIDTH - 2 * MARGIN)
    drawn = [workers.svg(MARGIN, workers.height)]
    top = MARGIN + workers.height + GAP
    half = (WIDTH - 3 * MARGIN) // 2
    upper = [_Band("cli", MARGIN, half), _Band("defs", 2 * MARGIN + half, half)]
    tallest = max(band.height for band in upper)
    drawn += [band.svg(top, tallest) for band in upper]
    top += tallest + GAP
    for name in ("rendering", "services", "storage", "domain"):
        band = _Band(name, MARGIN, WIDTH - 2 * MARGIN)
        drawn.append(band.svg(top, band.height))
        top += band.height + GAP
    drawn.append(_steps(top))
    height = top + 106
    style = (
        "text{font-family:'Liberation Sans',Arial,sans-serif;fill:#222}"
        ".t{font-size:15px;font-weight:700}.n{font-size:12.5px;font-weight:700}.s{font-size:10.5px;fill:#444}"
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="Layers and packages of {PACKAGE}">'
    )
    ground = f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    return {
        "images/architecture.svg": "\n".join([head, f"<style>{style}</style>", ground, *drawn, "</svg>\n"])
    }


def layers(container: str) -> list[list[str]]:
    """The layers of a package, the upper first; names in one layer stand beside each other.

    A package for which no layers are declared has one, with all of its modules.
    """
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in declared["tool"]["importlinter"]["contracts"]:
        if contract["type"] == "layers" and contract["containers"] == [container]:
            return [
                [name.strip() for name in str(layer).replace(":", "|").split("|")]
                for layer in contract["layers"]
            ]
    folder = ROOT.joinpath(*container.split("."))
    return [sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")]


def part(container: str, name: str) -> Part:
    """What stands under this name: a package or a module, with the first sentence of its docstring."""
    folder = ROOT.joinpath(*container.split("."))
    module = folder / f"{name}.py"
    is_module = module.is_file()
    path = module if is_module else folder / name / "__init__.py"
    text = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return Part(name=name, summary=" ".join(text.replace("``", "").split()), is_module=is_module)


class _Band:
    """An outer layer as a coloured band; its packages are boxes, a row for each inner layer."""

    def __init__(self, name: str, left: int, width: int) -> None:
        self.name, self.left, self.width = name, left, width
        container = f"{PACKAGE}.{name}"
        self.rows = [
            [part(container, one) for one in row[first : first + MOST_BESIDE]]
            for row in layers(container)
            for first in range(0, len(row), MOST_BESIDE)
        ]
        self.heights = [self._row_height(row) for row in self.rows]
        self.height = HEAD + sum(self.heights) + GAP * len(self.rows)

    def svg(self, top: int, height: int) -> str:
        """The band with its upper edge at ``top``, made as high as its neighbour."""
        fill, border = COLOURS[self.name]
        summary = textwrap.shorten(
            part(PACKAGE, self.name).summary, width=int((self.width - 110) / 5), placeholder=" …"
        )
        parts = [
            _rectangle(self.left, top, self.width, height, f'rx="8" fill="{fill}"'),
            f'<text class="t" x="{self.left + 12}" y="{top + 19}" style="fill:{border}">{self.name}/</text>',
            _text("s", self.left + 92, top + 18, summary),
        ]
        row_top = top + HEAD
        for row, row_height in zip(self.rows, self.heights, strict=True):
            each = self._box_width(row)
            for place, one in enumerate(row):
                x = self.left + GAP + place * (each + GAP)
                dash = ' stroke-dasharray="4 3"' if one.is_module else ""
                look = f'rx="5" fill="white" stroke="{border}"{dash}'
                parts += [
                    _rectangle(x, row_top, each, row_height, look),
                    _text("n", x + 8, row_top + 16, one.name if one.is_module else f"{one.name}/"),
                    *(
                        _text("s", x + 8, row_top + 31 + 13 * number, line)
                        for number, line in enumerate(self._lines(one, each))
                    ),
                ]
            row_top += row_height + GAP
        return "\n".join(parts)

    def _box_width(self, row: Sequence[Part]) -> float:
        return (self.width - GAP * (len(row) + 1)) / len(row)

    def _lines(self, one: Part, width: float) -> list[str]:
        return textwrap.wrap(one.summary, width=int((width - 14) / 5.1), max_lines=4, placeholder=" …")

    def _row_height(self, row: Sequence[Part]) -> int:
        return 25 + 13 * max(len(self._lines(one, self._box_width(row))) for one in row)


def _rectangle(x: float, y: float, width: float, height: float, look: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" {look}/>'


def _text(style: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _steps(top: int) -> str:
    """What one job does, step by step, with the transaction around its middle."""
    each = (WIDTH - 2 * MARGIN) / len(STEPS)
    left = MARGIN + TRANSACTION[0] * each - 4
    dashed = 'rx="8" fill="none" stroke="#555" stroke-dasharray="6 4"'
    parts = [
        _rectangle(left, top + 4, len(TRANSACTION) * each, 88, dashed),
        _text("s", left + 10, top + 20, "one transaction, while the tenant is held"),
    ]
    for place, (name, detail) in enumerate(STEPS):
        x, width = MARGIN + place * each, each - 8
        parts += [
            _rectangle(x + 2, top + 32, width - 4, 46, 'rx="5" fill="#f4f4f4" stroke="#777"'),
            _text("n", x + width / 2, top + 51, name, "middle"),
            _text("s", x + width / 2, top + 67, detail, "middle"),
        ]
        if place:
            parts.append(
                f'<path d="M{x - 6:.1f} {top + 55} h7 m-3 -3 l3 3 l-3 3" fill="none" stroke="#555"/>'
            )
    return "\n".join(parts)
