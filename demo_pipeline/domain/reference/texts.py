"""Sentences with gaps: titles of deals, subjects and descriptions of activities, and how gaps are filled.

A template is literal text around named slots. Every template of a subject has a topic, every description a
topic and a step, and different (template, topic) or (template, topic, step) give different texts, across
all types of activities: a deal that never draws a pair twice has no text twice. Forms of address and
topics come in the grammatical cases that a language needs; no template makes a verb agree with a topic.

What a language needs is declared in its pack (``packs/languages``), the words of an industry in each language
are in the industry's pack. Which template, topic and step a row draws is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demo_pipeline.domain.core.arrow import choose, joined, kept_strings, strings, texts
from demo_pipeline.domain.model import ACTIVITY_TYPES
from demo_pipeline.domain.reference.pack_files import PACKAGED, pack_names, read_json, read_table, root

#: Packaged languages.
LANGUAGES: Final = pack_names("languages", PACKAGED)
#: Slots that need a company, a deal.
COMPANY_SLOT: Final = "company"
DEAL_SLOT: Final = "deal"
#: The type of activity that may lie ahead.
MEETING: Final = "meeting"

Strings: TypeAlias = pa.StringArray
#: What is behind the last piece of a template.
_END: Final = np.iinfo(np.int16).min
_SLOT = re.compile(r"\{([a-z_]+)\}")


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
class SlotChoice:
    """A slot whose row *i* is ``values[places[i]]``; null below 0."""

    values: Strings
    #: indices, shape (rows,)
    places: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Layout:
    """Templates as a table of their pieces, so that rows of all templates are filled in one go."""

    #: each literal once, and a null behind them
    literals: Strings
    slots: tuple[str, ...]
    #: from left to right the place of a literal, or ``-1 - place`` of a slot; ``_END`` where there is none;
    #: shape (templates, most pieces)
    pieces: NDArray[np.int16]

    @classmethod
    def of(cls, templates: Sequence[Template]) -> Layout:
        """Of templates in their order."""
        slots = tuple(dict.fromkeys(slot for template in templates for slot in template.slots))
        literals = dict.fromkeys(text for template in templates for text in template.literals)
        places = {text: place for place, text in enumerate(literals)}
        rows: list[list[int]] = []
        for template in templates:
            row: list[int] = []
            for literal, slot in zip(template.literals, (*template.slots, None), strict=True):
                row += [places[literal]] if literal else []
                row += [] if slot is None else [-1 - slots.index(slot)]
            rows.append(row)
        pieces = np.full((len(rows), max(map(len, rows), default=0)), _END, np.int16)
        for place, row in enumerate(rows):
            pieces[place, : len(row)] = row
        return cls(strings([*literals, None]), slots, pieces)


@dataclass(frozen=True, eq=False)
class Language:
    """Which slots the sentences of a language may have, besides names, company, deal, product and step."""

    code: str
    #: forms of a topic by case or position; ``topic`` is always there
    topic_slots: tuple[str, ...]
    #: forms of address before a surname, by case; a country gives the words (``Locale.honorifics``)
    salutation_slots: tuple[str, ...]
    #: slot → words for a woman, for a man, for somebody unknown
    pronoun_slots: Mapping[str, tuple[str, str, str]]

    def spelt_out(self, template: Template) -> Template:
        """The template with the slots of :func:`person_slots`: a form of address is a title and a surname."""
        text = template.text.replace("{person}", "{first} {last}")
        for slot in self.salutation_slots:
            text = text.replace(f"{{{slot}}}", f"{{{slot}_title}} {{last}}")
        return Template.parse(text)


@dataclass(frozen=True)
class Tag:
    """A label for contacts."""

    name: str
    #: ``#rrggbb``
    color: str


@dataclass(frozen=True, eq=False)
class Texts:
    """All texts of a language and industry."""

    language: Language
    industry: str
    #: names of the stages, in the order of ``Industry.stages``
    stages: tuple[str, ...]
    tags: tuple[Tag, ...]
    #: with slots of a person, ``company`` and ``product``
    deal_titles: tuple[Template, ...]
    products: Strings
    #: what stands for ``product`` in a title, by kind of line, with the slots ``product``, ``pieces``,
    #: ``more`` (pieces besides the first) and ``city``
    lines: Mapping[str, tuple[Template, ...]]
    #: by type of activity
    subjects: Mapping[str, tuple[Template, ...]]
    #: by type of activity, 60 to 300 characters when filled
    descriptions: Mapping[str, tuple[Template, ...]]
    #: descriptions of meetings that have not taken place yet; only for the type ``meeting``
    planned: Mapping[str, tuple[Template, ...]]
    #: the forms of ``Language.topic_slots``, aligned: place *i* is the same topic in all
    topics: Mapping[str, Strings]
    #: running sums of weights: plain topics more often than those with "and"
    topic_cumulative: NDArray[np.int64]
    #: whole sentences
    steps: Strings
    #: steps and descriptions that speak of an agreement
    agreed: frozenset[str]

    @property
    def topic_count(self) -> int:
        return len(self.topics["topic"])

    def topic_slots(self, topic: NDArray[np.int64]) -> dict[str, SlotChoice]:
        """All forms of the topics at the places ``topic``, shape (rows,)."""
        return {slot: SlotChoice(values, topic) for slot, values in self.topics.items()}


def load_texts(language: str, industry: str, country: str = "") -> Texts:
    """Texts of a language and industry, read once a process. ``KeyError`` for another one.

    ``country`` (ISO 3166-1 alpha-2) has its own names of some products.
    """
    for kind, name in (("languages", language), ("industries", industry)):
        if name not in pack_names(kind, root()):
            raise KeyError(name)
    return _load(root(), language, industry, country.lower())


@lru_cache
def _load(packs: Traversable, language: str, industry: str, country: str) -> Texts:
    about = _load_language(packs / "languages" / language)
    sentences = _sentences(packs / "languages" / language)
    words = read_json(packs / "industries" / industry / f"words.{language}.json")
    spellings: dict[str, str] = words.get("spellings", {}).get(country, {})
    topics = read_table(packs / "industries" / industry / f"topics.{language}.tsv")
    return Texts(
        language=about,
        industry=industry,
        stages=tuple(words["stages"]),
        tags=tuple(Tag(name, color) for name, color in words["tags"].items()),
        deal_titles=_parse(words["deal_titles"]),
        products=strings([spellings.get(name, name) for name in words["products"]]),
        lines=MappingProxyType({kind: _parse(forms) for kind, forms in words["lines"].items()}),
        subjects=MappingProxyType({kind: _parse(sentences["subjects"][kind]) for kind in ACTIVITY_TYPES}),
        descriptions=MappingProxyType(
            {kind: _parse(sentences["descriptions"][kind]) for kind in ACTIVITY_TYPES}
        ),
        planned=MappingProxyType({MEETING: _parse(sentences["planned"][MEETING])}),
        topics=MappingProxyType({slot: strings(topics[slot]) for slot in about.topic_slots}),
        topic_cumulative=np.cumsum(np.array(topics["weight"], np.int64)),
        steps=strings(sentences["steps"]),
        agreed=frozenset(sentences.get("agreed", ())),
    )


@cache
def _load_language(folder: Traversable) -> Language:
    raw = read_json(folder / "language.json")
    pronouns = {
        slot: (forms["female"], forms["male"], forms["unknown"])
        for slot, forms in raw["pronoun_slots"].items()
    }
    return Language(
        code=folder.name,
        topic_slots=tuple(raw["topic_slots"]),
        salutation_slots=tuple(raw["salutation_slots"]),
        pronoun_slots=MappingProxyType(pronouns),
    )


@cache
def _sentences(folder: Traversable) -> dict[str, Any]:
    return read_json(folder / "sentences.json")


def person_slots(
    language: Language,
    first: Strings,
    last: Strings,
    gender: NDArray[np.int64],
    honorifics: Mapping[str, tuple[str, str]],
) -> dict[str, Strings | SlotChoice]:
    """The slots of a language for people, shape (people,) each; ``gender``: 0 a man, 1 a woman, 2 unknown.

    ``honorifics`` are the locale's, (female, male) by slot. Where the gender is unknown the given name stands
    for the title, and pronouns take their form for unknown people.
    """
    is_unknown = gender == 2

    def title(female: str, male: str) -> Strings | SlotChoice:
        if is_unknown.any():
            return choose(is_unknown, first, texts((male, female, ""), gender))
        return SlotChoice(kept_strings((male, female)), gender)

    return {
        "first": first,
        "last": last,
        **{f"{slot}_title": title(*honorifics[slot]) for slot in language.salutation_slots},
        **{
            slot: SlotChoice(kept_strings((male, female, unknown)), gender)
            for slot, (female, male, unknown) in language.pronoun_slots.items()
        },
    }


def render(
    layout: Layout, which: NDArray[np.int64], slots: Mapping[str, Strings | SlotChoice]
) -> pa.StringArray:
    """Row *i* is the ``which[i]``-th template of the layout filled with row *i* of the slots; shape (rows,).

    A null in a slot makes the text null. ``KeyError`` names a slot that a drawn template needs and that is
    missing.
    """
    pieces = layout.pieces[which]
    is_there = pieces != _END
    lengths = np.count_nonzero(is_there, axis=1)
    picks = pieces[is_there].astype(np.int64)
    at = np.flatnonzero(picks < 0)
    number, row = -1 - picks[at], np.repeat(np.arange(len(which)), lengths)[at]
    # One list for all pieces: the literals, then what each slot may be, with the place of each row in it.
    pool, missing, start = [layout.literals], len(layout.literals) - 1, len(layout.literals)
    places = np.empty((len(layout.slots), len(which)), np.int64)
    for slot in np.flatnonzero(np.bincount(number)).tolist():
        values = slots[layout.slots[slot]]
        if isinstance(values, SlotChoice):
            places[slot] = np.where(values.places < 0, missing, start + values.places)
            values = values.values
        else:
            places[slot] = np.arange(start, start + len(which))
        pool.append(values)
        start += len(values)
    picks[at] = places[number, row]
    return joined(pa.concat_arrays(pool), picks, lengths)


@cache
def usable(templates: tuple[Template, ...], *, with_company: bool, with_deal: bool) -> tuple[Template, ...]:
    """The templates that need nothing that is not there."""
    return tuple(
        template
        for template in templates
        if (with_company or COMPANY_SLOT not in template.slots)
        and (with_deal or DEAL_SLOT not in template.slots)
    )


@cache
def _parsed(texts: tuple[str, ...]) -> tuple[Template, ...]:
    return tuple(Template.parse(text) for text in texts)


def _parse(texts: list[str]) -> tuple[Template, ...]:
    return _parsed(tuple(texts))
