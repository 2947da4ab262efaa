"""Which words a row gets: titles of deals, subjects and descriptions of activities.

Within a deal no text comes twice: its activities are numbered, month after month, and the number goes
through a permutation of all pairs of template and topic (and step), keyed by the deal.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from demo_pipeline.domain.context import Draws, MonthContext
from demo_pipeline.domain.industries import ACTIVITY_TYPES
from demo_pipeline.domain.rows import Column
from demo_pipeline.domain.streams import I64, scale
from demo_pipeline.domain.texts import Template, person_slots, render

#: Activities of one deal in one month, at most; what is more goes to the contact alone.
MOST_A_MONTH: Final = 64

Bools = NDArray[np.bool_]


def deal_titles(context: MonthContext, contact: I64, draws: Draws) -> Column:
    """Titles for deals with these contacts (indices into the book), shape (n,)."""
    texts = context.texts
    company = context.book.contacts.company[contact]
    usable = {
        has: [texts.deal_titles.index(template) for template in texts.titles_for(with_company=has)]
        for has in (True, False)
    }
    drawn = draws("title")
    which = np.where(
        company >= 0,
        np.array(usable[True])[scale(drawn, len(usable[True]))],
        np.array(usable[False])[scale(drawn, len(usable[False]))],
    )
    product = scale(draws("product"), len(texts.products))
    slots = _people(context, contact) | {
        "company": _lookup(context.book.companies.name, company),
        "product": pa.DictionaryArray.from_arrays(pa.array(product.astype(np.int32)), texts.products),
        **texts.topic_slots(product % texts.topic_count),
    }
    return render(texts.deal_titles, which, slots)


def activity_texts(
    context: MonthContext, draws: Draws, kind: I64, contact: I64, deal: I64, place: I64
) -> tuple[Column, Column]:
    """Subjects and descriptions, shape (n,) each.

    ``contact`` and ``deal`` are indices into the book (-1: no deal), ``place`` counts the activities of
    the deal in this month.
    """
    texts, book = context.texts, context.book
    company = book.contacts.company[contact]
    with_company, with_deal = company >= 0, deal >= 0
    number = (context.month - context.spec.start_month) * MOST_A_MONTH + place
    key = _deal_keys(context, deal)
    slots = _people(context, contact) | {
        "company": _lookup(book.companies.name, company),
        "deal": _lookup(book.deals.title, deal),
    }
    written: list[Column] = []
    steps = len(texts.steps)
    for column, templates, parts in (
        ("subject", texts.subjects, texts.topic_count),
        ("description", texts.descriptions, texts.topic_count * steps),
    ):
        everything = [template for name in ACTIVITY_TYPES for template in templates[name]]
        which = np.empty(len(kind), np.int64)
        part = np.empty(len(kind), np.int64)
        drawn = draws(column)
        for kind_place, name in enumerate(ACTIVITY_TYPES):
            for has_deal in (True, False):
                for has_company in (True, False):
                    rows = np.flatnonzero(
                        (kind == kind_place) & (with_deal == has_deal) & (with_company == has_company)
                    )
                    if len(rows) == 0:
                        continue
                    usable = _places(everything, templates[name], has_deal=has_deal, has_company=has_company)
                    space = len(usable) * parts
                    if has_deal:
                        step = _step(space)
                        at = (number[rows] * step + scale(key[rows], space)) % space
                    else:
                        at = scale(drawn[rows], space)
                    which[rows] = usable[at // parts]
                    part[rows] = at % parts
        topic = part % texts.topic_count
        filled = slots | texts.topic_slots(topic)
        if column == "description":
            filled["step"] = texts.step_slot(part // texts.topic_count)
        written.append(render(everything, which, filled))
    return written[0], written[1]


def _places(
    everything: Sequence[Template], templates: Sequence[Template], *, has_deal: bool, has_company: bool
) -> I64:
    """Where in the long list the templates of a type are that need nothing that is not there."""
    first = everything.index(templates[0])
    return np.array(
        [
            first + place
            for place, template in enumerate(templates)
            if (has_company or "company" not in template.slots) and (has_deal or "deal" not in template.slots)
        ]
    )


def _deal_keys(context: MonthContext, deal: I64) -> NDArray[np.uint64]:
    """64 bits of each row's deal: the low half of its id."""
    ids = context.book.deals.ids
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


def _people(context: MonthContext, contact: I64) -> dict[str, Column]:
    contacts, locale = context.book.contacts, context.locale
    picks = pa.array(contact)
    return person_slots(
        context.texts.language,
        contacts.first.take(picks),
        contacts.last.take(picks),
        pa.array(contacts.is_female[contact] == 1),
        (locale.honorific_female, locale.honorific_male),
    )


def _lookup(values: Column, picks: I64) -> Any:
    """Values by index, null below 0, as a dictionary array: only drawn templates look them up."""
    missing = picks < 0
    places = pa.array(np.where(missing, 0, picks).astype(np.int32), mask=missing)
    if len(values) == 0:
        return pa.nulls(len(picks), pa.string())
    return pa.DictionaryArray.from_arrays(places, values)
