"""Which leads nobody ever answers, and whom activities may be with.

A lead is dropped for good: no activity of its month or of a later one is with it. That follows from the id,
of which the lowest bits are random, so it is known of the rows of earlier months too, and stored nowhere.
Leads with a deal are not dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo_pipeline.domain.core.arrow import Mask
from demo_pipeline.domain.core.random_streams import I64, U64
from demo_pipeline.domain.generation.entity_index import LEAD, EntityIndex, recent

_PPM = 1_000_000
#: The last bytes of an id, and how many values they have.
_BYTES = 4
_VALUES = 2**32


def is_dropped(index: EntityIndex, drop_off_ppm: int) -> Mask:
    """Which contacts of the index are leads that nobody answers; ``drop_off_ppm`` of the leads are."""
    contacts = index.contacts
    low = np.ascontiguousarray(contacts.ids[:, -_BYTES:]).view(">u4").reshape(len(contacts.ids))
    dropped = (low < drop_off_ppm * _VALUES // _PPM) & (contacts.status == LEAD)
    with_deal = index.deals.contact
    dropped[with_deal[with_deal >= 0]] = False
    return dropped


@dataclass(frozen=True)
class Reachable:
    """The contacts that activities are with: all that are not dropped, by creation."""

    #: all contacts, us
    created_us: I64
    #: those that are not dropped: places among the contacts
    places: I64

    @classmethod
    def of(cls, index: EntityIndex, dropped: Mask) -> Reachable:
        """Of the contacts that exist by now."""
        return cls(index.contacts.created_us, np.flatnonzero(~dropped))

    def recent(self, draws: U64, at_us: I64) -> I64:
        """A contact (place) for each instant that exists by then, newer ones more often.

        A dropped one only where nobody else exists by then; -1 where nobody does.
        """
        there = np.searchsorted(self.created_us[self.places], at_us, side="right").astype(np.int64)
        chosen = recent(draws, there)
        nobody = np.flatnonzero(there == 0)
        chosen = self.places[chosen] if len(self.places) else chosen
        if len(nobody):
            everybody = np.searchsorted(self.created_us, at_us[nobody], side="right").astype(np.int64)
            chosen[nobody] = recent(draws[nobody], everybody)
        return chosen
