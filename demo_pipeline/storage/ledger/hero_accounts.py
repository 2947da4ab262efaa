"""Marks of hero accounts, outside of what a tenant sees. Nothing here commits.

Which accounts are selected is SQL of the guard (``demo.select_hero_accounts``). The rows of an account, and
what is said of it, do not belong here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from demo_pipeline.storage.ledger.guard import call


@dataclass(frozen=True, kw_only=True)
class HeroMark:
    """A hero account by the ids of its rows."""

    #: ``comeback``, ``at_risk`` or ``upsell``
    kind: str
    contact_id: UUID
    #: None: a private person
    company_id: UUID | None
    #: the deal that the story is about
    deal_id: UUID
    #: the lost deal before a comeback, the first won one before an upsell
    earlier_deal_id: UUID | None
    #: False: the nearest fit, which a later job may replace
    is_exact_fit: bool
    #: the instant of the job that selected it
    chosen_at: datetime


def select_hero_accounts(conn: Connection[Any], job_id: UUID) -> None:
    """Within the claim of a job: select hero accounts for the kinds that have none, or only a nearest fit."""
    call(conn, "select_hero_accounts", job_id)


def hero_marks(conn: Connection[Any], tenant_id: UUID) -> list[HeroMark]:
    """The hero accounts of a tenant whose rows are as their kind needs them; for administrators."""
    with conn.cursor(row_factory=class_row(HeroMark)) as cursor:
        return cursor.execute(
            "select kind, contact_id, company_id, deal_id, earlier_deal_id, is_exact_fit, chosen_at"
            " from demo.whole_hero_accounts where tenant_id = %s order by kind",
            [tenant_id],
        ).fetchall()


def broken_hero_kinds(conn: Connection[Any], tenant_id: UUID | None = None) -> dict[UUID, list[str]]:
    """Tenant → kinds of its hero accounts whose rows are not as their kind needs them any more, sorted.

    Of all tenants, or of one; tenants without any are absent. For administrators.
    """
    rows = conn.execute(
        """
        select h.tenant_id, array_agg(h.kind order by h.kind) from demo.hero_accounts h
        where (%(tenant)s::uuid is null or h.tenant_id = %(tenant)s) and not exists (
            select from demo.whole_hero_accounts w where w.tenant_id = h.tenant_id and w.kind = h.kind)
        group by h.tenant_id
        """,
        {"tenant": tenant_id},
    ).fetchall()
    return dict(rows)
