"""Cities with their postal codes, and public holidays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from hashlib import blake2b
from typing import Any

import holidays

from scripts.listbuild.words import Sieve, read_rows


def cities(country: str, source: dict[str, Any], sieve: Sieve) -> Iterator[tuple[str, str, int, str, str]]:
    """Name, state, weight, phone ranges and postal codes, the last two with commas."""
    for name, state, weight, phones, codes in read_rows(f"{country}/cities.tsv"):
        if not sieve.passes(name, f"{country} cities"):
            continue
        postal = codes.split()
        if letters := source.get("inward_letters"):
            postal = _with_inward(postal, letters)
        people = round(int(weight) ** source.get("city_weight_exponent", 1))
        yield name, state, people, ",".join(phones.split()), ",".join(postal)


def _with_inward(outward: list[str], letters: str) -> list[str]:
    """About 40 codes, ten a district at least; the second half is hashed from the district."""
    each = max(10, 40 // len(outward))
    return [f"{district} {inward}" for district in outward for inward in _inward(district, letters, each)]


def _inward(district: str, letters: str, count: int) -> list[str]:
    """Different second halves: a digit, of which 0 is seldom in use, and two of the letters."""
    halves: dict[str, None] = {}
    turn = 0
    while len(halves) < count:
        digit, first, second = blake2b(f"{district}/{turn}".encode(), digest_size=3).digest()
        halves[f"{digit % 9 + 1}{letters[first % len(letters)]}{letters[second % len(letters)]}"] = None
        turn += 1
    return list(halves)


def public_holidays(country: str, subdivision: str | None) -> list[str]:
    """Every public holiday from 2019-12 to 2032-12, ISO dates."""
    days = holidays.country_holidays(country.upper(), subdiv=subdivision, years=range(2019, 2034))
    return [day.isoformat() for day in sorted(days) if date(2019, 12, 1) <= day <= date(2032, 12, 31)]
