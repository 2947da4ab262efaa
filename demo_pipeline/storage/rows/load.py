"""Rows into PostgreSQL: Arrow batches to binary COPY into staging, then INSERT … SELECT under RLS.

COPY into a table with row-level security is refused for a role that it applies to, so rows go through a
temporary table of the session. Generation and encoding run one load ahead in a thread of their own, so
that client and server work at the same time. Nothing here commits.

Names of tables and columns in this module's SQL come from the model, never from input.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator
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

from demo_pipeline.domain.model import MODEL, Filled, Table

Connection = psycopg.Connection[tuple[Any, ...]]
#: table and its rows, as ``row_batch`` makes them
Batches = Iterable[tuple[str, pa.RecordBatch]]

#: column that the load fills → its value
_VALUES: Final[dict[LiteralString, LiteralString]] = {
    "tenant_id": "%(tenant)s",
    "demo_generated": "true",
    "demo_job_id": "%(job)s",
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
    """Memory of one load's pieces, freed with the last of them.

    Uses mmap instead of the heap to avoid fragmentation.
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
    """Put one load into ``crm``, parents first. Yields each table once it is loaded, with its row count."""
    tables = [table for table in MODEL if table.name in rows.pieces]
    stage(conn, [table.name for table in tables])
    for table in tables:
        with conn.cursor() as cursor:
            with cursor.copy(f"COPY pg_temp.staged_{table.name} FROM STDIN (FORMAT binary)") as copy:
                copy.write(_HEADER)
                for piece in rows.pieces.pop(table.name):
                    copy.write(piece)
                copy.write(_TRAILER)
            cursor.execute(insert_statement(table), {"tenant": tenant_id, "job": job_id})
            loaded = cursor.rowcount
        yield table.name, loaded


def stage(conn: Connection, names: Collection[str]) -> None:
    """Make the session's staging tables of these tables, or empty them. They are dropped at the commit.

    :func:`load` calls it. Called earlier, while the first rows are being generated, it costs no time.
    """
    found = conn.execute(
        "SELECT relname, pg_relation_size(oid) > 0 FROM pg_class"
        " WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'"
    ).fetchall()
    # TRUNCATE takes a millisecond: a table that is empty is left alone.
    has_rows = {str(name): bool(flag) for name, flag in found}
    steps: list[LiteralString] = []
    for table in MODEL:
        if table.name in names and (filled := has_rows.get(f"staged_{table.name}")) is not False:
            truncate: LiteralString = f"TRUNCATE pg_temp.staged_{table.name}"
            steps.append(truncate if filled else staging_statement(table))
    if steps:
        conn.execute("; ".join(steps))


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


def staging_statement(table: Table) -> LiteralString:
    """CREATE TABLE of the temporary table that takes a table's generated rows."""
    columns: LiteralString = ", ".join(f"{one.name} {one.kind.value}" for one in table.generated)
    return f"CREATE TEMP TABLE staged_{table.name} ({columns}) ON COMMIT DROP"


@cache
def insert_statement(table: Table) -> LiteralString:
    """INSERT of the staged rows, under the tenant's and the job's row-level security."""
    generated: LiteralString = ", ".join(column.name for column in table.generated)
    loaded: list[LiteralString] = [one.name for one in table.columns if one.filled is Filled.LOAD]
    names: LiteralString = ", ".join(loaded)
    values: LiteralString = ", ".join(_VALUES[name] for name in loaded)
    # A person may have tagged the contact with the same tag.
    clash: LiteralString = "ON CONFLICT DO NOTHING" if table.name == "contact_tags" else ""
    return (
        f"INSERT INTO crm.{table.name} ({names}, {generated})"
        f" SELECT {values}, {generated} FROM pg_temp.staged_{table.name} {clash}"
    )
