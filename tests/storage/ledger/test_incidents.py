"""Incidents and notices: one alert and one recovery for each receiver, whoever finds and sends them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any, Final

import pytest
from psycopg import Connection, errors

from demo_pipeline.storage.connection.clock import server_clock
from demo_pipeline.storage.connection.database import Database
from demo_pipeline.storage.ledger import incidents
from demo_pipeline.storage.ledger.incidents import AlertRecord, Notice, Recorded

Conn = Connection[Any]
MAIL: Final = "a" * 64
SLACK: Final = "b" * 64
STALE: Final = AlertRecord(kind="stale_tenant", subject="acme", detail={"what": "quiet"})
OTHER: Final = AlertRecord(kind="stale_tenant", subject="south", detail={"what": "quiet"})
FAILED: Final = AlertRecord(kind="failed_job", subject="1", detail={"what": "failed"})
KINDS: Final = ("stale_tenant", "failed_job")


def record(conn: Conn, *alerts: AlertRecord, receivers: Sequence[str] = (MAIL,), **changes: Any) -> Recorded:
    """What one daemon does at one look."""
    looked_at = changes.pop("looked_at", None) or server_clock(conn)
    with conn.transaction():
        return incidents.record_alerts(
            conn, alerts, looked_at=looked_at, receivers=receivers, **{"kinds": KINDS, **changes}
        )


def delivered(conn: Conn, receiver: str = MAIL) -> list[tuple[str, str, bool]]:
    """Deliver everything that is due: kind, subject, whether it is a recovery, message by message."""
    found: list[Notice] = []
    while True:
        with conn.transaction():
            notices = incidents.due_notices(conn, receiver)
            if not notices:
                return [(one.kind, one.subject, one.is_recovery) for one in found]
            incidents.mark_delivered(conn, receiver, notices)
            found += notices


def test_an_incident_has_one_alert_and_one_recovery(admin_conn: Conn) -> None:
    """However often it is found; once it is over and comes again, it is another incident."""
    assert record(admin_conn, STALE) == Recorded(opened=1, closed=0, open=1)
    assert record(admin_conn, STALE) == Recorded(opened=0, closed=0, open=1)
    assert delivered(admin_conn) == [("stale_tenant", "acme", False)]
    assert record(admin_conn, STALE) == Recorded(opened=0, closed=0, open=1)
    assert delivered(admin_conn) == []
    assert record(admin_conn) == Recorded(opened=0, closed=1, open=0)
    assert record(admin_conn) == Recorded(opened=0, closed=0, open=0)
    assert delivered(admin_conn) == [("stale_tenant", "acme", True)]
    assert incidents.open_incidents(admin_conn) == []
    assert record(admin_conn, STALE) == Recorded(opened=1, closed=0, open=1)
    assert delivered(admin_conn) == [("stale_tenant", "acme", False)]


def test_what_was_not_looked_for_stays_open(admin_conn: Conn) -> None:
    """A search that leaves a kind out does not close its incidents."""
    record(admin_conn, STALE, FAILED)
    assert record(admin_conn, kinds=["failed_job"]).closed == 1
    assert [one.kind for one in incidents.open_incidents(admin_conn)] == ["stale_tenant"]


def test_what_somebody_else_has_found_since_stays_open(admin_conn: Conn) -> None:
    """A search that began before another one found it does not close it."""
    record(admin_conn, STALE)
    before = server_clock(admin_conn)
    record(admin_conn, STALE)
    assert record(admin_conn, looked_at=before).closed == 0
    assert record(admin_conn).closed == 1


def test_two_daemons_open_it_once(database: Database, admin_conn: Conn) -> None:
    """At the same moment, in any order of the alerts."""
    barrier = Barrier(2)

    def look(alerts: Sequence[AlertRecord]) -> int:
        with database.admin() as conn:
            barrier.wait()
            return record(conn, *alerts).opened

    with ThreadPoolExecutor(2) as pool:
        opened = sum(pool.map(look, [(STALE, OTHER, FAILED), (FAILED, OTHER, STALE)]))
    assert opened == 3
    assert len(incidents.open_incidents(admin_conn)) == 3
    assert len(delivered(admin_conn)) == 3


def test_the_database_keeps_it_one_incident(admin_conn: Conn) -> None:
    """A second open one, and a second notice of a kind, cannot be written by any program."""
    record(admin_conn, STALE)
    with pytest.raises(errors.UniqueViolation, match="incidents_open_key"):
        admin_conn.execute("insert into demo.incidents (kind, subject) values ('stale_tenant', 'acme')")
    with pytest.raises(errors.UniqueViolation, match="incident_notices_pkey"):
        admin_conn.execute("insert into demo.incident_notices select * from demo.incident_notices")


def test_two_daemons_send_it_once(database: Database, admin_conn: Conn) -> None:
    """While one sends, the other finds nothing that is due; what was not sent is due again."""
    record(admin_conn, STALE)
    with database.admin() as other:
        with admin_conn.transaction():
            assert len(incidents.due_notices(admin_conn, MAIL)) == 1
            with other.transaction():
                assert incidents.due_notices(other, MAIL) == []
        # Not marked as delivered: the receiver was away.
        assert delivered(other) == [("stale_tenant", "acme", False)]
    assert delivered(admin_conn) == []


def test_each_receiver_is_sent_everything_by_itself(admin_conn: Conn) -> None:
    """One that is away does not hold up the other; a new one gets what is open, and only that."""
    record(admin_conn, STALE, receivers=[MAIL])
    assert delivered(admin_conn, MAIL) == [("stale_tenant", "acme", False)]
    record(admin_conn, STALE, OTHER, receivers=[MAIL, SLACK])
    assert delivered(admin_conn, MAIL) == [("stale_tenant", "south", False)]
    assert incidents.undelivered_count(admin_conn, [MAIL]) == 0
    assert incidents.undelivered_count(admin_conn, [MAIL, SLACK]) == 2
    record(admin_conn, OTHER, receivers=[MAIL, SLACK])
    assert delivered(admin_conn, MAIL) == [("stale_tenant", "acme", True)]
    assert delivered(admin_conn, SLACK) == [
        ("stale_tenant", "acme", False),
        ("stale_tenant", "south", False),
        ("stale_tenant", "acme", True),
    ]
    record(admin_conn, receivers=[MAIL, SLACK, "c" * 64])
    assert delivered(admin_conn, "c" * 64) == []


def test_a_message_is_about_one_kind(admin_conn: Conn) -> None:
    """Incidents of one kind go together; alerts come before recoveries."""
    record(admin_conn, STALE, FAILED, OTHER)
    with admin_conn.transaction():
        first = incidents.due_notices(admin_conn, MAIL)
        assert {one.kind for one in first} == {"failed_job"}
        incidents.mark_delivered(admin_conn, MAIL, first)
        assert [one.subject for one in incidents.due_notices(admin_conn, MAIL)] == ["acme", "south"]


def test_the_latest_detail_is_kept(admin_conn: Conn) -> None:
    """An open incident says what was found last, and since when."""
    record(admin_conn, STALE)
    [before] = incidents.open_incidents(admin_conn)
    record(admin_conn, AlertRecord(kind=STALE.kind, subject=STALE.subject, detail={"what": "quieter"}))
    [after] = incidents.open_incidents(admin_conn)
    assert (after.detail, after.opened_at) == ({"what": "quieter"}, before.opened_at)
    assert timedelta() < after.seen_at - before.seen_at
