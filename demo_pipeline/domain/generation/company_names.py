"""Which company of a tenant has which name: unique without a list of the names that are in use.

Companies are numbered. Names that a tenant brings are spread over the numbers of its span, in their order;
the others are made. Of a hundred numbers each pattern of the country has as many as its weight; within a
pattern names follow a keyed permutation. The blueprint numbers from the beginning of each pattern's names,
patches from their end. Where a pattern has no names left, the first pattern, which has most, serves for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.arrow import choose, join, joined, take
from demo_pipeline.domain.core.random_streams import I64, Stream
from demo_pipeline.domain.reference.company_names import CompanyNames, OwnNames, PatternColumns

_WHOLE: Final = 100


@dataclass(frozen=True, eq=False)
class NamedCompanies:
    """Names of some companies; columns of shape (n,)."""

    columns: PatternColumns
    pattern: I64
    #: places of the words among the pieces
    first: I64
    second: I64
    #: places among the tenant's own names, -1: it is made; None: the tenant has none
    own: I64 | None = None
    own_names: OwnNames | None = None

    @property
    def names(self) -> pa.StringArray:
        """The names without the legal form."""
        return self._own_or(self._written(self.columns.pieces), "short_names")

    def in_full(self, legal_forms: pa.StringArray) -> pa.StringArray:
        """The names with these legal forms, shape (n,), and own names as they are."""
        return self._own_or(join(self._written(self.columns.pieces), legal_forms, separator=" "), "names")

    @property
    def labels(self) -> pa.StringArray:
        """The labels of their domains."""
        return self._own_or(self._written(self.columns.label_pieces), "labels")

    def own_column(self, name: str, others: I64) -> I64:
        """A column of :class:`OwnNames` where a name is own, else ``others``."""
        if self.own is None:
            return others
        return np.where(self.own < 0, others, getattr(self.own_names, name)[self.own])

    def _own_or(self, made: pa.StringArray, column: str) -> pa.StringArray:
        if self.own is None:
            return made
        return choose(self.own >= 0, take(getattr(self.own_names, column), np.maximum(self.own, 0)), made)

    def place(self, slot: str) -> I64:
        """The place of the word that a name has in a slot, among the slot's words; -1: it has none."""
        start, stop = self.columns.ranges.get(slot, (0, 0))
        place = np.full(len(self.pattern), -1)
        for word in (self.first, self.second):
            place = np.where((word >= start) & (word < stop), word - start, place)
        return place if self.own is None else np.where(self.own < 0, place, -1)

    def _written(self, pieces: pa.StringArray) -> pa.StringArray:
        literal = 3 * self.pattern
        picks = np.stack([literal, self.first, literal + 1, self.second, literal + 2], axis=1)
        return joined(pieces, picks.ravel(), np.full(len(picks), 5))


class CompanyNaming:
    """The names of a tenant's companies by their numbers; ``span_count`` companies are of its span."""

    def __init__(self, names: CompanyNames, tenant: Stream, span_count: int = 0) -> None:
        self._columns = columns = names.columns
        self._own = names.own
        self._span_count = span_count
        self._one_side = _one_side(names)
        steps = [_permutation(tenant, pattern.literals, len(pattern.pairs)) for pattern in names.patterns]
        self._step, self._first = np.array(steps).T
        # The pattern of each of a hundred numbers, and how many before it have the same one.
        slots = np.repeat(np.arange(len(columns.weight)), columns.weight)
        slots = slots[np.argsort(tenant.child("companies").raw("patterns", _WHOLE), kind="stable")]
        self._slots = slots
        self._before = np.array([int((slots[:place] == one).sum()) for place, one in enumerate(slots)])

    @property
    def space(self) -> int:
        """How many companies can have names of their own."""
        pairs = self._columns.pair_count
        return int(pairs[0]) if len(pairs) == 1 else 2 * self._one_side

    def named(self, number: I64) -> NamedCompanies:
        """The tenant's ``number``-th companies, 0 ≤ number < space."""
        columns = self._columns
        pattern, pair = self._numbered(number)
        first, second = pair // columns.width[pattern], pair % columns.width[pattern]
        start = columns.word_start
        return NamedCompanies(
            columns,
            pattern,
            first + start[0, pattern],
            second + start[1, pattern],
            None if self._own is None else self._own_place(number, len(self._own)),
            self._own,
        )

    def _own_place(self, number: I64, count: int) -> I64:
        """Which of ``count`` own names each number has: evenly spread over those of the span; -1: none."""
        spread = max(self._span_count, count)
        place = -(-number * count // spread)
        return np.where((place < count) & (place * spread // count == number), place, -1)

    def _numbered(self, number: I64) -> tuple[I64, I64]:
        """Pattern and pair of the ``number``-th companies."""
        columns, side = self._columns, self._one_side
        size = columns.pair_count
        if len(size) == 1:
            which, rank = np.zeros(len(number), np.int64), number
        else:
            is_back = number >= side
            count = np.where(is_back, 2 * side - 1 - number, number)
            which = self._slots[count % _WHOLE]
            rank = count // _WHOLE * columns.weight[which] + self._before[count % _WHOLE]
            is_over = rank >= size[which] // 2
            # Behind all numbers that are the first pattern's own.
            own = side * int(columns.weight[0]) // _WHOLE + _WHOLE
            which, rank = np.where(is_over, 0, which), np.where(is_over, own + count, rank)
            rank = np.where(is_back, size[which] - 1 - rank, rank)
        place = (rank * self._step[which] + self._first[which]) % size[which]
        return which, columns.pairs[columns.pair_start[which] + place].astype(np.int64)


def _one_side(names: CompanyNames) -> int:
    """How many companies of the blueprint, and of patches, can have names of their own."""
    first = names.patterns[0]
    return (len(first.pairs) // 2 - _WHOLE) * _WHOLE // (_WHOLE + first.weight)


def _permutation(tenant: Stream, literals: tuple[str, ...], size: int) -> tuple[int, int]:
    """Step and first place of a tenant's permutation of a pattern's names."""
    stream = tenant.child("companies", *literals)
    drawn, first = stream.below("permutation", 2, max(size, 1)).tolist()
    step = max(size * 2 // 5, 1) + drawn // 5
    while gcd(step, size) != 1:
        step += 1
    return step, first
