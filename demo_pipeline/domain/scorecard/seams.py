"""Seams: whether a classifier can separate adjacent months, or rows of patches and of the blueprint.

It sees sizes, text lengths, hours, weekdays, sources, statuses, gaps and missing fields; never dates, counts,
ids or age. Rows of one table are compared with rows of the same table, in equal samples. Months with too few
rows are joined with those after them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from demo_pipeline.domain.scorecard.columns import (
    BLUEPRINT,
    HOUR_US,
    MISSING,
    PATCH,
    TenantColumns,
    Texts,
    local_clock,
    local_day,
    month_of,
    month_text,
)
from demo_pipeline.domain.scorecard.measure import Expected, Figure, Function, Measure, Range, Unit
from demo_pipeline.domain.scorecard.statistics import Floats, Ints, categories, separability, shuffled

#: rows that each of two samples must have
LEAST_ROWS: Final = 1_000
#: Rows that a period has; where its holidays fall on one weekday, equal weekdays cost up to four in ten.
_PERIOD_ROWS: Final = 1_700
#: rows that each of two samples has at most
_MOST_ROWS: Final = 3_000
_HIGHEST: Final = 0.55

#: name → one value a row; the first is the weekday
Features: TypeAlias = Mapping[str, NDArray[Any]]


def _length(column: Texts) -> Ints:
    return np.array([len(one) if one else 0 for one in column], np.int64)


def _is_missing(column: Texts) -> Ints:
    return np.array([not one for one in column], np.int64)


def _contacts(tenant: TenantColumns) -> Features:
    contacts = tenant.contacts
    weekday, hour = local_clock(contacts.created_us, tenant.facts.timezone)
    return {
        "weekday": weekday,
        "hour": hour,
        "length of the first name": _length(contacts.first_name),
        "length of the last name": _length(contacts.last_name),
        "missing e-mail": _is_missing(contacts.email),
        "missing phone": _is_missing(contacts.phone),
        "missing company": (contacts.company == MISSING).astype(np.int64),
        "source": contacts.source.astype(str),
        "status": contacts.status.astype(str),
    }


def _deals(tenant: TenantColumns) -> Features:
    deals = tenant.deals
    weekday, hour = local_clock(deals.created_us, tenant.facts.timezone)
    return {
        "weekday": weekday,
        "hour": hour,
        "value": _relative_value(tenant),
        "length of the title": _length(deals.title),
        "missing company": (deals.company == MISSING).astype(np.int64),
        "missing expected date": (deals.expected_day == MISSING).astype(np.int64),
    }


def _relative_value(tenant: TenantColumns) -> Floats:
    """Values against the mean of their month and outcome.

    How much a month's deals are worth, and how many are won, is declared; a deal is open because it is young.
    """
    deals = tenant.deals
    _, group = np.unique(deals.month * 3 + deals.outcome, return_inverse=True)
    value = np.maximum(deals.value, 0).astype(np.float64)
    mean = np.bincount(group, value) / np.bincount(group)
    return np.where(deals.value > 0, value / np.maximum(mean, 1.0)[group], -1.0)


def _activities(tenant: TenantColumns) -> Features:
    activities = tenant.activities
    weekday, hour = local_clock(activities.created_us, tenant.facts.timezone)
    planned = activities.scheduled_us != MISSING
    return {
        "weekday": weekday,
        "hour": hour,
        "type": activities.type,
        "length of the subject": activities.subject_length,
        "length of the description": activities.description_length,
        "duration": activities.minutes,
        # hours from the row to its appointment
        "gap": np.where(
            planned, (activities.scheduled_us - activities.created_us) // HOUR_US, MISSING - 1000
        ),
    }


_FEATURES: Final[dict[str, Callable[[TenantColumns], Features]]] = {
    "contacts": _contacts,
    "deals": _deals,
    "activities": _activities,
}


def _sample(rows: Ints, weekday: Ints, wanted: dict[int, int], key: int) -> Ints:
    """So many rows of each weekday, by lot."""
    mixed = rows[shuffled(len(rows), key)]
    parts = [mixed[weekday[mixed] == day][:count] for day, count in wanted.items()]
    return np.concatenate(parts)


def _equal_samples(first: Ints, second: Ints, weekday: Ints, days: Ints) -> tuple[Ints, Ints]:
    """Samples of equal size in which each weekday counts as so many ordinary days, whatever the months have.

    A month with five Mondays, or with a holiday on one, has another share of rows of a Monday: that is the
    calendar's doing and no seam. An ordinary day is the median one; days cut by the end of a month do not
    matter then.
    """
    one, other = (
        _sample(rows, weekday, _ordinary_days(rows, weekday, days), key)
        for key, rows in enumerate((first, second))
    )
    size = min(len(one), len(other), _MOST_ROWS)
    return one[shuffled(len(one), 2)[:size]], other[shuffled(len(other), 3)[:size]]


def _ordinary_days(rows: Ints, weekday: Ints, days: Ints) -> dict[int, int]:
    """Weekday → rows of as many ordinary days as each weekday has."""
    per_day = {day: np.unique(days[rows[weekday[rows] == day]], return_counts=True)[1] for day in range(7)}
    ordinary = {day: float(np.median(counts)) for day, counts in per_day.items() if len(counts)}
    busiest = max(ordinary.values(), default=0.0)
    # Weekends on which hardly anything happens do not decide.
    number = min(
        (int((per_day[day] >= rate / 2).sum()) for day, rate in ordinary.items() if rate > busiest / 10),
        default=0,
    )
    return {day: int(rate * number) for day, rate in ordinary.items()}


def _compare(features: Features, first: Ints, second: Ints, days: Ints) -> tuple[float, int, str]:
    """The AUC of two groups of rows, the size of each sample, and what shows the seam most, if any."""
    one, other = _equal_samples(first, second, features["weekday"].astype(np.int64), days)
    both = np.concatenate([one, other])
    columns = {name: categories(values[both]) for name, values in features.items()}
    size = len(one)
    found = _separability(columns.values(), size)
    if found <= _HIGHEST:
        return found, size, ""
    _, most = max((_separability([column], size), name) for name, column in columns.items())
    return found, size, most


def _separability(columns: Iterable[Ints], size: int) -> float:
    """The AUC of the first ``size`` rows and the rest."""
    matrix = np.stack([*columns], axis=1)
    return separability(matrix[:size], matrix[size:])


def _periods(month: Ints, least: int) -> list[tuple[int, Ints]]:
    """Adjacent months, joined until each period has ``least`` rows: first month and rows."""
    periods, rows, first = list[tuple[int, Ints]](), np.array([], np.int64), None
    for one in np.unique(month):
        first = int(one) if first is None else first
        rows = np.concatenate([rows, np.flatnonzero(month == one)])
        if len(rows) >= least:
            periods.append((first, rows))
            rows, first = np.array([], np.int64), None
    return periods


def between_months(table: str) -> Function:
    """The measure of seams between adjacent months of a table."""

    def measure(tenant: TenantColumns) -> Figure | None:
        rows = getattr(tenant, table)
        month = month_of(rows.created_us)
        periods = _periods(month, _PERIOD_ROWS)
        if len(periods) < 2:
            return Figure(0.5, min(len(rows) // 2, LEAST_ROWS - 1))
        features, days = _FEATURES[table](tenant), local_day(rows.created_us, tenant.facts.timezone)
        found = [
            (*_compare(features, left, right, days), month_text(first))
            for (_, left), (first, right) in pairwise(periods)
        ]
        worst, _, most, month_name = max(found)
        detail = f"before {month_name}, most by {most}" if most else ""
        return Figure(worst, min(size for _, size, *_ in found), detail)

    return measure


def of_patches(table: str) -> Function:
    """The measure of seams between rows of patches and rows of the blueprint in the same months."""

    def measure(tenant: TenantColumns) -> Figure | None:
        rows = getattr(tenant, table)
        month, patched = month_of(rows.created_us), rows.origin == PATCH
        beside = (rows.origin == BLUEPRINT) & np.isin(month, np.unique(month[patched]))
        size = int(min(patched.sum(), beside.sum()))
        if size < LEAST_ROWS:
            return Figure(0.5, size)
        days = local_day(rows.created_us, tenant.facts.timezone)
        groups = np.flatnonzero(beside), np.flatnonzero(patched)
        found, size, most = _compare(_FEATURES[table](tenant), *groups, days)
        return Figure(found, size, f"most by {most}" if most else "")

    return measure


_SOURCE: Final = "0.5 is no difference; 0.55 leaves room for samples of 1,000"
MEASURES: Final = (
    *(
        Measure(
            name=f"seam_between_months_{table}",
            title=f"classifier between adjacent months of {table} (AUC)",
            population="rows of each sample",
            least=LEAST_ROWS,
            expected=Expected(Range(high=_HIGHEST)),
            unit=Unit.NUMBER,
            source=_SOURCE,
            function=between_months(table),
        )
        for table in _FEATURES
    ),
    *(
        Measure(
            name=f"seam_of_patches_{table}",
            title=f"classifier between {table} of patches and of the blueprint (AUC)",
            population="rows of each sample",
            least=LEAST_ROWS,
            expected=Expected(Range(high=_HIGHEST)),
            unit=Unit.NUMBER,
            source=_SOURCE,
            function=of_patches(table),
        )
        for table in _FEATURES
    ),
)
