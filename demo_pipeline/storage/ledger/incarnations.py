"""Which demo tenants carry the slug of one that was deleted, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class Incarnation:
    """A living demo tenant whose slug belonged to a deleted one before."""

    slug: str
    tenant_id: UUID
    #: of the one before, by the server's clock
    predecessor_deleted_at: datetime


def later_incarnations(conn: Connection[Any], slugs: Sequence[str] | None = None) -> list[Incarnation]:
    """The living demo tenants of a reused slug, all of them or those of ``slugs``; for administrators."""
    with conn.cursor(row_factory=class_row(Incarnation)) as cursor:
        return cursor.execute(
            """
            select m.slug, m.tenant_id,
                (select max(p.deleted_at) from demo.tenant_metadata p where p.slug = m.slug)
                    as predecessor_deleted_at
            from demo.tenant_metadata m
            where m.deleted_at is null and m.incarnation > 1
                and (%(slugs)s::text[] is null or m.slug = any (%(slugs)s::text[]))
            order by m.slug collate "C"
            """,
            {"slugs": None if slugs is None else list(slugs)},
        ).fetchall()
