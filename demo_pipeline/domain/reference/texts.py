"""How templates are filled for many rows at once; titles, stages, tags and products of an industry.

A template is literal text around named slots (``languages``). The words of an industry in each language are
in the industry's pack; what activities say is in ``stories``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demo_pipeline.domain.core.arrow import chain, joined, kept_strings, strings, take
from demo_pipeline.domain.core.random_streams import ascending
from demo_pipeline.domain.reference.languages import TITLE, Language, Template, language_from
from demo_pipeline.domain.reference.own_lists import NO_LISTS, OwnLists
from demo_pipeline.domain.reference.pack_files import pack_names, read_json, root

#: The slot that needs a company.
COMPANY_SLOT: Final = "company"

Strings: TypeAlias = pa.StringArray
_UNKNOWN: Final = 2


@dataclass(frozen=True, eq=False)
class SlotChoice:
    """A slot whose row *i* is ``values[places[i]]``; null below 0."""

    values: Strings
    #: indices, shape (rows,)
    places: NDArray[np.int64]


#: the values of a slot, by its name, for some rows
Slots: TypeAlias = Callable[[str, NDArray[np.int64]], SlotChoice]


@dataclass(frozen=True, eq=False)
class Layout:
    """Templates as lists of their pieces, so that rows of all templates are filled in one go."""

    #: each literal once, and a null behind them
    literals: Strings
    slots: tuple[str, ...]
    #: the pieces of one template after the other, from left to right: the place of a literal, or
    #: ``-1 - place`` of a slot
    pieces: NDArray[np.int32]
    #: where those of a template begin, and how many they are; the last template has none
    start: NDArray[np.int64]
    count: NDArray[np.int64]

    @classmethod
    def of(cls, templates: Sequence[Template]) -> Layout:
        """Of templates in their order."""
        slots = tuple(dict.fromkeys(slot for template in templates for slot in template.slots))
        literals = dict.fromkeys(text for template in templates for text in template.literals)
        literal_places = {text: place for place, text in enumerate(literals)}
        slot_places = {slot: -1 - place for place, slot in enumerate(slots)}
        pieces: list[int] = []
        ends = [0]
        for template in templates:
            for literal, slot in zip(template.literals, (*template.slots, None), strict=True):
                pieces += [literal_places[literal]] if literal else []
                pieces += [] if slot is None else [slot_places[slot]]
            ends.append(len(pieces))
        count = np.diff(np.array([*ends, len(pieces)]))
        return cls(strings([*literals, None]), slots, np.array(pieces, np.int32), np.array(ends), count)


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
    #: besides, for those who buy for the first time, and for those who have bought before
    titles_first: tuple[Template, ...]
    titles_again: tuple[Template, ...]
    products: Strings
    #: what stands for ``product`` in a title, by kind of line, with the slots ``product``, ``pieces``,
    #: ``more`` (pieces besides the first) and ``city``
    lines: Mapping[str, tuple[Template, ...]]


#: What stands for pieces of a tenant's own product, in every language, where the trade has no form for them.
_PIECES_LINE: Final = "{pieces} × {product}"


def load_texts(language: str, industry: str, country: str = "", own: OwnLists = NO_LISTS) -> Texts:
    """Texts of a language and industry with a tenant's own lists. ``KeyError`` for another one.

    ``country`` (ISO 3166-1 alpha-2) has its own names of some products. The pack is read once a process.
    """
    for kind, name in (("languages", language), ("industries", industry)):
        if name not in pack_names(kind, root()):
            raise KeyError(name)
    texts = _load(root(), language, industry, country.lower())
    return _with_own(texts, own) if own.stages or own.products else texts


def _with_own(texts: Texts, own: OwnLists) -> Texts:
    if own.stages:
        texts = replace(texts, stages=tuple(one.name for one in own.stages))
    if own.products:
        lines = {"pieces": _parse([_PIECES_LINE]), **texts.lines}
        products = strings([one.name for one in own.products])
        texts = replace(texts, products=products, lines=MappingProxyType(lines))
    return texts


@lru_cache
def _load(packs: Traversable, language: str, industry: str, country: str) -> Texts:
    about = language_from(packs / "languages" / language)
    words = read_json(packs / "industries" / industry / f"words.{language}.json")
    spellings: dict[str, str] = words.get("spellings", {}).get(country, {})
    return Texts(
        language=about,
        industry=industry,
        stages=tuple(words["stages"]),
        tags=tuple(Tag(name, color) for name, color in words["tags"].items()),
        deal_titles=_parse(words["deal_titles"]),
        titles_first=_parse(words["deal_titles_first"]),
        titles_again=_parse(words["deal_titles_again"]),
        products=strings([spellings.get(name, name) for name in words["products"]]),
        lines=MappingProxyType({kind: _parse(forms) for kind, forms in words["lines"].items()}),
    )


@dataclass(frozen=True, eq=False)
class People:
    """Who is spoken of or to, row by row: the slots of a language for people."""

    language: Language
    given: Strings
    surnames: Strings
    #: places among the names, shape (rows,)
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    #: 0 a man, 1 a woman, 2 unknown, shape (rows,)
    gender: NDArray[np.int64]
    #: the locale's forms of address, (female, male) by slot
    honorifics: Mapping[str, tuple[str, str]]

    def slot(self, name: str, rows: NDArray[np.int64]) -> SlotChoice | None:
        """A slot of some rows; None: it is not of people.

        Where the gender is unknown the given name stands for the title, and pronouns take their form for
        unknown people.
        """
        if name == "first":
            return _each(take(self.given, self.first[rows]))
        if name == "last":
            return _each(take(self.surnames, self.last[rows]))
        gender = self.gender[rows]
        if name in self.language.pronoun_slots:
            female, male, unknown = self.language.pronoun_slots[name]
            return SlotChoice(kept_strings((male, female, unknown)), gender)
        form = name.removesuffix(TITLE)
        if form == name or form not in self.honorifics:
            return None
        female, male = self.honorifics[form]
        unknown = np.flatnonzero(gender == _UNKNOWN)
        place = gender.copy()
        place[unknown] = _UNKNOWN + np.arange(len(unknown))
        return SlotChoice(
            chain(kept_strings((male, female)), take(self.given, self.first[rows[unknown]])), place
        )


def _each(values: Strings) -> SlotChoice:
    return SlotChoice(values, np.arange(len(values)))


def given_slots(slots: Mapping[str, Strings | SlotChoice]) -> Slots:
    """Slots that are made already, shape (rows,) each. They raise ``KeyError`` for another one."""

    def slot(name: str, rows: NDArray[np.int64]) -> SlotChoice:
        values = slots[name]
        if isinstance(values, SlotChoice):
            return SlotChoice(values.values, values.places[rows])
        return SlotChoice(values, rows)

    return slot


def render(layout: Layout, which: NDArray[np.int64], slots: Slots) -> pa.StringArray:
    """Row *i* is the ``which[i]``-th template of the layout filled with row *i* of the slots; shape (rows,).

    Of ``which`` of shape (rows, templates) the templates of a row follow each other; -1 is none.
    A null in a slot makes the text null. Slots are asked for only where a drawn template needs them.
    """
    counts = layout.count[which]
    lengths = counts if which.ndim == 1 else counts.sum(axis=1)
    each, before = counts.ravel(), np.cumsum(counts) - counts.ravel()
    place = np.repeat(layout.start[which].ravel() - before, each)
    place += np.arange(len(place))
    picks = layout.pieces[place].astype(np.int64)
    at = np.flatnonzero(picks < 0)
    number, row = -1 - picks[at], np.repeat(np.arange(len(which)), lengths)[at]
    by_slot = ascending(number)
    asked = np.split(by_slot, np.cumsum(np.bincount(number, minlength=len(layout.slots))))
    # One list for all pieces: the literals, then what each slot may be, with the place of each row in it.
    pool, missing, start = [layout.literals], len(layout.literals) - 1, len(layout.literals)
    for name, places in zip(layout.slots, asked, strict=False):
        if len(places):
            choice = slots(name, row[places])
            picks[at[places]] = np.where(choice.places < 0, missing, start + choice.places)
            pool.append(choice.values)
            start += len(choice.values)
    return joined(pa.concat_arrays(pool), picks, lengths)


@cache
def usable(templates: tuple[Template, ...], *, with_company: bool) -> tuple[Template, ...]:
    """The templates that name the company, where there is one; others elsewhere.

    Several people of a company may have a say in its deal: what it is called after one of them fits badly.
    """
    return tuple(one for one in templates if (COMPANY_SLOT in one.slots) == with_company)


@cache
def _parsed(texts: tuple[str, ...]) -> tuple[Template, ...]:
    return tuple(Template.parse(text) for text in texts)


def _parse(texts: list[str]) -> tuple[Template, ...]:
    return _parsed(tuple(texts))
