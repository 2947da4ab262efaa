"""How a language speaks of people, days and amounts; templates with named gaps.

What a language needs is declared in its pack (``packs/languages``). Nothing here makes arrays: commands that
only read need it, too. How gaps of many rows are filled is in ``texts``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.reference.pack_files import PACKAGED, pack_names, read_json, root

#: Packaged languages.
LANGUAGES: Final = pack_names("languages", PACKAGED)
#: What stands around texts of activities: kinds of templates that every language has.
FRAMES: Final = (
    "greeting_morning", "greeting_afternoon", "greeting_evening", "greeting", "closing", "reply_greeting",
    "reply_closing", "reply_closing_company", "reply_title", "space",
)  # fmt: skip
#: Before a slot of a form of address: that of the colleague who writes, or is written to.
WRITER: Final = "writer_"
#: What a slot of a form of address is called without the surname.
TITLE: Final = "_title"
#: Signs of currencies; others go by their code.
SYMBOLS: Final = {"USD": "$", "EUR": "€", "GBP": "£"}
#: A word of a job title that is written small, but not one that joins others.
_SMALL_WORD: Final = re.compile(r"\b(?!and\b|of\b|the\b|for\b)[a-z]+\b")
_SLOT: Final = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Template:
    """``literals[0] + slots[0] + literals[1] + … + literals[-1]``; one literal more than slots."""

    literals: tuple[str, ...]
    slots: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """``"Call with {person} about {topic}"``; literal braces are not possible."""
        parts = _SLOT.split(text)
        return cls(tuple(parts[::2]), tuple(parts[1::2]))

    @cached_property
    def text(self) -> str:
        """As it was parsed."""
        gaps = [f"{{{slot}}}" for slot in self.slots]
        return "".join(piece for pair in zip(self.literals, [*gaps, ""], strict=True) for piece in pair)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class Days:
    """How a language says when something is, seen from another day."""

    #: names of the months
    months: tuple[str, ...]
    #: what is to come: the same day, the same day after noon, the next day, a weekday, one of the next week
    ahead: tuple[str, ...]
    #: what was: the same day, the day before, a weekday of the last days
    before: tuple[str, ...]
    #: by country, with ``{month}`` and ``{day}``; that of "" is any other country's
    dates: Mapping[str, str]
    #: what ``{day}`` is on the first of a month: ``1er``
    first: str
    #: what days begin with and what is left out after another preposition: ``on Monday``, ``since Monday``
    preposition: str

    def plain(self, words: Sequence[str]) -> tuple[str, ...]:
        """Words for days without their preposition."""
        return tuple(word.removeprefix(self.preposition) for word in words)

    def dates_of(self, country: str) -> tuple[str, ...]:
        """The dates of twelve months of 31 days, as a country (ISO 3166-1 alpha-2) writes them."""
        return _dates(self, country.lower())


@dataclass(frozen=True, eq=False)
class Language:
    """How a language speaks of people, days and amounts."""

    code: str
    #: forms of address before a surname, by case; a country gives the words (``Locale.honorifics``)
    salutation_slots: tuple[str, ...]
    #: slot → words for a woman, for a man, and for a person whose gender is unknown
    pronoun_slots: Mapping[str, tuple[str, str, str]]
    #: what stands before and after a text: greetings and closings of e-mails, by kind
    frames: Mapping[str, tuple[str, ...]]
    days: Days
    #: ``{symbol}`` and ``{number}``; what groups thousands, and what comes before decimals
    money: str
    group: str
    decimal: str
    #: patterns of lines that do not fit a meeting: a person was not reached, a document was sent
    apart: tuple[str, ...]
    #: job titles have each word in capitals, not only the first one
    has_title_case: bool
    #: words that the clock decides, as patterns: no line of a story has one
    time_words: tuple[str, ...]

    def amount(self, minor: int, currency: Currency) -> str:
        """An amount of minor units as people write it: without decimals where there are none."""
        whole, rest = divmod(minor, 10**currency.minor_digits)
        number = f"{whole:,}".replace(",", self.group)
        if rest:
            number += f"{self.decimal}{rest:0{currency.minor_digits}}"
        # A code, unlike a sign, stands apart.
        symbol = SYMBOLS.get(currency.code, f"{currency.code} ")
        return self.money.format(symbol=symbol, number=number).strip()

    def job_title(self, role: str) -> str:
        """A role as it is written below a name."""
        if self.has_title_case:
            return _SMALL_WORD.sub(lambda found: found[0].capitalize(), role)
        return role[:1].upper() + role[1:]

    def spelt_out(self, template: Template) -> Template:
        """The template with the slots of :func:`person_slots`: a form of address is a title and a surname."""
        text = template.text.replace("{person}", "{first} {last}")
        for slot in self.salutation_slots:
            text = text.replace(f"{{{slot}}}", f"{{{slot}{TITLE}}} {{last}}")
            writer = f"{WRITER}{slot}"
            text = text.replace(f"{{{writer}}}", f"{{{writer}{TITLE}}} {{{WRITER}last}}")
        return Template.parse(text)


@cache
def _dates(days: Days, country: str) -> tuple[str, ...]:
    form = days.dates.get(country, days.dates[""])
    numbers = (days.first, *range(2, 32))
    return tuple(form.format(month=month, day=day) for month in days.months for day in numbers)


def load_language(code: str) -> Language:
    """The language of a pack. ``KeyError`` for another one."""
    if code not in pack_names("languages", root()):
        raise KeyError(code)
    return language_from(root() / "languages" / code)


@cache
def language_from(folder: Traversable) -> Language:
    """The language of a pack's folder, read once a process."""
    raw = read_json(folder / "language.json")
    pronouns = {
        slot: (forms["female"], forms["male"], forms["unknown"])
        for slot, forms in raw["pronoun_slots"].items()
    }
    return Language(
        code=folder.name,
        salutation_slots=tuple(raw["salutation_slots"]),
        pronoun_slots=MappingProxyType(pronouns),
        frames=MappingProxyType({kind: tuple(forms) for kind, forms in raw["frames"].items()}),
        days=Days(
            months=tuple(raw["days"]["months"]),
            ahead=tuple(raw["days"]["ahead"]),
            before=tuple(raw["days"]["before"]),
            dates=MappingProxyType(raw["days"]["dates"]),
            first=raw["days"].get("first", "1"),
            preposition=raw["days"].get("preposition", ""),
        ),
        money=raw["money"],
        group=raw["group"],
        decimal=raw["decimal"],
        apart=tuple(raw.get("apart", [])),
        time_words=tuple(raw["time_words"]),
        has_title_case=raw.get("job_titles", "first") == "each",
    )
