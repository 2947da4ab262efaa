"""Life cycles that a CHECK cannot see: what lies between rows, and what lies in the future.

Each check finds the generated rows of one tenant that break a rule; rows made by people are theirs.
Used before the commit of every job, by ``verify`` and by repairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg


@dataclass(frozen=True)
class Violation:
    """Rows that break one rule."""

    #: the rule, as a sentence that is true of sound data
    rule: str
    table: LiteralString
    ids: tuple[UUID, ...]

    @property
    def count(self) -> int:
        return len(self.ids)


#: rule, table, condition on ``r`` that a broken row meets (joins included)
_RULES: Final[tuple[tuple[str, LiteralString, LiteralString, LiteralString], ...]] = (
    (
        "contacts come after their company",
        "contacts",
        "JOIN crm.companies p ON p.tenant_id = r.tenant_id AND p.id = r.company_id",
        "r.created_at < p.created_at",
    ),
    (
        "deals come after their contact and have its company",
        "deals",
        "JOIN crm.contacts p ON p.tenant_id = r.tenant_id AND p.id = r.contact_id",
        "r.created_at < p.created_at OR r.company_id IS DISTINCT FROM p.company_id",
    ),
    (
        "deals are closed if and only if their stage is won or lost",
        "deals",
        "JOIN crm.pipeline_stages p ON p.tenant_id = r.tenant_id AND p.id = r.stage_id",
        "(p.is_won OR p.is_lost) <> (r.closed_at IS NOT NULL)",
    ),
    (
        "activities come after their contact and have its company",
        "activities",
        "JOIN crm.contacts p ON p.tenant_id = r.tenant_id AND p.id = r.contact_id",
        "r.created_at < p.created_at OR r.company_id IS DISTINCT FROM p.company_id",
    ),
    (
        "activities come after their deal and have its contact",
        "activities",
        "JOIN crm.deals p ON p.tenant_id = r.tenant_id AND p.id = r.deal_id",
        "r.created_at < p.created_at OR r.contact_id IS DISTINCT FROM p.contact_id",
    ),
    ("companies are not of the future", "companies", "", "greatest(r.created_at, r.updated_at) > %(now)s"),
    ("contacts are not of the future", "contacts", "", "greatest(r.created_at, r.updated_at) > %(now)s"),
    (
        "deals are not of the future",
        "deals",
        "",
        "greatest(r.created_at, r.updated_at, r.closed_at) > %(now)s",
    ),
    (
        "activities are not of the future",
        "activities",
        "",
        "greatest(r.created_at, r.updated_at, r.completed_at) > %(now)s",
    ),
    (
        "companies come after the tenant",
        "companies",
        "JOIN crm.tenants p ON p.id = r.tenant_id",
        "r.created_at < p.created_at",
    ),
    (
        "contacts come after the tenant",
        "contacts",
        "JOIN crm.tenants p ON p.id = r.tenant_id",
        "r.created_at < p.created_at",
    ),
)


def violations(
    conn: psycopg.Connection[tuple[Any, ...]],
    tenant_id: UUID,
    now: datetime,
    *,
    job_id: UUID | None = None,
) -> tuple[Violation, ...]:
    """Every rule that rows of the tenant (of one job, if given) break, with the rows.

    Within a transaction.
    """
    # Fresh rows are unknown to the statistics: a nested loop would be chosen, and run for minutes.
    conn.execute("SELECT set_config('enable_nestloop', 'off', true)")
    found: list[Violation] = []
    for rule, table, join, condition in _RULES:
        of_job: LiteralString = ""
        if job_id is not None and "crm.pipeline_stages p" in join:
            # People may have changed what a stage means: drift, and no fault of the job.
            continue
        if job_id is not None:
            of_job = "AND r.demo_job_id = %(job)s "
            if "crm.contacts p" in join or "crm.deals p" in join:
                # People may have moved an older contact since; what the job itself wrote must fit.
                of_job += "AND p.demo_job_id = %(job)s "
        query: LiteralString = (
            "SELECT array_agg(r.id) FROM crm."  # noqa: S608 - constants of this module
            + table
            + " r "
            + join
            + " WHERE r.tenant_id = %(tenant)s AND r.demo_generated AND r.deleted_at IS NULL "
            + of_job
            + " AND ("
            + condition
            + ")"
        )
        row = conn.execute(query, {"tenant": tenant_id, "now": now, "job": job_id}).fetchone()
        if row and row[0]:
            found.append(Violation(rule, table, tuple(row[0])))
    return tuple(found)
