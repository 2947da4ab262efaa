"""Reading the sources, and the words that no list may have."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from demo_pipeline.domain.reference.blocked_words import blocked_word
from demo_pipeline.domain.reference.names import ascii_label

#: names and positive integer weights
Pairs = list[tuple[str, int]]

SOURCES = Path(__file__).resolve().parent.parent / "list_sources"

#: A visible word that begins so would give a tenant away.
TELLTALE = re.compile(r"(?:demo|test|fake|lorem|sample|generated|dummy)", re.IGNORECASE)


class Sieve:
    """Lets words through or not, and counts what it kept back."""

    def __init__(self) -> None:
        self.kept_back: Counter[str] = Counter()

    def passes(self, text: str, reason_for: str, *, is_sentence: bool = False) -> bool:
        """False if a word of ``text`` must not be seen, nor, of a name, its joined ASCII form."""
        words = re.findall(r"[^\W\d_]+", text)
        labels = {ascii_label(word) for word in words}
        if not is_sentence:
            labels.add(ascii_label(text))
        if any(TELLTALE.match(word) for word in (*words, *labels)):
            self.kept_back[f"{reason_for}: telltale"] += 1
            return False
        if blocked_word(text, is_sentence=is_sentence) is not None:
            self.kept_back[f"{reason_for}: unwanted"] += 1
            return False
        return True

    def keep(self, texts: Iterable[str], reason_for: str) -> list[str]:
        """Those that pass, doubles (and doubles in ASCII) left out, in order."""
        seen: set[str] = set()
        result: list[str] = []
        for text in texts:
            label = ascii_label(text)
            if label not in seen and self.passes(text, reason_for):
                seen.add(label)
                result.append(text)
        return result


def read_toml(name: str) -> dict[str, Any]:
    """One source file in TOML."""
    return tomllib.loads((SOURCES / name).read_text("utf-8"))


def read_words(name: str) -> list[str]:
    """A source file of words, one a line or between blanks, in order."""
    return (SOURCES / name).read_text("utf-8").split()


def read_rows(name: str) -> list[list[str]]:
    """A source file of tab-separated fields."""
    return [line.split("\t") for line in (SOURCES / name).read_text("utf-8").splitlines() if line]


def split(text: str) -> list[str]:
    """The parts of a text between commas; a line end is a blank."""
    return [part.strip() for part in " ".join(text.split()).split(",") if part.strip()]
