"""Names of people by their codes: places in a country's lists, and on into a book's pools.

A code within the lists means the name there, given names women's first; one beyond means a name that no list
knows. With names come their letters for addresses, and a number for equal letters. Who is called how is not
decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from demo_pipeline.domain.core.arrow import chain, codes, initials, strings
from demo_pipeline.domain.core.random_streams import I64
from demo_pipeline.domain.generation.entity_index import EntityIndex
from demo_pipeline.domain.reference.countries import Locale, ascii_label

#: The letters of a name that has none of the alphabet.
_NO_LETTERS = "x"


@dataclass(frozen=True, eq=False)
class NameLookup:
    """Every column by code: given names, or surnames."""

    locale: Locale
    #: holds the pools, which do not change
    index: EntityIndex

    @cached_property
    def given(self) -> pa.StringArray:
        """Given names."""
        return chain(self.locale.given, self.index.given)

    @cached_property
    def surnames(self) -> pa.StringArray:
        """Family names."""
        return chain(self.locale.surnames.arrow, self.index.surnames)

    @cached_property
    def given_ascii(self) -> pa.StringArray:
        """:attr:`given` for e-mail addresses."""
        return chain(self.locale.given_ascii, _letters(self.index.given))

    @cached_property
    def surnames_ascii(self) -> pa.StringArray:
        """:attr:`surnames` for e-mail addresses."""
        return chain(self.locale.surnames.arrow_ascii, _letters(self.index.surnames))

    @cached_property
    def given_keys(self) -> I64:
        """A number for each given name, the same for equal letters; so for the others."""
        return codes(self.given_ascii)

    @cached_property
    def initial_keys(self) -> I64:
        """Of the first letter of each given name."""
        return codes(initials(self.given_ascii))

    @cached_property
    def surname_keys(self) -> I64:
        """Of each surname."""
        return codes(self.surnames_ascii)


def _letters(names: pa.StringArray) -> pa.StringArray:
    return strings([ascii_label(str(name)) or _NO_LETTERS for name in names.to_pylist()])
