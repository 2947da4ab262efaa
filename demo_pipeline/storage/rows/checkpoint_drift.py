"""What people changed of a tenant since its last checkpoint: rows by table. Reads only, for administrators.

What jobs did since is left out: rows that they added, hid, or showed again. The last checkpoint is the one
that somebody named or went back to last. Other automatic ones do not count: they say nothing about what a
tenant should look like. Going back is not done here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from demo_pipeline.domain.model import MODEL, Table


@dataclass(frozen=True, kw_only=True)
class LastCheckpoint:
    """The checkpoint of a tenant that somebody named, or went back to, last."""

    tenant_id: UUID
    id: UUID
    name: str
    taken_at: datetime


def last_checkpoints(conn: Connection[Any], tenant_id: UUID | None = None) -> dict[UUID, LastCheckpoint]:
    """The last checkpoint of each tenant that has one, or of one tenant, by tenant."""
    with conn.cursor(row_factory=class_row(LastCheckpoint)) as cursor:
        rows = cursor.execute(
            """
            select distinct on (c.tenant_id) c.tenant_id, c.id, c.name, c.taken_at
            from demo.checkpoints c
            left join lateral (
                select max(l.completed_at) as at from demo.job_ledger l
                where l.tenant_id = c.tenant_id and l.kind = 'rewind' and l.status = 'completed'
                    and l.undone_by is null and l.plan ->> 'checkpoint' = c.id::text
            ) w on true
            where c.name is not null and c.expires_at > now() and (not c.is_automatic or w.at is not null)
                and (%(tenant)s::uuid is null or c.tenant_id = %(tenant)s)
            order by c.tenant_id, greatest(c.taken_at, w.at) desc, c.id
            """,
            {"tenant": tenant_id},
        ).fetchall()
    return {row.tenant_id: row for row in rows}


def people_changes(conn: Connection[Any], checkpoint: LastCheckpoint) -> dict[str, int]:
    """Table → rows that people added, edited or deleted since; tables without any are absent."""
    rows = conn.execute(
        _STATEMENT.encode(), {"tenant": checkpoint.tenant_id, "checkpoint": checkpoint.id}
    ).fetchall()
    found = dict(rows)
    return {table.name: found[table.name] for table in MODEL if table.name in found}


#: Jobs that were completed since; and the instants at which jobs hid rows, which mark these rows.
_SINCE: LiteralString = """
with stored as (
    select c.jobs from demo.checkpoints c where c.id = %(checkpoint)s
), later as materialized (
    select l.id, l.as_of from demo.job_ledger l, stored s
    where l.tenant_id = %(tenant)s and l.status = 'completed' and not s.jobs ? l.id::text
), hidings as materialized (
    select (l.metrics ->> 'hidden_at')::timestamptz as at from demo.job_ledger l
    where l.tenant_id = %(tenant)s and l.status = 'completed' and l.metrics ? 'hidden_at'
), differences as materialized (
    select d.entity, d.id, d.action from demo.checkpoint_differences(%(checkpoint)s) d
)
"""


def _by_people(table: Table) -> LiteralString:
    """The differences of one table that no job explains."""
    if table.is_tenant:
        # No job changes it.
        return (
            f"select d.entity, count(*) from differences d where d.entity = '{table.name}' group by d.entity"
        )
    seen: LiteralString = ", ".join(f"r.{name}" for name in table.visible)
    stored: LiteralString = ", ".join(f"s.{name}" for name in table.visible)
    # Tags have no provenance. Those that came with a contact are as old as its job at most.
    made: LiteralString = "false"
    if table.is_counted:
        made = "r.demo_job_id in (select l.id from later l)"
    elif table.name == "contact_tags":
        made = (
            "exists (select from crm.contacts k join later l on l.id = k.demo_job_id"
            " where k.tenant_id = r.tenant_id and k.id = r.contact_id and r.created_at <= l.as_of)"
        )
    return f"""
        select d.entity, count(*) from differences d
        left join crm.{table.name} r on r.tenant_id = %(tenant)s and r.id = d.id
        left join demo.checkpoint_{table.name} s on s.checkpoint_id = %(checkpoint)s and s.id = d.id
        where d.entity = '{table.name}' and not case d.action
            when 'inserted' then false
            when 'changed' then row({seen}) is not distinct from row({stored})
                and coalesce(r.deleted_at, s.deleted_at) in (select h.at from hidings h)
            else coalesce({made}, false) end
        group by d.entity
    """


_STATEMENT: LiteralString = _SINCE + " union all ".join(_by_people(table) for table in MODEL)
