"""The rows that a tenant has already: rows of a patch may refer to them.

Instants are whole microseconds since 1970 UTC (``_us``). Here they become the index and the team that
generation works with, made by a job or a person: names are texts, owners that have left are replaced, what is
not known stays unknown. Reading them is ``storage.rows.existing_rows``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from demo_pipeline.domain.core.arrow import strings
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.random_streams import I64
from demo_pipeline.domain.core.row_ids import Uuids
from demo_pipeline.domain.generation.beats import DECISION, furthest_step
from demo_pipeline.domain.generation.context import Meetings
from demo_pipeline.domain.generation.entity_index import (
    MOST_SIZE,
    OTHER,
    Companies,
    Contacts,
    Deals,
    EntityIndex,
)
from demo_pipeline.domain.generation.team import Pipeline, Team, seller_weights
from demo_pipeline.domain.model import CONTACT_STATUSES
from demo_pipeline.domain.reference.countries import Locale

_NEVER: Final = np.iinfo(np.int64).max
_READONLY: Final = "readonly"
#: Bands above a thousand, which tenants made by version 2026.11 of the lists have.
_LARGER_SIZES: Final = ("1001-5000", "5001-10000", "10001+")

#: The 16 bytes of a UUID: with objects half of a patch's own time would go into their hashes.
Id: TypeAlias = bytes


class ExistingUser(NamedTuple):
    """Somebody of the tenant's team."""

    id: Id
    role: str
    joined_us: int
    first_name: str | None
    last_name: str | None


class ExistingStage(NamedTuple):
    """A stage of its pipeline, as it is now."""

    id: Id
    probability: int
    is_won: bool
    is_lost: bool


class ExistingCompany(NamedTuple):
    """A company, with what its contacts take from it."""

    id: Id
    created_us: int
    owner_id: Id | None
    name: str
    domain: str | None
    city: str | None
    size: str | None
    #: soft-deleted: only contacts that have it already refer to it
    is_deleted: bool


class ExistingContact(NamedTuple):
    """A contact that deals and activities may be with."""

    id: Id
    created_us: int
    owner_id: Id | None
    company_id: Id | None
    status: str | None
    first_name: str | None
    last_name: str | None
    has_email: bool
    has_phone: bool


class ExistingDeal(NamedTuple):
    """A deal that activities may be about."""

    id: Id
    #: when it and its contact were both there: people give a deal to a contact that is younger
    since_us: int
    contact_id: Id
    #: when it was won or lost; None: it is open
    closed_us: int | None
    #: when it is expected to close; None: not known
    expected_us: int | None
    #: hundredths of a major unit of ``currency``
    value_hundredths: int | None
    currency: str | None
    title: str | None
    stage_id: Id | None
    is_won: bool
    #: activities that patches have given it
    text_count: int


class ExistingMeetings(NamedTuple):
    """The meetings of one person, in lists of the same length."""

    user_id: Id
    starts_us: list[int]
    minutes: list[int]


@dataclass(frozen=True, kw_only=True)
class ExistingRows:
    """Rows of one tenant by creation; soft-deleted companies of contacts come last, others are left out."""

    users: Sequence[ExistingUser]
    stages: Sequence[ExistingStage]
    tags: Sequence[Id]
    companies: Sequence[ExistingCompany]
    contacts: Sequence[ExistingContact]
    deals: Sequence[ExistingDeal]
    #: of the contacts, and of the companies, those that have won a deal, whichever it is
    won_by: AbstractSet[Id]
    won_at: AbstractSet[Id]
    #: addresses that patches have given to contacts
    addresses: frozenset[str]
    #: in the months that get activities, and the month after them
    meetings: Sequence[ExistingMeetings]


def existing_team(blueprint: Team, existing: ExistingRows) -> Team:
    """The tenant's users, pipeline and tags as they are now; weights are the blueprint's where it has any."""
    weights = {
        bytes(one): int(weight)
        for one, weight in zip(blueprint.pipeline.ids, blueprint.pipeline.weight, strict=True)
    }
    stages = existing.stages
    sells = seller_weights(len(existing.users), blueprint.ids)
    readonly = np.array([user.role == _READONLY for user in existing.users], bool)
    if not readonly.all():
        sells = np.where(readonly, 0, np.maximum(sells, 1))
    return replace(
        blueprint,
        ids=_ids([user.id for user in existing.users]),
        pipeline=Pipeline(
            ids=_ids([stage.id for stage in stages]),
            probability=np.array([stage.probability for stage in stages], np.int64),
            is_won=np.array([stage.is_won for stage in stages], bool),
            is_lost=np.array([stage.is_lost for stage in stages], bool),
            weight=np.array([weights.get(stage.id, 1) for stage in stages], np.int64),
        ),
        tag_ids=_ids(existing.tags),
        seller_weights=np.cumsum(sells),
        joined_us=np.array([user.joined_us for user in existing.users], np.int64),
        first_names=strings([user.first_name or "" for user in existing.users]),
        last_names=strings([user.last_name or "" for user in existing.users]),
    )


def existing_index(
    locale: Locale, existing: ExistingRows, currency: Currency, products: Sequence[str], *, by_city: bool
) -> EntityIndex:
    """The rows as an index whose names are texts of its own."""
    users = _places([user.id for user in existing.users])
    first_us = min((one.created_us for one in (*existing.companies, *existing.contacts)), default=_NEVER)
    # By joining: the first of them are who was there from the beginning.
    first_team = max(sum(user.joined_us <= first_us for user in existing.users), min(len(users), 1))
    company_places = _places([company.id for company in existing.companies])
    contact_places = _places([contact.id for contact in existing.contacts])
    cities = {city.name: place for place, city in enumerate(locale.places.cities)}
    sizes = locale.companies.sizes.index
    given, surnames = len(locale.given), len(locale.surnames.names)
    companies, contacts, deals = existing.companies, existing.contacts, existing.deals
    status = {name: place for place, name in enumerate(CONTACT_STATUSES)}
    opened = [stage.id for stage in existing.stages if not (stage.is_won or stage.is_lost)]
    furthest: dict[Id | None, int] = {
        one: furthest_step(place, len(opened)) for place, one in enumerate(opened, 1)
    }
    return EntityIndex(
        companies=Companies(
            ids=_ids([one.id for one in companies]),
            # Later than everything: no new row refers to it.
            created_us=np.array(
                [_NEVER if one.is_deleted else one.created_us for one in companies], np.int64
            ),
            owner=_owners([one.owner_id for one in companies], users, first_team),
            number=-1 - np.arange(len(companies)),
            legal_form=np.array([locale.companies.legal_form_of(one.name) for one in companies], int),
            city=np.array(
                [cities.get(one.city or "", i % len(cities)) for i, one in enumerate(companies)], int
            ),
            size=np.array([_size(sizes, one.size) for one in companies], int),
            has_won=np.array([one.id in existing.won_at for one in companies], int),
        ),
        contacts=Contacts(
            ids=_ids([one.id for one in contacts]),
            created_us=np.array([one.created_us for one in contacts], np.int64),
            owner=_owners([one.owner_id for one in contacts], users, first_team),
            company=np.array(
                [company_places.get(one.company_id, -1) if one.company_id else -1 for one in contacts], int
            ),
            status=np.array([status.get(one.status or "", OTHER) for one in contacts], int),
            has_email=np.array([one.has_email for one in contacts], int),
            has_phone=np.array([one.has_phone for one in contacts], int),
            has_won=np.array([one.id in existing.won_by for one in contacts], int),
            is_female=np.array([_sex(locale, one.first_name) for one in contacts], int),
            first=given + np.arange(len(contacts)),
            last=surnames + np.arange(len(contacts)),
        ),
        deals=Deals(
            ids=_ids([one.id for one in deals]),
            created_us=np.array([one.since_us for one in deals], np.int64),
            contact=np.array([contact_places[one.contact_id] for one in deals], int),
            ended_us=np.array(
                [_NEVER if one.closed_us is None else one.closed_us for one in deals], np.int64
            ),
            closed_us=np.full(len(deals), -1),
            is_lost=np.array([one.closed_us is not None and not one.is_won for one in deals], int),
            size=np.full(len(deals), MOST_SIZE // 2),
            due_us=np.array([_due_us(one) for one in deals], np.int64),
            furthest=np.array([furthest.get(one.stage_id, DECISION) for one in deals], np.int64),
            value_minor=np.array([_value_minor(one, currency) for one in deals], np.int64),
            # What they are about is in no column but their title, how many pieces in none.
            product=_named(deals, products),
            city=_named(deals, [city.name for city in locale.places.cities])
            if by_city
            else np.zeros(len(deals), np.int64),
            pieces=np.full(len(deals), -1),
            text_count=np.array([one.text_count for one in deals], int),
        ),
        patch_addresses=set(existing.addresses),
        existing_names=strings([one.name for one in companies]),
        existing_domains=strings([one.domain for one in companies]),
        # Texts need a name: a missing first or last name is replaced by the other one.
        given=strings([one.first_name or one.last_name or "" for one in contacts]),
        surnames=strings([one.last_name or one.first_name or "" for one in contacts]),
    )


def _due_us(deal: ExistingDeal) -> int:
    """When it closed, or is expected to, after its beginning; -1: that is not known."""
    due = deal.closed_us if deal.closed_us is not None else deal.expected_us
    return -1 if due is None or due <= deal.since_us else due


def _named(deals: Sequence[ExistingDeal], names: Sequence[str]) -> I64:
    """The place of the name in the title of each deal, the longest where several begin there; -1: none is."""
    places = {name: place for place, name in enumerate(names)}
    pattern = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))
    found = [pattern.search(one.title or "") for one in deals]
    return np.array([-1 if match is None else places[match[0]] for match in found], np.int64)


def _value_minor(deal: ExistingDeal, currency: Currency) -> int:
    """Its value, -1: it has none, or none in the tenant's currency."""
    if not deal.value_hundredths or deal.currency != currency.code:
        return -1
    return deal.value_hundredths // 10 ** (2 - currency.minor_digits)


def existing_meetings(existing: ExistingRows) -> Meetings:
    """The meetings of those who are in the team."""
    users = _places([user.id for user in existing.users])
    known = [one for one in existing.meetings if one.user_id in users]
    person = np.repeat(
        np.array([users[one.user_id] for one in known], np.int64), [len(one.starts_us) for one in known]
    )
    return Meetings(
        person=person,
        start_us=np.array([start for one in known for start in one.starts_us], np.int64),
        minutes=np.array([length for one in known for length in one.minutes], np.int64),
    )


def _ids(ids: Sequence[Id]) -> Uuids:
    return np.frombuffer(b"".join(ids), np.uint8).reshape(len(ids), 16)


def _places(ids: Sequence[Id]) -> dict[Id, int]:
    return {one: place for place, one in enumerate(ids)}


def _owners(owners: Sequence[Id | None], users: dict[Id, int], first_team: int) -> I64:
    """Places among the users; the first team takes over what nobody looks after, -1: there is no user."""
    taken_over = [place % first_team if first_team else -1 for place in range(len(owners))]
    return np.array(
        [
            users.get(owner, other) if owner else other
            for owner, other in zip(owners, taken_over, strict=True)
        ],
        np.int64,
    )


def _size(sizes: Mapping[str, int], label: str | None) -> int:
    """The place of a size; of labels that are not in the list, those above the last band are the largest."""
    if label is None or label in sizes:
        return sizes.get(label or "", 0)
    return len(sizes) - 1 if label in _LARGER_SIZES else 0


def _sex(locale: Locale, first_name: str | None) -> int:
    is_female = locale.is_female(first_name) if first_name else None
    return -1 if is_female is None else int(is_female)
