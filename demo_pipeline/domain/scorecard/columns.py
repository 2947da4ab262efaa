"""The rows of one tenant as columns, as the scorecard reads them, and what was asked of the tenant.

Instants are whole microseconds since 1970 UTC (``_us``), months whole months since January 1970 UTC, days
whole days since 1970. ``MISSING`` stands for an instant, a number or a reference that is not there; a text
that is not there is None. References are places in the other table. How rows are read is in
``storage.rows.score_columns``; measures do not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from demo_pipeline.domain.core.timezones import load_timezone
from demo_pipeline.domain.scorecard.statistics import Bools, Ints

Texts: TypeAlias = NDArray[np.object_]

MISSING: Final = -1
DAY_US: Final = 86_400_000_000
HOUR_US: Final = 3_600_000_000

OPEN, WON, LOST = 0, 1, 2
#: who made a row: a person, the blueprint, a patch plan
PERSON, BLUEPRINT, PATCH = 0, 1, 2

#: usual length of a deal in days, 5 and 95 % (FIELD: what the industries were specified with)
_CYCLE_DAYS: Final[Mapping[str, tuple[int, int]]] = {
    "trading": (14, 45),
    "igaming": (7, 30),
    "saas": (30, 90),
    "ecommerce": (1, 7),
    "realestate": (60, 180),
    "finserv": (30, 90),
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a tenant is, and what its blueprint asks for."""

    country: str
    industry: str
    timezone: str
    #: a domain that the operator owns; None: ``.example``
    mail_domain: str | None = None
    #: digits of the currency's minor unit
    minor_digits: int = 2
    #: first and last month of the span
    first_month: int
    last_month: int
    as_of_us: int
    #: figures were declared month by month, not as totals
    has_monthly_figures: bool = False
    #: growth a month as a share
    monthly_rate: float = 0.0
    #: share of leads that never get an answer
    drop_off_rate: float = 0.2
    #: working hours within which a lead gets its first answer
    response_sla_hours: float = 4.0
    #: share of contacts without an employer
    private_share: float = 0.0
    #: value of lost deals against the pipeline; None: not declared
    lost_value_ratio: float | None = None
    #: lists that the tenant brings itself: "surnames", "products"
    own_lists: frozenset[str] = frozenset()
    #: names of companies that it brings itself
    own_companies: frozenset[str] = frozenset()

    @property
    def cycle_days(self) -> float:
        """The usual length of a deal in this industry: the median of the log-normal law."""
        low, high = _CYCLE_DAYS[self.industry]
        return float(np.sqrt(low * high))

    @property
    def is_span_over(self) -> bool:
        """Whether the last month of the span has ended."""
        return self.as_of_us >= month_start_us(self.last_month + 1)

    @property
    def end_us(self) -> int:
        """The instant at which the tenant is looked at: the end of its span, or now."""
        return min(self.as_of_us, month_start_us(self.last_month + 1))

    @property
    def months(self) -> Ints:
        """The months of the span, in order."""
        return np.arange(self.first_month, self.last_month + 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Users:
    """The tenant's team."""

    created_us: Ints
    first_name: Texts

    def __len__(self) -> int:
        return len(self.created_us)


@dataclass(frozen=True, kw_only=True, eq=False)
class Companies:
    """Companies by creation."""

    created_us: Ints
    owner: Ints
    name: Texts
    #: place in ``COMPANY_SIZES``
    size: Ints
    industry: Texts
    address: Texts
    city: Texts
    state: Texts
    postal_code: Texts
    phone: Texts
    website: Texts
    origin: Ints

    def __len__(self) -> int:
        return len(self.created_us)


@dataclass(frozen=True, kw_only=True, eq=False)
class Contacts:
    """Contacts by creation."""

    created_us: Ints
    owner: Ints
    company: Ints
    first_name: Texts
    last_name: Texts
    email: Texts
    phone: Texts
    status: Texts
    source: Texts
    origin: Ints

    def __len__(self) -> int:
        return len(self.created_us)


@dataclass(frozen=True, kw_only=True, eq=False)
class Deals:
    """Deals by creation."""

    created_us: Ints
    owner: Ints
    contact: Ints
    company: Ints
    title: Texts
    #: value in minor units
    value: Ints
    #: ``OPEN``, ``WON`` or ``LOST``
    outcome: Ints
    expected_day: Ints
    closed_us: Ints
    origin: Ints

    def __len__(self) -> int:
        return len(self.created_us)

    @property
    def is_won(self) -> Bools:
        return self.outcome == WON

    @property
    def is_lost(self) -> Bools:
        return self.outcome == LOST

    @property
    def is_open(self) -> Bools:
        return self.outcome == OPEN

    @cached_property
    def is_closed(self) -> Bools:
        """Won or lost, with a closing date."""
        return (self.outcome != OPEN) & (self.closed_us != MISSING)

    @cached_property
    def month(self) -> Ints:
        """Of creation."""
        return month_of(self.created_us)

    @cached_property
    def closed_month(self) -> Ints:
        return month_of(self.closed_us)

    @cached_property
    def cycle_days(self) -> NDArray[np.float64]:
        """From creation to closing; of no meaning for open deals."""
        return (self.closed_us - self.created_us) / DAY_US


@dataclass(frozen=True, kw_only=True, eq=False)
class Activities:
    """Activities by creation."""

    created_us: Ints
    #: place in ``ACTIVITY_TYPES``
    type: Ints
    contact: Ints
    company: Ints
    deal: Ints
    author: Ints
    scheduled_us: Ints
    minutes: Ints
    subject: Texts
    description: Texts
    subject_length: Ints
    description_length: Ints
    #: the text says that a deal is agreed
    sounds_agreed: Bools
    origin: Ints

    def __len__(self) -> int:
        return len(self.created_us)


@dataclass(frozen=True, kw_only=True, eq=False)
class TenantColumns:
    """One tenant: what is asked of it, and its living rows."""

    facts: Facts
    users: Users
    companies: Companies
    contacts: Contacts
    deals: Deals
    activities: Activities
    stages: tuple[str, ...] = field(default=())

    @cached_property
    def contact_won(self) -> Ints:
        """Won deals of each contact."""
        won = self.deals.contact[self.deals.is_won & (self.deals.contact != MISSING)]
        return np.bincount(won, minlength=len(self.contacts))

    @cached_property
    def company_won(self) -> Ints:
        """Won deals of each company: those with it, and those of its contacts."""
        won = self.deals.is_won
        employer = np.where(
            self.deals.contact != MISSING, at(self.contacts.company, self.deals.contact), self.deals.company
        )
        company = np.where(self.deals.company != MISSING, self.deals.company, employer)
        return np.bincount(company[won & (company != MISSING)], minlength=len(self.companies))

    @cached_property
    def working_days(self) -> Ints:
        """Local days of the span, Monday to Friday, without holidays.

        A holiday is a weekday on which the tenant makes no row, where it makes ten or more on others.
        """
        facts = self.facts
        first, end = month_start_us(facts.first_month) // DAY_US, -(-facts.end_us // DAY_US)
        days = np.arange(first, end)
        days = days[weekday_of(days) < 5]
        busy = local_day(self.activities.created_us, facts.timezone)
        counts = np.bincount(busy[busy >= first] - first, minlength=max(0, end - first))[days - first]
        return days[counts > 0] if len(days) and np.median(counts) >= 10 else days


def at(column: NDArray[Any], places: Ints) -> NDArray[Any]:
    """The values of a column at some places; of no meaning where the place is ``MISSING``."""
    return column[places] if len(column) else np.full(len(places), MISSING)


def month_of(instants_us: Ints) -> Ints:
    """The UTC month of each instant."""
    return instants_us.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def month_start_us(month: int) -> int:
    """The first instant of a month."""
    return int(np.datetime64(month, "M").astype("datetime64[us]").astype(np.int64))


def month_text(month: int) -> str:
    """A month as ``2025-01``."""
    return str(np.datetime64(month, "M"))


def local_us(instants_us: Ints, timezone: str) -> Ints:
    """Instants as the clock on the wall shows them, in microseconds since 1970."""
    zone = load_timezone(timezone)
    # Offsets change at whole quarters of an hour.
    quarters, inverse = np.unique(instants_us // (HOUR_US // 4), return_inverse=True)
    offsets = [
        datetime.fromtimestamp(int(quarter) * 900, UTC).astimezone(zone).utcoffset() for quarter in quarters
    ]
    seconds = np.array([0 if one is None else int(one.total_seconds()) for one in offsets], np.int64)
    return instants_us + seconds[inverse] * 1_000_000 if len(instants_us) else instants_us


def local_day(instants_us: Ints, timezone: str) -> Ints:
    """The local day of each instant."""
    return local_us(instants_us, timezone) // DAY_US


def local_clock(instants_us: Ints, timezone: str) -> tuple[Ints, Ints]:
    """Local weekday (0: Monday) and hour of each instant."""
    local = local_us(instants_us, timezone)
    return weekday_of(local // DAY_US), local % DAY_US // HOUR_US


def weekday_of(days: Ints) -> Ints:
    """0: Monday; 1 January 1970 was a Thursday."""
    return (days + 3) % 7
