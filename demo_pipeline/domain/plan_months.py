"""Months as people and spreadsheets write them: ``2025-01``, ``01/2025``, ``Jan 2025``, ``2025-01-01``.

A spreadsheet takes ``2025-01`` for a date and shows its first day, in the order of its country. What can be
read in one way only is read; ``Jan-25`` (a day or a year) and ``01/02/2025`` (January or February) are
asked back, never guessed. Whether a month may be patched is not judged here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final

from demo_pipeline.domain.months import FIRST_MONTH, Month
from demo_pipeline.domain.plan import LAST_MONTH
from demo_pipeline.domain.plan_numbers import shown
from demo_pipeline.domain.scalars import wrong

_MOST_CHARACTERS: Final = 40
_NAMES: Final = (
    ("january", "jan", "januar"),
    ("february", "feb", "februar"),
    ("march", "mar", "märz", "mär", "mrz"),
    ("april", "apr"),
    ("may", "mai"),
    ("june", "jun", "juni"),
    ("july", "jul", "juli"),
    ("august", "aug"),
    ("september", "sep", "sept"),
    ("october", "oct", "oktober", "okt"),
    ("november", "nov"),
    ("december", "dec", "dezember", "dez"),
)
_NUMBER_OF: Final = MappingProxyType({name: n for n, names in enumerate(_NAMES, start=1) for name in names})

_YEAR_FIRST: Final = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})")
_MONTH_FIRST: Final = re.compile(r"([0-9]{1,2})[-/.]([0-9]{4})")
_ISO_DAY: Final = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|\+00:00)?)?"
)
_DAY: Final = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})")
_NAMED: Final = re.compile(r"([^\W\d_]+)\.?[-/ ,]*([0-9]{4})")
_YEAR_NAMED: Final = re.compile(r"([0-9]{4})[-/ ,]*([^\W\d_]+)\.?")
_SHORT_YEAR: Final = re.compile(r"([^\W\d_]+)\.?[-/ ']*([0-9]{2})|([0-9]{1,2})[-/ .]*([^\W\d_]+)\.?")
_SERIAL: Final = re.compile(r"[0-9]{5}")
_SERIAL_ORIGIN: Final = date(1899, 12, 30)
#: What stands in the first cell of a row that is no month.
_SUMMARIES: Final = frozenset(
    {
        *("total", "totals", "grandtotal", "subtotal", "sum", "summe", "gesamt", "gesamtsumme", "average"),
        *("mean", "durchschnitt", "mittelwert", "ytd", "all", "count"),
    }
)


def read_month(text: str) -> Month:
    """A month. Raises pydantic errors with our codes and, where one is likely, a suggestion."""
    plain = " ".join(text.split())
    if len(plain) <= _MOST_CHARACTERS:
        if is_summary(plain):
            raise wrong(
                "summary_row", f"{shown(text)} is no month; delete this row, only months belong in a plan"
            )
        readings = list(_readings(plain))
        if len(set(readings)) == 1:
            return _in_bounds(text, readings[0])
        if readings:
            either = " or ".join(map(str, readings))
            raise wrong(
                "ambiguous_month", f"{shown(text)} may be {either}; write YYYY-MM, like {readings[0]}", either
            )
        _refuse_near_miss(text, plain)
    raise wrong("bad_month", f"{shown(text)} is not a month; write YYYY-MM, like 2025-01")


def is_summary(text: str) -> bool:
    """Whether a row that begins so adds up others."""
    return re.sub(r"[\s:_-]", "", text).lower() in _SUMMARIES


def _readings(plain: str) -> Iterable[Month]:
    """Every month that the text may be."""
    if found := _YEAR_FIRST.fullmatch(plain):
        yield from _month(found[1], int(found[2]))
    elif found := _MONTH_FIRST.fullmatch(plain):
        yield from _month(found[2], int(found[1]))
    elif found := _ISO_DAY.fullmatch(plain):
        if int(found[3]) == 1:
            yield from _month(found[1], int(found[2]))
    elif found := _DAY.fullmatch(plain):
        # Which of the two is the day differs from country to country, even where one of them is 1.
        pairs = [(int(found[1]), int(found[3])), (int(found[3]), int(found[1]))]
        if any(day == 1 and number <= 12 for day, number in pairs):
            for _, number in pairs:
                yield from _month(found[4], number)
    elif found := _NAMED.fullmatch(plain):
        yield from _month(found[2], _NUMBER_OF.get(found[1].lower(), 0))
    elif found := _YEAR_NAMED.fullmatch(plain):
        yield from _month(found[1], _NUMBER_OF.get(found[2].lower(), 0))


def _month(year: str, number: int) -> Iterable[Month]:
    if 1 <= number <= 12:
        yield Month.of(int(year), number)


def _refuse_near_miss(text: str, plain: str) -> None:
    """What a spreadsheet makes of a month and what cannot be read in one way, with what may be meant."""
    if found := _ISO_DAY.fullmatch(plain):
        for month in _month(found[1], int(found[2])):
            raise wrong("day_not_month", f"{shown(text)} is a day; write the month, {month}", str(month))
    if found := _SHORT_YEAR.fullmatch(plain):
        name, figure = (found[1], found[2]) if found[1] else (found[4], found[3])
        if number := _NUMBER_OF.get(name.lower()):
            month = Month.of(2000 + int(figure), number)
            raise wrong(
                "ambiguous_month",
                f"{shown(text)} has a day or a year of two digits; write YYYY-MM, like {month}",
                str(month),
            )
    if _SERIAL.fullmatch(plain):
        day = _SERIAL_ORIGIN + timedelta(days=int(plain))
        month = Month.of(day.year, day.month)
        if FIRST_MONTH <= month <= LAST_MONTH:
            raise wrong(
                "spreadsheet_day",
                f"{shown(text)} is a spreadsheet's number for {day}; format the column as text, "
                f"and write {month}",
                str(month),
            )


def _in_bounds(text: str, month: Month) -> Month:
    if FIRST_MONTH <= month <= LAST_MONTH:
        return month
    raise wrong(
        "month_out_of_range", f"{shown(text)} is out of range; months from {FIRST_MONTH} on can be patched"
    )
