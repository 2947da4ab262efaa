"""The rows of a hero account: its person and company, its deals, and what was done and is to be done.

An account is a company with everybody in it, or a private person. Living rows only, those of people too; each
is found by a key, or by an index that begins with the account. Amounts are in major units as the database has
them. What is said of them does not belong here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from demo_pipeline.storage.ledger.hero_accounts import HeroMark

Connection = psycopg.Connection[Any]

_CONTACT_NAME: Final[LiteralString] = "concat_ws(' ', p.first_name, p.last_name)"


@dataclass(frozen=True, kw_only=True)
class AccountRow:
    """The contact and the company of an account."""

    contact: str
    contact_since: datetime
    company: str | None
    city: str | None


@dataclass(frozen=True, kw_only=True)
class DealRow:
    """A deal of an account."""

    id: UUID
    title: str | None
    value: Decimal | None
    #: ISO 4217; None, or another text, where people wrote it
    currency: str | None
    stage: str | None
    is_won: bool
    is_lost: bool
    created_at: datetime
    closed_at: datetime | None
    expected_close_on: date | None
    owner: str | None


@dataclass(frozen=True, kw_only=True)
class ConversationRow:
    """The completed conversations of one kind with one contact."""

    #: empty: the contact is deleted, or has no name
    contact: str
    type: str
    count: int
    last_at: datetime


@dataclass(frozen=True, kw_only=True)
class OpenActivitiesRow:
    """Activities without an end, and one of them: the next one that is due, or else the last one that was."""

    count: int
    subject: str | None
    due_at: datetime | None


def account(conn: Connection, tenant_id: UUID, mark: HeroMark) -> AccountRow:
    """The contact and the company; both are there where the mark was read in the same snapshot."""
    with conn.cursor(row_factory=class_row(AccountRow)) as cursor:
        found = cursor.execute(
            f"""
            SELECT {_CONTACT_NAME} AS contact, p.created_at AS contact_since, c.name AS company, c.city
            FROM crm.contacts p
            LEFT JOIN crm.companies c ON c.tenant_id = p.tenant_id AND c.id = %(company)s
            WHERE p.tenant_id = %(tenant)s AND p.id = %(contact)s
            """,
            _parameters(tenant_id, mark),
        ).fetchone()
    assert found is not None  # a reference of the mark
    return found


def deals(conn: Connection, tenant_id: UUID, mark: HeroMark) -> list[DealRow]:
    """All deals of the account, the oldest first."""
    of_account: LiteralString = (
        "d.contact_id = %(contact)s AND d.company_id IS NULL"
        if mark.company_id is None
        else "d.company_id = %(company)s"
    )
    query: LiteralString = f"""
        SELECT d.id, d.title, d.value, d.currency, s.name AS stage, coalesce(s.is_won, false) AS is_won,
            coalesce(s.is_lost, false) AS is_lost, d.created_at, d.closed_at,
            d.expected_close_date AS expected_close_on,
            nullif(concat_ws(' ', u.first_name, u.last_name), '') AS owner
        FROM crm.deals d
        LEFT JOIN crm.pipeline_stages s ON s.tenant_id = d.tenant_id AND s.id = d.stage_id
        LEFT JOIN crm.users u ON u.tenant_id = d.tenant_id AND u.id = d.owner_id
        WHERE d.tenant_id = %(tenant)s AND d.deleted_at IS NULL AND {of_account}
        ORDER BY d.created_at, d.id
    """
    with conn.cursor(row_factory=class_row(DealRow)) as cursor:
        return cursor.execute(query, _parameters(tenant_id, mark)).fetchall()


def deal_activities(conn: Connection, tenant_id: UUID, mark: HeroMark) -> tuple[int, datetime | None]:
    """Activities on the deal of the mark, and the instant of the last one."""
    row = conn.execute(
        """
        SELECT count(*), max(coalesce(a.completed_at, a.created_at)) FROM crm.activities a
        WHERE a.tenant_id = %(tenant)s AND a.deal_id = %(deal)s AND a.deleted_at IS NULL
        """,
        _parameters(tenant_id, mark),
    ).fetchone()
    assert row is not None  # an aggregate
    return row[0], row[1]


def conversations(conn: Connection, tenant_id: UUID, mark: HeroMark) -> list[ConversationRow]:
    """Completed calls, e-mails and meetings by contact and type; the contact with most of them first."""
    query: LiteralString = f"""
        SELECT coalesce({_CONTACT_NAME}, '') AS contact, a.type, a.count, a.last_at
        FROM (
            SELECT a.contact_id, a.type, count(*) AS count, max(a.completed_at) AS last_at,
                sum(count(*)) OVER (PARTITION BY a.contact_id) AS total
            FROM crm.activities a
            WHERE {_activities_of(mark)} AND a.completed_at IS NOT NULL
                AND a.type IN ('call', 'email', 'meeting')
            GROUP BY a.contact_id, a.type
        ) a
        LEFT JOIN crm.contacts p
            ON p.tenant_id = %(tenant)s AND p.id = a.contact_id AND p.deleted_at IS NULL
        ORDER BY a.total DESC, a.contact_id, a.type
    """
    with conn.cursor(row_factory=class_row(ConversationRow)) as cursor:
        return cursor.execute(query, _parameters(tenant_id, mark)).fetchall()


def open_activities(conn: Connection, tenant_id: UUID, mark: HeroMark, now: datetime) -> OpenActivitiesRow:
    """Activities that are still to be done; notes have no end by nature."""
    query: LiteralString = f"""
        SELECT count(*) OVER () AS count, a.subject, a.scheduled_at AS due_at
        FROM crm.activities a
        WHERE {_activities_of(mark)} AND a.completed_at IS NULL AND a.type <> 'note'
        ORDER BY a.scheduled_at < %(now)s NULLS LAST,
            abs(extract(epoch FROM a.scheduled_at - %(now)s)), a.id
        LIMIT 1
    """
    with conn.cursor(row_factory=class_row(OpenActivitiesRow)) as cursor:
        found = cursor.execute(query, _parameters(tenant_id, mark) | {"now": now}).fetchone()
    return found or OpenActivitiesRow(count=0, subject=None, due_at=None)


def _activities_of(mark: HeroMark) -> LiteralString:
    """The condition for living activities of the account."""
    of_account: LiteralString = (
        "a.contact_id = %(contact)s" if mark.company_id is None else "a.company_id = %(company)s"
    )
    return f"a.tenant_id = %(tenant)s AND a.deleted_at IS NULL AND {of_account}"


def _parameters(tenant_id: UUID, mark: HeroMark) -> dict[str, Any]:
    return {
        "tenant": tenant_id,
        "contact": mark.contact_id,
        "company": mark.company_id,
        "deal": mark.deal_id,
    }
