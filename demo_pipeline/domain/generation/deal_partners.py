"""Who a deal is with: a contact that exists by then and whose status fits.

A customer is somebody who has won deals to show. So a won deal goes to a customer, or a churned one, without
a won deal first; the company's deals count, as a colleague's. How many contacts of a month become customers
is bounded by :func:`new_customer_count`. When deals are made, and which are won, is decided in ``deals``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from demo_pipeline.domain.core.arrow import Mask
from demo_pipeline.domain.core.random_streams import I64, U64
from demo_pipeline.domain.generation.entity_index import (
    CHURNED,
    CUSTOMER,
    OTHER,
    PROSPECT,
    Contacts,
    EntityIndex,
    recent,
)

#: A won deal without a waiting customer is with the first group that has somebody by then.
_AGAIN: Final = ((CUSTOMER,), (CHURNED,), (PROSPECT, OTHER))
#: A deal that is not won is with one of these, where they exist by then.
_TALKING: Final = (PROSPECT, CUSTOMER)
#: Assumption, in per cent: new customers for a month's won deals. The other won deals are with customers of
#: before. Fewer new ones leave customers idle, more leave some without a won deal. The second is for a span's
#: last month.
_NEW_CUSTOMERS: Final = 85
_NEW_CUSTOMERS_AT_THE_END: Final = 65


def new_customer_count(
    index: EntityIndex, won_count: int, other_count: int, end_us: int, *, is_last: bool
) -> int:
    """How many of ``other_count`` new contacts that are no leads become customers by their own deals.

    As many as the won deals of the month, which ends at ``end_us``, can serve after those who wait by then.
    After the last month of a span no wins follow: fewer of its contacts become customers.
    """
    waiting = index.contacts.created_us[waiting_customers(index)]
    percent = _NEW_CUSTOMERS_AT_THE_END if is_last else _NEW_CUSTOMERS
    wanted = won_count * percent // 100 - int((waiting < end_us).sum())
    return max(0, min(wanted, other_count * 7 // 10))


def waiting_customers(index: EntityIndex) -> I64:
    """Contacts (places, ascending) that a won deal is still to come for: one for each company."""
    contacts, companies = index.contacts, index.companies
    waiting = np.flatnonzero(_has_status(contacts, (CUSTOMER, CHURNED)) & (contacts.has_won == 0))
    company = contacts.company[waiting]
    if len(companies.has_won):
        is_served = (company >= 0) & (companies.has_won[np.maximum(company, 0)] == 1)
        waiting, company = waiting[~is_served], company[~is_served]
    # Who has no company stands for nobody else.
    house = np.where(company >= 0, company, -1 - np.arange(len(company)))
    _, first = np.unique(house, return_index=True)
    return waiting[np.sort(first)]


def deal_partners(index: EntityIndex, created_us: I64, is_won: Mask, draws: U64) -> I64:
    """The contact (place in the index) of each deal; ``created_us`` ascends, columns of shape (n,).

    A won deal is with a lead only where nobody else exists by then.
    """
    contacts = index.contacts
    chosen = recent(draws, np.searchsorted(contacts.created_us, created_us, side="right").astype(np.int64))
    others = np.flatnonzero(~is_won)
    _choose(contacts, created_us, draws, chosen, others, _TALKING)
    rows = np.flatnonzero(is_won)
    waiting = waiting_customers(index)
    served = _in_turn(contacts.created_us[waiting], created_us[rows])
    chosen[rows[served >= 0]] = waiting[served[served >= 0]]
    rows = rows[served < 0]
    for statuses in _AGAIN:
        rows = _choose(contacts, created_us, draws, chosen, rows, statuses)
    return chosen


def _in_turn(waiting_us: I64, won_us: I64) -> I64:
    """For each won deal the place of the contact whose turn it is; -1 where nobody waits. Both ascend.

    Of the first k deals as many serve somebody as the queue allows: the least, over all i ≤ k, of those who
    came before deal i and of the deals from i to k.
    """
    number = np.arange(1, len(won_us) + 1)
    arrived = np.searchsorted(waiting_us, won_us, side="right")
    lag = np.minimum.accumulate(arrived - number) if len(won_us) else number
    served = number + np.minimum(lag, 0)
    is_served = np.diff(served, prepend=0) > 0
    return np.where(is_served, served - 1, -1)


def _choose(
    contacts: Contacts, created_us: I64, draws: U64, chosen: I64, rows: I64, statuses: tuple[int, ...]
) -> I64:
    """Give ``rows`` a contact of these statuses, where one exists by then; returns the rows without one."""
    pool = np.flatnonzero(_has_status(contacts, statuses))
    there = np.searchsorted(contacts.created_us[pool], created_us[rows], side="right").astype(np.int64)
    fits = there > 0
    chosen[rows[fits]] = pool[recent(draws[rows[fits]], there[fits])]
    return rows[~fits]


def _has_status(contacts: Contacts, statuses: tuple[int, ...]) -> Mask:
    has = np.zeros(OTHER + 1, bool)
    has[list(statuses)] = True
    return has[contacts.status]
