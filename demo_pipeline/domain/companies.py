"""Companies of one month: unique names and domains, an address whose parts agree."""

from __future__ import annotations

from math import gcd
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from demo_pipeline.domain.book import Companies
from demo_pipeline.domain.context import Draws, MonthContext
from demo_pipeline.domain.locales import Locale
from demo_pipeline.domain.rows import SCHEMAS, Column, constant, instants, uuid_array
from demo_pipeline.domain.streams import I64, U64, pick, scale

_TABLE: Final = "companies"


def compose_companies(context: MonthContext, count: int) -> tuple[Companies, Draws]:
    """``count`` companies, and their draws, for the columns of :func:`company_batch`."""
    draws = context.draws(_TABLE, count)
    stem, descriptor = _name_parts(context, len(context.book.companies.created_us) + np.arange(count))
    names = context.locale.companies
    legal = pick(draws("legal_form"), names.legal_forms.cumulative)
    label = pc.binary_join_element_wise(
        names.stems.arrow_ascii.take(pa.array(stem)),
        names.descriptors.arrow_ascii.take(pa.array(descriptor)),
        "-",
    )
    return Companies(
        ids=draws.ids(),
        created_us=draws.created_us,
        owner=context.team.sellers(draws("owner")),
        name=pc.binary_join_element_wise(
            names.stems.arrow.take(pa.array(stem)),
            names.descriptors.arrow.take(pa.array(descriptor)),
            names.legal_forms.arrow.take(pa.array(legal)),
            " ",
        ),
        domain=pc.binary_join_element_wise(label, pa.scalar(context.spec.mail_domain or "example"), "."),
        city=cities(context.locale, draws),
        descriptor=descriptor,
    ), draws


def company_batch(context: MonthContext, rows: Companies, draws: Draws) -> pa.RecordBatch:
    """The rows as ``SCHEMAS["companies"]``."""
    locale, count = context.locale, len(draws.order)
    names, places = locale.companies, locale.places
    street = locale.streets.arrow.take(pa.array(pick(draws("street"), locale.streets.cumulative)))
    number = locale.house_numbers.arrow.take(
        pa.array(pick(draws("house_number"), locale.house_numbers.cumulative))
    )
    parts = (number, street) if locale.number_before_street else (street, number)
    postal = places.postal_start[rows.city] + scale(draws("postal_code"), places.postal_count[rows.city])
    size = pick(draws("size"), names.sizes.cumulative)
    created = instants(rows.created_us)
    return pa.RecordBatch.from_arrays(
        [
            uuid_array(rows.ids),
            created,
            created,
            rows.name,
            rows.domain,
            names.industries.arrow.take(pa.array(names.descriptor_industry[rows.descriptor])),
            names.sizes.arrow.take(pa.array(size)),
            uuid_array(context.team.ids, rows.owner),
            pc.binary_join_element_wise(*parts, " "),
            places.city_names.take(pa.array(rows.city)),
            places.states.take(pa.array(rows.city)),
            constant(locale.country, count, pa.string()),
            places.postal_codes.take(pa.array(postal)),
            phone_numbers(locale, draws("phone"), rows.city),
            pc.binary_join_element_wise(pa.scalar("https://www"), rows.domain, "."),
            context.source_month(count),
        ],
        schema=SCHEMAS[_TABLE],
    )


def cities(locale: Locale, draws: Draws) -> I64:
    """A city by its weight for every row."""
    return pick(draws("city"), locale.places.cumulative)


def phone_numbers(locale: Locale, draws: U64, city: I64) -> Column:
    """Numbers of the city's area that nobody has."""
    places = locale.places
    place = places.phone_start[city] + scale(draws, places.phone_count[city])
    return places.phones.take(pa.array(place))


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
    while gcd(step, space) != 1:
        step += 2
    place = (number * (step % space) + second) % space
    return place // width, place % width
