"""Telephone numbers of companies and contacts: of the city's area, and in at most three rows of a tenant.

Numbers for fiction are few: a range has a hundred to a thousand. So they are given one by one, in an order of
the tenant's own, from the range of each city: every number to one company and to two contacts. Where a tenant
has more rows than that, as many rows of its first month have none as of the last one of its span; a tenant
that goes on for longer has fewer and fewer. A patch begins at the end of that order and gives each number
once, so that it rarely meets the numbers of the blueprint; those of earlier patches it does not know.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.blueprint.tenant_spec import TenantSpec
from demo_pipeline.domain.core.arrow import Mask, take_or_null
from demo_pipeline.domain.core.random_streams import I64, Stream, rank_within
from demo_pipeline.domain.reference.countries import Locale

#: Rows of one table that a number is given to.
_ROUNDS: Final = {"companies": 1, "contacts": 2}
#: How much of a range the planned rows use up, so that chance does not do so early.
_USED_PERCENT: Final = 90
_PPM: Final = 1_000_000
#: A patch begins so many numbers further for each number of its job.
_A_JOB: Final = 37


@dataclass
class PhoneNumbers:
    """How many numbers of each range are given, by table."""

    #: of a patch: the job's number within its tenant
    job_number: int | None = None
    _given: dict[str, I64] = field(default_factory=dict[str, I64])
    #: by table
    _orders: dict[str, I64] = field(default_factory=dict[str, I64])
    _without_ppm: dict[str, I64] = field(default_factory=dict[str, I64])

    def without_number_ppm(self, spec: TenantSpec, locale: Locale, table: str) -> I64:
        """How many rows of a city must go without a number, in millionths: the last ones have some then.

        By place in the locale's list of cities, shape (cities,); 0 where numbers suffice.
        """
        if table not in self._without_ppm:
            self._without_ppm[table] = _without_number_ppm(spec, locale, table)
        return self._without_ppm[table]

    def assign(
        self, locale: Locale, stream: Stream, table: str, city: I64, is_wanted: Mask
    ) -> pa.StringArray:
        """A number for each row that wants one, in the order of the rows, null for the others; shape (n,).

        ``city`` are places in the locale's list; ``stream`` is the tenant's.
        """
        places = locale.places
        starts, sizes, group = _ranges(locale)
        given = self._given.setdefault(table, np.zeros(len(starts), np.int64))
        rows = np.flatnonzero(is_wanted)
        own = group[city[rows]]
        rank = given[own] + rank_within(own)
        given += np.bincount(own, minlength=len(starts))
        if self.job_number is None:
            is_left = rank < _ROUNDS[table] * sizes[own]
        else:
            is_left = rank < sizes[own]
            rank = -1 - (rank + self.job_number * _A_JOB)
        rows, own, rank = rows[is_left], own[is_left], rank[is_left]
        chosen = np.full(len(city), -1)
        chosen[rows] = self._order(locale, stream, table)[starts[own] + rank % sizes[own]]
        return take_or_null(places.phones, chosen)

    def _order(self, locale: Locale, stream: Stream, table: str) -> I64:
        """The numbers (places in the locale's list), shuffled within each range."""
        if table not in self._orders:
            places = locale.places
            starts, _, _ = _ranges(locale)
            group = np.searchsorted(starts, np.arange(len(places.phones)), side="right")
            drawn = stream.child("phones", table).raw("order", len(places.phones))
            by_draw = np.argsort(drawn, kind="stable")
            self._orders[table] = by_draw[np.argsort(group[by_draw], kind="stable")]
        return self._orders[table]


@cache
def _ranges(locale: Locale) -> tuple[I64, I64, I64]:
    """Where each range of numbers begins and how many it has, and the range of each city."""
    places = locale.places
    starts, group = np.unique(places.phone_start, return_inverse=True)
    sizes = np.zeros(len(starts), np.int64)
    sizes[group] = places.phone_count
    return starts, sizes, group


def _without_number_ppm(spec: TenantSpec, locale: Locale, table: str) -> I64:
    places = locale.places
    _, _, group = _ranges(locale)
    weight = np.zeros(group.max() + 1, np.int64)
    np.add.at(weight, group, np.diff(places.cumulative, prepend=0))
    planned = spec.total.companies_created if table == "companies" else spec.total.contacts_created
    if spec.closed_month is None:
        # Room for as many months again.
        planned *= 2
    expected = planned * weight[group] // int(places.cumulative[-1])
    numbers = _ROUNDS[table] * places.phone_count * _USED_PERCENT // 100
    return _PPM - np.minimum(numbers * _PPM // np.maximum(expected, 1), _PPM)
