"""Counts in sentences."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """``"1 deal"``, ``"2,000 deals"``; ``many`` where that is not ``one`` and an *s*."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def are(count: int) -> str:
    """The verb after :func:`counted`."""
    return "is" if count == 1 else "are"
