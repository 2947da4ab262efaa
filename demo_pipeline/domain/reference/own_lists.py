"""Lists of a tenant instead of those of its packs: names, companies, products, stages, lines of stories.

They are stored with the tenant: what its months are made from depends on no file. A list that is empty is the
pack's. How a pack looks with them is decided where it is loaded: ``countries``, ``industries``, ``texts`` and
``stories``. What lists must be is in ``blueprint.lists`` and ``blueprint.list_checks``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Outcome: TypeAlias = Literal["open", "won", "lost"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("open", "won", "lost")


class OwnName(NamedTuple):
    """A given name or surname."""

    name: str
    #: positive
    weight: int


class OwnCompany(NamedTuple):
    """A customer company, with its name as it is shown, legal form included."""

    name: str
    #: None: that of the trade in its name, or any
    industry: str | None
    #: of ``COMPANY_SIZES``; None: by chance
    size: str | None


class OwnProduct(NamedTuple):
    """What the tenant sells; amounts are minor units of its currency."""

    name: str
    #: of a piece; the least, where each sale has an amount of its own
    price_minor: int
    #: the largest amount of a sale; None: the product has a list price
    most_minor: int | None


class OwnStage(NamedTuple):
    """A stage of the pipeline."""

    name: str
    outcome: Outcome
    #: percent; 100 for won, 0 for lost
    probability: int
    #: how often a deal stands here, among the stages of its outcome
    weight: int


class OwnLine(NamedTuple):
    """A line of a story, with slots."""

    beat: str
    form: str
    text: str


class OwnTopic(NamedTuple):
    """A value of a list that lines draw from by its name."""

    topic: str
    text: str


@dataclass(frozen=True, kw_only=True)
class OwnLists:
    """All lists of a tenant; an empty one is the pack's."""

    female: tuple[OwnName, ...] = ()
    male: tuple[OwnName, ...] = ()
    surnames: tuple[OwnName, ...] = ()
    companies: tuple[OwnCompany, ...] = ()
    products: tuple[OwnProduct, ...] = ()
    stages: tuple[OwnStage, ...] = ()
    beats: tuple[OwnLine, ...] = ()
    topics: tuple[OwnTopic, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._given)

    @cached_property
    def _given(self) -> Mapping[str, tuple[tuple[Any, ...], ...]]:
        """The lists that are not empty."""
        every = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: rows for name, rows in every.items() if rows}

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(self._given.items()))

    def __hash__(self) -> int:
        # Looked up in caches of packs: thousands of texts are hashed once.
        return self._hash

    @property
    def counts(self) -> dict[str, int]:
        """How many rows each list has; lists that are the pack's are left out."""
        return {name: len(rows) for name, rows in self._given.items()}

    def to_json(self) -> dict[str, list[list[Any]]]:
        """The lists that are not empty, each row a list in the order of its fields."""
        return {name: list(map(list, rows)) for name, rows in self._given.items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> OwnLists:
        """The inverse of :meth:`to_json`."""
        return cls(**{name: tuple(_ROWS[name](*row) for row in rows) for name, rows in document.items()})


_ROWS: Final[Mapping[str, Any]] = {
    "female": OwnName,
    "male": OwnName,
    "surnames": OwnName,
    "companies": OwnCompany,
    "products": OwnProduct,
    "stages": OwnStage,
    "beats": OwnLine,
    "topics": OwnTopic,
}
#: The tenant has no list of its own.
NO_LISTS: Final = OwnLists()
