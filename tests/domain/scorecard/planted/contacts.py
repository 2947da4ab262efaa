"""Planted faults of people and places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from demo_pipeline.domain.scorecard.columns import (
    WON,
    Activities,
    Companies,
    Contacts,
    Deals,
    TenantColumns,
)
from tests.builders.scorecard_rows import firms, instant, rows, tenant
from tests.domain.scorecard.planted.cases import Case, Cases, both

CASES: Final = Cases()


@CASES.add
def private_customers() -> Case:
    def contacts(private: int) -> TenantColumns:
        company = [-1 if place % 10 < private else 0 for place in range(200)]
        return tenant(contacts=rows(Contacts, 200, company=company), private_share=0.8)

    return both(contacts, 8, 1)


def mailboxes(*domains: str) -> TenantColumns:
    """Contacts with addresses at these domains, in turn."""
    return tenant(contacts=rows(Contacts, 120, email=[f"a.person@{domain}" for domain in domains]))


@CASES.add
def private_mailboxes() -> Case:
    return mailboxes("post.example", "mail.example", "inbox.example"), mailboxes("post.example")


@CASES.add
def reachable_mail() -> Case:
    return mailboxes("kranz.example"), mailboxes("kranz.example", "gmail.com")


@CASES.add
def people_per_large_deal() -> Case:
    def deals(people: int) -> TenantColumns:
        deal = [place // people for place in range(200 * people)]
        return tenant(
            companies=rows(Companies, 1),
            contacts=rows(Contacts, 200 * people),
            deals=rows(Deals, 200, company=0, contact=[people * place for place in range(200)]),
            activities=rows(Activities, len(deal), deal=deal, contact=range(200 * people)),
        )

    return both(deals, 3, 1)


def with_status(status: str, with_won: int) -> TenantColumns:
    """A hundred contacts of a status, of whom so many have a won deal."""
    return tenant(
        contacts=rows(Contacts, 100, status=status),
        deals=rows(Deals, with_won, contact=range(with_won), outcome=WON),
    )


@CASES.add
def customers_without_won() -> Case:
    return with_status("customer", 97), with_status("customer", 60)


@CASES.add
def churned_without_won() -> Case:
    return with_status("churned", 95), with_status("churned", 60)


@CASES.add
def wins_of_leads() -> Case:
    def deals(status: str) -> TenantColumns:
        contacts = rows(Contacts, 40, status=["customer", status], created_us=instant(0))
        return tenant(contacts=contacts, deals=rows(Deals, 40, contact=range(40), outcome=WON))

    return both(deals, "customer", "lead")


@CASES.add
def books_are_a_ramp() -> Case:
    def books(*sizes: int) -> TenantColumns:
        owner = [place for place, size in enumerate(sizes) for _ in range(size)]
        return tenant(joined=[0] * len(sizes), companies=rows(Companies, len(owner), owner=owner))

    return books(60, 22, 19, 17, 9, 8), books(60, 50, 40, 30, 20, 10)


@CASES.add
def owned_before_joining() -> Case:
    def owned(month: int) -> TenantColumns:
        return tenant(joined=[instant(month)], companies=rows(Companies, 200, owner=0, created_us=instant(3)))

    return both(owned, 2, 4)


@CASES.add
def without_phone() -> Case:
    return firms(phone=["1", "2", "3", "4", None]), firms(phone="1")


@CASES.add
def without_website() -> Case:
    return firms(website=["a", "b", "c", "d", None]), firms(website="a")


@CASES.add
def without_address() -> Case:
    return firms(address=["a", "b", "c", "d", None]), firms(address=[None, "a"])


@CASES.add
def contacts_without_phone() -> Case:
    def contacts(phones: Sequence[str | None]) -> TenantColumns:
        return tenant(contacts=rows(Contacts, 400, phone=phones))

    return both(contacts, ["1", "2", "3", None], ["1", "2"])


@CASES.add
def in_london() -> Case:
    return firms(city=["London", "Leeds", "Cardiff", "Bath"]), firms(city=["London", "Leeds"])


@CASES.add
def impossible_postcodes() -> Case:
    return firms(postal_code=["SW1A 1AA", "M33 2AE", "EC4V 2FU"]), firms(postal_code=["SW1A 1AA", "M33 2CE"])


@CASES.add
def varied_postcodes() -> Case:
    return firms(postal_code=[f"M{place} 2AE" for place in range(200)]), firms(
        postal_code=["M1 2AE", "M2 2AE"]
    )


@CASES.add
def shared_switchboard() -> Case:
    return firms(phone=[str(place // 2) for place in range(200)]), firms(
        phone=[str(place // 5) for place in range(200)]
    )


@CASES.add
def inner_addresses() -> Case:
    street = ["1 High Street", "2 Mill Lane", "3 Ash Road", "4 Elm Road"]
    return firms(address=[*street, "Unit 4, Brook Park"]), firms(address=street)
