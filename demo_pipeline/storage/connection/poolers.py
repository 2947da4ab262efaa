"""Recognises a connection pooler that gives a session's server process to others between transactions.

What a session sets, and the tenant's lock, would stay on a process that other clients use next. So this is
found out before anything is set or locked, by nothing but reading process ids, each in a transaction of its
own: nothing is left behind in any mode.

1. A server sends the id of its process when a connection begins; a pooler makes one up. Equal ids end the
   check, for one round trip.
2. With a pooler in between, several sessions read their ids in turn, in a random order. With a process to
   itself, as in session mode, a session always reads the same id, and no other session reads it. A pooler in
   transaction or statement mode assigns whichever process is free: in a quiet pool two sessions soon read the
   same id, in a busy one a session soon reads another than before.
3. A pool that has no process for one more session keeps it waiting. It waits alone where the first session
   has its process to itself; in the other modes the first session would wait behind it.

Which URL is checked when belongs to ``connecting``.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from enum import StrEnum, auto
from typing import Any, Final

import psycopg
from psycopg import pq

#: Sessions beside the first one. A pooler of several processes has a pool in each: two may miss each other.
OTHERS: Final = 3
#: of all sessions together, after the first of each
READS: Final = 24
#: for one more session to get a process, while the first one is answered
WAIT_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.005
_QUERY: Final = b"SELECT pg_catalog.pg_backend_pid()"

Connection = psycopg.Connection[Any]


def has_pooler(conn: Connection) -> bool:
    """Whether something between this client and its server process answers for it; one round trip."""
    return _Session(conn).first != conn.info.backend_pid


class PoolMode(StrEnum):
    """What a pool does with the server process of a session."""

    #: gives it to others between transactions
    SHARED = auto()
    #: leaves it to the session
    OWN = auto()
    #: leaves it to the session, and had none for one session more
    USED_UP = auto()


def find_pool_mode(conn: Connection, open_another: Callable[[], Connection]) -> PoolMode:
    """The pool of ``conn``; ``OWN`` also where it cannot be found out.

    ``conn`` is an autocommit connection through a pooler, ``open_another`` opens one like it.
    Raises ``psycopg.Error``.
    """
    sessions, mode = [_Session(conn)], PoolMode.OWN
    with ExitStack() as stack:
        for _ in range(OTHERS):
            try:
                other = _waiting(stack.enter_context(closing(open_another())), sessions[0])
            except psycopg.Error:
                # No room for one more client: those that there are may still find out.
                break
            if other is None:
                mode = PoolMode.USED_UP
                break
            sessions.append(other)
            if _is_shared(sessions):
                return PoolMode.SHARED
        # Random, so that it does not fit the order in which a pool gives out its processes.
        for session in (sessions[0], *(secrets.choice(sessions) for _ in range(READS))):
            session.read()
            if _is_shared(sessions):
                return PoolMode.SHARED
    return mode


def is_answered(conn: Connection, seconds: float) -> bool:
    """Whether a connection through a pooler gets a server process in that time; else it is of no use."""
    conn.pgconn.send_query(_QUERY)
    return _result(conn, seconds, lambda: True) is not None


class _Session:
    """A connection and the ids that it has read."""

    def __init__(self, conn: Connection, first: int | None = None) -> None:
        self._conn = conn
        self.first = _process_id(conn.pgconn.exec_(_QUERY)) if first is None else first
        self.has_changed = False

    def read(self) -> None:
        self.has_changed |= _process_id(self._conn.pgconn.exec_(_QUERY)) != self.first


def _is_shared(sessions: list[_Session]) -> bool:
    firsts = {session.first for session in sessions}
    return len(firsts) < len(sessions) or any(session.has_changed for session in sessions)


def _waiting(conn: Connection, answered: _Session) -> _Session | None:
    """The session of ``conn``; None where it waits for a process while ``answered`` keeps its own."""

    def keeps_its_own() -> bool:
        # In the modes that share, this waits as well, and behind the other.
        answered.read()
        return not answered.has_changed

    conn.pgconn.send_query(_QUERY)
    result = _result(conn, WAIT_SECONDS, keeps_its_own)
    return None if result is None else _Session(conn, _process_id(result))


def _result(conn: Connection, seconds: float, goes_on: Callable[[], bool]) -> Any:
    """The answer to the query that was sent; None where it does not come in time."""
    deadline = time.monotonic() + seconds
    while True:
        conn.pgconn.consume_input()
        if not conn.pgconn.is_busy():
            break
        if time.monotonic() > deadline or not goes_on():
            return None
        time.sleep(_PAUSE_SECONDS)
    result = conn.pgconn.get_result()
    while conn.pgconn.get_result() is not None:
        pass
    return result


def _process_id(result: Any) -> int:
    if result is None:
        raise psycopg.OperationalError("the connection was closed")
    if result.status != pq.ExecStatus.TUPLES_OK:
        raise psycopg.OperationalError(result.get_error_message())
    value = result.get_value(0, 0)
    assert value is not None
    return int(value)
