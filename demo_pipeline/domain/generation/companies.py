"""Companies of one month: unique names and domains, an address whose parts agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.arrow import (
    Mask,
    choose,
    codes,
    constant,
    is_null,
    join,
    take,
    take_or_null,
    texts,
    without_matches,
)
from demo_pipeline.domain.core.random_streams import I64, U64, pick, quantile, scale
from demo_pipeline.domain.generation.company_names import NamedCompanies
from demo_pipeline.domain.generation.context import Draws, MonthContext, blocks
from demo_pipeline.domain.generation.entity_index import Companies, Small, part
from demo_pipeline.domain.generation.row_schemas import instants, row_batch, uuid_array
from demo_pipeline.domain.reference.company_names import CompanyNames
from demo_pipeline.domain.reference.countries import Locale
from demo_pipeline.domain.reference.texts import SlotChoice

_TABLE: Final = "companies"

#: Assumptions, in per cent: what people leave empty of companies with up to ten employees, and of others;
#: companies that were changed. A domain is always known: it comes with the first e-mail. Where a city has
#: no numbers of its own the nationwide ones are few, and more are left out.
_NO_PHONE: Final = (20, 11)
_NO_PHONE_OF_ITS_OWN: Final = (36, 28)
_NO_WEBSITE: Final = (24, 8)
_NO_ADDRESS: Final = (21, 13)
_CHANGED: Final = 62
#: Addresses without a street of which the city is not known either.
_NO_CITY: Final = 35
_PPM: Final = 1_000_000
#: How websites are written, with weights.
_WEBSITES: Final = ("https://www.", "https://", "http://www.", "www.")
_WEBSITE_WEIGHTS: Final = np.cumsum(np.array([62, 22, 9, 7]))


def compose_companies(context: MonthContext, count: int) -> tuple[Companies, Draws]:
    """``count`` companies, and their draws, for the columns of :func:`company_batches`."""
    draws = context.draws(_TABLE, count)
    parts = context.locale.companies
    number = context.index.next_company_number + np.arange(count)
    named = _named(context, number)
    city = named.place("city")
    size = pick(draws("size"), parts.sizes.cumulative)
    size = np.clip(size, named.own_column("smallest", size), named.own_column("largest", size))
    return Companies(
        ids=draws.ids(),
        created_us=draws.created_us,
        owner=context.team.sellers(draws("owner"), draws.created_us),
        number=number,
        legal_form=named.own_column("legal_form", _legal_forms(parts, size, draws("legal_form"))),
        # A name may speak of its city.
        city=np.where(city < 0, cities(context.locale, draws), city),
        size=size,
        has_won=np.zeros(count, np.int64),
    ), draws


def _legal_forms(parts: CompanyNames, size: I64, draws: U64) -> I64:
    """A legal form that fits the size of each company."""
    weights = parts.forms_of_size[size]
    return np.sum(weights <= scale(draws, weights[:, -1])[:, None], axis=1)


def names(context: MonthContext, company: I64) -> SlotChoice:
    """The names of companies (places in the index), null below 0; each is made once."""
    each, place = _each_once(context, company)
    rows = context.index.companies
    number, legal_form = rows.number[each], rows.legal_form[each]
    # Of those that existed the name is known as a whole.
    made = _names_of(context, _named(context, number), legal_form)
    return SlotChoice(_made_or_existing(made, number, context.index.existing_names), place)


def short_names(context: MonthContext, company: I64) -> SlotChoice:
    """The same as people say them: without the legal form."""
    each, place = _each_once(context, company)
    number, known = context.index.companies.number[each], context.index.existing_names
    made = _named(context, number).names
    without = without_matches(known, context.locale.companies.legal_form_pattern)
    return SlotChoice(_made_or_existing(made, number, without), place)


def domains(context: MonthContext, company: I64) -> pa.StringArray:
    """The domains of companies (places in the index); null where a known one has none, or below 0."""
    each, place = _each_once(context, company)
    number = context.index.companies.number[each]
    made = _domains_of(context, _named(context, number))
    of_each = _made_or_existing(made, number, context.index.existing_domains)
    return take_or_null(of_each, place)


def houses(context: MonthContext, company: I64) -> I64:
    """A number for the domain of each company (places in the index); -1 for no company, or no domain."""
    index = context.index
    house = np.full(len(company), -1)
    has = company >= 0
    number = index.companies.number[company[has]].astype(np.int64)
    if len(index.existing_domains):
        # Known companies may share a domain.
        known = np.where(is_null(index.existing_domains), -1, -2 - codes(index.existing_domains))
        number = np.where(number < 0, known[np.maximum(-1 - number, 0)], number)
    house[has] = number
    return house


def company_phones(context: MonthContext, rows: Companies, draws: Draws) -> pa.StringArray:
    """The telephone numbers of a month's companies; null for those that have none.

    Call it once a month: each call uses numbers up.
    """
    usual_ppm = np.array([_NO_PHONE_OF_ITS_OWN, _NO_PHONE]) * _PPM // 100
    has_range = context.locale.places.has_area_range[rows.city].astype(np.int64)
    none_ppm = np.maximum(
        usual_ppm[has_range, (rows.size > 0).astype(np.int64)],
        context.index.phones.without_number_ppm(context.spec, context.locale, _TABLE)[rows.city],
    )
    is_known = scale(draws("has_phone"), _PPM) >= none_ppm
    return context.index.phones.assign(context.locale, context.tenant_stream, _TABLE, rows.city, is_known)


def company_batches(
    context: MonthContext, rows: Companies, draws: Draws, phones: pa.StringArray
) -> Iterator[pa.RecordBatch]:
    """The rows as batches of ``companies``, in blocks; ``phones`` are those of :func:`company_phones`."""
    for start, stop in blocks(len(rows.created_us)):
        yield _block(context, part(rows, start, stop), draws[start:stop], phones[start:stop])


def _block(context: MonthContext, rows: Companies, draws: Draws, phones: pa.StringArray) -> pa.RecordBatch:
    # Not by places in the index, where rows that existed already may lie between them.
    locale, count = context.locale, len(draws.order)
    places = locale.places
    named, parts = _named(context, rows.number), locale.companies
    industries = parts.industries
    trade, domain = named.place("trade"), _domains_of(context, named)
    # Where the name says no trade, any industry.
    industry = np.where(
        trade < 0,
        pick(draws("industry"), industries.cumulative),
        parts.descriptor_industry[trade],
    )
    declared = named.own_column("industry", industry)
    industry = np.where(declared < 0, industry, declared)
    postal = places.postal_start[rows.city] + scale(draws("postal_code"), places.postal_count[rows.city])
    gaps = _Gaps(rows.size, draws)
    cycle = quantile(draws("change"), context.industry.cycle_quantiles) * 5 // 12 + 1
    updated = context.changed(
        rows.created_us, scale(draws("is_changed"), 100) < _CHANGED, cycle, draws("changed_second")
    )
    return row_batch(
        _TABLE,
        {
            "id": uuid_array(rows.ids),
            "created_at": instants(rows.created_us),
            "updated_at": instants(updated),
            "name": _names_of(context, named, rows.legal_form),
            "domain": domain,
            "industry": take(industries.arrow if parts.own is None else parts.own.industries, industry),
            "size": take(parts.sizes.arrow, rows.size),
            "owner_id": uuid_array(context.team.ids, rows.owner),
            "address": choose(gaps.address, None, _addresses(locale, draws)),
            "city": choose(gaps.city, None, take(places.city_names, rows.city)),
            "state": choose(gaps.city, None, take(places.states, rows.city)),
            "country": constant(locale.country, count),
            "postal_code": choose(gaps.address, None, take(places.postal_codes, postal)),
            "phone": phones,
            "website": choose(gaps.website, None, _websites(domain, draws)),
            "demo_source_month": context.source_month(count),
        },
    )


class _Gaps:
    """What is missing: a mask for each column, or group of columns."""

    def __init__(self, size: I64, draws: Draws) -> None:
        is_large = (size > 0).astype(np.int64)

        def missing(column: str, percent: tuple[int, int]) -> Mask:
            return scale(draws(column), 100) < np.array(percent)[is_large]

        self.website = missing("has_website", _NO_WEBSITE)
        self.address = missing("has_address", _NO_ADDRESS)
        self.city = self.address & missing("has_city", (_NO_CITY, _NO_CITY))


def _addresses(locale: Locale, draws: Draws) -> pa.StringArray:
    """Street and number in the country's order, some with a suite, unit, yard or park."""
    street = take(locale.streets.arrow, pick(draws("street"), locale.streets.cumulative))
    number = take(locale.house_numbers.arrow, pick(draws("house_number"), locale.house_numbers.cumulative))
    parts = (number, street) if locale.number_before_street else (street, number)
    whole = join(*parts, separator=" ")
    forms = locale.address_forms
    form = pick(draws("address_form"), forms.cumulative)
    whole = choose(forms.is_without_number[form], street, whole)
    return join(take(forms.before, form), whole, take(forms.after, form))


def _websites(domain: pa.StringArray, draws: Draws) -> pa.StringArray:
    """Websites at the domain, written as people write them."""
    before = texts(_WEBSITES, pick(draws("website"), _WEBSITE_WEIGHTS))
    return join(before, domain)


def cities(locale: Locale, draws: Draws) -> I64:
    """A city by its weight for every row."""
    return pick(draws("city"), locale.places.cumulative)


def _each_once(context: MonthContext, company: I64) -> tuple[I64, I64]:
    """The companies (places in the index) of some rows, each once, and the place of each row's; -1: none."""
    is_there = np.zeros(len(context.index.companies.number) + 1, bool)
    is_there[company] = True
    place = np.cumsum(is_there) - 1
    place[-1] = -1
    return np.flatnonzero(is_there[:-1]), place[company]


def _made_or_existing(made: pa.StringArray, number: Small, known: pa.StringArray) -> pa.StringArray:
    """``made`` where ``number`` is 0 or more, else the text of the pool that the number means."""
    is_known = number < 0
    if not is_known.any():
        return made
    return choose(is_known, take(known, np.where(is_known, -1 - number, 0)), made)


def _names_of(context: MonthContext, named: NamedCompanies, legal_form: Small) -> pa.StringArray:
    # Names that have none of the country's are whole already.
    forms = take(context.locale.companies.legal_forms.arrow, np.maximum(legal_form, 0))
    return named.in_full(forms)


def _domains_of(context: MonthContext, named: NamedCompanies) -> pa.StringArray:
    return join(named.labels, context.spec.mail_domain or "example", separator=".")


def _named(context: MonthContext, number: Small) -> NamedCompanies:
    """The tenant's ``number``-th companies (any, where below 0)."""
    naming = context.company_naming
    return naming.named(np.maximum(number.astype(np.int64), 0) % naming.space)
