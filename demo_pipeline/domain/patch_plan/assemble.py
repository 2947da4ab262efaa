"""From a plan as it was written to a plan: every value judged, every problem named with its place.

A table and a nested document are brought into one form first (``table_plan``, ``nested_plan``):
``WrittenPlan``, values as they were written, each with its place. What follows is the same for both: names,
months, numbers with the decimal marks of the whole file (``parsing.written_numbers``), bounds, order. Whether
a tenant can carry the plan out is not judged here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from types import MappingProxyType
from typing import Final, TypeVar

from pydantic_core import PydanticCustomError

from demo_pipeline.domain.core.currency import MOST_MINOR_DIGITS
from demo_pipeline.domain.core.errors import Problem
from demo_pipeline.domain.core.figures import METRICS, VALUE_METRICS
from demo_pipeline.domain.core.months import MOST_MONTHS, Month
from demo_pipeline.domain.parsing.document import Problems, Written
from demo_pipeline.domain.parsing.scalars import (
    nearest,
    one_of,
    parse_seed,
    quoted,
    refuse_grouped,
    word_of,
    wrong,
)
from demo_pipeline.domain.parsing.written_months import has_german_names, read_month
from demo_pipeline.domain.parsing.written_numbers import (
    WrittenNumber,
    decimal_mark_of,
    read_cell,
    read_literal,
)
from demo_pipeline.domain.patch_plan.plan import (
    FINGERPRINT,
    MOST_COUNT,
    MOST_VALUE,
    SHARE_DECIMALS,
    MonthRequest,
    PatchPlan,
    PlanMode,
    PlanType,
    Tolerances,
    has_decimals,
)

_read_plan_type: Final = one_of("plan_type", tuple(PlanType))
_read_mode: Final = word_of("mode", tuple(PlanMode))

_T = TypeVar("_T")


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
    fingerprint: Written | None = None
    tolerance_count: Written | None = None
    tolerance_value: Written | None = None


def plain_name(name: str) -> str:
    """A name without the ways to write it: ``Leads created``, ``leadsCreated``, ``LEADS_CREATED``."""
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFC", name)).lower()


METRIC_NAMES: Final[Mapping[str, str]] = MappingProxyType({plain_name(metric): metric for metric in METRICS})


def nearest_name(name: str, known: Collection[str]) -> str | None:
    """The known name that may be meant, whatever its spelling."""
    by_plain = {plain_name(one): one for one in known}
    plain = plain_name(name[:80])
    # People shorten: leads, deals, activities.
    begun = [one for start, one in by_plain.items() if len(plain) >= 4 and start.startswith(plain)]
    if len(begun) == 1:
        return begun[0]
    return by_plain.get(nearest(plain, list(by_plain)) or "")


def read_plan_type(text: str) -> PlanType:
    """``deltas`` or ``targets``, in any case. Raises a pydantic error with a stable code."""
    return PlanType(_read_plan_type(text.strip().lower()))


def read_seed(text: str) -> str:
    """Any text. Raises a pydantic error with a stable code, which does not repeat a long seed."""
    try:
        return parse_seed(text)
    except PydanticCustomError as error:
        message = f"{quoted(text)} is no seed; write 1 to 200 characters of text"
        raise wrong(error.type, message) from None


def assemble(written: WrittenPlan, problems: Problems) -> tuple[PatchPlan, frozenset[str]] | None:
    """The plan, and the currencies seen beside its amounts: ISO codes, and signs that may mean several.

    What is wrong is added to ``problems``; None if there is any, earlier ones included.
    """
    mode = PlanMode(_try(_read_mode, written.mode, problems) or PlanMode.ADDITIVE)
    plan_type = _try(read_plan_type, written.plan_type, problems) or PlanType.DELTAS
    fingerprint = _try(_read_fingerprint, written.fingerprint, problems)
    _check_mode(written, mode, plan_type, problems)
    seed = _try(read_seed, written.seed, problems)
    is_literal = bool(written.tolerance_count and written.tolerance_count.is_literal)
    count = _try(partial(_tolerance_count, is_literal=is_literal), written.tolerance_count, problems)
    share = _try(_tolerance_value, written.tolerance_value, problems)
    is_german = has_german_names(entry.month.text for entry in written.months)
    months = [
        _try(partial(read_month, is_german=is_german), entry.month, problems) for entry in written.months
    ]
    _check_order(written.months, months, problems)
    requests, currencies = _requests(written.months, months, problems)
    if not problems and not any(request.given for request in requests):
        problems.add(
            Problem(
                code="no_figures",
                field=written.months[0].month.place if written.months else "months",
                message="no figure is asked for in any month; give at least one of " + ", ".join(METRICS),
            )
        )
    if problems:
        return None
    tolerances = Tolerances(count=count or 0, value=share or Decimal(0))
    plan = PatchPlan(
        months=tuple(requests),
        mode=mode,
        plan_type=plan_type,
        seed=seed,
        tolerances=tolerances,
        fingerprint=fingerprint,
    )
    return plan, currencies


def _try(read: Callable[[str], _T], written: Written | None, problems: Problems) -> _T | None:
    if written is None:
        return None
    try:
        return read(written.text)
    except PydanticCustomError as error:
        problems.at(written, error)
        return None


def _read_fingerprint(text: str) -> str:
    fingerprint = text.strip().lower()
    if not FINGERPRINT.fullmatch(fingerprint):
        message = f"{quoted(text)} is no fingerprint; copy the 64 hex digits that plan preview prints"
        raise wrong("bad_fingerprint", message)
    return fingerprint


def _check_mode(written: WrittenPlan, mode: PlanMode, plan_type: PlanType, problems: Problems) -> None:
    """Reconcile goes with targets, a fingerprint with reconcile."""
    if mode is PlanMode.RECONCILE and written.mode is not None and plan_type is not PlanType.TARGETS:
        message = (
            "reconcile brings figures to what they should be, so it needs targets; write plan_type: targets"
        )
        problems.at(written.mode, wrong("reconcile_needs_targets", message, {"plan_type": "targets"}))
    if mode is not PlanMode.RECONCILE and written.fingerprint is not None:
        message = "a fingerprint confirms a plan that reconciles; write mode: reconcile, or leave the key out"
        problems.at(written.fingerprint, wrong("fingerprint_without_reconcile", message))


def _check_order(entries: Sequence[WrittenMonth], months: Sequence[Month | None], problems: Problems) -> None:
    if len(entries) > MOST_MONTHS:
        message = f"more than {MOST_MONTHS} months are listed; that is the most of one plan, make several"
        problems.add(Problem(code="too_many_months", field="months", message=message))
    first_place: dict[Month, str] = {}
    latest: Month | None = None
    for entry, month in zip(entries, months, strict=True):
        if month is None:
            continue
        if month in first_place:
            message = f"{month} is listed twice, first in {first_place[month]}; leave one of them out"
            problems.at(entry.month, wrong("month_twice", message), month=str(month))
        elif latest is not None and month < latest:
            message = f"{month} comes after {latest}; list the months from the earliest to the latest"
            problems.at(entry.month, wrong("months_not_in_order", message), month=str(month))
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
    entries: Sequence[WrittenMonth], months: Sequence[Month | None], problems: Problems
) -> tuple[list[MonthRequest], frozenset[str]]:
    """What is asked of each month, and the currencies that were seen."""
    cells = list(_cells(entries, months, problems))
    mark = _settled_mark(cells, months, problems)
    figures: list[dict[str, int | Decimal]] = [{} for _ in entries]
    for cell in cells:
        try:
            figures[cell.entry][cell.metric] = _figure(cell, mark)
        except PydanticCustomError as error:
            problems.at(cell.written, error, month=_name(months[cell.entry]), metric=cell.metric)
    if problems:
        return [], frozenset()
    currencies = {name for cell in cells for name in (cell.number.currency, cell.written.currency)}
    return (
        [MonthRequest(month, given) for month, given in zip(months, figures, strict=True) if month],
        frozenset(name for name in currencies if name is not None),
    )


def _cells(
    entries: Sequence[WrittenMonth], months: Sequence[Month | None], problems: Problems
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
                problems.at(written, error, month=_name(months[index]), metric=metric)
            else:
                cells.append(_Cell(entry=index, metric=metric, written=written, number=number))
    return cells


def _settled_mark(cells: Sequence[_Cell], months: Sequence[Month | None], problems: Problems) -> str | None:
    """The decimal mark of the file; where cells prove two, those of the second kind are problems."""
    proofs = [cell for cell in cells if cell.number.decimal_mark is not None]
    for cell in proofs:
        if cell.number.decimal_mark != proofs[0].number.decimal_mark:
            first = proofs[0].written
            message = (
                f"{quoted(cell.written.text)} has another decimal mark than {quoted(first.text)} in "
                f"{first.place}; write all numbers of a file in one way"
            )
            error = wrong("mixed_decimal_marks", message)
            problems.at(cell.written, error, month=_name(months[cell.entry]), metric=cell.metric)
    return decimal_mark_of(cell.number for cell in cells)


def _figure(cell: _Cell, mark: str | None) -> int | Decimal:
    text, number = cell.written.text, cell.number
    amount = number.settled(mark)
    if amount is None:
        grouped = f"{number.grouped:f}"
        raise wrong(
            "ambiguous_number",
            f"{quoted(text)} may be {grouped} or {number.amount.normalize():f}, and no other number of the "
            f"file says which; write {grouped} if {quoted(number.open_mark or '')} groups thousands",
            grouped,
        )
    if amount < 0:
        raise wrong(
            "negative",
            f"{quoted(text)} is negative, and figures are only added; write 0 or more",
        )
    if cell.metric in VALUE_METRICS:
        return _amount(text, amount)
    if number.currency is not None or cell.written.currency is not None:
        raise wrong("currency_in_count", f"{quoted(text)} is an amount of money; {cell.metric} is a count")
    return _count(text, amount, MOST_COUNT)


def _amount(text: str, amount: Decimal) -> Decimal:
    if amount > MOST_VALUE:
        raise wrong("out_of_range", f"{quoted(text)} is out of range; {MOST_VALUE:,} is the most")
    if not has_decimals(amount, MOST_MINOR_DIGITS):
        raise wrong(
            "too_many_decimals",
            f"{quoted(text)} has more than the {MOST_MINOR_DIGITS} decimals that amounts of any currency are "
            "kept with; round it",
        )
    return amount.copy_abs()


def _count(text: str, amount: Decimal, most: int) -> int:
    if not 0 <= amount <= most:
        raise wrong(
            "out_of_range", f"{quoted(text)} is out of range; write a whole number from 0 to {most:,}"
        )
    if not has_decimals(amount, 0):
        raise wrong("not_a_whole_number", f"{quoted(text)} is not a whole number; round it")
    return int(amount)


def _plain_number(text: str) -> Decimal:
    """A tolerance: a number of a program, not of a spreadsheet."""
    number = read_literal(text.strip()).amount
    if number < 0:
        raise wrong("negative", f"{quoted(text)} is negative; write 0 or more")
    return number


def _tolerance_count(text: str, *, is_literal: bool) -> int:
    if not is_literal:
        refuse_grouped(text.strip())
    return _count(text, _plain_number(text), MOST_COUNT)


def _tolerance_value(text: str) -> Decimal:
    share = _plain_number(text)
    if share > 1 or not has_decimals(share, SHARE_DECIMALS):
        message = f"{quoted(text)} is out of range; write a share from 0 to 1, like 0.01 for one percent"
        raise wrong("out_of_range", message)
    return share


def _name(month: Month | None) -> str | None:
    return None if month is None else str(month)
