"""Which values of a list of facts may be said of a company: departments, boards and owners as it has them.

What a value requires is in the packs (``Stories.requirements``). A story has the same value of a list in all
its texts: the choice follows from its key and from its company alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from demo_pipeline.domain.core.random_streams import I64
from demo_pipeline.domain.reference.company_names import CompanyNames
from demo_pipeline.domain.reference.stories import Requirement, Stories


@dataclass(frozen=True, eq=False)
class FittingLines:
    """The lines of a list by size and legal form of a company; the last of each stands for no company."""

    #: places of the lines, those that fit first, shape (sizes + 1, forms + 1, lines)
    order: I64
    #: how many fit, shape (sizes + 1, forms + 1); all, where none does
    count: I64


@lru_cache(1024)
def fitting_lines(stories: Stories, companies: CompanyNames, group: str) -> FittingLines | None:
    """The lines of a group of lists that fit each company; None: each line fits every company."""
    requirements = stories.requirements.get(group)
    return None if requirements is None else _fitting(requirements, companies)


def _fitting(requirements: Sequence[Requirement], companies: CompanyNames) -> FittingLines:
    sizes, forms = companies.sizes.names, companies.legal_forms.names
    fits = np.zeros((len(sizes) + 1, len(forms) + 1, len(requirements)), bool)
    for line, required in enumerate(requirements):
        first = sizes.index(required.smallest_size) if required.smallest_size else 0
        has_form = [not required.legal_forms or form in required.legal_forms for form in (*forms, "")]
        fits[first : len(sizes), has_form, line] = True
        # Of people without a company nothing is said that requires one.
        fits[-1, :, line] = required == Requirement()
    fits |= ~fits.any(axis=2, keepdims=True)
    return FittingLines(np.argsort(~fits, axis=2, kind="stable"), fits.sum(axis=2))
