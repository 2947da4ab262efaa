"""Words that no list may have: those of ``packs/blocked.toml``, and how a word may not begin.

They hold in every country: a word that is crude or notorious in one language is so in an office that works in
another. Words that would disclose a demo are in ``parsing.scalars``.
"""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from typing import Any, Final

from demo_pipeline.domain.reference.names import ascii_label
from demo_pipeline.domain.reference.pack_files import PACKAGED

_BLOCKED: Final[dict[str, Any]] = tomllib.loads((PACKAGED / "blocked.toml").read_text("utf-8"))
#: Camps and other places of crimes: no name may contain one.
PLACES: Final = re.compile("|".join(map(re.escape, _BLOCKED["places"].split())))
#: Those with a list of words of their own.
LANGUAGES: Final = frozenset[str](_BLOCKED["words"])
#: Whole words, in the form of ``ascii_label``, of all languages.
WORDS: Final = frozenset[str](word for words in _BLOCKED["words"].values() for word in words.split())
#: Whole words as they are written, in small letters.
UNWANTED: Final = frozenset[str](_BLOCKED["unwanted"].split())
#: Known brands, in the form of ``ascii_label``.
BRANDS: Final = frozenset[str](_BLOCKED["brands"].split())
#: Parts that no acronym may have.
ACRONYM_PARTS: Final = frozenset[str](_BLOCKED["acronym_parts"].split())
#: How a word may not begin, in the form of ``ascii_label``.
BEGINNINGS: Final = re.compile(r"(?:cock|cunt|fuck|jizz|nigg|penis|rape|rapist|shit|slut|twat|wank(?!e$|el))")
_WORD: Final = re.compile(r"[^\W\d_]+")


@lru_cache(maxsize=1 << 16)
def is_blocked(label: str) -> bool:
    """Whether a word, as ``ascii_label`` writes it, is notorious or crude in any language."""
    return label in WORDS or (PLACES.search(label) or BEGINNINGS.match(label)) is not None


def blocked_word(text: str, *, is_sentence: bool = False) -> str | None:
    """The first word of a text that no list may have; of a name also the whole, joined. None: none."""
    words: list[str] = _WORD.findall(text)
    candidates = words if is_sentence else [*words, text]
    return next(
        (word for word in candidates if word.lower() in UNWANTED or is_blocked(ascii_label(word))), None
    )
