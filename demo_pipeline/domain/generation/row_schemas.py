"""The columns of generated rows, as Arrow schemas: what generation makes and loading takes.

Tenant, provenance and defaults are not here: loading adds them, the same for every row of a job.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from demo_pipeline.domain.core.arrow import Column, Mask, buffer
from demo_pipeline.domain.core.ids import Uuids
from demo_pipeline.domain.core.random_streams import I64

UUID: Final = pa.binary(16)
INSTANT: Final = pa.timestamp("us", tz="UTC")
MONEY: Final = pa.decimal128(15, 2)

_TIMES: Final = (("created_at", INSTANT), ("updated_at", INSTANT))

#: Parents before children: the order of loading.
SCHEMAS: Final[dict[str, pa.Schema]] = {
    "users": pa.schema([
        ("id", UUID), *_TIMES,
        ("email", pa.string()), ("first_name", pa.string()), ("last_name", pa.string()),
        ("role", pa.string()),
    ]),
    "pipeline_stages": pa.schema([
        ("id", UUID), *_TIMES,
        ("name", pa.string()), ("position", pa.int32()), ("probability", pa.int32()),
        ("is_won", pa.bool_()), ("is_lost", pa.bool_()),
    ]),
    "tags": pa.schema([("id", UUID), *_TIMES, ("name", pa.string()), ("color", pa.string())]),
    "companies": pa.schema([
        ("id", UUID), *_TIMES,
        ("name", pa.string()), ("domain", pa.string()), ("industry", pa.string()), ("size", pa.string()),
        ("owner_id", UUID), ("address", pa.string()), ("city", pa.string()), ("state", pa.string()),
        ("country", pa.string()), ("postal_code", pa.string()), ("phone", pa.string()),
        ("website", pa.string()), ("demo_source_month", pa.string()),
    ]),
    "contacts": pa.schema([
        ("id", UUID), *_TIMES,
        ("first_name", pa.string()), ("last_name", pa.string()), ("email", pa.string()),
        ("phone", pa.string()), ("company_id", UUID), ("owner_id", UUID), ("status", pa.string()),
        ("source", pa.string()), ("demo_source_month", pa.string()),
    ]),
    "contact_tags": pa.schema([("id", UUID), *_TIMES, ("contact_id", UUID), ("tag_id", UUID)]),
    "deals": pa.schema([
        ("id", UUID), *_TIMES,
        ("title", pa.string()), ("value", MONEY), ("currency", pa.string()), ("stage_id", UUID),
        ("owner_id", UUID), ("contact_id", UUID), ("company_id", UUID), ("probability", pa.int32()),
        ("expected_close_date", pa.date32()), ("closed_at", INSTANT), ("demo_source_month", pa.string()),
    ]),
    "activities": pa.schema([
        ("id", UUID), *_TIMES,
        ("type", pa.string()), ("subject", pa.string()), ("description", pa.string()),
        ("contact_id", UUID), ("company_id", UUID), ("deal_id", UUID), ("created_by_id", UUID),
        ("scheduled_at", INSTANT), ("completed_at", INSTANT), ("duration_minutes", pa.int32()),
        ("demo_source_month", pa.string()),
    ]),
}  # fmt: skip

#: Columns that a generated row may leave null: references to rows that people may have hidden, and what
#: some rows do not have. All other columns above have a value in every generated row.
OPTIONAL: Final[dict[str, frozenset[str]]] = {
    "users": frozenset(),
    "pipeline_stages": frozenset(),
    "tags": frozenset(),
    "companies": frozenset({
        "owner_id", "address", "city", "state", "postal_code", "phone", "website",
    }),
    "contacts": frozenset({"email", "phone", "company_id", "owner_id"}),
    "contact_tags": frozenset(),
    "deals": frozenset({"stage_id", "owner_id", "contact_id", "company_id", "probability", "closed_at"}),
    "activities": frozenset({
        "contact_id", "company_id", "deal_id", "created_by_id", "scheduled_at", "completed_at",
        "duration_minutes",
    }),
}  # fmt: skip

#: The four tables that carry provenance and are counted.
COUNTED: Final = ("companies", "contacts", "deals", "activities")


def uuid_array(ids: Uuids, picks: I64 | None = None) -> Column:
    """Ids as Arrow, or ``ids[picks]`` where a pick below 0 is null."""
    if picks is None:
        return pa.FixedSizeBinaryArray.from_buffers(UUID, len(ids), [None, buffer(ids)])
    missing = picks < 0
    if len(ids) == 0:
        return pa.nulls(len(picks), UUID)
    # As one item of 16 bytes an id: a row of bytes is copied byte by byte.
    taken = buffer(np.ascontiguousarray(ids).view(np.complex128)[:, 0].take(np.where(missing, 0, picks)))
    return pa.FixedSizeBinaryArray.from_buffers(UUID, len(picks), [_validity(missing), taken])


def instants(values_us: I64, missing: Mask | None = None) -> Column:
    """Microseconds as UTC timestamps; rows where ``missing`` are null."""
    validity = None if missing is None else _validity(missing)
    return pa.Array.from_buffers(INSTANT, len(values_us), [validity, buffer(values_us)])


def money_array(minor: I64, minor_digits: int) -> Column:
    """Minor units (0 to 2 digits) as numeric(15, 2)."""
    cents = np.zeros((len(minor), 2), "<i8")
    cents[:, 0] = minor * 10 ** (2 - minor_digits)
    return pa.Array.from_buffers(MONEY, len(minor), [None, buffer(cents)])


def _validity(missing: Mask) -> pa.Buffer | None:
    if not missing.any():
        return None
    return buffer(np.packbits(~missing, bitorder="little"))
