"""Which words a row gets: titles of deals, subjects and descriptions of activities.

Within a deal no text comes twice: its activities are numbered, month after month, and the number goes
through a permutation of all pairs of template and topic (and step), keyed by the deal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, product
from math import gcd
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.arrow import Mask, strings, take, take_or_null
from demo_pipeline.domain.core.random_streams import I64, U64, pick, scale
from demo_pipeline.domain.generation.companies import names
from demo_pipeline.domain.generation.context import Draws, MonthContext
from demo_pipeline.domain.generation.deal_prices import Offers
from demo_pipeline.domain.generation.price_lists import LINE_KINDS
from demo_pipeline.domain.model import ACTIVITY_TYPES
from demo_pipeline.domain.reference.texts import (
    MEETING,
    Layout,
    SlotChoice,
    Template,
    Texts,
    person_slots,
    render,
    usable,
)

#: Activities of one deal in one month, of patches in all, at most; what is more goes to the contact alone.
MOST_A_MONTH: Final = 64


def deal_titles(context: MonthContext, contact: I64, draws: Draws, offers: Offers) -> pa.StringArray:
    """Titles for deals with these contacts (places in the index) about these offers, shape (n,)."""
    texts = context.texts
    company = context.index.contacts.company[contact]
    titles, usable_titles, starts, counts = _titles_with_lines(texts)
    drawn = draws("title")
    with_company, without = (one[scale(drawn, len(one))] for one in usable_titles)
    which = np.where(company >= 0, with_company, without)
    lines = offers.lines
    form = starts[lines.kind] + scale(draws("product_form"), counts[lines.kind])
    pieces, piece_place = np.unique(lines.pieces, return_inverse=True)

    def numbers(less: int) -> SlotChoice:
        return SlotChoice(strings([str(number - less) for number in pieces.tolist()]), piece_place)

    slots = _person_slots(context, contact) | {
        "company": names(context, company),
        "product": SlotChoice(texts.products, lines.product),
        "pieces": numbers(0),
        "more": numbers(1),
        "city": SlotChoice(context.locale.places.city_names, offers.city),
        **texts.topic_slots(lines.product % texts.topic_count),
    }
    return render(titles, which * int(counts.sum()) + form, slots)


@cache
def _titles_with_lines(texts: Texts) -> tuple[Layout, tuple[I64, I64], I64, I64]:
    """Each title with each form of a line in the place of ``product``.

    Then the titles that are usable with a company, and without; where the forms of each kind of line begin,
    and how many there are, shape (kinds,) each.
    """
    forms = [texts.lines.get(kind, texts.lines["plain"]) for kind in LINE_KINDS]
    counts = np.array(list(map(len, forms)))
    titles = texts.deal_titles
    with_company, without = (
        np.array([titles.index(one) for one in usable(titles, with_deal=True, with_company=has)])
        for has in (True, False)
    )
    layout = Layout.of(
        [
            texts.language.spelt_out(Template.parse(title.text.replace("{product}", form.text)))
            for title in titles
            for group in forms
            for form in group
        ]
    )
    return layout, (with_company, without), np.cumsum(counts) - counts, counts


def activity_texts(
    context: MonthContext, draws: Draws, kind: I64, is_ahead: Mask, contact: I64, deal: I64, place: I64
) -> tuple[pa.StringArray, pa.StringArray]:
    """Subjects and descriptions of one topic a row, shape (n,) each.

    ``contact`` and ``deal`` are places in the index (-1: no deal), ``place`` counts the activities of
    the deal in this month. Meetings that are ahead, or were called off, have an agenda, no minutes.
    """
    texts, index = context.texts, context.index
    company = index.contacts.company[contact]
    is_planned = is_ahead & (kind == ACTIVITY_TYPES.index(MEETING))
    # As ``_options`` counts them.
    group = ((kind * 2 + is_planned) * 2 + (deal >= 0)) * 2 + (company >= 0)
    subject, description, topic, step = _words(context, draws, group, deal, place)
    subjects, descriptions = _layouts(texts)
    slots = (
        _person_slots(context, contact)
        | texts.topic_slots(topic)
        | {
            "company": names(context, company),
            # Not a choice: titles of all deals would be copied for every block.
            "deal": take_or_null(index.deals.title, deal),
            "step": SlotChoice(texts.steps, step),
        }
    )
    return render(subjects, subject, slots), render(descriptions, description, slots)


def _words(
    context: MonthContext, draws: Draws, group: I64, deal: I64, place: I64
) -> tuple[I64, I64, I64, I64]:
    """Subject and description (places among all of them), topic and step of every row, shape (n,) each.

    For a deal, its ``number``-th activity takes the pair (topic, subject) at a place of a permutation of
    all pairs. Rows of one topic have different subjects then, and the subject's place chooses among the
    pairs (description, step), again through a permutation: nothing comes twice. About a deal that is lost, or
    will be, no text speaks of an agreement.
    """
    texts, deals = context.texts, context.index.deals
    subjects, endings = _options(texts)
    topics, steps = texts.topic_count, len(texts.steps)
    rows = np.flatnonzero(deal >= 0)
    of_ending = 2 * group
    of_ending[rows] += deals.is_lost[deal[rows]]
    topic = pick(draws("topic"), texts.topic_cumulative)
    subject = scale(draws("subject"), subjects.count[group])
    ending = scale(draws("description"), endings.count[of_ending])

    # Rows of patches count from the other end: later months of the blueprint may add to the deal.
    earlier = (context.month - context.spec.start_month) * MOST_A_MONTH
    number = -1 - place[rows] if context.is_patch else earlier + place[rows]
    key, pairs = _deal_keys(context, deal[rows]), subjects.count[group[rows]] * topics
    pair = (number * subjects.step[group[rows]] + scale(key, pairs)) % pairs
    topic[rows], subject[rows] = pair % topics, pair // topics
    count, step = endings.count[of_ending[rows]], endings.step[of_ending[rows]]
    start = scale(key << np.uint64(24), count)
    ending[rows] = ((subject[rows] + topic[rows]) * step + start) % count
    chosen = endings.places[endings.start[of_ending] + ending]
    return subjects.places[subjects.start[group] + subject], chosen // steps, topic, chosen % steps


@dataclass(frozen=True, eq=False)
class _Options:
    """What rows may say, by group: the places of one group come after those of the other."""

    places: I64
    #: where those of a group begin, and how many they are, shape (groups,)
    start: I64
    count: I64
    #: from one pair of a place and a partner to the next, in a permutation of them, shape (groups,)
    step: I64

    @classmethod
    def of(cls, places: Sequence[Sequence[int]], partners: int) -> _Options:
        """From the places of each group, each of which goes with as many ``partners``."""
        count = np.array(list(map(len, places)))
        steps = np.array([_step(one * partners) for one in count.tolist()])
        return cls(np.array(list(chain(*places))), np.cumsum(count) - count, count, steps)


@cache
def _everything(texts: Texts) -> tuple[list[Template], list[Template]]:
    """Subjects, and descriptions, of all types of activities."""
    subjects = [one for name in ACTIVITY_TYPES for one in texts.subjects[name]]
    descriptions = [one for name in ACTIVITY_TYPES for one in texts.descriptions[name]]
    return subjects, [*descriptions, *texts.planned[MEETING]]


@cache
def _layouts(texts: Texts) -> tuple[Layout, Layout]:
    """Of all subjects and of all descriptions."""
    subjects, descriptions = (map(texts.language.spelt_out, each) for each in _everything(texts))
    return Layout.of([*subjects]), Layout.of([*descriptions])


@cache
def _options(texts: Texts) -> tuple[_Options, _Options]:
    """The subjects of each group, and its endings: pairs (description, step) as description × steps + step.

    Of endings each group has two: all, then those that fit deals that are lost.
    """
    subject_place, description_place = (
        {one: place for place, one in enumerate(everything)} for everything in _everything(texts)
    )
    is_agreed = [step in texts.agreed for step in texts.steps.to_pylist()]
    subjects: list[list[int]] = []
    endings: list[list[int]] = []
    flags = list(product((False, True), repeat=3))
    # In the order of their numbers.
    for name, (is_planned, has_deal, has_company) in product(ACTIVITY_TYPES, flags):
        about, described = (
            usable(own, with_deal=has_deal, with_company=has_company)
            for own in (
                texts.subjects[name],
                texts.planned.get(name, ()) if is_planned else texts.descriptions[name],
            )
        )
        subjects.append([subject_place[one] for one in about])
        endings += [
            [
                description_place[one] * len(is_agreed) + step
                for one in described
                for step, agreed in enumerate(is_agreed)
                if not (is_lost and (agreed or one.text in texts.agreed))
            ]
            for is_lost in (False, True)
        ]
    return _Options.of(subjects, texts.topic_count), _Options.of(endings, 1)


def _deal_keys(context: MonthContext, deal: I64) -> U64:
    """64 bits of each deal (places in the index): the low half of its id."""
    low = np.ascontiguousarray(context.index.deals.ids[deal, 8:]).view(">u8").reshape(len(deal))
    # The two highest bits are the same in every id.
    return low.astype(np.uint64) << np.uint64(2)


def _step(space: int) -> int:
    """A step about 0.618 of the space, without a common divisor: it visits every place once."""
    step = max(space * 618 // 1000, 1)
    while gcd(step, space) != 1:
        step += 1
    return step


def _person_slots(context: MonthContext, contact: I64) -> dict[str, pa.StringArray | SlotChoice]:
    contacts = context.index.contacts
    sex = contacts.is_female[contact].astype(np.int64)
    return person_slots(
        context.texts.language,
        take(context.name_lookup.given, contacts.first[contact]),
        take(context.name_lookup.surnames, contacts.last[contact]),
        np.where(sex < 0, 2, sex),
        context.locale.honorifics,
    )
