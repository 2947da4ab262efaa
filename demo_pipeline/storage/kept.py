"""Connections that are used again by whoever needs the next one, instead of being closed.

A new connection costs ten to twenty milliseconds, and as much again until its server process has read the
catalog. Belongs here: which connections lie idle. Does not belong here: opening and checking them
(``database``).
"""

from __future__ import annotations

from collections import deque

import psycopg
from psycopg.pq import TransactionStatus


class KeptConnections:
    """Idle connections by login. Threads may share it."""

    def __init__(self) -> None:
        self._idle: dict[str, deque[psycopg.Connection]] = {}

    def take(self, login: str) -> psycopg.Connection | None:
        """An idle connection, the one used last; it may have been cut meanwhile. None: there is none."""
        try:
            conn = self._idle[login].pop()
        except (KeyError, IndexError):
            return None
        conn.isolation_level = None
        return conn

    def give_back(self, login: str, conn: psycopg.Connection) -> None:
        """Keep a connection; one that is amid a transaction, or broken, is closed instead."""
        if conn.info.transaction_status == TransactionStatus.IDLE:
            self._idle.setdefault(login, deque()).append(conn)
        else:
            conn.close()

    def close(self) -> None:
        """Close those that are idle."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()
