"""Plans with a shape: the figures that are known, carried on as a person names it.

Every shape is a pure function from known monthly figures to a plan of type ``targets``: what the months
should show, with all eight figures. Months begin with the one after the last known month, or where
``first`` says; what is known from there on is not looked at. Leave the running month out of ``known``: it is
a part of a month.

=====================  ================================================================================
``copy_last_month``    the last month once more
``grow_monthly``       *P* % more each month: last · (1 + P÷100)^i for the i-th month
``match_average``      the mean of the last *N* months
``holiday_dip``        the recent level, lower in August and December
``q4_surge``           the recent level, rising from October to December by a third of the surge a month
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

from collections.abc import Iterable, Mapping
from decimal import Decimal
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

HOLIDAY_MONTHS: Final = frozenset({8, 12})
DEFAULT_DIP_PERCENT: Final = Decimal(30)
DEFAULT_SURGE_PERCENT: Final = Decimal(30)
#: month of the year → share of the surge
SURGE_SHARES: Final[Mapping[int, Fraction]] = {10: Fraction(1, 3), 11: Fraction(2, 3), 12: Fraction(1)}
LEVEL_MONTHS: Final = 3
MOST_PERCENT: Final = Decimal(1000)


def copy_last_month(
    known: FiguresByMonth, *, currency: Currency, month_count: int = 1, first: Month | None = None
) -> PatchPlan:
    """The last month's figures for each of the months."""
    base = _last(known, first, 1)
    months = _months(known, first, month_count)
    return _plan(((month, _scaled(base, Fraction(1))) for month in months), currency)


def grow_monthly(
    known: FiguresByMonth,
    percent: Decimal,
    *,
    month_count: int,
    currency: Currency,
    first: Month | None = None,
) -> PatchPlan:
    """Each month ``percent`` more than the one before it, from the last; negative: less."""
    factor = 1 + _share("percent", percent, least=Decimal(-100), most=MOST_PERCENT)
    base = _last(known, first, 1)
    months = _months(known, first, month_count)
    return _plan(
        ((month, _scaled(base, factor**power)) for power, month in enumerate(months, start=1)), currency
    )


def match_average(
    known: FiguresByMonth,
    last_count: int,
    *,
    currency: Currency,
    month_count: int = 1,
    first: Month | None = None,
) -> PatchPlan:
    """The mean of the last ``last_count`` months, for each of the months."""
    if not 1 <= last_count <= MOST_MONTHS:
        raise _wrong("last_count", f"{last_count} is out of range; write 1 to {MOST_MONTHS}")
    total = _last(known, first, last_count)
    months = _months(known, first, month_count)
    return _plan(((month, _scaled(total, Fraction(1, last_count))) for month in months), currency)


def holiday_dip(
    known: FiguresByMonth,
    *,
    currency: Currency,
    percent: Decimal = DEFAULT_DIP_PERCENT,
    month_count: int | None = None,
    first: Month | None = None,
) -> PatchPlan:
    """The recent level, ``percent`` lower in August and December; as a rule up to the next of them."""
    dip = _share("percent", percent, least=Decimal(0), most=Decimal(100))
    return _season(known, dict.fromkeys(HOLIDAY_MONTHS, -dip), month_count, first, currency)


def q4_surge(
    known: FiguresByMonth,
    *,
    currency: Currency,
    percent: Decimal = DEFAULT_SURGE_PERCENT,
    month_count: int | None = None,
    first: Month | None = None,
) -> PatchPlan:
    """The recent level, rising to ``percent`` more in December; as a rule up to the next December."""
    surge = _share("percent", percent, least=Decimal(0), most=MOST_PERCENT)
    changes = {number: surge * share for number, share in SURGE_SHARES.items()}
    return _season(known, changes, month_count, first, currency, ends_with=12)


def _season(
    known: FiguresByMonth,
    changes: Mapping[int, Fraction],
    month_count: int | None,
    first: Month | None,
    currency: Currency,
    *,
    ends_with: int | None = None,
) -> PatchPlan:
    """``changes`` by month of the year; ``ends_with`` is the last month of the season, none: any of them."""
    level_count = min(LEVEL_MONTHS, max(1, len(_before(known, first))))
    total = _last(known, first, level_count)
    if month_count is None:
        coming = _months(known, first, 12)
        ends = {ends_with} if ends_with is not None else set(changes)
        month_count = next(count for count, month in enumerate(coming, start=1) if month.number in ends)
    months = _months(known, first, month_count)
    if not any(month.number in changes for month in months):
        message = f"{months[0]} to {months[-1]} have no month of the season; take more months"
        raise _wrong("month_count", message)
    return _plan(
        (
            (month, _scaled(total, (1 + changes.get(month.number, Fraction(0))) / level_count))
            for month in months
        ),
        currency,
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


def _plan(months: Iterable[tuple[Month, Figures]], currency: Currency) -> PatchPlan:
    return PatchPlan(
        plan_type=PlanType.TARGETS,
        months=tuple(MonthRequest(month, _given(month, figures, currency)) for month, figures in months),
    )


def _given(month: Month, figures: Figures, currency: Currency) -> dict[str, int | Decimal]:
    given: dict[str, int | Decimal] = {
        metric: figure_amount(metric, figures[metric], currency) for metric in METRICS
    }
    for metric, figure in given.items():
        if not is_in_bounds(metric, figure):
            raise _wrong(metric, f"{month} would have {figure} {metric}, more than a plan can ask for")
    return given


def _share(name: str, percent: Decimal, *, least: Decimal, most: Decimal) -> Fraction:
    if not (percent.is_finite() and least < percent <= most and has_decimals(percent, SHARE_DECIMALS)):
        limits = f"more than {least}, at most {most}, with at most {SHARE_DECIMALS} decimals"
        raise _wrong(name, f"{percent} is out of range; write {limits}")
    return Fraction(percent) / 100


def _wrong(name: str, message: str) -> InputError:
    problem = Problem(code="bad_shape", field=name, message=message)
    return InputError(str(problem), [problem])
