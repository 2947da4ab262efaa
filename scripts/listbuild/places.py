"""Cities with their postal codes, and public holidays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
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
    """About 24 codes over the districts; the second half is counted through, so never random."""
    each, count = max(1, 24 // len(outward)), len(letters)
    codes: list[str] = []
    for place, district in enumerate(outward):
        for turn in range(each):
            step = place * each + turn
            first, second = letters[step * 7 % count], letters[(step * 11 + 3) % count]
            codes.append(f"{district} {(step * 3 + 1) % 9 + 1}{first}{second}")
    return codes


def public_holidays(country: str, subdivision: str | None) -> list[str]:
    """Every public holiday from 2019-12 to 2032-12, ISO dates."""
    days = holidays.country_holidays(country.upper(), subdiv=subdivision, years=range(2019, 2034))
    return [day.isoformat() for day in sorted(days) if date(2019, 12, 1) <= day <= date(2032, 12, 31)]
