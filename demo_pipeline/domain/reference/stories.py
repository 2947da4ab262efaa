"""Lines of stories: what an activity about a deal, or with a contact, may say, beat by beat.

A *beat* is a step of a story: a first contact, an offer, an objection, an invoice. A pack has lines for each
beat in several *forms*: what was said in a call, an e-mail, its subject. A line is a template; what fills its
slots comes from rows, from the clock, or from lists of *facts*, of which a deal has one each in all texts.

Lines are in ``packs/industries/<industry>/stories.<language>.tsv``; how a language says days and amounts is
in its own pack. Which beat a row shows, and which line it draws, is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from demo_pipeline.domain.core.arrow import strings
from demo_pipeline.domain.model import COMPANY_SIZES
from demo_pipeline.domain.reference.languages import Language, Template
from demo_pipeline.domain.reference.own_lists import NO_LISTS, OwnLists
from demo_pipeline.domain.reference.pack_files import read_json, read_table, root
from demo_pipeline.domain.reference.story_parts import BEATS, FACT, FORMS, NEEDS, beat
from demo_pipeline.domain.reference.texts import Layout, Strings

_ENDS_WITH_NAME: Final = re.compile(r"\{(company|company_full)\}\.")
_APART: Final = 1 << list(NEEDS).index("apart")
#: Forms that meetings have as well as calls and notes.
_OF_MEETINGS: Final = frozenset({"talk", "detail"})
#: Any size, any legal form.
ANY: Final = "any"
#: Of a language; may be absent: then every fact is said of every company.
STRUCTURE_FILE: Final = "company_structure.tsv"


@dataclass(frozen=True)
class Requirement:
    """What a company must be for a fact to be said of it, and of its people."""

    #: a label of ``companies.size``; "": any size
    smallest_size: str = ""
    #: none: any
    legal_forms: frozenset[str] = frozenset()

    def __and__(self, other: Requirement) -> Requirement:
        """What meets both; of sizes the second one counts. ``ValueError`` if no legal form meets both."""
        forms = self.legal_forms or other.legal_forms
        if self.legal_forms and other.legal_forms:
            forms = self.legal_forms & other.legal_forms
            if not forms:
                raise ValueError(f"no legal form is in {self.legal_forms} and {other.legal_forms}")
        return Requirement(other.smallest_size or self.smallest_size, forms)


@dataclass(frozen=True, eq=False)
class Stories:
    """The lines of a language and industry."""

    layout: Layout
    #: templates by what a row has, beat and form, so that those of one group follow each other
    templates: NDArray[np.int32]
    #: where those of a group begin, and how many they are, shape (2 ** needs, beats, forms)
    start: NDArray[np.int64]
    count: NDArray[np.int64]
    #: the facts, and the next day, that each template speaks of, a bit each; the last one is of no template
    fact_bits: NDArray[np.uint64]
    #: by name; ``role_f`` and ``role_m`` are always there, lists whose names agree up to ``_`` are aligned
    facts: Mapping[str, Strings]
    #: what each line of lists that belong together requires, by the name of the group; only of groups of
    #: which some line requires something
    requirements: Mapping[str, tuple[Requirement, ...]]
    #: groups of facts that a company, or a private person, has one of in all of its stories
    of_accounts: frozenset[str]
    #: where the templates around a text are in the layout, by kind: the first, and how many
    frames: Mapping[str, tuple[int, int]]


def load_stories(language: Language, industry: str, country: str, own: OwnLists = NO_LISTS) -> Stories:
    """Lines of a language and industry as ``country`` (ISO 3166-1 alpha-2) spells them.

    With a tenant's own lines and topics, as :func:`story_rows` has them, which are spelt as they are.
    """
    return _load(root(), language, industry, country.lower(), _lines_only(own))


def _lines_only(own: OwnLists) -> OwnLists:
    """What stories depend on: so tenants with other lists of names share them."""
    return OwnLists(beats=own.beats, topics=own.topics) if own.beats or own.topics else NO_LISTS


#: The columns ``beat``, ``form`` and ``text`` of stories.
StoryTable: TypeAlias = Mapping[str, Sequence[str]]


def story_rows(language: Language, industry: str, own: OwnLists) -> tuple[StoryTable, int]:
    """The lines of a pack with those of a tenant, and how many of them are the pack's, which come first.

    Own lines take the place of all lines of the pack with the same beat and form, own topics that of the
    list of facts of the same name.
    """
    table = read_table(root() / "industries" / industry / f"stories.{language.code}.tsv")
    if not (own.beats or own.topics):
        return table, len(table["text"])
    replaced = {(one.beat, one.form) for one in own.beats} | {(FACT, one.topic) for one in own.topics}
    rows = [
        row
        for row in zip(table["beat"], table["form"], table["text"], strict=True)
        if row[:2] not in replaced
    ]
    added = [(FACT, one.topic, one.text) for one in own.topics] + [tuple(one) for one in own.beats]
    beats, forms, texts = zip(*rows, *added, strict=True)
    return {"beat": beats, "form": forms, "text": texts}, len(rows)


@lru_cache
def _load(packs: Traversable, language: Language, industry: str, country: str, own: OwnLists) -> Stories:
    folder = packs / "industries" / industry
    table, count_of_pack = story_rows(language, industry, own)
    words = read_json(folder / f"words.{language.code}.json")
    own_frames: dict[str, list[str]] = words.get("frames", {})
    apart = re.compile("|".join(language.apart) or "(?!)", re.IGNORECASE)
    respell = _Speller(_spellings(packs / "languages" / language.code, country))
    facts: dict[str, list[str]] = {}
    templates: list[Template] = []
    groups: list[int] = []
    needs: list[int] = []
    # All in one: most have nothing to respell.
    texts = respell("\n".join(table["text"][:count_of_pack])).split("\n")
    texts += table["text"][count_of_pack:]
    for name, kind, spelt in zip(table["beat"], table["form"], texts, strict=True):
        if name == FACT:
            facts.setdefault(kind, []).append(spelt)
            continue
        # Names of companies may end with a full stop.
        template = language.spelt_out(Template.parse(_ENDS_WITH_NAME.sub(r"{\1_stop}", spelt)))
        templates.append(template)
        groups.append(beat(name) * len(FORMS) + FORMS.index(kind))
        needs.append(_needs(template) | (_APART if kind in _OF_MEETINGS and apart.search(spelt) else 0))
    if "role" in facts:
        facts["role_f"] = facts["role_m"] = facts.pop("role")
    for sex in ("f", "m"):
        facts[f"role_title_{sex}"] = [language.job_title(role) for role in facts[f"role_{sex}"]]
    places, start, count = _grouped(np.array(groups), np.array(needs))
    frames: dict[str, tuple[int, int]] = {}
    framed: list[Template] = []
    for kind, forms in {**language.frames, **own_frames}.items():
        frames[kind] = len(templates) + len(framed), len(forms)
        framed += [language.spelt_out(Template.parse(text)) for text in forms]
    shape = (-1, len(BEATS), len(FORMS))
    named = dict.fromkeys(("next", *map(fact_group, facts)))
    bits = {name: 1 << place for place, name in enumerate(named)}
    return Stories(
        layout=Layout.of([*templates, *framed]),
        templates=places,
        start=start.reshape(shape),
        count=count.reshape(shape),
        fact_bits=np.array(
            [_fact_bits(one, bits) for one in (*templates, *framed, Template.parse(""))], np.uint64
        ),
        facts=MappingProxyType({name: strings(values) for name, values in facts.items()}),
        requirements=MappingProxyType(_requirements(_structure(packs / "languages" / language.code), facts)),
        of_accounts=frozenset(words.get("account_facts", [])),
        frames=MappingProxyType(frames),
    )


def fact_group(name: str) -> str:
    """What the names of lists that belong together line by line have in common."""
    return name.partition("_")[0]


def _structure(folder: Traversable) -> list[tuple[re.Pattern[str], Requirement]]:
    """Words that speak of departments, boards and owners, with what they require, sizes ascending."""
    file = folder / STRUCTURE_FILE
    if not file.is_file():
        return []
    table = read_table(file)
    rows = zip(table["words"], table["smallest_size"], table["legal_forms"], strict=True)
    return [
        (
            re.compile(words, re.IGNORECASE),
            Requirement(
                "" if size == ANY else size, frozenset[str]() if forms == ANY else frozenset(forms.split(","))
            ),
        )
        for words, size, forms in sorted(rows, key=lambda row: (ANY, *COMPANY_SIZES).index(row[1]))
    ]


def _requirements(
    structure: Sequence[tuple[re.Pattern[str], Requirement]], facts: Mapping[str, Sequence[str]]
) -> dict[str, tuple[Requirement, ...]]:
    lines: dict[str, list[Requirement]] = {}
    for name, values in facts.items():
        group = lines.setdefault(fact_group(name), [Requirement()] * len(values))
        for place, value in enumerate(values):
            for words, requirement in structure:
                if words.search(value):
                    group[place] &= requirement
    return {name: tuple(group) for name, group in lines.items() if set(group) != {Requirement()}}


def _fact_bits(template: Template, bits: Mapping[str, int]) -> int:
    """The facts of a line; groups of lists beyond the 63rd have no bit."""
    return sum({bits.get(fact_group(slot), 0) % (1 << 63) for slot in template.slots})


def _needs(template: Template) -> int:
    """What a line needs, bit by bit in the order of ``NEEDS``."""
    return sum(
        1 << place for place, slots in enumerate(NEEDS.values()) if not slots.isdisjoint(template.slots)
    )


def _grouped(
    group: NDArray[np.int64], needs: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """The lines that go with what a row has, by that and by group; where each begins, and its length."""
    groups = len(BEATS) * len(FORMS)
    order = np.argsort(group, kind="stable")
    has = np.arange(1 << len(NEEDS), dtype=np.int64)[:, None]
    is_usable = (needs[order] & ~has) == 0
    which, place = np.nonzero(is_usable)
    count = np.bincount(which * groups + group[order[place]], minlength=len(has) * groups)
    return order[place].astype(np.int32), np.cumsum(count) - count, count


@cache
def _spellings(folder: Traversable, country: str) -> Mapping[str, str]:
    """Words of the language → as the country writes them."""
    spellings: dict[str, dict[str, str]] = read_json(folder / "language.json").get("spellings", {})
    return spellings.get(country, {})


class _Speller:
    """Writes words as a country does; words in slots are left alone."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = {**words, **{old.capitalize(): new.capitalize() for old, new in words.items()}}
        self._pattern = re.compile(r"\b(" + "|".join(map(re.escape, self._words)) + r")\b(?!\})")

    def __call__(self, text: str) -> str:
        if not self._words:
            return text
        return self._pattern.sub(lambda found: self._words[found[0]], text)
