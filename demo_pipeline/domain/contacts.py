"""Contacts of one month: people at companies that exist by then, some at none."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.arrow import (
    chain,
    choose,
    codes,
    constant,
    initials,
    is_in,
    join,
    replace,
    strings,
    take,
    texts,
)
from demo_pipeline.domain.book import (
    CHURNED,
    CUSTOMER,
    LEAD,
    OTHER,
    PROSPECT,
    STATUSES,
    Contacts,
    recent,
)
from demo_pipeline.domain.companies import cities, phone_numbers
from demo_pipeline.domain.context import Draws, MonthContext
from demo_pipeline.domain.metrics import Figures
from demo_pipeline.domain.rows import SCHEMAS, instants, uuid_array
from demo_pipeline.domain.streams import I64, pick

_TABLE: Final = "contacts"

#: Assumptions, in 2**64ths of a draw: contacts without a company, and without a telephone number.
_NO_COMPANY: Final = np.uint64(2**64 * 8 // 100)
_NO_PHONE: Final = np.uint64(2**64 * 12 // 100)
_NO_PHONE_OF_ITS_OWN: Final = np.uint64(2**64 * 85 // 100)
_OTHER_OWNER: Final = np.uint64(2**64 * 15 // 100)

#: What contacts that are not leads are, in the order of the weights of ``_kinds``.
_NOT_LEADS: Final = np.array([PROSPECT, CUSTOMER, CHURNED, OTHER])
_PPM: Final = 1_000_000


def compose_contacts(context: MonthContext, figures: Figures) -> tuple[Contacts, Draws]:
    """``figures.contacts_created`` contacts, of them exactly ``figures.leads_created`` leads.

    With them their draws, for the columns of :func:`contact_batch`.
    """
    count = figures.contacts_created
    draws = context.draws(_TABLE, count)
    if count and len(context.book.contacts.created_us) == 0:
        # The tenant's first contact comes in the first working minute, so that everything else of
        # its first month has somebody to hang on.
        created = draws.created_us.copy()
        created[0] = context.work.minutes[0] * 60_000_000 + created[0] % 60_000_000
        draws, _ = draws.moved(created)
    created = draws.created_us
    companies = context.book.companies

    status = _NOT_LEADS[pick(draws("status"), _kinds(figures))]
    leads = np.argsort(draws("is_lead"), kind="stable")[: figures.leads_created]
    status[leads] = LEAD

    available = np.searchsorted(companies.created_us, created, side="right").astype(np.int64)
    available[draws("has_company") < _NO_COMPANY] = 0
    # Of three companies the largest: the larger a company, the more of its people are known.
    company = recent(draws("company"), available)
    for again in ("company_2", "company_3"):
        other = recent(draws(again), available)
        if len(companies.size):
            is_larger = companies.size[np.maximum(other, 0)] > companies.size[np.maximum(company, 0)]
            company = np.where(is_larger & (company >= 0), other, company)

    owner = context.team.sellers(draws("owner"))
    if len(companies.owner):
        of_company = companies.owner[np.maximum(company, 0)]
        own = (company < 0) | (draws("own_owner") < _OTHER_OWNER)
        owner = np.where(own, owner, of_company)

    is_female = (draws("sex") >> np.uint64(63)).astype(np.int64)
    names = _Names(context, draws, is_female)
    rows = Contacts(
        ids=draws.ids(),
        created_us=created,
        owner=owner,
        company=company,
        status=status,
        is_female=is_female,
        first=names.first,
        last=names.last,
        email=_emails(context, names, company),
    )
    return rows, draws


def contact_batch(context: MonthContext, rows: Contacts, draws: Draws) -> pa.RecordBatch:
    """The rows as ``SCHEMAS["contacts"]``."""
    count = len(rows.created_us)
    channels, ppm = zip(*context.spec.channel_ppm, strict=True)
    source = pick(draws("source"), np.cumsum(np.array(ppm, np.int64)))
    companies = context.book.companies
    city = cities(context.locale, draws)
    if len(companies.city):
        city = np.where(rows.company < 0, city, companies.city[np.maximum(rows.company, 0)])
    phone = phone_numbers(context.locale, draws("phone"), city)
    # Where a city has no range of its own, what is left is few numbers for many: most have none.
    has_range = context.locale.places.has_area_range[city]
    no_phone = draws("has_phone") < np.where(has_range, _NO_PHONE, _NO_PHONE_OF_ITS_OWN)
    created = instants(rows.created_us)
    return pa.RecordBatch.from_arrays(
        [
            uuid_array(rows.ids),
            created,
            created,
            rows.first,
            rows.last,
            rows.email,
            choose(no_phone, None, phone),
            uuid_array(companies.ids, rows.company),
            uuid_array(context.team.ids, rows.owner),
            texts(STATUSES, rows.status),
            texts(channels, source),
            context.source_month(count),
        ],
        schema=SCHEMAS[_TABLE],
    )


def _kinds(figures: Figures) -> I64:
    """Running weights of prospects, customers, churned and others.

    About as many customers as the month's won deals need: who has won nothing is seldom a customer.
    Assumptions: four customers for five won deals; of the rest three in four are prospects.
    """
    wanted = figures.closed_won_count * _PPM * 4 // (5 * max(figures.other_contacts, 1))
    customers = min(max(wanted, 30_000), 700_000)
    rest = _PPM - customers
    return np.cumsum(np.array([rest * 3 // 4, customers, rest // 16, rest - rest * 3 // 4 - rest // 16]))


class _Names:
    """Given and family names by their weight in the country, as text and as e-mail parts."""

    def __init__(self, context: MonthContext, draws: Draws, is_female: I64) -> None:
        locale = context.locale
        name = draws("first_name")
        female, male = pick(name, locale.female.cumulative), pick(name, locale.male.cumulative)
        # One list of both, women first, so that one take serves both.
        first = np.where(is_female == 1, female, male + len(locale.female))
        last = pick(draws("last_name"), locale.surnames.cumulative)
        self.first = take(chain(locale.female.arrow, locale.male.arrow), first)
        self.first_ascii = take(chain(locale.female.arrow_ascii, locale.male.arrow_ascii), first)
        self.last = take(locale.surnames.arrow, last)
        self.last_ascii = take(locale.surnames.arrow_ascii, last)


def _emails(context: MonthContext, names: _Names, company: I64) -> pa.StringArray:
    """An address at the company's domain from the own name, unique within the tenant."""
    companies = context.book.companies
    nowhere = f"post.{context.spec.mail_domain or 'example'}"
    if len(companies.domain):
        domain = choose(company < 0, nowhere, take(companies.domain, np.maximum(company, 0)))
        # A house writes its addresses in one way: first.last, f.last, or first_last.
        style = companies.ids[np.maximum(company, 0), 15].astype(np.int64) % 8
    else:
        domain = constant(nowhere, len(company))
        style = np.zeros(len(company), np.int64)
    first = choose(style == 7, initials(names.first_ascii), names.first_ascii)
    local = join(first, choose(style == 6, "_", "."), names.last_ascii)
    return _unique(local, domain, context.book.contacts.email)


def _unique(local: pa.StringArray, domain: pa.StringArray, taken: pa.StringArray) -> pa.StringArray:
    """``local@domain``; who comes second at a house gets a number, the lowest that is free."""
    addresses = join(local, domain, separator="@")
    is_first = np.zeros(len(addresses), bool)
    is_first[np.unique(codes(addresses), return_index=True)[1]] = True
    clash = ~is_first | is_in(addresses, taken)
    places = np.flatnonzero(clash)
    if len(places) == 0:
        return addresses
    used: set[str] = set()
    pairs = list(zip(take(local, places).to_pylist(), take(domain, places).to_pylist(), strict=True))
    # All that could collide with a numbered address: those that are there under such a name.
    number = [2] * len(pairs)
    pending = list(range(len(pairs)))
    chosen: dict[int, str] = {}
    everything = chain(taken, addresses)
    while pending:
        candidates = [f"{pairs[i][0]}{number[i]}@{pairs[i][1]}" for i in pending]
        there = is_in(strings(candidates), everything)
        still: list[int] = []
        for i, candidate, is_there in zip(pending, candidates, there, strict=True):
            if is_there or candidate in used:
                number[i] += 1
                still.append(i)
            else:
                used.add(candidate)
                chosen[i] = candidate
        pending = still
    numbered = [chosen[i] for i in range(len(pairs))]
    return replace(addresses, clash, numbered)
