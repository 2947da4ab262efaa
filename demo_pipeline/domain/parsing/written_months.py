"""Months as people and spreadsheets write them: ``2025-01``, ``01/2025``, ``Jan 2025``, ``2025-01-01``.

A spreadsheet takes ``2025-01`` for a date and shows its first day, in the order of its country. What can be
read in one way only is read. What may be two months is refused with the question which one is meant:
``01/02/2025`` (January or February), ``2025.1`` (January, or October whose zero a spreadsheet dropped) and
``Jan-25`` (a year or a day). German dates begin with the day, so ``Okt 25`` can only be a year, and so can
``Jan 25`` beside it (``has_german_names``). Whether a month may be patched is not judged here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from demo_pipeline.domain.core.months import FIRST_MONTH, LAST_MONTH, Month
from demo_pipeline.domain.parsing.scalars import quoted, wrong

_MOST_CHARACTERS: Final = 40
#: English names, then German ones that are not English too
_NAMES: Final = (
    (("january", "jan"), ("januar", "jänner", "jän")),
    (("february", "feb"), ("februar", "feber")),
    (("march", "mar"), ("märz", "mär", "mrz")),
    (("april", "apr"), ()),
    (("may",), ("mai",)),
    (("june", "jun"), ("juni",)),
    (("july", "jul"), ("juli",)),
    (("august", "aug"), ()),
    (("september", "sep", "sept"), ()),
    (("october", "oct"), ("oktober", "okt")),
    (("november", "nov"), ()),
    (("december", "dec"), ("dezember", "dez")),
)
_NUMBER_OF: Final = MappingProxyType(
    {name: n for n, (english, german) in enumerate(_NAMES, start=1) for name in (*english, *german)}
)
_GERMAN_NAMES: Final = frozenset(name for _, german in _NAMES for name in german)

_YEAR_FIRST: Final = re.compile(r"([0-9]{4})([-/.,])([0-9]{1,2})")
_MONTH_FIRST: Final = re.compile(r"([0-9]{1,2})[-/.]([0-9]{4})")
_MIDNIGHT: Final = r"(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|\+00:00)?)?"
_ISO_DAY: Final = re.compile(rf"([0-9]{{4}})-([0-9]{{1,2}})-([0-9]{{1,2}}){_MIDNIGHT}")
_DAY: Final = re.compile(rf"([0-9]{{1,2}})([-/.])([0-9]{{1,2}})\2([0-9]{{4}}){_MIDNIGHT}")
_NAMED: Final = re.compile(r"([^\W\d_]+)\.?[-/ ,]*([0-9]{4})")
_YEAR_NAMED: Final = re.compile(r"([0-9]{4})[-/ ,]*([^\W\d_]+)\.?")
_SHORT_YEAR: Final = re.compile(r"([^\W\d_]+)\.?[-/ ]*(['’]?)([0-9]{2})")
_DAY_NAMED: Final = re.compile(r"([0-9]{1,2})[-/ .]*([^\W\d_]+)\.?")
#: Milliseconds since 1970, as pandas writes a date by default.
_EPOCH: Final = re.compile(r"1[0-9]{12}")
_SERIAL: Final = re.compile(r"[0-9]{5}")
_SERIAL_ORIGIN: Final = date(1899, 12, 30)
_EPOCH_ORIGIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: What stands in the first cell of a row that is no month.
_SUMMARIES: Final = frozenset(
    {
        *("total", "totals", "grandtotal", "subtotal", "sum", "summe", "gesamt", "gesamtsumme", "average"),
        *("mean", "durchschnitt", "mittelwert", "ytd", "all", "count"),
    }
)


def read_month(text: str, *, is_german: bool = False) -> Month:
    """A month. Raises pydantic errors with our codes and, where one is likely, a suggestion.

    ``is_german``: other months of the same file have German names (``has_german_names``).
    """
    plain = _plain(text)
    if len(plain) <= _MOST_CHARACTERS:
        if is_summary(plain):
            raise wrong(
                "summary_row", f"{quoted(text)} is not a month; delete this row, only months belong in a plan"
            )
        readings = list(_readings(plain, is_german=is_german))
        if len(set(readings)) == 1:
            return _in_bounds(text, readings[0])
        if readings:
            either = " or ".join(map(str, readings))
            raise wrong(
                "ambiguous_month", f"{quoted(text)} may be {either}; write the one that is meant", either
            )
        _refuse_near_miss(text, plain)
    raise wrong("bad_month", f"{quoted(text)} is not a month; write YYYY-MM, like 2025-01")


def has_german_names(texts: Iterable[str]) -> bool:
    """Whether a month among them has a name that is German and not English, like ``Okt 25``."""
    plain = (_plain(text[: 2 * _MOST_CHARACTERS]).lower() for text in texts)
    return any(not _GERMAN_NAMES.isdisjoint(re.findall(r"[^\W\d_]+", one)) for one in plain)


def is_summary(text: str) -> bool:
    """Whether a row that begins so adds up others: ``Total``, ``Summe 2025``, ``Total Q1``."""
    words = re.sub(r"(?<!\w)(?:[12][0-9]{3}|[qQ][1-4])(?!\w)", "", text)
    return re.sub(r"[\s:()/_-]", "", words).lower() in _SUMMARIES


def _plain(text: str) -> str:
    """With one blank for many, and letters composed: some programs write ``ä`` as ``a`` and a mark."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _readings(plain: str, *, is_german: bool) -> Iterable[Month]:
    """Every month that the text may be."""
    if found := _YEAR_FIRST.fullmatch(plain):
        yield from _month(found[1], int(found[3]))
        if found[2] in ".," and found[3] == "1":
            # A number to a spreadsheet, which drops the last zero of 2025.10.
            yield from _month(found[1], 10)
    elif found := _MONTH_FIRST.fullmatch(plain):
        yield from _month(found[2], int(found[1]))
    elif found := _ISO_DAY.fullmatch(plain):
        if int(found[3]) == 1:
            yield from _month(found[1], int(found[2]))
    elif found := _DAY.fullmatch(plain):
        # Which of the two is the day differs from country to country, even where one of them is 1.
        pairs = list(_day_and_month(found))
        if any(day == 1 and number <= 12 for day, number in pairs):
            for _, number in pairs:
                yield from _month(found[4], number)
    elif found := _NAMED.fullmatch(plain):
        yield from _month(found[2], _NUMBER_OF.get(found[1].lower(), 0))
    elif found := _YEAR_NAMED.fullmatch(plain):
        yield from _month(found[1], _NUMBER_OF.get(found[2].lower(), 0))
    elif (found := _SHORT_YEAR.fullmatch(plain)) and (
        # No day is above 31, none is 00, and none comes after a German name or an apostrophe.
        is_german or found[2] or found[1].lower() in _GERMAN_NAMES or not 1 <= int(found[3]) <= 31
    ):
        yield from _month(f"20{found[3]}", _NUMBER_OF.get(found[1].lower(), 0))


def _day_and_month(found: re.Match[str]) -> Iterable[tuple[int, int]]:
    """What a match of ``_DAY`` may be; where dots separate, the day comes first in every country."""
    first, second = int(found[1]), int(found[3])
    yield first, second
    if found[2] != ".":
        yield second, first


def _month(year: str, number: int) -> Iterable[Month]:
    if 1 <= number <= 12:
        yield Month.of(int(year), number)


def _refuse_near_miss(text: str, plain: str) -> None:
    """What a spreadsheet makes of a month and what cannot be read in one way, with what may be meant."""
    days: list[Month] = []
    if found := _ISO_DAY.fullmatch(plain):
        days = [month for month in _month(found[1], int(found[2])) if 1 <= int(found[3]) <= 31]
    elif found := _DAY.fullmatch(plain):
        days = [
            month
            for day, number in _day_and_month(found)
            if 1 <= day <= 31
            for month in _month(found[4], number)
        ]
    if len(set(days)) == 1:
        raise wrong("day_not_month", f"{quoted(text)} is a day; write the month, {days[0]}", str(days[0]))
    if days:
        either = " or ".join(map(str, days))
        raise wrong(
            "ambiguous_month", f"{quoted(text)} is a day in {either}; write the month that is meant", either
        )
    name, figure = "", ""
    if found := _SHORT_YEAR.fullmatch(plain):
        name, figure = found[1], found[3]
    elif found := _DAY_NAMED.fullmatch(plain):
        name, figure = found[2], found[1]
    if number := _NUMBER_OF.get(name.lower()):
        month = Month.of(2000 + int(figure), number)
        raise wrong(
            "ambiguous_month",
            f"{quoted(text)} has a day or a year of two digits; write YYYY-MM, like {month}",
            str(month),
        )
    if _EPOCH.fullmatch(plain):
        month = Month.containing(_EPOCH_ORIGIN + timedelta(milliseconds=int(plain)))
        if FIRST_MONTH <= month <= LAST_MONTH:
            raise wrong(
                "number_for_day",
                f"{quoted(text)} is a program's number for a day in {month}; write {month} "
                "(pandas: to_json with date_format='iso')",
                str(month),
            )
    if _SERIAL.fullmatch(plain):
        day = _SERIAL_ORIGIN + timedelta(days=int(plain))
        month = Month.of(day.year, day.month)
        if FIRST_MONTH <= month <= LAST_MONTH:
            raise wrong(
                "spreadsheet_day",
                f"{quoted(text)} is a spreadsheet's number for {day}; format the column as text, "
                f"and write {month}",
                str(month),
            )


def _in_bounds(text: str, month: Month) -> Month:
    if FIRST_MONTH <= month <= LAST_MONTH:
        return month
    raise wrong(
        "month_out_of_range", f"{quoted(text)} is out of range; months from {FIRST_MONTH} on can be patched"
    )
