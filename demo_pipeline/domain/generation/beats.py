"""Which beat of its story each activity shows: that of a deal, or of the relation with a contact.

The first activity about a deal in a step of its time shows that step; what comes after it in the same step
says what goes on meanwhile. A deal's time runs from its creation to its close, or its expected one, and each
industry divides it (``Industry.story``). A month knows no activities of other months: a step that began in an
earlier month counts as shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from demo_pipeline.domain.core.arrow import Mask
from demo_pipeline.domain.core.random_streams import I64, U64, ascending, rank_within
from demo_pipeline.domain.generation.calendar import DAY_US, instant_us
from demo_pipeline.domain.generation.context import MonthContext
from demo_pipeline.domain.generation.entity_index import CHURNED, CUSTOMER, Deals
from demo_pipeline.domain.reference.story_parts import BEATS, beat

_FIRST_CONTACT, _QUALIFICATION = map(beat, ("first_contact", "qualification"))
NEED, OFFER, REVISION, DECISION = map(beat, ("need", "offer", "revision", "decision"))
LOSS, _SIGNATURE = map(beat, ("loss", "signature"))
_WAITING, _FOLLOW_UP, _AFTERCARE = map(beat, ("waiting", "follow_up", "aftercare"))
_INQUIRY, _INTRODUCTION, _NURTURE = map(beat, ("inquiry", "introduction", "nurture"))
_SERVICE, _COMPLAINT, _UPSELL, _WINBACK = map(beat, ("service", "complaint", "upsell", "winback"))

#: Of the time of a deal.
_PER_MILLE: Final = 1000
#: How far the story of a deal may be by its first, second, … activity in the month in which it was made.
_FURTHEST: Final = np.array([NEED, OFFER, REVISION, DECISION])
#: Steps that one conversation seldom settles: half of what comes after the first goes on about them.
_REPEATED: Final = np.array([beat(name) for name in ("qualification", "need", "objection")])
_AGAIN: Final = np.uint64(2**63)
#: A lost deal has its last word in the last part of its time, per mille.
_LAST_WORDS: Final = 600
#: microseconds after its creation in which a contact is new, so that a deal may tell a first contact
_NEW_US: Final = DAY_US
#: Days after closing from which on each step after it is shown.
_AFTER_DAYS: Final = np.array([0, 3, 10])
#: A customer's first questions come some days after the purchase; customers who left are approached later.
_CUSTOMER_AFTER_US: Final = 3 * DAY_US
_LEFT_AFTER_US: Final = 45 * DAY_US
#: Assumption: what is with customers outside of deals, in 2**64ths of a draw: service, then complaints.
_SERVED: Final = np.uint64(2**64 * 60 // 100)
_COMPLAINED: Final = np.uint64(2**64 * 74 // 100)
_NEVER: Final = np.iinfo(np.int64).max


def furthest_step(place: int, count: int) -> int:
    """The last step that the story of an open deal may reach in the ``place``-th of ``count`` open stages."""
    return place * REVISION // max(count, 1)


@dataclass(frozen=True, eq=False)
class StoryRows:
    """The stories of some rows, by creation; columns of the same length."""

    #: places in ``BEATS``
    beat: I64
    #: the row that comes next in the same story, the one before it, -1: there is none
    next_row: I64
    last_row: I64
    #: how many rows before it show the same beat of the same story
    rank: I64


@dataclass(frozen=True, eq=False)
class Relations:
    """What contacts have bought and are about to buy, shape (contacts,)."""

    #: when they, or their company, first bought (us); beyond all time, where they did not
    bought_us: I64
    #: the same without their company, of leads and prospects, who are no customers yet
    customer_us: I64
    #: their latest deal, -1: there is none
    latest_deal: I64
    #: when the first known deal of them, or of their company, began (us); beyond all time: there is none
    began_us: I64
    #: one bit for each beat that was shown of a deal in the month, shape (deals,); new rows change it
    shown: I64

    @classmethod
    def of(cls, context: MonthContext) -> Relations:
        """Of all contacts of the index."""
        contacts, deals = context.index.contacts, context.index.deals
        won = np.where(deals.is_lost == 1, _NEVER, np.where(deals.closed_us >= 0, deals.closed_us, _NEVER))
        is_there_before = (deals.closed_us < 0) & (deals.is_lost == 0)
        won = np.where(is_there_before, deals.ended_us, won)
        bought = np.full(len(contacts.ids) + 1, _NEVER)
        np.minimum.at(bought, deals.contact, won)
        company = contacts.company
        at_company = np.full(len(context.index.companies.ids) + 1, _NEVER)
        np.minimum.at(at_company, company, bought[:-1])
        at_company[-1] = _NEVER
        latest = np.full(len(contacts.ids) + 1, -1)
        latest[deals.contact] = np.arange(len(deals.ids))
        # Deals are forgotten, purchases are not.
        companies = context.index.companies
        bought[:-1][(bought[:-1] == _NEVER) & (contacts.has_won == 1)] = 0
        at_company[:-1][(at_company[:-1] == _NEVER) & (companies.has_won == 1)] = 0
        with_company = np.minimum(bought[:-1], at_company[company])
        began = np.full(len(contacts.ids) + 1, _NEVER)
        np.minimum.at(began, deals.contact, deals.created_us)
        began_at = np.full(len(companies.ids) + 1, _NEVER)
        np.minimum.at(began_at, company, began[:-1])
        began_at[-1] = _NEVER
        is_customer = (contacts.status == CUSTOMER) | (contacts.status == CHURNED)
        return cls(
            bought_us=with_company,
            customer_us=np.where(is_customer, with_company, bought[:-1]),
            latest_deal=latest[:-1],
            began_us=np.minimum(began[:-1], began_at[company]),
            shown=np.zeros(len(deals.ids), np.int64),
        )


def story_rows(
    context: MonthContext,
    relations: Relations,
    created_us: I64,
    contact: I64,
    deal: I64,
    place: I64,
    is_answer: Mask,
    draws: U64,
) -> StoryRows:
    """The beats of the rows, shape (n,) each.

    ``contact`` and ``deal`` are places in the index (-1: no deal), ``place`` counts the activities of a deal
    in the month, ``is_answer`` are first answers to leads.
    """
    story = np.where(deal >= 0, deal, len(context.index.deals.ids) + contact)
    order = ascending(story)
    is_same = story[order[1:]] == story[order[:-1]]
    next_row, last_row = np.full(len(story), -1), np.full(len(story), -1)
    next_row[order[:-1]] = np.where(is_same, order[1:], -1)
    last_row[order[1:]] = np.where(is_same, order[:-1], -1)
    chosen = np.empty(len(story), np.int64)
    about, others = np.flatnonzero(deal >= 0), np.flatnonzero(deal < 0)
    closed_us = context.index.deals.closed_us
    comes_after = (next_row < 0) | (created_us[next_row] >= np.append(closed_us, -1)[deal])
    chosen[about] = _of_deals(
        context,
        relations,
        created_us[about],
        deal[about],
        place[about],
        is_last=next_row[about] < 0,
        is_last_before=comes_after[about],
        draws=draws[about],
    )
    chosen[others] = _of_contacts(
        context,
        relations,
        created_us[others],
        contact[others],
        is_first=last_row[others] < 0,
        is_answer=is_answer[others],
        draws=draws[others],
    )
    return StoryRows(chosen, next_row, last_row, rank_within(story * len(BEATS) + chosen))


def _of_deals(
    context: MonthContext,
    relations: Relations,
    created_us: I64,
    deal: I64,
    place: I64,
    *,
    is_last: Mask,
    is_last_before: Mask,
    draws: U64,
) -> I64:
    deals: Deals = context.index.deals
    month_us, month_end_us = instant_us(context.month.start), instant_us(context.month.end)
    start, closed = deals.created_us[deal], deals.closed_us[deal]
    is_known = deals.due_us[deal] >= 0
    # What was said of a deal that was there before a patch is not known: nothing is said for the first time.
    is_made_here = deals.pieces[deal] >= 0
    life = np.maximum(deals.due_us[deal] - start, 1)
    elapsed = np.minimum((created_us - start) // np.maximum(life // _PER_MILLE, 1), _PER_MILLE - 1)
    begins = context.industry.story
    chosen = np.searchsorted(begins, elapsed, side="right") - 1
    chosen = np.minimum(chosen, deals.furthest[deal])
    is_new = start >= month_us
    chosen = np.where(is_new, np.minimum(chosen, _FURTHEST[np.minimum(place, len(_FURTHEST) - 1)]), chosen)
    begin_us = start + life // _PER_MILLE * begins[chosen]

    is_after = (closed >= 0) & (created_us >= closed) & (deals.is_lost[deal] == 0)
    days = np.maximum(created_us - closed, 0) // DAY_US
    after = np.searchsorted(_AFTER_DAYS, days, side="right") - 1
    chosen = np.where(is_after, _SIGNATURE + after, chosen)
    begin_us = np.where(
        is_after, closed + _AFTER_DAYS[np.minimum(after, len(_AFTER_DAYS) - 1)] * DAY_US, begin_us
    )

    is_first = _first_of_each(deal, chosen) & (relations.shown[deal] >> chosen & 1 == 0)
    is_first &= is_made_here & ((begin_us >= month_us) | is_new & ~is_after)
    np.bitwise_or.at(relations.shown, deal, np.left_shift(1, chosen))
    # The last word before a deal is won is the decision, and it is said once.
    is_won_now = is_known & is_made_here & (deals.is_lost[deal] == 0)
    is_won_now &= (closed >= month_us) & (closed < month_end_us)
    is_decided = is_won_now & is_last_before & ~is_after
    chosen = np.where(is_decided, DECISION, chosen)
    np.bitwise_or.at(relations.shown, deal, np.where(is_decided, 1 << DECISION, 0))
    # Only a new contact has a first contact; another deal with somebody begins with what they want now.
    contacts, contact = context.index.contacts, deals.contact[deal]
    is_known_person = (relations.began_us[contact] < start) | (relations.bought_us[contact] < start)
    is_known_person |= start - contacts.created_us[contact] > _NEW_US
    chosen = np.where(is_first & is_known_person & (chosen == _FIRST_CONTACT), _QUALIFICATION, chosen)
    goes_on = (is_first & (chosen != DECISION)) | is_decided
    goes_on |= np.isin(chosen, _REPEATED) & (draws < _AGAIN)
    meanwhile = np.where(is_after, _AFTERCARE, np.where(chosen < OFFER, _WAITING, _FOLLOW_UP))
    chosen = np.where(goes_on, chosen, meanwhile)
    is_lost_now = (deals.is_lost[deal] == 1) & (closed >= 0) & (closed < month_end_us)
    is_loss = is_known & is_lost_now & is_last & (elapsed >= _LAST_WORDS)
    relations.shown[deal[is_loss]] |= 1 << LOSS
    chosen = np.where(is_loss, LOSS, chosen)
    return np.where(is_known, chosen, _WAITING)


def _first_of_each(group: I64, value: I64) -> Mask:
    """Whether each row is the first with its pair; values are below 64."""
    _, first = np.unique(group << 6 | value, return_index=True)
    is_first = np.zeros(len(group), bool)
    is_first[first] = True
    return is_first


def _of_contacts(
    context: MonthContext,
    relations: Relations,
    created_us: I64,
    contact: I64,
    *,
    is_first: Mask,
    is_answer: Mask,
    draws: U64,
) -> I64:
    contacts, deals = context.index.contacts, context.index.deals
    latest = relations.latest_deal[contact]
    since, until = np.append(deals.created_us, _NEVER)[latest], np.append(deals.ended_us, 0)[latest]
    # Somebody with a deal has been spoken to; what is small about it is not said of it alone.
    has_begun = since <= created_us
    is_buying = has_begun & (created_us < until)
    bought = relations.customer_us[contact]
    has_bought = bought < created_us - _CUSTOMER_AFTER_US
    customer = np.where(draws < _SERVED, _SERVICE, np.where(draws < _COMPLAINED, _COMPLAINT, _UPSELL))
    has_left = (contacts.status[contact] == CHURNED) & (bought < created_us - _LEFT_AFTER_US)
    chosen = np.where(has_bought, np.where(has_left, _WINBACK, customer), _NURTURE)
    chosen = np.where(is_buying & ~has_bought, _WAITING, chosen)
    is_new = contacts.created_us[contact] >= instant_us(context.month.start)
    is_unknown = relations.began_us[contact] > created_us
    chosen = np.where(is_first & is_new & is_unknown & ~has_bought, _INTRODUCTION, chosen)
    return np.where(is_answer, _INQUIRY, chosen)
