"""Every visible value of a tenant by which a person could be reached, each once.

Living rows, those of people too. Reads only, within a transaction. Which values are reserved does not belong
here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from demo_pipeline.domain.certificate.reserved import MAILS, PHONES, SITES

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, kw_only=True)
class ContactValue:
    """One value of a column."""

    #: as ``contacts.phone``
    place: str
    value: str
    #: living rows that have it
    row_count: int


def contact_values(conn: Connection, tenant_id: UUID) -> list[ContactValue]:
    """The values of all columns, by column and value; without nulls and empty texts."""
    arms: LiteralString = " UNION ALL ".join(
        f"SELECT '{table}.{column}' AS place, {column} AS value, count(*) AS row_count FROM crm.{table}"
        f" WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND {column} <> '' GROUP BY {column}"
        for table, column in (*PHONES, *MAILS, *SITES)
    )
    with conn.cursor(row_factory=class_row(ContactValue)) as cursor:
        return cursor.execute(f"{arms} ORDER BY place, value", {"tenant": tenant_id}).fetchall()
