"""Releases of months in the ledger. Nothing here commits. For administrators.

Which months may be released does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, kw_only=True)
class ReleasedMonth:
    """A month that is released."""

    #: ``2025-01``
    month: str
    released_at: datetime
    released_by: str
    #: of a person; None: the month's checks passed
    reason: str | None
    #: whether a job has changed the month's figures since
    is_changed_since: bool


def released_months(conn: Connection[Any], tenant_id: UUID) -> dict[str, ReleasedMonth]:
    """The released months of a living tenant."""
    with conn.cursor(row_factory=class_row(ReleasedMonth)) as cursor:
        rows = cursor.execute(
            "select month, released_at, released_by, reason, is_changed_since from demo.released_months"
            " where tenant_id = %s order by month",
            [tenant_id],
        ).fetchall()
    return {row.month: row for row in rows}


def change_counts(conn: Connection[Any], tenant_id: UUID) -> dict[str, int]:
    """Month → completed jobs that have changed its figures; months without any are absent."""
    return dict(
        conn.execute(
            "select month, change_count from demo.month_changes where tenant_id = %s", [tenant_id]
        ).fetchall()
    )


def release_months(
    conn: Connection[Any],
    tenant_id: UUID,
    change_counts: Iterable[tuple[str, int]],
    released_by: str,
    reason: str | None,
) -> None:
    """Record months as released, each with the number of jobs that had changed it when it was examined."""
    with conn.cursor() as cursor:
        cursor.executemany(
            """
            insert into demo.month_releases as r (tenant_id, month, released_by, reason, change_count)
            values (%s, %s, %s, %s, %s)
            on conflict (tenant_id, month) do update set
                released_at = clock_timestamp(), released_by = excluded.released_by,
                reason = excluded.reason, change_count = excluded.change_count
            -- Of two at once, the one that saw more jobs counts.
            where r.change_count <= excluded.change_count
            """,
            [(tenant_id, month, released_by, reason, count) for month, count in change_counts],
        )
