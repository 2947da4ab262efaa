"""Randomness that is the same everywhere: one counter-based stream per key.

A stream is Philox-4x64 under a key hashed from its parts; row *i* takes draw *i*. So a larger count, a
new column or another month leaves every other draw as it was. Only raw 64-bit output and integer
transforms are used: numpy promises its bit generators, not its distributions, and floating-point
functions differ between processors.

Philox: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from threading import local
from typing import Final

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

_LOW32 = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
#: Of up to so many numbers a plain sort is quicker than the sort by halves.
_FEW: Final = 1_000
#: Draws of one step of Philox' counter.
_DRAWS_A_STEP: Final = 4


@dataclass(frozen=True)
class Stream:
    """A family of streams; ``Stream("seed", "slug").child("2025-01", "deals")`` narrows it."""

    parts: tuple[str, ...] = ()

    def child(self, *parts: str) -> Stream:
        return Stream((*self.parts, *parts))

    def raw(self, column: str, count: int, start: int = 0) -> U64:
        """Uniform 64-bit draws ``start`` to ``start + count`` of one column, shape (count,).

        ``start`` is a multiple of 4, the draws of one step of the counter.
        """
        if count == 0:
            return np.empty(0, np.uint64)
        return _philox.raw(self._digest(column), start // _DRAWS_A_STEP, count)

    def below(self, column: str, count: int, bound: int) -> I64:
        """``count`` draws in [0, bound), bound ≤ 2**63."""
        return scale(self.raw(column, count), bound)

    @cached_property
    def _hashed(self) -> blake2b:
        """Of all parts."""
        hashed = blake2b(digest_size=16)
        for part in self.parts:
            hashed.update(_prefixed(part))
        return hashed

    def _digest(self, column: str) -> bytes:
        hashed = self._hashed.copy()
        hashed.update(_prefixed(column))
        return hashed.digest()


class _Philox(local):
    """The bit generator, one a thread: a new one for each column would take longer than its draws."""

    def __init__(self) -> None:
        self._generator = np.random.Philox(key=0)
        self._key, self._counter = np.zeros(2, np.uint64), np.zeros(4, np.uint64)
        self._state = self._generator.state
        self._state["state"] = {"key": self._key, "counter": self._counter}

    def raw(self, key: bytes, step: int, count: int) -> U64:
        """``count`` draws under a key of 16 bytes, from a step of the counter on."""
        self._key[:] = np.frombuffer(key, np.uint64)
        self._counter[0] = step
        self._generator.state = self._state
        return self._generator.random_raw(count)


_philox: Final = _Philox()


@lru_cache(4096)
def _prefixed(part: str) -> bytes:
    """With its length before it, so that ("a", "bc") and ("ab", "c") are different keys."""
    encoded = part.encode()
    return len(encoded).to_bytes(4, "big") + encoded


def scale(draws: U64, bound: int | U64 | I64) -> I64:
    """Draws to [0, bound): the high 64 bits of draw × bound, elementwise, bound ≤ 2**63.

    The bias is below bound / 2**64.
    """
    draw_low, draw_high = draws & _LOW32, draws >> _32
    if isinstance(bound, int) and bound < 2**32:
        # In place: most of the time of long columns goes into memory.
        draw_low *= np.uint64(bound)
        draw_low >>= _32
        draw_high *= np.uint64(bound)
        draw_high += draw_low
        draw_high >>= _32
        return draw_high.view(np.int64)
    factor = np.asarray(bound).astype(np.uint64)
    low, high = factor & _LOW32, factor >> _32
    middle = draw_low * high + ((draw_low * low) >> _32)
    cross = draw_high * low + (middle & _LOW32)
    return (draw_high * high + (middle >> _32) + (cross >> _32)).astype(np.int64)


def pick(draws: U64, cumulative: I64) -> I64:
    """Indices by weight: ``cumulative`` are running sums of positive integer weights, shape (k,)."""
    total = int(cumulative[-1])
    return np.searchsorted(cumulative, scale(draws, total), side="right").astype(np.int64)


def quantile(draws: U64, knots: I64) -> I64:
    """Integer interpolation in a frozen quantile table of 2**k + 1 increasing knots (each < 2**40).

    The inverse distribution function without a float: the top k bits choose the interval, the next
    16 bits the place in it.
    """
    bits = (len(knots) - 1).bit_length() - 1
    interval = (draws >> np.uint64(64 - bits)).astype(np.int64)
    place = ((draws >> np.uint64(48 - bits)) & np.uint64(0xFFFF)).astype(np.int64)
    left = knots[interval]
    return left + (((knots[interval + 1] - left) * place) >> 16)


def stratified(draws: U64) -> U64:
    """A stratified sample in the order of the draws, shape (n,): one of each n-th of their range."""
    count = len(draws)
    if count == 0:
        return draws
    width = np.uint64((2**64 - 1) // count)
    ranks = np.empty(count, np.uint64)
    ranks[np.argsort(draws, kind="stable")] = np.arange(count, dtype=np.uint64)
    return ranks * width + draws % width


def ascending(values: I64) -> I64:
    """The stable order of integers: value and place in one word, so that sorting has no ties to break.

    As ``argsort(kind="stable")``, several times faster where the words fit, on every processor the same.
    """
    count = len(values)
    if count < _FEW:
        return values.argsort(kind="stable").astype(np.int64, copy=False)
    bits = (count - 1).bit_length()
    low = int(values.min())
    if (int(values.max()) - low).bit_length() + bits > 63:
        return np.argsort(values, kind="stable").astype(np.int64)
    words = (values - low) << bits
    words |= np.arange(count)
    words.sort()
    words &= (1 << bits) - 1
    return words


def rank_within(groups: I64) -> I64:
    """For each row how many rows before it are of its group."""
    order = ascending(groups)
    ordered = groups[order]
    is_first = np.ones(len(groups), bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    rank = np.empty(len(groups), np.int64)
    rank[order] = np.arange(len(groups)) - np.flatnonzero(is_first)[np.cumsum(is_first) - 1]
    return rank
