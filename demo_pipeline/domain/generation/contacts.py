"""Contacts of one month and their tags: people at companies that exist by then, some at none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.arrow import (
    Mask,
    choose,
    initials,
    is_null,
    join,
    strings,
    take,
    texts,
)
from demo_pipeline.domain.core.figures import Figures
from demo_pipeline.domain.core.random_streams import I64, ascending, pick, quantile, rank_within, scale
from demo_pipeline.domain.core.row_ids import row_ids
from demo_pipeline.domain.generation.calendar import MINUTE_US, Buyer, instant_us
from demo_pipeline.domain.generation.companies import cities, domains, houses
from demo_pipeline.domain.generation.context import Draws, MonthContext, blocks
from demo_pipeline.domain.generation.deal_partners import new_customer_count
from demo_pipeline.domain.generation.entity_index import (
    CHURNED,
    CUSTOMER,
    LEAD,
    OTHER,
    PROSPECT,
    Contacts,
    KeyCounts,
    part,
    recent,
)
from demo_pipeline.domain.generation.person_names import person_names
from demo_pipeline.domain.generation.row_schemas import instants, row_batch, uuid_array
from demo_pipeline.domain.model import ARRIVAL_SOURCES, CONTACT_STATUSES

_TABLE: Final = "contacts"
_TAGS: Final = "contact_tags"

_PPM: Final = 1_000_000
#: Assumptions, in millionths: contacts without a telephone number; the second where their city has no range.
_NO_PHONE: Final = 180_000
_NO_PHONE_OF_ITS_OWN: Final = 700_000
#: Assumptions, in 2**64ths of a draw: contacts without an e-mail address, and without their company's owner.
_NO_EMAIL: Final = np.uint64(2**64 * 5 // 100)
_OTHER_OWNER: Final = np.uint64(2**64 * 15 // 100)
#: How many contacts have no tag, one, two (assumption).
_NUMBER_WEIGHTS: Final = np.cumsum(np.array([50, 35, 15]))
#: Assumption: tags that a user gives a contact after its creation, and working minutes until then.
_GIVEN_LATER: Final = np.uint64(2**64 * 45 // 100)
_GIVEN_WITHIN: Final = 4200

#: Assumptions: running weights of statuses. Of contacts that are no leads, those of a company that has won
#: deals; those whose own deals make them customers; the rest.
_AT_CUSTOMERS: Final = (np.array([CUSTOMER, CHURNED, PROSPECT, OTHER]), np.cumsum(np.array([58, 5, 25, 12])))
_BY_OWN_DEALS: Final = (np.array([CUSTOMER, CHURNED]), np.cumsum(np.array([91, 9])))
_REST: Final = (np.array([PROSPECT, OTHER]), np.cumsum(np.array([80, 20])))
#: Assumption: how many contacts of each status somebody changed after their creation, in per cent.
_CHANGED: Final = {LEAD: 55, PROSPECT: 75, CUSTOMER: 92, CHURNED: 96, OTHER: 60}
#: Letters between the names of an address that a patch makes.
_LETTERS: Final = "abcdefghijklmnoprstvw"


def compose_contacts(context: MonthContext, figures: Figures) -> tuple[Contacts, Draws]:
    """``figures.contacts_created`` contacts, of them exactly ``figures.leads_created`` leads.

    With them their draws, for the columns of :func:`contact_batches`.
    """
    count = figures.contacts_created
    draws = _arrived(context, context.draws(_TABLE, count))
    known, opening_us = context.index.contacts.created_us, int(context.work.minutes[0]) * MINUTE_US
    if count and (len(known) == 0 or known[0] >= opening_us):
        # The tenant's first contact comes in the first working minute, so that everything else of
        # its first month can refer to one.
        created = draws.created_us.copy()
        created[0] = min(created[0], opening_us + created[0] % MINUTE_US)
        draws, _ = draws.moved(created)
    created = draws.created_us
    companies = context.index.companies

    available = np.searchsorted(companies.created_us, created, side="right").astype(np.int64)
    available[_is_private(context, draws)] = 0
    # Of three companies the largest: the larger a company, the more of its people are known.
    company = recent(draws("company"), available)
    for again in ("company_2", "company_3"):
        other = recent(draws(again), available)
        if len(companies.size):
            is_larger = companies.size[np.maximum(other, 0)] > companies.size[np.maximum(company, 0)]
            company = np.where(is_larger & (company >= 0), other, company)

    status = _statuses(context, figures, draws, company)
    owner = context.team.sellers(draws("owner"), created)
    if len(companies.owner):
        of_company = companies.owner[np.maximum(company, 0)]
        own = (company < 0) | (draws("own_owner") < _OTHER_OWNER)
        owner = context.team.present(np.where(own, owner, of_company), draws("own_owner"), created)

    is_female = (draws("sex") >> np.uint64(63)).astype(np.int64)
    first, last = person_names(
        context.locale, is_female == 1, draws("first_name"), draws("last_name"), draws("origin")
    )
    rows = Contacts(
        ids=draws.ids(),
        created_us=created,
        owner=owner,
        company=company,
        status=status,
        has_email=(draws("has_email") >= _NO_EMAIL).astype(np.int64),
        has_phone=np.zeros(count, np.int64),
        has_won=np.zeros(count, np.int64),
        is_female=is_female,
        first=first,
        last=last,
    )
    return rows, draws


def _is_private(context: MonthContext, draws: Draws) -> Mask:
    """Who is no firm's contact, whatever firms there are."""
    return scale(draws("is_private"), _PPM) < context.spec.private_ppm


def _sources(context: MonthContext, draws: Draws) -> tuple[tuple[str, ...], I64]:
    """The channels of the tenant, and through which of them each contact came."""
    channels, ppm = zip(*context.spec.channel_ppm, strict=True)
    return channels, pick(draws("source"), np.cumsum(np.array(ppm, np.int64)))


def _arrived(context: MonthContext, draws: Draws) -> Draws:
    """The same draws, with an instant at any hour for those who arrive by themselves."""
    channels, source = _sources(context, draws)
    by_themselves = np.array([channel in ARRIVAL_SOURCES for channel in channels])[source]
    is_private = _is_private(context, draws)
    created = draws.created_us.copy()
    buyers: tuple[tuple[Buyer, Mask], ...] = (("firm", ~is_private), ("private", is_private))
    for buyer, are_such in buyers:
        rows = np.flatnonzero(by_themselves & are_such)
        if len(rows):
            created[rows] = context.arrivals(buyer).draw(draws("minute")[rows], draws("second")[rows])
    return draws.moved(created)[0]


def contact_phones(context: MonthContext, rows: Contacts, draws: Draws) -> pa.StringArray:
    """The telephone numbers of a month's contacts; null for those that have none.

    Call it once a month: each call uses numbers up. It completes ``has_phone`` and ``has_email``.
    """
    city, companies = cities(context.locale, draws), context.index.companies
    if len(companies.city):
        city = np.where(rows.company < 0, city, companies.city[np.maximum(rows.company, 0)])
    # Where a city has no range of its own, what is left is few numbers for many: most have none.
    has_range = context.locale.places.has_area_range[city]
    none_ppm = np.maximum(
        np.where(has_range, _NO_PHONE, _NO_PHONE_OF_ITS_OWN),
        context.index.phones.without_number_ppm(context.spec, context.locale, _TABLE)[city],
    )
    is_known = scale(draws("has_phone"), _PPM) >= none_ppm
    phones = context.index.phones.assign(context.locale, context.tenant_stream, _TABLE, city, is_known)
    rows.has_phone = (~is_null(phones)).astype(np.int64)
    # Who has neither has an address after all.
    rows.has_email = np.maximum(rows.has_email, 1 - rows.has_phone)
    return phones


def contact_batches(
    context: MonthContext, rows: Contacts, draws: Draws, keys: I64, phones: pa.StringArray
) -> Iterator[pa.RecordBatch]:
    """The rows as batches of ``contacts``, in blocks.

    ``keys`` are those of :func:`address_keys`, ``phones`` those of :func:`contact_phones`.
    """
    namesakes = _namesakes(context.index.addresses, keys)
    for start, stop in blocks(len(keys)):
        yield _block(
            context, part(rows, start, stop), draws[start:stop], namesakes[start:stop], phones[start:stop]
        )


def _block(
    context: MonthContext, rows: Contacts, draws: Draws, namesakes: I64, phones: pa.StringArray
) -> pa.RecordBatch:
    count = len(rows.created_us)
    channels, source = _sources(context, draws)
    companies = context.index.companies
    # Somebody can be reached in one way at least.
    emails = choose(rows.has_email == 0, None, _emails(context, rows, namesakes))
    if context.is_patch:
        emails = _patch_emails(emails, rows, context.index.patch_addresses)
    return row_batch(
        _TABLE,
        {
            "id": uuid_array(rows.ids),
            "created_at": instants(rows.created_us),
            "updated_at": instants(_updated(context, rows, draws)),
            "first_name": take(context.name_lookup.given, rows.first),
            "last_name": take(context.name_lookup.surnames, rows.last),
            "email": emails,
            "phone": phones,
            "company_id": uuid_array(companies.ids, rows.company),
            "owner_id": uuid_array(context.team.ids, rows.owner),
            "status": texts(CONTACT_STATUSES, rows.status),
            "source": texts(channels, source),
            "demo_source_month": context.source_month(count),
        },
    )


def _updated(context: MonthContext, rows: Contacts, draws: Draws) -> I64:
    """When contacts were last changed: the further they have come, the more often and the later."""
    percent = np.array([_CHANGED[status] for status in range(len(CONTACT_STATUSES))])[rows.status]
    is_changed = scale(draws("is_changed"), 100) < percent
    # Working minutes: a deal's cycle; leads are looked at within the first days.
    cycle = quantile(draws("change"), context.industry.cycle_quantiles) * 5 // 12
    minutes = np.where(rows.status == LEAD, cycle // 8, cycle) + 1
    return context.changed(rows.created_us, is_changed, minutes, draws("changed_second"))


def _statuses(context: MonthContext, figures: Figures, draws: Draws, company: I64) -> I64:
    """Places in CONTACT_STATUSES, shape (n,): exactly ``figures.leads_created`` leads.

    Customers and churned ones are colleagues of customers, or as many as the month's won deals can serve.
    """
    index, drawn = context.index, draws("status")
    order = np.argsort(draws("is_lead"), kind="stable")
    if len(order) and len(index.contacts.ids) == 0 and figures.other_contacts:
        # The tenant's first contact is no lead, so that its first deals can be won.
        order = np.append(order[order != 0], 0)
    status = np.full(len(order), LEAD)
    others = order[figures.leads_created :]
    has_won = np.zeros(len(order), bool)
    if len(index.companies.has_won):
        has_won = (company >= 0) & (index.companies.has_won[np.maximum(company, 0)] == 1)
    colleagues, alone = others[has_won[others]], others[~has_won[others]]
    # Those that come early, the tenant's first contact among them: wins of a span's last months are early.
    noise = scale(draws("early"), max(len(order) // 3, 1))
    alone = alone[ascending(np.where(alone > 0, alone + noise[alone], 0))]
    end_us = instant_us(context.month.end)
    is_last = not context.is_patch and context.month == context.spec.closed_month
    new = new_customer_count(index, figures.closed_won_count, len(alone), end_us, is_last=is_last)
    for rows, (statuses, weights) in (
        (colleagues, _AT_CUSTOMERS), (alone[:new], _BY_OWN_DEALS), (alone[new:], _REST),
    ):  # fmt: skip
        status[rows] = statuses[pick(drawn[rows], weights)]
    return status


def _style(context: MonthContext, rows: Contacts) -> I64:
    """How an address is written: first.last, f.last (7), or first_last (6).

    A company writes all of its addresses in one way.
    """
    own = rows.ids[:, 15].astype(np.int64) % 8
    companies = context.index.companies.ids
    if len(companies) == 0:
        return own
    return np.where(rows.company < 0, own, companies[np.maximum(rows.company, 0), 15].astype(np.int64) % 8)


def _mailboxes(context: MonthContext, rows: Contacts) -> I64:
    """The mailbox domain (place in the locale's list) that each contact would have without a company's."""
    mailboxes = context.locale.mailboxes.cumulative
    return np.searchsorted(mailboxes, rows.ids[:, 14].astype(np.int64) * int(mailboxes[-1]) // 256, "right")


def address_keys(context: MonthContext, rows: Contacts) -> I64:
    """A number for each address before it is made unique: equal in their letters, equal in their number."""
    name_lookup = context.name_lookup
    names, surnames = int(name_lookup.given_keys.max()) + 1, int(name_lookup.surname_keys.max()) + 1
    given = np.where(
        _style(context, rows) == 7,
        name_lookup.initial_keys[rows.first] + names,
        name_lookup.given_keys[rows.first],
    )
    house, mailboxes = houses(context, rows.company), len(context.locale.mailboxes)
    # Who has no company's address has one of a mailbox: those take the numbers below 0.
    house = np.where(house == -1, _mailboxes(context, rows) - mailboxes, house * mailboxes)
    # There are no more initials than names. Dense, so that the keys' upper halves are few.
    house = (house + mailboxes) * (2 * names)
    return (house + given) * surnames + name_lookup.surname_keys[rows.last]


def _emails(context: MonthContext, rows: Contacts, namesakes: I64) -> pa.StringArray:
    """An address at the company's domain from the own name, unique within the tenant.

    The second address of a name at a company gets a number: one more than there are before.
    """
    company, style = rows.company, _style(context, rows)
    has_domain = houses(context, company) != -1
    mailbox = take(context.locale.mailboxes.arrow, _mailboxes(context, rows))
    domain = join(mailbox, context.spec.mail_domain or "example", separator=".")
    if has_domain.any():
        domain = choose(has_domain, domains(context, company), domain)
    most = int(namesakes.max(initial=0))
    numbers = strings(["", *(str(count + 1) for count in range(1, most + 1))])
    given = take(context.name_lookup.given_ascii, rows.first)
    first = choose(style == 7, initials(given), given)
    family = take(context.name_lookup.surnames_ascii, rows.last)
    return join(first, choose(style == 6, "_", "."), family, take(numbers, namesakes), "@", domain)


def _patch_emails(emails: pa.StringArray, rows: Contacts, used: set[str]) -> pa.StringArray:
    """Addresses that no other contact has or will have, in months of the blueprint to come included.

    A letter between the names, which no address of the blueprint has, and a number where that is in use.
    """
    result: list[str | None] = []
    for last_byte, address in zip(rows.ids[:, 15].tolist(), emails.to_pylist(), strict=True):
        if address is None:
            result.append(None)
            continue
        name, _, domain = str(address).partition("@")
        separator = "_" if "_" in name else "."
        first, _, last = name.partition(separator)
        stem = separator.join((first, _LETTERS[last_byte % len(_LETTERS)], last))
        candidate, count = f"{stem}@{domain}", 1
        while candidate in used:
            count += 1
            candidate = f"{stem}{count}@{domain}"
        used.add(candidate)
        result.append(candidate)
    return strings(result)


def _namesakes(earlier: KeyCounts, keys: I64) -> I64:
    """How many equal keys come before each: among ``earlier``, and among those before it."""
    return earlier.count(keys) + rank_within(keys)


def tag_batches(context: MonthContext, contacts: Contacts) -> Iterator[pa.RecordBatch]:
    """None to two different tags for each contact, as batches of rows, in blocks."""
    if len(context.team.tag_ids) == 0:
        # People may have deleted them all.
        return
    for start, stop in blocks(len(contacts.created_us)):
        yield _tag_block(context, contacts, start, stop)


def _tag_block(context: MonthContext, contacts: Contacts, start: int, stop: int) -> pa.RecordBatch:
    """The tags of the contacts from ``start`` to ``stop``."""
    count, tags = stop - start, len(context.team.tag_ids)
    stream = context.stream.child(_TAGS)
    number = pick(stream.raw("number", count, start), _NUMBER_WEIGHTS)
    first = scale(stream.raw("first", count, start), tags)
    # Another tag than the first: one to tags - 1 places further.
    second = (first + 1 + scale(stream.raw("second", count, start), tags - 1)) % tags
    tag = np.stack([first, second], axis=1)
    has = np.stack([number > 0, (number > 1) & (tags > 1)], axis=1)
    contact = np.repeat(np.arange(start, stop), 2).reshape(count, 2)
    since = contacts.created_us[contact[has]]
    high = stream.raw("id_high", 2 * count, 2 * start).reshape(count, 2)[has]
    low = stream.raw("id_low", 2 * count, 2 * start).reshape(count, 2)[has]
    given = stream.raw("given", 2 * count, 2 * start).reshape(count, 2)[has]
    # Within the month, and before provisioning: where the month may be loaded while it runs, a tag must not
    # come later than its contact. The id keeps the contact's instant.
    left = context.minutes_between(since, int(context.work.minutes[-1]) * MINUTE_US)
    minutes = np.minimum(1 + scale(given << np.uint64(8), _GIVEN_WITHIN), left)
    later = context.later(since, minutes, given << np.uint64(16))
    created = np.where((given < _GIVEN_LATER) & (later < context.reference_us), later, since)
    times = instants(created)
    return row_batch(
        _TAGS,
        {
            "id": uuid_array(row_ids(since, high, low)),
            "created_at": times,
            "updated_at": times,
            "contact_id": uuid_array(contacts.ids, contact[has]),
            "tag_id": uuid_array(context.team.tag_ids, tag[has]),
        },
    )
