"""What a CRM's own tables lack for demo tenants, and what does not fit.

Reads catalogue and rows and changes nothing. Everything that does not fit is found in one reading, each with
the SQL that removes it. Rows of columns that are missing or of another type cannot be read; what was not
read is counted. Making what is missing is ``adoption``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import Connection

from demo_pipeline.storage.adoption.filling import Filling, filling_of
from demo_pipeline.storage.adoption.misfits import definition_of, shape_misfits
from demo_pipeline.storage.adoption.public_grants import policy_misfits, public_misfits
from demo_pipeline.storage.adoption.remedies import Misfit
from demo_pipeline.storage.adoption.roles import Roles, may_read, read_roles, role_misfits
from demo_pipeline.storage.adoption.rows import row_misfits
from demo_pipeline.storage.adoption.shape import (
    TABLES,
    Constraint,
    Index,
    TableShape,
    Wanted,
    differs,
    found_shape,
    is_met_by,
    proves,
    wanted_shape,
)

#: the trigger that the first revision makes on tables with provenance
OUR_TRIGGERS: Final = ("{table}_keep_provenance", "{table}_record_edit")


@dataclass(frozen=True, kw_only=True)
class TableGap:
    """What one table lacks."""

    table: str
    #: the planner's estimate
    row_count: int
    size_bytes: int
    filling: Filling
    #: name → type and default, of new columns
    columns: dict[str, str] = field(default_factory=dict[str, str])
    #: column → default
    defaults: dict[str, str] = field(default_factory=dict[str, str])
    #: columns that are to become NOT NULL
    required: tuple[str, ...] = ()
    #: references and checks that are to be added
    constraints: dict[str, Constraint] = field(default_factory=dict[str, Constraint])
    #: that are there and not validated
    unproven: dict[str, Constraint] = field(default_factory=dict[str, Constraint])
    #: unique constraints, and their indexes' bodies
    unique: dict[str, Constraint] = field(default_factory=dict[str, Constraint])
    indexes: dict[str, Index] = field(default_factory=dict[str, Index])
    #: triggers of the CRM's own, which will fire for demo rows as well
    triggers: tuple[str, ...] = ()
    #: checks of the CRM's own, which demo rows must fulfil as well
    checks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reading:
    """All tables, who uses them, and what does not fit."""

    gaps: tuple[TableGap, ...]
    roles: Roles
    misfits: tuple[Misfit, ...]
    #: checks of rows that could not be made, because of what does not fit
    unread_count: int


def read(conn: Connection[Any]) -> Reading:
    """Compare what is there with what is needed."""
    roles = read_roles(conn)
    misfits = list(role_misfits(conn, roles))
    if not may_read(conn):
        return Reading(gaps=(), roles=roles, misfits=tuple(misfits), unread_count=len(TABLES))
    wanted, found = wanted_shape(conn), found_shape(conn)
    with conn.transaction():
        conn.execute("SET LOCAL search_path = pg_catalog")
        misfits.extend(shape_misfits(conn, wanted, found, roles))
        misfits.extend(policy_misfits(conn, roles))
        misfits.extend(public_misfits(conn, roles))
        gaps = [_gap(conn, table, wanted, found[table]) for table in TABLES if table in found]
    # Rows that reference a table which the script makes reference nothing.
    created = frozenset(
        table
        for table in TABLES
        if any(
            item.sql.startswith(f"CREATE TABLE crm.{table} ") for each in misfits for item in each.statements
        )
    )
    unread = 0
    for gap in gaps:
        rows, unread_here = row_misfits(
            conn, gap, wanted.now[gap.table], wanted.later[gap.table], found, created
        )
        misfits.extend(rows)
        unread += unread_here
    return Reading(gaps=tuple(gaps), roles=roles, misfits=tuple(misfits), unread_count=unread)


# -- what is missing -------------------------------------------------------------------------------------


def _gap(conn: Connection[Any], table: str, wanted: Wanted, have: TableShape) -> TableGap:
    want = wanted.now[table]
    size = conn.execute(
        "SELECT greatest(reltuples, 0)::bigint, pg_table_size(oid) FROM pg_class WHERE oid = to_regclass(%s)",
        [f"crm.{table}"],
    ).fetchone()
    assert size is not None
    triggers = conn.execute(
        "SELECT tgname FROM pg_catalog.pg_trigger WHERE tgrelid = pg_catalog.to_regclass(%s)"
        " AND NOT tgisinternal AND tgname <> ALL (%s) ORDER BY 1",
        [f"crm.{table}", [trigger.format(table=table) for trigger in OUR_TRIGGERS]],
    ).fetchall()
    known = [
        (name, column, have.columns[name]) for name, column in want.columns.items() if name in have.columns
    ]
    missing = {
        name: item
        for name, item in want.constraints.items()
        if item.kind != "p" and not any(is_met_by(item, other) for other in have.constraints.values())
    }
    whole = [index for index in have.indexes.values() if index.is_valid]
    ours = [*want.constraints.values(), *wanted.later[table].constraints.values()]
    return TableGap(
        table=table,
        row_count=size[0],
        size_bytes=size[1],
        filling=filling_of(table, want, have),
        columns={
            name: definition_of(column) for name, column in want.columns.items() if name not in have.columns
        },
        defaults={
            name: column.default
            for name, column, there in known
            if column.default is not None and there.default is None and not there.identity
        },
        required=tuple(name for name, column, there in known if column.is_required and not there.is_required),
        constraints={name: item for name, item in missing.items() if item.kind in {"f", "c"}},
        unproven={
            name: there
            for name, there in have.constraints.items()
            if not there.is_valid and any(is_met_by(item, there) for item in want.constraints.values())
        },
        unique={
            name: item
            for name, item in missing.items()
            if item.kind == "u"
            # An index of that name without its constraint is what an interrupted adoption left.
            and (name in have.indexes or not any(proves(index, item) for index in whole))
        },
        indexes={
            name: index
            for name, index in want.indexes.items()
            if not index.is_of_constraint and all(differs(other, index) for other in whole)
        },
        triggers=tuple(name for (name,) in triggers),
        checks=tuple(
            f"{name} {item.definition}"
            for name, item in have.constraints.items()
            if item.kind == "c" and not any(is_met_by(other, item) for other in ours)
        ),
    )
