"""Versions of what a tenant's rows are made from: the frozen lists, and the generator.

Rows made by the same pair of versions are the same bytes. Raise a version in the same change that alters
rows: ``LISTS_VERSION`` for the files in ``data/``, ``GENERATOR_VERSION`` for the code that draws from them.
"""

from __future__ import annotations

from typing import Final

#: Version of all frozen lists together; a tenant stores the one that it was made with.
LISTS_VERSION: Final = "2027.04"
#: Version of the code that makes rows.
GENERATOR_VERSION: Final = "2027.04"


def present_version() -> str:
    """What a month records of who made it: version of the lists, a slash, version of the generator."""
    return f"{LISTS_VERSION}/{GENERATOR_VERSION}"


def figures_version() -> str:
    """What a month records of the blueprint's rows that were made from figures, and not one by one.

    No generator makes these rows again, not even the one of the present version.
    """
    return f"{present_version()}/figures"
