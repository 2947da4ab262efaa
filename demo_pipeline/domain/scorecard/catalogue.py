"""All measures of the scorecard, by what they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from demo_pipeline.domain.scorecard import closings, contacts, money, names, seams, texts, work
from demo_pipeline.domain.scorecard.columns import TenantColumns
from demo_pipeline.domain.scorecard.measure import Measure, Score, take

#: heading → its measures
SECTIONS: Final[Mapping[str, tuple[Measure, ...]]] = {
    "Closings": closings.MEASURES,
    "Work": work.MEASURES,
    "Texts": texts.MEASURES,
    "Money": money.MEASURES,
    "People and places": contacts.MEASURES,
    "Names": names.MEASURES,
    "Seams": seams.MEASURES,
}
MEASURES: Final = tuple(measure for measures in SECTIONS.values() for measure in measures)


def scorecard(tenant: TenantColumns) -> tuple[Score, ...]:
    """Every measure that applies to a tenant, in the order of the catalogue."""
    taken = (take(measure, tenant) for measure in MEASURES)
    return tuple(score for score in taken if score is not None)
