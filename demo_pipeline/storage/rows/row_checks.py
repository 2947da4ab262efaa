"""What is wrong with generated rows: broken life cycles, orphans, copies, rows of no job.

Rows made by people are not judged. Reads only, within a transaction.

- Life cycles (:func:`violations`): what must hold between a row, its parents, its month and now. Before the
  commit of a job only its own rows are judged, and only against each other: people may have changed others.
- Orphans, copies and rows of no job: keys and references of the schema let none of them in. They come from a
  restore that went wrong, or from a session that switched the guards off.

Rows in another tenant are in ``misplaced``, which rows people changed in ``provenance``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from demo_pipeline.domain.model import MODEL, Table

Connection = psycopg.Connection[Any]

# -- life cycles -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Violation:
    """Rows that break one rule."""

    #: the rule, as a sentence that is true of sound data
    rule: str
    table: LiteralString
    ids: tuple[UUID, ...]
    #: row → the rows that the rule compares it with
    parents: Mapping[UUID, tuple[UUID, ...]] = field(default_factory=dict[UUID, tuple[UUID, ...]])

    @property
    def count(self) -> int:
        return len(self.ids)

    def of_rows(self, ids: AbstractSet[UUID]) -> Violation:
        """The part of some rows."""
        part = tuple(row for row in self.ids if row in ids)
        return replace(self, ids=part, parents={row: self.parents.get(row, ()) for row in part})

    def explained_by(self, changed: AbstractSet[UUID]) -> frozenset[UUID]:
        """The rows that break the rule because they, or rows that they refer to, were changed."""
        return frozenset(
            row for row in self.ids if row in changed or not changed.isdisjoint(self.parents.get(row, ()))
        )


#: Policies refuse such rows of a job; people may change either side later.
_OF_ITS_MONTH: Final = (
    "%(job)s::uuid IS NULL AND r.demo_source_month <> to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM')"
)
_BEFORE_THE_TENANT: Final = "r.created_at < least(tenant.created_at, %(first)s)"
_BREAKS_WITH_CONTACT: Final = (
    "r.created_at < contact.created_at"
    " OR contact.id IS NOT NULL AND r.company_id IS DISTINCT FROM contact.company_id"
)
#: table → what its rows do after they are made
_VERBS: Final = {"deals": "change and close", "activities": "change and end"}
#: table → the references whose rows are joined, by alias, and the rules about them: rule → condition that a
#: broken row ``r`` meets
_OF_PARENTS: Final[Mapping[str, tuple[tuple[LiteralString, ...], Mapping[str, LiteralString]]]] = {
    "companies": ((), {}),
    "contacts": (
        ("company",),
        {"contacts come after their company": "r.created_at < company.created_at"},
    ),
    "deals": (
        ("contact", "stage"),
        {
            "deals come after their contact and have its company": _BREAKS_WITH_CONTACT,
            # People may have changed what a stage means: drift, not a fault of a job.
            "deals are closed if and only if their stage is won or lost": (
                "%(job)s::uuid IS NULL AND (stage.is_won OR stage.is_lost) <> (r.closed_at IS NOT NULL)"
            ),
        },
    ),
    "activities": (
        ("contact", "deal"),
        {
            "activities come after their contact and have its company": _BREAKS_WITH_CONTACT,
            "activities come after their deal and are with its contact or a colleague": (
                "r.created_at < deal.created_at"
                " OR deal.id IS NOT NULL AND r.contact_id IS DISTINCT FROM deal.contact_id"
                " AND (r.company_id IS NULL OR r.company_id IS DISTINCT FROM deal.company_id)"
            ),
        },
    ),
}


def rules(table: Table) -> dict[str, LiteralString]:
    """Rule → condition that a broken row ``r`` meets. The rules about its facts follow from the model."""
    facts: LiteralString = ", ".join(f"r.{fact}" for fact in table.facts)
    is_early: LiteralString = " OR ".join(
        f"r.{fact} < r.created_at" for fact in table.facts if fact != "created_at"
    )
    is_future: LiteralString = f"greatest({facts}) > %(now)s"
    found: dict[str, LiteralString] = {
        f"{table.name} are of the month that they were made for": _OF_ITS_MONTH,
        f"{table.name} {_VERBS.get(table.name, 'change')} after they are made": is_early,
        **_OF_PARENTS[table.name][1],
        f"{table.name} are not of the future": is_future,
    }
    # Deals and activities come after their contact.
    if table.name in {"companies", "contacts"}:
        found[f"{table.name} come after the tenant"] = _BEFORE_THE_TENANT
    return found


def violations(
    conn: Connection, tenant_id: UUID, now: datetime, first: datetime, *, job_id: UUID | None = None
) -> tuple[Violation, ...]:
    """Every life-cycle rule that rows of the tenant (of one job, if given) break, with the rows.

    ``now``: no row is later. ``first``: the start of the tenant's first month, for a tenant whose own
    ``created_at`` was changed. Of a job only its own rows are considered, as parents too.
    """
    _without_nested_loops(conn)
    found: list[Violation] = []
    for table in map(MODEL.__getitem__, MODEL.counted):
        row = conn.execute(
            _life_cycle_query(table, of_job=job_id is not None),
            {"tenant": tenant_id, "now": now, "job": job_id, "first": first},
        ).fetchone()
        assert row is not None  # an aggregate
        for rule, broken in zip(rules(table), row, strict=True):
            if broken:
                parents = {own: tuple(one for one in others if one) for own, *others in broken}
                # Sorted here, where they are few: the server would sort all rows before it filters them.
                found.append(Violation(rule, table.name, tuple(sorted(parents)), parents))
    return tuple(found)


def _life_cycle_query(table: Table, *, of_job: bool) -> LiteralString:
    """One row: for each rule the ids of the rows that break it and of their parents; null: there are none."""
    aliases = _OF_PARENTS[table.name][0]
    ids: LiteralString = ", ".join(f"{alias}.id" for alias in ("r", *aliases))
    broken: LiteralString = ", ".join(
        f"array_agg(ARRAY[{ids}]) FILTER (WHERE {condition})" for condition in rules(table).values()
    )
    query: LiteralString = (
        f"SELECT {broken} FROM crm.{table.name} r JOIN crm.tenants tenant ON tenant.id = r.tenant_id"
    )
    for one in table.references:
        alias = one.column.removesuffix("_id")
        if alias in aliases:
            query += (
                f" LEFT JOIN crm.{one.parent} {alias}"
                f" ON {alias}.tenant_id = r.tenant_id AND {alias}.id = r.{one.column}"
            )
            if of_job and one.parent in MODEL.counted:
                query += f" AND {alias}.demo_generated AND {alias}.demo_job_id = %(job)s"
    query += " WHERE r.tenant_id = %(tenant)s AND r.demo_generated AND r.deleted_at IS NULL"
    return f"{query} AND r.demo_job_id = %(job)s" if of_job else query


def _without_nested_loops(conn: Connection) -> None:
    # The statistics do not know fresh rows: a nested loop would be chosen, and run for minutes.
    conn.execute("SELECT set_config('enable_nestloop', 'off', true)")


# -- orphans and copies ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Orphans:
    """Living rows whose reference leads nowhere."""

    table: LiteralString
    reference: str
    parent: str
    ids: tuple[UUID, ...]


def orphans(conn: Connection, tenant_id: UUID) -> Iterator[Orphans]:
    """Every reference of living rows to a row that does not exist; a soft-deleted one exists."""
    _without_nested_loops(conn)
    for one in MODEL.references:
        generated: LiteralString = "AND r.demo_generated" if one.child in MODEL.counted else ""
        row = conn.execute(
            f"""
            SELECT array_agg(r.id) FROM crm.{one.child} r
            WHERE r.tenant_id = %s {generated} AND r.deleted_at IS NULL AND r.{one.column} IS NOT NULL
                AND NOT EXISTS (
                    SELECT FROM crm.{one.parent} p WHERE p.tenant_id = r.tenant_id AND p.id = r.{one.column})
            """,
            [tenant_id],
        ).fetchone()
        if row and row[0]:
            yield Orphans(table=one.child, reference=one.column, parent=one.parent, ids=tuple(row[0]))


def copies(
    conn: Connection, tenant_id: UUID, edited: Mapping[str, AbstractSet[UUID]]
) -> dict[LiteralString, tuple[UUID, ...]]:
    """Table → living rows that equal another row in every column; the other one stays.

    Parents that are copies of each other count as one. Of equal rows those stay that people ``edited``, then
    the one whose parents stay, then the one that more rows refer to.
    """
    stays: dict[str, dict[UUID, UUID]] = {}
    found: dict[LiteralString, tuple[UUID, ...]] = {}
    for table in map(MODEL.__getitem__, MODEL.counted):
        parents = {one.column: stays[one.parent] for one in table.references if one.parent in MODEL.counted}
        groups: dict[tuple[object, ...], list[dict[str, Any]]] = defaultdict(list)
        for row in _alike(conn, tenant_id, table, parents):
            groups[_content(row, parents)].append(row)
        alike = [group for group in groups.values() if len(group) > 1]
        weights = _references_to(conn, tenant_id, table.name, [row["id"] for group in alike for row in group])
        own = edited.get(table.name, frozenset())
        stays[table.name] = {}
        for group in alike:
            first, *others = sorted(
                group,
                key=lambda row: (
                    row["id"] not in own,
                    any(row[column] in moved for column, moved in parents.items()),
                    -weights.get(row["id"], 0),
                    row["id"],
                ),
            )
            stays[table.name] |= {row["id"]: first["id"] for row in others if row["id"] not in own}
        if stays[table.name]:
            found[table.name] = tuple(stays[table.name])
    return found


def _alike(conn: Connection, tenant_id: UUID, table: Table, parents: Collection[str]) -> list[dict[str, Any]]:
    """Rows that may be copies of each other: the same in all but id and parents, by a hash."""
    own: list[LiteralString] = [name for name in table.visible if name != "tenant_id"]
    columns: LiteralString = ", ".join(f"r.{name}" for name in own)
    compared: LiteralString = ", ".join(f"r.{name}" for name in own if name != "id" and name not in parents)
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            f"""
            WITH hashed AS MATERIALIZED (
                SELECT r.id, hash_record_extended(ROW({compared}), 0) AS hash FROM crm.{table.name} r
                WHERE r.tenant_id = %(tenant)s AND r.demo_generated AND r.deleted_at IS NULL),
            twice AS (SELECT unnest(array_agg(h.id)) AS id FROM hashed h GROUP BY h.hash HAVING count(*) > 1)
            SELECT {columns} FROM twice
            JOIN crm.{table.name} r ON r.tenant_id = %(tenant)s AND r.id = twice.id
            """,
            {"tenant": tenant_id},
        ).fetchall()


def _content(row: Mapping[str, Any], parents: Mapping[str, Mapping[UUID, UUID]]) -> tuple[object, ...]:
    """All values of a row but its id, with the parents that stay."""
    return tuple(
        parents[name].get(value, value) if name in parents else value
        for name, value in row.items()
        if name != "id"
    )


def _references_to(conn: Connection, tenant_id: UUID, table: str, ids: Collection[UUID]) -> dict[UUID, int]:
    """Row → living rows that refer to it; rows that none refers to are absent."""
    found: dict[UUID, int] = defaultdict(int)
    for one in MODEL.references:
        if one.parent != table or not ids:
            continue
        for row_id, count in conn.execute(
            f"""
            SELECT {one.column}, count(*) FROM crm.{one.child}
            WHERE tenant_id = %s AND deleted_at IS NULL AND {one.column} = ANY(%s) GROUP BY 1
            """,
            [tenant_id, list(ids)],
        ):
            found[row_id] += count
    return found


# -- rows by job -------------------------------------------------------------------------------------------


def jobs_of_rows(conn: Connection, tenant_id: UUID) -> dict[UUID, dict[LiteralString, int]]:
    """Job → table → the tenant's living rows that name the job; 0: all of them are soft-deleted."""
    found: dict[UUID, dict[LiteralString, int]] = defaultdict(dict)
    for table in MODEL.counted:
        for job_id, count in conn.execute(
            f"SELECT demo_job_id, count(*) FILTER (WHERE deleted_at IS NULL) FROM crm.{table}"
            " WHERE tenant_id = %s AND demo_job_id IS NOT NULL GROUP BY demo_job_id",
            [tenant_id],
        ):
            found[job_id][table] = count
    return dict(found)


def living_rows_of(
    conn: Connection, tenant_id: UUID, jobs: Collection[UUID]
) -> dict[LiteralString, tuple[UUID, ...]]:
    """Table → the tenant's living rows of some jobs; tables without any are absent."""
    found: dict[LiteralString, tuple[UUID, ...]] = {}
    for table in MODEL.counted:
        row = conn.execute(
            f"SELECT array_agg(id) FROM crm.{table}"
            " WHERE tenant_id = %s AND deleted_at IS NULL AND demo_job_id = ANY(%s)",
            [tenant_id, list(jobs)],
        ).fetchone()
        if row and row[0]:
            found[table] = tuple(row[0])
    return found


def months_of(conn: Connection, tenant_id: UUID, table: str, ids: Collection[UUID]) -> set[str]:
    """The months in which rows were created, ``2025-01``; generated ones count where they were made for."""
    if table not in MODEL.counted:
        return set()
    rows = conn.execute(
        f"""
        SELECT DISTINCT coalesce(demo_source_month, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM'))
        FROM crm.{MODEL[table].name} WHERE tenant_id = %s AND id = ANY(%s)
        """,
        [tenant_id, list(ids)],
    ).fetchall()
    return {month for (month,) in rows}


def generated_counts(
    conn: Connection, tenant_id: UUID, job_ids: Sequence[UUID]
) -> dict[tuple[str, str], int]:
    """(table, month) → rows that these jobs made for the month and that are there, deleted ones included."""
    counts: dict[tuple[str, str], int] = {}
    for table in MODEL.counted:
        rows = conn.execute(
            f"SELECT demo_source_month, count(*) FROM crm.{table} WHERE tenant_id = %s AND demo_generated"
            " AND demo_job_id = ANY(%s) GROUP BY 1",
            (tenant_id, list(job_ids)),
        ).fetchall()
        counts.update({(table, month): count for month, count in rows})
    return counts
