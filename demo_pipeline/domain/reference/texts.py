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
import pyarrow.compute as pc
from numpy.typing import NDArray

from demo_pipeline.domain.core.arrow import integers, strings, text_scalar
from demo_pipeline.domain.model import ACTIVITY_TYPES
from demo_pipeline.domain.reference.pack_files import PACKAGED, pack_names, read_json, read_table, root

#: Packaged languages.
LANGUAGES: Final = pack_names("languages", PACKAGED)
#: Slots that need a company, a deal.
COMPANY_SLOT: Final = "company"
DEAL_SLOT: Final = "deal"
#: The type of activity that may lie ahead.
MEETING: Final = "meeting"

#: Arrow's string columns, plain or dictionary, and indices into them. The stubs know less than Arrow.
Strings: TypeAlias = Any
Places: TypeAlias = Any
#: Up to so many rows are rendered one by one.
FEW_ROWS: Final = 1_000
_UNCHECKED: Final = pc.TakeOptions(boundscheck=False)
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
    def parts(self) -> tuple[tuple[str, str, str], ...]:
        """Each slot with the literal before it; the last one with the literal after it, too."""
        last = len(self.slots) - 1
        return tuple(
            (self.literals[place], slot, self.literals[-1] if place == last else "")
            for place, slot in enumerate(self.slots)
        )

    @cached_property
    def distinct_slots(self) -> tuple[str, ...]:
        """Each slot once."""
        return tuple(dict.fromkeys(self.slots))

    @cached_property
    def text(self) -> str:
        """As it was parsed, for ``str.format_map``."""
        gaps = [f"{{{slot}}}" for slot in self.slots]
        return "".join(piece for pair in zip(self.literals, [*gaps, ""], strict=True) for piece in pair)

    def __str__(self) -> str:
        return self.text


class Forms:
    """Strings that stay as long as the process: what literals make of each is made once and kept.

    Only for frozen lists; what is kept is bounded by their number times that of the templates.
    """

    def __init__(self, values: Strings) -> None:
        self.values = values
        self._glued: dict[tuple[str, str], Strings] = {("", ""): values}

    @property
    def kept_count(self) -> int:
        """How many pairs of literals were glued to the strings."""
        return len(self._glued)

    def between(self, before: str, after: str) -> Strings:
        """``before + value + after`` for each value: a join a row less."""
        key = (before, after)
        if key not in self._glued:
            self._glued[key] = _join(text_scalar(before), self.values, text_scalar(after))
        return self._glued[key]


@dataclass(frozen=True, eq=False)
class SlotChoice:
    """A slot whose row *i* is ``forms.values[places[i]]``."""

    forms: Forms
    #: indices, shape (rows,), without nulls
    places: Places

    @classmethod
    def of(cls, forms: Forms, places: NDArray[np.int64]) -> SlotChoice:
        """From indices in numpy's form."""
        return cls(forms, integers(places, pa.int32()))


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
        return {slot: SlotChoice.of(forms, topic) for slot, forms in self._topic_forms.items()}

    def step_slot(self, step: NDArray[np.int64]) -> SlotChoice:
        """The steps at the places ``step``, shape (rows,)."""
        return SlotChoice.of(self._step_forms, step)

    def product_slot(self, product: NDArray[np.int64]) -> SlotChoice:
        """The products at the places ``product``, shape (rows,)."""
        return SlotChoice.of(self._product_forms, product)

    @cached_property
    def _topic_forms(self) -> Mapping[str, Forms]:
        return MappingProxyType({slot: Forms(values) for slot, values in self.topics.items()})

    @cached_property
    def _step_forms(self) -> Forms:
        return Forms(self.steps)

    @cached_property
    def _product_forms(self) -> Forms:
        return Forms(self.products)


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
    is_female: Any,
    honorifics: Mapping[str, tuple[str, str]],
) -> dict[str, Strings]:
    """The slots of a language for people, shape (people,) each.

    ``honorifics`` are the locale's, (female, male) by slot. Where ``is_female`` is null the full name stands
    for the form of address, and pronouns take their form for unknown people.
    """
    person = _join(first, text_scalar(" "), last)
    # 0 a man, 1 a woman, 2 unknown
    gender = pc.fill_null(is_female.cast(pa.int32()), integers([2], pa.int32())[0])
    dictionary: Any = pa.DictionaryArray

    def addressed(female: str, male: str) -> Strings:
        known = _join(pc.if_else(is_female, text_scalar(female), text_scalar(male)), text_scalar(" "), last)
        return pc.coalesce(known, person) if is_female.null_count else known

    forms = {pair: addressed(*pair) for pair in {honorifics[slot] for slot in language.salutation_slots}}
    return {
        "first": first,
        "last": last,
        "person": person,
        **{slot: forms[honorifics[slot]] for slot in language.salutation_slots},
        **{
            slot: dictionary.from_arrays(gender, strings([male, female, unknown]))
            for slot, (female, male, unknown) in language.pronoun_slots.items()
        },
    }


def render(
    templates: Sequence[Template],
    which: NDArray[np.int64],
    slots: Mapping[str, Strings | SlotChoice],
) -> Strings:
    """Row *i* is ``templates[which[i]]`` filled with row *i* of the slots; shape (rows,).

    Slots are string arrays, dictionary arrays of strings or choices from frozen lists, without nulls where a
    template needs them (a null makes the text null). A choice is the cheapest, because literals are glued to
    its forms once a process. ``KeyError`` names a slot that a drawn template needs and nobody gave.
    """
    if len(which) <= FEW_ROWS:
        return _render_rows(templates, which.tolist(), slots)
    order = np.argsort(which.astype(np.uint16), kind="stable")
    counts = np.bincount(which, minlength=len(templates))
    stops = np.cumsum(counts)
    drawn = [
        (templates[place], slice(int(stops[place] - counts[place]), int(stops[place])))
        for place in np.flatnonzero(counts).tolist()
    ]
    choices = {
        slot: (choice.forms, _take(choice.places, integers(order, pa.int64())))
        for slot, choice in slots.items()
        if isinstance(choice, SlotChoice)
    }
    # Any other slot is looked up once, for the rows of all templates that have it, in their order.
    rows_of: dict[str, list[NDArray[np.int64]]] = {}
    for template, rows in drawn:
        for slot in set(template.slots).difference(choices):
            rows_of.setdefault(slot, []).append(order[rows])
    filled = {slot: _looked_up(slots[slot], np.concatenate(rows)) for slot, rows in rows_of.items()}
    used = dict.fromkeys(filled, 0)
    parts: list[Strings] = []
    for template, rows in drawn:
        count = rows.stop - rows.start
        pieces: list[Any] = []
        for before, slot, after in template.parts:
            if slot in choices:
                forms, places = choices[slot]
                pieces.append(_take(forms.between(before, after), places.slice(rows.start, count)))
            else:
                pieces += [text_scalar(before)] if before else []
                pieces.append(filled[slot].slice(used[slot], count))
                pieces += [text_scalar(after)] if after else []
        for slot in set(template.slots).difference(choices):
            used[slot] += count
        if not template.slots:
            pieces = [strings([str(template)] * count)]
        parts.append(_join(*pieces) if len(pieces) > 1 else pieces[0])
    inverse = np.empty(len(order), np.int64)
    inverse[order] = np.arange(len(order))
    return _take(pa.concat_arrays(parts), integers(inverse, pa.int64()))


def _render_rows(
    templates: Sequence[Template], which: Sequence[int], slots: Mapping[str, Strings | SlotChoice]
) -> Strings:
    """The same row by row: for few rows it is quicker than a few calls for each template."""
    rows_of: dict[str, list[int]] = {}
    for row, place in enumerate(which):
        for slot in templates[place].distinct_slots:
            rows_of.setdefault(slot, []).append(row)
    filled = {
        slot: iter(_looked_up(slots[slot], np.array(rows, np.int64)).to_pylist())
        for slot, rows in rows_of.items()
    }
    texts: list[str | None] = []
    for place in which:
        template = templates[place]
        row = {slot: next(filled[slot]) for slot in template.distinct_slots}
        texts.append(None if None in row.values() else template.text.format_map(row))
    return strings(texts)


def _looked_up(values: Strings, rows: NDArray[np.int64]) -> Strings:
    """The values of these rows."""
    places = integers(rows, pa.int64())
    if isinstance(values, SlotChoice):
        return _take(values.forms.values, _take(values.places, places))
    if pa.types.is_dictionary(values.type):
        return _take(values.dictionary, _take(values.indices, places))
    return _take(values, places)


def _take(values: Any, places: Places) -> Any:
    # All places are in bounds by construction, and the plain kernel spares a dispatch a call.
    return pc.call_function("array_take", [values, places], _UNCHECKED)


def _join(*pieces: Any) -> Strings:
    return pc.binary_join_element_wise(*pieces, text_scalar(""))


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
