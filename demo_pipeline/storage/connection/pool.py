"""Connections that are used again by whoever needs the next one, instead of being closed.

A new connection costs ten to twenty milliseconds, and as much again until its server process has read the
catalog. Belongs here: which connections lie idle. Does not belong here: opening, checking and resetting them
(``database``).
"""

from __future__ import annotations

from threading import Lock

import psycopg
from psycopg.pq import TransactionStatus


class ConnectionPool:
    """Idle connections by URL, until it is closed. Threads may share it."""

    def __init__(self) -> None:
        self._idle: dict[str, list[psycopg.Connection]] = {}
        self._is_closed = False
        self._lock = Lock()

    def take(self, url: str) -> psycopg.Connection | None:
        """An idle connection, the one used last; it may have been cut meanwhile. None: there is none."""
        with self._lock:
            idle = self._idle.get(url)
            return idle.pop() if idle else None

    def give_back(self, url: str, conn: psycopg.Connection) -> None:
        """Keep a connection; one that is amid a transaction, or broken, is closed instead."""
        with self._lock:
            if not self._is_closed and conn.info.transaction_status == TransactionStatus.IDLE:
                self._idle.setdefault(url, []).append(conn)
                return
        conn.close()

    def close(self) -> None:
        """Close those that are idle now, and those that are given back later."""
        with self._lock:
            self._is_closed = True
            idle = [conn for conns in self._idle.values() for conn in conns]
            self._idle.clear()
        for conn in idle:
            conn.close()
