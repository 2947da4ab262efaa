"""What a measure is: a figure of a tenant, the least sample, the expected range, and the source of the range.

The measures themselves are in the modules beside this one, by what they look at; ``catalogue`` lists them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from demo_pipeline.domain.scorecard.columns import Facts, TenantColumns

ASSUMPTION: Final = "assumption"
#: industries whose buyers are firms, as far as their deals are concerned
B2B: Final = ("trading", "saas", "realestate", "finserv")


#: standard errors of its sample by which a drawn share may miss a bound
STANDARD_ERRORS: Final = 2.0


class Unit(StrEnum):
    """How a figure is written."""

    SHARE = "share"
    NUMBER = "number"
    PROBABILITY = "probability"
    DAYS = "days"
    MINUTES = "minutes"
    COUNT = "count"

    def text(self, value: float) -> str:
        """A figure for people."""
        match self:
            case Unit.SHARE:
                return f"{round(100 * value, 1):g} %"
            case Unit.NUMBER:
                return f"{value:.2f}"
            case Unit.PROBABILITY:
                return f"{value:.3f}"
            case Unit.DAYS:
                return f"{value:.1f} d"
            case Unit.MINUTES:
                return f"{value:.0f} min"
            case Unit.COUNT:
                return f"{value:,.0f}"


def _exactly(_bound: float) -> float:
    return 0.0


@dataclass(frozen=True)
class Range:
    """What is expected of a figure, both ends included; None: no bound on that side."""

    low: float | None = None
    high: float | None = None

    def holds(self, value: float, margin: Callable[[float], float] | None = None) -> bool:
        """Whether a figure lies in the range, or misses a bound by no more than that bound's margin."""
        margin = margin or _exactly
        return (self.low is None or value >= self.low - margin(self.low)) and (
            self.high is None or value <= self.high + margin(self.high)
        )

    def text(self, unit: Unit) -> str:
        """The range for people."""
        if self.low is None and self.high is None:
            return "any"
        if self.low is None and self.high == 0:
            return "none"
        if self.low == self.high and self.low is not None:
            return unit.text(self.low)
        if self.low is None or self.high is None:
            words, bound = ("at most", self.high) if self.low is None else ("at least", self.low)
            return f"{words} {unit.text(0.0 if bound is None else bound)}"
        return f"{unit.text(self.low)} to {unit.text(self.high)}"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The range that is expected of a tenant, by what it is; no range: the measure does not apply to it."""

    #: of industries that are not named; None: the measure does not apply to them
    default: Range | None = field(default=None, kw_only=False)
    #: of single industries
    industries: Mapping[str, Range] = field(default_factory=dict[str, Range])
    #: the only countries that it applies to; empty: all
    countries: tuple[str, ...] = ()
    #: a range that depends on the blueprint; None: the measure does not apply
    declared: Callable[[Facts], Range | None] | None = None
    #: the words for ``declared``
    words: str = ""

    def range_for(self, facts: Facts) -> Range | None:
        """The range for a tenant; None: the measure does not apply to it."""
        if self.countries and facts.country not in self.countries:
            return None
        if self.declared is not None:
            return self.declared(facts)
        return self.industries.get(facts.industry, self.default)

    def text(self, unit: Unit) -> str:
        """What is expected, for the documentation."""
        if self.declared is not None:
            said = self.words
        else:
            by_range: dict[Range, list[str]] = {}
            for industry, one in self.industries.items():
                by_range.setdefault(one, []).append(industry)
            parts = [f"{one.text(unit)} ({', '.join(names)})" for one, names in by_range.items()]
            if self.default is not None:
                parts.insert(0, self.default.text(unit))
            said = "; ".join(parts)
        return f"{said} (only {', '.join(self.countries)})" if self.countries else said


def only(industries: tuple[str, ...], expected: Range) -> Expected:
    """A range for some industries; the measure does not apply to the others."""
    return Expected(industries=dict.fromkeys(industries, expected))


@dataclass(frozen=True)
class Figure:
    """A figure, and the number of rows that it was measured on."""

    value: float
    size: int
    #: what it was, where a reader would ask: the worst month, the commonest word
    detail: str = ""


#: None: there is nothing to measure
Function: TypeAlias = Callable[[TenantColumns], Figure | None]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One line of the scorecard."""

    #: short and stable, for programs
    name: str
    #: what is measured, as a noun phrase
    title: str
    #: what the sample counts
    population: str
    #: the smallest sample; below it the figure is not measured
    least: int
    expected: Expected
    unit: Unit
    #: where the range comes from, or ``ASSUMPTION``
    source: str
    function: Function
    #: a share of rows that are drawn one by one: chance moves it, the less the more rows there are
    is_drawn: bool = False
    #: lists of the packs that it judges: not taken where a tenant brings one of them itself
    of_lists: frozenset[str] = frozenset()


class Verdict(StrEnum):
    """What a line says."""

    GREEN = "green"
    RED = "red"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, kw_only=True)
class Score:
    """A measure, taken on one tenant."""

    measure: Measure
    expected: Range
    #: None: there was nothing to measure, or too little
    figure: Figure | None
    #: rows of the sample, also where they are too few
    size: int

    @property
    def verdict(self) -> Verdict:
        if self.figure is None:
            return Verdict.NOT_MEASURED
        return Verdict.GREEN if self.expected.holds(self.figure.value, self._margin) else Verdict.RED

    def _margin(self, bound: float) -> float:
        """What chance makes of a drawn share in a sample of this size; none where it is to be 0 or 1."""
        if not self.measure.is_drawn or not self.size:
            return 0.0
        return STANDARD_ERRORS * math.sqrt(max(0.0, bound * (1 - bound)) / self.size)

    @property
    def detail(self) -> str:
        """What the figure was, for people, and whether it is green by chance only."""
        if self.figure is None:
            return ""
        is_by_chance = self.verdict is Verdict.GREEN and not self.expected.holds(self.figure.value)
        return ", ".join(filter(None, (self.figure.detail, "within chance" if is_by_chance else "")))


def take(measure: Measure, tenant: TenantColumns) -> Score | None:
    """A measure of a tenant; None: it does not apply to the tenant."""
    expected = measure.expected.range_for(tenant.facts)
    if expected is None or measure.of_lists & tenant.facts.own_lists:
        return None
    figure = measure.function(tenant)
    size = 0 if figure is None else figure.size
    return Score(
        measure=measure, expected=expected, figure=None if size < measure.least else figure, size=size
    )
