"""How customer companies of a country are named: patterns by weight, and the words that they are made of.

A pattern is a text with one or two slots, ``"{surname} {trade}"`` or ``"{stem} Group"``; the legal form comes
after it. Frequent words are in more pairs than others, so that names are as uneven as real ones. Which of
them a company has is decided in ``generation.company_names``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources.abc import Traversable
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.domain.reference.known_names import (
    COMPANIES_FILE,
    known_names,
    known_pairs,
    name_labels,
    shared_names,
)
from demo_pipeline.domain.reference.names import NameList, ascii_label, plain_strings
from demo_pipeline.domain.reference.own_lists import OwnCompany
from demo_pipeline.domain.reference.pack_files import read_json, read_table

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

#: Of a country; may be absent: then a company is a stem and a trade.
PATTERNS_FILE: Final = "company_patterns.json"
SLOTS: Final = ("stem", "surname", "partner", "city", "acronym", "trade")
#: Surnames that companies are named after, the most frequent, and how slowly their frequency falls by rank.
_FOUNDERS: Final = 4_000
_PARTNERS: Final = 400
_FOUNDER_SLOPE: Final = 800
_PLAIN: Final = "{stem} {trade}"
#: More people than any company has.
MANY_PEOPLE: Final = 1_000_000
_SLOT: Final = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True, eq=False)
class CompanyPattern:
    """A form of names, with all of the words that fit in it."""

    #: texts before, between and after the slots; the same for labels of domains
    literals: tuple[str, ...]
    label_literals: tuple[str, ...]
    #: one or two of SLOTS, and the words of each
    slots: tuple[str, ...]
    words: tuple[NameList, ...]
    #: of 100
    weight: int
    #: the names that are used: place of the first word × number of second words + place of the second
    pairs: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class OwnNames:
    """Whole names that a tenant brings, in its order; columns of the same length."""

    #: as they are shown, and without the legal form
    names: pa.StringArray
    short_names: pa.StringArray
    #: of their domains
    labels: pa.StringArray
    #: place among ``industries``, -1: any
    industry: NDArray[np.int64]
    #: place among ``legal_forms``, -1: it has none of the country's
    legal_form: NDArray[np.int64]
    #: the smallest and the largest size that each may have, places among ``sizes``
    smallest: NDArray[np.int64]
    largest: NDArray[np.int64]
    #: labels of ``companies.industry``: the country's, then those that the tenant adds
    industries: pa.StringArray

    def __len__(self) -> int:
        return len(self.industry)


@dataclass(frozen=True, eq=False)
class CompanyNames:
    """Patterns, trades and legal forms. Different pairs give different names and labels."""

    patterns: tuple[CompanyPattern, ...]
    stems: NameList
    #: trades, as names have them
    descriptors: NameList
    #: for each descriptor the place of its industry in ``industries``, shape (len(descriptors),)
    descriptor_industry: NDArray[np.int64]
    #: labels of ``companies.industry``; weights are those of their descriptors
    industries: NameList
    legal_forms: NameList
    #: running weights of legal forms, for each size, shape (sizes, forms)
    forms_of_size: NDArray[np.int64]
    #: ``companies.size``, from small to large, weighted P(size > s) ∝ s^-1.06 (Axtell, Science 2001)
    sizes: NameList
    #: of a tenant; None: it has none
    own: OwnNames | None = None

    @cached_property
    def columns(self) -> PatternColumns:
        """The patterns as columns."""
        return PatternColumns.of(self.patterns)

    @cached_property
    def most_people(self) -> NDArray[np.int64]:
        """How many people a company of each size has at most, shape (sizes,): of ``"11-50"`` 50."""
        import numpy as np

        largest = [label.partition("-")[2] for label in self.sizes.names]
        return np.array([int(one) if one else MANY_PEOPLE for one in largest], np.int64)

    @cached_property
    def legal_form_pattern(self) -> str:
        """A regular expression (RE2) for the legal form at the end of a company's name."""
        longest_first = sorted(self.legal_forms.names, key=len, reverse=True)
        return rf",? +(?:{'|'.join(map(re.escape, longest_first))})$"

    def legal_form_of(self, name: str) -> int:
        """The place of the legal form at the end of a name; -1: it has none of the country's."""
        form = name.removeprefix(self.without_legal_form(name)).lstrip(", ")
        return self.legal_forms.index[form] if form else -1

    def without_legal_form(self, name: str) -> str:
        """A company's name as people say it."""
        return re.sub(self.legal_form_pattern, "", name)


@dataclass(frozen=True, eq=False)
class PatternColumns:
    """All patterns of a country side by side: names are made in one go, whatever pattern each has.

    Columns have the shape (patterns,). Where a pattern has one slot, its second word is the empty one.
    """

    weight: NDArray[np.int64]
    #: the pairs of all patterns, where those of each begin, and how many it has
    pairs: NDArray[np.int32]
    pair_start: NDArray[np.int64]
    pair_count: NDArray[np.int64]
    #: second words for each first one
    width: NDArray[np.int64]
    #: what is before, between and after the words, three texts a pattern; then the words of all slots, each
    #: list once, and an empty one
    pieces: pa.StringArray
    #: the same of labels of domains
    label_pieces: pa.StringArray
    #: where the words of the first and of the second slot begin, shape (2, patterns)
    word_start: NDArray[np.int64]
    #: slot → where its words begin and end
    ranges: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, patterns: Sequence[CompanyPattern]) -> PatternColumns:
        """From the patterns in their order."""
        import numpy as np

        lists = list(dict.fromkeys(words for pattern in patterns for words in pattern.words))
        lists.append(NameList.of([""], [1]))
        stops = (3 * len(patterns) + np.cumsum([len(one) for one in lists])).tolist()
        start = {one: stop - len(one) for one, stop in zip(lists, stops, strict=True)}
        slots = {slot: words for one in patterns for slot, words in zip(one.slots, one.words, strict=True)}
        both = [(*one.words, lists[-1])[:2] for one in patterns]
        count = np.array([len(one.pairs) for one in patterns])
        literals, labels = (
            [text for three in texts for text in (*three, "")[:3]]
            for texts in ([one.literals for one in patterns], [one.label_literals for one in patterns])
        )
        return cls(
            weight=np.array([one.weight for one in patterns]),
            pairs=np.concatenate([one.pairs for one in patterns]),
            pair_start=np.cumsum(count) - count,
            pair_count=count,
            width=np.array([len(second) for _, second in both]),
            pieces=plain_strings([*literals, *(word for one in lists for word in one.names)]),
            label_pieces=plain_strings([*labels, *(word for one in lists for word in one.ascii)]),
            word_start=np.array([[start[one] for one in pair] for pair in both]).T,
            ranges={slot: (start[words], start[words] + len(words)) for slot, words in slots.items()},
        )


def load_company_names(
    folder: Traversable, surnames: NameList, cities: Sequence[str], sizes: NameList
) -> CompanyNames:
    """The names of a country's pack; ``cities`` are its cities in their order."""
    import numpy as np

    stems, trades, forms = (
        read_table(folder / f"{name}.tsv") for name in ("company_stems", "company_descriptors", "legal_forms")
    )
    weights: dict[str, int] = {}
    for label, weight in zip(trades["industry"], trades["weight"], strict=True):
        weights[label] = weights.get(label, 0) + int(weight)
    place = {label: i for i, label in enumerate(weights)}
    declared = _declared(folder)
    descriptors = NameList.of(trades["name"], trades["weight"])
    stem_list = NameList.of(stems["name"], stems["weight"])
    legal_forms = NameList.of(forms["name"], forms["weight"])
    known = name_labels(known_names(folder, COMPANIES_FILE))
    lists = _word_lists(declared, stem_list, descriptors, surnames, cities, known)
    return CompanyNames(
        patterns=tuple(
            _pattern(form, weight, lists, known, is_alone=len(declared["patterns"]) == 1)
            for form, weight in declared["patterns"].items()
        ),
        stems=stem_list,
        descriptors=descriptors,
        descriptor_industry=np.array([place[label] for label in trades["industry"]], np.int64),
        industries=NameList.of(tuple(weights), tuple(weights.values())),
        legal_forms=legal_forms,
        forms_of_size=_forms_of_size(legal_forms, declared.get("form_sizes", {}), sizes),
        sizes=sizes,
    )


def with_own_names(names: CompanyNames, companies: Sequence[OwnCompany]) -> CompanyNames:
    """The names of a country without those that a tenant brings, and these.

    Their size fits their legal form; where nothing is said of a company's industry, a trade in its name is.
    """
    import numpy as np

    short = [names.without_legal_form(one.name) for one in companies]
    labels = frozenset(map(ascii_label, short))
    added = dict.fromkeys(
        one.industry for one in companies if one.industry and one.industry not in names.industries.index
    )
    industries = {label: place for place, label in enumerate([*names.industries.names, *added])}
    forms = [names.legal_form_of(one.name) for one in companies]
    ranges = [_size_range(names, *pair) for pair in zip(companies, forms, strict=True)]
    smallest, largest = zip(*ranges, strict=True)
    own = OwnNames(
        names=plain_strings([one.name for one in companies]),
        short_names=plain_strings(short),
        labels=plain_strings(list(map(domain_label, short))),
        industry=np.array(
            [industries[one.industry] if one.industry else _trade(names, one.name) for one in companies],
            np.int64,
        ),
        legal_form=np.array(forms, np.int64),
        smallest=np.array(smallest, np.int64),
        largest=np.array(largest, np.int64),
        industries=plain_strings(list(industries)),
    )
    patterns = tuple(_without(pattern, labels) for pattern in names.patterns)
    return replace(names, patterns=patterns, own=own)


def domain_label(name: str) -> str:
    """The label of a company's domain, from its name without the legal form: ``kranz-logistik``."""
    return "-".join(filter(None, map(ascii_label, name.split())))


def _size_range(names: CompanyNames, company: OwnCompany, form: int) -> tuple[int, int]:
    """The smallest and the largest size of a company: as declared, or of its legal form."""
    if company.size is not None:
        place = names.sizes.index[company.size]
        return place, place
    if form < 0:
        return 0, len(names.sizes) - 1
    # Running weights grow where a form is used.
    before = names.forms_of_size[:, form - 1] if form else 0
    fits = (names.forms_of_size[:, form] > before).nonzero()[0].tolist()
    return fits[0], fits[-1]


def _trade(names: CompanyNames, name: str) -> int:
    """The industry of the last trade of the country in a name; -1: there is none."""
    trades = names.descriptors.ascii_index
    found = [trades[label] for label in map(ascii_label, name.split()) if label in trades]
    return int(names.descriptor_industry[found[-1]]) if found else -1


def _without(pattern: CompanyPattern, labels: Collection[str]) -> CompanyPattern:
    """A pattern that makes none of some names."""
    import numpy as np

    width = len(pattern.words[-1]) if len(pattern.words) > 1 else 1
    literals = list(map(ascii_label, pattern.literals))
    found = known_pairs(labels, literals, [one.ascii_index for one in pattern.words], width)
    return replace(pattern, pairs=pattern.pairs[~np.isin(pattern.pairs, found)]) if found else pattern


def _declared(folder: Traversable) -> Mapping[str, Any]:
    file = folder / PATTERNS_FILE
    return read_json(file) if file.is_file() else {"patterns": {_PLAIN: 100}}


def _word_lists(
    declared: Mapping[str, Any],
    stems: NameList,
    trades: NameList,
    surnames: NameList,
    cities: Sequence[str],
    known: Collection[str],
) -> Mapping[str, NameList]:
    """The words of each slot; what has the weight 0 is in no name.

    No word is in two of the lists, and no city twice: labels of domains would be the same. A stem or an
    acronym that is a known name says whose firm it is whatever follows; of surnames only the best-known do,
    those of all countries: there is many a Weber.
    """
    acronyms = [one for one in declared.get("acronyms", "").split() if ascii_label(one) not in known]
    towns = [ascii_label(city) for city in cities]
    best_known = name_labels(shared_names(COMPANIES_FILE))
    taken = {*best_known, *stems.ascii, *trades.ascii, *towns, *map(ascii_label, acronyms)}
    others = (name for name in surnames.names if len(name) > 2 and ascii_label(name) not in taken)
    founders = list(islice(others, _FOUNDERS))
    slopes = [_FOUNDER_SLOPE * 1000 // (rank + _FOUNDER_SLOPE) for rank in range(_FOUNDERS)]
    used = [
        0 if label in towns or label in known else weight
        for label, weight in zip(stems.ascii, stems.weights.tolist(), strict=True)
    ]
    return {
        "stem": NameList.of(stems.names, used),
        "surname": NameList.of(founders, slopes[: len(founders)]),
        "partner": NameList.of(founders[:_PARTNERS], slopes[: len(founders[:_PARTNERS])]),
        "city": NameList.of(cities, [int(towns.index(town) == place) for place, town in enumerate(towns)]),
        "acronym": NameList.of(acronyms, [1] * len(acronyms)),
        "trade": trades,
    }


def _pattern(
    form: str, weight: int, lists: Mapping[str, NameList], known: Collection[str], *, is_alone: bool
) -> CompanyPattern:
    import numpy as np

    pieces = _SLOT.split(form)
    literals, slots = tuple(pieces[::2]), tuple(pieces[1::2])
    labels = ["-".join(filter(None, map(ascii_label, literal.split()))) for literal in literals]
    first, *between, last = labels
    # Of two founders both are among the more frequent: there are enough pairs of them.
    words = tuple(lists["partner" if "partner" in slots and slot == "surname" else slot] for slot in slots)
    pairs = _pairs(form, words, is_alone=is_alone)
    width = len(words[-1]) if between else 1
    indexes = [one.ascii_index for one in words]
    is_known = np.isin(pairs, known_pairs(known, list(map(ascii_label, literals)), indexes, width))
    return CompanyPattern(
        literals=literals,
        label_literals=(
            f"{first}-" if first else "",
            *(f"-{label}-" if label else "-" for label in between),
            f"-{last}" if last else "",
        ),
        slots=slots,
        words=words,
        weight=weight,
        # There are millions of pairs at most, and many of them.
        pairs=pairs[~is_known].astype(np.int32),
    )


def _pairs(form: str, words: tuple[NameList, ...], *, is_alone: bool) -> NDArray[np.int64]:
    """The pairs of words that are used, drawn by the frequency of both; of an only pattern all."""
    import numpy as np

    from demo_pipeline.domain.core.random_streams import Stream, scale

    weights = [one.weights for one in words]
    if len(words) == 1:
        return np.flatnonzero(weights[0])
    if form == _PLAIN and is_alone:
        return np.flatnonzero(np.repeat(weights[0] > 0, len(weights[1])))
    chance = np.outer(weights[0], weights[1]).ravel()
    drawn = scale(Stream(("company_pairs", form)).raw("pair", len(chance)), int(chance.max(initial=1)))
    is_used = drawn < chance
    if words[0] is words[1]:
        # Nobody is a partner of himself.
        is_used &= ~np.eye(len(words[0]), dtype=bool).ravel()
    return np.flatnonzero(is_used)


def _forms_of_size(
    forms: NameList, limits: Mapping[str, tuple[str, str]], sizes: NameList
) -> NDArray[np.int64]:
    """Running weights of the legal forms of each size; ``limits``: form → its smallest and largest size."""
    import numpy as np

    weights = np.tile(forms.weights, (len(sizes), 1))
    for form, (smallest, largest) in limits.items():
        column = weights[:, forms.index[form]]
        column[: sizes.index[smallest]] = 0
        column[sizes.index[largest] + 1 :] = 0
    return np.cumsum(weights, axis=1)
