"""Who takes part in a deal besides its contact: colleagues, where the deal is large.

The contact stays the main one. The others are those of the same company who were made after the contact, and
from the last one on those who were made first: known of each deal in every month, and stored nowhere. Whom a
deal is with belongs to ``deal_partners``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from demo_pipeline.domain.core.arrow import Mask
from demo_pipeline.domain.core.random_streams import I64, U64, scale
from demo_pipeline.domain.generation.entity_index import MOST_SIZE, EntityIndex

#: A deal is large from this size class on: the larger half of its month.
_LARGE: Final = (MOST_SIZE + 1) // 2
#: Assumptions: activities with the contact itself, and people besides it, at least and less than.
_WITH_CONTACT: Final = np.uint64(2**64 * 38 // 100)
_OTHERS: Final = (1, 4)
#: Bits of a place among the contacts.
_PLACE_BITS: Final = 24


@dataclass(frozen=True, eq=False)
class DealPeople:
    """The contacts that activities may be with, by company."""

    index: EntityIndex
    #: company and place among the contacts in one number, ascending
    keys: I64

    @classmethod
    def of(cls, index: EntityIndex, dropped: Mask) -> DealPeople:
        """Of the contacts that exist by now and are not dropped."""
        company = index.contacts.company
        places = np.flatnonzero(~dropped & (company >= 0))
        return cls(index, np.sort(_key(company[places].astype(np.int64), places)))

    def contact(self, deal: I64, at_us: I64, draws: U64) -> I64:
        """The contact (place) of each activity about a deal, -1 where that is -1. All exist by ``at_us``."""
        deals, contacts = self.index.deals, self.index.contacts
        main = np.append(deals.contact, -1)[deal].astype(np.int64)
        rows = np.flatnonzero((deal >= 0) & (draws >= _WITH_CONTACT))
        rows = rows[(deals.size[deal[rows]] >= _LARGE) & (contacts.company[main[rows]] >= 0)]
        if not len(rows):
            return main
        contact, company = main[rows], contacts.company[main[rows]].astype(np.int64)
        there = np.searchsorted(contacts.created_us, at_us[rows], side="right").astype(np.int64)
        first, own, end = (np.searchsorted(self.keys, _key(company, place)) for place in (0, contact, there))
        least, beyond = _OTHERS
        others = least + deals.ids[deal[rows], -1].astype(np.int64) % (beyond - least)
        step = 1 + scale(draws[rows] << np.uint64(16), others)
        chosen = self.keys[first + (own - first + step) % (end - first)]
        main[rows] = chosen & (1 << _PLACE_BITS) - 1
        return main


def _key(company: I64, place: I64 | int) -> I64:
    return (company << _PLACE_BITS) + place
