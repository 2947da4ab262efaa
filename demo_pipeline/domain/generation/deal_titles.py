"""Titles of deals, and what they share with the texts of activities: numbers, and how people are named."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.arrow import Mask, strings
from demo_pipeline.domain.core.random_streams import I64, scale
from demo_pipeline.domain.generation.companies import short_names
from demo_pipeline.domain.generation.context import Draws, MonthContext
from demo_pipeline.domain.generation.deal_prices import Offers
from demo_pipeline.domain.generation.price_lists import LINE_KINDS
from demo_pipeline.domain.reference.languages import Template
from demo_pipeline.domain.reference.texts import Layout, People, SlotChoice, Texts, render, usable


def deal_titles(
    context: MonthContext, contact: I64, is_again: Mask, draws: Draws, offers: Offers
) -> pa.StringArray:
    """Titles for deals with these contacts (places in the index) about these offers, shape (n,).

    ``is_again``: the contact, or its company, has bought before.
    """
    texts = context.texts
    company = context.index.contacts.company[contact]
    titles, usable_titles, starts, counts = _titles_with_lines(texts)
    drawn = draws("title")
    chosen = [one[scale(drawn, len(one))] for one in usable_titles]
    which = np.choose(2 * is_again + (company >= 0), chosen)
    lines = offers.lines
    form = starts[lines.kind] + scale(draws("product_form"), counts[lines.kind])
    people = people_of(context, contact)

    def slots(name: str, rows: I64) -> SlotChoice:
        if choice := people.slot(name, rows):
            return choice
        match name:
            case "company":
                return short_names(context, company[rows])
            case "product":
                return SlotChoice(texts.products, lines.product[rows])
            case "city":
                return SlotChoice(context.locale.places.city_names, offers.city[rows])
            case "pieces":
                return numerals(lines.pieces[rows])
            case "more":
                return numerals(lines.pieces[rows] - 1)
            case _:
                raise KeyError(name)

    return render(titles, which * int(counts.sum()) + form, slots)


@lru_cache
def _titles_with_lines(texts: Texts) -> tuple[Layout, list[I64], I64, I64]:
    """Each title with each form of a line in the place of ``product``.

    Then the titles that are usable without a company, and with one, for a first purchase, then for another;
    where the forms of each kind of line begin, and how many there are, shape (kinds,) each.
    """
    forms = [texts.lines.get(kind, texts.lines["plain"]) for kind in LINE_KINDS]
    counts = np.array(list(map(len, forms)))
    first, again = ((*texts.deal_titles, *more) for more in (texts.titles_first, texts.titles_again))
    titles = (*first, *texts.titles_again)
    usable_titles = [
        np.array([titles.index(one) for one in usable(group, with_company=has)])
        for group in (first, again)
        for has in (False, True)
    ]
    layout = Layout.of(
        [
            texts.language.spelt_out(Template.parse(title.text.replace("{product}", form.text)))
            for title in titles
            for group in forms
            for form in group
        ]
    )
    return layout, usable_titles, np.cumsum(counts) - counts, counts


def numerals(numbers: I64) -> SlotChoice:
    """Numbers as texts write them."""
    each, place = np.unique(numbers, return_inverse=True)
    return SlotChoice(strings(list(map(str, each.tolist()))), place)


def people_of(context: MonthContext, contact: I64) -> People:
    """How contacts (places in the index) are named and addressed."""
    contacts = context.index.contacts
    sex = contacts.is_female[contact].astype(np.int64)
    return People(
        language=context.texts.language,
        given=context.name_lookup.given,
        surnames=context.name_lookup.surnames,
        first=contacts.first[contact].astype(np.int64),
        last=contacts.last[contact].astype(np.int64),
        gender=np.where(sex < 0, 2, sex),
        honorifics=context.locale.honorifics,
    )
