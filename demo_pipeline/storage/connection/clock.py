"""The instant at which a command works: the database server's clock, or ``DEMO_NOW``.

The clock of the machine that runs the program has no part in it: machines differ, and rows of one tenant are
dated by all of them. Formatting instants does not belong here.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg

from demo_pipeline.settings import Settings
from demo_pipeline.storage.connection.database import Database


def server_clock(conn: psycopg.Connection[Any]) -> datetime:
    """The server's clock at this moment, also within a transaction; aware, UTC."""
    row = conn.execute("SELECT pg_catalog.clock_timestamp()").fetchone()
    assert row is not None
    return row[0].astimezone(UTC)


def instant_of(conn: psycopg.Connection[Any], settings: Settings) -> datetime:
    """``DEMO_NOW``, or the clock of the server at the other end of ``conn``.

    Raises ``InputError`` for a ``DEMO_NOW`` in the server's future.
    """
    return settings.instant(server_clock(conn))


def current_instant(database: Database, settings: Settings) -> datetime:
    """:func:`instant_of` where no connection is open. Raises ``DatabaseError`` as well."""
    with database.admin(readonly=True) as conn:
        return instant_of(conn, settings)
