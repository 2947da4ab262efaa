"""Rows of a tenant that new rows may refer to: living ones, the latest first, bounded.

Read within the transaction that loads, after the blueprint's missing rows are loaded. Ids come as bytes and
instants as whole microseconds: objects for them would take half of a patch's own time. Seconds since 1970 are
numeric in PostgreSQL, so nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import args_row, scalar_row

from demo_pipeline.domain.generation.existing_rows import (
    ExistingCompany,
    ExistingContact,
    ExistingDeal,
    ExistingMeetings,
    ExistingRows,
    ExistingStage,
    ExistingUser,
)

Connection = psycopg.Connection[Any]

#: Contacts that are not leads, at least, for won deals: the latest by each instant.
_FEWEST_OTHERS: Final = 20
#: Days by which a meeting lies after the row that plans it, at most.
_DAYS_AHEAD: Final = "21"


def first_contact_at(conn: Connection, tenant_id: UUID) -> datetime | None:
    """When the oldest living contact was made; None: there is none."""
    row = conn.execute(
        "SELECT min(created_at) FROM crm.contacts WHERE tenant_id = %s AND deleted_at IS NULL", [tenant_id]
    ).fetchone()
    return None if row is None else row[0]


def first_other_contact_at(conn: Connection, tenant_id: UUID) -> datetime | None:
    """When the oldest living contact that is not a lead was made; None: there is none."""
    row = conn.execute(
        "SELECT min(created_at) FROM crm.contacts"
        " WHERE tenant_id = %s AND deleted_at IS NULL AND status IS DISTINCT FROM 'lead'",
        [tenant_id],
    ).fetchone()
    return None if row is None else row[0]


def has_won_stage(conn: Connection, tenant_id: UUID) -> bool:
    """Whether a deal of the tenant can be won."""
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM crm.pipeline_stages"
        " WHERE tenant_id = %s AND is_won AND deleted_at IS NULL)",
        [tenant_id],
    ).fetchone()
    return row is not None and row[0]


#: conditions of living rows of the tenant
_LIVING: Final[LiteralString] = "tenant_id = %(tenant)s AND deleted_at IS NULL"
#: instants, and for each how many rows before it are wanted
_WANTED: Final[LiteralString] = "unnest(%(before)s::timestamptz[], %(most)s::int[]) AS wanted (before, most)"
_LATEST: Final[LiteralString] = "ORDER BY created_at DESC, id DESC LIMIT"
_CREATED: Final[LiteralString] = "(extract(epoch FROM created_at) * 1000000)::bigint"
_CONTACT: Final[LiteralString] = (
    "id, created_at, owner_id, company_id, status, first_name, last_name, email, phone"
)
_COMPANY: Final[LiteralString] = "id, created_at, owner_id, name, domain, city, size"

_DEALS: Final[LiteralString] = f"""
    SELECT DISTINCT ON (created_at, id)
        uuid_send(id), {_CREATED}, uuid_send(contact_id),
        (extract(epoch FROM closed_at) * 1000000)::bigint, uuid_send(stage_id),
        (extract(epoch FROM expected_close_date) * 1000000)::bigint, (value * 100)::bigint, currency, title
    FROM {_WANTED}
    CROSS JOIN LATERAL (
        SELECT id, created_at, contact_id, closed_at, stage_id, expected_close_date, value, currency, title
        FROM crm.deals
        WHERE {_LIVING} AND contact_id IS NOT NULL AND created_at < wanted.before
        {_LATEST} wanted.most) latest
"""
#: the latest by each instant; the oldest; of those that are not leads the same; the contacts of the deals
_CONTACTS: Final[LiteralString] = f"""
    WITH oldest_other AS MATERIALIZED (
        SELECT {_CONTACT} FROM crm.contacts
        WHERE {_LIVING} AND status IS DISTINCT FROM 'lead' ORDER BY created_at, id LIMIT 1)
    SELECT DISTINCT ON (created_at, id)
        uuid_send(id), {_CREATED}, uuid_send(owner_id), uuid_send(company_id), status, first_name, last_name,
        email IS NOT NULL, phone IS NOT NULL
    FROM (
        (SELECT latest.* FROM {_WANTED}
         CROSS JOIN LATERAL (
            SELECT {_CONTACT} FROM crm.contacts WHERE {_LIVING} AND created_at < wanted.before
            {_LATEST} wanted.most) latest)
        UNION ALL
        (SELECT {_CONTACT} FROM crm.contacts WHERE {_LIVING} ORDER BY created_at, id LIMIT 1)
        UNION ALL
        (SELECT others.* FROM unnest(%(before)s::timestamptz[]) AS wanted (before)
         CROSS JOIN LATERAL (
            SELECT {_CONTACT} FROM crm.contacts
            WHERE {_LIVING} AND status IS DISTINCT FROM 'lead' AND created_at < wanted.before
                AND created_at >= (SELECT min(created_at) FROM oldest_other)
            {_LATEST} %(others)s) others)
        UNION ALL
        (SELECT * FROM oldest_other)
        UNION ALL
        (SELECT {_CONTACT} FROM crm.contacts
         WHERE {_LIVING} AND id IN (SELECT unnest(%(partners)s::uuid[])))
    ) existing ORDER BY created_at, id
"""
#: the latest of each instant, and those of the contacts, deleted ones last
_COMPANIES: Final[LiteralString] = f"""
    SELECT DISTINCT ON (is_deleted, created_at, id)
        uuid_send(id), {_CREATED}, uuid_send(owner_id), name, domain, city, size, is_deleted
    FROM (
        (SELECT latest.* FROM {_WANTED}
         CROSS JOIN LATERAL (
            SELECT {_COMPANY}, false AS is_deleted FROM crm.companies
            WHERE {_LIVING} AND created_at < wanted.before {_LATEST} wanted.most) latest)
        UNION ALL
        (SELECT {_COMPANY}, deleted_at IS NOT NULL FROM crm.companies
         WHERE tenant_id = %(tenant)s AND id IN (SELECT unnest(%(employers)s::uuid[])))
    ) existing ORDER BY is_deleted, created_at, id
"""
_WON: Final[LiteralString] = f"{_LIVING} AND stage_id = ANY(%(won)s::uuid[])"
_WON_BY: Final[LiteralString] = (
    "SELECT DISTINCT uuid_send(contact_id) FROM crm.deals"
    f" WHERE {_WON} AND contact_id = ANY(%(contacts)s::uuid[])"
)
_WON_AT: Final[LiteralString] = (
    "SELECT DISTINCT uuid_send(company_id) FROM crm.deals"
    f" WHERE {_WON} AND company_id = ANY(%(companies)s::uuid[])"
)
#: those of a span, by person; who plans one does so within the days before
_MEETINGS: Final[LiteralString] = f"""
    SELECT uuid_send(created_by_id), array_agg((extract(epoch FROM scheduled_at) * 1000000)::bigint),
        array_agg(greatest(coalesce(duration_minutes, 0), 0))
    FROM crm.activities
    WHERE {_LIVING} AND type = 'meeting' AND created_by_id IS NOT NULL
        AND scheduled_at >= %(first)s AND scheduled_at < %(end)s
        AND created_at >= %(first)s::timestamptz - interval '{_DAYS_AHEAD} days' AND created_at < %(end)s
    GROUP BY created_by_id ORDER BY created_by_id
"""


def existing_rows(
    conn: Connection,
    tenant_id: UUID,
    windows: Sequence[tuple[datetime, int]],
    meetings: tuple[datetime, datetime] | None,
    patch_jobs: Sequence[UUID],
) -> ExistingRows:
    """What existed at some instants: for each at most so many contacts, companies and deals, the latest.

    The contact of each deal is among them, and the oldest contact, so that rows of any instant can have one.
    For won deals the oldest contact that is not a lead is among them, and the latest of these.
    ``meetings``: from when until when they are read; None: they are not.
    ``patch_jobs``: the jobs whose rows are those of patches.
    """
    scope: dict[str, Any] = {
        "tenant": tenant_id,
        "before": [before for before, _ in windows],
        "most": [most for _, most in windows],
        "patches": list(patch_jobs),
        "others": _FEWEST_OTHERS,
    }
    if meetings is not None:
        scope["first"], scope["end"] = meetings

    # For the rest of the transaction. A tenant that is new to the statistics seems to have no rows: a join
    # would use, row by row, any index that begins with the tenant, and read all of it each time.
    conn.execute("SELECT set_config('enable_nestloop', 'off', true)")

    def rows(make: Any, query: LiteralString) -> list[Any]:
        with conn.cursor(row_factory=args_row(make)) as cursor:
            return cursor.execute(query, scope, binary=True).fetchall()

    def values(query: LiteralString) -> list[Any]:
        with conn.cursor(row_factory=scalar_row) as cursor:
            return cursor.execute(query, scope, binary=True).fetchall()

    found: list[_Deal] = rows(_Deal, _DEALS)
    scope["deals"] = id_array(deal.id for deal in found)
    scope["partners"] = id_array({deal.contact_id for deal in found})
    contacts: list[ExistingContact] = rows(ExistingContact, _CONTACTS)
    scope["employers"] = id_array({contact.company_id for contact in contacts if contact.company_id})
    # With "demo_generated" the index by job would be used: all rows of all patches.
    text_counts = conn.execute(
        "SELECT uuid_send(deal_id), count(*) FROM crm.activities WHERE tenant_id = %(tenant)s"
        " AND deal_id = ANY(%(deals)s::uuid[]) AND demo_job_id = ANY(%(patches)s::uuid[]) GROUP BY deal_id",
        scope,
        binary=True,
    ).fetchall()
    stages: list[ExistingStage] = rows(
        ExistingStage,
        "SELECT uuid_send(id), probability, is_won, is_lost FROM crm.pipeline_stages"
        f" WHERE {_LIVING} ORDER BY position, id",
    )
    companies: list[ExistingCompany] = rows(ExistingCompany, _COMPANIES)
    scope["won"] = id_array(stage.id for stage in stages if stage.is_won)
    scope["contacts"] = id_array(contact.id for contact in contacts)
    scope["companies"] = id_array(company.id for company in companies)
    return ExistingRows(
        users=rows(
            ExistingUser,
            f"SELECT uuid_send(id), role, {_CREATED}, first_name, last_name FROM crm.users"
            f" WHERE {_LIVING} ORDER BY created_at, id",
        ),
        stages=stages,
        tags=values(f"SELECT uuid_send(id) FROM crm.tags WHERE {_LIVING} ORDER BY created_at, id"),
        companies=companies,
        contacts=contacts,
        won_by=frozenset(values(_WON_BY)),
        won_at=frozenset(values(_WON_AT)),
        deals=_with_partners(
            found,
            {contact.id: contact.created_us for contact in contacts},
            dict(text_counts),
            {stage.id for stage in stages if stage.is_won},
        ),
        addresses=frozenset(
            values(
                "SELECT email FROM crm.contacts WHERE tenant_id = %(tenant)s AND demo_generated"
                " AND demo_job_id = ANY(%(patches)s::uuid[]) AND email IS NOT NULL",
            )
        ),
        meetings=rows(ExistingMeetings, _MEETINGS) if meetings is not None else (),
    )


class _Deal(NamedTuple):
    """A deal as its table has it."""

    id: bytes
    created_us: int
    contact_id: bytes
    closed_us: int | None
    stage_id: bytes | None
    expected_us: int | None
    value_hundredths: int | None
    currency: str | None
    title: str | None


def id_array(ids: Iterable[bytes]) -> str:
    """As PostgreSQL writes an array of uuids."""
    return f"{{{','.join(map(bytes.hex, ids))}}}"


def _with_partners(
    deals: Sequence[_Deal],
    contacts: Mapping[bytes, int],
    text_counts: Mapping[bytes, int],
    won_stages: AbstractSet[bytes],
) -> list[ExistingDeal]:
    """The deals whose contact is there, by when both were there."""
    known = [
        ExistingDeal(
            id=deal.id,
            since_us=max(deal.created_us, contacts[deal.contact_id]),
            contact_id=deal.contact_id,
            closed_us=deal.closed_us,
            expected_us=deal.expected_us,
            value_hundredths=deal.value_hundredths,
            currency=deal.currency,
            title=deal.title,
            stage_id=deal.stage_id,
            is_won=deal.stage_id in won_stages,
            text_count=text_counts.get(deal.id, 0),
        )
        for deal in deals
        if deal.contact_id in contacts
    ]
    return sorted(known, key=lambda deal: (deal.since_us, deal.id))
