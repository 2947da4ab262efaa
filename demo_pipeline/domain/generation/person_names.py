"""Given name and surname of people: by their weight in the country, and of one origin as often as there.

The surname is drawn first. Of people whose surname is of another origin a share, which the country's pack
says, has a given name of it; all others have a given name that is of no other origin. Where both make the
name of a known person, the next surname serves. E-mail addresses are in ``contacts``.
"""

from __future__ import annotations

import numpy as np

from demo_pipeline.domain.core.arrow import Mask
from demo_pipeline.domain.core.random_streams import I64, U64, pick, scale
from demo_pipeline.domain.reference.countries import Locale, NamePart


def person_names(
    locale: Locale, is_female: Mask, first_draws: U64, last_draws: U64, origin_draws: U64
) -> tuple[I64, I64]:
    """Places in the locale's given names (women's first) and surnames, shape (n,) each."""
    last = pick(last_draws, locale.surnames.cumulative)
    origins = locale.origins
    origin = origins.of_surname[last]
    origin[scale(origin_draws, 100) >= origins.same_percent[origin]] = 0
    first = np.zeros(len(last), np.int64)
    for place in np.unique(origin):
        sexes: list[tuple[Mask, NamePart]] = [
            (is_female, origins.female[place]),
            (~is_female, origins.male[place]),
        ]
        for sex, names in sexes:
            rows = np.flatnonzero(sex & (origin == place))
            first[rows] = names.places[pick(first_draws[rows], names.cumulative)]
    return first, locale.known_people.replaced(first, last)
