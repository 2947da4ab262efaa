"""Incidents and their notices: recorded once, however many daemons find them, and sent once to each receiver.

The table's keys keep both promises, also where several daemons work: one incident is open per kind and
subject, and each receiver has one alert and one recovery notice of it. Nothing here commits. For
administrators. What an incident is, and how a notice is sent, does not belong here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

#: notices of one receiver that are read at once
_MOST_NOTICES: Final = 200


@dataclass(frozen=True, kw_only=True)
class AlertRecord:
    """An alert as it is recorded."""

    kind: str
    #: the same as long as it is the same incident
    subject: str
    #: JSON-ready
    detail: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Incident:
    """A row of ``demo.incidents``."""

    id: int
    kind: str
    subject: str
    detail: Mapping[str, Any]
    opened_at: datetime
    #: when it was found last
    seen_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Notice(Incident):
    """What a receiver has not been sent yet."""

    is_recovery: bool


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """How many incidents were opened and closed by a call, and are open after it."""

    opened: int
    closed: int
    open: int


def record_alerts(
    conn: Connection[Any],
    alerts: Sequence[AlertRecord],
    *,
    kinds: Iterable[str],
    looked_at: datetime,
    receivers: Sequence[str],
) -> Recorded:
    """Open an incident of each alert, close those of ``kinds`` that have none, and make notices due.

    In one transaction of the caller. ``looked_at``: when the search began, by the server's clock; incidents
    that another session has seen since are not closed. ``receivers``: digests; each gets a notice of every
    open incident, also of one that was opened before it was added, and a recovery notice of what it was sent.
    """
    found = Jsonb([{"kind": one.kind, "subject": one.subject, "detail": dict(one.detail)} for one in alerts])
    opened = conn.execute(
        """
        insert into demo.incidents as i (kind, subject, detail)
        select r.kind, r.subject, r.detail
        from jsonb_to_recordset(%s) as r (kind text, subject text, detail jsonb)
        -- in one order, so that two daemons do not wait for each other
        order by r.kind, r.subject
        on conflict (kind, subject) where closed_at is null
            do update set detail = excluded.detail, seen_at = greatest(i.seen_at, now())
        returning xmax = 0
        """,
        [found],
    ).fetchall()
    closed = conn.execute(
        """
        with closed as (
            update demo.incidents i set closed_at = greatest(now(), i.opened_at)
            where i.closed_at is null and i.kind = any(%(kinds)s) and i.seen_at < %(looked_at)s
                and (i.kind, i.subject) not in (
                    select r.kind, r.subject
                    from jsonb_to_recordset(%(found)s) as r (kind text, subject text))
            returning i.id
        ), recoveries as (
            insert into demo.incident_notices (incident_id, receiver, is_recovery)
            select n.incident_id, n.receiver, true
            from closed c join demo.incident_notices n on n.incident_id = c.id and not n.is_recovery
            on conflict do nothing
        )
        select count(*) from closed
        """,
        {"kinds": list(kinds), "looked_at": looked_at, "found": found},
    ).fetchone()
    count = conn.execute("select count(*) from demo.incidents where closed_at is null").fetchone()
    conn.execute(
        """
        insert into demo.incident_notices (incident_id, receiver, is_recovery)
        select i.id, r.receiver, false
        from demo.incidents i cross join unnest(%s::text[]) as r (receiver)
        where i.closed_at is null
        on conflict do nothing
        """,
        [list(receivers)],
    )
    return Recorded(
        opened=sum(is_new for (is_new,) in opened),
        closed=closed[0] if closed else 0,
        open=count[0] if count else 0,
    )


def due_notices(conn: Connection[Any], receiver: str) -> list[Notice]:
    """What a receiver has not been sent: the earliest notice and those of its kind, all alerts or recoveries.

    In the transaction that marks them delivered. Until its end no other session gets notices of this
    receiver, so that they arrive once and in their order.
    """
    lock = conn.execute(
        "select pg_try_advisory_xact_lock(hashtextextended('demo receiver ' || %s, 0))", [receiver]
    ).fetchone()
    if lock is None or not lock[0]:
        return []
    with conn.cursor(row_factory=class_row(Notice)) as cursor:
        notices = cursor.execute(
            """
            select i.id, i.kind, i.subject, i.detail, i.opened_at, i.seen_at, i.closed_at, n.is_recovery
            from demo.incident_notices n join demo.incidents i on i.id = n.incident_id
            where n.receiver = %s and n.delivered_at is null
            order by n.due_at, n.incident_id, n.is_recovery
            limit %s
            """,
            [receiver, _MOST_NOTICES],
        ).fetchall()
    return [
        one for one in notices if (one.kind, one.is_recovery) == (notices[0].kind, notices[0].is_recovery)
    ]


def mark_delivered(conn: Connection[Any], receiver: str, notices: Sequence[Notice]) -> None:
    """The receiver has these notices."""
    conn.execute(
        """
        update demo.incident_notices n set delivered_at = now()
        where n.receiver = %s and n.is_recovery = %s and n.incident_id = any(%s)
        """,
        [receiver, notices[0].is_recovery, [one.id for one in notices]],
    )


def open_incidents(conn: Connection[Any]) -> list[Incident]:
    """Incidents that are open, the earliest first."""
    with conn.cursor(row_factory=class_row(Incident)) as cursor:
        return cursor.execute(
            """
            select i.id, i.kind, i.subject, i.detail, i.opened_at, i.seen_at, i.closed_at
            from demo.incidents i where i.closed_at is null
            order by i.opened_at, i.id
            """
        ).fetchall()


def undelivered_count(conn: Connection[Any], receivers: Sequence[str]) -> int:
    """How many notices these receivers have not been sent yet."""
    row = conn.execute(
        "select count(*) from demo.incident_notices where delivered_at is null and receiver = any(%s)",
        [list(receivers)],
    ).fetchone()
    return 0 if row is None else row[0]
