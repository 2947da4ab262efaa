"""People and the firms they work for: private customers, what a status says, owners, gaps, addresses.

Names are in ``names``.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from demo_pipeline.domain.scorecard.columns import MISSING, Facts, TenantColumns, Texts, at
from demo_pipeline.domain.scorecard.measure import ASSUMPTION, Expected, Figure, Measure, Range, Unit, only
from demo_pipeline.domain.scorecard.statistics import Bools
from demo_pipeline.domain.scorecard.wordlists import GB_POSTCODE, RESERVED_DOMAIN, UNIT

_GAP: Final = Expected(Range(0.15, 0.30))
_B2B_DEALS: Final = ("saas", "trading", "finserv")
#: the more firms, the more of them are neighbours
_FIRST_POSTCODES: Final = 1000
#: telephone numbers that are kept for fiction (Ofcom; BNetzA 148/2021; NANPA: a hundred an area)
_NUMBERS_FOR_FICTION: Final = {"US": 30_000, "GB": 18_000, "DE": 5_200, "FR": 50_000}
#: owners that a team must have for its books to be compared
_OWNERS: Final = 5


def _share(flags: Bools) -> Figure | None:
    return Figure(float(flags.mean()), len(flags)) if len(flags) else None


def _missing(column: Texts) -> Bools:
    return np.array([not one for one in column], bool)


def private_customers(tenant: TenantColumns) -> Figure | None:
    """Contacts without an employer."""
    return _share(tenant.contacts.company == MISSING)


def _private_range(facts: Facts) -> Range:
    share = facts.private_share
    return Range(share - 0.05, min(1.0, share + 0.10)) if share else Range(0.0, 0.10)


def _domains(column: Texts) -> list[str]:
    return [str(one).rpartition("@")[2].lower() for one in column if one]


def private_mailboxes(tenant: TenantColumns) -> Figure | None:
    """Private addresses at the commonest mailbox domain."""
    contacts = tenant.contacts
    domains = _domains(contacts.email[contacts.company == MISSING])
    if not domains:
        return None
    commonest, count = Counter(domains).most_common(1)[0]
    return Figure(count / len(domains), len(domains), f"{commonest}, {len(set(domains))} domains")


def reachable_mail(tenant: TenantColumns) -> Figure | None:
    """E-mail addresses whose domain is neither reserved nor the operator's."""
    domains, own = _domains(tenant.contacts.email), tenant.facts.mail_domain
    if not domains:
        return None
    known = {one: bool(RESERVED_DOMAIN.search(one)) or _is_below(one, own) for one in set(domains)}
    wrong = [one for one in domains if not known[one]]
    return Figure(len(wrong) / len(domains), len(domains), wrong[0] if wrong else "")


def _is_below(domain: str, own: str | None) -> bool:
    return own is not None and (domain == own.lower() or domain.endswith(f".{own.lower()}"))


def people_per_large_deal(tenant: TenantColumns) -> Figure | None:
    """People of the largest quarter of deals with a company: their contact and those of their activities."""
    deals, activities = tenant.deals, tenant.activities
    chosen = np.flatnonzero((deals.company != MISSING) & (deals.value > 0))
    chosen = chosen[np.argsort(deals.value[chosen], kind="stable")][len(chosen) - len(chosen) // 4 :]
    if not len(chosen):
        return None
    known = (activities.deal != MISSING) & (activities.contact != MISSING)
    pairs = np.stack([activities.deal[known], activities.contact[known]], axis=1)
    own = np.stack([chosen, deals.contact[chosen]], axis=1)
    people = np.unique(
        np.concatenate([pairs[np.isin(pairs[:, 0], chosen)], own[own[:, 1] != MISSING]]), axis=0
    )
    counts = np.bincount(people[:, 0], minlength=len(deals))[chosen]
    return Figure(float(counts.mean()), len(chosen))


def _with_won(tenant: TenantColumns) -> Bools:
    """Contacts with a won deal of their own or of their company."""
    company = tenant.contacts.company
    of_company = np.zeros(len(company), bool)
    employed = company != MISSING
    of_company[employed] = tenant.company_won[company[employed]] > 0
    return (tenant.contact_won > 0) | of_company


def customers_without_won(tenant: TenantColumns) -> Figure | None:
    """Customers without a won deal of theirs or of their company."""
    return _share(~_with_won(tenant)[tenant.contacts.status == "customer"])


def churned_without_won(tenant: TenantColumns) -> Figure | None:
    """Churned contacts without a won deal of theirs or of their company."""
    return _share(~_with_won(tenant)[tenant.contacts.status == "churned"])


def wins_of_leads(tenant: TenantColumns) -> Figure | None:
    """Won deals of leads, where the tenant had another contact."""
    deals, contacts = tenant.deals, tenant.contacts
    won = deals.is_won & (deals.contact != MISSING)
    others = contacts.created_us[contacts.status != "lead"]
    if not won.any() or not len(others):
        return None
    could = deals.created_us[won] > others.min()
    is_lead = at(contacts.status, deals.contact[won])[could] == "lead"
    return _share(is_lead)


def books_are_a_ramp(tenant: TenantColumns) -> Figure | None:
    """How much the owners' books of accounts look like a straight line, sorted by size: R squared."""
    owner = tenant.companies.owner[tenant.companies.owner != MISSING]
    books = np.sort(np.bincount(owner, minlength=len(tenant.users)))
    books = books[books > 0]
    if len(books) < _OWNERS:
        return None
    fit = np.corrcoef(np.arange(len(books)), books)[0, 1] if books.std() else 1.0
    detail = ", ".join(str(one) for one in books[::-1][:8])
    return Figure(float(fit**2), int(books.sum()), detail)


def owned_before_joining(tenant: TenantColumns) -> Figure | None:
    """Rows that are older than the person who owns them."""
    joined = tenant.users.created_us
    wrong = count = 0
    for table in (tenant.companies, tenant.contacts, tenant.deals):
        owned = table.owner != MISSING
        wrong += int((table.created_us[owned] < at(joined, table.owner[owned])).sum())
        count += int(owned.sum())
    return Figure(wrong / count, count) if count else None


def _numbers_suffice(tenant: TenantColumns) -> bool:
    """Whether each contact and company could have a reserved number of its own."""
    return len(tenant.contacts) + len(tenant.companies) <= _NUMBERS_FOR_FICTION.get(tenant.facts.country, 0)


def without_phone(tenant: TenantColumns) -> Figure | None:
    """Companies without a telephone number, where the numbers for fiction suffice."""
    return _share(_missing(tenant.companies.phone)) if _numbers_suffice(tenant) else None


def without_website(tenant: TenantColumns) -> Figure | None:
    """Companies without a website."""
    return _share(_missing(tenant.companies.website))


def without_address(tenant: TenantColumns) -> Figure | None:
    """Companies without an address."""
    return _share(_missing(tenant.companies.address))


def contacts_without_phone(tenant: TenantColumns) -> Figure | None:
    """Contacts without a telephone number, where the numbers for fiction suffice."""
    return _share(_missing(tenant.contacts.phone)) if _numbers_suffice(tenant) else None


def in_london(tenant: TenantColumns) -> Figure | None:
    """Companies in London, of those with a place."""
    places = [
        f"{city or ''} {state or ''}".lower()
        for city, state in zip(tenant.companies.city, tenant.companies.state, strict=True)
        if city or state
    ]
    return _share(np.array(["london" in place for place in places], bool))


def impossible_postcodes(tenant: TenantColumns) -> Figure | None:
    """British postcodes of a shape that the Royal Mail does not give."""
    codes = [str(one) for one in tenant.companies.postal_code if one]
    wrong = [code for code in codes if not GB_POSTCODE.fullmatch(code)]
    return Figure(len(wrong) / len(codes), len(codes), wrong[0] if wrong else "") if codes else None


def varied_postcodes(tenant: TenantColumns) -> Figure | None:
    """Different postcodes among the first firms of a country whose codes stand for a street or two."""
    codes = [str(one) for one in tenant.companies.postal_code if one][:_FIRST_POSTCODES]
    return Figure(len(set(codes)) / len(codes), len(codes)) if codes else None


def shared_switchboard(tenant: TenantColumns) -> Figure | None:
    """Companies that have the commonest telephone number."""
    phones = [str(one) for one in tenant.companies.phone if one]
    if not phones:
        return None
    commonest, count = Counter(phones).most_common(1)[0]
    return Figure(float(count), len(phones), commonest)


def inner_addresses(tenant: TenantColumns) -> Figure | None:
    """Addresses with a unit, suite, floor, house or park."""
    addresses = [str(one) for one in tenant.companies.address if one]
    return _share(np.array([UNIT.search(one) is not None for one in addresses], bool))


MEASURES: Final = (
    Measure(
        name="private_customers",
        title="contacts without an employer",
        population="contacts",
        least=100,
        expected=Expected(
            declared=_private_range,
            words="`private_share`, 5 points less to 10 more; at most 10 % where it is 0",
        ),
        unit=Unit.SHARE,
        source="the blueprint",
        function=private_customers,
        is_drawn=True,
    ),
    Measure(
        name="private_mailboxes",
        title="private addresses at the commonest mailbox domain",
        population="e-mail addresses of contacts without a company",
        least=50,
        expected=Expected(Range(high=0.60)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=private_mailboxes,
        is_drawn=True,
    ),
    Measure(
        name="reachable_mail",
        title="e-mail addresses that could reach somebody",
        population="e-mail addresses",
        least=10,
        expected=Expected(Range(high=0.0)),
        unit=Unit.SHARE,
        source="RFC 2606, RFC 6761",
        function=reachable_mail,
    ),
    Measure(
        name="people_per_large_deal",
        title="people of a large deal (its contact and those of its activities), mean",
        population="the largest quarter of deals with a company",
        least=40,
        expected=only(_B2B_DEALS, Range(1.8, 4.2)),
        unit=Unit.NUMBER,
        source="spotio.com: 7.4 deciders, of whom a seller meets two to four (assumption)",
        function=people_per_large_deal,
    ),
    Measure(
        name="customers_without_won",
        title="customers without a won deal of theirs or of their company",
        population="customers",
        least=30,
        expected=Expected(Range(high=0.05)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=customers_without_won,
    ),
    Measure(
        name="churned_without_won",
        title="churned contacts without a won deal of theirs or of their company",
        population="churned contacts",
        least=20,
        expected=Expected(Range(high=0.10)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=churned_without_won,
    ),
    Measure(
        name="wins_of_leads",
        title="won deals of contacts who are still leads, where there was another contact",
        population="won deals",
        least=20,
        expected=Expected(Range(high=0.0)),
        unit=Unit.SHARE,
        source="true of every CRM",
        function=wins_of_leads,
    ),
    Measure(
        name="books_are_a_ramp",
        title="books of accounts by size: how straight the line is (R²)",
        population="companies with an owner",
        least=60,
        expected=Expected(Range(high=0.97)),
        unit=Unit.NUMBER,
        source=ASSUMPTION,
        function=books_are_a_ramp,
    ),
    Measure(
        name="owned_before_joining",
        title="rows that are older than the person who owns them",
        population="rows with an owner",
        least=100,
        expected=Expected(Range(high=0.0)),
        unit=Unit.SHARE,
        source="true of every CRM, but for accounts that are handed over",
        function=owned_before_joining,
    ),
    Measure(
        name="without_phone",
        title="companies without a telephone number, of tenants that the numbers for fiction suffice for",
        population="companies",
        least=100,
        expected=_GAP,
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=without_phone,
        is_drawn=True,
    ),
    Measure(
        name="without_website",
        title="companies without a website",
        population="companies",
        least=100,
        expected=_GAP,
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=without_website,
        is_drawn=True,
    ),
    Measure(
        name="without_address",
        title="companies without an address",
        population="companies",
        least=100,
        expected=_GAP,
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=without_address,
        is_drawn=True,
    ),
    Measure(
        name="contacts_without_phone",
        title="contacts without a telephone number, of tenants that the numbers for fiction suffice for",
        population="contacts",
        least=200,
        expected=Expected(Range(0.10, 0.60)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=contacts_without_phone,
        is_drawn=True,
    ),
    Measure(
        name="in_london",
        title="companies in London",
        population="companies with a place",
        least=60,
        expected=Expected(Range(0.17, 0.33), countries=("GB",)),
        unit=Unit.SHARE,
        source="about a quarter of firms in Great Britain",
        function=in_london,
        is_drawn=True,
    ),
    Measure(
        name="impossible_postcodes",
        title="postcodes that cannot exist",
        population="postcodes",
        least=30,
        expected=Expected(Range(high=0.0), countries=("GB",)),
        unit=Unit.SHARE,
        source="Royal Mail: no C I K M O V in the inward code",
        function=impossible_postcodes,
    ),
    Measure(
        name="varied_postcodes",
        title="different postcodes, for each postcode",
        population=f"postcodes, at most {_FIRST_POSTCODES}",
        least=60,
        expected=Expected(Range(low=0.85), countries=("GB",)),
        unit=Unit.SHARE,
        source="a British postcode stands for about fifteen addresses",
        function=varied_postcodes,
    ),
    Measure(
        name="shared_switchboard",
        title="companies that have the commonest telephone number",
        population="telephone numbers of companies",
        least=60,
        expected=Expected(Range(high=3.0)),
        unit=Unit.COUNT,
        source=ASSUMPTION,
        function=shared_switchboard,
    ),
    Measure(
        name="inner_addresses",
        title="addresses with a unit, a suite, a floor or a park",
        population="addresses",
        least=140,
        expected=Expected(Range(0.03, 0.40)),
        unit=Unit.SHARE,
        source=ASSUMPTION,
        function=inner_addresses,
        is_drawn=True,
    ),
)
