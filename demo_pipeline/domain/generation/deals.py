"""Deals of one month: won, open and lost, with values that sum to the month's figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.arrow import Mask, constant, integers
from demo_pipeline.domain.core.deal_values import natural_values
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.random_streams import I64, ascending, pick, scale, stratified
from demo_pipeline.domain.core.row_ids import Uuids
from demo_pipeline.domain.generation.beats import DECISION, NEED, REVISION, Relations, furthest_step
from demo_pipeline.domain.generation.calendar import DAY_US, MINUTE_US
from demo_pipeline.domain.generation.closing_plan import WORKING
from demo_pipeline.domain.generation.closings import LOST, OPEN, WON, Closings, close_deals
from demo_pipeline.domain.generation.context import Draws, MonthContext, blocks
from demo_pipeline.domain.generation.deal_partners import deal_partners
from demo_pipeline.domain.generation.deal_prices import Offers, minor_per_natural, price_deals
from demo_pipeline.domain.generation.deal_titles import deal_titles
from demo_pipeline.domain.generation.entity_index import (
    LEAD,
    MOST_SIZE,
    Deals,
    part,
)
from demo_pipeline.domain.generation.row_schemas import instants, money_array, row_batch, uuid_array

_TABLE: Final = "deals"
_NEVER: Final = np.iinfo(np.int64).max

#: An open deal is worth at most so many halves of a mean won deal, if there are deals enough.
_OPEN_HALVES: Final = 5
#: What decides which deal has which size: that of the company, the deal's length, chance. Where months have
#: an end that counts, deals close at other times than by their length alone: it must weigh more. Where
#: companies buy pieces for their people, that alone gives larger ones larger deals.
_SIZE_WEIGHT: Final = {True: 200, False: 510}
_LENGTH_WEIGHT: Final = {True: 700, False: 380}
_CHANCE_WEIGHT: Final = {True: 500, False: 650}
#: By how much of its length a deal closes after its expected date, per cent, by tenths of the deals
#: (assumption: the sales team's date is a hope).
_LATE_PERCENT: Final = np.array([-40, -20, -10, -2, 7, 13, 19, 26, 35, 52, 90])
#: Assumptions: open deals whose date has passed and was not moved; how long people still work with a
#: customer after closing.
_OVERDUE: Final = np.uint64(2**64 * 35 // 100)
_AFTER_CLOSING_US: Final = 40 * DAY_US
#: Assumption: closed deals that somebody changed afterwards, and working minutes until then, at most.
_CHANGED_CLOSED: Final = np.uint64(2**64 * 22 // 100)
_CHANGED_WITHIN: Final = 4200


@dataclass(kw_only=True)
class DealFacts:
    """What a batch needs of a month's deals besides their place in the index; columns of shape (n,)."""

    draws: Draws
    #: OPEN, WON or LOST
    outcome: I64
    offers: Offers
    #: a place in the pipeline, -1: it has none
    stage: I64
    #: whether the contact, or its company, has bought before
    is_again: Mask
    #: when won or lost; -1 while open
    closed_us: I64
    updated_us: I64
    #: working minutes that the deal would take by itself
    length: I64


def compose_deals(context: MonthContext, figures: Figures) -> tuple[Deals, DealFacts]:
    """``figures.deals_created`` deals whose counts and values are the figures', exactly."""
    draws = context.draws(
        _TABLE, figures.deals_created, after_us=first_contact_bound(context, figures.deals_created)
    )
    draws, winnable = _with_somebody_to_win(context, figures, draws)
    created = draws.created_us
    closings = close_deals(context, draws, winnable, *_open_counts(context, figures))
    outcome, closed = closings.outcome, closings.closed_us
    contact = deal_partners(context.index, created, outcome == WON, draws("contact"))
    offers, outcome = _values(context, figures, draws, closings, contact)
    closed = np.where(outcome == OPEN, -1, closed)
    is_open = outcome == OPEN
    touched, place = draws("is_touched"), draws("touched_place")
    left = context.minutes_between(created, context.limit_us - MINUTE_US)
    updated = context.changed(
        np.where(is_open, created, closed),
        np.where(is_open, touched >= np.uint64(2**63), touched < _CHANGED_CLOSED),
        np.where(
            is_open,
            scale(place, np.minimum(closings.length, left) + 1),
            1 + scale(place, _CHANGED_WITHIN),
        ),
        draws("touched_second"),
    )
    due = np.where(is_open, created + closings.length * WORKING[1] // WORKING[0] * MINUTE_US, closed)
    ids = draws.ids()
    stage = _stages(context, draws, outcome, closings.length)
    is_again = Relations.of(context).bought_us[contact] < created
    rows = Deals(
        ids=ids,
        created_us=created,
        contact=contact,
        ended_us=np.where(
            outcome == LOST, closed, np.where(outcome == WON, closed + _AFTER_CLOSING_US, _NEVER)
        ),
        closed_us=closed,
        is_lost=(outcome == LOST).astype(np.int64),
        size=_ranks(ascending(offers.lines.value)) * (MOST_SIZE + 1) // max(len(created), 1),
        due_us=due,
        furthest=_furthest(context, outcome, stage, ids),
        product=offers.lines.product,
        city=offers.city,
        pieces=offers.lines.pieces,
        value_minor=offers.lines.value,
        text_count=np.zeros(len(created), np.int64),
    )
    return rows, DealFacts(
        draws=draws,
        outcome=outcome,
        offers=offers,
        stage=stage,
        is_again=is_again,
        closed_us=closed,
        updated_us=updated,
        length=closings.length,
    )


def deal_batches(context: MonthContext, rows: Deals, facts: DealFacts) -> Iterator[pa.RecordBatch]:
    """The rows as batches of ``deals``, in blocks."""
    for start, stop in blocks(len(rows.created_us)):
        yield _block(context, part(rows, start, stop), part(facts, start, stop))


def _block(context: MonthContext, rows: Deals, facts: DealFacts) -> pa.RecordBatch:
    count, contacts = len(rows.created_us), context.index.contacts
    stage = facts.stage
    pipeline = context.team.pipeline
    # Without an open stage a deal has no stage and no probability.
    probability = integers(np.append(pipeline.probability, 0)[stage], pa.int32(), stage < 0)
    close_days = _expected_close_days(context, rows, facts).astype(np.int32)
    return row_batch(
        _TABLE,
        {
            "id": uuid_array(rows.ids),
            "created_at": instants(rows.created_us),
            "updated_at": instants(facts.updated_us),
            "title": deal_titles(context, rows.contact, facts.is_again, facts.draws, facts.offers),
            "value": money_array(rows.value_minor, context.spec.currency),
            "currency": constant(context.spec.currency.code, count),
            "stage_id": uuid_array(pipeline.ids, stage),
            "owner_id": uuid_array(context.team.ids, contacts.owner[rows.contact]),
            "contact_id": uuid_array(contacts.ids, rows.contact),
            "company_id": uuid_array(context.index.companies.ids, contacts.company[rows.contact]),
            "probability": probability,
            "expected_close_date": integers(close_days, pa.date32()),
            "closed_at": instants(facts.closed_us, facts.closed_us < 0),
            "demo_source_month": context.source_month(count),
        },
    )


def first_contact_bound(context: MonthContext, count: int) -> int | None:
    """The instant (us) after which rows may refer to a contact; None: from the month's start."""
    if count == 0:
        return None
    first = int(context.index.contacts.created_us[0])
    return first if first >= int(context.work.minutes[0]) * MINUTE_US else None


def _with_somebody_to_win(context: MonthContext, figures: Figures, draws: Draws) -> tuple[Draws, Mask]:
    """The draws, and which rows have a contact by then that is not a lead.

    Where these are fewer than the wins, deals are moved after the first such contact, if time is left.
    """
    contacts = context.index.contacts
    others = np.flatnonzero(contacts.status != LEAD)
    if len(others) == 0:
        return draws, np.ones(len(draws.order), bool)
    first_us = int(contacts.created_us[others[0]])
    early = np.flatnonzero(draws.created_us < first_us)
    missing = figures.closed_won_count - (len(draws.order) - len(early))
    if missing > 0:
        moved = early[-missing:]
        created = draws.created_us.copy()
        after = context.work.draw(
            draws("later_minute")[moved], draws("later_second")[moved], after_us=first_us
        )
        created[moved] = np.where(after >= first_us, after, created[moved])
        draws, _ = draws.moved(created)
    return draws, draws.created_us >= first_us


def _open_counts(context: MonthContext, figures: Figures) -> tuple[int, int]:
    """How many deals are open at least, so that none carries too much of the open value, and at most."""
    value, won = figures.open_value, figures.closed_won_count
    if value == 0:
        return 0, 0
    if won:
        mean_value, mean_count = figures.closed_won_value, won
    else:
        minor, natural = minor_per_natural(context)
        mean_value, mean_count = context.industry.typical_deal_usd * 100 * minor, natural
    # Rounded up.
    return -(-value * mean_count * 2 // (_OPEN_HALVES * mean_value)), value


def _values(
    context: MonthContext, figures: Figures, draws: Draws, closings: Closings, contact: I64
) -> tuple[Offers, I64]:
    """Offers and outcomes: values of won and open deals sum to the figures, those of lost ones to neither."""
    outcome = closings.outcome.copy()
    natural = _natural_values(context, draws, closings, contact)
    won, opened, lost = (np.flatnonzero(outcome == one) for one in (WON, OPEN, LOST))
    if not context.team.pipeline.is_lost.any():
        # Without a stage for lost deals those that are worth nothing stay open.
        outcome[lost] = OPEN
        lost = lost[:0]
    people = _most_people(context, contact)
    return price_deals(context, figures, draws, natural, people, (won, opened, lost)), outcome


def _most_people(context: MonthContext, contact: I64) -> I64:
    """How many people the company of each contact has at most; 0: there is none."""
    index = context.index
    company = index.contacts.company[contact]
    people = np.append(context.locale.companies.most_people, 0)
    return people[np.append(index.companies.size, -1)[company]]


def _natural_values(context: MonthContext, draws: Draws, closings: Closings, contact: I64) -> I64:
    """Sizes as the industry has them: larger ones with larger companies, and they take longer.

    The won deals, and the others, have a stratified sample of sizes each: one of each of as many equally
    likely ranges as there are deals, so that the largest deal of a month decides less of what the others are
    worth. Which deal has which size follows the rank of a weighted sum of ranks (Iman & Conover, "A
    distribution-free approach to inducing rank correlation among input variables", 1982).
    """
    industry, index = context.industry, context.index
    groups = np.flatnonzero(closings.outcome == WON), np.flatnonzero(closings.outcome != WON)
    sampled = draws("value").copy()
    for rows in groups:
        sampled[rows] = stratified(sampled[rows])
    natural = natural_values(sampled, industry.deal_quantiles, context.spec.whale_ppm, industry.largest_deal)
    company = index.contacts.company[contact]
    size = np.append(index.companies.size, -1)[company].astype(np.int64)
    chance = draws("value_rank")
    length_weight, chance_weight = (
        weight[industry.has_month_end] for weight in (_LENGTH_WEIGHT, _CHANCE_WEIGHT)
    )
    size_weight = _SIZE_WEIGHT[industry.pricing.kind == "pieces"]
    for rows in groups:
        # Companies of one size by lot.
        by_size = np.lexsort((draws("size_rank")[rows], size[rows]))
        score = (
            size_weight * _ranks(by_size)
            + length_weight * _ranks(ascending(closings.length[rows]))
            + chance_weight * _ranks(np.argsort(chance[rows], kind="stable"))
        )
        natural[rows[ascending(score)]] = np.sort(natural[rows])
    return natural


def _ranks(order: I64) -> I64:
    """The place of each row in an order."""
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _stages(context: MonthContext, draws: Draws, outcome: I64, length: I64) -> I64:
    """A stage that fits the outcome; the older an open deal for its cycle, the further it may be."""
    place_draws = draws("stage")
    pipeline = context.team.pipeline
    open_stages = np.flatnonzero(~(pipeline.is_won | pipeline.is_lost))
    age = np.minimum(context.minutes_between(draws.created_us, context.today_us), length)
    furthest = np.maximum(age * (len(open_stages) - 1) // np.maximum(length, 1), 1)
    place = np.minimum(scale(place_draws, furthest + 1), len(open_stages) - 1)
    chosen = open_stages[place] if len(open_stages) else np.full(len(place), -1)
    for result, flags in ((WON, pipeline.is_won), (LOST, pipeline.is_lost)):
        these, mask = np.flatnonzero(flags), outcome == result
        if mask.any():
            chosen[mask] = these[pick(place_draws[mask], np.cumsum(pipeline.weight[these]))]
    return chosen


def _furthest(context: MonthContext, outcome: I64, stage: I64, ids: Uuids) -> I64:
    """The last step that the story of each deal may reach before it closes: of an open one by its stage.

    What is lost may be lost at any step from the need on.
    """
    pipeline = context.team.pipeline
    is_open = ~(pipeline.is_won | pipeline.is_lost)
    count = int(np.count_nonzero(is_open))
    steps = np.array([furthest_step(place, count) for place in np.cumsum(is_open).tolist()], np.int64)
    lost = NEED + ids[:, -1].astype(np.int64) % (REVISION - NEED + 1)
    opened = np.append(steps, REVISION)[stage]
    return np.select([outcome == WON, outcome == LOST], [np.full_like(outcome, DECISION), lost], opened)


def _expected_close_days(context: MonthContext, rows: Deals, facts: DealFacts) -> I64:
    """Weekdays (days since 1970) on which deals are, or were last, expected to close.

    A closed deal closed some part of its length after that day, or before it. An open one is expected after
    its usual length, or, where that is over, mostly later than today.
    """
    place, local_us = facts.draws("expected"), context.timeline.local_us
    created_us, closed_us = local_us(rows.created_us), local_us(facts.closed_us)
    next_day = created_us // DAY_US + 1
    tenth, within = scale(place, 10), scale(place << np.uint64(8), 100)
    late = _LATE_PERCENT[tenth] * (100 - within) + _LATE_PERCENT[tenth + 1] * within
    was_due = np.maximum((closed_us - (closed_us - created_us) // 10_000 * late) // DAY_US, next_day)
    # Of a weekend the Friday before it.
    was_due = np.maximum(was_due - np.maximum((was_due + 3) % 7 - 4, 0), next_day)

    length = facts.length * WORKING[1] // WORKING[0] * MINUTE_US
    due = (created_us + length) // DAY_US
    today = int(local_us(np.array([context.today_us]))[0]) // DAY_US
    still = 1 + scale(facts.draws("overdue_days"), context.industry.cycle_days[1])
    is_moved = (due <= today) & (facts.draws("is_overdue") >= _OVERDUE)
    due = np.where(is_moved, today + still, due)

    due = np.where(facts.outcome == OPEN, due, was_due)
    weekday = (due + 3) % 7
    # From a weekend to any day of the week after it.
    later = 7 - weekday + scale(facts.draws("weekday"), 5)
    return due + np.where(weekday >= 5, later, 0)
