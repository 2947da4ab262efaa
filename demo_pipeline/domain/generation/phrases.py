"""Which words a row gets: titles of deals, subjects and descriptions of activities.

Within a deal no text comes twice: its activities are numbered, month after month, and the number goes
through a permutation of all pairs of template and topic (and step), keyed by the deal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from math import gcd
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.arrow import Mask, strings, take
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
    places = {
        has: [
            texts.deal_titles.index(title)
            for title in usable(texts.deal_titles, with_deal=True, with_company=has)
        ]
        for has in (True, False)
    }
    drawn = draws("title")
    which = np.where(
        company >= 0,
        np.array(places[True])[scale(drawn, len(places[True]))],
        np.array(places[False])[scale(drawn, len(places[False]))],
    )
    lines = offers.lines
    titles, starts, counts = _titles_with_lines(texts)
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
def _titles_with_lines(texts: Texts) -> tuple[Layout, I64, I64]:
    """Each title with each form of a line in the place of ``product``.

    Then where the forms of each kind of line begin, and how many there are, shape (kinds,) each.
    """
    forms = [texts.lines.get(kind, texts.lines["plain"]) for kind in LINE_KINDS]
    counts = np.array(list(map(len, forms)))
    titles = Layout.of(
        [
            Template.parse(title.text.replace("{product}", form.text))
            for title in texts.deal_titles
            for group in forms
            for form in group
        ]
    )
    return titles, np.cumsum(counts) - counts, counts


def activity_texts(
    context: MonthContext, draws: Draws, kind: I64, is_ahead: Mask, contact: I64, deal: I64, place: I64
) -> tuple[pa.StringArray, pa.StringArray]:
    """Subjects and descriptions of one topic a row, shape (n,) each.

    ``contact`` and ``deal`` are places in the index (-1: no deal), ``place`` counts the activities of
    the deal in this month. Meetings that are ahead, or were called off, have an agenda, no minutes.
    """
    texts, index = context.texts, context.index
    company = index.contacts.company[contact]
    words = _Words(context, draws, deal, place)
    group = kind * 4 + (deal >= 0) * 2 + (company >= 0)
    for name_place, name in enumerate(ACTIVITY_TYPES):
        for has_deal, has_company in product((False, True), repeat=2):
            rows = np.flatnonzero(group == name_place * 4 + has_deal * 2 + has_company)
            ahead = is_ahead[rows] & (name == MEETING)
            for part, is_planned in ((rows[~ahead], False), (rows[ahead], True)):
                if len(part):
                    words.choose(
                        part, name, is_planned=is_planned, has_deal=has_deal, has_company=has_company
                    )
    subjects, descriptions = _layouts(texts)
    slots = (
        _person_slots(context, contact)
        | texts.topic_slots(words.topic)
        | {
            "company": names(context, company),
            "deal": SlotChoice(index.deals.title, deal),
            "step": SlotChoice(texts.steps, words.step),
        }
    )
    return (
        render(subjects, words.subject, slots),
        render(descriptions, words.description, slots),
    )


class _Words:
    """Template, topic and step of every row.

    For a deal, its ``number``-th activity takes the pair (topic, subject) at a place of a permutation of
    all pairs. Rows of one topic have different subjects then, and the subject's place chooses among the
    pairs (description, step), again through a permutation: nothing comes twice. About a deal that is lost, or
    will be, no text speaks of an agreement.
    """

    def __init__(self, context: MonthContext, draws: Draws, deal: I64, place: I64) -> None:
        self._texts = context.texts
        # Rows of patches count from the other end: later months of the blueprint may add to the deal.
        earlier = (context.month - context.spec.start_month) * MOST_A_MONTH
        self._number = -1 - place if context.is_patch else earlier + place
        self._key = _deal_keys(context, deal)
        self._is_lost = np.append(context.index.deals.is_lost, 0)[deal]
        self._drawn = {name: draws(name) for name in ("topic", "subject", "description")}
        #: indices, shape (n,)
        self.subject, self.description, self.topic, self.step = np.zeros((4, len(deal)), np.int64)

    def choose(self, rows: I64, name: str, *, is_planned: bool, has_deal: bool, has_company: bool) -> None:
        """Words for the rows of one type that have, or have not, a deal and a company."""
        texts = self._texts
        subjects, endings = _usable(
            texts, name, is_planned=is_planned, has_deal=has_deal, has_company=has_company
        )
        topics = texts.topic_count
        if has_deal:
            key, space = self._key[rows], len(subjects) * topics
            at = (self._number[rows] * _step(space) + scale(key, space)) % space
            topic, subject = at % topics, at // topics
            ending = endings.of_deals(self._is_lost[rows], key << np.uint64(24), topic, subject)
        else:
            topic = pick(self._drawn["topic"][rows], texts.topic_cumulative)
            subject = scale(self._drawn["subject"][rows], len(subjects))
            ending = endings.drawn(self._drawn["description"][rows])
        self.topic[rows], self.subject[rows] = topic, subjects[subject]
        self.description[rows], self.step[rows] = ending // len(texts.steps), ending % len(texts.steps)


@dataclass(frozen=True, eq=False)
class _Endings:
    """Pairs of description and step, as description × number of steps + step."""

    #: first all, then those that fit deals that are lost
    pairs: I64
    #: where each of the two groups begins, how many pairs it has, and its step of a permutation
    starts: I64
    counts: I64
    steps: I64

    @classmethod
    def of(cls, groups: tuple[I64, I64]) -> _Endings:
        counts = np.array(list(map(len, groups)))
        return cls(
            np.concatenate(groups),
            np.cumsum(counts) - counts,
            counts,
            np.array(list(map(_step, counts.tolist()))),
        )

    def of_deals(self, is_lost: I64, key: U64, topic: I64, subject: I64) -> I64:
        """For each row the pair at a place of the permutation of its deal."""
        count, step = self.counts[is_lost], self.steps[is_lost]
        place = (subject * step + scale(key, count) + topic * step) % count
        return self.pairs[self.starts[is_lost] + place]

    def drawn(self, draws: U64) -> I64:
        """Any pair for each draw."""
        return self.pairs[scale(draws, int(self.counts[0]))]


@cache
def _everything(texts: Texts) -> tuple[list[Template], list[Template]]:
    """Subjects, and descriptions, of all types of activities."""
    subjects = [one for name in ACTIVITY_TYPES for one in texts.subjects[name]]
    descriptions = [one for name in ACTIVITY_TYPES for one in texts.descriptions[name]]
    return subjects, [*descriptions, *texts.planned[MEETING]]


@cache
def _layouts(texts: Texts) -> tuple[Layout, Layout]:
    """Of all subjects and of all descriptions."""
    subjects, descriptions = _everything(texts)
    return Layout.of(subjects), Layout.of(descriptions)


@cache
def _usable(
    texts: Texts, name: str, *, is_planned: bool, has_deal: bool, has_company: bool
) -> tuple[I64, _Endings]:
    """The places of a type's subjects, and its endings, that need nothing that is not there."""
    described = texts.planned if is_planned else texts.descriptions
    (subjects, _), (descriptions, has_agreed) = (
        (
            np.array([everything.index(one) for one in fitting]),
            np.array([one.text in texts.agreed for one in fitting]),
        )
        for everything, fitting in zip(
            _everything(texts),
            (
                usable(group[name], with_deal=has_deal, with_company=has_company)
                for group in (texts.subjects, described)
            ),
            strict=True,
        )
    )
    steps = np.array([step in texts.agreed for step in texts.steps.to_pylist()])
    pairs = descriptions[:, None] * len(steps) + np.arange(len(steps))
    return subjects, _Endings.of((pairs.ravel(), pairs[~has_agreed][:, ~steps].ravel()))


def _deal_keys(context: MonthContext, deal: I64) -> U64:
    """64 bits of each row's deal: the low half of its id."""
    ids = context.index.deals.ids
    if len(ids) == 0:
        return np.zeros(len(deal), np.uint64)
    low = np.ascontiguousarray(ids[:, 8:]).view(">u8").reshape(len(ids)).astype(np.uint64)
    # The two highest bits are the same in every id.
    return (low << np.uint64(2))[np.maximum(deal, 0)]


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
