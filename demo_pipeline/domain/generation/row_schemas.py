"""Generated rows as Arrow: schemas derived from the model, batches from named columns, arrays by type.

Tenant, job and defaults are not among the columns: loading adds them, the same for every row of a job.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.arrow import Column, Mask, buffer, integers, validity
from demo_pipeline.domain.core.currency import Currency
from demo_pipeline.domain.core.random_streams import I64
from demo_pipeline.domain.core.row_ids import Uuids
from demo_pipeline.domain.model import MODEL, Kind, Table

UUID: Final = pa.binary(16)
INSTANT: Final = pa.timestamp("us", tz="UTC")
MONEY: Final = pa.decimal128(15, 2)

_TYPES: Final[dict[Kind, pa.DataType]] = {
    Kind.UUID: UUID,
    Kind.TEXT: pa.string(),
    Kind.INTEGER: pa.int32(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.DATE: pa.date32(),
    Kind.INSTANT: INSTANT,
    Kind.MONEY: MONEY,
    Kind.MONTH: pa.string(),
}


def arrow_schema(table: Table) -> pa.Schema:
    """The columns of a table's generated rows."""
    return pa.schema([(column.name, _TYPES[column.kind]) for column in table.generated])


#: Table → schema of its generated rows; parents before children, the order of loading.
SCHEMAS: Final = {table.name: arrow_schema(table) for table in MODEL if not table.is_tenant}


def row_batch(table: str, columns: Mapping[str, Column]) -> pa.RecordBatch:
    """Rows of a table from its columns by name; one that is missing or unknown is a ``ValueError``."""
    schema = SCHEMAS[table]
    if difference := columns.keys() ^ {*schema.names}:
        raise ValueError(
            f"columns of {table} that only the model or only the generator has: {sorted(difference)}"
        )
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def uuid_array(ids: Uuids, picks: I64 | None = None) -> Column:
    """Ids as Arrow, or ``ids[picks]`` where a pick below 0 is null."""
    if picks is None:
        return pa.FixedSizeBinaryArray.from_buffers(UUID, len(ids), [None, buffer(ids)])
    missing = picks < 0
    if len(ids) == 0:
        return pa.nulls(len(picks), UUID)
    # As one item of 16 bytes an id: a row of bytes is copied byte by byte.
    taken = buffer(np.ascontiguousarray(ids).view(np.complex128)[:, 0].take(np.where(missing, 0, picks)))
    return pa.FixedSizeBinaryArray.from_buffers(UUID, len(picks), [validity(missing), taken])


def instants(values_us: I64, missing: Mask | None = None) -> Column:
    """Microseconds as UTC timestamps; rows where ``missing`` are null."""
    return integers(values_us, INSTANT, missing)


def money_array(minor: I64, currency: Currency) -> Column:
    """Minor units (0 to 2 digits) as numeric(15, 2)."""
    cents = np.zeros((len(minor), 2), "<i8")
    cents[:, 0] = minor * 10 ** (2 - currency.minor_digits)
    return pa.Array.from_buffers(MONEY, len(minor), [None, buffer(cents)])
