"""What exists by a given moment: the companies, contacts and deals that new rows may refer to.

Kept in order of creation, so that *who exists by then* is one binary search. Compact: generation of a
later month makes only this of the earlier ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demo_pipeline.domain.arrow import chain, strings
from demo_pipeline.domain.ids import Uuids
from demo_pipeline.domain.streams import I64, U64, scale

STATUSES: Final = ("lead", "prospect", "customer", "churned", "other")
LEAD, PROSPECT, CUSTOMER, CHURNED, OTHER = range(5)

#: Kept at most; no tenant within the default caps has as many.
MOST_CONTACTS: Final = 131_072
MOST_DEALS: Final = 65_536

_EMPTY_IDS: Final = np.empty((0, 16), np.uint8)
_EMPTY: Final = np.empty(0, np.int64)
_NO_TEXT: Final = strings(())
#: How a column is kept: as small as its values allow.
_KEPT: Final = {
    "owner": np.int16, "company": np.int32, "status": np.int8, "is_female": np.int8, "first": np.uint16,
    "last": np.uint16, "city": np.int16, "size": np.int8, "contact": np.int32,
}  # fmt: skip

#: integers in a type as small as their values allow
Small = NDArray[Any]


@dataclass(kw_only=True)
class Companies:
    """Companies by creation. All columns have the same length."""

    ids: Uuids = field(default_factory=lambda: _EMPTY_IDS)
    created_us: I64 = field(default_factory=lambda: _EMPTY)
    #: index of the user who looks after it
    owner: Small = field(default_factory=lambda: _EMPTY)
    name: pa.StringArray = field(default_factory=lambda: _NO_TEXT)
    #: place in the locale's list of cities
    city: Small = field(default_factory=lambda: _EMPTY)
    #: place in the locale's list of sizes, the smallest first
    size: Small = field(default_factory=lambda: _EMPTY)


@dataclass(kw_only=True)
class Contacts:
    """Contacts by creation. ``company`` is an index into the companies, -1 for none."""

    ids: Uuids = field(default_factory=lambda: _EMPTY_IDS)
    created_us: I64 = field(default_factory=lambda: _EMPTY)
    owner: Small = field(default_factory=lambda: _EMPTY)
    company: Small = field(default_factory=lambda: _EMPTY)
    #: index into STATUSES
    status: Small = field(default_factory=lambda: _EMPTY)
    is_female: Small = field(default_factory=lambda: _EMPTY)
    #: places in the locale's given names (women's first) and surnames
    first: Small = field(default_factory=lambda: _EMPTY)
    last: Small = field(default_factory=lambda: _EMPTY)


@dataclass(kw_only=True)
class Deals:
    """Deals by creation. ``ended_us`` is when a lost deal was lost, else beyond all time."""

    ids: Uuids = field(default_factory=lambda: _EMPTY_IDS)
    created_us: I64 = field(default_factory=lambda: _EMPTY)
    contact: Small = field(default_factory=lambda: _EMPTY)
    ended_us: I64 = field(default_factory=lambda: _EMPTY)
    title: pa.StringArray = field(default_factory=lambda: _NO_TEXT)


@dataclass
class Book:
    """All that exists by the end of the last month that was added."""

    companies: Companies = field(default_factory=Companies)
    contacts: Contacts = field(default_factory=Contacts)
    deals: Deals = field(default_factory=Deals)
    #: keys of all addresses that contacts have had
    addresses: I64 = field(default_factory=lambda: _EMPTY)

    def forget(self) -> None:
        """Keep what is recent, so that memory does not grow with a tenant."""
        surplus = max(len(self.contacts.created_us) - MOST_CONTACTS, 0)
        self.contacts = latest(self.contacts, MOST_CONTACTS)
        self.deals = latest(self.deals, MOST_DEALS)
        if surplus:
            # Below 0: the contact is forgotten.
            self.deals.contact = np.maximum(self.deals.contact - surplus, -1).astype(np.int32)


T = TypeVar("T", Companies, Contacts, Deals)


def extended(old: T, new: T) -> T:
    """``old`` followed by ``new``, which must not be older."""
    columns = {
        column.name: _joined(column.name, getattr(old, column.name), getattr(new, column.name))
        for column in fields(old)
    }
    return type(old)(**columns)


def _joined(name: str, old: NDArray[Any] | pa.StringArray, new: Any) -> Any:
    if isinstance(old, pa.StringArray):
        return chain(old, new) if len(old) else new
    kept = new.astype(_KEPT.get(name, new.dtype))
    return np.concatenate([old, kept]) if len(old) else kept


def latest(old: T, count: int) -> T:
    """The last ``count`` rows."""
    start = max(len(old.created_us) - count, 0)
    if start == 0:
        return old
    columns: dict[str, Any] = {}
    for column in fields(old):
        values = getattr(old, column.name)
        is_text = isinstance(values, pa.StringArray)
        # Copied: a slice would keep all of its memory.
        columns[column.name] = chain(values[start:], _NO_TEXT) if is_text else values[start:].copy()
    return type(old)(**columns)


def recent(draws: U64, available: I64) -> I64:
    """Picks among the first ``available[i]`` of a list by age, newer ones more often; -1 where none.

    The place from the end is quadratic in a uniform draw: half of the picks fall into the newest
    quarter.
    """
    high = draws >> np.uint64(32)
    skewed = high * high
    return np.where(available > 0, available - 1 - scale(skewed, np.maximum(available, 1)), -1)
