"""Checks generated rows before they are loaded: every contact value must be reserved.

A last line of defence: generated values come from ranges and domains that are reserved, so a value that is
found here is a fault of a list or of the code. Rows of people are not checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa

from demo_pipeline.domain.certificate.reserved import (
    MAILS,
    PHONES,
    SITES,
    mail_rule,
    phone_rule,
    site_rule,
)
from demo_pipeline.domain.core.arrow import column, distinct, without_matches
from demo_pipeline.domain.core.errors import JobFailedError

_LOCAL_PART: Final = r"^[^@\s,;<>]+@"


class ContactGuard:
    """Checks the rows of one tenant; ``own_domain`` is the operator's, None if there is none."""

    def __init__(self, own_domain: str | None) -> None:
        self._own_domain = own_domain
        #: numbers are few and come again
        self._reserved_phones = set[str]()

    def checked(self, batches: Iterable[tuple[str, pa.RecordBatch]]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The same batches. Raises ``JobFailedError`` at the first value that no rule covers."""
        for table, rows in batches:
            for name, found in self._uncovered(table, rows):
                raise JobFailedError(
                    f"{table}.{name}: {found!r} is not in a reserved range or domain, and the job was rolled "
                    "back; generated values must be reserved, so this is an error in the program's lists: "
                    "please report it"
                )
            yield table, rows
            # Else it would be held while the next batch is made.
            del rows

    def _uncovered(self, table: str, rows: pa.RecordBatch) -> Iterator[tuple[str, str]]:
        """Columns and values that no rule covers."""
        for name in _columns(PHONES, table):
            for value in distinct(column(rows, name)):
                if value not in self._reserved_phones:
                    if phone_rule(value) is None:
                        yield name, value
                    self._reserved_phones.add(value)
        for name in _columns(MAILS, table):
            # Of many addresses few domains: a second @ or a separator stays behind, and no rule covers it.
            for domain in distinct(without_matches(column(rows, name), _LOCAL_PART)):
                if mail_rule(f"x@{domain}", self._own_domain) is None:
                    yield name, domain
        for name in _columns(SITES, table):
            for value in distinct(column(rows, name)):
                if site_rule(value, self._own_domain) is None:
                    yield name, value


def _columns(places: Iterable[tuple[str, str]], table: str) -> list[str]:
    return [name for of, name in places if of == table]
