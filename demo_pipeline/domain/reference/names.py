"""Lists of names with weights, and names as letters of addresses. What the lists hold is in ``countries``."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from demo_pipeline.domain.reference.pack_files import PACKAGED, read_json

# For types alone: commands that only read need a tenant's currency and make no arrays.
if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_LETTERS: Final = str.maketrans(read_json(PACKAGED / "common.json")["letters"])


@dataclass(frozen=True, eq=False)
class NameList:
    """Strings with weights, in a frozen order."""

    names: tuple[str, ...]
    #: running sums of positive integer weights, shape (len(names),)
    cumulative: NDArray[np.int64]

    @classmethod
    def of(cls, names: Sequence[str], weights: Sequence[str | int]) -> NameList:
        """From names and their positive integer weights."""
        import numpy as np

        return cls(tuple(names), np.cumsum(np.array(weights, np.int64)))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def weights(self) -> NDArray[np.int64]:
        """The weight of each name, shape (len(names),)."""
        import numpy as np

        return np.diff(self.cumulative, prepend=0)

    @cached_property
    def ascii(self) -> tuple[str, ...]:
        """Each name as :func:`ascii_label`, for e-mail local parts and domain labels."""
        return tuple(ascii_label(name) for name in self.names)

    @cached_property
    def arrow(self) -> pa.StringArray:
        """The names as a plain Arrow string array, to ``take`` from."""
        return plain_strings(self.names)

    @cached_property
    def arrow_ascii(self) -> pa.StringArray:
        """:attr:`ascii` as a plain Arrow string array."""
        return plain_strings(self.ascii)

    @cached_property
    def ascii_index(self) -> Mapping[str, int]:
        """Place of each name by its :func:`ascii_label`."""
        return MappingProxyType({label: place for place, label in enumerate(self.ascii)})

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Place of each name."""
        return MappingProxyType({name: place for place, name in enumerate(self.names)})


@lru_cache(maxsize=16_384)
def ascii_label(text: str) -> str:
    """A name in lower-case letters and digits only: ``"Müller-Lüders"`` → ``"muellerlueders"``."""
    plain = text.lower()
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain.translate(_LETTERS))
    # Most names have nothing to leave out.
    if plain.isascii() and plain.isalnum():
        return plain
    return "".join(char for char in plain if char.isascii() and char.isalnum())


def plain_strings(texts: Sequence[str]) -> pa.StringArray:
    """Texts as a plain Arrow string array; Arrow is imported when it is needed."""
    from demo_pipeline.domain.core.arrow import strings

    return strings(texts)
