"""A sample of a tenant's people with their stories, for a person to read."""

from __future__ import annotations

from dataclasses import dataclass

from demo_pipeline.services.jobs.tenant_context import open_snapshot
from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.rows.people_sample import (
    Person,
    PersonsActivity,
    PersonsDeal,
    activities_of,
    deals_of,
    sampled_people,
)


@dataclass(frozen=True, kw_only=True)
class PersonsStory:
    """One person, with deals and activities in the order of time."""

    person: Person
    deals: tuple[PersonsDeal, ...]
    activities: tuple[PersonsActivity, ...]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Some people of a tenant."""

    tenant: str
    currency: str
    #: IANA name: people are shown in the tenant's time
    timezone: str
    stories: tuple[PersonsStory, ...]


def sample_people(database: Database, settings: Settings, slug: str, count: int) -> Sample:
    """Some people of a tenant, the same each time; fewer where there are fewer.

    Raises ``NotFoundError``, ``NotADemoTenantError``, ``UnreadableTenantError``.
    """
    with open_snapshot(database, settings, slug, "sample") as (conn, context, _):
        tenant_id = context.state.tenant.tenant_id
        chosen = sampled_people(conn, tenant_id, count)
        ids = [person.id for person in chosen]
        deals, activities = deals_of(conn, tenant_id, ids), activities_of(conn, tenant_id, ids)
    return Sample(
        tenant=slug,
        currency=context.spec.currency.code,
        timezone=context.spec.timezone,
        stories=tuple(
            PersonsStory(
                person=person,
                deals=tuple(deal for deal in deals if deal.contact_id == person.id),
                activities=tuple(one for one in activities if one.contact_id == person.id),
            )
            for person in chosen
        ),
    )
