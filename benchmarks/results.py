"""What a measurement came to: every sample kept, the median shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Literal

#: what a sample counts, and how it is shown
Unit = Literal[
    "rows/s", "rows/CPU-s", "ms", "CPU-ms", "s", "CPU-s", "MB", "connections", "statements", "ratio", "%"
]


@dataclass(frozen=True, kw_only=True)
class Result:
    """One row of the table."""

    #: what was measured
    what: str
    unit: Unit
    #: one for each run, in the order of the runs
    samples: tuple[float, ...]
    #: what is to be reached; None: nothing, it is there for comparison
    goal: float | None = None
    #: whether more is better than the goal, or less
    is_more_better: bool = True
    note: str = ""

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def is_reached(self) -> bool | None:
        if self.goal is None:
            return None
        return self.median >= self.goal if self.is_more_better else self.median <= self.goal

    @property
    def shown(self) -> str:
        """The median, with its unit."""
        return f"{_figure(self.median, self.unit)} {self.unit}".replace(" ratio", "")

    @property
    def spread(self) -> str:
        """Least and most."""
        if len(self.samples) == 1:
            return ""
        return f"{_figure(min(self.samples), self.unit)} .. {_figure(max(self.samples), self.unit)}"

    @property
    def goal_shown(self) -> str:
        if self.goal is None:
            return ""
        sign = "≥" if self.is_more_better else "≤"
        return f"{sign} {_figure(self.goal, self.unit)} {self.unit}".replace(" ratio", "")


@dataclass
class Results:
    """All rows of a run, and what it was run with."""

    machine: dict[str, str]
    versions: dict[str, str]
    settings: dict[str, str]
    rows: list[Result] = field(default_factory=list[Result])


def _figure(value: float, unit: Unit) -> str:
    match unit:
        case "rows/s" | "rows/CPU-s" | "MB" | "connections" | "statements":
            return f"{value:,.0f}"
        case "ms" | "CPU-ms" | "%":
            return f"{value:,.1f}"
        case "s" | "CPU-s" | "ratio":
            return f"{value:.2f}"
