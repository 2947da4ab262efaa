"""What is known of a hero account: the rows that its talk track is made from.

Amounts are minor units of the deal's currency, days those of the tenant's time zone. How rows are read and
how they are put into words does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from demo_pipeline.domain.core.currency import Currency


class HeroKind(StrEnum):
    """What an account is a story of; in the order in which they are presented."""

    COMEBACK = "comeback"
    AT_RISK = "at_risk"
    UPSELL = "upsell"


#: kind → its name in headings
HERO_LABELS: Final[Mapping[HeroKind, str]] = {
    HeroKind.COMEBACK: "comeback",
    HeroKind.AT_RISK: "big win at risk",
    HeroKind.UPSELL: "upsell",
}


@dataclass(frozen=True, kw_only=True)
class HeroDeal:
    """A deal of the account."""

    #: empty: it has none
    title: str
    value: int | None
    currency: Currency
    #: None: it has none
    stage: str | None
    opened_on: date
    #: None: it is open, or has no closing date
    closed_on: date | None
    #: None: none is expected
    expected_close_on: date | None


@dataclass(frozen=True, kw_only=True)
class Conversations:
    """Completed calls, e-mails and meetings with the people of the account."""

    #: ``call``, ``email``, ``meeting`` → how many, without zeros
    counts: Mapping[str, int]
    #: with whom, those with most conversations first; without people whose name is unknown
    people: tuple[str, ...]
    #: None: there is none
    last_on: date | None

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, kw_only=True)
class OpenActivities:
    """Activities with the account that are still to be done."""

    count: int
    #: of the next one that is due, or else the last one that was; None: there is none, or it has no subject
    subject: str | None
    due_on: date | None


@dataclass(frozen=True, kw_only=True)
class HeroAccount:
    """An account that was selected for its story."""

    kind: HeroKind
    #: False: no account fits the kind exactly, and this one is the nearest
    is_exact_fit: bool
    chosen_at: datetime
    contact_id: UUID
    company_id: UUID | None
    deal_id: UUID
    earlier_deal_id: UUID | None
    #: whose language and dates it is presented in (ISO 3166-1 alpha-2)
    country: str
    #: the day on which it is presented
    as_of: date
    #: the tenant is closed, and its last month is over
    has_ended: bool
    contact: str
    contact_since: date
    #: None: a private person
    company: str | None
    city: str | None
    #: None: no owner
    owner: str | None
    #: the deal that the story is about
    deal: HeroDeal
    #: activities on :attr:`deal`
    activity_count: int
    #: None: there is none
    last_activity_on: date | None
    #: the lost deal before a comeback, the first won one before an upsell
    earlier: HeroDeal | None
    won_count: int
    #: of all won deals; None: they are not all in the currency of :attr:`deal`
    won_value: int | None
    #: other open deals of the account than :attr:`deal`
    other_open_count: int
    #: the one of the highest value
    largest_other_open: HeroDeal | None
    conversations: Conversations
    open_activities: OpenActivities

    @property
    def name(self) -> str:
        """The company, or the private person."""
        return self.company or self.contact


@dataclass(frozen=True, kw_only=True)
class HeroAccounts:
    """The hero accounts of a tenant, in the order of their kinds."""

    accounts: tuple[HeroAccount, ...]

    @property
    def missing(self) -> tuple[HeroKind, ...]:
        """The kinds that no account of the tenant stands for."""
        found = {account.kind for account in self.accounts}
        return tuple(kind for kind in HeroKind if kind not in found)
