"""Deals of one month: won, open and lost, with values that sum to the month's figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.arrow import chain, constant, integers, strings
from demo_pipeline.domain.core.deal_values import natural_values
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.random_streams import I64, pick, quantile, scale
from demo_pipeline.domain.generation.calendar import CLOSING_HOURS, MINUTE_US
from demo_pipeline.domain.generation.context import Draws, MonthContext, blocks
from demo_pipeline.domain.generation.deal_partners import deal_partners
from demo_pipeline.domain.generation.deal_prices import Offers, minor_per_natural, price_deals
from demo_pipeline.domain.generation.entity_index import (
    LEAD,
    Deals,
    part,
)
from demo_pipeline.domain.generation.phrases import deal_titles
from demo_pipeline.domain.generation.row_schemas import instants, money_array, row_batch, uuid_array

_TABLE: Final = "deals"
_NEVER: Final = np.iinfo(np.int64).max
_DAY_US: Final = 24 * 60 * MINUTE_US

OPEN, WON, LOST = range(3)

#: A week has 14 × 5 of its 24 × 7 hours at work.
_WORKING: Final = (5, 12)
#: Assumptions: open deals whose date has passed and was not moved; how long people still work with a
#: customer after closing.
_OVERDUE: Final = np.uint64(2**64 * 15 // 100)
_AFTER_CLOSING_US: Final = 14 * _DAY_US
#: Assumption: closed deals that somebody changed afterwards, and working minutes until then, at most.
_CHANGED_CLOSED: Final = np.uint64(2**64 * 22 // 100)
_CHANGED_WITHIN: Final = 4200


@dataclass(kw_only=True)
class DealFacts:
    """What a batch needs of a month's deals besides their place in the index; columns of shape (n,)."""

    draws: Draws
    #: OPEN, WON or LOST
    outcome: I64
    value_minor: I64
    #: when won or lost; -1 while open
    closed_us: I64
    updated_us: I64
    #: working minutes that a deal of this size takes
    cycle: I64


def compose_deals(context: MonthContext, figures: Figures) -> tuple[Deals, DealFacts]:
    """``figures.deals_created`` deals whose counts and values are the figures', exactly."""
    draws = context.draws(
        _TABLE, figures.deals_created, after_us=first_contact_bound(context, figures.deals_created)
    )
    draws = _with_somebody_to_win(context, figures, draws)
    created = draws.created_us
    offers, outcome = _values(context, figures, draws)
    cycle = quantile(draws("cycle"), context.industry.cycle_quantiles)
    cycle = cycle * _WORKING[0] // _WORKING[1]

    seconds = draws("closed_second")
    left = context.minutes_left(created)
    place = draws("closed_place")
    closed = context.later(created, np.where(cycle <= left, cycle, scale(place, left + 1)), seconds)
    closed = context.at_usual_hour(closed, created, draws("closed_hour"), CLOSING_HOURS)
    touched = draws("is_touched")
    is_open = outcome == OPEN
    updated = context.changed(
        np.where(is_open, created, closed),
        np.where(is_open, touched >= np.uint64(2**63), touched < _CHANGED_CLOSED),
        np.where(is_open, scale(place, np.minimum(cycle, left) + 1), 1 + scale(place, _CHANGED_WITHIN)),
        seconds,
    )
    contact = deal_partners(context.index, created, outcome == WON, draws("contact"))
    titles = [
        deal_titles(context, contact[start:stop], draws[start:stop], offers[start:stop])
        for start, stop in blocks(len(created))
    ]
    rows = Deals(
        ids=draws.ids(),
        created_us=created,
        contact=contact,
        ended_us=np.where(
            outcome == LOST, closed, np.where(outcome == WON, closed + _AFTER_CLOSING_US, _NEVER)
        ),
        title=chain(strings(()), *titles),
        text_count=np.zeros(len(created), np.int64),
    )
    return rows, DealFacts(
        draws=draws,
        outcome=outcome,
        value_minor=offers.lines.value,
        closed_us=np.where(outcome == OPEN, -1, closed),
        updated_us=updated,
        cycle=cycle,
    )


def deal_batches(context: MonthContext, rows: Deals, facts: DealFacts) -> Iterator[pa.RecordBatch]:
    """The rows as batches of ``deals``, in blocks."""
    for start, stop in blocks(len(rows.created_us)):
        yield _block(context, part(rows, start, stop), part(facts, start, stop))


def _block(context: MonthContext, rows: Deals, facts: DealFacts) -> pa.RecordBatch:
    count, contacts = len(rows.created_us), context.index.contacts
    stage = _stages(context, rows, facts)
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
            "title": rows.title,
            "value": money_array(facts.value_minor, context.spec.currency),
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


def _won(figures: Figures, draws: Draws) -> tuple[I64, I64]:
    """The rows that are won, and the others, in a drawn order."""
    by_draw = np.argsort(draws("outcome"), kind="stable")
    return by_draw[: figures.closed_won_count], by_draw[figures.closed_won_count :]


def _with_somebody_to_win(context: MonthContext, figures: Figures, draws: Draws) -> Draws:
    """The draws with won deals after the first contact that is not a lead, where time is left for them."""
    contacts = context.index.contacts
    others = np.flatnonzero(contacts.status != LEAD)
    if figures.closed_won_count == 0 or len(others) == 0:
        return draws
    first_us = int(contacts.created_us[others[0]])
    won, _ = _won(figures, draws)
    early = won[draws.created_us[won] < first_us]
    if len(early) == 0:
        return draws
    created = draws.created_us.copy()
    after = context.work.draw(draws("later_minute")[early], draws("later_second")[early], after_us=first_us)
    created[early] = np.where(after >= first_us, after, created[early])
    return draws.moved(created)[0]


def _values(context: MonthContext, figures: Figures, draws: Draws) -> tuple[Offers, I64]:
    """Offers and outcomes: values of won and open deals sum to the figures, those of lost ones to neither."""
    industry = context.industry
    natural = natural_values(
        draws("value"), industry.deal_quantiles, context.spec.whale_ppm, industry.largest_deal
    )
    won, others = _won(figures, draws)
    # One natural unit in the tenant's money, as a ratio: that of the won deals where there are any.
    ratio = (figures.closed_won_value, int(natural[won].sum()))
    if not figures.closed_won_count:
        ratio = minor_per_natural(context)
    open_count = _open_count(figures, int(natural[others].sum()) * ratio[0] // ratio[1])
    opened, lost = others[:open_count], others[open_count:]
    outcome = np.full(len(draws.order), LOST)
    outcome[won], outcome[opened] = WON, OPEN
    if not context.team.pipeline.is_lost.any():
        # Without a stage for lost deals those that are worth nothing stay open.
        outcome[lost] = OPEN
        lost = lost[:0]
    return price_deals(context, figures, draws, natural, (won, opened, lost)), outcome


def _open_count(figures: Figures, others_worth: int) -> int:
    """How many of the deals that are not won are open, so that they are about as large as the others."""
    if figures.open_value == 0:
        return 0
    others = figures.other_deals
    fitting = (figures.open_value * others + others_worth // 2) // max(others_worth, 1)
    return max(1, min(fitting, others, figures.open_value))


def _stages(context: MonthContext, rows: Deals, facts: DealFacts) -> I64:
    """A stage that fits the outcome; the older an open deal for its cycle, the further it may be."""
    place_draws = facts.draws("stage")
    pipeline = context.team.pipeline
    open_stages = np.flatnonzero(~(pipeline.is_won | pipeline.is_lost))
    age = np.minimum(context.minutes_between(rows.created_us, context.today_us), facts.cycle)
    furthest = np.maximum(age * (len(open_stages) - 1) // np.maximum(facts.cycle, 1), 1)
    place = np.minimum(scale(place_draws, furthest + 1), len(open_stages) - 1)
    chosen = open_stages[place] if len(open_stages) else np.full(len(place), -1)
    for result, flags in ((WON, pipeline.is_won), (LOST, pipeline.is_lost)):
        these, mask = np.flatnonzero(flags), facts.outcome == result
        if mask.any():
            chosen[mask] = these[pick(place_draws[mask], np.cumsum(pipeline.weight[these]))]
    return chosen


def _expected_close_days(context: MonthContext, rows: Deals, facts: DealFacts) -> I64:
    """Days since 1970: the day a deal closed, or a weekday on which an open one is expected to."""
    length = facts.cycle * _WORKING[1] // _WORKING[0] * MINUTE_US
    due = (rows.created_us + length) // _DAY_US
    today = context.today_us // _DAY_US
    still = 1 + scale(facts.draws("overdue_days"), context.industry.cycle_days[1])
    is_moved = (due <= today) & (facts.draws("is_overdue") >= _OVERDUE)
    due = np.where(is_moved, today + still, due)
    weekday = (due + 3) % 7
    # From a weekend to any day of the week after it.
    later = 7 - weekday + scale(facts.draws("weekday"), 5)
    due += np.where(weekday >= 5, later, 0)
    return np.where(facts.outcome == OPEN, due, facts.closed_us // _DAY_US)
