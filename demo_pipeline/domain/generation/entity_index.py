"""What exists by a given moment: the companies, contacts and deals that new rows may refer to.

Kept in order of creation, so that *who exists by then* is one binary search. Compact: generation of a
later month makes only this of the earlier ones. Names are codes: places in the locale's lists, or, where
no list knows a name, in a pool of texts that belongs to the index. :class:`NameLookup` makes texts of
the codes of people, ``companies`` of those of companies.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demo_pipeline.domain.core.arrow import chain, codes, initials, strings, take
from demo_pipeline.domain.core.random_streams import I64, U64, ascending, scale
from demo_pipeline.domain.core.row_ids import Uuids
from demo_pipeline.domain.generation.phones import PhoneNumbers
from demo_pipeline.domain.reference.countries import Locale
from demo_pipeline.domain.reference.names import ascii_label

#: places in CONTACT_STATUSES
LEAD, PROSPECT, CUSTOMER, CHURNED, OTHER = range(5)

#: Kept at most; no tenant within the default caps has as many.
MOST_CONTACTS: Final = 131_072
MOST_DEALS: Final = 65_536
#: The size of the largest deals.
MOST_SIZE: Final = 15

_EMPTY_IDS: Final = np.empty((0, 16), np.uint8)
_EMPTY: Final = np.empty(0, np.int64)
_NO_TEXT: Final = strings(())
#: How a column is kept: as small as its values allow.
_DTYPES: Final = {
    "owner": np.int16, "number": np.int32, "legal_form": np.int8, "city": np.int16, "size": np.int8,
    "company": np.int32, "status": np.int8, "has_email": np.int8, "has_phone": np.int8, "is_female": np.int8,
    "has_won": np.int8, "first": np.int32, "last": np.int32, "contact": np.int32, "text_count": np.int32,
    "is_lost": np.int8, "furthest": np.int8, "product": np.int16, "pieces": np.int32,
}  # fmt: skip

#: Bits of the upper and of the lower half of a number.
_HALF_BITS: Final = 32
#: A part with fewer numbers than this is joined with the next one.
_PART_ROWS: Final = 16_384
#: The letters of a name that has none of the alphabet.
_NO_LETTERS: Final = "x"

#: integers in a type as small as their values allow
Small = NDArray[Any]


@dataclass(frozen=True)
class _Part:
    """Numbers, ascending."""

    #: upper halves, each once, and how many numbers have it
    high: I64
    count: I64
    #: lower halves, one a number
    low: NDArray[np.uint32]

    def values(self) -> I64:
        values = np.repeat(self.high << _HALF_BITS, self.count)
        values |= self.low
        return values


@dataclass
class KeyCounts:
    """How often each of many 64-bit numbers was added, in little more than four bytes a number.

    Numbers that come together are kept together, ascending, so that most share their upper half with the one
    before.
    """

    _parts: list[_Part] = field(default_factory=list[_Part])

    def add(self, numbers: I64) -> None:
        """More numbers, in any order."""
        if self._parts and len(self._parts[-1].low) < _PART_ROWS:
            # A few large parts, so that a search does not go through one for each month.
            numbers = np.concatenate([self._parts.pop().values(), numbers])
        values = np.sort(numbers)
        high, count = np.unique(values >> _HALF_BITS, return_counts=True)
        self._parts.append(_Part(high, count, values.astype(np.uint32)))

    def count(self, numbers: I64) -> I64:
        """How often each was added, shape (n,)."""
        order = np.argsort(numbers, kind="stable")
        ordered, found = numbers[order], np.zeros(len(numbers), np.int64)
        for part in self._parts:
            values = part.values()
            found += np.searchsorted(values, ordered, side="right") - np.searchsorted(values, ordered)
        count = np.empty_like(found)
        count[order] = found
        return count


@dataclass(kw_only=True)
class Companies:
    """Companies by creation. All columns have the same length."""

    ids: Uuids = field(default_factory=lambda: _EMPTY_IDS)
    created_us: I64 = field(default_factory=lambda: _EMPTY)
    #: index of the user who looks after it
    owner: Small = field(default_factory=lambda: _EMPTY)
    #: from 0: the number that name and domain are made of; below: ``-1 - place`` in the index's pool
    number: Small = field(default_factory=lambda: _EMPTY)
    #: place in the locale's list of legal forms
    legal_form: Small = field(default_factory=lambda: _EMPTY)
    #: place in the locale's list of cities
    city: Small = field(default_factory=lambda: _EMPTY)
    #: place in the locale's list of sizes, the smallest first
    size: Small = field(default_factory=lambda: _EMPTY)
    #: 1 where a deal with one of its people was won, else 0
    has_won: Small = field(default_factory=lambda: _EMPTY)


@dataclass(kw_only=True)
class Contacts:
    """Contacts by creation. ``company`` is an index into the companies, -1 for none."""

    ids: Uuids = field(default_factory=lambda: _EMPTY_IDS)
    created_us: I64 = field(default_factory=lambda: _EMPTY)
    owner: Small = field(default_factory=lambda: _EMPTY)
    company: Small = field(default_factory=lambda: _EMPTY)
    #: place in CONTACT_STATUSES
    status: Small = field(default_factory=lambda: _EMPTY)
    #: 1 where an e-mail address is known, else 0
    has_email: Small = field(default_factory=lambda: _EMPTY)
    #: 1 where a telephone number is known, else 0
    has_phone: Small = field(default_factory=lambda: _EMPTY)
    #: 1 a woman, 0 a man, -1 unknown
    is_female: Small = field(default_factory=lambda: _EMPTY)
    #: 1 where a deal with the contact was won, else 0
    has_won: Small = field(default_factory=lambda: _EMPTY)
    #: places in the locale's given names (women's first) and surnames, and on into the index's pools
    first: Small = field(default_factory=lambda: _EMPTY)
    last: Small = field(default_factory=lambda: _EMPTY)


@dataclass(kw_only=True)
class Deals:
    """Deals by creation. ``ended_us`` is when a lost deal was lost, else beyond all time."""

    ids: Uuids = field(default_factory=lambda: _EMPTY_IDS)
    created_us: I64 = field(default_factory=lambda: _EMPTY)
    contact: Small = field(default_factory=lambda: _EMPTY)
    ended_us: I64 = field(default_factory=lambda: _EMPTY)
    #: when it was won or lost (us); -1: it is open, or was there before
    closed_us: I64 = field(default_factory=lambda: _EMPTY)
    #: 1 where it is lost, or will be, else 0
    is_lost: Small = field(default_factory=lambda: _EMPTY)
    #: how large it is among the deals of its month, 0 to ``MOST_SIZE``
    size: Small = field(default_factory=lambda: _EMPTY)
    #: when it closes, or is expected to, as it takes by itself (us); -1: it was there before
    due_us: I64 = field(default_factory=lambda: _EMPTY)
    #: the last step that its story may reach before it closes
    furthest: Small = field(default_factory=lambda: _EMPTY)
    #: places among the products, and among the locale's cities
    product: Small = field(default_factory=lambda: _EMPTY)
    city: Small = field(default_factory=lambda: _EMPTY)
    pieces: Small = field(default_factory=lambda: _EMPTY)
    value_minor: I64 = field(default_factory=lambda: _EMPTY)
    #: activities that patches have given it
    text_count: Small = field(default_factory=lambda: _EMPTY)


@dataclass
class EntityIndex:
    """All that exists by the end of the last month that was added."""

    companies: Companies = field(default_factory=Companies)
    contacts: Contacts = field(default_factory=Contacts)
    deals: Deals = field(default_factory=Deals)
    #: keys of all addresses that contacts have had
    addresses: KeyCounts = field(default_factory=KeyCounts)
    #: addresses that patches have given to contacts; those of the blueprint differ from all of them
    patch_addresses: set[str] = field(default_factory=set[str])
    #: number of the next company that is made
    next_company_number: int = 0
    #: telephone numbers that companies and contacts have had
    phones: PhoneNumbers = field(default_factory=PhoneNumbers)
    #: names of companies that no list knows, and their domains (null: none)
    existing_names: pa.StringArray = field(default_factory=lambda: _NO_TEXT)
    existing_domains: pa.StringArray = field(default_factory=lambda: _NO_TEXT)
    #: names of people that no list knows
    given: pa.StringArray = field(default_factory=lambda: _NO_TEXT)
    surnames: pa.StringArray = field(default_factory=lambda: _NO_TEXT)

    def add_companies(self, new: Companies) -> None:
        """Companies that were made, with the numbers from ``next_company_number`` on."""
        place = _merge(self.companies, new)
        if place is not None:
            self.contacts.company = _moved(self.contacts.company, place)
        self.next_company_number += len(new.ids)

    def add_contacts(self, new: Contacts) -> None:
        """Contacts that were made."""
        place = _merge(self.contacts, new)
        if place is not None:
            self.deals.contact = _moved(self.deals.contact, place)

    def add_deals(self, new: Deals) -> None:
        """Deals that were made."""
        _merge(self.deals, new)

    def mark_won(self, contact: I64) -> None:
        """Deals with these contacts (places) were won."""
        self.contacts.has_won[contact] = 1
        company = self.contacts.company[contact]
        self.companies.has_won[company[company >= 0]] = 1

    def trim(self) -> None:
        """Keep what is recent, so that memory does not grow with a tenant."""
        surplus = max(len(self.contacts.created_us) - MOST_CONTACTS, 0)
        _keep_latest(self.contacts, MOST_CONTACTS)
        _keep_latest(self.deals, MOST_DEALS)
        if surplus:
            # Below 0: the contact is forgotten.
            self.deals.contact = np.maximum(self.deals.contact - surplus, -1).astype(np.int32)


T = TypeVar("T", Companies, Contacts, Deals)


def _merge(rows: T, new: T) -> I64 | None:
    """Add ``new``, by creation; the places of the rows that were there, where they are others now.

    Column by column, so that only one at a time is there twice.
    """
    count, order = len(rows.created_us), None
    if count and len(new.created_us) and new.created_us[0] < rows.created_us[-1]:
        order = ascending(np.concatenate([rows.created_us, new.created_us]))
    for name, old in list(vars(rows).items()):
        both = _joined(name, old, getattr(new, name))
        if order is not None:
            both = take(both, order) if isinstance(both, pa.StringArray) else both[order]
        setattr(rows, name, both)
    if order is None:
        return None
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place[:count]


def _moved(references: Small, place: I64) -> Small:
    """References (-1: none) to rows that stand elsewhere now."""
    return np.where(references < 0, references, np.append(place, -1)[references]).astype(references.dtype)


def _joined(name: str, old: NDArray[Any] | pa.StringArray, new: Any) -> Any:
    if isinstance(old, pa.StringArray):
        return chain(old, new) if len(old) else new
    kept = new.astype(_DTYPES.get(name, new.dtype))
    return np.concatenate([old, kept]) if len(old) else kept


AnyRows = TypeVar("AnyRows")


def part(rows: AnyRows, start: int, stop: int) -> AnyRows:
    """The rows from ``start`` to ``stop`` of a dataclass whose fields are columns, not copied."""
    return type(rows)(**{name: column[start:stop] for name, column in vars(rows).items()})


def _keep_latest(rows: T, count: int) -> None:
    """Forget all but the last ``count`` rows."""
    start = max(len(rows.created_us) - count, 0)
    if start == 0:
        return
    for column in fields(rows):
        values = getattr(rows, column.name)
        is_text = isinstance(values, pa.StringArray)
        # Copied: a slice would keep all of its memory.
        setattr(rows, column.name, chain(values[start:], _NO_TEXT) if is_text else values[start:].copy())


def recent(draws: U64, available: I64) -> I64:
    """Picks among the first ``available[i]`` of a list by age, newer ones more often; -1 where none.

    The place from the end is quadratic in a uniform draw: half of the picks fall into the newest
    quarter.
    """
    high = draws >> np.uint64(32)
    skewed = high * high
    return np.where(available > 0, available - 1 - scale(skewed, np.maximum(available, 1)), -1)


@dataclass(frozen=True, eq=False)
class NameLookup:
    """Names of people by their codes, as texts, as letters for addresses, and as numbers for equal letters.

    A code within the locale's lists (given names women's first) means the name there; one beyond means a name
    in the index's pools.
    """

    locale: Locale
    #: holds the pools, which do not change
    index: EntityIndex

    @cached_property
    def given(self) -> pa.StringArray:
        """Given names."""
        return chain(self.locale.given, self.index.given)

    @cached_property
    def surnames(self) -> pa.StringArray:
        """Family names."""
        return chain(self.locale.surnames.arrow, self.index.surnames)

    @cached_property
    def given_ascii(self) -> pa.StringArray:
        """:attr:`given` for e-mail addresses."""
        return chain(self.locale.given_ascii, _letters(self.index.given))

    @cached_property
    def surnames_ascii(self) -> pa.StringArray:
        """:attr:`surnames` for e-mail addresses."""
        return chain(self.locale.surnames.arrow_ascii, _letters(self.index.surnames))

    @cached_property
    def given_keys(self) -> I64:
        """A number for each given name, the same for equal letters; so for the others."""
        return codes(self.given_ascii)

    @cached_property
    def initial_keys(self) -> I64:
        """Of the first letter of each given name."""
        return codes(initials(self.given_ascii))

    @cached_property
    def surname_keys(self) -> I64:
        """Of each surname."""
        return codes(self.surnames_ascii)


def _letters(names: pa.StringArray) -> pa.StringArray:
    return strings([ascii_label(str(name)) or _NO_LETTERS for name in names.to_pylist()])
