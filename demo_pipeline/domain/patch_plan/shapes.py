"""Plans with a shape: the figures that are known, carried on as a person names it.

A shape makes a plan of type ``targets`` from known monthly figures: what the months should show, with all
eight figures. Months begin with the one after the last known month, or where
``first`` says; what is known from there on is not looked at. Leave the running month out of ``known``: it is
a part of a month.

=====================  ================================================================================
``copy-last-month``    the last month once more
``grow``               *P* % more each month: last · (1 + P÷100)^i for the i-th month
``match-average``      the mean of the last *N* months
``holiday-dip``        the recent level, lower in August and December
``q4-surge``           the recent level, rising from October to December by a third of the surge a month
=====================  ================================================================================

Stages: 1. leads, other contacts, companies, won deals, other deals and activities are scaled each by itself
and rounded half to even; 2. won and open value follow their deals at the mean value that these have now,
rounded down; 3. what people left behind that no plan could ask for (a won deal without a value) is mended by
the nearest feasible figures. So leads ≤ contacts, won ≤ deals, and the values fit, by construction. Exact
fractions throughout.

Assumptions (no public source found): the months and sizes of dip and surge, and that the recent level is
the mean of the last three months. A dip is a target of months to come, since a plan only adds: in a month
that already shows more it is refused where it is applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.errors import InputError, Problem
from demo_pipeline.domain.core.figures import METRICS, Figures, FiguresByMonth, figure_amount
from demo_pipeline.domain.core.months import FIRST_MONTH, LAST_MONTH, MOST_MONTHS, Month
from demo_pipeline.domain.core.wording import are, counted
from demo_pipeline.domain.feasibility import nearest_feasible
from demo_pipeline.domain.patch_plan.plan import (
    SHARE_DECIMALS,
    MonthRequest,
    PatchPlan,
    PlanType,
    has_decimals,
    is_in_bounds,
)

SURGE_PERCENT: Final = Decimal(30)
LEVEL_MONTHS: Final = 3
MOST_PERCENT: Final = Decimal(1000)


class Shape(StrEnum):
    """The shapes, as the command line names them."""

    COPY_LAST_MONTH = "copy-last-month"
    GROW = "grow"
    MATCH_AVERAGE = "match-average"
    HOLIDAY_DIP = "holiday-dip"
    Q4_SURGE = "q4-surge"


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """What a shape takes, and how it differs from the level that it goes on from."""

    #: per cent: more than the first, at most the second; none: it takes none
    limits: tuple[Decimal, Decimal] | None = None
    #: none: per cent must be given, if it takes any
    default: Decimal | None = None
    #: months whose mean is the level; none: at most ``LEVEL_MONTHS``, as far as there are any
    level_count: int | None = None
    #: each month differs by per cent from the one before
    is_growth: bool = False
    #: month of the year → share of the per cent by which it differs
    season: Mapping[int, Fraction] = field(default_factory=dict[int, Fraction])
    #: months of the year with which the season ends
    season_ends: frozenset[int] = frozenset()

    def ratio(self, share: Fraction, place: int, month: Month) -> Fraction:
        """The figures of a month, the ``place``-th from 1, as a share of the level."""
        if self.is_growth:
            return (1 + share) ** place
        return 1 + share * self.season.get(month.number, 0)


_KINDS: Final[Mapping[Shape, _Kind]] = {
    Shape.COPY_LAST_MONTH: _Kind(level_count=1),
    Shape.GROW: _Kind(limits=(Decimal(-100), MOST_PERCENT), level_count=1, is_growth=True),
    Shape.MATCH_AVERAGE: _Kind(level_count=LEVEL_MONTHS),
    Shape.HOLIDAY_DIP: _Kind(
        limits=(Decimal(0), Decimal(100)),
        default=Decimal(30),
        season={8: Fraction(-1), 12: Fraction(-1)},
        season_ends=frozenset({8, 12}),
    ),
    Shape.Q4_SURGE: _Kind(
        limits=(Decimal(0), MOST_PERCENT),
        default=SURGE_PERCENT,
        season={10: Fraction(1, 3), 11: Fraction(2, 3), 12: Fraction(1)},
        season_ends=frozenset({12}),
    ),
}


def check_options(shape: Shape, *, percent: Decimal | None, average_count: int | None) -> None:
    """Refuse what a shape does not take, or cannot do without (``InputError``)."""
    problems: list[Problem] = []
    kind = _KINDS[shape]
    if kind.limits is not None and percent is None and kind.default is None:
        message = f"is needed to {shape}; give per cent, like 10"
        problems.append(Problem(code="missing", field="percent", message=message))
    for name, value, is_taken in (
        ("percent", percent, kind.limits is not None),
        ("average", average_count, shape is Shape.MATCH_AVERAGE),
    ):
        if value is not None and not is_taken:
            message = f"{shape} takes none; leave it out"
            problems.append(Problem(code="not_taken", field=name, value=str(value), message=message))
    if problems:
        raise InputError("; ".join(map(str, problems)), problems)


def shaped_plan(
    shape: Shape,
    known: FiguresByMonth,
    *,
    currency: Currency,
    percent: Decimal | None = None,
    average_count: int | None = None,
    month_count: int | None = None,
    first: Month | None = None,
) -> PatchPlan:
    """The plan of a shape.

    ``average_count``: months of the average, of ``match-average``; ``month_count``: none is 1, or up to the
    end of the season. Raises ``InputError`` for what makes no plan.
    """
    check_options(shape, percent=percent, average_count=average_count)
    kind = _KINDS[shape]
    share = _share(kind, percent)
    if average_count is not None and not 1 <= average_count <= MOST_MONTHS:
        raise _wrong("last_count", f"{average_count} is out of range; write 1 to {MOST_MONTHS}")
    level_count = average_count or kind.level_count or min(LEVEL_MONTHS, max(1, len(_before(known, first))))
    total = _last(known, first, level_count)
    if month_count is None and kind.season:
        coming = enumerate(_months(known, first, 12), start=1)
        month_count = next(count for count, month in coming if month.number in kind.season_ends)
    months = _months(known, first, 1 if month_count is None else month_count)
    if kind.season and not any(month.number in kind.season for month in months):
        message = f"{months[0]} to {months[-1]} have no month of the season; take more months"
        raise _wrong("month_count", message)
    figures = (
        _scaled(total, kind.ratio(share, place, month) / level_count)
        for place, month in enumerate(months, start=1)
    )
    return PatchPlan(
        plan_type=PlanType.TARGETS,
        months=tuple(
            MonthRequest(month, _given(month, one, currency))
            for month, one in zip(months, figures, strict=True)
        ),
    )


def _before(known: FiguresByMonth, first: Month | None) -> list[Month]:
    return sorted(month for month in known if first is None or month < first)


def _last(known: FiguresByMonth, first: Month | None, count: int) -> Figures:
    """The sum of the last ``count`` known months."""
    months = _before(known, first)[-count:]
    if len(months) < count:
        where = f" before {first}" if first is not None else ""
        raise _wrong(
            "last_count",
            f"there are figures of {counted(len(months), 'month')}{where}, and {count} {are(count)} needed; "
            "take fewer months, or begin later",
        )
    return sum((known[month] for month in months), Figures())


def _months(known: FiguresByMonth, first: Month | None, count: int) -> list[Month]:
    if not 1 <= count <= MOST_MONTHS:
        raise _wrong("month_count", f"{count} is out of range; write 1 to {MOST_MONTHS}")
    begin = first if first is not None else max(known) + 1
    end = begin + (count - 1)
    if not FIRST_MONTH <= begin <= end <= LAST_MONTH:
        raise _wrong(
            "first", f"{begin} to {end} is out of range; months from {FIRST_MONTH} on can be patched"
        )
    return list(begin.until(end))


def _scaled(base: Figures, ratio: Fraction) -> Figures:
    """Every part by itself; values at the mean of their deals."""

    def part(count: int) -> int:
        return round(max(0, count) * ratio)

    # Deals and activities are carried on from months in which they had contacts.
    return nearest_feasible([base.scaled(part)], contacts_before=1)[0]


def _given(month: Month, figures: Figures, currency: Currency) -> dict[str, int | Decimal]:
    given: dict[str, int | Decimal] = {
        metric: figure_amount(metric, figures[metric], currency) for metric in METRICS
    }
    for metric, figure in given.items():
        if not is_in_bounds(metric, figure):
            raise _wrong(metric, f"{month} would have {figure} {metric}, more than a plan can ask for")
    return given


def _share(kind: _Kind, percent: Decimal | None) -> Fraction:
    """Per cent as a share; 0 for a shape that takes none."""
    if kind.limits is None:
        return Fraction(0)
    least, most = kind.limits
    given = percent if percent is not None else kind.default
    assert given is not None  # as the options were checked
    if not (given.is_finite() and least < given <= most and has_decimals(given, SHARE_DECIMALS)):
        limits = f"more than {least}, at most {most}, with at most {SHARE_DECIMALS} decimals"
        raise _wrong("percent", f"{given} is out of range; write {limits}")
    return Fraction(given) / 100


def _wrong(name: str, message: str) -> InputError:
    problem = Problem(code="bad_shape", field=name, message=message)
    return InputError(str(problem), [problem])
