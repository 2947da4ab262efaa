"""Pseudo-random choices for tests: the same for the same seed on every machine."""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


class SeededRandom:
    """Choices that depend only on the seed."""

    def __init__(self, seed: int) -> None:
        self._key = f"seed {seed}".encode()
        self._count = 0

    def bits(self, count: int) -> int:
        """``count`` random bits, at most 512."""
        self._count += 1
        drawn = blake2b(self._count.to_bytes(8, "big"), key=self._key[:64]).digest()
        return int.from_bytes(drawn, "big") >> (512 - count)

    def below(self, end: int) -> int:
        """From 0 to ``end`` - 1."""
        return self.bits(64) * end >> 64

    def between(self, first: int, last: int) -> int:
        """From ``first`` to ``last``."""
        return first + self.below(last - first + 1)

    def chance(self, percent: int) -> bool:
        """True with a probability of ``percent``."""
        return self.below(100) < percent

    def one_of(self, items: Sequence[T]) -> T:
        """One of ``items``."""
        return items[self.below(len(items))]

    def some_of(self, items: Sequence[T], count: int) -> list[T]:
        """``count`` different ``items``, in their order."""
        places = list(range(len(items)))
        self.shuffle(places)
        return [items[place] for place in sorted(places[:count])]

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Reorder ``items`` in place."""
        for place in range(len(items) - 1, 0, -1):
            other = self.below(place + 1)
            items[place], items[other] = items[other], items[place]
