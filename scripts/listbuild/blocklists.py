"""Words that no list may have: those of ``list_sources/blocked.toml``, and how a word may not begin."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

_BLOCKED: Final = tomllib.loads(
    (Path(__file__).resolve().parent.parent / "list_sources" / "blocked.toml").read_text("utf-8")
)
#: Camps and other places of crimes: no name may contain one.
PLACES: Final = frozenset(_BLOCKED["places"].split())
#: Those with a list of words of their own.
LANGUAGES: Final = frozenset(_BLOCKED["words"])
#: Whole words, in the form of ``ascii_label``, of all languages.
WORDS: Final = frozenset(word for words in _BLOCKED["words"].values() for word in words.split())
#: Whole words as they are written, in small letters.
UNWANTED: Final = frozenset(_BLOCKED["unwanted"].split())
#: Known brands, in the form of ``ascii_label``.
BRANDS: Final = frozenset(_BLOCKED["brands"].split())
#: Parts that no acronym may have.
ACRONYM_PARTS: Final = frozenset(_BLOCKED["acronym_parts"].split())
#: How a word may not begin, in the form of ``ascii_label``.
BEGINNINGS: Final = re.compile(r"(?:cock|cunt|fuck|jizz|nigg|penis|rape|rapist|shit|slut|twat|wank(?!e$|el))")


def is_blocked(label: str) -> bool:
    """Whether a word, as ``ascii_label`` writes it, is notorious or crude in any language."""
    return label in WORDS or any(place in label for place in PLACES) or BEGINNINGS.match(label) is not None
