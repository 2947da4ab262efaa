"""Life cycles of generated rows: what lies between rows, and what lies in the future.

Each check finds the generated rows of one tenant that break a rule; rows made by people are theirs. Before
the commit of a job only its own rows are judged, and only by each other: people may have changed the rows
that were there before. ``verify`` and repairs look at all rows; which of them people changed is ``edits``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
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
    #: row → the rows that the rule compares it with
    parents: Mapping[UUID, tuple[UUID, ...]] = field(default_factory=dict[UUID, tuple[UUID, ...]])

    @property
    def count(self) -> int:
        return len(self.ids)

    def of_rows(self, ids: AbstractSet[UUID]) -> Violation:
        """The part of some rows."""
        kept = tuple(row for row in self.ids if row in ids)
        return replace(self, ids=kept, parents={row: self.parents.get(row, ()) for row in kept})

    def explained_by(self, changed: AbstractSet[UUID]) -> frozenset[UUID]:
        """The rows that break the rule because they, or rows that they refer to, were changed."""
        return frozenset(
            row for row in self.ids if row in changed or not changed.isdisjoint(self.parents.get(row, ()))
        )


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
#: Policies let nothing else in; people may change either side.
_OF_ITS_MONTH: Final = (
    "%(job)s::uuid IS NULL AND r.demo_source_month <> to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM')"
)
_BEFORE_THE_TENANT: Final = "r.created_at < least(tenant.created_at, %(first)s)"
_TABLES: Final = (
    _Table(
        "companies",
        {},
        {
            "companies are of the month that they were made for": _OF_ITS_MONTH,
            "companies change after they are made": "r.updated_at < r.created_at",
            "companies are not of the future": "greatest(r.created_at, r.updated_at) > %(now)s",
            "companies come after the tenant": _BEFORE_THE_TENANT,
        },
    ),
    _Table(
        "contacts",
        {"company": ("companies", "company_id")},
        {
            "contacts are of the month that they were made for": _OF_ITS_MONTH,
            "contacts change after they are made": "r.updated_at < r.created_at",
            "contacts come after their company": "r.created_at < company.created_at",
            "contacts are not of the future": "greatest(r.created_at, r.updated_at) > %(now)s",
            "contacts come after the tenant": _BEFORE_THE_TENANT,
        },
    ),
    _Table(
        "deals",
        {"contact": ("contacts", "contact_id"), "stage": ("pipeline_stages", "stage_id")},
        {
            "deals are of the month that they were made for": _OF_ITS_MONTH,
            "deals change and close after they are made": (
                "r.updated_at < r.created_at OR r.closed_at < r.created_at"
            ),
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
            "activities are of the month that they were made for": _OF_ITS_MONTH,
            "activities change and end after they are made": (
                "r.updated_at < r.created_at OR r.completed_at < r.created_at"
            ),
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
#: of which no row is a job's
_NEVER_OF_A_JOB: Final = "stage"


def violations(
    conn: psycopg.Connection[tuple[Any, ...]],
    tenant_id: UUID,
    now: datetime,
    first: datetime,
    *,
    job_id: UUID | None = None,
) -> tuple[Violation, ...]:
    """Every rule that rows of the tenant (of one job, if given) break, with the rows.

    ``now``: no row is later. ``first``: the start of the tenant's first month, for a tenant whose own
    ``created_at`` was changed. Of a job only its own rows are looked at, as parents too.

    Within a transaction.
    """
    # Fresh rows are unknown to the statistics: a nested loop would be chosen, and run for minutes.
    conn.execute("SELECT set_config('enable_nestloop', 'off', true)")
    found: list[Violation] = []
    for table in _TABLES:
        row = conn.execute(
            _query(table, of_job=job_id is not None),
            {"tenant": tenant_id, "now": now, "job": job_id, "first": first},
        ).fetchone()
        assert row is not None  # an aggregate
        for rule, broken in zip(table.rules, row, strict=True):
            if broken:
                parents = {own: tuple(one for one in others if one) for own, *others in broken}
                # Sorted here, where they are few: the server would sort all rows before it looks at them.
                found.append(Violation(rule, table.name, tuple(sorted(parents)), parents))
    return tuple(found)


def _query(table: _Table, *, of_job: bool) -> LiteralString:
    """One row: for each rule the ids of the rows that break it and of their parents; null: there are none."""
    own: LiteralString = "{0}.demo_generated AND {0}.demo_job_id = %(job)s"
    ids: LiteralString = ", ".join(f"{alias}.id" for alias in ("r", *table.parents))
    query: LiteralString = "SELECT " + ", ".join(
        f"array_agg(ARRAY[{ids}]) FILTER (WHERE {condition})" for condition in table.rules.values()
    )
    query += f" FROM crm.{table.name} r JOIN crm.tenants tenant ON tenant.id = r.tenant_id"
    for alias, (parent, column) in table.parents.items():
        query += (
            f" LEFT JOIN crm.{parent} {alias} ON {alias}.tenant_id = r.tenant_id AND {alias}.id = r.{column}"
        )
        if of_job and alias != _NEVER_OF_A_JOB:
            query += " AND " + own.format(alias)
    query += " WHERE r.tenant_id = %(tenant)s AND r.demo_generated AND r.deleted_at IS NULL"
    return query + " AND " + own.format("r") if of_job else query
