"""Words of company names, by a country's ``companies.toml``: compounds, coined names and acronyms."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, Final

from demo_pipeline.domain.reference.blocked_words import ACRONYM_PARTS, BRANDS, is_blocked
from scripts.listbuild.words import Pairs, Sieve

#: Of all acronyms so many are kept, evenly spread: enough that two tenants seldom share one.
_EVERY: Final = 3
_COINED_WEIGHT: Final = 6


def stems(source: dict[str, Any], country: str, sieve: Sieve) -> Pairs:
    """Compounds and coined names with their weights."""
    declared = source["stems"]
    fronts, backs = _weighted(declared["fronts"]), _weighted(declared["backs"])
    rows: dict[str, int] = {}
    for (front, often), (back, more) in itertools.product(fronts, backs):
        # No word twice, and no three equal letters.
        name = front + back
        if back not in front.lower() and not re.search(r"(.)\1\1", name.lower()):
            rows[name] = often * more
    for front, back in itertools.product(declared["coined_fronts"].split(), declared["coined_backs"].split()):
        rows.setdefault(front + back, _COINED_WEIGHT)
    kept = sieve.keep([name for name in rows if name.lower() not in BRANDS], f"{country} stems")
    return [(name, rows[name]) for name in kept]


def patterns(source: dict[str, Any]) -> str:
    """The content of ``company_patterns.json``."""
    letters = itertools.product(source["acronym_letters"], repeat=3)
    acronyms = [name for name in map("".join, letters) if _is_acronym(name)]
    content = {
        "patterns": source["patterns"],
        "form_sizes": source["form_sizes"],
        "acronyms": " ".join(acronyms[::_EVERY]),
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _is_acronym(name: str) -> bool:
    """Three letters, two of which are no vowels, that are no word and recall nothing."""
    is_word = sum(letter in "AEIOU" for letter in name) > 1 or name[1] in "AE"
    label = name.lower()
    recalls = any(part in name for part in ACRONYM_PARTS)
    return len(set(name)) == len(name) and not (is_word or recalls or label in BRANDS or is_blocked(label))


def _weighted(text: str) -> Pairs:
    """``"Oak=6 Elm=3"`` as names and weights."""
    return [(name, int(weight)) for name, _, weight in (one.partition("=") for one in text.split())]
