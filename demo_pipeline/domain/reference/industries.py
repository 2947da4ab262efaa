"""What differs from industry to industry, in numbers: pipelines, deal sizes, cycles, seasons.

An industry is a pack (``packs``): ``industry.json`` is written by hand, ``quantiles.json`` is derived from it
by ``scripts/build_lists.py``: frozen tables of integers, read with
:func:`demo_pipeline.domain.core.random_streams.quantile`, so that generation needs no transcendental
function. Ranges and stages have public sources (docs); log-normal body and Pareto tail are assumptions.
The words of an industry are in ``texts``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, Final

from demo_pipeline.domain.model import ACTIVITY_TYPES
from demo_pipeline.domain.reference.own_lists import NO_LISTS, OwnLists
from demo_pipeline.domain.reference.pack_files import PACKAGED, pack_names, read_json, root
from demo_pipeline.domain.reference.pricing import Pricing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Packaged industries: those that a blueprint may name.
INDUSTRIES: Final = pack_names("industries", PACKAGED)

#: The largest deal is at most so many times the upper end of the usual range.
_TAIL_LIMIT: Final = 20


@dataclass(frozen=True)
class Stage:
    """A stage of a pipeline."""

    #: from 1, as shown
    position: int
    #: that a deal in it will be won, percent; 100 for won, 0 for lost
    probability: int
    #: how often a deal stands here, among the stages of its kind (open, won, lost)
    weight: int
    is_won: bool
    is_lost: bool


@dataclass(frozen=True, eq=False)
class Industry:
    """What the generator knows about a line of business."""

    folder: Traversable
    key: str
    label: str
    stages: tuple[Stage, ...]
    #: activities for 100 contacts, where a blueprint does not say
    activities_per_contact_percent: int
    #: 5 and 95 % quantile of a deal's value, whole US dollars
    deal_usd: tuple[int, int]
    #: usual length of a deal from creation to close, days
    cycle_days: tuple[int, int]
    #: whether more deals close in the last days of a month and a quarter
    has_month_end: bool
    #: won among won and lost deals
    win_rate_percent: int
    #: contacts without an employer, where a blueprint does not say
    private_percent: int
    #: January to December, mean 100
    seasonality: tuple[int, ...]
    #: by type, in the order of ``ACTIVITY_TYPES``
    activity_weights: tuple[int, ...]
    pricing: Pricing
    #: where each step of a deal's story begins, per mille of its time, ascending from 0
    story: NDArray[np.int64]

    @cached_property
    def activity_cumulative(self) -> NDArray[np.int64]:
        """Running sums of :attr:`activity_weights`, for ``pick``."""
        import numpy as np

        return np.cumsum(np.array(self.activity_weights, np.int64))

    @property
    def typical_deal_usd(self) -> int:
        """Mean of the log-normal body, whole US dollars."""
        return self._quantiles["typical_deal_usd"]

    @cached_property
    def deal_quantiles(self) -> NDArray[np.int64]:
        """Deal value, US cents: log-normal, 5 and 95 % at the ends of the industry's range."""
        return _knots(self._quantiles["deal"])

    @property
    def largest_deal(self) -> int:
        """Where the Pareto tail of very large deals ends, US cents."""
        return _TAIL_LIMIT * self.deal_usd[1] * 100

    @cached_property
    def cycle_quantiles(self) -> NDArray[np.int64]:
        """Length of a deal, minutes: log-normal, 5 and 95 % at :attr:`cycle_days`."""
        return _knots(self._quantiles["cycle"])

    @cached_property
    def _quantiles(self) -> dict[str, Any]:
        return read_json(self.folder / "quantiles.json")


def load_industry(key: str, own: OwnLists = NO_LISTS) -> Industry:
    """The pack of an industry with a tenant's own lists. ``KeyError`` if there is none.

    The pack is read once a process.
    """
    if key not in pack_names("industries", root()):
        raise KeyError(key)
    industry = _load(root() / "industries" / key)
    return _with_own(industry, own) if own.stages or own.products else industry


def _with_own(industry: Industry, own: OwnLists) -> Industry:
    stages = tuple(
        Stage(
            position=position,
            probability=stage.probability,
            weight=stage.weight,
            is_won=stage.outcome == "won",
            is_lost=stage.outcome == "lost",
        )
        for position, stage in enumerate(own.stages, 1)
    )
    return replace(
        industry,
        stages=stages or industry.stages,
        pricing=industry.pricing.of_own(own.products) if own.products else industry.pricing,
    )


@lru_cache
def _load(folder: Traversable) -> Industry:
    raw = read_json(folder / "industry.json")
    low, high = raw["cycle_days"]
    return Industry(
        folder=folder,
        key=folder.name,
        label=raw["label"],
        stages=tuple(
            Stage(
                position=position,
                probability=stage["probability"],
                weight=stage["weight"],
                is_won=stage["outcome"] == "won",
                is_lost=stage["outcome"] == "lost",
            )
            for position, stage in enumerate(raw["stages"], 1)
        ),
        activities_per_contact_percent=raw["activities_per_contact_percent"],
        deal_usd=(raw["deal_usd"][0], raw["deal_usd"][1]),
        cycle_days=(low, high),
        has_month_end=raw["has_month_end"],
        win_rate_percent=raw["win_rate_percent"],
        private_percent=raw.get("private_percent", 0),
        seasonality=tuple(raw["seasonality"]),
        activity_weights=tuple(raw["activity_weights"][kind] for kind in ACTIVITY_TYPES),
        pricing=Pricing.of(raw["pricing"]),
        story=_array(raw["story"]),
    )


def _array(values: list[int]) -> NDArray[np.int64]:
    import numpy as np

    array = np.array(values, np.int64)
    array.flags.writeable = False
    return array


def _knots(steps: list[int]) -> NDArray[np.int64]:
    """The files keep the first knot and the differences, which are shorter."""
    import numpy as np

    knots = np.cumsum(np.array(steps, np.int64))
    knots.flags.writeable = False
    return knots
