"""Figures of a tenant's report beside its KPIs: funnel, closings, deal values, hours, and what is open.

All living rows count, those of people too, as for KPIs, which are in ``kpis``. Reads only, within a
transaction; one statement a function, whatever the number of rows. Amounts are in major units as the database
has them. How figures are rounded, named and drawn does not belong here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import class_row

Connection = psycopg.Connection[Any]

#: A deal without a stage is open, as for the KPIs.
_OUTCOME: Final[LiteralString] = "CASE WHEN s.is_won THEN 'won' WHEN s.is_lost THEN 'lost' ELSE 'open' END"
_DEALS: Final[LiteralString] = """
    crm.deals d LEFT JOIN crm.pipeline_stages s ON s.tenant_id = d.tenant_id AND s.id = d.stage_id
"""
_LIVING: Final[LiteralString] = "d.tenant_id = %(tenant)s AND d.deleted_at IS NULL"
_IS_OPEN: Final[LiteralString] = "s.is_won IS NOT TRUE AND s.is_lost IS NOT TRUE"


@dataclass(frozen=True, kw_only=True)
class Funnel:
    """Contacts by how far they came; each number contains the next one."""

    contacts: int
    #: with an activity or a deal
    contacted: int
    with_deal: int
    with_won_deal: int


@dataclass(frozen=True, kw_only=True)
class Closing:
    """Deals of one outcome that were closed in one month."""

    #: UTC, as ``2025-01``; None: the deal has no closing date
    month: str | None
    is_won: bool
    count: int
    value: Decimal


@dataclass(frozen=True, kw_only=True)
class DealValueCount:
    """Deals of one outcome and one class of values."""

    #: 0: below the first edge or without a value; n: from the n-th edge up to the next one
    bucket: int
    #: ``won``, ``lost`` or ``open``
    outcome: str
    count: int


@dataclass(frozen=True, kw_only=True)
class OpenStage:
    """Open deals in one stage."""

    #: None: deals without a stage
    stage: str | None
    count: int
    value: Decimal
    #: each deal times its probability
    weighted_value: Decimal


@dataclass(frozen=True, kw_only=True)
class OpenDeal:
    """One open deal."""

    title: str | None
    company: str | None
    stage: str | None
    owner: str | None
    value: Decimal | None
    expected_close_on: date | None


@dataclass(frozen=True, kw_only=True)
class OpenActivities:
    """Activities of one type that are still to be done."""

    type: str
    count: int
    #: scheduled before now
    overdue_count: int


def funnel(conn: Connection, tenant_id: UUID) -> Funnel:
    """How far the contacts of a tenant came.

    One aggregate over all rows: the statistics do not know fresh rows, and a join would be a nested loop.
    """
    with conn.cursor(row_factory=class_row(Funnel)) as cursor:
        found = cursor.execute(
            f"""
            SELECT count(*) AS contacts,
                count(*) FILTER (WHERE f.has_activity OR f.has_deal) AS contacted,
                count(*) FILTER (WHERE f.has_deal) AS with_deal,
                count(*) FILTER (WHERE f.has_won_deal) AS with_won_deal
            FROM (
                SELECT bool_or(r.has_activity) AS has_activity, bool_or(r.has_deal) AS has_deal,
                    bool_or(r.has_won_deal) AS has_won_deal
                FROM (
                    SELECT c.id, true AS is_contact, false AS has_activity, false AS has_deal,
                        false AS has_won_deal
                    FROM crm.contacts c WHERE c.tenant_id = %(tenant)s AND c.deleted_at IS NULL
                    UNION ALL
                    SELECT a.contact_id, false, true, false, false
                    FROM crm.activities a WHERE a.tenant_id = %(tenant)s AND a.deleted_at IS NULL
                    UNION ALL
                    SELECT d.contact_id, false, false, true, s.is_won IS TRUE FROM {_DEALS} WHERE {_LIVING}
                ) r
                GROUP BY r.id HAVING bool_or(r.is_contact)
            ) f
            """,
            {"tenant": tenant_id},
        ).fetchone()
    assert found is not None  # an aggregate
    return found


def closings(conn: Connection, tenant_id: UUID) -> list[Closing]:
    """Won and lost deals by the UTC month in which they were closed, in order; without a date at the end."""
    with conn.cursor(row_factory=class_row(Closing)) as cursor:
        return cursor.execute(
            f"""
            SELECT to_char(d.closed_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, s.is_won, count(*) AS count,
                coalesce(sum(d.value), 0) AS value
            FROM {_DEALS} WHERE {_LIVING} AND (s.is_won OR s.is_lost) GROUP BY 1, 2 ORDER BY 1, 2
            """,
            {"tenant": tenant_id},
        ).fetchall()


def deal_values(conn: Connection, tenant_id: UUID, edges: Sequence[Decimal]) -> list[DealValueCount]:
    """Deals by class of value and outcome, classes in order; ``edges``: ascending, in major units."""
    with conn.cursor(row_factory=class_row(DealValueCount)) as cursor:
        return cursor.execute(
            f"""
            SELECT width_bucket(coalesce(d.value, 0), %(edges)s::numeric[]) AS bucket, {_OUTCOME} AS outcome,
                count(*) AS count
            FROM {_DEALS} WHERE {_LIVING} GROUP BY 1, 2 ORDER BY 1, 2
            """,
            {"tenant": tenant_id, "edges": list(edges)},
        ).fetchall()


def median_cycle(conn: Connection, tenant_id: UUID) -> timedelta | None:
    """The median time from the creation to the closing of the won deals; None: none has a closing date."""
    row = conn.execute(
        f"""
        SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY d.closed_at - d.created_at)
        FROM {_DEALS} WHERE {_LIVING} AND s.is_won AND d.closed_at IS NOT NULL
        """,
        {"tenant": tenant_id},
    ).fetchone()
    return None if row is None else row[0]


def activity_instants(conn: Connection, tenant_id: UUID) -> list[tuple[datetime, int]]:
    """Quarters of an hour (UTC) in which activities were created, and how many in each.

    No time zone of the world has a fraction of a quarter of an hour, so that their local hours follow.
    """
    return conn.execute(
        """
        SELECT date_bin('15 minutes', a.created_at, timestamptz '2001-01-01 00:00Z'), count(*)
        FROM crm.activities a WHERE a.tenant_id = %s AND a.deleted_at IS NULL GROUP BY 1 ORDER BY 1
        """,
        [tenant_id],
    ).fetchall()


def open_stages(conn: Connection, tenant_id: UUID) -> list[OpenStage]:
    """Open deals by stage, in the order of the pipeline; stages without any are absent."""
    with conn.cursor(row_factory=class_row(OpenStage)) as cursor:
        return cursor.execute(
            f"""
            SELECT s.name AS stage, count(*) AS count, coalesce(sum(d.value), 0) AS value,
                coalesce(round(sum(d.value * coalesce(d.probability, s.probability, 0)) / 100, 2), 0)
                    AS weighted_value
            FROM {_DEALS} WHERE {_LIVING} AND {_IS_OPEN}
            GROUP BY s.id, s.name, s.position ORDER BY s.position, s.name, s.id
            """,
            {"tenant": tenant_id},
        ).fetchall()


def largest_open_deals(conn: Connection, tenant_id: UUID, limit: int) -> list[OpenDeal]:
    """The open deals of the highest value, the highest first; no other deal is joined with its company."""
    with conn.cursor(row_factory=class_row(OpenDeal)) as cursor:
        return cursor.execute(
            f"""
            WITH largest AS MATERIALIZED (
                SELECT d.*, s.name AS stage FROM {_DEALS} WHERE {_LIVING} AND {_IS_OPEN}
                ORDER BY d.value DESC NULLS LAST, d.created_at, d.id LIMIT %(limit)s
            )
            SELECT d.title, c.name AS company, d.stage,
                nullif(concat_ws(' ', u.first_name, u.last_name), '') AS owner, d.value,
                d.expected_close_date AS expected_close_on
            FROM largest d
            LEFT JOIN crm.companies c ON c.tenant_id = d.tenant_id AND c.id = d.company_id
            LEFT JOIN crm.users u ON u.tenant_id = d.tenant_id AND u.id = d.owner_id
            ORDER BY d.value DESC NULLS LAST, d.created_at, d.id
            """,
            {"tenant": tenant_id, "limit": limit},
        ).fetchall()


def open_activities(conn: Connection, tenant_id: UUID, now: datetime) -> list[OpenActivities]:
    """Activities without an end, by type; notes have none by nature."""
    with conn.cursor(row_factory=class_row(OpenActivities)) as cursor:
        return cursor.execute(
            """
            SELECT a.type, count(*) AS count,
                count(*) FILTER (WHERE a.scheduled_at < %(now)s) AS overdue_count
            FROM crm.activities a
            WHERE a.tenant_id = %(tenant)s AND a.deleted_at IS NULL AND a.completed_at IS NULL
                AND a.type <> 'note'
            GROUP BY a.type ORDER BY a.type
            """,
            {"tenant": tenant_id, "now": now},
        ).fetchall()
