"""Row ids: UUIDv7 layout from the row's own instant and keyed bits, and UUIDv5 for a tenant.

Time-ordered keys keep the primary key index local; keyed bits make the same seed give the same ids
(RFC 9562, sections 5.5 and 5.7).
"""

from __future__ import annotations

from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from demo_pipeline.domain.core.random_streams import I64, U64

#: shape (n, 16), big-endian bytes of one uuid a row
Uuids = NDArray[np.uint8]

_TENANTS = UUID("6f1d2c1e-4f0b-5d0a-9c57-0c3f6a7b8e21")


def tenant_id(slug: str, incarnation: int) -> UUID:
    """The id of a tenant: the same in every database, another after delete and regenerate."""
    return uuid5(_TENANTS, f"{slug}/{incarnation}")


def row_ids(created_us: I64, high: U64, low: U64) -> Uuids:
    """Ids for rows made at ``created_us`` (microseconds) from two draws a row."""
    words = np.empty((len(created_us), 2), ">u8")
    milliseconds = (created_us // 1000).astype(np.uint64)
    words[:, 0] = (milliseconds << np.uint64(16)) | np.uint64(0x7000) | (high >> np.uint64(52))
    words[:, 1] = np.uint64(0x8000_0000_0000_0000) | (low >> np.uint64(2))
    return words.view(np.uint8).reshape(len(created_us), 16)
