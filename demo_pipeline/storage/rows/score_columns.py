"""The living rows of a tenant as Arrow columns, for the scorecard.

One COPY a table, those of people included. Instants come as whole microseconds since 1970 UTC, dates as days,
amounts in hundredths; a reference is a uuid in text. Reads only,
within a transaction. What the columns mean to a measure does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
import pyarrow as pa
from psycopg import sql
from pyarrow import csv

Connection = psycopg.Connection[Any]

_TEXT, _NUMBER, _FLAG = pa.string(), pa.int64(), pa.bool_()
# pyarrow publishes no types of its reader.
_csv: Final[Any] = csv


@dataclass(frozen=True)
class _Query:
    """The columns of a table: expression and type by name; rows in the order of creation."""

    table: LiteralString
    columns: Mapping[LiteralString, tuple[LiteralString, pa.DataType]]
    joined: LiteralString = ""


def _instant(name: LiteralString) -> tuple[LiteralString, pa.DataType]:
    """Seconds since 1970 are numeric in PostgreSQL, so nothing is rounded."""
    return f"(extract(epoch FROM t.{name}) * 1000000)::bigint", _NUMBER


def _texts(*names: LiteralString) -> dict[LiteralString, tuple[LiteralString, pa.DataType]]:
    return {name: (f"t.{name}", _TEXT) for name in names}


#: 0: a person's row, 1: a row of the blueprint, 2: a row of a patch
_ORIGIN: Final[tuple[LiteralString, pa.DataType]] = (
    "CASE WHEN NOT t.demo_generated THEN 0 WHEN t.demo_job_id = ANY ({patches}) THEN 2 ELSE 1 END",
    _NUMBER,
)
_CREATED: Final = _instant("created_at")
_QUERIES: Final = (
    _Query("users", {**_texts("id", "first_name"), "created_us": _CREATED}),
    _Query("pipeline_stages", _texts("id", "name")),
    _Query(
        "companies",
        {
            **_texts("id", "owner_id", "name", "size", "industry", "address", "city", "state"),
            **_texts("postal_code", "phone", "website"),
            "created_us": _CREATED,
            "origin": _ORIGIN,
        },
    ),
    _Query(
        "contacts",
        {
            **_texts("id", "owner_id", "company_id", "first_name", "last_name", "email", "phone"),
            **_texts("status", "source"),
            "created_us": _CREATED,
            "origin": _ORIGIN,
        },
    ),
    _Query(
        "deals",
        {
            **_texts("id", "owner_id", "contact_id", "company_id", "title"),
            "value_hundredths": ("(t.value * 100)::bigint", _NUMBER),
            # A deal without a stage is open, as for the KPIs.
            "outcome": ("CASE WHEN s.is_won THEN 1 WHEN s.is_lost THEN 2 ELSE 0 END", _NUMBER),
            "expected_day": ("t.expected_close_date - date '1970-01-01'", _NUMBER),
            "closed_us": _instant("closed_at"),
            "created_us": _CREATED,
            "origin": _ORIGIN,
        },
        "LEFT JOIN crm.pipeline_stages s ON s.tenant_id = t.tenant_id AND s.id = t.stage_id",
    ),
    _Query(
        "activities",
        {
            **_texts("type", "contact_id", "company_id", "deal_id", "created_by_id"),
            **_texts("subject", "description"),
            "scheduled_us": _instant("scheduled_at"),
            "duration_minutes": ("t.duration_minutes", _NUMBER),
            "subject_length": ("length(t.subject)", _NUMBER),
            "description_length": ("length(t.description)", _NUMBER),
            "sounds_agreed": ("concat_ws(' ', t.subject, t.description) ~* {agreed}", _FLAG),
            "created_us": _CREATED,
            "origin": _ORIGIN,
        },
    ),
)


def read_columns(
    conn: Connection, tenant_id: UUID, patch_jobs: list[UUID], agreed: str
) -> dict[str, pa.RecordBatch]:
    """Table → its rows, by creation and id.

    ``patch_jobs``: the jobs whose rows are those of patches. ``agreed``: the regular expression of texts that
    say that a deal is agreed.
    """
    return {query.table: _read(conn, query, tenant_id, patch_jobs, agreed) for query in _QUERIES}


def _read(
    conn: Connection, query: _Query, tenant_id: UUID, patch_jobs: list[UUID], agreed: str
) -> pa.RecordBatch:
    selected: LiteralString = ", ".join(
        f"{expression} AS {name}" for name, (expression, _) in query.columns.items()
    )
    statement = sql.SQL(
        f"COPY (SELECT {selected} FROM crm.{query.table} t {query.joined} WHERE t.tenant_id = {{tenant}}"
        " AND t.deleted_at IS NULL ORDER BY t.created_at, t.id) TO STDOUT (FORMAT csv, HEADER)"
    ).format(tenant=tenant_id, patches=patch_jobs, agreed=agreed)
    written = BytesIO()
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        for piece in copy:
            written.write(piece)
    written.seek(0)
    rows = _csv.read_csv(
        written,
        parse_options=_csv.ParseOptions(newlines_in_values=True),
        convert_options=_csv.ConvertOptions(
            column_types={name: kind for name, (_, kind) in query.columns.items()},
            # An empty text is quoted, a null is not.
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
        ),
    ).combine_chunks()
    if batches := rows.to_batches():
        return batches[0]
    return pa.RecordBatch.from_pylist([], schema=rows.schema)
