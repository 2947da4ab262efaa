"""What differs from industry to industry: pipeline stages, deal sizes, cycles, tags, seasons.

The shapes are frozen quantile tables of integers (4097 knots), written by ``scripts/build_lists.py`` and
read with :func:`demo_pipeline.domain.core.random_streams.quantile`, so no transcendental function runs on the
way of the data. Ranges and stages are the field's (docs); log-normal body and Pareto tail are assumptions.
The words of an industry are in ``texts``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from demo_pipeline.domain.model import ACTIVITY_TYPES
from demo_pipeline.domain.reference.countries import read_list

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: All industries that a blueprint may name.
INDUSTRIES: Final = ("trading", "igaming", "saas", "ecommerce", "realestate", "finserv")


@dataclass(frozen=True)
class Stage:
    """A stage of a pipeline."""

    name_en: str
    name_de: str
    #: from 1, as shown
    position: int
    #: that a deal in it will be won, percent; 100 for won, 0 for lost
    probability: int
    is_won: bool
    is_lost: bool
    #: how often a deal stands here, among the stages of its kind (open, won, lost)
    weight: int

    def name(self, language: str) -> str:
        """The stage's name in ``en`` or ``de``."""
        return self.name_de if language == "de" else self.name_en


@dataclass(frozen=True)
class Tag:
    """A label for contacts."""

    name: str
    #: ``#rrggbb``
    color: str


@dataclass(frozen=True, eq=False)
class Industry:
    """What the generator knows about a line of business."""

    key: str
    label: str
    stages: tuple[Stage, ...]
    #: activities for 100 contacts, where a blueprint does not say
    activities_per_contact_percent: int
    #: mean of the log-normal body, whole US dollars
    typical_deal_usd: int
    #: deal value, US cents: log-normal, 5 and 95 % at the ends of the industry's range
    deal_quantiles: NDArray[np.int64]
    #: values of whales, US cents: Pareto from the upper end of the range, cut at twenty times it
    whale_quantiles: NDArray[np.int64]
    #: usual length of a deal from creation to close, days
    cycle_days: tuple[int, int]
    #: the same, minutes: log-normal, 5 and 95 % at ``cycle_days``
    cycle_quantiles: NDArray[np.int64]
    #: won among won and lost deals
    win_rate_percent: int
    #: January to December, mean 100
    seasonality: tuple[int, ...]
    #: by type, in the order of ``ACTIVITY_TYPES``
    activity_weights: tuple[int, ...]
    #: by language
    tags: Mapping[str, tuple[Tag, ...]]

    @cached_property
    def open_stages(self) -> tuple[Stage, ...]:
        """Neither won nor lost, in order."""
        return tuple(stage for stage in self.stages if not (stage.is_won or stage.is_lost))

    @cached_property
    def won_stages(self) -> tuple[Stage, ...]:
        """At least one."""
        return tuple(stage for stage in self.stages if stage.is_won)

    @cached_property
    def lost_stages(self) -> tuple[Stage, ...]:
        """At least one."""
        return tuple(stage for stage in self.stages if stage.is_lost)

    @cached_property
    def activity_cumulative(self) -> NDArray[np.int64]:
        """Running sums of :attr:`activity_weights`, for ``pick``."""
        import numpy as np

        return np.cumsum(np.array(self.activity_weights, np.int64))


@lru_cache(maxsize=len(INDUSTRIES))
def load_industry(key: str) -> Industry:
    """One industry, read once a process. ``KeyError`` if it is not one of ``INDUSTRIES``."""
    if key not in INDUSTRIES:
        raise KeyError(key)
    raw = read_list(f"industry_{key}")
    low, high = raw["cycle_days"]
    return Industry(
        key=key,
        label=raw["label"],
        stages=tuple(Stage(**row) for row in raw["stages"]),
        activities_per_contact_percent=raw["activities_per_contact_percent"],
        typical_deal_usd=raw["typical_deal_usd"],
        deal_quantiles=_knots(raw["deal_knot_steps"]),
        whale_quantiles=_knots(raw["whale_knot_steps"]),
        cycle_days=(low, high),
        cycle_quantiles=_knots(raw["cycle_knot_steps"]),
        win_rate_percent=raw["win_rate_percent"],
        seasonality=tuple(raw["seasonality"]),
        activity_weights=tuple(raw["activity_weights"][kind] for kind in ACTIVITY_TYPES),
        tags=MappingProxyType(
            {
                language: tuple(Tag(name, color) for name, color in tags)
                for language, tags in raw["tags"].items()
            }
        ),
    )


def _knots(steps: list[int]) -> NDArray[np.int64]:
    """The files keep the first knot and the differences, which are shorter."""
    import numpy as np

    knots = np.cumsum(np.array(steps, np.int64))
    knots.flags.writeable = False
    return knots
