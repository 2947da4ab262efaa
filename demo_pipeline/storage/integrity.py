"""Life cycles that a CHECK cannot see: what lies between rows, and what lies in the future.

Each check finds the generated rows of one tenant that break a rule; rows made by people are theirs.
Used before the commit of every job, by ``verify`` and by repairs.
"""

from __future__ import annotations

from collections.abc import Mapping
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


@dataclass(frozen=True)
class _Table:
    """What is asked of the rows ``r`` of one table, all in one pass."""

    name: LiteralString
    #: rows that are joined: name in the rules → table, and the column of ``r`` that refers to it
    parents: Mapping[LiteralString, tuple[LiteralString, LiteralString]]
    #: rule → condition that a broken row meets
    rules: Mapping[str, LiteralString]


_BREAKS_WITH_CONTACT: Final = (
    "r.created_at < contact.created_at"
    " OR contact.id IS NOT NULL AND r.company_id IS DISTINCT FROM contact.company_id"
)
_TABLES: Final = (
    _Table(
        "companies",
        {},
        {
            "companies are not of the future": "greatest(r.created_at, r.updated_at) > %(now)s",
            "companies come after the tenant": "r.created_at < tenant.created_at",
        },
    ),
    _Table(
        "contacts",
        {"company": ("companies", "company_id")},
        {
            "contacts come after their company": "r.created_at < company.created_at",
            "contacts are not of the future": "greatest(r.created_at, r.updated_at) > %(now)s",
            "contacts come after the tenant": "r.created_at < tenant.created_at",
        },
    ),
    _Table(
        "deals",
        {"contact": ("contacts", "contact_id"), "stage": ("pipeline_stages", "stage_id")},
        {
            "deals come after their contact and have its company": _BREAKS_WITH_CONTACT,
            "deals are closed if and only if their stage is won or lost": (
                # People may have changed what a stage means: drift, and no fault of a job.
                "%(job)s::uuid IS NULL AND (stage.is_won OR stage.is_lost) <> (r.closed_at IS NOT NULL)"
            ),
            "deals are not of the future": "greatest(r.created_at, r.updated_at, r.closed_at) > %(now)s",
        },
    ),
    _Table(
        "activities",
        {"contact": ("contacts", "contact_id"), "deal": ("deals", "deal_id")},
        {
            "activities come after their contact and have its company": _BREAKS_WITH_CONTACT,
            "activities come after their deal and have its contact": (
                "r.created_at < deal.created_at"
                " OR deal.id IS NOT NULL AND r.contact_id IS DISTINCT FROM deal.contact_id"
            ),
            "activities are not of the future": (
                "greatest(r.created_at, r.updated_at, r.completed_at) > %(now)s"
            ),
        },
    ),
)
#: People may have moved an older one since; what a job itself wrote must fit.
_OF_JOB: Final = ("contact", "deal")


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
    for table in _TABLES:
        row = conn.execute(
            _query(table, of_job=job_id is not None),
            {"tenant": tenant_id, "now": now, "job": job_id},
        ).fetchone()
        assert row is not None  # an aggregate
        found += [
            # Sorted here, where they are few: the server would sort all rows before it looks at them.
            Violation(rule, table.name, tuple(sorted(ids)))
            for rule, ids in zip(table.rules, row, strict=True)
            if ids
        ]
    return tuple(found)


def _query(table: _Table, *, of_job: bool) -> LiteralString:
    """One row: for each rule the ids of the rows that break it, null where there are none."""
    own: LiteralString = "{0}.demo_generated AND {0}.demo_job_id = %(job)s"
    query: LiteralString = "SELECT " + ", ".join(
        f"array_agg(r.id) FILTER (WHERE {condition})" for condition in table.rules.values()
    )
    query += f" FROM crm.{table.name} r JOIN crm.tenants tenant ON tenant.id = r.tenant_id"
    for alias, (parent, column) in table.parents.items():
        query += (
            f" LEFT JOIN crm.{parent} {alias} ON {alias}.tenant_id = r.tenant_id AND {alias}.id = r.{column}"
        )
        if of_job and alias in _OF_JOB:
            query += " AND " + own.format(alias)
    query += " WHERE r.tenant_id = %(tenant)s AND r.demo_generated AND r.deleted_at IS NULL"
    return query + " AND " + own.format("r") if of_job else query
