"""Checkpoints of demo tenants: stored, listed, compared with what is there, and gone back to.

Thin wrappers of the guard's functions, for a job within its claim, and reads for administrators. How rows are
stored and put back is SQL of the guard (revision ``0006_checkpoints``). Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.figures import Figures, FiguresByMonth
from demo_pipeline.domain.core.months import Month
from demo_pipeline.domain.model import MODEL
from demo_pipeline.storage.ledger.guard import call

#: checkpoints with a name that a tenant has at most, and automatic ones
MOST_NAMED: Final = 5


class RowAction(StrEnum):
    """What a rewind does with a row that is not as it was."""

    #: it is as it was again
    CHANGED = "changed"
    #: people had deleted it for good
    INSERTED = "inserted"
    #: it was made since
    HIDDEN = "hidden"
    #: a materialisation made it since, and can make it again
    DELETED = "deleted"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint that can be gone back to."""

    #: the job that took it
    id: UUID
    name: str
    is_automatic: bool
    taken_at: datetime
    expires_at: datetime
    #: of all that the tenant saw
    digest: str
    #: of all tables, deleted ones included
    row_count: int


@dataclass(frozen=True, kw_only=True)
class RowChanges:
    """Rows that a rewind changes, by table and action."""

    #: (table, action) → rows
    counts: Mapping[tuple[str, RowAction], int] = field(default_factory=dict[tuple[str, RowAction], int])
    #: table → hidden and deleted rows that jobs made
    made_by_jobs: Mapping[str, int] = field(default_factory=dict[str, int])

    def of(self, action: RowAction) -> dict[str, int]:
        """Table → rows, parents before children; tables without any are left out."""
        found = ((table.name, self.counts.get((table.name, action), 0)) for table in MODEL)
        return {table: count for table, count in found if count}

    @property
    def tables(self) -> list[str]:
        """Tables of which any row changes, parents before children."""
        changed = {table for (table, _), count in self.counts.items() if count}
        return [table.name for table in MODEL if table.name in changed]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    def to_json(self) -> dict[str, dict[str, int]]:
        """Action → table → rows."""
        return {action.value: self.of(action) for action in RowAction}

    @classmethod
    def from_json(cls, rows: Mapping[str, Mapping[str, int]], made_by_jobs: Mapping[str, int]) -> RowChanges:
        """The inverse of :meth:`to_json`."""
        counts = {
            (table, RowAction(action)): count
            for action, tables in rows.items()
            for table, count in tables.items()
        }
        return cls(counts=counts, made_by_jobs=made_by_jobs)

    @classmethod
    def of_rows(cls, rows: Iterable[tuple[str, str, bool, int]]) -> RowChanges:
        """From (table, action, whether a job made them, how many)."""
        counts: dict[tuple[str, RowAction], int] = {}
        made: dict[str, int] = {}
        for table, action, is_generated, count in rows:
            key = table, RowAction(action)
            counts[key] = counts.get(key, 0) + count
            if is_generated:
                made[table] = made.get(table, 0) + count
        return cls(counts=counts, made_by_jobs=made)


@dataclass(frozen=True, kw_only=True)
class Rewound:
    """What a rewind did."""

    rows: RowChanges
    #: what it changes of what is expected
    recorded: FiguresByMonth


# -- within the claim of a job ---------------------------------------------------------------------------


def take_checkpoint(
    conn: Connection[Any], job_id: UUID, name: str, digest: str, *, is_automatic: bool, replaces: bool
) -> dict[str, int]:
    """Store all rows of the tenant. Table → rows. The job is of kind ``checkpoint``."""
    row = call(conn, "take_checkpoint", job_id, name, is_automatic, replaces, digest)
    assert row is not None  # a scalar function returns a row
    return row[0]


def delete_checkpoint(conn: Connection[Any], job_id: UUID, name: str) -> None:
    """Delete the checkpoint of that name. The job is of kind ``checkpoint``."""
    call(conn, "delete_checkpoint", job_id, name)


def rewind(conn: Connection[Any], job_id: UUID, checkpoint_id: UUID, currency: Currency) -> Rewound:
    """Put all rows back that differ, and the ledger with them.

    To a checkpoint in a job of kind ``rewind``; in one of kind ``undo`` to what a rewind, or the undo of
    one, found: then ``checkpoint_id`` is that job's.
    """
    row = call(conn, "rewind", job_id, checkpoint_id)
    assert row is not None  # a scalar function returns a row
    done: dict[str, Any] = row[0]
    return Rewound(
        rows=RowChanges.of_rows(
            (one["entity"], one["action"], one["is_generated"], one["count"]) for one in done["rows"]
        ),
        recorded=FiguresByMonth(
            (Month.parse(one["month"]), Figures.from_json(one, currency)) for one in done["recorded"]
        ),
    )


# -- for administrators ----------------------------------------------------------------------------------


def list_checkpoints(conn: Connection[Any], tenant_id: UUID) -> list[Checkpoint]:
    """The checkpoints of a tenant that have not expired, the latest first."""
    with conn.cursor(row_factory=class_row(Checkpoint)) as cursor:
        return cursor.execute(
            """
            select c.id, c.name, c.is_automatic, c.taken_at, c.expires_at, c.digest,
                (select coalesce(sum(n.value::bigint), 0)::bigint from jsonb_each_text(c.row_counts) n)
                    as row_count
            from demo.checkpoints c
            where c.tenant_id = %s and c.name is not null and c.expires_at > now()
            order by c.taken_at desc, c.id
            """,
            [tenant_id],
        ).fetchall()


def has_stored_rows(conn: Connection[Any], job_id: UUID) -> bool:
    """Whether what a rewind, or the undo of one, found is still stored."""
    row = conn.execute(
        "select from demo.checkpoints where id = %s and name is null and expires_at > now()", [job_id]
    ).fetchone()
    return row is not None


def changed_columns(conn: Connection[Any], checkpoint_id: UUID) -> list[str]:
    """Columns of schema ``crm`` that are not as when the checkpoint was taken, ``contacts.email``, sorted."""
    return [
        name
        for (name,) in conn.execute(
            """
            select coalesce(a.name, b.name) as name
            from (
                select t.key || '.' || c.key as name, c.value
                from demo.checkpoints s, jsonb_each(s.table_columns) t, jsonb_each(t.value) c where s.id = %s
            ) a
            full join (
                select t.key || '.' || c.key as name, c.value
                from jsonb_each(demo.crm_columns()) t, jsonb_each(t.value) c
            ) b on b.name = a.name
            where a.value is distinct from b.value
            order by 1
            """,
            [checkpoint_id],
        ).fetchall()
    ]


def count_differences(conn: Connection[Any], checkpoint_id: UUID) -> RowChanges:
    """What a rewind to a checkpoint would do with rows now."""
    return RowChanges.of_rows(
        conn.execute(
            "select entity, action, is_generated, count(*) from demo.checkpoint_differences(%s)"
            " group by entity, action, is_generated",
            [checkpoint_id],
        ).fetchall()
    )


def jobs_since(conn: Connection[Any], checkpoint_id: UUID) -> list[tuple[UUID, str]]:
    """Jobs whose changes since a checkpoint a rewind to it takes back, by number: id and kind."""
    return conn.execute(
        """
        select l.id, l.kind from demo.checkpoints c join demo.job_ledger l on l.tenant_id = c.tenant_id
        where c.id = %s and l.status = 'completed' and l.undone_by is null and not c.jobs ? l.id::text
            and l.kind not in ('checkpoint', 'backfill', 'rewind')
            -- An undo of a job since then changes nothing of what was before.
            and (l.kind <> 'undo' or c.jobs ? (l.plan ->> 'job'))
        order by l.number
        """,
        [checkpoint_id],
    ).fetchall()


def changes_after(conn: Connection[Any], job_id: UUID) -> list[tuple[UUID, str]]:
    """Jobs with a later number that changed rows and are not undone, by number: id and kind.

    An undo of a later job changes nothing of what was before.
    """
    return conn.execute(
        """
        select l.id, l.kind from demo.job_ledger o
        join demo.job_ledger l on l.tenant_id = o.tenant_id and l.status = 'completed' and l.undone_by is null
            and l.completed_at > o.completed_at
        where o.id = %s and l.kind not in ('checkpoint', 'backfill')
            and (l.kind <> 'undo' or not exists (
                select from demo.job_ledger u
                where u.id::text = l.plan ->> 'job' and u.completed_at > o.completed_at))
        order by l.completed_at
        """,
        [job_id],
    ).fetchall()


def former_incarnation(conn: Connection[Any], slug: str, name: str) -> int | None:
    """The last deleted incarnation of a slug that had a checkpoint of that name; None: there was none."""
    row = conn.execute(
        """
        select max(l.incarnation) from demo.job_ledger l
        join demo.tenant_metadata m on m.tenant_id = l.tenant_id
        where m.slug = %s and m.deleted_at is not null and l.kind = 'checkpoint' and l.status = 'completed'
            and l.plan ->> 'name' = %s
        """,
        [slug, name],
    ).fetchone()
    return None if row is None else row[0]


def count_expired(conn: Connection[Any]) -> int:
    """How many checkpoints and rewinds have expired and are still stored, of all tenants."""
    row = conn.execute("select count(*) from demo.checkpoints where expires_at <= now()").fetchone()
    return 0 if row is None else row[0]


def drop_expired(conn: Connection[Any]) -> int:
    """Delete what has expired, of all tenants; how many checkpoints and rewinds there were."""
    row = call(conn, "drop_expired_checkpoints")
    return 0 if row is None else row[0]
