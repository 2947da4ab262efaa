"""Numbers in sentences, with a comma before each three digits."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """``"1 deal"``, ``"2,000 deals"``; ``many`` where that is not ``one`` and an *s*."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def grouped(number: int | str) -> str:
    """A number in a sentence: ``1234567`` is ``1,234,567``, ``"25000.00"`` is ``25,000.00``."""
    whole, point, rest = str(number).partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.removeprefix('-')):,}{point}{rest}"


def are(count: int) -> str:
    """The verb after :func:`counted`."""
    return "is" if count == 1 else "are"
