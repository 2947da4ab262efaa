"""Which generated rows of a tenant exist, also those that people moved or deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import psycopg

from demo_pipeline.domain.core.arrow import Column
from demo_pipeline.domain.generation.row_schemas import uuid_array
from demo_pipeline.domain.model import MODEL

Connection = psycopg.Connection[Any]


def present_ids(conn: Connection, tenant_id: UUID, table: str, first: datetime, end: datetime) -> Column:
    """Ids (binary(16)) of the rows made in [first, end), deleted rows included.

    Of rows with provenance also those that were made for a month in that time and moved by people since.
    """
    moved = (
        "OR (demo_source_month >= %(from)s AND demo_source_month < %(to)s)" if table in MODEL.counted else ""
    )
    found = conn.execute(
        f"SELECT id FROM crm.{MODEL[table].name} WHERE tenant_id = %(tenant)s"
        f" AND ((created_at >= %(first)s AND created_at < %(end)s) {moved})",
        {
            "tenant": tenant_id,
            "first": first,
            "end": end,
            "from": first.strftime("%Y-%m"),
            "to": end.strftime("%Y-%m"),
        },
    ).fetchall()
    ids = b"".join(row[0].bytes for row in found)
    return uuid_array(np.frombuffer(ids, np.uint8).reshape(-1, 16))
