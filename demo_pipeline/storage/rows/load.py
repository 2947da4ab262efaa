"""Rows into PostgreSQL: Arrow batches to binary COPY into staging, then INSERT … SELECT under RLS.

COPY into a table with row-level security is refused for a role that it applies to, so rows go through a
temporary table of the session. Generation and encoding run one load ahead in a thread of their own, so
that client and server work at the same time. Nothing here commits.

The name of a table or column in this module's SQL comes from ``domain.rows.SCHEMAS``, never from input.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from mmap import mmap
from queue import Empty, Queue
from threading import Event, Semaphore, Thread
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
import pyarrow as pa
from pgpq import ArrowToPostgresBinaryEncoder
from psycopg import sql

from demo_pipeline.domain.generation.row_schemas import SCHEMAS
from demo_pipeline.domain.model import MODEL

Connection = psycopg.Connection[tuple[Any, ...]]
#: table and rows
Batches = Iterable[tuple[str, pa.RecordBatch]]

_TYPES: Final[dict[pa.DataType, LiteralString]] = {
    pa.binary(16): "uuid",
    pa.string(): "text",
    pa.int32(): "int4",
    pa.bool_(): "bool",
    pa.date32(): "date",
    pa.timestamp("us", tz="UTC"): "timestamptz",
    pa.decimal128(15, 2): "numeric",
}
#: What opens and closes a stream of the binary COPY format.
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
#: Rows handed to the connection at once.
_CHUNK_ROWS: Final = 4_096
#: A load holds no more than this and a piece: rows of some tables are four times as long as those of others.
_LOAD_BYTES: Final = 8_000_000
#: Loads after which the heap's free pages are given back: each time costs, and so do pages that are held.
_LOADS_A_RELEASE: Final = 4


@dataclass
class Load:
    """Encoded rows of some tables, loaded with one COPY and one INSERT a table."""

    #: table → pieces of the binary COPY format, header and trailer left out
    pieces: dict[str, list[memoryview]] = field(default_factory=dict[str, list[memoryview]])
    rows: dict[str, int] = field(default_factory=dict[str, int])
    #: of all pieces
    size_bytes: int = 0

    def __len__(self) -> int:
        return sum(self.rows.values())

    def add(self, table: str, rows: pa.RecordBatch, pages: _Pages) -> None:
        """Encode some rows of a table, and keep them in ``pages``."""
        piece = pages.keep(_encode(rows))
        self.pieces.setdefault(table, []).append(piece)
        self.rows[table] = self.rows.get(table, 0) + rows.num_rows
        self.size_bytes += piece.nbytes


class _Pages:
    """Memory of one load's pieces, gone with the last of them.

    Not of the heap: there, what stays for a while leaves holes between what goes.
    """

    def __init__(self) -> None:
        self._map = mmap(-1, 2 * _LOAD_BYTES)

    def keep(self, data: bytes) -> memoryview:
        """A copy of ``data``."""
        if len(self._map) - self._map.tell() < len(data):
            self._map = mmap(-1, max(2 * _LOAD_BYTES, len(data)))
        start = self._map.tell()
        self._map.write(data)
        return memoryview(self._map)[start : start + len(data)]


def encoded(batches: Batches, load_rows: int) -> Iterator[Load]:
    """Group batches into loads of about ``load_rows`` rows, of fewer where they are long."""
    # Arrow's own pool keeps what it once had; the system's gives it back.
    pa.set_memory_pool(pa.system_memory_pool())
    pool = pa.default_memory_pool()
    load, pages, load_count = Load(), _Pages(), 0
    for table, rows in batches:
        for start in range(0, rows.num_rows, _CHUNK_ROWS):
            load.add(table, rows.slice(start, _CHUNK_ROWS), pages)
            if len(load) >= load_rows or load.size_bytes >= _LOAD_BYTES:
                yield load
                load, pages, load_count = Load(), _Pages(), load_count + 1
                if load_count % _LOADS_A_RELEASE == 0:
                    pool.release_unused()
        # Else it would be held while the next batch is made.
        del rows
    if len(load):
        yield load


def load(conn: Connection, tenant_id: UUID, job_id: UUID, rows: Load) -> Iterator[tuple[str, int]]:
    """Put one load into ``crm``, parents first: each table, once it is in, and how many rows it took."""
    tables = [table for table in SCHEMAS if table in rows.pieces]
    stage(conn, tables)
    for table in tables:
        with conn.cursor() as cursor:
            with cursor.copy(_copy(table)) as copy:
                copy.write(_HEADER)
                for piece in rows.pieces.pop(table):
                    copy.write(piece)
                copy.write(_TRAILER)
            cursor.execute(_insert(table), {"tenant": tenant_id, "job": job_id})
            taken = cursor.rowcount
        yield table, taken


def stage(conn: Connection, tables: Iterable[str]) -> None:
    """Make the session's staging tables of these tables, or empty them; they are gone with the transaction.

    :func:`load` does so itself; done earlier, while rows are being made, it costs nobody any time.
    """
    found = conn.execute(
        "SELECT relname, pg_relation_size(oid) > 0 FROM pg_class"
        " WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'"
    ).fetchall()
    # A millisecond each: what is empty stays as it is.
    has_rows = {str(name): bool(flag) for name, flag in found}
    steps = [_make_staging(table) for table in tables if _staged(table) not in has_rows]
    steps += [_empty_staging(table) for table in tables if has_rows.get(_staged(table))]
    if steps:
        conn.execute(b"; ".join(steps))


@contextmanager
def prefetched(items: Iterator[Load]) -> Generator[Iterator[Load], None, None]:
    """Make the next item in a thread while the present one is used; errors come out at their place."""
    queue: Queue[Load | BaseException | None] = Queue()
    # One item is made, or waits, at any time: what waits takes memory.
    wanted = Semaphore(1)
    stopped = Event()

    def produce() -> None:
        try:
            while True:
                while not wanted.acquire(timeout=0.1):
                    if stopped.is_set():
                        return
                queue.put(item := next(items, None))
                if item is None:
                    return
                del item
        except BaseException as error:  # noqa: BLE001 - raised again where the item would have been
            queue.put(error)

    def consume() -> Iterator[Load]:
        while True:
            try:
                item = queue.get(timeout=0.5)
            except Empty:
                continue
            wanted.release()
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    producer = Thread(target=produce, name="generate", daemon=True)
    producer.start()
    try:
        yield consume()
    finally:
        stopped.set()
        producer.join()


def _encode(rows: pa.RecordBatch) -> bytes:
    """The rows in the binary COPY format, without header and trailer."""
    encoder = ArrowToPostgresBinaryEncoder(rows.schema)
    encoder.write_header()
    written = encoder.write_batch(rows) + encoder.finish()
    return written.removesuffix(_TRAILER)


@cache
def _make_staging(table: str) -> bytes:
    schema = SCHEMAS[table]
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(_TYPES[kind]))
        for name, kind in zip(schema.names, schema.types, strict=True)
    )
    made = sql.SQL("CREATE TEMP TABLE {} ({}) ON COMMIT DROP").format(_staging(table), columns)
    return made.as_bytes()


@cache
def _empty_staging(table: str) -> bytes:
    return sql.SQL("TRUNCATE {}").format(_staging(table)).as_bytes()


@cache
def _copy(table: str) -> bytes:
    return sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(_staging(table)).as_bytes()


@cache
def _insert(table: str) -> bytes:
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in SCHEMAS[table].names)
    provenance = table in MODEL.counted
    return (
        sql.SQL(
            "INSERT INTO crm.{table} (tenant_id, {columns}{more}) "
            "SELECT %(tenant)s, {columns}{values} FROM {staging} {clash}"
        )
        .format(
            table=sql.Identifier(table),
            columns=columns,
            more=sql.SQL(", demo_generated, demo_job_id" if provenance else ""),
            values=sql.SQL(", true, %(job)s" if provenance else ""),
            staging=_staging(table),
            # A person may have tagged the contact with the same tag.
            clash=sql.SQL("ON CONFLICT DO NOTHING" if table == "contact_tags" else ""),
        )
        .as_bytes()
    )


def _staging(table: str) -> sql.Composable:
    return sql.Identifier("pg_temp", _staged(table))


def _staged(table: str) -> str:
    return f"staged_{table}"
