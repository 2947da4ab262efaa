"""From what was written to a plan: every value judged, every problem named where it stands.

A table (CSV) and a tree (JSON, YAML, a mapping) are brought into one form first, ``WrittenPlan``: values as
they were written, each with its place. What follows is the same for all: names, months, numbers with the
decimal marks of the whole file (``parsing.written_numbers``), bounds, order. Problems are collected, at most
a hundred of them. Whether a tenant can carry the plan out is not judged here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Final, TypeVar

from pydantic_core import PydanticCustomError

from demo_pipeline.domain.core.currency import MOST_MINOR_DIGITS
from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS
from demo_pipeline.domain.core.months import MOST_MONTHS, Month
from demo_pipeline.domain.parsing.scalars import nearest, parse_seed, refuse_grouped, wrong
from demo_pipeline.domain.parsing.written_months import has_german_names, read_month
from demo_pipeline.domain.parsing.written_numbers import (
    WrittenNumber,
    decimal_mark_of,
    read_cell,
    read_literal,
    shortened,
    shown,
)
from demo_pipeline.domain.patch_plan.plan import (
    ADDITIVE,
    MOST_COUNT,
    MOST_VALUE,
    SHARE_DECIMALS,
    MonthRequest,
    PatchPlan,
    PlanType,
    Tolerances,
    has_decimals,
)

MOST_PROBLEMS: Final = 100
MODES: Final = (ADDITIVE, "reconcile")

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Written:
    """One value as it was written, and where."""

    text: str
    #: as a person finds it: ``row 3, column C (Leads created)``, ``months[2].metrics.dealsCreated``
    place: str
    #: of a file that is read by lines
    line: int | None = None
    #: where it comes when the file is read from the top: row and column, or lines and the like
    rank: tuple[int, int] = (0, 0)
    #: a number of JSON or of a program, where a point is the decimal point for certain
    is_literal: bool = False
    #: the currency that the head of its column names
    currency: str | None = None


@dataclass(frozen=True, kw_only=True)
class WrittenMonth:
    """What was written for one month."""

    month: Written
    #: metric → value
    figures: Mapping[str, Written]


@dataclass(frozen=True, kw_only=True)
class WrittenPlan:
    """A plan as it was written; ``None``: left out."""

    months: Sequence[WrittenMonth]
    mode: Written | None = None
    plan_type: Written | None = None
    seed: Written | None = None
    tolerance_count: Written | None = None
    tolerance_value: Written | None = None


@dataclass
class Findings:
    """What is wrong with an input so far. Beyond a hundred, problems are counted and not kept."""

    more: int = 0
    _kept: list[tuple[tuple[int, int], Problem]] = field(
        default_factory=list[tuple[tuple[int, int], Problem]]
    )

    def __bool__(self) -> bool:
        return bool(self._kept)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All that is to be said, from the top of the file, and how many more there are."""
        said = tuple(problem for _, problem in sorted(self._kept, key=lambda pair: pair[0]))
        if not self.more:
            return said
        return (*said, Problem(code="more_problems", message=f"and {self.more} more; mend these first"))

    def add(self, problem: Problem, rank: tuple[int, int] = (0, 0)) -> None:
        """One more problem; ``rank`` is where it stands in the file."""
        if len(self._kept) < MOST_PROBLEMS:
            self._kept.append((rank, problem))
        else:
            self.more += 1

    def at(self, written: Written, error: PydanticCustomError, **known: str | None) -> None:
        """A problem of one value."""
        self.add(
            Problem(
                code=error.type,
                message=error.message(),
                field=written.place,
                line=written.line,
                value=shortened(written.text),
                suggestion=(error.context or {}).get("suggestion"),
                **known,
            ),
            written.rank,
        )


@dataclass(frozen=True, kw_only=True)
class PlanRead:
    """A plan, or everything that is wrong with it."""

    #: none if there are problems
    plan: PatchPlan | None
    #: ISO codes, and signs that may mean several, seen beside amounts; see ``plan_numbers.other_currencies``
    currencies: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()


def plain_name(name: str) -> str:
    """A name without the ways to write it: ``Leads created``, ``leadsCreated``, ``LEADS_CREATED``."""
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFC", name)).lower()


METRIC_NAMES: Final[Mapping[str, str]] = MappingProxyType({plain_name(metric): metric for metric in METRICS})


def nearest_name(name: str, known: Sequence[str]) -> str | None:
    """The known name that may be meant, whatever its spelling."""
    by_plain = {plain_name(one): one for one in known}
    plain = plain_name(name[:80])
    # People shorten: leads, deals, activities.
    begun = [one for start, one in by_plain.items() if len(plain) >= 4 and start.startswith(plain)]
    if len(begun) == 1:
        return begun[0]
    return by_plain.get(nearest(plain, list(by_plain)) or "")


def read_plan_type(text: str) -> PlanType:
    """``deltas`` or ``targets``. Raises a pydantic error with our code."""
    word = text.strip().lower()
    if word in tuple(PlanType):
        return PlanType(word)
    close = nearest(word[:80], tuple(PlanType))
    hint = f"; did you mean {close}?" if close else ""
    raise wrong("unknown_plan_type", f"{shown(text)} is not one of {', '.join(PlanType)}{hint}", close)


def read_seed(text: str) -> str:
    """Any text. Raises a pydantic error with our code, which does not repeat a long seed."""
    try:
        return parse_seed(text)
    except PydanticCustomError as error:
        message = f"{shown(text)} is no seed; write 1 to 200 characters of text"
        raise wrong(error.type, message) from None


def assemble(written: WrittenPlan, findings: Findings) -> PlanRead:
    """The plan, and what was found before and now."""
    _check_mode(written.mode, findings)
    plan_type = _try(read_plan_type, written.plan_type, findings) or PlanType.DELTAS
    seed = _try(read_seed, written.seed, findings)
    tolerances = Tolerances(
        count=_try(
            partial(
                _tolerance_count,
                is_literal=bool(written.tolerance_count and written.tolerance_count.is_literal),
            ),
            written.tolerance_count,
            findings,
        )
        or 0,
        value=_try(_tolerance_value, written.tolerance_value, findings) or Decimal(0),
    )
    is_german = has_german_names(entry.month.text for entry in written.months)
    months = [
        _try(partial(read_month, is_german=is_german), entry.month, findings) for entry in written.months
    ]
    _check_order(written.months, months, findings)
    requests, currencies = _requests(written.months, months, findings)
    if not findings and not any(request.given for request in requests):
        findings.add(
            Problem(
                code="no_figures",
                field=written.months[0].month.place if written.months else "months",
                message="no figure is asked for in any month; give at least one of " + ", ".join(METRICS),
            )
        )
    if findings:
        return PlanRead(plan=None, problems=findings.problems)
    plan = PatchPlan(months=tuple(requests), plan_type=plan_type, seed=seed, tolerances=tolerances)
    return PlanRead(plan=plan, currencies=currencies)


def _try(read: Callable[[str], _T], written: Written | None, findings: Findings) -> _T | None:
    if written is None:
        return None
    try:
        return read(written.text)
    except PydanticCustomError as error:
        findings.at(written, error)
        return None


def _check_mode(written: Written | None, findings: Findings) -> None:
    if written is None or written.text.strip().lower() == ADDITIVE:
        return
    if written.text.strip().lower() == "reconcile":
        message = "reconcile, which hides generated rows, comes in a later version; write additive"
        findings.at(written, wrong("mode_not_available", message, ADDITIVE))
    else:
        message = f"{shown(written.text)} is no mode; write additive, or leave it out"
        findings.at(written, wrong("unknown_mode", message, ADDITIVE))


def _check_order(entries: Sequence[WrittenMonth], months: Sequence[Month | None], findings: Findings) -> None:
    if len(entries) > MOST_MONTHS:
        message = f"more than {MOST_MONTHS} months are listed; that is the most of one plan, make several"
        findings.add(Problem(code="too_many_months", field="months", message=message))
    first_place: dict[Month, str] = {}
    latest: Month | None = None
    for entry, month in zip(entries, months, strict=True):
        if month is None:
            continue
        if month in first_place:
            message = f"{month} is listed twice, first in {first_place[month]}; leave one of them out"
            findings.at(entry.month, wrong("month_twice", message), month=str(month))
        elif latest is not None and month < latest:
            message = f"{month} comes after {latest}; list the months from the earliest to the latest"
            findings.at(entry.month, wrong("months_not_in_order", message), month=str(month))
        first_place.setdefault(month, entry.month.place)
        latest = max(latest or month, month)


@dataclass(frozen=True, kw_only=True)
class _Cell:
    """A figure that has been read by its form."""

    entry: int
    metric: str
    written: Written
    number: WrittenNumber


def _requests(
    entries: Sequence[WrittenMonth], months: Sequence[Month | None], findings: Findings
) -> tuple[list[MonthRequest], frozenset[str]]:
    """What is asked of each month, and the currencies that were seen."""
    cells = list(_cells(entries, months, findings))
    mark = _settled_mark(cells, months, findings)
    figures: list[dict[str, int | Decimal]] = [{} for _ in entries]
    for cell in cells:
        try:
            figures[cell.entry][cell.metric] = _figure(cell, mark)
        except PydanticCustomError as error:
            findings.at(cell.written, error, month=_name(months[cell.entry]), metric=cell.metric)
    if findings:
        return [], frozenset()
    currencies = {name for cell in cells for name in (cell.number.currency, cell.written.currency)}
    return (
        [MonthRequest.of(month, given) for month, given in zip(months, figures, strict=True) if month],
        frozenset(name for name in currencies if name is not None),
    )


def _cells(
    entries: Sequence[WrittenMonth], months: Sequence[Month | None], findings: Findings
) -> Sequence[_Cell]:
    cells: list[_Cell] = []
    for index, entry in enumerate(entries):
        for metric in METRICS:
            written = entry.figures.get(metric)
            if written is None:
                continue
            try:
                number = read_literal(written.text) if written.is_literal else read_cell(written.text)
            except PydanticCustomError as error:
                findings.at(written, error, month=_name(months[index]), metric=metric)
            else:
                cells.append(_Cell(entry=index, metric=metric, written=written, number=number))
    return cells


def _settled_mark(cells: Sequence[_Cell], months: Sequence[Month | None], findings: Findings) -> str | None:
    """The decimal mark of the file; where cells prove two, those of the second kind are problems."""
    proofs = [cell for cell in cells if cell.number.decimal_mark is not None]
    for cell in proofs:
        if cell.number.decimal_mark != proofs[0].number.decimal_mark:
            first = proofs[0].written
            message = (
                f"{shown(cell.written.text)} has another decimal mark than {shown(first.text)} in "
                f"{first.place}; write all numbers of a file in one way"
            )
            error = wrong("mixed_decimal_marks", message)
            findings.at(cell.written, error, month=_name(months[cell.entry]), metric=cell.metric)
    return decimal_mark_of(cell.number for cell in cells)


def _figure(cell: _Cell, mark: str | None) -> int | Decimal:
    text, number = cell.written.text, cell.number
    amount = number.settled(mark)
    if amount is None:
        grouped = f"{number.grouped:f}"
        raise wrong(
            "ambiguous_number",
            f"{shown(text)} may be {grouped} or {number.amount.normalize():f}, and no other number of the "
            f"file tells which; write {grouped} if {shown(number.open_mark or '')} groups thousands",
            grouped,
        )
    if amount < 0:
        raise wrong(
            "negative",
            f"{shown(text)} is negative, and figures are only added; write 0 or more",
        )
    if cell.metric in VALUE_METRICS:
        return _amount(text, amount)
    if number.currency is not None or cell.written.currency is not None:
        raise wrong("currency_in_count", f"{shown(text)} is an amount of money; {cell.metric} is a count")
    return _count(text, amount, MOST_COUNT)


def _amount(text: str, amount: Decimal) -> Decimal:
    if amount > MOST_VALUE:
        raise wrong("out_of_range", f"{shown(text)} is out of range; {MOST_VALUE:,} is the most")
    if not has_decimals(amount, MOST_MINOR_DIGITS):
        raise wrong(
            "too_many_decimals",
            f"{shown(text)} has more than the {MOST_MINOR_DIGITS} decimals that amounts of any currency "
            "are kept with; round it",
        )
    return amount.copy_abs()


def _count(text: str, amount: Decimal, most: int) -> int:
    if not 0 <= amount <= most:
        raise wrong("out_of_range", f"{shown(text)} is out of range; write a whole number from 0 to {most:,}")
    if not has_decimals(amount, 0):
        raise wrong("not_a_whole_number", f"{shown(text)} is not a whole number; round it")
    return int(amount)


def _plain_number(text: str) -> Decimal:
    """A tolerance: a number of a program, not of a spreadsheet."""
    number = read_literal(text.strip()).amount
    if number < 0:
        raise wrong("negative", f"{shown(text)} is negative; write 0 or more")
    return number


def _tolerance_count(text: str, *, is_literal: bool) -> int:
    if not is_literal:
        refuse_grouped(text.strip())
    return _count(text, _plain_number(text), MOST_COUNT)


def _tolerance_value(text: str) -> Decimal:
    share = _plain_number(text)
    if share > 1 or not has_decimals(share, SHARE_DECIMALS):
        message = f"{shown(text)} is out of range; write a share from 0 to 1, like 0.01 for one percent"
        raise wrong("out_of_range", message)
    return share


def _name(month: Month | None) -> str | None:
    return None if month is None else str(month)
