"""Calendar months in UTC, the unit in which everything is planned, loaded and verified."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

#: the most months of one span, plan or extension
MOST_MONTHS: Final = 24

#: January to December
MONTH_NAMES: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

_PATTERN = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, order=True)
class Month:
    """A month, ordered in time. ``ordinal`` counts months since year 0."""

    ordinal: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """``2025-01``; anything else is a ``ValueError``."""
        match = _PATTERN.fullmatch(text)
        if not match:
            raise ValueError(f"{text!r} is not a month; write it as YYYY-MM, like 2025-01")
        return cls.of(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, year: int, month: int) -> Month:
        return cls(year * 12 + month - 1)

    @classmethod
    def containing(cls, instant: datetime) -> Month:
        """The UTC month of an aware instant."""
        utc = instant.astimezone(UTC)
        return cls.of(utc.year, utc.month)

    @property
    def year(self) -> int:
        return self.ordinal // 12

    @property
    def number(self) -> int:
        """1 for January to 12 for December."""
        return self.ordinal % 12 + 1

    @property
    def start(self) -> datetime:
        """First instant of the month, UTC."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """First instant that is no longer in the month, UTC."""
        return (self + 1).start

    @property
    def long_name(self) -> str:
        """``January 2025``."""
        return f"{MONTH_NAMES[self.number - 1]} {self.year}"

    @property
    def short_name(self) -> str:
        """``Jan``."""
        return MONTH_NAMES[self.number - 1][:3]

    def __add__(self, months: int) -> Month:
        return Month(self.ordinal + months)

    def __sub__(self, other: Month) -> int:
        return self.ordinal - other.ordinal

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    def until(self, last: Month) -> Iterator[Month]:
        """This month up to and including ``last``."""
        return (Month(ordinal) for ordinal in range(self.ordinal, last.ordinal + 1))


#: the first month that a tenant can have
FIRST_MONTH: Final = Month.of(2020, 1)
#: the last month that a tenant can have, or a plan can name
LAST_MONTH: Final = Month.of(2099, 12)
