"""Every visible value of a tenant by which a person could be reached, each once.

Living rows, those of people too. Reads only, within a transaction. Which values are reserved does not belong
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from demo_pipeline.domain.certificate.reserved import MAILS, PHONES, SITES

Connection = psycopg.Connection[Any]

#: values that are held in memory
_AT_ONCE: Final = 1000


@dataclass(frozen=True, kw_only=True)
class ContactValue:
    """One value of a column."""

    #: as ``contacts.phone``
    place: str
    value: str
    #: living rows that have it
    row_count: int


def contact_values(conn: Connection, tenant_id: UUID) -> Iterator[ContactValue]:
    """The values of all columns, by column and value; without nulls and empty texts.

    They are streamed: until the last one is read, the connection takes no other statement.
    """
    arms: LiteralString = " UNION ALL ".join(
        f"SELECT '{table}.{column}' AS place, {column} AS value, count(*) AS row_count FROM crm.{table}"
        f" WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND {column} <> '' GROUP BY {column}"
        for table, column in (*PHONES, *MAILS, *SITES)
    )
    with conn.cursor(row_factory=class_row(ContactValue)) as cursor:
        yield from cursor.stream(f"{arms} ORDER BY place, value", {"tenant": tenant_id}, size=_AT_ONCE)
