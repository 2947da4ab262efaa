"""Topics of sentences in all the forms that a language needs, by the rules of ``topics_<language>.toml``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from scripts.listbuild.words import Sieve, split

#: Enough topics that forty templates give 6,000 subjects.
_TOPICS = 150
#: A topic alone is drawn this many times as often as one with a second.
_ALONE = 4

#: name and kind (an article's key)
Topic = tuple[str, str]


def topics(source: dict[str, Any], industry: str, sieve: Sieve) -> Iterator[dict[str, str | int]]:
    """One row a topic: its weight, and its form for each slot of the language."""
    own = source["industries"][industry]
    bases = {
        name: kind
        for text in (own["topics"], source["common"]["topics"])
        for name, kind in _entries(text)
        if sieve.passes(name, "topics")
    }
    long = re.compile(f" (?:{'|'.join(source['prepositions'].split())}) ")
    short = [base for base in bases.items() if not long.search(base[0])]
    seconds = _entries(own["seconds"])
    # Each base alone, and short ones with a second, evenly spread, until there are enough.
    pairs: list[list[Topic]] = [[base] for base in bases.items()]
    for turn in range(len(seconds)):
        for place, base in enumerate(short):
            second = seconds[(place + turn) % len(seconds)]
            if len(pairs) < _TOPICS and not base[0].lower().endswith(second[0].lower()):
                pairs.append([base, second])
    for pair in pairs:
        forms = {slot: _form(pair, rule, source) for slot, rule in source["slots"].items()}
        yield {"weight": _ALONE if len(pair) == 1 else 1, **forms}


def _form(pair: list[Topic], rule: dict[str, Any], source: dict[str, Any]) -> str:
    """A topic as one slot has it."""

    def article(kind: str, form: str | None) -> str:
        return source["articles"][kind][form] if form else ""

    (name, kind), *more = pair
    parts = [article(kind, rule.get("first")) + name]
    parts += [article(other_kind, rule.get("more")) + other for other, other_kind in more]
    text: str = source["conjunction"].join(parts)
    return text[0].upper() + text[1:] if rule.get("is_capital") else text


def _entries(text: str) -> list[Topic]:
    """``"f Lieferzeit, m Lieferstatus"`` as names and kinds."""
    return [(name, kind) for kind, name in (entry.split(" ", 1) for entry in split(text))]
