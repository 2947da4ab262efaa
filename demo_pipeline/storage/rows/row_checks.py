"""Rows of a tenant that ought not to be there as they are: orphans, copies, rows of no job.

The references and keys of the schema let none of them in; they come from a restore that went wrong, or from
somebody who switched the guards off. Only generated rows are looked at, those that people made are theirs.
Reads only, within a transaction. Life cycles are
``integrity``'s, rows in another tenant ``misplaced``'s.

The name of a table or column in this module's SQL comes from its constants, never from input.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from demo_pipeline.domain.model import MODEL

Connection = psycopg.Connection[Any]

TABLES: Final[tuple[LiteralString, ...]] = ("companies", "contacts", "deals", "activities")
#: child, its reference, parent
_REFERENCES: Final[tuple[tuple[LiteralString, LiteralString, LiteralString], ...]] = (
    ("companies", "owner_id", "users"),
    ("contacts", "owner_id", "users"),
    ("contacts", "company_id", "companies"),
    ("contact_tags", "contact_id", "contacts"),
    ("contact_tags", "tag_id", "tags"),
    ("deals", "owner_id", "users"),
    ("deals", "stage_id", "pipeline_stages"),
    ("deals", "company_id", "companies"),
    ("deals", "contact_id", "contacts"),
    ("activities", "created_by_id", "users"),
    ("activities", "company_id", "companies"),
    ("activities", "contact_id", "contacts"),
    ("activities", "deal_id", "deals"),
)
#: references to rows that may be there twice themselves
_OWN_PARENTS: Final = {"company_id": "companies", "contact_id": "contacts", "deal_id": "deals"}


@dataclass(frozen=True, kw_only=True)
class Orphans:
    """Living rows whose reference leads nowhere."""

    table: LiteralString
    reference: str
    parent: str
    ids: tuple[UUID, ...]


def orphans(conn: Connection, tenant_id: UUID) -> Iterator[Orphans]:
    """Every reference of living rows to a row that does not exist; a deleted one exists."""
    # The statistics may be older than the rows: a nested loop would run for minutes.
    conn.execute("SELECT set_config('enable_nestloop', 'off', true)")
    for child, reference, parent in _REFERENCES:
        generated = "" if child == "contact_tags" else "r.demo_generated AND "
        row = conn.execute(
            sql.SQL(
                "SELECT array_agg(r.id) FROM crm.{child} r WHERE r.tenant_id = %s AND {generated}"
                "r.deleted_at IS NULL AND r.{reference} IS NOT NULL AND NOT EXISTS ("
                "SELECT FROM crm.{parent} p WHERE p.tenant_id = r.tenant_id AND p.id = r.{reference})"
            ).format(
                child=sql.Identifier(child),
                generated=sql.SQL(generated),
                reference=sql.Identifier(reference),
                parent=sql.Identifier(parent),
            ),
            [tenant_id],
        ).fetchone()
        if row and row[0]:
            yield Orphans(table=child, reference=reference, parent=parent, ids=tuple(row[0]))


def copies(
    conn: Connection, tenant_id: UUID, edited: Mapping[str, AbstractSet[UUID]]
) -> dict[LiteralString, tuple[UUID, ...]]:
    """Table → living rows that say in every column what another one says, which stays.

    Parents that are copies of each other count as one. Of equal rows those stay that people ``edited``, then
    the one whose parents stay, then the one that more rows refer to.
    """
    stays: dict[str, dict[UUID, UUID]] = {}
    found: dict[LiteralString, tuple[UUID, ...]] = {}
    for table in TABLES:
        groups: dict[tuple[object, ...], list[dict[str, Any]]] = defaultdict(list)
        for row in _alike(conn, tenant_id, table):
            groups[_content(row, stays)].append(row)
        alike = [group for group in groups.values() if len(group) > 1]
        weights = _references_to(conn, tenant_id, table, [row["id"] for group in alike for row in group])
        stays[table] = {}
        for group in alike:
            own = edited.get(table, frozenset())
            first, *others = sorted(
                group,
                key=lambda row: (
                    row["id"] not in own, _is_moved(row, stays), -weights.get(row["id"], 0), row["id"],
                ),
            )  # fmt: skip
            stays[table] |= {row["id"]: first["id"] for row in others if row["id"] not in own}
        if stays[table]:
            found[table] = tuple(stays[table])
    return found


def jobs_of_rows(conn: Connection, tenant_id: UUID) -> dict[UUID, dict[LiteralString, int]]:
    """Job → table → the tenant's living rows that say they are of that job; 0: all of them are deleted."""
    found: dict[UUID, dict[LiteralString, int]] = defaultdict(dict)
    for table in TABLES:
        for job_id, count in conn.execute(
            sql.SQL(
                "SELECT demo_job_id, count(*) FILTER (WHERE deleted_at IS NULL) FROM crm.{}"
                " WHERE tenant_id = %s AND demo_job_id IS NOT NULL"
                " GROUP BY demo_job_id"
            ).format(sql.Identifier(table)),
            [tenant_id],
        ):
            found[job_id][table] = count
    return dict(found)


def living_rows_of(
    conn: Connection, tenant_id: UUID, jobs: Collection[UUID]
) -> dict[LiteralString, tuple[UUID, ...]]:
    """Table → the tenant's living rows of some jobs."""
    found: dict[LiteralString, tuple[UUID, ...]] = {}
    for table in TABLES:
        row = conn.execute(
            sql.SQL(
                "SELECT array_agg(id) FROM crm.{} WHERE tenant_id = %s AND deleted_at IS NULL"
                " AND demo_job_id = ANY(%s)"
            ).format(sql.Identifier(table)),
            [tenant_id, list(jobs)],
        ).fetchone()
        if row and row[0]:
            found[table] = tuple(row[0])
    return found


def _alike(conn: Connection, tenant_id: UUID, table: LiteralString) -> list[dict[str, Any]]:
    """Rows that another one may be a copy of: the same in all but id and parents, by a hash."""
    own = [name for name in MODEL[table].visible if name != "tenant_id"]
    compared = [name for name in own if name != "id" and name not in _OWN_PARENTS]
    columns = sql.SQL(", ").join(sql.Identifier("r", name) for name in own)
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            sql.SQL(
                "WITH hashed AS MATERIALIZED (SELECT r.id, hash_record_extended(ROW({compared}), 0) AS hash"
                " FROM crm.{table} r WHERE r.tenant_id = %(tenant)s AND r.demo_generated"
                " AND r.deleted_at IS NULL),"
                " twice AS (SELECT unnest(array_agg(h.id)) AS id FROM hashed h GROUP BY h.hash"
                " HAVING count(*) > 1)"
                " SELECT {columns} FROM twice JOIN crm.{table} r"
                " ON r.tenant_id = %(tenant)s AND r.id = twice.id"
            ).format(
                compared=sql.SQL(", ").join(sql.Identifier("r", name) for name in compared),
                table=sql.Identifier(table),
                columns=columns,
            ),
            {"tenant": tenant_id},
        ).fetchall()


def _content(row: Mapping[str, Any], stays: Mapping[str, Mapping[UUID, UUID]]) -> tuple[object, ...]:
    """All that a row says, with the parents that stay."""
    return tuple(
        stays[_OWN_PARENTS[name]].get(value, value) if name in _OWN_PARENTS else value
        for name, value in row.items()
        if name != "id"
    )


def _is_moved(row: Mapping[str, Any], stays: Mapping[str, Mapping[UUID, UUID]]) -> bool:
    return any(row.get(name) in stays.get(parent, {}) for name, parent in _OWN_PARENTS.items())


def _references_to(conn: Connection, tenant_id: UUID, table: str, ids: Collection[UUID]) -> dict[UUID, int]:
    """Living rows that refer to each of some rows; of those that none refers to nothing is said."""
    found: dict[UUID, int] = defaultdict(int)
    for child, reference, parent in _REFERENCES:
        if parent != table or not ids:
            continue
        for row_id, count in conn.execute(
            sql.SQL(
                "SELECT {reference}, count(*) FROM crm.{child} WHERE tenant_id = %s AND deleted_at IS NULL"
                " AND {reference} = ANY(%s) GROUP BY 1"
            ).format(reference=sql.Identifier(reference), child=sql.Identifier(child)),
            [tenant_id, list(ids)],
        ):
            found[row_id] += count
    return found
