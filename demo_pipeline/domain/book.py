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

_EMPTY_IDS: Final = np.empty((0, 16), np.uint8)
_EMPTY: Final = np.empty(0, np.int64)
_NO_TEXT: Final = strings(())


@dataclass(kw_only=True)
class Companies:
    """Companies by creation. All columns have the same length."""

    ids: Uuids = field(default_factory=lambda: _EMPTY_IDS)
    created_us: I64 = field(default_factory=lambda: _EMPTY)
    #: index of the user who looks after it
    owner: I64 = field(default_factory=lambda: _EMPTY)
    name: pa.StringArray = field(default_factory=lambda: _NO_TEXT)
    domain: pa.StringArray = field(default_factory=lambda: _NO_TEXT)
    #: place in the locale's list of cities
    city: I64 = field(default_factory=lambda: _EMPTY)
    #: place in the locale's list of sizes, the smallest first
    size: I64 = field(default_factory=lambda: _EMPTY)
    #: place in the locale's list of descriptors
    descriptor: I64 = field(default_factory=lambda: _EMPTY)


@dataclass(kw_only=True)
class Contacts:
    """Contacts by creation. ``company`` is an index into the companies, -1 for none."""

    ids: Uuids = field(default_factory=lambda: _EMPTY_IDS)
    created_us: I64 = field(default_factory=lambda: _EMPTY)
    owner: I64 = field(default_factory=lambda: _EMPTY)
    company: I64 = field(default_factory=lambda: _EMPTY)
    #: index into STATUSES
    status: I64 = field(default_factory=lambda: _EMPTY)
    is_female: I64 = field(default_factory=lambda: _EMPTY)
    first: pa.StringArray = field(default_factory=lambda: _NO_TEXT)
    last: pa.StringArray = field(default_factory=lambda: _NO_TEXT)
    email: pa.StringArray = field(default_factory=lambda: _NO_TEXT)


@dataclass(kw_only=True)
class Deals:
    """Deals by creation. ``ended_us`` is when a lost deal was lost, else beyond all time."""

    ids: Uuids = field(default_factory=lambda: _EMPTY_IDS)
    created_us: I64 = field(default_factory=lambda: _EMPTY)
    contact: I64 = field(default_factory=lambda: _EMPTY)
    ended_us: I64 = field(default_factory=lambda: _EMPTY)
    title: pa.StringArray = field(default_factory=lambda: _NO_TEXT)


@dataclass
class Book:
    """All that exists by the end of the last month that was added."""

    companies: Companies = field(default_factory=Companies)
    contacts: Contacts = field(default_factory=Contacts)
    deals: Deals = field(default_factory=Deals)


T = TypeVar("T", Companies, Contacts, Deals)


def extended(old: T, new: T) -> T:
    """``old`` followed by ``new``, which must not be older."""
    if len(old.created_us) == 0:
        return new
    columns = {
        column.name: _joined(getattr(old, column.name), getattr(new, column.name)) for column in fields(old)
    }
    return type(old)(**columns)


def _joined(old: NDArray[Any] | pa.StringArray, new: Any) -> Any:
    return chain(old, new) if isinstance(old, pa.StringArray) else np.concatenate([old, new])


def recent(draws: U64, available: I64) -> I64:
    """Picks among the first ``available[i]`` of a list by age, newer ones more often; -1 where none.

    The place from the end is quadratic in a uniform draw: half of the picks fall into the newest
    quarter.
    """
    high = draws >> np.uint64(32)
    skewed = high * high
    return np.where(available > 0, available - 1 - scale(skewed, np.maximum(available, 1)), -1)
