"""Which company of a tenant has which name: unique without a list of the names that are in use.

Companies are numbered. Of a hundred numbers each pattern of the country has as many as its weight; within a
pattern names follow a keyed permutation. The blueprint numbers from the beginning of each pattern's names,
patches from their end. Where a pattern has no names left, the first pattern, which has most, serves for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.arrow import chain, join, strings, take
from demo_pipeline.domain.core.random_streams import I64, Stream
from demo_pipeline.domain.reference.company_names import CompanyNames, CompanyPattern

_WHOLE: Final = 100


@dataclass(frozen=True, eq=False)
class NamedCompanies:
    """Names of some companies, in parts; columns of shape (n,)."""

    #: without the legal form
    names: pa.StringArray
    #: of the domain
    labels: pa.StringArray
    #: places of the trade and of the city that the name speaks of; -1: of none
    trade: I64
    city: I64


def company_space(names: CompanyNames) -> int:
    """How many companies can have names of their own."""
    if len(names.patterns) == 1:
        return len(names.patterns[0].pairs)
    return 2 * _one_side(names)


def name_companies(names: CompanyNames, tenant: Stream, number: I64) -> NamedCompanies:
    """The names of a tenant's ``number``-th companies, 0 ≤ number < company_space."""
    # Many rows may be of few companies.
    number, inverse = np.unique(number, return_inverse=True)
    which, pair = _numbered(names, tenant, number)
    order = np.argsort(which, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    texts, labels = [strings(())], [strings(())]
    trade, city = np.full(len(number), -1), np.full(len(number), -1)
    for one, pattern in enumerate(names.patterns):
        rows = np.flatnonzero(which == one)
        if len(rows) == 0:
            continue
        at = _word_places(pattern, pair[rows])
        words = list(zip(pattern.words, at, strict=True))
        texts.append(_written(pattern.literals, [take(word.arrow, there) for word, there in words]))
        ascii_words = [take(word.arrow_ascii, there) for word, there in words]
        labels.append(_written(pattern.label_literals, ascii_words))
        for slot, there in zip(pattern.slots, at, strict=True):
            if slot == "trade":
                trade[rows] = there
            elif slot == "city":
                city[rows] = there
    back = place[inverse]
    return NamedCompanies(
        take(chain(*texts), back), take(chain(*labels), back), trade[inverse], city[inverse]
    )


def _written(literals: tuple[str, ...], words: list[pa.StringArray]) -> pa.StringArray:
    """Literals and words in turn."""
    pieces: list[pa.StringArray | str] = [literals[0]]
    for word, literal in zip(words, literals[1:], strict=True):
        pieces += [word, literal]
    return join(*pieces)


def _word_places(pattern: CompanyPattern, pair: I64) -> list[I64]:
    """The place of each word in its list."""
    if len(pattern.words) == 1:
        return [pair]
    width = len(pattern.words[1])
    return [pair // width, pair % width]


def _numbered(names: CompanyNames, tenant: Stream, number: I64) -> tuple[I64, I64]:
    """Pattern and pair of the ``number``-th companies."""
    patterns = names.patterns
    sizes = np.array([len(pattern.pairs) for pattern in patterns])
    if len(patterns) == 1:
        which, rank, is_back = np.zeros(len(number), np.int64), number, np.zeros(len(number), bool)
    else:
        side = _one_side(names)
        is_back = number >= side
        count = np.where(is_back, 2 * side - 1 - number, number)
        which, rank = _ranks(names, tenant, count)
        limits = sizes // 2
        is_over = rank >= limits[which]
        # Behind all numbers that are the first pattern's own.
        own = side * patterns[0].weight // _WHOLE + _WHOLE
        which, rank = np.where(is_over, 0, which), np.where(is_over, own + count, rank)
    rank = np.where(is_back, sizes[which] - 1 - rank, rank)
    pair = np.empty(len(number), np.int64)
    for one, pattern in enumerate(patterns):
        rows = np.flatnonzero(which == one)
        step, first = _permutation(tenant, pattern.literals, int(sizes[one]))
        pair[rows] = pattern.pairs[(rank[rows] * step + first) % sizes[one]]
    return which, pair


def _ranks(names: CompanyNames, tenant: Stream, count: I64) -> tuple[I64, I64]:
    """The pattern of each number, and how many numbers before it have the same pattern."""
    weights = np.array([pattern.weight for pattern in names.patterns])
    slots = np.repeat(np.arange(len(weights)), weights)
    slots = slots[np.argsort(tenant.child("companies").raw("patterns", _WHOLE), kind="stable")]
    before = np.zeros(_WHOLE, np.int64)
    for one in range(len(weights)):
        rows = np.flatnonzero(slots == one)
        before[rows] = np.arange(len(rows))
    block, place = count // _WHOLE, count % _WHOLE
    which = slots[place]
    return which, block * weights[which] + before[place]


def _one_side(names: CompanyNames) -> int:
    """How many companies of the blueprint, and of patches, can have names of their own."""
    first = names.patterns[0]
    return (len(first.pairs) // 2 - _WHOLE) * _WHOLE // (_WHOLE + first.weight)


@lru_cache(maxsize=256)
def _permutation(tenant: Stream, literals: tuple[str, ...], size: int) -> tuple[int, int]:
    """Step and first place of a tenant's permutation of a pattern's names."""
    stream = tenant.child("companies", *literals)
    drawn, first = stream.below("permutation", 2, max(size, 1)).tolist()
    step = max(size * 2 // 5, 1) + drawn // 5
    while gcd(step, size) != 1:
        step += 1
    return step, first
