"""Names that no person and no company of a demo tenant may have: those of known people, firms and brands.

The names are in ``known_people.txt`` and ``known_companies.txt``, one a line: those beside the packs hold in
every country, those of a country's pack there, if it has any. Names are compared as ``ascii_label`` writes
them, so upper case, blanks, accents and punctuation make no difference. How names are drawn is in
``generation``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from itertools import chain
from typing import TYPE_CHECKING, Final

from demo_pipeline.domain.reference.names import NameList, ascii_label
from demo_pipeline.domain.reference.pack_files import PACKAGED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from demo_pipeline.domain.core.random_streams import I64

#: Beside the packs, and of a country; there they may be absent or empty.
PEOPLE_FILE: Final = "known_people.txt"
COMPANIES_FILE: Final = "known_companies.txt"


def shared_names(file: str) -> tuple[str, ...]:
    """The names that hold in every country."""
    return _lines(PACKAGED / file)


def known_names(folder: Traversable, file: str) -> tuple[str, ...]:
    """The names that hold in the country whose pack is ``folder``."""
    own = folder / file
    return (*shared_names(file), *(_lines(own) if own.is_file() else ()))


def name_labels(names: Iterable[str]) -> frozenset[str]:
    """The names as they are compared."""
    return frozenset(map(ascii_label, names))


def _lines(file: Traversable) -> tuple[str, ...]:
    return tuple(file.read_text("utf-8").splitlines())


@dataclass(frozen=True, eq=False)
class KnownPeople:
    """Pairs of given name and surname that must not appear, and the surname that replaces each."""

    #: place of the given name × number of surnames + place of the surname; ascending, shape (n,)
    pairs: NDArray[np.int64]
    #: places of surnames, shape (n,)
    instead: NDArray[np.int64]
    #: whether a surname is in a pair, shape (surnames,)
    has_surname: NDArray[np.bool_]

    @classmethod
    def of(
        cls, names: Iterable[str], given: Sequence[str], surnames: NameList, origin: NDArray[np.int64]
    ) -> KnownPeople:
        """Of the names those that can be drawn.

        ``given``: given names as ``ascii_label`` writes them; ``origin``: that of each surname. Instead of a
        surname serves the next one of its origin that makes no known name with the same given name.
        """
        import numpy as np

        places: dict[str, list[int]] = {}
        for place, label in enumerate(given):
            places.setdefault(label, []).append(place)
        surname_of = surnames.ascii_index
        found = {
            (first, surname_of[last])
            for before, last in _splits(names)
            if last in surname_of
            for first in places.get(before, ())
        }
        pairs = sorted(found)
        origins = origin.tolist()
        instead = [_next(first, last, found, origins) for first, last in pairs]
        has_surname = np.zeros(len(surnames), np.bool_)
        has_surname[[last for _, last in pairs]] = True
        keys = [first * len(surnames) + last for first, last in pairs]
        return cls(np.array(keys, np.int64), np.array(instead, np.int64), has_surname)

    def replaced(self, first: I64, last: I64) -> I64:
        """The surnames ``last`` of people with the given names ``first``, without known pairs."""
        import numpy as np

        rows = np.flatnonzero(self.has_surname[last])
        pairs = first[rows] * len(self.has_surname) + last[rows]
        place = np.searchsorted(self.pairs, pairs)
        place[place == len(self.pairs)] = 0
        is_known = self.pairs[place] == pairs
        result = last.copy()
        result[rows[is_known]] = self.instead[place[is_known]]
        return result


def _splits(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Every way to read a name as given name and surname."""
    for name in names:
        words = [ascii_label(word) for word in name.split()]
        for place in range(1, len(words)):
            yield "".join(words[:place]), "".join(words[place:])


def _next(first: int, last: int, known: Collection[tuple[int, int]], origin: Sequence[int]) -> int:
    """The surname after ``last`` that serves instead: of the same origin, or else of any."""

    def free() -> Iterator[int]:
        following = chain(range(last + 1, len(origin)), range(last))
        return (one for one in following if (first, one) not in known)

    same = (one for one in free() if origin[one] == origin[last])
    return next(chain(same, free()), last)


def known_pairs(
    known: Iterable[str], literals: Sequence[str], words: Sequence[Mapping[str, int]], width: int
) -> list[int]:
    """Pairs of words with which a form of names of companies makes a known name.

    ``literals``: texts before, between and after the words, as ``ascii_label`` writes them; ``words``: of one
    or two slots, place by label; ``width``: how many the second slot has. A pair is place of the first word ×
    ``width`` + place of the second.
    """
    before, *between, after = literals
    found: list[int] = []
    for label in known:
        if not (label.startswith(before) and label.endswith(after)):
            continue
        rest = label[len(before) : len(label) - len(after)]
        if not between:
            found += [words[0][rest]] if rest in words[0] else []
            continue
        for end in range(1, len(rest)):
            if (first := words[0].get(rest[:end])) is not None and rest.startswith(between[0], end):
                second = words[1].get(rest[end + len(between[0]) :])
                found += [] if second is None else [first * width + second]
    return found
