"""Companies of one month: unique names and domains, an address whose parts agree."""

from __future__ import annotations

from math import gcd
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.arrow import constant, join, take
from demo_pipeline.domain.book import Companies
from demo_pipeline.domain.context import Draws, MonthContext
from demo_pipeline.domain.locales import Locale
from demo_pipeline.domain.rows import SCHEMAS, instants, uuid_array
from demo_pipeline.domain.streams import I64, U64, pick, scale

_TABLE: Final = "companies"


def compose_companies(context: MonthContext, count: int) -> tuple[Companies, Draws]:
    """``count`` companies, and their draws, for the columns of :func:`company_batch`."""
    draws = context.draws(_TABLE, count)
    stem, descriptor = _name_parts(context, len(context.book.companies.created_us) + np.arange(count))
    names = context.locale.companies
    legal = pick(draws("legal_form"), names.legal_forms.cumulative)
    return Companies(
        ids=draws.ids(),
        created_us=draws.created_us,
        owner=context.team.sellers(draws("owner")),
        name=join(
            take(names.stems.arrow, stem),
            take(names.descriptors.arrow, descriptor),
            take(names.legal_forms.arrow, legal),
            separator=" ",
        ),
        city=cities(context.locale, draws),
        size=pick(draws("size"), names.sizes.cumulative),
    ), draws


def domains(context: MonthContext, number: I64) -> pa.StringArray:
    """The domains of a tenant's ``number``-th companies."""
    names = context.locale.companies
    stem, descriptor = _name_parts(context, number)
    label = join(
        take(names.stems.arrow_ascii, stem), take(names.descriptors.arrow_ascii, descriptor), separator="-"
    )
    return join(label, context.spec.mail_domain or "example", separator=".")


def company_batch(context: MonthContext, rows: Companies, draws: Draws) -> pa.RecordBatch:
    """The rows as ``SCHEMAS["companies"]``."""
    locale, count = context.locale, len(draws.order)
    names, places = locale.companies, locale.places
    street = take(locale.streets.arrow, pick(draws("street"), locale.streets.cumulative))
    number = take(locale.house_numbers.arrow, pick(draws("house_number"), locale.house_numbers.cumulative))
    numbers = len(context.book.companies.created_us) - count + np.arange(count)
    domain, descriptor = domains(context, numbers), _name_parts(context, numbers)[1]
    parts = (number, street) if locale.number_before_street else (street, number)
    postal = places.postal_start[rows.city] + scale(draws("postal_code"), places.postal_count[rows.city])
    created = instants(rows.created_us)
    return pa.RecordBatch.from_arrays(
        [
            uuid_array(rows.ids),
            created,
            created,
            rows.name,
            domain,
            take(names.industries.arrow, names.descriptor_industry[descriptor]),
            take(names.sizes.arrow, rows.size),
            uuid_array(context.team.ids, rows.owner),
            join(*parts, separator=" "),
            take(places.city_names, rows.city),
            take(places.states, rows.city),
            constant(locale.country, count),
            take(places.postal_codes, postal),
            phone_numbers(locale, draws("phone"), rows.city),
            join("https://www", domain, separator="."),
            context.source_month(count),
        ],
        schema=SCHEMAS[_TABLE],
    )


def cities(locale: Locale, draws: Draws) -> I64:
    """A city by its weight for every row."""
    return pick(draws("city"), locale.places.cumulative)


def phone_numbers(locale: Locale, draws: U64, city: I64) -> pa.StringArray:
    """Numbers of the city's area that nobody has."""
    places = locale.places
    place = places.phone_start[city] + scale(draws, places.phone_count[city])
    return take(places.phones, place)


def _name_parts(context: MonthContext, number: I64) -> tuple[I64, I64]:
    """Stem and descriptor of a tenant's ``number``-th companies.

    An affine permutation of all pairs, keyed by the tenant: no name comes twice, and no list of the
    names that were taken has to be kept.
    """
    names = context.locale.companies
    width = len(names.descriptors)
    space = len(names.stems) * width
    first, second = context.tenant_stream.child(_TABLE).below("permutation", 2, space).tolist()
    step = first | 1
    # Neither the next descriptor nor nearly the same one: who reads the list must not see the order.
    while gcd(step, space) != 1 or not width // 5 < step % width < width * 4 // 5:
        step += 2
    place = (number * (step % space) + second) % space
    return place // width, place % width
