"""Telephone numbers of companies and contacts: of the city's area, and in at most three rows of a tenant.

Numbers for fiction are few: a range has a hundred to a thousand. So they are dealt out one by one, in an
order of the tenant's own, from the range of each city: every number once to a company and twice to contacts.
Who comes later has none. A patch deals from the end, so that it rarely meets the blueprint's numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.arrow import Mask, choose, take
from demo_pipeline.domain.core.random_streams import I64, Stream, ascending
from demo_pipeline.domain.reference.countries import Locale

#: Rows of one table that a number is given to.
_ROUNDS: Final = {"companies": 1, "contacts": 2}
#: A patch begins so many numbers further for each number of its job.
_A_JOB: Final = 37


@dataclass
class PhoneDeck:
    """How many numbers of each range are dealt out, by table."""

    #: of a patch: the job's number within its tenant
    job_number: int | None = None
    _dealt: dict[str, I64] = field(default_factory=dict[str, I64])

    def deal(self, locale: Locale, stream: Stream, table: str, city: I64, is_wanted: Mask) -> pa.StringArray:
        """A number for each row that wants one, in the order of the rows, null for the others; shape (n,).

        ``city`` are places in the locale's list; ``stream`` is the tenant's.
        """
        places = locale.places
        starts, deck = np.unique(places.phone_start, return_inverse=True)
        sizes = np.zeros(len(starts), np.int64)
        sizes[deck] = places.phone_count
        dealt = self._dealt.setdefault(table, np.zeros(len(starts), np.int64))
        rows = np.flatnonzero(is_wanted)
        own = deck[city[rows]]
        rank = dealt[own] + _rank_within(own)
        dealt += np.bincount(own, minlength=len(starts))
        place = self._places(stream.child("phones", table), sizes, rank, own)
        if self.job_number is None:
            place[rank >= _ROUNDS[table] * sizes[own]] = -1
        chosen = np.full(len(city), -1)
        chosen[rows] = np.where(place < 0, -1, starts[own] + place)
        return choose(chosen < 0, None, take(places.phones, np.maximum(chosen, 0)))

    def _places(self, stream: Stream, sizes: I64, rank: I64, own: I64) -> I64:
        """The place within its range of the number that is dealt at each rank."""
        drawn = stream.below("step", len(sizes), 2**32)
        steps = np.array([_coprime(int(one), int(size)) for one, size in zip(drawn, sizes, strict=True)])
        first = stream.below("first", len(sizes), 2**32)
        if self.job_number is not None:
            rank = -1 - (rank + self.job_number * _A_JOB)
        size = np.maximum(sizes[own], 1)
        return (rank * steps[own] + first[own]) % size


def _coprime(drawn: int, size: int) -> int:
    """A step that visits all of ``size`` numbers, not one after the other."""
    step = drawn % max(size, 1)
    while gcd(step, size) != 1 or (size > 10 and step < 7):
        step += 1
    return step


def _rank_within(groups: I64) -> I64:
    """For each row how many rows before it are of its group."""
    order = ascending(groups)
    ordered = groups[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    lengths = np.diff(starts, append=len(ordered))
    rank = np.empty(len(groups), np.int64)
    rank[order] = np.arange(len(groups)) - np.repeat(starts, lengths)
    return rank
