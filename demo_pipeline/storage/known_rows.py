"""Rows of a tenant that the rows of a patch may refer to: living ones, the latest first, bounded.

Within the transaction that loads, so that the rows of an earlier month of the same patch are among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import args_row

from demo_pipeline.domain.known import (
    KnownCompany,
    KnownContact,
    KnownDeal,
    KnownRows,
    KnownStage,
    KnownUser,
)

Connection = psycopg.Connection[Any]


def first_contact_at(conn: Connection, tenant_id: UUID) -> datetime | None:
    """When the oldest living contact was made; None: there is none."""
    row = conn.execute(
        "SELECT min(created_at) FROM crm.contacts WHERE tenant_id = %s AND deleted_at IS NULL", [tenant_id]
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


def known_rows(
    conn: Connection, tenant_id: UUID, before: datetime, most: int, blueprint_jobs: Sequence[UUID]
) -> KnownRows:
    """What there was by ``before``: at most ``most`` contacts, companies and deals, the latest ones.

    The oldest contact is always among them, so that whatever can be has somebody to hang on.
    ``blueprint_jobs``: whose rows are no patch's.
    """
    scope = {"tenant": tenant_id, "before": before, "most": most, "blueprint": list(blueprint_jobs)}

    def rows(make: Any, query: LiteralString) -> list[Any]:
        with conn.cursor(row_factory=args_row(make)) as cursor:
            return cursor.execute(query, scope).fetchall()

    contacts: list[KnownContact] = rows(
        KnownContact,
        """
        SELECT * FROM (
            (SELECT id, created_at, owner_id, company_id, status, first_name, last_name FROM crm.contacts
             WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND created_at < %(before)s
             ORDER BY created_at DESC, id DESC LIMIT %(most)s)
            UNION
            (SELECT id, created_at, owner_id, company_id, status, first_name, last_name FROM crm.contacts
             WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND created_at < %(before)s
             ORDER BY created_at, id LIMIT 1)
        ) latest ORDER BY created_at, id
        """,
    )
    scope["contacts"] = [contact.id for contact in contacts]
    scope["companies"] = list({contact.company_id for contact in contacts if contact.company_id})
    companies: list[KnownCompany] = rows(
        KnownCompany,
        """
        SELECT * FROM (
            (SELECT id, created_at, owner_id, name, domain, city, size, false AS is_gone FROM crm.companies
             WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND created_at < %(before)s
             ORDER BY created_at DESC, id DESC LIMIT %(most)s)
            UNION
            (SELECT id, created_at, owner_id, name, domain, city, size, deleted_at IS NOT NULL
             FROM crm.companies WHERE tenant_id = %(tenant)s AND id = ANY(%(companies)s::uuid[]))
        ) latest ORDER BY is_gone, created_at, id
        """,
    )
    return KnownRows(
        users=rows(
            KnownUser,
            "SELECT id, role FROM crm.users WHERE tenant_id = %(tenant)s AND deleted_at IS NULL"
            " ORDER BY created_at, id",
        ),
        stages=rows(
            KnownStage,
            "SELECT id, probability, is_won, is_lost FROM crm.pipeline_stages"
            " WHERE tenant_id = %(tenant)s AND deleted_at IS NULL ORDER BY position, id",
        ),
        tags=rows(
            _itself,
            "SELECT id FROM crm.tags WHERE tenant_id = %(tenant)s AND deleted_at IS NULL"
            " ORDER BY created_at, id",
        ),
        companies=companies,
        contacts=contacts,
        deals=rows(
            KnownDeal,
            """
            SELECT d.id, d.since, d.contact_id, d.closed_at, d.title, (
                SELECT count(*) FROM crm.activities a
                WHERE a.tenant_id = %(tenant)s AND a.deal_id = d.id AND a.demo_generated
                    AND a.demo_job_id <> ALL(%(blueprint)s::uuid[]))
            FROM (
                SELECT r.id, greatest(r.created_at, c.created_at) AS since, r.contact_id, r.closed_at, r.title
                FROM crm.deals r
                JOIN crm.contacts c ON c.tenant_id = r.tenant_id AND c.id = r.contact_id
                WHERE r.tenant_id = %(tenant)s AND r.deleted_at IS NULL AND r.created_at < %(before)s
                    AND r.contact_id = ANY(%(contacts)s::uuid[])
                ORDER BY since DESC, r.id DESC LIMIT %(most)s
            ) d ORDER BY d.since, d.id
            """,
        ),
        addresses=frozenset(
            rows(
                str,
                """
                SELECT email FROM crm.contacts WHERE tenant_id = %(tenant)s AND demo_generated
                    AND demo_job_id <> ALL(%(blueprint)s::uuid[]) AND email IS NOT NULL
                """,
            )
        ),
    )


def _itself(value: UUID) -> UUID:
    return value
