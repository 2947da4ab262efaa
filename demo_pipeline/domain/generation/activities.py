"""Activities of one month: what people did with contacts, and with their deals.

Four kinds of row: a first answer to a new lead within the house's response time, work on a deal before it
closes, work on any deal that is alive, and everything else with a contact. The texts are in ``phrases``. Rows
come in blocks, so that memory does not grow with a month.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.arrow import Mask, integers, texts
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.random_streams import I64, U64, rank_within, scale
from demo_pipeline.domain.generation.beats import LOSS, Relations, story_rows
from demo_pipeline.domain.generation.calendar import (
    DAY_US,
    HOUR_US,
    MEETING_HOURS,
    MINUTE_US,
    TASK_HOURS,
    minute_of,
)
from demo_pipeline.domain.generation.context import Draws, MonthContext, blocks
from demo_pipeline.domain.generation.deal_people import DealPeople
from demo_pipeline.domain.generation.deals import first_contact_bound
from demo_pipeline.domain.generation.entity_index import LEAD, recent
from demo_pipeline.domain.generation.lead_answers import Reachable, is_dropped
from demo_pipeline.domain.generation.meetings import MeetingCalendar
from demo_pipeline.domain.generation.phrases import MOST_A_MONTH, Activities, activity_texts
from demo_pipeline.domain.generation.row_schemas import instants, row_batch, uuid_array
from demo_pipeline.domain.model import ACTIVITY_TYPES

_TABLE: Final = "activities"
#: Rows of one block, a multiple of 4. The order of a month's rows depends on it: they ascend within a block.
_BLOCK_ROWS: Final = 16_384

CALL, EMAIL, MEETING, NOTE, TASK = (
    ACTIVITY_TYPES.index(kind) for kind in ("call", "email", "meeting", "note", "task")
)

#: Assumptions: shares in per cent, and in 2**64ths of a draw.
_RESPONSES_PERCENT: Final = 40
_ON_DEALS_PERCENT: Final = 62
#: Activities on a deal in a month, at most on average.
_ON_A_DEAL: Final = 6
#: How many activities at most are work on deals before they close, per cent of those that answer no lead.
_CLOSING_PERCENT: Final = 55
#: Which deals have a second and a third piece of such work: those with so many points. A draw gives less than
#: ``_LOT``, each size class ``_A_SIZE_CLASS``.
_LOT: Final = 190
_A_SIZE_CLASS: Final = 9
_SECOND: Final = 120
_THIRD: Final = 210
#: How often the larger of two deals is chosen, where both or neither are in the second half of their time.
_LARGER: Final = np.uint64(2**64 * 26 // 100)
#: People of as many habits: by how many minutes each is later than the one before, and how much more or less
#: of each type of activity they have, per cent, turned by one type for each habit.
_HABITS: Final = len(ACTIVITY_TYPES)
_HABIT_MINUTES: Final = 45
_LIKED_PERCENT: Final = np.array([150, 80, 120, 70, 100])
_BY_PHONE: Final = np.uint64(2**64 * 45 // 100)
_CANCELLED: Final = np.uint64(2**64 * 6 // 100)
_STILL_TO_DO: Final = np.uint64(2**64 * 20 // 100)
_BY_OTHERS: Final = np.uint64(2**64 * 18 // 100)
_CHANGED: Final = np.uint64(2**64 * 12 // 100)
#: Working minutes.
_CHANGED_WITHIN: Final = 90

_AN_HOUR: Final = 60
#: Working minutes until a meeting takes place, and until a task is due, at most: five days, three and a half.
_MEETING_AHEAD: Final = 4200
_TASK_AHEAD: Final = 2940
_QUARTER: Final = 15 * MINUTE_US
#: Hours of the day between which people are called.
_CALLS_FROM, _CALLS_UNTIL = 8, 19
#: How long after its end a meeting is marked as held, at most (us).
_MARKED_WITHIN: Final = 40 * MINUTE_US
#: A new colleague writes nothing in the first days; a row may also move by its author's habit.
_FIRST_DAYS_US: Final = 4 * 24 * 60 * MINUTE_US


def activity_batches(context: MonthContext, figures: Figures) -> Iterator[pa.RecordBatch]:
    """``figures.activities_created`` activities as batches of rows, in blocks.

    Contacts and deals are those of the index, which has the month's own by now.
    """
    count = figures.activities_created
    after_us = first_contact_bound(context, count)
    dropped = is_dropped(context.index, context.spec.drop_off_ppm)
    leads = _answered_leads(context, dropped, count)
    closing = _closing_deals(context, (count - len(leads)) * _CLOSING_PERCENT // 100)
    reachable = Reachable.of(context.index, dropped)
    on_deal = context.index.deals.text_count.astype(np.int64)
    people, calendar = DealPeople.of(context.index, dropped), MeetingCalendar.of(context)
    relations = Relations.of(context)
    for start, stop in blocks(count, _BLOCK_ROWS):
        # In a tenant's first month there are more people to speak with by each day.
        draws = context.draws(
            _TABLE, stop - start, start=start, after_us=after_us, is_growing=context.is_beginning
        )
        first = _First(leads[start:stop], closing[max(start - len(leads), 0) : max(stop - len(leads), 0)])
        yield _block(context, draws, first, reachable, people, on_deal, calendar, relations, count)
    if context.is_patch:
        context.index.deals.text_count = on_deal


class _First(NamedTuple):
    """What the first draws of a block are for, one each; places in the index."""

    #: leads that are answered
    leads: I64
    #: deals that are worked on before they close
    closing: I64


def _block(
    context: MonthContext,
    draws: Draws,
    first: _First,
    reachable: Reachable,
    people: DealPeople,
    on_deal: I64,
    calendar: MeetingCalendar,
    relations: Relations,
    count: int,
) -> pa.RecordBatch:
    """One block of a month's ``count`` rows.

    ``on_deal`` counts the month's activities by deal, ``calendar`` has its meetings.
    """
    index, deals = context.index, context.index.deals
    created = draws.created_us
    contact = reachable.recent(draws("contact"), created)
    there = np.searchsorted(deals.created_us, created, side="right").astype(np.int64)
    deal = _deal_at_work(context, draws, there, count)
    # The type of an answer; -1: by the habit of its author.
    answered_by, is_bound = np.full(len(created), -1), np.zeros(len(created), bool)
    created = created.copy()
    leads, closing = first
    answers = np.flatnonzero(draws.order < len(leads))
    lead = leads[draws.order[answers]]
    contact[answers], deal[answers] = lead, -1
    answered_by[answers] = np.where(draws("by_phone")[answers] < _BY_PHONE, CALL, EMAIL)
    created[answers] = _answer_times(context, index.contacts.created_us[lead], draws("delay")[answers])
    before = np.flatnonzero((draws.order >= len(leads)) & (draws.order < len(leads) + len(closing)))
    deal[before] = closing[draws.order[before] - len(leads)]
    created[before] = _times_before(context, deal[before], draws("delay")[before])
    is_bound[answers] = is_bound[before] = True
    if len(deals.created_us):
        deal = np.where((deal >= 0) & (deals.contact[deal] >= 0), deal, -1)
        contact = np.where(deal >= 0, deals.contact[deal], contact)
    author = np.where(
        draws("by_others") < _BY_OTHERS,
        context.team.sellers(draws("author"), created - _FIRST_DAYS_US),
        index.contacts.owner[contact],
    )
    author = context.team.present(author, draws("author"), created - _FIRST_DAYS_US)
    habit = _habits(context, author, 1)
    earliest = np.maximum(index.contacts.created_us[contact], np.append(deals.created_us, 0)[deal])
    shifted = _shifted(context, created, (habit - _HABITS // 2) * _HABIT_MINUTES)
    created = np.where(is_bound | (shifted <= earliest), created, shifted)
    draws, again = draws.moved(created)
    created, contact, deal, author, answered_by = (
        column[again] for column in (created, contact, deal, author, answered_by)
    )
    kind = np.where(
        answered_by >= 0, answered_by, _types(context, draws("type"), _habits(context, author, 2))
    )

    place = np.zeros(len(created), np.int64)
    if len(deals.created_us):
        deal = np.where((deal >= 0) & (deals.ended_us[deal] >= created), deal, -1)
        # After its last word, which an earlier block may have had, a deal is not spoken of.
        deal = _thinned(np.where(relations.shown[deal] >> LOSS & 1 == 1, -1, deal))
        place = _places(deal, on_deal)
        contact = np.where(deal >= 0, people.contact(deal, created, draws("colleague")), contact)
    meetings = np.flatnonzero(kind == MEETING)
    start, length, has_room = _meetings(context, draws, meetings, author, calendar)
    # An author without time for the meeting makes a call of it.
    kind[meetings[~has_room]] = CALL
    # No e-mail without an address, no call without a number; a note, where there is neither.
    has_email, has_phone = index.contacts.has_email[contact] == 1, index.contacts.has_phone[contact] == 1
    # Calls are made from 08:00 to 18:59 local time.
    hour = context.timeline.local_us(created) % DAY_US // HOUR_US
    has_phone &= (hour >= _CALLS_FROM) & (hour < _CALLS_UNTIL)
    kind = np.where((kind == EMAIL) & ~has_email, np.where(has_phone, CALL, NOTE), kind)
    kind = np.where((kind == CALL) & ~has_phone, np.where(has_email, EMAIL, NOTE), kind)
    scheduled, completed, minutes = _times(context, draws, kind, start[has_room], length[has_room])
    done = np.maximum(created, completed)
    changed = draws("changed")
    # While it is fresh. One column of draws serves all: of those that are small the other bits are uniform.
    within = 1 + scale(changed << np.uint64(8), _CHANGED_WITHIN)
    updated = context.changed(done, changed < _CHANGED, within, changed << np.uint64(16))
    story = story_rows(context, relations, created, contact, deal, place, answered_by >= 0, draws("story"))
    activities = Activities(kind, completed < 0, created, scheduled, contact, deal, author, place)
    subject, description = activity_texts(context, draws, story, activities)
    return row_batch(
        _TABLE,
        {
            "id": uuid_array(draws.ids()),
            "created_at": instants(created),
            "updated_at": instants(updated),
            "type": texts(ACTIVITY_TYPES, kind),
            "subject": subject,
            "description": description,
            "contact_id": uuid_array(index.contacts.ids, contact),
            "company_id": uuid_array(index.companies.ids, index.contacts.company[contact]),
            "deal_id": uuid_array(deals.ids, deal),
            "created_by_id": uuid_array(context.team.ids, author),
            "scheduled_at": instants(scheduled, scheduled < 0),
            "completed_at": instants(completed, completed < 0),
            "duration_minutes": integers(minutes, pa.int32(), minutes == 0),
            "demo_source_month": context.source_month(len(created)),
        },
    )


def _habits(context: MonthContext, author: I64, step: int) -> I64:
    """A number below ``_HABITS`` for a habit of each row's author: in turn, so that a small team has all."""
    ids = context.team.ids
    if len(ids) == 0:
        return np.full(len(author), _HABITS // 2)
    return (author * step + int(ids[0, -step])) % _HABITS


def _shifted(context: MonthContext, instants_us: I64, minutes: I64) -> I64:
    """The instants some minutes later, or earlier, if that is on the same working day of the month."""
    timeline = context.timeline.minutes
    slot = np.searchsorted(timeline, instants_us // MINUTE_US)
    other = np.clip(slot + minutes, 0, len(timeline) - 1)
    is_same_day = timeline[other] - timeline[slot] == minutes
    is_in_month = (timeline[other] >= context.work.minutes[0]) & (timeline[other] <= context.work.minutes[-1])
    return np.where(is_same_day & is_in_month, instants_us + minutes * MINUTE_US, instants_us)


def _types(context: MonthContext, draws: U64, habit: I64) -> I64:
    """Places in ACTIVITY_TYPES: by the industry's weights, and what people do more or less of."""
    by_habit = _types_by_habit(context.industry.activity_weights)
    return np.sum(by_habit[habit] <= scale(draws, by_habit[habit, -1])[:, None], axis=1)


@cache
def _types_by_habit(weights: tuple[int, ...]) -> I64:
    """Running weights of types for each habit, shape (habits, types)."""
    usual = np.array(weights, np.int64)
    return np.cumsum([usual * np.roll(_LIKED_PERCENT, place) for place in range(_HABITS)], axis=1)


def _answered_leads(context: MonthContext, dropped: Mask, count: int) -> I64:
    """The leads that are answered in the month, in a drawn order; those that are dropped never are.

    Who arrives after a month's last working minute is answered in the next month.
    """
    contacts, work, timeline = context.index.contacts, context.work.minutes, context.timeline.minutes
    place = int(np.searchsorted(timeline, int(work[0])))
    since = int(timeline[place - 1]) if place else minute_of(context.month.start)
    first = int(np.searchsorted(contacts.created_us, since * MINUTE_US))
    leads = first + np.flatnonzero((contacts.status[first:] == LEAD) & ~dropped[first:])
    left = context.minutes_between(contacts.created_us[leads], int(work[-1]) * MINUTE_US)
    leads = leads[left > 0]
    if context.is_patch:
        # Its own leads: those that were there, whose names come after the country's, have had their answer.
        leads = leads[contacts.first[leads] < len(context.locale.given)]
    drawn = np.argsort(context.stream.child(_TABLE).raw("answered", len(leads)), kind="stable")
    return leads[drawn[: count * _RESPONSES_PERCENT // 100]]


def _closing_deals(context: MonthContext, most: int) -> I64:
    """Deals (places) that close in the month, one for each piece of work before it, at most ``most``.

    Each has one, won ones first; some have a second one and a third one, large ones more often.
    """
    deals, work = context.index.deals, context.work.minutes
    start, end = int(work[0]) * MINUTE_US, (int(work[-1]) + 1) * MINUTE_US
    closing = np.flatnonzero((deals.closed_us >= start) & (deals.closed_us < end) & (deals.contact >= 0))
    lot = context.stream.child(_TABLE).raw("closing", len(closing))
    again = scale(lot << np.uint64(32), _LOT) + deals.size[closing].astype(np.int64) * _A_SIZE_CLASS
    order = np.lexsort((lot, deals.is_lost[closing]))
    closing, again = closing[order], again[order]
    return np.concatenate([closing, closing[again >= _SECOND], closing[again >= _THIRD]])[:most]


def _times_before(context: MonthContext, deal: I64, draws: U64) -> I64:
    """Instants (us) within the month between a deal's creation and its closing, most of them near the end."""
    deals, timeline = context.index.deals, context.timeline.minutes
    first = np.searchsorted(timeline, context.work.minutes[:1])
    start_us, end_us = deals.created_us[deal], deals.closed_us[deal]
    start = np.maximum(np.searchsorted(timeline, start_us // MINUTE_US), first)
    end = np.maximum(np.searchsorted(timeline, end_us // MINUTE_US), start)
    half = draws >> np.uint64(32)
    slot = end - scale(half * half, end - start + 1)
    # Within the minute, after the creation and before the closing where these are in it.
    low = np.maximum(timeline[slot] * MINUTE_US, start_us)
    high = np.minimum((timeline[slot] + 1) * MINUTE_US, end_us)
    return low + scale(draws << np.uint64(20), np.maximum(high - low, 1))


def _deal_at_work(context: MonthContext, draws: Draws, there: I64, count: int) -> I64:
    """A deal of the first ``there`` for each row, recent ones more often; -1 for no deal.

    On average a deal has at most ``_ON_A_DEAL`` of the month's ``count`` rows: a new tenant has few deals.

    Of two of them that one which is in the second half of its time; sometimes the larger one.
    """
    shares = np.minimum(count * _ON_DEALS_PERCENT, there * (100 * _ON_A_DEAL))
    available = np.where(scale(draws("on_deal"), 100 * max(count, 1)) < shares, there, 0)
    deal, drawn = recent(draws("deal"), available), draws("larger")
    rows = np.flatnonzero(deal >= 0)
    # Any deal, since a recent one is rarely about to close.
    one, other = deal[rows], scale(drawn[rows] << np.uint64(4), available[rows])
    now, size = draws.created_us[rows], context.index.deals.size
    is_late, other_is_late = _is_late(context, one, now), _is_late(context, other, now)
    is_larger = (drawn[rows] < _LARGER) & (size[other] > size[one])
    deal[rows] = np.where((other_is_late > is_late) | (other_is_late == is_late) & is_larger, other, one)
    return deal


def _is_late(context: MonthContext, deal: I64, now_us: I64) -> Mask:
    """Whether an instant is in the second half of the time from the creation of a deal to its close."""
    deals = context.index.deals
    created, closed = deals.created_us[deal], deals.closed_us[deal]
    return (now_us <= closed) & (now_us - created >= closed - now_us)


def _answer_times(context: MonthContext, lead_us: I64, delay: U64) -> I64:
    """Within the response time in working minutes, and within the month."""
    minutes = 1 + scale(delay, max(context.spec.response_sla_minutes - 1, 1))
    left = context.minutes_between(lead_us, int(context.work.minutes[-1]) * MINUTE_US)
    return context.later(lead_us, np.minimum(minutes, left), delay << np.uint64(20))


def _thinned(deal: I64) -> I64:
    """The deals of rows, -1 for what is more than ``MOST_A_MONTH`` of one deal: spread over its rows."""
    linked = np.flatnonzero(deal >= 0)
    count = np.maximum(np.bincount(deal[linked], minlength=1)[deal[linked]], MOST_A_MONTH)
    rank = rank_within(deal[linked])
    thinned = deal.copy()
    thinned[linked[rank * MOST_A_MONTH // count == (rank - 1) * MOST_A_MONTH // count]] = -1
    return thinned


def _places(deal: I64, on_deal: I64) -> I64:
    """The place of each row among the activities of its deal in this month, from 0; updates ``on_deal``."""
    place = rank_within(deal)
    linked = deal >= 0
    place[linked] += on_deal[deal[linked]]
    place[~linked] = 0
    np.add.at(on_deal, deal[linked], 1)
    return place


def _meetings(
    context: MonthContext, draws: Draws, rows: I64, author: I64, calendar: MeetingCalendar
) -> tuple[I64, I64, Mask]:
    """Starts (us) and minutes of the meetings that these rows are, and which found room."""
    created, ahead = draws.created_us[rows], draws("ahead")[rows]
    minutes = 30 * (1 + scale(draws("length")[rows], 4))
    wanted = context.later(created, _AN_HOUR + scale(ahead, _MEETING_AHEAD), ahead)
    wanted = context.at_usual_hour(wanted, created, draws("hour")[rows], MEETING_HOURS)
    start, has_room = calendar.book(author[rows], _at_quarter(wanted, created), created, minutes)
    return start, minutes, has_room


def _times(
    context: MonthContext, draws: Draws, kind: I64, start_us: I64, meeting_minutes: I64
) -> tuple[I64, I64, I64]:
    """When scheduled and completed (us, -1 for never) and how long (minutes, 0 for no matter).

    ``start_us`` and ``meeting_minutes`` are those of the meetings, in their order.
    """
    created, length, open_end = draws.created_us, draws("length"), draws("is_done")
    scheduled = np.full(len(created), -1)
    minutes = np.zeros(len(created), np.int64)
    calls, meetings, tasks = (np.flatnonzero(kind == one) for one in (CALL, MEETING, TASK))
    minutes[calls] = 3 + scale(length[calls], 40)
    minutes[meetings], scheduled[meetings] = meeting_minutes, start_us

    noted, ahead = created[tasks], draws("ahead")[tasks]
    due = context.later(noted, _AN_HOUR + scale(ahead, _TASK_AHEAD), ahead) // _QUARTER * _QUARTER
    scheduled[tasks] = _at_quarter(context.at_usual_hour(due, noted, draws("hour")[tasks], TASK_HOURS), noted)
    completed = np.where((kind == CALL) | (kind == EMAIL), created, -1)
    ended = start_us + meeting_minutes * MINUTE_US
    ended += scale(length[meetings] << np.uint64(8), _MARKED_WITHIN)
    completed[meetings] = np.where(open_end[meetings] < _CANCELLED, -1, ended)
    done = context.later(noted, scale(length[tasks], _TASK_AHEAD), length[tasks])
    completed[tasks] = np.where(open_end[tasks] < _STILL_TO_DO, -1, done)
    completed[completed > context.limit_us] = -1
    return scheduled, completed, minutes


def _at_quarter(instants_us: I64, after_us: I64) -> I64:
    """The quarter of an hour before each instant, or the next one where that is not after ``after_us``."""
    quarter = instants_us // _QUARTER * _QUARTER
    return np.where(quarter > after_us, quarter, quarter + _QUARTER)
