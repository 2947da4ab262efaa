"""Cities with their postal codes and phone ranges, streets, house numbers, public holidays."""

from __future__ import annotations

from datetime import date
from typing import Any

import holidays

from scripts.listbuild.words import Sieve, name_list, read_rows, read_toml, weighted

#: (prefix, first, last, digits), all from the regulators' ranges for fiction.
_GB_RANGES = {
    "020": ("+44 20 7946 ", 0, 999, 4),
    **{f"01{code}": (f"+44 1{code} 496 ", 0, 999, 4) for code in (13, 14, 16, 17, 18, 21, 31, 41, 51, 61)},
}
_DE_RANGES = {
    "berlin": [("+49 30 23125 ", 0, 999, 3)],
    "frankfurt": [("+49 69 90009 ", 0, 999, 3)],
    "hamburg": [("+49 40 66969 ", 0, 999, 3)],
    "koeln": [("+49 221 4710 ", 0, 999, 3)],
    "muenchen": [("+49 89 99998 ", 0, 999, 3)],
    "mobile": [("+49 171 39200 ", 0, 99, 2), ("+49 176 040690 ", 0, 99, 2)],
}
#: Of German ranges, the ones that belong to no city.
_NATIONWIDE = "mobile"
#: Letters that Royal Mail uses in the second half of a postcode.
_INWARD = "ABDEFGHJLNPQRSTUWXYZ"
#: ISO 3166-1 alpha-2 and subdivision (``None``: what is kept in the whole country).
_HOLIDAYS = {"us": None, "gb": "ENG", "de": None}


def places(country: str, sieve: Sieve) -> dict[str, Any]:
    """``cities`` and ``phone_ranges`` of a country; a city's ranges are adjacent."""
    rows = [row for row in read_rows(f"{country}_cities.tsv") if sieve.passes(row[0], f"{country} cities")]
    ranges: list[tuple[str, int, int, int]] = []
    cities: list[dict[str, Any]] = []
    known: dict[str, list[int]] = {}
    for name, state, weight, phones, codes in rows:
        if phones not in known:
            new = _ranges(country, phones)
            known[phones] = list(range(len(ranges), len(ranges) + len(new)))
            ranges.extend(new)
        postal = _gb_postcodes(codes.split()) if country == "gb" else codes.split()
        cities.append(
            {
                "name": name,
                "state": state,
                "weight": int(weight) if country != "us" else round(int(weight) ** 0.8),
                "postal_codes": postal,
                "phone_ranges": known[phones],
                "has_area_range": phones != _NATIONWIDE,
            }
        )
    return {"cities": cities, "phone_ranges": ranges}


def _ranges(country: str, phones: str) -> list[tuple[str, int, int, int]]:
    if country == "us":
        return [(f"+1 {code}-555-", 100, 199, 4) for code in phones.split()]
    return [_GB_RANGES[phones]] if country == "gb" else _DE_RANGES[phones]


def _gb_postcodes(outward: list[str]) -> list[str]:
    """About 24 codes over the districts; the second half is counted through, so never random."""
    each = max(1, 24 // len(outward))
    codes: list[str] = []
    for place, district in enumerate(outward):
        for turn in range(each):
            step = place * each + turn
            first, second = _INWARD[step * 7 % 20], _INWARD[(step * 11 + 3) % 20]
            codes.append(f"{district} {(step * 3 + 1) % 9 + 1}{first}{second}")
    return codes


def streets(country: str, sieve: Sieve) -> dict[str, Any]:
    """Streets by weight: written out for DE, name × kind for US and GB."""
    if country == "de":
        pairs = weighted(read_toml("de.toml")["DE"]["streets"])
    else:
        raw = read_toml("en.toml")[country.upper()]
        kinds = weighted(raw["streets_suffix"])
        # Every name goes with some of the kinds: which ones is fixed by its place in the list.
        pairs = [
            (f"{name} {kind}" if not name.startswith("The ") else name, weight * often)
            for place, (name, weight) in enumerate(weighted(raw["streets_base"]))
            for turn, (kind, often) in enumerate(kinds)
            if (place + turn) % 3 == 0 or often >= 9
        ]
    kept = set(sieve.keep([name for name, _ in pairs], f"{country} streets"))
    return name_list({name: weight for name, weight in pairs if name in kept}.items())


def house_numbers(country: str) -> dict[str, Any]:
    """Low numbers are more frequent; in the US they run by blocks of a hundred."""
    if country == "us":
        numbers = [
            (str(block * 100 + step), 3000 // (block + 4))
            for block in range(1, 80)
            for step in range(1, 99, 7)
        ]
    elif country == "gb":
        numbers = [(str(number), 30_000 // (number + 25)) for number in range(1, 240)]
    else:
        numbers = [(str(number), 30_000 // (number + 18)) for number in range(1, 160)]
        numbers += [
            (f"{number}{letter}", 2_000 // (number + 18)) for number in range(2, 90, 3) for letter in "ab"
        ]
    return name_list(numbers)


def public_holidays(country: str) -> list[str]:
    """Every public holiday from 2019-12 to 2032-12, ISO dates."""
    days = holidays.country_holidays(country.upper(), subdiv=_HOLIDAYS[country], years=range(2019, 2034))
    return [day.isoformat() for day in sorted(days) if date(2019, 12, 1) <= day <= date(2032, 12, 31)]
