"""Parts of the names of customer companies, their industries, legal forms and sizes."""

from __future__ import annotations

from typing import Any

from demo_pipeline.domain.model import COMPANY_SIZES
from demo_pipeline.domain.reference.countries import ascii_label
from scripts.listbuild.blocklists import PLACES
from scripts.listbuild.words import BRANDS, Sieve, name_list, read_toml, weighted

#: Upper ends of the bands of employees; the last band of ``COMPANY_SIZES`` has none.
_UPPER_ENDS = (10, 50, 200, 500, 1000)
#: The smallest company that buys business software or services: an assumption.
_SMALLEST = 3


def companies(country: str, surnames: list[str], sieve: Sieve) -> dict[str, Any]:
    """Everything of :class:`demo_pipeline.domain.reference.countries.CompanyNames`, frozen form."""
    raw = read_toml("de.toml" if country == "de" else "en.toml")
    parts = raw["companies"]
    # The stems of US and GB differ by their surnames and by which compounds they get.
    skip = {"us": 0, "gb": 1, "de": None}[country]
    compounds = [
        first + second
        for place, (first, _) in enumerate(weighted(parts["first"]))
        for turn, (second, _) in enumerate(weighted(parts["second"]))
        if first[-1] != second[0]
        and not _is_double(first, second)
        and not (first.endswith("sh") and second[0] == "h")
        and (skip is None or (place + turn) % 2 == skip)
    ]
    invented = [
        first + second
        for place, (first, _) in enumerate(weighted(parts["invented_first"]))
        for turn, (second, _) in enumerate(weighted(parts["invented_second"]))
        if (place * 5 + turn * 3) % 4 == 0
    ]
    own = [name for name in surnames if len(name) > 3 and " " not in name][: parts["surnames"]]
    stems = [
        stem
        for stem in sieve.keep([*own, *compounds, *invented], f"{country} company stems")
        if ascii_label(stem) not in BRANDS
    ]
    endings = [ascii_label(word) for _, written in parts["industries"] for word, _ in weighted(written)]
    stems = [stem for stem in stems if not _joins_badly(ascii_label(stem), endings)]
    labels: list[tuple[str, int]] = []
    descriptors: list[tuple[str, int]] = []
    industry_of: list[int] = []
    for label, written in parts["industries"]:
        own_words = weighted(written)
        labels.append((label, sum(weight for _, weight in own_words)))
        descriptors += own_words
        industry_of += [len(labels) - 1] * len(own_words)
    return {
        "stems": name_list((stem, 1) for stem in stems),
        "descriptors": name_list(descriptors),
        "descriptor_industry": industry_of,
        "industries": name_list(labels),
        "legal_forms": name_list(weighted(raw[country.upper()]["legal_forms"])),
        "sizes": name_list(_sizes()),
    }


def _is_double(first: str, second: str) -> bool:
    """Whether a compound says the same twice: ``Wald`` + ``wald``, ``Brücken`` + ``brück``."""
    front, back = ascii_label(first), ascii_label(second)
    return front.startswith(back) or front.endswith(back)


def _joins_badly(stem: str, endings: list[str]) -> bool:
    """Whether the stem and a descriptor behind it spell a place of crimes."""
    return any(place in stem + ending for ending in endings for place in PLACES)


def _sizes() -> list[tuple[str, int]]:
    """Shares of the bands where P(size > s) = (s / smallest)^-1.06, in millionths."""
    rows: list[tuple[str, int]] = []
    above = 1.0
    for upper, label in zip(_UPPER_ENDS, COMPANY_SIZES[:-1], strict=True):
        beyond = ((upper + 0.5) / _SMALLEST) ** -1.06
        rows.append((label, round((above - beyond) * 1_000_000)))
        above = beyond
    return [*rows, (COMPANY_SIZES[-1], round(above * 1_000_000))]
