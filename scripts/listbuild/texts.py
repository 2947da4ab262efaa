"""Templates, topics in all their forms, steps and products of a language."""

from __future__ import annotations

import re
from typing import Any

from demo_pipeline.domain.reference.texts import PERSON_SLOTS, TOPIC_SLOTS
from scripts.listbuild.words import Sieve, read_toml

#: Enough topics that forty templates give 6,000 subjects.
_TOPICS = 150
#: A topic alone is drawn this many times as often as one with "and".
_ALONE = 4
#: Marks an English topic that stands without an article ("share dealing").
_NO_ARTICLE = "~"
#: A topic with a preposition takes no "and".
_LONG = re.compile(r" (?:for|of|from|with|in|on|to|at|an|bei|der|zur|des|zum) ")
_OTHER_SLOTS = {"company", "deal", "product", "step"}
#: Definite articles: accusative, dative; "zu" and "bei" with the dative.
_GERMAN = {
    "f": ("die", "der", "zur", "bei der"),
    "m": ("den", "dem", "zum", "beim"),
    "n": ("das", "dem", "zum", "beim"),
    "p": ("die", "den", "zu den", "bei den"),
}


def texts(language: str, sieve: Sieve) -> dict[str, Any]:
    """Everything of a language, frozen form. ``ValueError`` for a slot that nobody fills."""
    raw = read_toml(f"texts_{language}.toml")
    topics = _german_topics if language == "de" else _english_topics
    return {
        "steps": _lines(raw["steps"], language, sieve),
        "subjects": {kind: _lines(text, language, sieve) for kind, text in raw["subjects"].items()},
        "descriptions": {kind: _lines(text, language, sieve) for kind, text in raw["descriptions"].items()},
        "planned": {kind: _lines(text, language, sieve) for kind, text in raw["planned"].items()},
        "industries": {
            key: {
                "deal_titles": _lines(own["deal_titles"], language, sieve),
                "products": [
                    name for name in _split(own["products"]) if sieve.passes(name, f"{language} products")
                ],
                "topics": topics(raw["topics"], key, raw, sieve),
            }
            for key, own in raw["industries"].items()
        },
    }


def _lines(text: str, language: str, sieve: Sieve) -> list[str]:
    known = {*PERSON_SLOTS[language], *TOPIC_SLOTS[language], *_OTHER_SLOTS}
    lines = [line for line in text.strip().splitlines() if line]
    for line in lines:
        unknown = set(re.findall(r"\{(.*?)\}", line)) - known
        if unknown:
            raise ValueError(f"{line!r}: no such slot {sorted(unknown)}")
    return [line for line in lines if sieve.passes(re.sub(r"\{.*?\}", " ", line), f"{language} sentences")]


def _english_topics(topics: dict[str, Any], key: str, raw: dict[str, Any], sieve: Sieve) -> dict[str, Any]:
    bases = [*_split(raw["industries"][key]["topics"]), *_split(topics["common"])]
    without_article = {base.removeprefix(_NO_ARTICLE) for base in bases if base.startswith(_NO_ARTICLE)}
    bases = [base.removeprefix(_NO_ARTICLE) for base in bases]
    bases = [base for base in dict.fromkeys(bases) if sieve.passes(base, "en topics")]
    pairs = _with_seconds(
        [(base,) for base in bases], [(one,) for one in _split(raw["industries"][key]["seconds"])]
    )
    bare = [" and ".join(part[0] for part in pair) for pair in pairs]
    return {
        "weights": [_ALONE if len(pair) == 1 else 1 for pair in pairs],
        "topic": [
            text if pair[0][0] in without_article else f"the {text}"
            for pair, text in zip(pairs, bare, strict=True)
        ],
        "topic_bare": bare,
        "topic_title": [text[0].upper() + text[1:] for text in bare],
    }


def _german_topics(topics: dict[str, Any], key: str, _raw: dict[str, Any], sieve: Sieve) -> dict[str, Any]:
    bases = {
        name: gender
        for source in (topics[key], topics["common"])
        for gender in _GERMAN
        for name in _split(source.get(gender, ""))
        if sieve.passes(name, "de topics")
    }
    seconds = [tuple(reversed(text.split(" ", 1))) for text in _split(topics[key]["seconds"])]
    pairs = _with_seconds(list(bases.items()), seconds)
    accusative = [" und ".join(f"{_GERMAN[gender][0]} {name}" for name, gender in pair) for pair in pairs]
    return {
        "weights": [_ALONE if len(pair) == 1 else 1 for pair in pairs],
        "topic": [" und ".join(name for name, _ in pair) for pair in pairs],
        "topic_acc": accusative,
        "topic_acc_title": [text[0].upper() + text[1:] for text in accusative],
        "topic_dat": [
            " und ".join(f"{_GERMAN[gender][1]} {name}" for name, gender in pair) for pair in pairs
        ],
        "topic_zu": [" und ".join(f"{_GERMAN[gender][2]} {name}" for name, gender in pair) for pair in pairs],
        "topic_bei": [f"{_GERMAN[pair[0][1]][3]} {_dative(pair)}" for pair in pairs],
    }


def _dative(pair: list[tuple[str, ...]]) -> str:
    """What stands behind "beim": "Zeitplan und den Kosten"."""
    (name, _), *more = pair
    return " und ".join([name, *(f"{_GERMAN[gender][1]} {other}" for other, gender in more)])


def _with_seconds(
    bases: list[tuple[str, ...]], seconds: list[tuple[str, ...]]
) -> list[list[tuple[str, ...]]]:
    """Each base alone, and short ones with a second, evenly spread, until there are enough."""
    short = [base for base in bases if not _LONG.search(base[0])]
    pairs: list[list[tuple[str, ...]]] = [[base] for base in bases]
    for turn in range(len(seconds)):
        for place, base in enumerate(short):
            second = seconds[(place + turn) % len(seconds)]
            if len(pairs) < _TOPICS and not base[0].lower().endswith(second[0].lower()):
                pairs.append([base, second])
    return pairs


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
