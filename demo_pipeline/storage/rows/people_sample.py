"""Some people of a tenant with their deals and activities, for a reader who judges them.

Which people: as many as asked for, a third of them with a won deal, a third with another deal, the rest
without one, as far as there are such. The choice depends on ids alone, so it is the same each time. Living
rows only, also of those that are referred to. How people are shown does not belong here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import class_row

Connection = psycopg.Connection[Any]

_LIVING: Final[LiteralString] = "tenant_id = %(tenant)s AND deleted_at IS NULL"
_PERSON_COLUMNS: Final[LiteralString] = """
    c.id, concat_ws(' ', c.first_name, c.last_name) AS name, c.email, c.phone, c.status, c.source,
    c.created_at, o.name AS company, o.size AS company_size, o.city AS city,
    concat_ws(' ', u.first_name, u.last_name) AS owner
"""


@dataclass(frozen=True, kw_only=True)
class Person:
    """A contact; texts that are not there are None or empty."""

    id: UUID
    name: str
    email: str | None
    phone: str | None
    status: str | None
    source: str | None
    created_at: datetime
    company: str | None
    company_size: str | None
    city: str | None
    owner: str


@dataclass(frozen=True, kw_only=True)
class PersonsDeal:
    """A deal of one of the people."""

    contact_id: UUID
    title: str | None
    #: major units
    value: Decimal | None
    stage: str | None
    created_at: datetime
    closed_at: datetime | None
    expected_close_on: date | None


@dataclass(frozen=True, kw_only=True)
class PersonsActivity:
    """An activity with one of the people."""

    contact_id: UUID
    type: str
    subject: str | None
    description: str | None
    deal: str | None
    author: str
    created_at: datetime
    scheduled_at: datetime | None
    completed_at: datetime | None


def sampled_people(conn: Connection, tenant_id: UUID, count: int) -> list[Person]:
    """The people of the sample, the oldest first."""
    # md5 of an id is the same on every server, and puts ids, which are ordered in time, in no order.
    query: LiteralString = f"""
        WITH kinds AS (
            SELECT c.id, md5(c.id::text) AS lot,
                CASE WHEN bool_or(s.is_won) THEN 0 WHEN count(d.id) > 0 THEN 1 ELSE 2 END AS kind
            FROM crm.contacts c
            LEFT JOIN crm.deals d
                ON d.tenant_id = c.tenant_id AND d.contact_id = c.id AND d.deleted_at IS NULL
            LEFT JOIN crm.pipeline_stages s ON s.tenant_id = d.tenant_id AND s.id = d.stage_id
            WHERE c.tenant_id = %(tenant)s AND c.deleted_at IS NULL
            GROUP BY c.tenant_id, c.id),
        chosen AS (
            SELECT id FROM (SELECT id, kind, lot, row_number() OVER (PARTITION BY kind ORDER BY lot) AS place
                            FROM kinds) ordered
            ORDER BY place, kind LIMIT %(count)s)
        SELECT {_PERSON_COLUMNS}
        FROM crm.contacts c
        LEFT JOIN crm.companies o
            ON o.tenant_id = c.tenant_id AND o.id = c.company_id AND o.deleted_at IS NULL
        LEFT JOIN crm.users u ON u.tenant_id = c.tenant_id AND u.id = c.owner_id AND u.deleted_at IS NULL
        WHERE c.tenant_id = %(tenant)s AND c.id IN (SELECT id FROM chosen)
        ORDER BY c.created_at, c.id
    """
    with conn.cursor(row_factory=class_row(Person)) as cursor:
        return cursor.execute(query, {"tenant": tenant_id, "count": count}).fetchall()


def deals_of(conn: Connection, tenant_id: UUID, contacts: list[UUID]) -> list[PersonsDeal]:
    """The deals of some people, the oldest first."""
    query: LiteralString = f"""
        SELECT d.contact_id, d.title, d.value, s.name AS stage, d.created_at, d.closed_at,
            d.expected_close_date AS expected_close_on
        FROM (SELECT * FROM crm.deals WHERE {_LIVING} AND contact_id = ANY (%(contacts)s)) d
        LEFT JOIN crm.pipeline_stages s
            ON s.tenant_id = d.tenant_id AND s.id = d.stage_id AND s.deleted_at IS NULL
        ORDER BY d.created_at, d.id
    """
    with conn.cursor(row_factory=class_row(PersonsDeal)) as cursor:
        return cursor.execute(query, {"tenant": tenant_id, "contacts": contacts}).fetchall()


def activities_of(conn: Connection, tenant_id: UUID, contacts: list[UUID]) -> list[PersonsActivity]:
    """The activities with some people, the oldest first."""
    query: LiteralString = f"""
        SELECT a.contact_id, a.type, a.subject, a.description, d.title AS deal,
            concat_ws(' ', u.first_name, u.last_name) AS author, a.created_at, a.scheduled_at, a.completed_at
        FROM (SELECT * FROM crm.activities WHERE {_LIVING} AND contact_id = ANY (%(contacts)s)) a
        LEFT JOIN crm.deals d ON d.tenant_id = a.tenant_id AND d.id = a.deal_id AND d.deleted_at IS NULL
        LEFT JOIN crm.users u ON u.tenant_id = a.tenant_id AND u.id = a.created_by_id AND u.deleted_at IS NULL
        ORDER BY a.created_at, a.id
    """
    with conn.cursor(row_factory=class_row(PersonsActivity)) as cursor:
        return cursor.execute(query, {"tenant": tenant_id, "contacts": contacts}).fetchall()
