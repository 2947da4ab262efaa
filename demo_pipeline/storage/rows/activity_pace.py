"""How often something happens at a tenant: its last activities, for the judgement of how fresh it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

#: activities that a pace is taken of
_LAST: Final = 100


@dataclass(frozen=True, kw_only=True)
class ActivityPace:
    """The last activities of a living demo tenant, and how far it is loaded."""

    tenant_id: UUID
    #: as it is stored, with the tenant's country and time zone; for ``tenants.read_spec``
    plan: Any
    #: at most 100
    activity_count: int
    #: of these activities; None: there is none
    first_at: datetime | None
    last_at: datetime | None
    #: up to when the blueprint's rows are loaded; None: nothing is
    loaded_until: datetime | None


def activity_paces(
    conn: Connection[Any], now: datetime, tenant_id: UUID | None = None
) -> dict[UUID, ActivityPace]:
    """The paces of the living demo tenants, or of one, by their ids; for administrators.

    Activities after ``now`` do not count.
    """
    with conn.cursor(row_factory=class_row(ActivityPace)) as cursor:
        rows = cursor.execute(
            """
            select m.tenant_id, m.plan, a.activity_count, a.first_at, a.last_at, h.loaded_until
            from demo.tenant_metadata m
            cross join lateral (
                select count(*) as activity_count, min(r.created_at) as first_at, max(r.created_at) as last_at
                from (
                    select r.created_at from crm.activities r
                    where r.tenant_id = m.tenant_id and r.deleted_at is null and r.created_at <= %(now)s
                    order by r.created_at desc limit %(last)s
                ) r
            ) a
            cross join lateral (
                select max(least(
                    h.loaded_as_of, (h.month || '-01')::timestamp at time zone 'UTC' + interval '1 month'
                )) as loaded_until
                from demo.tenant_months h where h.tenant_id = m.tenant_id
            ) h
            where m.deleted_at is null and (%(tenant)s::uuid is null or m.tenant_id = %(tenant)s)
            """,
            {"now": now, "last": _LAST, "tenant": tenant_id},
        ).fetchall()
    return {row.tenant_id: row for row in rows}
